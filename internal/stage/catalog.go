package stage

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/engine"
	"github.com/dropline/dropline/internal/postgres"
)

const (
	storefrontID = "shop"
	carrierID    = "track"
)

// loadCatalog gives every supplier the same goods and terms: "mug" and "jar" are sold by all, and each
// has a "SUPPLIER-mug" and a "SUPPLIER-jar" of its own.
func (s *Stage) loadCatalog(ctx context.Context, o *Options) error {
	shop, err := o.find(Storefront, s.Storefront.URL())
	if err != nil {
		return err
	}
	base, err := o.find(Suppliers, s.Suppliers.URL())
	if err != nil {
		return err
	}
	tracker := "http://127.0.0.1:1"
	if s.Carrier != nil {
		if tracker, err = o.find(Carrier, s.Carrier.URL()); err != nil {
			return err
		}
	}
	account, capture, err := s.paymentsText(o)
	if err != nil {
		return err
	}
	liability := ""
	if o.Liability != "" {
		liability = ", claims: " + o.Liability
	}
	var text strings.Builder
	fmt.Fprintf(&text, `
storefronts:
  - {id: %s, name: Shop, platform: generic, currencies: [EUR], refund_url: %q, secret_env: %[3]s, webhook_secret_env: %[3]s, sender: shop@shop.example, %[8]s
     policy: {%[9]sbackorder: {action: move}, returns: {window_days: 30, send_within: %[6]s, inspect_within: %[7]s}}}
carriers:
  - {id: %[4]s, kind: easypost, url: %[5]q, secret_env: %[3]s, webhook_secret_env: %[3]s, poll_every: 1h, aliases: [{code: dropex, names: [dropex]}]%[10]s}
suppliers:
`, storefrontID, shop, secretName, carrierID, tracker, cmp.Or(o.SendWithin, "14d"), cmp.Or(o.InspectWithin, "3d"), account, capture, liability)
	for _, supplier := range o.Suppliers {
		text.WriteString(supplierText(supplier, base))
	}
	file, err := catalog.Parse("stage.yaml", []byte(text.String()))
	if err != nil {
		return err
	}
	if err := catalog.Validate(file); err != nil {
		return err
	}
	if err := postgres.SaveCatalog(ctx, s.Pool, file); err != nil {
		return err
	}
	if s.Carrier != nil {
		return nil // the schedules stand since the first time, and do not depend on where the carrier is
	}
	// A server that is busy with many namespaces at once may need more than one call's time.
	for {
		if err = engine.EnsureSchedules(ctx, s.Temporal, file.Carriers); err == nil || ctx.Err() != nil {
			return err
		}
	}
}

func supplierText(p Supplier, base string) string {
	acknowledge, ship, mug, jar := p.Acknowledge, p.Ship, "6.00", "3.00"
	if acknowledge == "" {
		acknowledge = "1h"
	}
	if ship == "" {
		ship = "2h"
	}
	credit := p.CreditWithin
	if credit == "" {
		credit = "1h"
	}
	if p.Dear {
		mug, jar = "9.00", "7.00"
	}
	return fmt.Sprintf(`
  - id: %[1]s
    name: %[1]s
    contract:
      valid_from: 2020-01-01
      currency: EUR
      channel: {kind: rest, url: %[2]q, key_id: dropline, secret_env: %[3]s, webhook_secret_env: %[3]s}
      calendar: {zone: Europe/Berlin, always_open: true}
      sla: {acknowledge: %[4]s, ship: %[5]s}
      cancel: {confirmation: promised, within: %[11]s, on_silence: reroute}
      returns: {window_days: 30, credit_within: %[8]s%[10]s}
      ships_to: {countries: [DE]}
      shipping: {methods: [{name: parcel, base: "4.00", per_item: "0.50", transit_days: {min: 1, max: 2}}]}
%[9]s
    offers:
      - {sku: %[1]s-mug, supplier_sku: A-1, cost: %[6]q, on_hand: 1000000}
      - {sku: %[1]s-jar, supplier_sku: A-2, cost: %[7]q, on_hand: 1000000}
      - {sku: mug, supplier_sku: A-3, cost: %[6]q, on_hand: 1000000}
      - {sku: jar, supplier_sku: A-4, cost: %[7]q, on_hand: 1000000}
`, p.ID, base+"/suppliers/"+p.ID, secretName, acknowledge, ship, mug, jar, credit, p.Terms, p.Returns, cmp.Or(p.ConfirmWithin, "10s"))
}
