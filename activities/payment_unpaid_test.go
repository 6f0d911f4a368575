package activities_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sim/paymentsim"
)

// less captures a part of the authorisation by hand at the provider, before we do, and lets the payment hear of it.
func (c *till) less(amount int64) {
	c.t.Helper()
	_, err := c.provider.Capture(c.ctx, payment.Capture{Key: "person-" + c.key.Order, Reference: c.state.Reference, Amount: amount, Currency: "USD"})
	require.NoError(c.t, err)
	c.ship()
	require.Equal(c.t, amount, c.capture().Amount)
}

func (c *till) decide(kind payments.DecisionKind, id string) {
	c.t.Helper()
	d := payments.Decision{ID: id, By: "operator", Kind: kind, Matter: "capture", Reason: "gone", Reference: "wire-" + id}
	require.NoError(c.t, c.state.CanDecide(d))
	c.state.Decide(d, c.now)
}

// recorded brings Postgres up to the state, as far as there is anything to record.
func (c *till) recorded() {
	c.t.Helper()
	for steps := c.state.Steps(); len(steps) > 0; steps = c.state.Steps() {
		c.record(steps[0])
	}
}

func TestWhatWasWrittenOffIsForgivenBeforeAnythingGoesBack(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureShipment, false, sale("1", line(1, "MUG", 2)))
	c.less(1500)
	c.recorded()
	c.decide(payments.DecideWriteOff, "1")
	c.recorded()
	require.EqualValues(t, 1200, c.balance(ledger.Losses))
	require.EqualValues(t, 1, c.number(`SELECT count(*) FROM payments WHERE standing = 'captured' AND written_off_minor = 1200`))
	_, err := c.pool.Exec(c.ctx, `INSERT INTO refunds (key, order_key, n, lines, amount_minor, goods_minor, tax_minor, shipping_minor, reason, state)
		VALUES ('more', $1, 9, '[]', 1501, 0, 0, 0, 'goodwill', 'trying')`, c.key.String())
	require.ErrorContains(t, err, "exceed the 1500 captured", "Postgres refuses that more goes back than was paid")
	result, err := c.give(1, 1)
	require.NoError(t, err)
	require.Equal(t, "Never paid, so nothing goes back of 10.80 USD", result.Text)
	require.Zero(t, c.sim.Payment(c.state.Reference).Refunded)
	require.EqualValues(t, 120, c.balance(ledger.Losses), "the loss is smaller by what came back")
	result, err = c.give(2, 2)
	require.NoError(t, err)
	require.Equal(t, "Never paid, so nothing goes back of 1.20 USD; Refunded 15.00 USD", result.Text)
	require.EqualValues(t, 1500, c.sim.Payment(c.state.Reference).Refunded)
	for _, account := range []ledger.Account{ledger.Losses, ledger.CustomerDeposits, ledger.CustomerReceivable, ledger.ProcessorClearing, ledger.RefundsPayable} {
		require.Zero(t, c.balance(account), account)
	}
	require.Contains(t, c.followed(), "0 not paid  -1200")
	require.EqualValues(t, 1, c.number(`SELECT count(*) FROM outbox WHERE kind = 'refunded'`), "told of what goes back alone")
}

func TestARefundBeforeTheRestIsDecidedIsTakenOffTheRest(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureShipment, false, sale("1", line(1, "MUG", 2)))
	c.less(1500)
	c.record(payments.StepRecord)
	result, err := c.give(1, 1)
	require.NoError(t, err)
	require.Equal(t, "Cancelled before the capture, so not taken: 10.80 USD", result.Text)
	c.hears()
	require.EqualValues(t, 120, c.state.Due(), "the customer is asked for less")
	require.Contains(t, c.state.Attention[0].Text, "1.20 USD less was captured")
	require.EqualValues(t, 120, c.balance(ledger.CustomerReceivable))
	c.decide(payments.DecideWriteOff, "1")
	c.recorded()
	c.square()
}

func TestAReturnOfWhatWasPaidInPartGivesNoMoreThanWasPaid(t *testing.T) {
	t.Parallel()
	for _, wish := range []returns.Resolution{returns.Refund, returns.StoreCredit, returns.Exchange} {
		t.Run(string(wish), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			c := b.pays(catalog.CaptureShipment, false, sale("1", line(1, "MUG", 1)))
			c.less(700) // of 16.20
			c.recorded()
			c.decide(payments.DecideWriteOff, "1")
			c.recorded()
			c.keep()
			b.offer(nil)
			r := c.wanted(returns.Request{Resolution: wish}, "")
			paid, err := b.desk.PayReturn(b.ctx, r.payment())
			require.NoError(t, err)
			require.Zero(t, paid.Moved, "what is left of what was paid does not pay for the goods once more")
			require.Zero(t, c.balance(ledger.Losses), "all that was written off is forgiven")
			if wish == returns.StoreCredit {
				require.EqualValues(t, 52, paid.Credit)
			}
			back := paid.Amount + paid.Credit
			require.LessOrEqual(t, back, int64(1080-920))
			require.EqualValues(t, 1, b.number(`SELECT count(*) FROM orders`))
			c.square()
		})
	}
}

// A refund takes off what is due before the provider is asked, and the payment hears of it when it is made: a person
// may write the same off meanwhile. It is taken off once, and what was paid goes back.
func TestWhatIsWrittenOffBesideARefundIsTakenOffOnce(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureShipment, false, sale("1", line(1, "MUG", 4)))
	c.less(3000) // of 48.60
	c.recorded()
	c.sim.Script(paymentsim.Script{Operation: paymentsim.Refunds, Fault: paymentsim.Broken, Times: 1})
	_, err := c.give(1, 2)
	require.Error(t, err)
	c.hears()
	require.EqualValues(t, 1860, c.state.Due(), "it has not heard of the refund")
	c.decide(payments.DecideWriteOff, "1")
	c.recorded()
	result, err := c.give(2, 3)
	require.NoError(t, err)
	require.Equal(t, "Refunded 10.80 USD", result.Text, "it was paid")
	result, err = c.give(1, 2)
	require.NoError(t, err)
	require.Equal(t, "Cancelled before the capture, so not taken: 18.60 USD; Refunded 3.00 USD", result.Text)
	c.hears()
	c.recorded()
	require.Zero(t, c.balance(ledger.Losses), "what was cancelled is no loss")
	_, err = c.give(3, 4)
	require.NoError(t, err)
	c.hears()
	c.recorded()
	require.EqualValues(t, 3000, c.sim.Payment(c.state.Reference).Refunded)
	for _, account := range []ledger.Account{ledger.Losses, ledger.CustomerDeposits, ledger.CustomerReceivable, ledger.ProcessorClearing, ledger.RefundsPayable} {
		require.Zero(t, c.balance(account), account)
	}
	require.True(t, c.state.Finished(), c.state.Card())
}

// down begins a refund of units while the provider is down; it returns how it is made after all.
func (c *till) down(take, units int64, n *int, left *int64) (again func()) {
	c.t.Helper()
	*n, *left = *n+1, *left-take
	number, sum := *n, units-*left
	c.sim.Script(paymentsim.Script{Operation: paymentsim.Refunds, About: c.state.Reference, Fault: paymentsim.Broken, Times: 1})
	_, _ = c.give(number, sum) // what takes nothing but what is due asks nobody, and is made
	return func() {
		c.until(func() error { _, err := c.give(number, sum); return err })
		c.hears()
	}
}

// Whatever is captured of an order, written off and refunded, in parts and in whatever order: in the end exactly what
// was captured has gone back, and nothing is left in any account.
func TestRefundsOfAPaymentInPartEndAtWhatWasCaptured(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sim := b.account(catalog.CaptureShipment)
	serial := 0
	rapid.Check(t, func(rt *rapid.T) {
		serial++
		units := rapid.Int64Range(1, 6).Draw(rt, "units")
		o := sale(fmt.Sprintf("u%d-%d", serial, rand.Uint32()), line(1, "MUG", units))
		c := b.paysAt(sim, false, o)
		captured := rapid.Int64Range(1, o.Total-1).Draw(rt, "captured")
		left, n := units, 0
		give := func(atMost int64) {
			if take := rapid.Int64Range(0, atMost).Draw(rt, "take"); take > 0 {
				n, left = n+1, left-take
				number, sum := n, units-left
				c.until(func() error { _, err := c.give(number, sum); return err })
				c.hears()
			}
		}
		give(left - 1)
		captured = min(captured, c.state.Due())
		c.less(captured)
		c.recorded()
		if rapid.Bool().Draw(rt, "refunded before it is decided") {
			give(left)
			c.recorded()
		}
		var again func()
		if left > 0 && rapid.Bool().Draw(rt, "the provider is down and it is decided before the payment hears") {
			again = c.down(rapid.Int64Range(1, left).Draw(rt, "take"), units, &n, &left)
		}
		if c.state.Due() > 0 {
			c.decide(payments.DecideWriteOff, "1")
			c.recorded()
		}
		if again != nil && rapid.Bool().Draw(rt, "others are refunded first") {
			give(left)
		}
		if again != nil {
			again()
			c.recorded()
		}
		for left > 0 {
			give(left)
			require.LessOrEqual(rt, c.sim.Payment(c.state.Reference).Refunded, captured)
		}
		c.recorded()
		require.Equal(rt, captured, c.sim.Payment(c.state.Reference).Refunded)
		require.Zero(rt, b.number(`SELECT count(*) FROM (SELECT e.account FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
			WHERE t.order_key = $1 GROUP BY 1 HAVING sum(e.minor) <> 0) open`, c.key.String()))
		require.True(rt, c.state.Finished(), c.state.Card())
	})
}
