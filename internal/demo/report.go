package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/dropline/dropline/internal/audit"
	"github.com/dropline/dropline/internal/orderview"
)

// report prints how every order ended, and what differed from what was told.
func (w *world) report(ctx context.Context, out io.Writer, plays []*play) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nORDER\tSTORY\tENDED\tSUPPLIERS\tPOS\tMONEY IN\tMONEY OUT\tTO SUPPLIERS\tEVENTS\tACTIONS\tSECONDS")
	for _, p := range plays {
		recorded, err := orderview.Stand(ctx, w.pool, p.story.key)
		if err != nil {
			fmt.Fprintf(table, "%s\t%s\tnot placed\t\t\t\t\t\t\t\t\n", p.story.key, p.story.title)
			continue
		}
		events, billed := 0, 0
		runs, err := w.runsOf(ctx, p.story.key)
		if err != nil {
			return err
		}
		for _, r := range runs {
			events += len(r.history.GetEvents())
			billed += actions(r.history)
		}
		var suppliers []string
		for i := range recorded.State.POs {
			suppliers = append(suppliers, recorded.State.POs[i].Supplier)
		}
		ended := string(recorded.State.Stage())
		if len(p.differences) > 0 {
			ended += " (!)"
		}
		refunded := w.partners.storefronts[p.story.key.Storefront].Refunded(p.story.key.Order)[currency] + p.tookBack()
		paid, err := w.toSuppliers(ctx, p.story.key.String())
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%d\t%d\t%.1f\n", p.story.key, p.story.title, ended,
			strings.Join(suppliers, ", "), len(recorded.State.POs), amount(recorded.Captured), amount(refunded), closing(paid), events, billed, p.took.Seconds())
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, p := range plays {
		for _, difference := range p.differences {
			fmt.Fprintf(out, "violation: %s: %s\n", p.story.key, difference)
		}
	}
	fmt.Fprintln(out)
	return nil
}

// audit runs the audit as an operator does, and returns what is broken.
func (w *world) audit(ctx context.Context, out io.Writer) []string {
	said, failed := w.programs.Call(ctx, "starter", "audit", "--json")
	var report audit.Report
	if err := json.Unmarshal([]byte(said), &report); err != nil {
		return []string{fmt.Sprintf("starter audit: %v %v", failed, err)}
	}
	var broken []string
	looked := int64(0)
	for i := range report.Outcomes {
		o := &report.Outcomes[i]
		looked += o.Checked
		for _, v := range o.Violations {
			text := fmt.Sprintf("invariant %d, %s: %s %s", v.Invariant, v.Check, v.Order, v.What)
			if o.Warning {
				fmt.Fprintln(out, "audit warns:", text)
			} else {
				broken = append(broken, "audit: "+text)
			}
		}
	}
	if len(broken) == 0 && failed != nil {
		return []string{failed.Error()}
	}
	fmt.Fprintf(out, "audit: %d checks of %d facts, %d broken\n", len(report.Outcomes), looked, report.Broken())
	return broken
}

// links prints where to look.
func (w *world) links(out io.Writer) {
	fmt.Fprintf(out, "gateway:  %s  (API reference: %s/docs)\n", w.gatewayURL, w.gatewayURL)
	if w.ui != "" {
		base := w.ui + "/namespaces/" + w.namespace + "/workflows"
		fmt.Fprintf(out, "temporal: %s?query=%s\n", base, url.QueryEscape("WorkflowType = 'Order'"))
		for _, filter := range []struct{ what, query string }{
			{"orders that failed over", "WorkflowType = 'Order' AND Breached = true"},
			{"orders that were cancelled", "WorkflowType = 'Order' AND Stage = 'cancelled'"},
			{"orders that wait for a person", "WorkflowType = 'Order' AND NeedsAttention = true AND ExecutionStatus = 'Running'"},
		} {
			fmt.Fprintf(out, "          %s: %s?query=%s\n", filter.what, base, url.QueryEscape(filter.query))
		}
	}
}

// access prints what the command line and the API need.
func (w *world) access(out io.Writer) {
	fmt.Fprintf(out, "operator key: %s\n", w.keys[operatorKey])
	fmt.Fprintf(out, "for %s/starter:\n", w.programs.Folder)
	for _, name := range []string{"DATABASE_URL", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"} {
		fmt.Fprintf(out, "  export %s='%s'\n", name, os.Getenv(name))
	}
	fmt.Fprintf(out, "  export DROPLINE_PUBLIC_URL='%s' DROPLINE_RETURN_LINK_KEYS='%s'\n", w.gatewayURL, w.pageKey)
}

// introduce prints what a developer needs to place orders by hand.
func (w *world) introduce(out io.Writer) {
	w.links(out)
	fmt.Fprintf(out, "suppliers: %s  (their books: %s/books)\n", strings.Join(supplierIDs, ", "), w.partners.suppliers.URL())
	w.access(out)
	for _, id := range storefrontIDs {
		fmt.Fprintf(out, "storefront %-8s key: %s\n", id, w.keys[id])
	}
	fmt.Fprintf(out, `
Place an order:

  curl -sS %[1]s/v1/orders -H 'Authorization: Bearer %[2]s' -H 'Content-Type: application/json' -d '{
    "id": "my-first", "placed_at": "2026-01-05T10:00:00Z", "currency": "USD",
    "lines": [{"sku": "MUG-BLUE", "title": "Blue mug", "quantity": 2, "unit_price": "14.00"}],
    "shipping": "4.90", "total": "32.90", "payment": {"status": "paid", "captured": "32.90"},
    "ship_to": {"name": "Pat Miller", "street1": "5 Elm St", "city": "Dover", "region": "DE", "postal_code": "19901", "country": "US"},
    "email": "pat@example.com"}'

See where it stands:

  curl -sS %[1]s/v1/orders/shop/my-first -H 'Authorization: Bearer %[2]s'

When it was delivered, send something back on its customer's page:

  %[4]s/starter return link shop/my-first

Make a supplier misbehave (see internal/sim/suppliersim/manner.go):

  curl -sS -X PUT '%[3]s/manners/acme?sku=MUG-BLUE' -d '{"ack": {"content": "reject"}}'

`, w.gatewayURL, w.keys["shop"], w.partners.suppliers.URL(), w.programs.Folder)
}
