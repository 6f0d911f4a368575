// Package gateway is the way in from the network: orders and requests from storefronts and people,
// webhooks from partners. It commits what it is given before it says so, asks the order's workflow
// where an answer is wanted, and shows orders from Postgres alone.
package gateway

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returnlink"
	"github.com/dropline/dropline/internal/storefront"
)

// Authenticator tells whom a token belongs to; *apikey.Keys is one.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (apikey.Key, error)
}

// Secrets are what partners sign their webhooks with. kind is PartnerShopify, PartnerSupplier,
// PartnerCarrier or PartnerPayments; none for a partner that is unknown or sends no webhooks.
type Secrets interface {
	Secrets(kind, id string) []string
}

// The kinds of partners that send webhooks; they are the first part of a document's source, too.
const (
	PartnerShopify  = "shopify"
	PartnerSupplier = "supplier"
	PartnerCarrier  = "carrier"
	// PartnerPayments is the payment provider of a storefront, and goes by the storefront's id.
	PartnerPayments = "payments"
)

// Document is an inbound document as it came.
type Document struct {
	Source, Kind, NaturalKey, ContentType string
	Body                                  []byte
}

// Stored says what became of a document. Repeat: it was there already. Conflict: its key was there
// already with another body.
type Stored struct{ Repeat, Conflict bool }

// Intake commits what comes in.
type Intake interface {
	// Store commits a document, to be read later.
	Store(ctx context.Context, d Document) (Stored, error)
	// Place commits a document and the order that was read from it in one transaction. It fails with
	// ErrNoStorefront.
	Place(ctx context.Context, d Document, o storefront.Order) (Stored, error)
}

// Rate limits requests: so many a second for long, Burst at once.
type Rate struct{ PerSecond, Burst int }

// Config is what the gateway works with. Zero durations, rates and Now take the defaults.
type Config struct {
	Database *pgxpool.Pool
	Keys     Authenticator
	Intake   Intake
	Orders   Orders
	Secrets  Secrets
	Log      zerolog.Logger
	Version  string
	// Nudge is called after something was committed that waits for work. It must not block.
	Nudge func()
	Now   func() time.Time
	// ShopifyMaxAge is how old an event may be when Shopify delivers it; Shopify retries for 4 hours,
	// and what is refused here is found by the reconciliation. Default 7 days.
	ShopifyMaxAge time.Duration
	// AnswerWait is how long a person waits for the order's answer. Default 10 s.
	AnswerWait time.Duration
	// Links lead customers to their return pages; nil: there are none.
	Links *returnlink.Links
	// KeyRate is per API key (default 50, burst 100), PartnerRate per signing partner (default 200,
	// burst 1000), PageRate per order's return page (default 2, burst 40).
	KeyRate, PartnerRate, PageRate Rate
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Nudge == nil {
		c.Nudge = func() {}
	}
	if c.ShopifyMaxAge == 0 {
		c.ShopifyMaxAge = 7 * 24 * time.Hour
	}
	if c.AnswerWait == 0 {
		c.AnswerWait = 10 * time.Second
	}
	if c.KeyRate == (Rate{}) {
		c.KeyRate = Rate{50, 100}
	}
	if c.PartnerRate == (Rate{}) {
		c.PartnerRate = Rate{200, 1000}
	}
	if c.PageRate == (Rate{}) {
		c.PageRate = Rate{2, 40}
	}
	if c.Version == "" {
		c.Version = "dev"
	}
	return c
}

// Times that bound one request.
const (
	// storeTime: Shopify wants its answer within 5 s.
	storeTime = 4 * time.Second
	readTime  = 5 * time.Second
)

type gateway struct {
	Config
	mux      *http.ServeMux
	api      huma.API
	keys     *limiter
	partners *limiter
	pages    *limiter
	forms    *places
	desk     *returndesk.Desk
}

// huma keeps its error constructor in a package variable.
var installErrors = sync.OnceFunc(func() { huma.NewError = fromFramework })

// New builds the handler for everything that the gateway serves.
func New(c Config) http.Handler {
	installErrors()
	g := &gateway{Config: c.withDefaults(), mux: http.NewServeMux()}
	g.keys, g.partners = newLimiter(g.KeyRate, g.Now), newLimiter(g.PartnerRate, g.Now)
	g.pages, g.forms = newLimiter(g.PageRate, g.Now), newPlaces()
	g.desk = &returndesk.Desk{Pool: g.Database, Now: g.Now, Wake: g.Nudge}
	g.api = humago.New(g.mux, g.description())
	g.registerOrders()
	g.registerRequests()
	g.registerReturns()
	g.registerOrderPayments()
	g.registerOrderRefunds()
	g.registerOrderPay()
	g.registerClaims()
	g.registerPayables()
	g.registerReturnPages()
	g.registerWebhooks()
	g.registerPaymentWebhooks()
	g.mux.HandleFunc("GET /healthz", g.health)
	g.mux.HandleFunc("GET /readyz", g.ready)
	g.mux.HandleFunc("GET /docs", g.docsPage())
	return g.edge()
}

func (g *gateway) description() huma.Config {
	c := huma.DefaultConfig("Dropline", g.Version)
	c.CreateHooks, c.DocsPath, c.SchemasPath = nil, "", ""
	c.RejectUnknownQueryParameters = true
	c.Info.Description = "Place orders, see where they stand, cancel and change them. Amounts are decimal strings."
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key": {Type: "http", Scheme: "bearer", Description: "An API key, dl_<id>_<secret>."},
	}
	c.Tags = []*huma.Tag{
		{Name: tagOrders, Description: "For storefronts, support and operators, with an API key."},
		{Name: tagPartners, Description: "For Shopify, suppliers, carriers and payment providers, signed with a shared secret."},
	}
	c.Transformers = []huma.Transformer{func(ctx huma.Context, _ string, v any) (any, error) {
		if p, ok := v.(*Problem); ok {
			p.RequestID = visitOf(ctx.Context()).id
		}
		return v, nil
	}}
	return c
}

// The groups of operations.
const (
	tagOrders   = "orders"
	tagPartners = "partners"
)
