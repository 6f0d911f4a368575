// Package stripe speaks to Stripe, or to anything that speaks like it: payment intents with manual
// capture, refunds, disputes and balance transactions as form-encoded HTTP, and signed webhooks. Field
// names are those of API version 2026-07-29.dahlia, which every request pins. A webhook comes in the
// version of its endpoint; what is read of it has had the same names for years.
package stripe

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dropline/dropline/internal/payment"
)

const (
	apiVersion = "2026-07-29.dahlia"
	// maxAnswer bounds a single object; maxList a page of 100 balance transactions with their sources.
	maxAnswer = 256 << 10
	maxList   = 4 << 20
)

// Config says whose account it is, and where.
type Config struct {
	Storefront string
	BaseURL    string // https://api.stripe.com
	SecretKey  string
	// Timeout bounds one call with its answer; zero means 30 seconds. A bank may take that long to
	// answer an authorisation.
	Timeout time.Duration
	// HTTP is the client to use, so that the caller's rules on where to connect hold; nil means one
	// of its own.
	HTTP *http.Client
}

// Client is a payment.Provider. It is safe for concurrent use.
type Client struct {
	config Config
	http   http.Client
}

var _ payment.Provider = (*Client)(nil)

// New checks the configuration.
func New(c Config) (*Client, error) {
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, errors.New("payments of " + c.Storefront + ": the base URL must be an absolute http or https URL")
	}
	if c.SecretKey == "" {
		return nil, errors.New("payments of " + c.Storefront + ": the secret key is missing")
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	client := &Client{config: c}
	if c.HTTP != nil {
		client.http = *c.HTTP
	}
	// The key travels with the request: a redirect must not take it elsewhere.
	client.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client, nil
}

// idForm is the shape of the provider's ids; one of another shape would lead a path astray.
var idForm = regexp.MustCompile(`^[A-Za-z0-9_]{1,255}$`)

// maxKey is the longest idempotency key that Stripe takes, in bytes.
const maxKey = 255

// post changes something. The same key makes the same change only once, and is answered the same for
// at least 24 hours.
func (c *Client) post(ctx context.Context, path, key string, form url.Values, into any) error {
	if key == "" || len(key) > maxKey {
		return c.failure(payment.ErrRefused, "", "the request has no idempotency key, or one that is too long")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.config.BaseURL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return c.failure(payment.ErrRefused, "", "the request could not be built")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Idempotency-Key", key)
	return c.do(request, maxAnswer, into)
}

// get changes nothing, so that whatever goes wrong certainly did not happen.
func (c *Client) get(ctx context.Context, path string, query url.Values, limit int64, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.config.BaseURL+path+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return c.failure(payment.ErrRefused, "", "the request could not be built")
	}
	err = c.do(request, limit, into)
	var failure *payment.Error
	if errors.As(err, &failure) && errors.Is(err, payment.ErrUnknown) {
		failure.Kind = payment.ErrUnavailable
	}
	return err
}

func (c *Client) do(request *http.Request, limit int64, into any) error {
	ctx, cancel := context.WithTimeout(request.Context(), c.config.Timeout)
	defer cancel()
	// Until the first byte of the request has left, nothing can have happened.
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Authorization", "Bearer "+c.config.SecretKey)
	request.Header.Set("Stripe-Version", apiVersion)
	response, err := c.http.Do(request.WithContext(ctx))
	switch {
	case err != nil && sent.Load():
		return c.failure(payment.ErrUnknown, "", "no answer after the request was sent")
	case err != nil:
		return c.failure(payment.ErrUnavailable, "", "no connection")
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	broken := err != nil || int64(len(body)) > limit
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return c.judge(response, body)
	}
	if broken || json.Unmarshal(body, into) != nil {
		return c.failure(payment.ErrUnknown, "", "the answer broke off, is too large, or cannot be read")
	}
	return nil
}
