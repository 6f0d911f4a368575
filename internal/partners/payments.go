package partners

import (
	"context"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/payment/stripe"
	"github.com/dropline/dropline/internal/postgres"
)

// Payments returns the account of a storefront at its payment provider; false for a storefront that
// keeps its customers' payments to itself.
func (d *Directory) Payments(s catalog.Storefront) (provider payment.Provider, has bool, err error) {
	if !s.HasPayments() {
		return nil, false, nil
	}
	key, err := secretOf(s.Payments.SecretEnv)
	if err != nil {
		return nil, true, err
	}
	provider, err = keep(d, "payments "+s.ID, s.Payments, key, func() (payment.Provider, error) {
		return stripe.New(stripe.Config{Storefront: s.ID, BaseURL: s.Payments.URL, SecretKey: key, HTTP: d.client()})
	})
	return provider, true, err
}

// PaymentsByID reads the catalogue and returns the storefront's account, as Payments does.
func (d *Directory) PaymentsByID(ctx context.Context, storefront string) (provider payment.Provider, has bool, err error) {
	s, err := postgres.Storefront(ctx, d.pool, storefront)
	if err != nil {
		return nil, false, err
	}
	return d.Payments(s)
}
