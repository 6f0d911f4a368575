// Package push tells a storefront over plain JSON HTTP what became of its orders.
//
//	POST {base}/orders/{order}/fulfillments    {"carrier","tracking","lines":[{"line","quantity"}]}
//	POST {base}/orders/{order}/cancellations   {"reason","lines":[...]}
//	POST {base}/orders/{order}/refunds         {"amount":"12.34","currency":"EUR","reason","lines":[...]}
//	POST {base}/orders/{order}/store_credits   {"amount":"12.34","bonus":"1.12","currency":"EUR","rma"}
//	POST {base}/orders/{order}/refund_notices  {"refund","try","standing":"made","amount":"12.34","currency":"EUR","reason","rma","lines":[...]}
//
// Each request carries an Idempotency-Key: the storefront must do a key's work once and answer
// every repeat like the first time. A refund and a store credit are answered with {"reference","at","amount",
// "currency"}.
package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/storefront"
)

const maxAnswer = 64 << 10

// Config says where one storefront listens.
type Config struct {
	Storefront string
	BaseURL    string
	Token      string // sent as a bearer token when not empty
	// Timeout bounds one call with its answer; zero means 15 seconds.
	Timeout time.Duration
	// HTTP is the client to use, so that the caller's rules on where to connect hold; nil means one
	// of its own.
	HTTP *http.Client
}

// Client is a storefront.Channel. It is safe for concurrent use.
type Client struct {
	config Config
	http   http.Client
}

var (
	_ storefront.Channel        = (*Client)(nil)
	_ storefront.Crediter       = (*Client)(nil)
	_ storefront.RefundListener = (*Client)(nil)
)

// New checks the configuration.
func New(c Config) (*Client, error) {
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, errors.New("storefront " + c.Storefront + ": the base URL must be an absolute http or https URL")
	}
	if c.Timeout == 0 {
		c.Timeout = 15 * time.Second
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	client := &Client{config: c}
	client.http.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute}
	if c.HTTP != nil {
		client.http = *c.HTTP
	}
	// A redirected POST loses its body or goes where nobody agreed to send it.
	client.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client, nil
}

type notice struct {
	Number   string              `json:"number,omitempty"`
	Carrier  string              `json:"carrier,omitempty"`
	Tracking string              `json:"tracking,omitempty"`
	Amount   string              `json:"amount,omitempty"`
	Currency string              `json:"currency,omitempty"`
	Reason   string              `json:"reason,omitempty"`
	Bonus    string              `json:"bonus,omitempty"`
	RMA      string              `json:"rma,omitempty"`
	Refund   string              `json:"refund,omitempty"`
	Try      int                 `json:"try,omitempty"`
	Standing string              `json:"standing,omitempty"`
	Lines    []order.ShippedLine `json:"lines,omitempty"`
}

// Fulfilled tells of one parcel.
func (c *Client) Fulfilled(ctx context.Context, f storefront.Fulfilment) error {
	_, err := c.post(ctx, f.Order, "fulfillments", f.Key, notice{Number: f.Number, Carrier: f.Carrier, Tracking: f.Tracking, Lines: f.Lines})
	return err
}

// Cancelled tells that line quantities will not come.
func (c *Client) Cancelled(ctx context.Context, n storefront.Cancellation) error {
	_, err := c.post(ctx, n.Order, "cancellations", n.Key, notice{Reason: n.Reason, Lines: n.Lines})
	return err
}

type receipt struct {
	Reference string    `json:"reference"`
	At        time.Time `json:"at"`
	Amount    string    `json:"amount"`
	Currency  string    `json:"currency"`
}

// Refund asks for money back to the customer. After ErrUnknown the same Refund is sent again: the
// storefront answers for the refund it made, or makes it now.
func (c *Client) Refund(ctx context.Context, r storefront.Refund) (storefront.RefundReceipt, error) {
	amount, err := money.Format(r.Amount, r.Currency)
	if err != nil || r.Amount <= 0 {
		return storefront.RefundReceipt{}, c.failure(storefront.ErrRefused, "not an amount that could be refunded")
	}
	return c.give(ctx, r.Order, "refunds", r.Key, notice{Amount: amount, Currency: r.Currency, Reason: r.Reason, Lines: r.Lines})
}

// Credit asks for a store credit for the customer, as Refund asks for money.
func (c *Client) Credit(ctx context.Context, r storefront.Credit) (storefront.RefundReceipt, error) {
	amount, err := money.Format(r.Amount, r.Currency)
	if err != nil || r.Amount <= 0 {
		return storefront.RefundReceipt{}, c.failure(storefront.ErrRefused, "not an amount that could be credited")
	}
	n := notice{Amount: amount, Currency: r.Currency, RMA: r.RMA}
	if r.Bonus > 0 {
		if n.Bonus, err = money.Format(r.Bonus, r.Currency); err != nil {
			return storefront.RefundReceipt{}, c.failure(storefront.ErrRefused, "not an amount that could be credited")
		}
	}
	return c.give(ctx, r.Order, "store_credits", r.Key, n)
}

// RefundTold tells of a refund that the storefront has not made and need not make.
func (c *Client) RefundTold(ctx context.Context, n storefront.RefundNotice) error {
	amount, err := money.Format(n.Amount, n.Currency)
	if err != nil || n.Amount <= 0 {
		return c.failure(storefront.ErrRefused, "not an amount that could have been refunded")
	}
	standing := "made"
	if n.CameBack {
		standing = "came_back"
	}
	_, err = c.post(ctx, n.Order, "refund_notices", n.Key, notice{
		Refund: n.Refund, Try: n.Try, Standing: standing, Amount: amount, Currency: n.Currency, Reason: n.Reason, RMA: n.RMA, Lines: n.Lines,
	})
	return err
}

// give posts what gives the customer something, and reads the receipt, which must name the same amount.
func (c *Client) give(ctx context.Context, key order.Key, what, idempotency string, n notice) (storefront.RefundReceipt, error) {
	body, err := c.post(ctx, key, what, idempotency, n)
	if err != nil {
		return storefront.RefundReceipt{}, err
	}
	var answer receipt
	unreadable := json.Unmarshal(body, &answer) != nil
	// The reference is only ever shown and compared. Cleaned, it can be stored: the money has gone, and
	// a receipt that Postgres refused would be asked for again and again.
	answer.Reference = strings.Join(strings.FieldsFunc(answer.Reference, breaksALine), " ")
	if unreadable || answer.Reference == "" || len(answer.Reference) > 255 || !storefront.Plausible(answer.At) {
		return storefront.RefundReceipt{}, c.failure(storefront.ErrUnknown, "answered without a readable receipt")
	}
	if answer.Amount != n.Amount || answer.Currency != n.Currency {
		failure := c.failure(storefront.ErrRefused, "its receipt names another amount than was asked for")
		failure.Acted = true
		return storefront.RefundReceipt{}, failure
	}
	return storefront.RefundReceipt{Reference: answer.Reference, At: answer.At.UTC()}, nil
}

func breaksALine(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
}

// post sends one notice and returns the body of a good answer.
func (c *Client) post(ctx context.Context, key order.Key, what, idempotency string, n notice) ([]byte, error) {
	if idempotency == "" || key.Validate() != nil || key.Storefront != c.config.Storefront {
		return nil, c.failure(storefront.ErrRefused, "the notice lacks a key, or is for another storefront")
	}
	body, err := json.Marshal(n)
	if err != nil {
		return nil, c.failure(storefront.ErrRefused, "the notice cannot be written as JSON")
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	// Until the first byte of the request has left, the storefront cannot have acted on it.
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	address := c.config.BaseURL + "/orders/" + url.PathEscape(key.Order) + "/" + what
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, c.failure(storefront.ErrRefused, "the request could not be built")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Idempotency-Key", idempotency)
	if c.config.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.config.Token)
	}
	response, err := c.http.Do(request)
	switch {
	case err != nil && sent.Load():
		return nil, c.failure(storefront.ErrUnknown, "no answer after the request was sent")
	case err != nil:
		return nil, c.failure(storefront.ErrUnavailable, "no connection")
	}
	defer response.Body.Close()
	return c.read(response)
}

// read judges an answer. Only answers that promise that nothing was done count as unavailable; an
// error page from a proxy says nothing about what stands behind it.
func (c *Client) read(response *http.Response) ([]byte, error) {
	status := response.StatusCode
	answered := "answered " + strconv.Itoa(status)
	switch {
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		failure := c.failure(storefront.ErrUnavailable, answered)
		failure.RetryAfter = retryAfter(response.Header.Get("Retry-After"), time.Now())
		return nil, failure
	case status >= 500 || status == http.StatusRequestTimeout:
		return nil, c.failure(storefront.ErrUnknown, answered)
	case status < 200 || status > 299:
		return nil, c.failure(storefront.ErrRefused, answered)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil || len(body) > maxAnswer {
		return nil, c.failure(storefront.ErrUnknown, "the answer broke off or is too large")
	}
	if saysError(body) {
		return nil, c.failure(storefront.ErrRefused, answered+" with an error in the body")
	}
	return body, nil
}

// saysError finds the storefronts that report errors under status 200.
func saysError(body []byte) bool {
	var answer struct {
		Error  json.RawMessage `json:"error"`
		Errors json.RawMessage `json:"errors"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return false
	}
	for _, e := range []string{string(answer.Error), string(answer.Errors)} {
		switch e {
		case "", "null", "false", `""`, "[]", "{}":
		default:
			return true
		}
	}
	return false
}

func (c *Client) failure(kind error, detail string) *storefront.Error {
	return &storefront.Error{Kind: kind, Storefront: c.config.Storefront, Detail: detail}
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
