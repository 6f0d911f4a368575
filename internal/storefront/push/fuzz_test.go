package push_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/storefront/push"
)

// answering gives every request one answer.
type answering struct {
	status int
	after  string
	body   []byte
}

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: a.status, Header: http.Header{"Retry-After": {a.after}}, Body: io.NopCloser(bytes.NewReader(a.body)), Request: r,
	}, nil
}

func FuzzRefundAnswer(f *testing.F) {
	const good = `{"reference":"re_1","at":"2026-03-02T15:00:00Z","amount":"12.34","currency":"EUR"}`
	f.Add(uint16(0), "", []byte(good))
	f.Add(uint16(0), "", []byte(strings.Replace(good, "re_1", `re\u0000\u001b[2J\r\n1`, 1)))
	f.Add(uint16(0), "", []byte(strings.Replace(good, "2026-03-02T15:00:00Z", "9999-12-31T23:59:59-12:00", 1)))
	f.Add(uint16(0), "", []byte(strings.Replace(good, "12.34", "1234", 1)))
	f.Add(uint16(0), "", []byte(`{"errors":["Pat Miller"],"reference":"re_1"}`))
	f.Add(uint16(229), "99999999999999999999", []byte(`busy`))
	f.Add(uint16(303), "-5", []byte(``))
	f.Fuzz(func(t *testing.T, status uint16, after string, body []byte) {
		answer := answering{status: 200 + int(status)%400, after: after, body: body}
		client, err := push.New(push.Config{Storefront: "shop", BaseURL: "https://shop.example", HTTP: &http.Client{Transport: answer}})
		require.NoError(t, err)
		receipt, err := client.Refund(t.Context(), storefront.Refund{
			Key: "k", Order: order.Key{Storefront: "shop", Order: "1001"}, Amount: 1234, Currency: "EUR",
		})
		if err != nil {
			var failure *storefront.Error
			require.ErrorAs(t, err, &failure)
			require.Less(t, len(err.Error()), 200, "what is wrong, not what came")
			require.NotContains(t, err.Error(), "Miller")
			require.True(t, failure.RetryAfter >= 0 && failure.RetryAfter <= 24*time.Hour)
			require.False(t, answer.status >= 500 && answer.status != 503 && !errors.Is(err, storefront.ErrUnknown), "it may have been paid")
			return
		}
		require.Less(t, answer.status, 300)
		require.True(t, len(receipt.Reference) >= 1 && len(receipt.Reference) <= 255)
		require.False(t, strings.ContainsFunc(receipt.Reference, unicode.IsControl), "a receipt can be stored and shown")
		_, err = json.Marshal(receipt)
		require.NoError(t, err)
	})
}
