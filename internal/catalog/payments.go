package catalog

// PaymentProvider is who holds the money of a storefront's customers.
type PaymentProvider string

// PaymentStripe is Stripe, or anything that speaks like it.
const PaymentStripe PaymentProvider = "stripe"

// StripeURL is where Stripe itself listens.
const StripeURL = "https://api.stripe.com"

// Payments is a storefront's account at a payment provider.
type Payments struct {
	Provider PaymentProvider `json:"provider"`
	URL      string          `json:"url"`
	// SecretEnv holds the key that we call the provider with, WebhookSecretEnv what proves its webhooks.
	SecretEnv        string `json:"secret_env"`
	WebhookSecretEnv string `json:"webhook_secret_env"`
}

// HasPayments reports whether we capture and refund ourselves. Otherwise the storefront keeps its
// customers' payments to itself, and is asked for refunds.
func (s Storefront) HasPayments() bool { return s.Payments != Payments{} }

func readPayments(s *section) (p Payments) {
	s.need("provider", "secret_env", "webhook_secret_env")
	p.URL = StripeURL
	scan(s, "provider", oneOf(PaymentStripe), &p.Provider)
	scan(s, "url", parseURL, &p.URL)
	scan(s, "secret_env", parseEnv, &p.SecretEnv)
	scan(s, "webhook_secret_env", parseEnv, &p.WebhookSecretEnv)
	s.done()
	return p
}
