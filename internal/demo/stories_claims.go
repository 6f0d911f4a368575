package demo

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/sim/carriersim"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/webhook"
)

// claimStories are about what suppliers owe besides returns.
func claimStories() []*story {
	dear := storyOf("shop", "dear-invoice", "An invoice too dear: disputed by its line, credited, and paid with the credit set off").buys("VASE-CLAY", "Clay vase", 2, 3900).
		with("plover", "VASE-CLAY", suppliersim.Manner{Invoice: suppliersim.InvoiceManner{Mode: suppliersim.InvoiceOvercharge, OverchargeBP: 1000}})
	dear.act = func(ctx context.Context, p *play) error {
		c, err := p.claimOf(ctx, ledger.ClaimInvoiceDispute)
		if err != nil {
			return err
		}
		p.tell("%s is told of the claim of %s: %s", c.Partner, c.Amount, c.Reason)
		if err := p.creditsClaim(ctx, c); err != nil {
			return err
		}
		return p.paysSupplier(ctx, "plover")
	}
	dear.want = delivered("plover", 2)
	dear.want.claims, dear.want.toSupplier = []string{"invoice_dispute settled"}, 2400

	late := storyOf("shop", "late-penalty", "A late supplier owes its penalty, and the operator lets it go").buys("FLASK-TIN", "Tin flask", 1, 7900).
		with("swift", "FLASK-TIN", suppliersim.Manner{
			Ack:    suppliersim.AckManner{When: suppliersim.AckNever},
			Cancel: suppliersim.CancelManner{Mode: suppliersim.CancelPending, Delay: soon(time.Second)},
		})
	late.act = func(ctx context.Context, p *play) error {
		c, err := p.claimOf(ctx, ledger.ClaimSLAPenalty)
		if err != nil {
			return err
		}
		return p.settleClaim(ctx, c, map[string]any{"outcome": "conceded", "reason": "agreed"})
	}
	late.want = ending{
		stage: order.StageSettled, lines: []fate{{delivered: 1}}, breached: true, mails: "placed" + parcelMails, reminders: 1,
		orders: []bought{{supplier: "swift", cancelled: true, asked: 1}, {supplier: "kogane", live: 1, sent: 1}},
		claims: []string{"sla_penalty settled"},
	}
	abroad := storyOf("shop", "bought-abroad", "Bought in euros, sold in dollars; an invoice too dear is credited in euros").buys("DECANTER-BLUE", "Blue decanter", 2, 7900).
		with("soleil", "DECANTER-BLUE", suppliersim.Manner{Invoice: suppliersim.InvoiceManner{Mode: suppliersim.InvoiceOvercharge, OverchargeBP: 1000}})
	abroad.act = func(ctx context.Context, p *play) error {
		c, err := p.claimOf(ctx, ledger.ClaimInvoiceDispute)
		if err != nil {
			return err
		}
		if c.Currency != "EUR" {
			return fmt.Errorf("claim %s of a supplier that is paid in euros is in %s", c.Reference, c.Currency)
		}
		return p.creditsClaim(ctx, c)
	}
	abroad.want = delivered("soleil", 2)
	abroad.want.claims = []string{"invoice_dispute settled"}
	gone := storyOf("shop", "carrier-loses", "A carrier loses a parcel that went under our account, and pays for it").buys("LENS-SPY", "Spyglass", 1, 8900).
		with("swift", "LENS-SPY", suppliersim.Manner{Ship: suppliersim.ShipManner{Parcel: carriersim.DeclaredLost}})
	gone.act = func(ctx context.Context, p *play) error {
		c, err := p.claimOf(ctx, ledger.ClaimLostParcel)
		if err != nil {
			return err
		}
		p.tell("%s is told of the claim of %s", c.Partner, c.Amount)
		return p.settleClaim(ctx, c, map[string]any{"outcome": "paid", "reason": "agreed"})
	}
	gone.want = ending{
		stage: order.StageSettled, lines: []fate{{lost: 1}}, refunded: gone.total(), mails: "placed shipped lost refunded",
		orders: []bought{{supplier: "swift", live: 1, sent: 1}}, claims: []string{"lost_parcel settled"},
	}
	return []*story{dear, late, abroad, gone}
}

// claimOf waits until somebody pursues a claim of the order.
func (p *play) claimOf(ctx context.Context, kind ledger.ClaimKind) (orderview.Claim, error) {
	for {
		view, err := p.world.show(ctx, p.story.key)
		if err == nil {
			for _, c := range view.Claims {
				if c.Kind == string(kind) && c.Stage == "asked" && c.ClosedAt.IsZero() {
					return c, nil
				}
			}
		}
		select {
		case <-ctx.Done():
			return orderview.Claim{}, fmt.Errorf("wait until a claim (%s) of order %s is pursued: %w", kind, p.story.key, ctx.Err())
		case <-time.After(lookEvery):
		}
	}
}

// creditsClaim is the supplier's credit memo for a claim, as a file.
func (p *play) creditsClaim(ctx context.Context, c orderview.Claim) error {
	now := time.Now().UTC()
	body := fmt.Appendf(nil, "credit_memo;date;currency;amount;claim\nCM-%s;%s;%s;%s;%[1]s\n", c.Reference, now.Format(time.DateOnly), c.Currency, c.Amount)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.world.gatewayURL+"/v1/suppliers/"+c.Partner+"/events", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("credit claim %s: %w", c.Reference, err)
	}
	request.Header.Set("Content-Type", "text/csv")
	request.Header.Set(webhook.Header, webhook.Sign(p.world.partners.secret(c.Partner, webhookSecret), body, now))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("credit claim %s: %w", c.Reference, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		return fmt.Errorf("credit claim %s: answered %d", c.Reference, response.StatusCode)
	}
	p.tell("%s credits %s", c.Partner, c.Amount)
	return nil
}

// settleClaim is an operator's decision. A claim whose workflow is being begun is asked again.
func (p *play) settleClaim(ctx context.Context, c orderview.Claim, body map[string]any) error {
	body["request_id"] = "settle-" + p.story.name
	for {
		var said struct {
			refusal
			Message string `json:"message"`
		}
		status, err := p.world.call(ctx, operatorKey, http.MethodPost, "/v1/claims/"+c.Reference+"/settle", body, &said)
		switch {
		case err == nil && status == http.StatusOK:
			p.tell("operator: %s", said.Message)
			return nil
		case err == nil && status != http.StatusServiceUnavailable:
			return fmt.Errorf("settle claim %s: answered %d: %s %s", c.Reference, status, said.Title, said.Detail)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("settle claim %s: %w", c.Reference, ctx.Err())
		case <-time.After(lookEvery):
		}
	}
}

// compareClaims holds what is pursued against the story.
func (p *play) compareClaims(ctx context.Context, d *differences) {
	list, err := orderview.Claims(ctx, p.world.pool, orderview.ClaimFilter{Order: p.story.key.String(), Limit: 100})
	if err != nil {
		d.add("%v", err)
		return
	}
	got := []string{}
	for _, c := range list {
		switch {
		case c.Reference == "":
		case c.Kind == string(ledger.ClaimInvoiceDispute) && len(p.story.want.cases) > 0:
			// Whether a shipment is charged for before its case is decided depends on who is sooner.
		case c.ClosedAt.IsZero():
			got = append(got, c.Kind)
		case c.Resolution != "superseded" && c.Resolution != "accrued_later":
			got = append(got, c.Kind+" settled")
		}
	}
	slices.Sort(got)
	got = slices.Compact(got) // each clock that ran out has a penalty of its own
	same(d, "claims", fmt.Sprint(got), fmt.Sprint(append([]string{}, p.story.want.claims...)))
}
