package storefrontsim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/dropline/dropline/internal/money"
)

// Webhook is one Shopify delivery to make.
type Webhook struct {
	Topic       string // "orders/create"
	Body        []byte
	EventID     string
	TriggeredAt time.Time // zero: now
	// Copies is how often to deliver it, each under a webhook id of its own; zero means once.
	Copies int
}

// Send delivers webhooks one after the other, each until it is answered 2xx. It returns an error
// when one was not taken within the configured attempts.
func (s *Server) Send(ctx context.Context, webhooks ...Webhook) error {
	for _, w := range webhooks {
		for n := range max(1, w.Copies) {
			if err := s.deliver(ctx, w, fmt.Sprintf("%s-%d", w.EventID, n+1)); err != nil {
				return err
			}
		}
	}
	return nil
}

// SendOutOfOrder delivers webhooks with the last first.
func (s *Server) SendOutOfOrder(ctx context.Context, webhooks ...Webhook) error {
	reversed := slices.Clone(webhooks)
	slices.Reverse(reversed)
	return s.Send(ctx, reversed...)
}

func (s *Server) deliver(ctx context.Context, w Webhook, webhookID string) error {
	wait := s.config.Retry
	last := errors.New("never tried")
	for range s.config.Attempts {
		if last = s.attempt(ctx, w, webhookID); last == nil {
			return nil
		}
		select {
		case <-time.After(wait):
			wait = min(2*wait, time.Second)
		case <-ctx.Done():
			return ctx.Err()
		case <-s.lifetime.Done():
			return errors.New("webhook: the storefront was closed")
		}
	}
	return fmt.Errorf("webhook %s not taken after %d attempts: %w", w.EventID, s.config.Attempts, last)
}

func (s *Server) attempt(ctx context.Context, w Webhook, webhookID string) error {
	address := s.config.Gateway + "/v1/shopify/" + s.config.Storefront + "/webhooks"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(w.Body))
	if err != nil {
		return fmt.Errorf("build the webhook: %w", err)
	}
	triggered := w.TriggeredAt
	if triggered.IsZero() {
		triggered = time.Now()
	}
	mac := hmac.New(sha256.New, []byte(s.config.Secret))
	mac.Write(w.Body)
	for name, value := range map[string]string{
		"Content-Type":           "application/json",
		"X-Shopify-Topic":        w.Topic,
		"X-Shopify-Hmac-Sha256":  base64.StdEncoding.EncodeToString(mac.Sum(nil)),
		"X-Shopify-Event-Id":     w.EventID,
		"X-Shopify-Webhook-Id":   webhookID,
		"X-Shopify-Shop-Domain":  s.config.Storefront + ".myshopify.com",
		"X-Shopify-Triggered-At": triggered.UTC().Format(time.RFC3339Nano),
	} {
		request.Header.Set(name, value)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("deliver the webhook: %w", err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("the gateway answered %d", response.StatusCode)
	}
	return nil
}

// Sale is an order to write as Shopify does. Amounts are minor units.
type Sale struct {
	ID       int64
	Currency string // zero: EUR
	Lines    []SoldLine
	Shipping int64
	Discount int64 // for the whole order
	Status   string
	Email    string
	// ShipTo is Shopify's address object; nil is an address in Germany.
	ShipTo      map[string]any
	PlacedAt    time.Time // zero: now
	CancelledAt time.Time // zero: not cancelled
	Reason      string    // of the cancellation
}

// SoldLine is one line of a sale.
type SoldLine struct {
	SKU      string
	Title    string
	Quantity int64
	Price    int64
	Tax      int64 // for the whole line
}

// Document writes the sale as the body of an order webhook.
func (o Sale) Document() ([]byte, error) {
	if o.Currency == "" {
		o.Currency = "EUR"
	}
	if o.PlacedAt.IsZero() {
		o.PlacedAt = time.Now()
	}
	if o.Status == "" {
		o.Status = "paid"
	}
	if o.ShipTo == nil {
		o.ShipTo = map[string]any{
			"name": "Ann Example", "address1": "Lange Str. 7", "city": "Köln", "zip": "50667", "country_code": "DE",
		}
	}
	var failed error
	text := func(minor int64) string {
		amount, err := money.Format(minor, o.Currency)
		failed = errors.Join(failed, err)
		return amount
	}
	total, tax := o.Shipping-o.Discount, int64(0)
	lines := make([]map[string]any, 0, len(o.Lines))
	for i, l := range o.Lines {
		lines = append(lines, map[string]any{
			"id": o.ID*1000 + int64(i) + 1, "sku": l.SKU, "title": l.Title, "quantity": l.Quantity, "price": text(l.Price),
			"requires_shipping": true, "taxable": true, "total_discount": text(0),
			"tax_lines": []any{map[string]any{"price": text(l.Tax)}},
		})
		total, tax = total+l.Price*l.Quantity+l.Tax, tax+l.Tax
	}
	document := map[string]any{
		"id": o.ID, "name": fmt.Sprintf("#%d", o.ID), "email": o.Email, "currency": o.Currency,
		"created_at": o.PlacedAt.Format(time.RFC3339), "updated_at": o.PlacedAt.Format(time.RFC3339),
		"cancelled_at": nil, "cancel_reason": nil, "financial_status": o.Status, "taxes_included": false,
		"total_price": text(total), "total_tax": text(tax), "total_discounts": text(o.Discount),
		"line_items": lines, "shipping_address": o.ShipTo,
		"shipping_lines": []any{map[string]any{"price": text(o.Shipping), "tax_lines": []any{}}},
	}
	if !o.CancelledAt.IsZero() {
		document["cancelled_at"], document["cancel_reason"] = o.CancelledAt.Format(time.RFC3339), o.Reason
		document["updated_at"] = document["cancelled_at"]
	}
	if failed != nil {
		return nil, fmt.Errorf("write the order: %w", failed)
	}
	return json.Marshal(document)
}
