package outbox_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/postgres"
)

func TestMessagesThatAnotherHoldsArePassedOver(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	b := setup(t)
	b.add(t, fulfilled("held"))
	b.add(t, fulfilled("free"))
	require.NoError(t, postgres.InTx(ctx, b.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SELECT FROM outbox WHERE key = 'held' FOR UPDATE`)
		require.NoError(t, err)
		n, err := b.courier.Deliver(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		return nil
	}))
	require.Equal(t, "free", b.pushes[0].Key)
	require.Equal(t, 1, b.deliver(t), "the other one is not forgotten")
}

// A courier that was slow loses its lease. What it then has to say of a failure is out of date; that
// the message is out is true whoever says it.
func TestACourierThatWasOvertakenDecidesNothingButThatTheMessageIsOut(t *testing.T) {
	t.Parallel()
	for want, answer := range map[string]error{
		"pending": &notify.DeliveryError{Kind: notify.ErrPermanent, Key: "k"},
		"sent":    nil,
	} {
		b := setup(t)
		b.answer = answer
		b.reached, b.release = make(chan struct{}), make(chan struct{})
		b.add(t, shipped("shop/1"))
		slow := make(chan error, 1)
		go func() {
			_, err := b.courier.Deliver(context.WithoutCancel(t.Context()))
			slow <- err
		}()
		<-b.reached
		_, err := b.pool.Exec(t.Context(), `UPDATE outbox SET attempts = 2, due_at = now() + interval '1 hour'`)
		require.NoError(t, err)
		close(b.release)
		require.NoError(t, <-slow)
		state, _, _, wait := b.standing(t, "shipped/shop/1")
		require.Equal(t, want, state)
		if want == "pending" {
			require.Greater(t, wait, 50*time.Minute, "the lease is the other courier's")
		}
	}
}

func TestAMessageThatIsOutIsNotSentAgainUnderItsKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(t, shipped("shop/1"))
	require.Equal(t, 1, b.deliver(t))
	b.add(t, shipped("shop/1"))
	require.Zero(t, b.deliver(t))
	require.Len(t, b.mails, 1)
}
