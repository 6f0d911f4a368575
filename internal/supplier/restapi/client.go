// Package restapi speaks Dropline's REST supplier protocol (docs/supplier-api.md): a client that
// sends purchase orders, and the reader of the webhooks that come back.
package restapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dropline/dropline/internal/outbound"
	"github.com/dropline/dropline/internal/supplier"
)

const (
	submitPath = "/purchase-orders"
	// DefaultTimeout bounds a whole call, from the dial to the last byte of the answer.
	DefaultTimeout = 10 * time.Second
	// maxBaseURL keeps the request line shorter than the connection's write buffer of 4 KiB, on
	// which knowing whether a request was written depends (see written).
	maxBaseURL = 1024
)

// Config says how to reach one supplier.
type Config struct {
	Supplier string        // the supplier's name in contracts
	BaseURL  string        // https://host/path; plain http only with AllowPrivate
	Token    string        // bearer token that the supplier issued
	Timeout  time.Duration // of a whole call; zero is DefaultTimeout
	// AllowPrivate lets the client reach loopback and private addresses, for simulators and for
	// suppliers inside one's own network.
	AllowPrivate bool
	// Transport carries the requests; nil: outbound.Transport(AllowPrivate).
	Transport http.RoundTripper
}

// Client is a supplier.Channel over the REST protocol. It is safe for concurrent use; hold one per
// supplier, because it keeps connections open.
type Client struct {
	name    string
	base    string
	token   string
	timeout time.Duration
	http    *http.Client
}

var _ supplier.Channel = (*Client)(nil)

// New checks the configuration. It does not connect.
func New(c Config) (*Client, error) {
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" || len(c.BaseURL) > maxBaseURL {
		return nil, fmt.Errorf("supplier %s: base URL: want https://host/path without user, query or fragment, at most %d characters", c.Supplier, maxBaseURL)
	}
	if base.Scheme != "https" && !(base.Scheme == "http" && c.AllowPrivate) {
		return nil, fmt.Errorf("supplier %s: base URL: want https, because it carries a token and customers' addresses", c.Supplier)
	}
	if c.Token == "" || strings.ContainsFunc(c.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("supplier %s: token: want visible ASCII characters", c.Supplier)
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Transport == nil {
		c.Transport = outbound.Transport(c.AllowPrivate)
	}
	return &Client{
		name: c.Supplier, base: strings.TrimRight(c.BaseURL, "/"), token: c.Token, timeout: c.Timeout,
		http: &http.Client{
			Transport:     c.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Submit sends a purchase order. See supplier.Channel for the errors.
func (c *Client) Submit(ctx context.Context, po supplier.PurchaseOrder) (supplier.Receipt, error) {
	document, err := purchaseOrder(po)
	if err != nil {
		return supplier.Receipt{}, c.fail(supplier.ErrRefused, "nothing was sent: "+err.Error())
	}
	answer, failure := c.call(ctx, http.MethodPost, submitPath, document, po.Number)
	if failure != nil {
		return supplier.Receipt{}, failure
	}
	receipt, err := decodeReceipt(answer.body, po)
	if err != nil {
		return supplier.Receipt{}, c.unreadable(answer, err)
	}
	return receipt, nil
}

// LookUp asks for a purchase order by number. See supplier.Channel for the errors; after one other
// than ErrNotFound, nothing new is known.
func (c *Client) LookUp(ctx context.Context, number string) (supplier.Standing, error) {
	path, failure := c.path(number, "")
	if failure != nil {
		return supplier.Standing{}, failure
	}
	answer, failure := c.call(ctx, http.MethodGet, path, nil, "")
	if failure != nil {
		return supplier.Standing{}, failure
	}
	standing, err := decodeStanding(answer.body, number)
	if err != nil {
		return supplier.Standing{}, c.unreadable(answer, err)
	}
	return standing, nil
}

// Cancel asks the supplier not to ship the request's lines, or, without any, everything that has
// not shipped. An accepted answer is for exactly that. See supplier.Channel for the errors.
func (c *Client) Cancel(ctx context.Context, request supplier.Cancellation) (supplier.CancelReceipt, error) {
	return c.ask(ctx, "/cancellations", request)
}

// Intercept asks the supplier to stop the parcels that hold the request's lines and nothing else,
// or, without any lines, all parcels under way. See supplier.Channel for the errors.
func (c *Client) Intercept(ctx context.Context, request supplier.Cancellation) (supplier.CancelReceipt, error) {
	return c.ask(ctx, "/intercepts", request)
}

func (c *Client) ask(ctx context.Context, kind string, request supplier.Cancellation) (supplier.CancelReceipt, error) {
	path, failure := c.path(request.Number, kind)
	if failure != nil {
		return supplier.CancelReceipt{}, failure
	}
	if !documentShape.MatchString(request.Key) {
		return supplier.CancelReceipt{}, c.fail(supplier.ErrRefused, "nothing was sent: the key is not 1 to 128 letters, digits, '.', '_', ':' or '-'")
	}
	document, err := cancellation(request)
	if err != nil {
		return supplier.CancelReceipt{}, c.fail(supplier.ErrRefused, "nothing was sent: "+err.Error())
	}
	answer, failure := c.call(ctx, http.MethodPost, path, document, request.Key)
	if failure != nil {
		return supplier.CancelReceipt{}, failure
	}
	receipt, err := decodeAnswer(answer.body)
	if err != nil {
		return supplier.CancelReceipt{}, c.unreadable(answer, err)
	}
	return receipt, nil
}

func (c *Client) path(number, suffix string) (string, error) {
	if !numberShape.MatchString(number) {
		return "", c.fail(supplier.ErrRefused, "nothing was sent: the purchase order number is not 1 to 22 letters, digits or '-'")
	}
	return submitPath + "/" + number + suffix, nil
}

// answer is a response of status 200 or 201 with its whole body.
type answer struct {
	status int
	body   []byte
}

// call makes one request, at most once: the transport would repeat one that has an
// Idempotency-Key, and then a supplier's fault would look like an answer.
func (c *Client) call(ctx context.Context, method, path string, document any, key string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var sent written
	request, err := c.request(httptrace.WithClientTrace(ctx, sent.trace()), method, path, document, key)
	if err != nil {
		return answer{}, c.fail(supplier.ErrRefused, "nothing was sent: the request could not be made")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, c.broken(err, sent.begun.Load())
	}
	defer response.Body.Close()
	body, readErr := io.ReadAll(io.LimitReader(response.Body, MaxDocument+1))
	if err := c.refusal(response, body, time.Now()); err != nil {
		return answer{}, err
	}
	switch {
	case readErr != nil:
		return answer{}, c.fail(supplier.ErrUnknown, fmt.Sprintf("HTTP %d, and the answer broke off", response.StatusCode))
	case len(body) > MaxDocument:
		return answer{}, c.fail(supplier.ErrUnknown, fmt.Sprintf("HTTP %d with more than %d bytes", response.StatusCode, MaxDocument))
	}
	return answer{response.StatusCode, body}, nil
}

func (c *Client) request(ctx context.Context, method, path string, document any, key string) (*http.Request, error) {
	var body io.Reader
	if document != nil {
		text, err := json.Marshal(document)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	request.GetBody = nil // without it the transport cannot repeat a request that it wrote
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "Dropline")
	if document != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	return request, nil
}

// written knows whether any byte of the request can have left. The first header field goes into
// the connection's write buffer together with the request line, which is shorter than that buffer:
// before this event nothing was written, after it everything may have been.
type written struct{ begun atomic.Bool }

func (w *written) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{WroteHeaderField: func(string, []string) { w.begun.Store(true) }}
}

func (c *Client) fail(kind error, detail string) *supplier.Error {
	return &supplier.Error{Kind: kind, Supplier: c.name, Detail: detail}
}

func (c *Client) unreadable(a answer, err error) error {
	return c.fail(supplier.ErrUnknown, fmt.Sprintf("HTTP %d with an answer that the protocol does not know: %v", a.status, err))
}
