package stripe_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/payment"
)

const voided = `{"id":"pi_1","status":"canceled","amount":1001,"amount_received":0,"currency":"eur","latest_charge":"ch_1"}`

func TestAnswersAreJudgedByWhatTheyProve(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		kind   error
		code   string
	}{
		"good":                 {200, voided, nil, ""},
		"other payment":        {200, strings.Replace(voided, "pi_1", "pi_2", 1), payment.ErrRefused, ""},
		"not what was asked":   {200, strings.Replace(voided, "canceled", "succeeded", 1), payment.ErrRefused, ""},
		"still at work":        {200, strings.Replace(voided, "canceled", "processing", 1), payment.ErrUnknown, ""},
		"unknown status":       {200, strings.Replace(voided, "canceled", "resting", 1), payment.ErrUnknown, ""},
		"fraction":             {200, strings.Replace(voided, "1001", "10.01", 1), payment.ErrUnknown, ""},
		"below zero":           {200, strings.Replace(voided, "1001", "-1", 1), payment.ErrUnknown, ""},
		"currency in capitals": {200, strings.Replace(voided, "eur", "EUR", 1), payment.ErrUnknown, ""},
		"cut off":              {200, voided[:30], payment.ErrUnknown, ""},
		"too large":            {200, voided + strings.Repeat(" ", 300<<10), payment.ErrUnknown, ""},
		"web page":             {200, "<html>", payment.ErrUnknown, ""},
		"declined":             {402, `{"error":{"type":"card_error","code":"card_declined","decline_code":"lost_card","message":"Pat Miller"}}`, payment.ErrRefused, "lost_card"},
		"wrong key":            {401, `{"error":{"type":"invalid_request_error"}}`, payment.ErrRefused, ""},
		"gone":                 {404, `{"error":{"code":"resource_missing"}}`, payment.ErrRefused, "resource_missing"},
		"key at work":          {409, `{"error":{"code":"idempotency_key_in_use"}}`, payment.ErrUnknown, "idempotency_key_in_use"},
		"other use of key":     {400, `{"error":{"type":"idempotency_error","code":"Pat Miller"}}`, payment.ErrRefused, ""},
		"storm":                {429, `{"error":{"code":"rate_limit"}}`, payment.ErrUnavailable, "rate_limit"},
		"server error":         {500, `{}`, payment.ErrUnknown, ""},
		"bad gateway":          {502, `<html>`, payment.ErrUnknown, ""},
		"unavailable":          {503, ``, payment.ErrUnknown, ""},
		"request timeout":      {408, ``, payment.ErrUnknown, ""},
		"redirect":             {307, ``, payment.ErrRefused, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Location", "/elsewhere")
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			t.Cleanup(server.Close)
			_, err := connect(t, server.URL, 0).Void(t.Context(), "v1", "pi_1")
			require.ErrorIs(t, err, c.kind)
			if err == nil {
				return
			}
			var failure *payment.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, c.code, failure.Code)
			require.Equal(t, "shop", failure.Provider)
			require.NotContains(t, err.Error(), "Miller")
			if c.status == 429 {
				require.Equal(t, 7*time.Second, failure.RetryAfter)
			}
			if errors.Is(err, payment.ErrRefused) {
				require.Zero(t, failure.RetryAfter)
			}
		})
	}
}

func TestPaymentThatNeedsTheCustomerIsDeclined(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"pi_1","status":"requires_action","amount":1000,"currency":"eur","latest_charge":null}`)
	}))
	t.Cleanup(server.Close)
	p, err := connect(t, server.URL, 0).Authorise(t.Context(), authorisation("a1", 1000))
	require.ErrorIs(t, err, payment.ErrRefused)
	require.Equal(t, payment.Declined, p.Status)
}

func TestRefundOfAnotherAmountIsNotBelieved(t *testing.T) {
	t.Parallel()
	for body, kind := range map[string]error{
		`{"id":"re_1","status":"succeeded","amount":300,"currency":"eur","created":1760000000}`:     nil,
		`{"id":"re_1","status":"pending","amount":300,"currency":"eur","created":1760000000}`:       nil,
		`{"id":"re_1","status":"succeeded","amount":301,"currency":"eur","created":1760000000}`:     payment.ErrRefused,
		`{"id":"re_1","status":"succeeded","amount":300,"currency":"usd","created":1760000000}`:     payment.ErrRefused,
		`{"id":"re_1","status":"succeeded","amount":300,"currency":"eur"}`:                          payment.ErrUnknown,
		`{"id":"re 1","status":"succeeded","amount":300,"currency":"eur","created":1760000000}`:     payment.ErrUnknown,
		`{"id":"re_1","status":"resting","amount":300,"currency":"eur","created":1760000000}`:       payment.ErrUnknown,
		`{"id":"re_1","status":"succeeded","amount":300,"currency":"eur","created":99999999999999}`: payment.ErrUnknown,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				body := `{"data":[],"has_more":false}`
				_, _ = io.WriteString(w, body)
				return
			}
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(server.Close)
		_, err := connect(t, server.URL, 0).Refund(t.Context(), payment.Refund{Key: "r1", Reference: "pi_1", Amount: 300, Currency: "EUR"})
		require.ErrorIs(t, err, kind, body)
	}
}

func TestFailedRefundSaysWhy(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]payment.RefundReceipt{
		`{"id":"re_1","status":"failed","failure_reason":"lost_or_stolen_card","created":1760000000}`: {Status: payment.RefundFailed, Reason: "lost_or_stolen_card"},
		`{"id":"re_1","status":"canceled","created":1760000000}`:                                      {Status: payment.RefundFailed, Reason: "canceled"},
		`{"id":"re_1","status":"requires_action","created":1760000000}`:                               {Status: payment.RefundPending},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		t.Cleanup(server.Close)
		got, err := connect(t, server.URL, 0).LookUpRefund(t.Context(), "re_1")
		require.NoError(t, err)
		want.Reference, want.At = "re_1", time.Unix(1_760_000_000, 0).UTC()
		require.Equal(t, want, got)
	}
}
