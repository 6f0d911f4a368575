package push_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/storefrontsim"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/storefront/push"
)

var key = order.Key{Storefront: "shop", Order: "1001"}

func setup(t *testing.T, timeout time.Duration) (*storefrontsim.Server, *push.Client) {
	t.Helper()
	sim, err := storefrontsim.Start(storefrontsim.Config{Token: "token"})
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	c, err := push.New(push.Config{Storefront: "shop", BaseURL: sim.URL(), Token: "token", Timeout: timeout})
	require.NoError(t, err)
	return sim, c
}

func refund(k string, amount int64) storefront.Refund {
	return storefront.Refund{Key: k, Order: key, Amount: amount, Currency: "EUR", Reason: "returned", Lines: []order.ShippedLine{{Line: 1, Quantity: 2}}}
}

func TestRefundIsMadeOncePerKey(t *testing.T) {
	t.Parallel()
	sim, c := setup(t, 0)
	first, err := c.Refund(t.Context(), refund("r1", 1001))
	require.NoError(t, err)
	require.NotEmpty(t, first.Reference)
	require.False(t, first.At.IsZero())
	again, err := c.Refund(t.Context(), refund("r1", 1001))
	require.NoError(t, err)
	require.Equal(t, first, again)
	_, err = c.Refund(t.Context(), refund("r2", 99))
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"EUR": 1100}, sim.Refunded("1001"))
	require.Equal(t, 1, sim.Repeats(storefrontsim.Refunds, "r1"))

	_, err = c.Refund(t.Context(), refund("r1", 500))
	require.ErrorIs(t, err, storefront.ErrRefused, "the key stands for another refund")
	require.Equal(t, 1, sim.Conflicts())
}

func TestLostAnswerIsResolvedBySendingTheSameKeyAgain(t *testing.T) {
	t.Parallel()
	sim, c := setup(t, 0)
	sim.Script(storefrontsim.Refunds, storefrontsim.AnswerLost, 4, 0)
	// The HTTP client itself repeats a keyed request on a connection that broke, so several
	// answers are lost before the caller learns of it.
	for {
		_, err := c.Refund(t.Context(), refund("r1", 1001))
		if err == nil {
			break
		}
		require.ErrorIs(t, err, storefront.ErrUnknown)
	}
	require.Equal(t, map[string]int64{"EUR": 1001}, sim.Refunded("1001"))
	require.Equal(t, 4, sim.Repeats(storefrontsim.Refunds, "r1"))
}

func TestSlowAnswerIsUnknown(t *testing.T) {
	t.Parallel()
	sim, c := setup(t, 50*time.Millisecond)
	sim.Script(storefrontsim.Refunds, storefrontsim.Slow, 1, time.Minute)
	_, err := c.Refund(t.Context(), refund("r1", 1001))
	require.ErrorIs(t, err, storefront.ErrUnknown)
	require.Equal(t, map[string]int64{"EUR": 1001}, sim.Refunded("1001"), "it had happened")
}

func TestUnavailableStorefrontAppliedNothing(t *testing.T) {
	t.Parallel()
	sim, c := setup(t, 0)
	sim.Script(storefrontsim.Fulfillments, storefrontsim.Unavailable, 1, 0)
	parcel := storefront.Fulfilment{Key: "f1", Order: key, Number: "#1001", Carrier: "ups", Tracking: "1Z1", Lines: []order.ShippedLine{{Line: 1, Quantity: 2}}}
	err := c.Fulfilled(t.Context(), parcel)
	require.ErrorIs(t, err, storefront.ErrUnavailable)
	var failure *storefront.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, time.Second, failure.RetryAfter)
	require.Empty(t, sim.Notices(storefrontsim.Fulfillments))

	require.NoError(t, c.Fulfilled(t.Context(), parcel))
	told := sim.Notices(storefrontsim.Fulfillments)
	require.Len(t, told, 1)
	require.Equal(t, "1Z1", told[0].Tracking)
	require.Equal(t, []storefrontsim.Line{{Line: 1, Quantity: 2}}, told[0].Lines)

	require.NoError(t, c.Cancelled(t.Context(), storefront.Cancellation{Key: "c1", Order: key, Reason: "no supplier", Lines: []order.ShippedLine{{Line: 2, Quantity: 1}}}))
	require.Equal(t, "no supplier", sim.Notices(storefrontsim.Cancellations)[0].Reason)

	sim.Close()
	fresh, err := push.New(push.Config{Storefront: "shop", BaseURL: sim.URL()})
	require.NoError(t, err)
	err = fresh.Fulfilled(t.Context(), parcel)
	require.ErrorIs(t, err, storefront.ErrUnavailable, "nobody listens, so nothing was applied")
}

func TestNoticeForAnotherStorefrontNeverLeaves(t *testing.T) {
	t.Parallel()
	sim, c := setup(t, 0)
	foreign := refund("r1", 100)
	foreign.Order.Storefront = "elsewhere"
	for _, r := range []storefront.Refund{foreign, refund("", 100), refund("r1", 0), refund("r1", -5)} {
		_, err := c.Refund(t.Context(), r)
		require.ErrorIs(t, err, storefront.ErrRefused)
	}
	require.Empty(t, sim.Notices(""))
}

func TestAnswersAreJudgedByWhatTheyProve(t *testing.T) {
	t.Parallel()
	const good = `{"reference":"re_1","at":"2026-03-02T09:00:00Z","amount":"10.01","currency":"EUR"}`
	for name, c := range map[string]struct {
		status int
		body   string
		kind   error
	}{
		"good":            {200, good, nil},
		"created":         {201, good, nil},
		"no receipt":      {200, `{}`, storefront.ErrUnknown},
		"web page":        {200, `<html>`, storefront.ErrUnknown},
		"error under 200": {200, `{"error":"card expired"}`, storefront.ErrRefused},
		"other amount":    {200, `{"reference":"re_1","at":"2026-03-02T09:00:00Z","amount":"10.00","currency":"EUR"}`, storefront.ErrRefused},
		"bad gateway":     {502, ``, storefront.ErrUnknown},
		"server error":    {500, `{}`, storefront.ErrUnknown},
		"storm":           {429, ``, storefront.ErrUnavailable},
		"forbidden":       {403, ``, storefront.ErrRefused},
		"redirect":        {307, ``, storefront.ErrRefused},
		"unprocessable":   {422, `{}`, storefront.ErrRefused},
		"cut off":         {200, good[:20], storefront.ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			t.Cleanup(server.Close)
			client, err := push.New(push.Config{Storefront: "shop", BaseURL: server.URL})
			require.NoError(t, err)
			_, err = client.Refund(t.Context(), refund("r1", 1001))
			require.ErrorIs(t, err, c.kind)
			if err != nil {
				require.NotContains(t, err.Error(), "card")
			}
		})
	}
}

func TestCancelledCallerIsToldTheTruth(t *testing.T) {
	t.Parallel()
	_, c := setup(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Refund(ctx, refund("r1", 1001))
	require.ErrorIs(t, err, storefront.ErrUnavailable, "the request never left")
}

// Refunds made elsewhere are told in whatever order the network brings them: a try that came back was not made.
func TestRefundsMadeElsewhereAreToldByTheirTries(t *testing.T) {
	t.Parallel()
	sim, c := setup(t, 0)
	tell := func(try int, cameBack bool) storefront.RefundNotice {
		return storefront.RefundNotice{
			Key: fmt.Sprint(try, cameBack), Order: key, Refund: "refund/shop/1001/1", Try: try, CameBack: cameBack, Amount: 1001, Currency: "EUR",
			Reason: "returned", RMA: "R-1", Lines: []order.ShippedLine{{Line: 1, Quantity: 2}},
		}
	}
	for _, n := range []storefront.RefundNotice{tell(1, true), tell(1, false), tell(2, false), tell(2, false)} {
		require.NoError(t, c.RefundTold(t.Context(), n))
	}
	require.Equal(t, map[string]int64{"EUR": 1001}, sim.RefundedElsewhere("1001"))
	require.Empty(t, sim.Refunded("1001"), "nothing is to be paid")
	require.Len(t, sim.Notices(storefrontsim.RefundNotices), 3)
	require.NoError(t, c.RefundTold(t.Context(), tell(2, true)))
	require.Empty(t, sim.RefundedElsewhere("1001"))
	require.ErrorIs(t, c.RefundTold(t.Context(), storefront.RefundNotice{Key: "none", Order: key, Currency: "EUR"}), storefront.ErrRefused)
}
