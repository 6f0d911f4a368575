package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/order"
)

// A deadline for reading that outlives the body cuts off whoever waits for an order's answer, and with it
// every later request on the same connection: a proxy before the gateway keeps its connections for long.
func TestAnAnswerThatTakesLongSpoilsNeitherItselfNorItsConnection(t *testing.T) {
	t.Parallel()
	const longer = 5500 * time.Millisecond // than what the framework gives a body: 5 s
	f := setup(t, func(c *gateway.Config) { c.AnswerWait = 2 * longer })
	f.started()
	var cut error
	f.orders.before = func(ctx context.Context) {
		select {
		case <-time.After(longer):
		case <-ctx.Done():
			cut = ctx.Err()
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- gateway.Serve(ctx, listener, f.handler) }()
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	ask := func(method, path, body string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+listener.Addr().String()+path, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+f.shop)
		r.Header.Set("Content-Type", "application/json")
		response, err := client.Do(r)
		require.NoError(t, err)
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		return response.StatusCode
	}
	require.Equal(t, http.StatusOK, ask(http.MethodPost, cancelPath, cancelAll))
	require.NoError(t, cut)
	require.Equal(t, http.StatusOK, ask(http.MethodGet, "/v1/orders/shop/1001", ""))
	client.CloseIdleConnections()
	stop()
	require.NoError(t, <-served)
}

// The order takes the request, is cancelled and closed, and its answer gets lost on the way here.
func TestACancellationThatClosedItsOrderIsNotCalledRefused(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.started()
	f.orders.err = gateway.ErrLate
	f.orders.before = func(context.Context) {
		s := order.State{Key: order.Key{Storefront: "shop", Order: "1001"}}
		s.ValidatedWith(order.Verdict{Lines: []order.Line{{Line: 1, SKU: "MUG", Ordered: 2}}}, time.Now())
		s.Cancel(order.CancelRequest{ID: "api/mine"}, time.Now())
		state, err := json.Marshal(s)
		require.NoError(t, err)
		f.exec(`UPDATE orders SET state = $1, closed_at = now()`, state)
	}
	got := f.post(cancelPath, f.shop, `{"request_id": "mine"}`)
	require.Equal(t, http.StatusOK, got.StatusCode, got.body)
	require.Contains(t, got.body, `"result":"answered"`)
	require.Zero(t, f.count(storedCancels))
}
