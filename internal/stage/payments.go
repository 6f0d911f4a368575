package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/partners"
	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/sim/paymentsim"
)

// Card is the payment method of every customer.
const Card = "pm_card"

// startPayments puts the payment provider up, which must know the gateway.
func (s *Stage) startPayments(o *Options) (err error) {
	if o.Capture == "" {
		return nil
	}
	s.Payments, err = paymentsim.Start(paymentsim.Config{
		SecretKey: Secret, Gateway: s.webhooks, Storefront: storefrontID, WebhookSecrets: []string{Secret}, DisputeFee: 1500,
	})
	if err != nil {
		return err
	}
	s.finally(func() error { s.Payments.Close(); return nil })
	return nil
}

// paymentsText is the storefront's account in the catalogue; empty: it has none.
func (s *Stage) paymentsText(o *Options) (account, policy string, err error) {
	if o.Capture == "" {
		return "", "", nil
	}
	url := "http://127.0.0.1:1"
	if s.Payments != nil {
		if url, err = o.find(Payments, s.Payments.URL()); err != nil {
			return "", "", err
		}
	}
	return fmt.Sprintf("payments: {provider: stripe, url: %q, secret_env: %[2]s, webhook_secret_env: %[2]s},", url, secretName),
		"capture: " + string(o.Capture) + ", ", nil
}

// PlacePaid posts an order whose price the customer's bank holds, or has given already. It returns the
// payment's reference at the provider.
func (s *Stage) PlacePaid(ctx context.Context, id string, captured bool, skus ...string) (key order.Key, reference string, err error) {
	key = order.Key{Storefront: storefrontID, Order: id}
	total := 500 + 1428*int64(len(skus))
	provider, _, err := partners.New(s.Pool, true).PaymentsByID(ctx, storefrontID)
	if err != nil {
		return key, "", err
	}
	held, err := provider.Authorise(ctx, payment.Authorisation{Key: "shop-" + id, Method: Card, Customer: "cus_1", Amount: total, Currency: "EUR"})
	if err != nil {
		return key, "", err
	}
	paid := map[string]any{"status": "authorized", "captured": "0.00", "reference": held.Reference}
	if captured {
		if _, err := provider.Capture(ctx, payment.Capture{Key: "shop-take-" + id, Reference: held.Reference, Amount: total, Currency: "EUR"}); err != nil {
			return key, "", err
		}
		paid["status"], paid["captured"] = "paid", fmt.Sprintf("%d.%02d", total/100, total%100)
	}
	document := Document(id, skus...)
	document["payment"] = paid
	var answer json.RawMessage
	status, err := s.Call(ctx, http.MethodPost, "/v1/orders", document, &answer)
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("place order %s: answered %d: %s", key, status, answer)
	}
	return key, held.Reference, err
}

// PaymentBecomes waits until an order's payment is as told. The error of one that does not shows where it
// stands.
func (s *Stage) PaymentBecomes(ctx context.Context, key order.Key, told func(*orderview.Payment) bool) (orderview.Payment, error) {
	for {
		var v orderview.Payment
		status, err := s.Call(ctx, http.MethodGet, "/v1/orders/"+key.String()+"/payment", nil, &v)
		if err == nil && status == http.StatusOK && told(&v) {
			return v, nil
		}
		select {
		case <-ctx.Done():
			return v, fmt.Errorf("the payment of order %s (%d): %w: %+v", key, status, ctx.Err(), v)
		case <-time.After(lookEvery):
		}
	}
}

// CostOfPayment reads the history of a payment's workflow.
func (s *Stage) CostOfPayment(ctx context.Context, key order.Key) (Cost, error) {
	return s.costOf(ctx, payments.WorkflowID(key))
}
