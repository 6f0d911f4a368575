package demo

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/sim/carriersim"
	"github.com/dropline/dropline/internal/sim/mailsim"
	"github.com/dropline/dropline/internal/sim/paymentsim"
	"github.com/dropline/dropline/internal/sim/storefrontsim"
	"github.com/dropline/dropline/internal/sim/suppliersim"
)

// The cast: the names under which the catalogue knows the partners.
var (
	supplierIDs   = []string{"acme", "borealis", "swift", "plover", "kogane", "soleil"}
	storefrontIDs = []string{"shop", "corner", "nimbus", "atelier", "maison"}
)

const carrierID = "dropex"

// providerID names the payment provider's secrets; its account belongs to payingID, the storefront that
// does not keep its customers' payments to itself.
const (
	providerID = "tally"
	payingID   = "maison"
)

// disputeFee is what the provider keeps of each chargeback, in minor units.
const disputeFee = 1500

// scanEvery is the time between two scans of a parcel: short for the demo, long enough that a
// customer's cancellation can come between two of them.
const scanEvery = 900 * time.Millisecond

// partners are the simulated ones, as real servers on this machine, with the secrets they share
// with Dropline.
type partners struct {
	suppliers   *suppliersim.Server
	storefronts map[string]*storefrontsim.Server
	tracker     *carriersim.Server
	mail        *mailsim.Server
	provider    *paymentsim.Server

	secrets map[string]string // by the name of their environment variable
}

// startPartners opens all ports. gateway is where webhooks will go; nobody need listen there yet.
func startPartners(gateway string, secrets map[string]string) (_ *partners, err error) {
	p := &partners{storefronts: map[string]*storefrontsim.Server{}, secrets: secrets}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.mail, err = mailsim.Start(); err != nil {
		return nil, err
	}
	p.tracker, err = carriersim.Start(carriersim.Config{
		Gateway: gateway, Source: carrierID, Secret: p.secret(carrierID, webhookSecret), APIKey: p.secret(carrierID, apiSecret),
		Interval: scanEvery, Attempts: 200,
		// The tracker's labels are two hours old when a parcel is announced, so that the pick-up, which
		// follows two hours after the label, is now.
		Now: func() time.Time { return time.Now().Add(-2 * time.Hour) },
	})
	if err != nil {
		return nil, err
	}
	for _, id := range storefrontIDs {
		p.storefronts[id], err = storefrontsim.Start(storefrontsim.Config{
			Storefront: id, Gateway: gateway, Token: p.secret(id, apiSecret), Secret: p.secret(id, webhookSecret), Attempts: 40,
		})
		if err != nil {
			return nil, err
		}
	}
	p.provider, err = paymentsim.Start(paymentsim.Config{
		SecretKey: p.secret(providerID, apiSecret), Gateway: gateway, Storefront: payingID, Attempts: 200, DisputeFee: disputeFee,
		WebhookSecrets: []string{p.secret(providerID, webhookSecret)},
	})
	if err != nil {
		return nil, err
	}
	played := map[string]suppliersim.Supplier{}
	for _, id := range supplierIDs {
		played[id] = suppliersim.Supplier{Token: p.secret(id, apiSecret), Secret: p.secret(id, webhookSecret), Manner: unhurried}
	}
	p.suppliers, err = suppliersim.Start(suppliersim.Options{
		Seed: 1, Gateway: gateway, Suppliers: played,
		Listener: &roads{tracker: p.tracker, gateway: gateway, secret: p.secret(carrierID, webhookSecret)},
	})
	return p, err
}

const (
	apiSecret     = "_SECRET"
	webhookSecret = "_WEBHOOK_SECRET"
)

// newSecrets makes the partners' secrets, by the names under which the catalogue knows them.
func newSecrets() map[string]string {
	secrets := map[string]string{}
	for _, id := range slices.Concat(supplierIDs, storefrontIDs, []string{carrierID, providerID}) {
		for _, suffix := range []string{apiSecret, webhookSecret} {
			secrets[strings.ToUpper(id)+suffix] = rand.Text()
		}
	}
	return secrets
}

func (p *partners) secret(id, suffix string) string { return p.secrets[strings.ToUpper(id)+suffix] }

// environment is what worker and starter need to talk to the partners.
func (p *partners) environment() []string {
	env := []string{
		"DROPLINE_ALLOW_PRIVATE_PARTNERS=true",
		"DROPLINE_SMTP_HOST=" + p.mail.Host(), "DROPLINE_SMTP_PORT=" + strconv.Itoa(p.mail.Port()),
		"DROPLINE_SMTP_TLS=none", "DROPLINE_MAIL_FROM=orders@shop.example",
	}
	for name, value := range p.secrets {
		env = append(env, name+"="+value)
	}
	return env
}

// cast gives the suppliers their parts in a story.
func (p *partners) cast(parts []part) error {
	for _, part := range parts {
		if err := p.suppliers.SetMannerForSKU(part.supplier, part.sku, part.manner); err != nil {
			return fmt.Errorf("cast %s: %w", part.supplier, err)
		}
	}
	return nil
}

func (p *partners) close() {
	if p.suppliers != nil {
		p.suppliers.Close()
	}
	if p.tracker != nil {
		p.tracker.Close()
	}
	for _, s := range p.storefronts {
		s.Close()
	}
	if p.provider != nil {
		p.provider.Close()
	}
	if p.mail != nil {
		p.mail.Close()
	}
}
