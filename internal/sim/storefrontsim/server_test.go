package storefrontsim_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/sim/storefrontsim"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/storefront/shopify"
)

// gateway records deliveries, and fails the first ones.
type gateway struct {
	mu     sync.Mutex
	fail   int
	events []string
	bodies [][]byte
	valid  bool
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fail > 0 {
		g.fail--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	body, _ := io.ReadAll(r.Body)
	mac := hmac.New(sha256.New, []byte("secret"))
	mac.Write(body)
	g.valid = r.URL.Path == "/v1/shopify/shop/webhooks" &&
		r.Header.Get("X-Shopify-Hmac-Sha256") == base64.StdEncoding.EncodeToString(mac.Sum(nil))
	key, _ := shopify.EventKey(r.Header)
	g.events, g.bodies = append(g.events, key), append(g.bodies, body)
}

func start(t *testing.T, g *gateway, attempts int) *storefrontsim.Server {
	t.Helper()
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	s, err := storefrontsim.Start(storefrontsim.Config{
		Gateway: server.URL, Storefront: "shop", Secret: "secret", Attempts: attempts, Retry: time.Millisecond,
	})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func TestWebhooksAreSignedRepeatedAndReordered(t *testing.T) {
	t.Parallel()
	g := &gateway{fail: 2}
	s := start(t, g, 3)
	sale := storefrontsim.Sale{ID: 9007199254740993, Shipping: 490, Discount: 101, Lines: []storefrontsim.SoldLine{
		{SKU: "MUG", Quantity: 2, Price: 1000, Tax: 380}, {SKU: "TEE", Quantity: 1, Price: 500, Tax: 95},
	}}
	created, err := sale.Document()
	require.NoError(t, err)
	sale.CancelledAt, sale.Reason = time.Now(), "customer"
	cancelled, err := sale.Document()
	require.NoError(t, err)
	require.NoError(t, s.SendOutOfOrder(t.Context(),
		storefrontsim.Webhook{Topic: "orders/create", EventID: "e1", Body: created, Copies: 2},
		storefrontsim.Webhook{Topic: "orders/cancelled", EventID: "e2", Body: cancelled}))
	require.Equal(t, []string{"orders/cancelled:e2", "orders/create:e1", "orders/create:e1"}, g.events)
	require.True(t, g.valid)

	d, err := shopify.Parse("shop", g.bodies[1])
	require.NoError(t, err)
	require.Equal(t, "9007199254740993", d.Order.Key.Order)
	require.Empty(t, storefront.Problems(&d.Order))
	require.Empty(t, storefront.Doubts(&d.Order))
	d, err = shopify.Parse("shop", g.bodies[0])
	require.NoError(t, err)
	_, asked := d.Cancel()
	require.True(t, asked)
}

func TestWebhookThatIsNeverTakenIsGivenUp(t *testing.T) {
	t.Parallel()
	g := &gateway{fail: 99}
	s := start(t, g, 3)
	require.ErrorContains(t, s.Send(t.Context(), storefrontsim.Webhook{Topic: "orders/create", EventID: "e1"}), "after 3 attempts")
	require.Equal(t, 96, g.fail)
}
