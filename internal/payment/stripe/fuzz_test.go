package stripe_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/payment/stripe"
)

// answering gives every look the same list, and every change one answer.
type answering struct {
	status int
	after  string
	body   []byte
}

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"data":[]}`)), Request: r}, nil
	}
	return &http.Response{
		StatusCode: a.status, Header: http.Header{"Retry-After": {a.after}}, Body: io.NopCloser(bytes.NewReader(a.body)), Request: r,
	}, nil
}

func FuzzRefundAnswer(f *testing.F) {
	const good = `{"id":"re_1","status":"succeeded","amount":1234,"currency":"eur","created":1760000000}`
	f.Add(uint16(0), "", []byte(good))
	f.Add(uint16(0), "", []byte(strings.Replace(good, "re_1", `re\u0000\u001b[2J\r\n1`, 1)))
	f.Add(uint16(0), "", []byte(strings.Replace(good, "1760000000", "9223372036854775807", 1)))
	f.Add(uint16(202), "", []byte(`{"error":{"code":"Pat Miller","decline_code":"\u0000"}}`))
	f.Add(uint16(229), "99999999999999999999", []byte(`busy`))
	f.Add(uint16(303), "-5", []byte(``))
	f.Fuzz(func(t *testing.T, status uint16, after string, body []byte) {
		answer := answering{status: 200 + int(status)%400, after: after, body: body}
		client, err := stripe.New(stripe.Config{Storefront: "shop", BaseURL: "https://pay.example", SecretKey: "sk", HTTP: &http.Client{Transport: answer}})
		require.NoError(t, err)
		receipt, err := client.Refund(t.Context(), payment.Refund{Key: "k", Reference: "pi_1", Amount: 1234, Currency: "EUR"})
		if err != nil {
			var failure *payment.Error
			require.ErrorAs(t, err, &failure)
			require.Less(t, len(err.Error()), 300, "what is wrong, not what came")
			require.NotContains(t, err.Error(), "Miller")
			require.True(t, failure.RetryAfter >= 0 && failure.RetryAfter <= 24*time.Hour)
			require.False(t, answer.status >= 500 && !errors.Is(err, payment.ErrUnknown), "it may have been paid")
			return
		}
		require.Less(t, answer.status, 300)
		require.Regexp(t, `^[A-Za-z0-9_]{1,255}$`, receipt.Reference)
		_, err = json.Marshal(receipt)
		require.NoError(t, err)
	})
}

func FuzzParseEvent(f *testing.F) {
	for _, body := range []string{
		eventOf("refund.failed", refundObject), eventOf("charge.dispute.created", disputeObject), eventOf("payment_intent.canceled", voided),
		eventOf("charge.dispute.closed", strings.Replace(disputeObject, "needs_response", "won", 1)), `{}`, `[1]`, "\x00",
		eventOf("refund.failed", `{"payment_intent":{"id":"pi_1"},"charge":null}`), eventOf("payment_intent.succeeded", `{"latest_charge":7}`),
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := stripe.ParseEvent(body)
		if err != nil {
			require.ErrorIs(t, err, stripe.ErrMalformed)
			require.Nil(t, e)
			return
		}
		if e == nil {
			return
		}
		kept, err := json.Marshal(e)
		require.NoError(t, err)
		require.NotContains(t, string(kept), `\u0000`, "Postgres does not store it")
		require.Regexp(t, `^[A-Za-z0-9_]{1,255}$`, e.ID)
		require.Regexp(t, `^[A-Za-z0-9_]{1,255}$`, e.Payment)
		require.GreaterOrEqual(t, min(e.Standing.Authorised, e.Standing.Captured, e.Dispute.Amount, e.Dispute.Fee), int64(0))
	})
}
