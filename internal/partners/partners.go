// Package partners builds the channels to suppliers, storefronts and carriers from the catalogue and
// the secrets in the environment, and keeps them while their configuration stays the same.
package partners

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/carrier/easypost"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/outbound"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/storefront/push"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/restapi"
)

// Directory finds the channel of any partner. It is safe for concurrent use.
type Directory struct {
	pool         *pgxpool.Pool
	allowPrivate bool
	via          func(http.RoundTripper) http.RoundTripper

	mu   sync.Mutex
	kept map[string]any // channels by the configuration they were made from
}

// New makes a directory over the catalogue in the database.
func New(pool *pgxpool.Pool, allowPrivate bool) *Directory {
	return NewVia(pool, allowPrivate, func(way http.RoundTripper) http.RoundTripper { return way })
}

// NewVia is New with something between the channels and the network: via wraps what carries requests.
func NewVia(pool *pgxpool.Pool, allowPrivate bool, via func(http.RoundTripper) http.RoundTripper) *Directory {
	return &Directory{pool: pool, allowPrivate: allowPrivate, via: via, kept: map[string]any{}}
}

// keep returns what was made before from the same configuration, or makes it. Clients hold
// connections, so there is one per configuration.
func keep[T any](d *Directory, kind string, configuration any, secret string, build func() (T, error)) (T, error) {
	encoded, err := json.Marshal(configuration)
	if err != nil {
		var none T
		return none, fmt.Errorf("encode the configuration of a %s: %w", kind, err)
	}
	key := kind + string(encoded) + secret
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, ok := d.kept[key].(T); ok {
		return known, nil
	}
	made, err := build()
	if err == nil {
		d.kept[key] = made
	}
	return made, err
}

func (d *Directory) client() *http.Client {
	return &http.Client{Transport: d.transport()}
}

func (d *Directory) transport() http.RoundTripper { return d.via(outbound.Transport(d.allowPrivate)) }

func secretOf(name string) (string, error) {
	value := os.Getenv(name)
	if value == "" {
		return "", fmt.Errorf("environment variable %s is not set", name)
	}
	return value, nil
}

// Supplier returns the channel that a supplier's contract names.
func (d *Directory) Supplier(s catalog.Supplier) (supplier.Channel, error) {
	token, err := secretOf(s.Contract.Channel.SecretEnv)
	if err != nil {
		return nil, err
	}
	return keep(d, "supplier "+s.ID, s.Contract.Channel, token, func() (supplier.Channel, error) {
		return restapi.New(restapi.Config{
			Supplier: s.ID, BaseURL: s.Contract.Channel.URL, Token: token, AllowPrivate: d.allowPrivate,
			Transport: d.transport(),
		})
	})
}

// Storefront returns the channel to a storefront.
func (d *Directory) Storefront(s catalog.Storefront) (storefront.Channel, error) {
	token, err := secretOf(s.SecretEnv)
	if err != nil {
		return nil, err
	}
	base := s.RefundURL
	if base == "" {
		base = s.URL
	}
	return keep(d, "storefront "+s.ID, base, token, func() (storefront.Channel, error) {
		return push.New(push.Config{Storefront: s.ID, BaseURL: base, Token: token, HTTP: d.client()})
	})
}

// StorefrontByID reads the catalogue and returns the storefront's channel.
func (d *Directory) StorefrontByID(ctx context.Context, id string) (storefront.Channel, error) {
	s, err := postgres.Storefront(ctx, d.pool, id)
	if err != nil {
		return nil, err
	}
	return d.Storefront(s)
}

// Tracker returns the client of a tracking service.
func (d *Directory) Tracker(c catalog.Carrier) (*easypost.Client, error) {
	key, err := secretOf(c.SecretEnv)
	if err != nil {
		return nil, err
	}
	return keep(d, "carrier "+c.ID, c.URL, key, func() (*easypost.Client, error) {
		return easypost.NewClient(easypost.Config{BaseURL: c.URL, APIKey: key, HTTP: d.client()})
	})
}

// Labeller returns the client of a tracking service that sells labels, as all kinds of them do.
func (d *Directory) Labeller(c catalog.Carrier) (carrier.Labeller, error) { return d.Tracker(c) }

// Kinds of partners whose webhooks are verified.
const (
	KindSupplier   = "supplier"
	KindStorefront = "storefront"
	KindCarrier    = "carrier"
	// KindPayments is the payment provider of a storefront, and goes by the storefront's id.
	KindPayments = "payments"
)

// WebhookSecrets are the secrets that prove a partner's webhooks; several while one replaces
// another (separated by spaces in the environment). None when the partner is not in the catalogue.
func (d *Directory) WebhookSecrets(ctx context.Context, kind, id string) ([]string, error) {
	name, err := d.webhookSecretEnv(ctx, kind, id)
	if err != nil {
		return nil, err
	}
	return strings.Fields(os.Getenv(name)), nil
}

func (d *Directory) webhookSecretEnv(ctx context.Context, kind, id string) (string, error) {
	switch kind {
	case KindSupplier:
		s, err := postgres.Supplier(ctx, d.pool, id)
		return s.Contract.Channel.WebhookSecretEnv, err
	case KindStorefront:
		s, err := postgres.Storefront(ctx, d.pool, id)
		return s.WebhookSecretEnv, err
	case KindCarrier:
		c, err := postgres.Carrier(ctx, d.pool, id)
		return c.WebhookSecretEnv, err
	case KindPayments:
		s, err := postgres.Storefront(ctx, d.pool, id)
		if err != nil || s.HasPayments() {
			return s.Payments.WebhookSecretEnv, err
		}
	}
	return "", fmt.Errorf("%s %s: %w", kind, id, postgres.ErrNoPartner)
}
