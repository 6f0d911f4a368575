package stripe

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/dropline/dropline/internal/payment"
)

// answered is the body of an answer that is no success. Its message is not read: it may name the card.
type answered struct {
	Error struct {
		Code          string `json:"code"`
		DeclineCode   string `json:"decline_code"`
		PaymentIntent struct {
			ID string `json:"id"`
		} `json:"payment_intent"`
	} `json:"error"`
}

// declined is a failure that the provider names a payment in.
type declined struct {
	failure *payment.Error
	intent  string
}

func (d *declined) Error() string { return d.failure.Error() }
func (d *declined) Unwrap() error { return d.failure }

// kept marks a failure that the provider gives to every repeat of the key, and so no proof of what is.
type kept struct{ failure *payment.Error }

func (k *kept) Error() string { return k.failure.Error() }
func (k *kept) Unwrap() error { return k.failure }

var codeForm = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)

// judge says what a status proves.
//
// Stripe keeps the first answer to a key, a failure of its own (5xx) included, and gives it to every
// repeat, marked Idempotent-Replayed. So a repeat settles only what became of the request on its way;
// what a kept 5xx left behind has to be looked up.
func (c *Client) judge(response *http.Response, body []byte) error {
	var said answered
	_ = json.Unmarshal(body, &said) // a proxy's page says nothing
	code := said.Error.DeclineCode
	if code == "" {
		code = said.Error.Code
	}
	if !codeForm.MatchString(code) {
		code = ""
	}
	status := response.StatusCode
	detail := "answered " + strconv.Itoa(status)
	if code != "" {
		detail += " " + code
	}
	switch {
	case status == http.StatusTooManyRequests:
		failure := c.failure(payment.ErrUnavailable, code, detail)
		failure.RetryAfter = retryAfter(response.Header.Get("Retry-After"), time.Now())
		return failure
	case status >= 500 && response.Header.Get("Idempotent-Replayed") == "true":
		return &kept{c.failure(payment.ErrRefused, code, detail+" once, and to every repeat: see in the provider's own book what became of it")}
	case status >= 500 || status == http.StatusRequestTimeout:
		failure := c.failure(payment.ErrUnknown, code, detail)
		failure.RetryAfter = retryAfter(response.Header.Get("Retry-After"), time.Now())
		return failure
	case status == http.StatusConflict:
		return c.failure(payment.ErrUnknown, code, detail+": the first request with this key is still at work")
	}
	failure := c.failure(payment.ErrRefused, code, detail)
	if idForm.MatchString(said.Error.PaymentIntent.ID) && status == http.StatusPaymentRequired {
		return &declined{failure, said.Error.PaymentIntent.ID}
	}
	return failure
}

// settledOtherwise says that a refusal may mean that it has been done before: the provider forgets a
// key after a day and then only sees a payment that is not as the request needs it.
func settledOtherwise(err error) bool {
	var failure *payment.Error
	var stuck *kept
	if errors.As(err, &stuck) {
		return true
	}
	return errors.As(err, &failure) && (failure.Code == "payment_intent_unexpected_state" || failure.Code == "charge_already_captured")
}

func (c *Client) failure(kind error, code, detail string) *payment.Error {
	return &payment.Error{Kind: kind, Provider: c.config.Storefront, Code: code, Detail: detail}
}

func (c *Client) unreadable() error {
	return c.failure(payment.ErrUnknown, "", "answered without a readable object")
}

// retryAfter reads seconds or an HTTP date (RFC 9110, 10.2.3), capped at a day.
func retryAfter(header string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseInt(header, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(header); err == nil {
		wait = date.Sub(now)
	}
	return min(max(wait, 0), 24*time.Hour)
}
