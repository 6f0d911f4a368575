package push_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/storefront/push"
)

// A redirected refund would be made by whoever the redirect names.
func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) }))
		t.Cleanup(shop.Close)
		for _, client := range []*http.Client{nil, {}} {
			c, err := push.New(push.Config{Storefront: "shop", BaseURL: shop.URL, Token: "token", HTTP: client})
			require.NoError(t, err)
			_, err = c.Refund(t.Context(), refund("r1", 1001))
			require.Error(t, err, status)
		}
	}
	require.Zero(t, elsewhere.Load())
}
