package gateway

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dropline/dropline/internal/payment/stripe"
	"github.com/dropline/dropline/internal/webhook"
)

// KindPaymentEvent is the kind of the documents that payment providers send.
const KindPaymentEvent = "payment_event"

type paymentInput struct {
	Storefront string `path:"storefront" maxLength:"64" example:"shop"`
	Signature  string `header:"Stripe-Signature"`
	RawBody    []byte `contentType:"application/json"`
}

func (g *gateway) registerPaymentWebhooks() {
	partner(g, huma.Operation{
		OperationID: "payment-event", Path: "/v1/webhooks/payments/{storefront}", Summary: "Take a payment provider's event",
		Description: "Signed by Stripe-Signature over time and raw body; five minutes of tolerance. Events about refunds, payments and disputes " +
			"are stored; others are answered 202 and dropped unread.",
	}, g.paymentEvent)
}

func (g *gateway) paymentEvent(ctx context.Context, in *paymentInput) (*deliveryOutput, error) {
	verified := webhook.Verify(g.secrets(PartnerPayments, in.Storefront), in.Signature, in.RawBody, g.Now(), webhook.DefaultTolerance)
	if err := g.admit(ctx, PartnerPayments, in.Storefront, verified); err != nil {
		return nil, err
	}
	id, err := scan(in.RawBody, false)
	if err != nil {
		return nil, err
	}
	if !stripe.Concerns(in.RawBody) {
		// Not stored: it may hold personal data that nobody here needs.
		return delivered("ignored"), nil
	}
	return g.store(ctx, Document{
		Source: PartnerPayments + "/" + in.Storefront, Kind: KindPaymentEvent, NaturalKey: eventKey(id, in.RawBody), Body: in.RawBody,
	})
}
