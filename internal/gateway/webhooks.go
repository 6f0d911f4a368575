package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/storefront/shopify"
	"github.com/dropline/dropline/internal/webhook"
)

type deliveryOutput struct {
	Status int
	Body   struct {
		Result string `json:"result" enum:"stored,repeat,ignored" doc:"repeat: it was stored before; ignored: nobody here reads this kind."`
	}
}

func (g *gateway) registerWebhooks() {
	partner(g, huma.Operation{
		OperationID: "shopify-webhook", Path: "/v1/shopify/{storefront}/webhooks", Summary: "Take a Shopify webhook",
		Description: "Signed by X-Shopify-Hmac-Sha256 over the raw body. Order topics are stored; others are answered 202 and dropped unread.",
	}, g.shopify)
	partner(g, huma.Operation{
		OperationID: "supplier-event", Path: "/v1/suppliers/{supplier}/events", Summary: "Take a supplier's event",
		Description: "Signed by Dropline-Signature over time and raw body; five minutes of tolerance.",
	}, g.supplierEvent)
	partner(g, huma.Operation{
		OperationID: "carrier-event", Path: "/v1/carriers/{carrier}/events", Summary: "Take a carrier's event",
		Description: "Signed by X-Hmac-Signature, as EasyPost does.",
	}, g.carrierEvent)
}

func partner[I any](g *gateway, op huma.Operation, do func(context.Context, *I) (*deliveryOutput, error)) {
	op.Method, op.Tags = http.MethodPost, []string{tagPartners}
	op.DefaultStatus, op.MaxBodyBytes = http.StatusAccepted, maxBody+1
	op.Errors = []int{400, 401, 413, 415, 429, 500, 503}
	// The raw bytes are what is signed: nobody reads them before the signature.
	op.SkipValidateBody, op.BodyReadTimeout = true, bodyWasRead
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}}
	huma.Register(g.api, op, func(ctx context.Context, in *I) (*deliveryOutput, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, g.answer(ctx, err)
		}
		return out, nil
	})
	op.RequestBody.Content["application/json"].Schema = &huma.Schema{Description: "The document as the partner writes it."}
}

// secrets of a partner; one that nobody knows where there are none, so that an unknown partner
// costs the same work as a wrong signature.
func (g *gateway) secrets(kind, id string) []string {
	if found := g.Secrets.Secrets(kind, id); len(found) > 0 {
		return found
	}
	return []string{unknowable}
}

var unknowable = rand.Text()

// admit judges a delivery by its signature, and counts it against the partner.
func (g *gateway) admit(ctx context.Context, kind, id string, verified error) error {
	switch {
	case errors.Is(verified, webhook.ErrStale):
		return problem(stale, "")
	case verified != nil:
		return problem(badSignature, "")
	}
	visitOf(ctx).partner = kind + "/" + id
	if !g.partners.allow(kind + "/" + id) {
		return problem(rateLimited, "")
	}
	return nil
}

var eventShape = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,128}$`)

// eventKey is what makes a repeat of a delivery recognisable: the id its sender gave it, or its
// content.
func eventKey(id string, body []byte) string {
	if eventShape.MatchString(id) {
		return id
	}
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// store commits a delivery before it is acknowledged. What it says is read later.
func (g *gateway) store(ctx context.Context, d Document) (*deliveryOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	d.ContentType = cmp.Or(d.ContentType, "application/json")
	stored, err := g.Intake.Store(ctx, d)
	if err != nil {
		return nil, err
	}
	if stored.Conflict {
		g.Log.Warn().Str("request_id", visitOf(ctx).id).Str("partner", d.Source).
			Msg("a delivery came with a known id and other content; it is kept for a person")
	}
	g.Nudge()
	if stored.Repeat {
		return delivered("repeat"), nil
	}
	return delivered("stored"), nil
}

func delivered(result string) *deliveryOutput {
	out := &deliveryOutput{Status: http.StatusAccepted}
	out.Body.Result = result
	return out
}

type shopifyInput struct {
	Storefront  string `path:"storefront" maxLength:"64" example:"shop"`
	Signature   string `header:"X-Shopify-Hmac-Sha256"`
	Topic       string `header:"X-Shopify-Topic" example:"orders/create"`
	EventID     string `header:"X-Shopify-Event-Id"`
	WebhookID   string `header:"X-Shopify-Webhook-Id"`
	TriggeredAt string `header:"X-Shopify-Triggered-At"`
	RawBody     []byte `contentType:"application/json"`
}

var shopifyTopics = map[string]bool{
	shopify.TopicOrderCreated: true, shopify.TopicOrderUpdated: true,
	shopify.TopicOrderPaid: true, shopify.TopicOrderCancelled: true,
}

func (g *gateway) shopify(ctx context.Context, in *shopifyInput) (*deliveryOutput, error) {
	verified := webhook.VerifyBase64HMAC(g.secrets(PartnerShopify, in.Storefront), in.Signature, in.RawBody)
	if err := g.admit(ctx, PartnerShopify, in.Storefront, verified); err != nil {
		return nil, err
	}
	headers := http.Header{
		"X-Shopify-Topic": {in.Topic}, "X-Shopify-Event-Id": {in.EventID},
		"X-Shopify-Webhook-Id": {in.WebhookID}, "X-Shopify-Triggered-At": {in.TriggeredAt},
	}
	if at, dated := shopify.TriggeredAt(headers); dated && g.Now().Sub(at) > g.ShopifyMaxAge {
		return nil, problem(stale, "")
	}
	topic := shopify.Topic(headers)
	if !shopifyTopics[topic] {
		// Not stored: it may hold personal data that nobody here needs.
		return delivered("ignored"), nil
	}
	if _, err := scan(in.RawBody, false); err != nil {
		return nil, err
	}
	key, err := shopify.EventKey(headers)
	if err != nil {
		key = topic + ":" + eventKey("", in.RawBody)
	}
	return g.store(ctx, Document{Source: PartnerShopify + "/" + in.Storefront, Kind: topic, NaturalKey: key, Body: in.RawBody})
}

type supplierInput struct {
	Supplier    string `path:"supplier" maxLength:"64" example:"acme"`
	Signature   string `header:"Dropline-Signature"`
	ContentType string `header:"Content-Type" doc:"application/json, or text/csv for a file of invoices or credit memos."`
	RawBody     []byte `contentType:"application/json"`
}

func (g *gateway) supplierEvent(ctx context.Context, in *supplierInput) (*deliveryOutput, error) {
	verified := webhook.Verify(g.secrets(PartnerSupplier, in.Supplier), in.Signature, in.RawBody, g.Now(), webhook.DefaultTolerance)
	if err := g.admit(ctx, PartnerSupplier, in.Supplier, verified); err != nil {
		return nil, err
	}
	if isCSV([]string{in.ContentType}) {
		return g.store(ctx, Document{
			Source: PartnerSupplier + "/" + in.Supplier, Kind: intake.KindOfCSV(in.RawBody), NaturalKey: eventKey("", in.RawBody), Body: in.RawBody, ContentType: "text/csv",
		})
	}
	id, err := scan(in.RawBody, false)
	if err != nil {
		return nil, err
	}
	return g.store(ctx, Document{Source: PartnerSupplier + "/" + in.Supplier, Kind: "event", NaturalKey: eventKey(id, in.RawBody), Body: in.RawBody})
}

type carrierInput struct {
	Carrier   string `path:"carrier" maxLength:"64" example:"easypost"`
	Signature string `header:"X-Hmac-Signature"`
	RawBody   []byte `contentType:"application/json"`
}

func (g *gateway) carrierEvent(ctx context.Context, in *carrierInput) (*deliveryOutput, error) {
	verified := webhook.VerifyEasyPost(g.secrets(PartnerCarrier, in.Carrier), in.Signature, in.RawBody)
	if err := g.admit(ctx, PartnerCarrier, in.Carrier, verified); err != nil {
		return nil, err
	}
	id, err := scan(in.RawBody, false)
	if err != nil {
		return nil, err
	}
	return g.store(ctx, Document{Source: PartnerCarrier + "/" + in.Carrier, Kind: "tracker", NaturalKey: eventKey(id, in.RawBody), Body: in.RawBody})
}
