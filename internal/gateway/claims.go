package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dropline/dropline/internal/claimdesk"
	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
)

func (g *gateway) registerClaims() {
	operation(g, huma.Operation{
		OperationID: "list-claims", Method: http.MethodGet, Path: "/v1/claims", Summary: "List claims, what is due first before the rest",
	}, mayReview, g.listClaims)
	operation(g, huma.Operation{
		OperationID: "show-claim", Method: http.MethodGet, Path: "/v1/claims/{reference}",
		Summary: "Show what is pursued under a reference, and its story", Errors: []int{404},
	}, mayReview, g.showClaim)
	operation(g, huma.Operation{
		OperationID: "settle-claim", Method: http.MethodPost, Path: "/v1/claims/{reference}/settle", Summary: "Settle a claim, or a part of it",
		Description: "credited: set off against what we owe the supplier. paid: the money came. conceded: the supplier or carrier is right. written_off: " +
			"right or wrong, nobody will pay. Of what a carrier paid for a parcel that came all the same: repaid: the money went back. " +
			"kept: the carrier lets us keep it. Posted to the ledger before it is answered, once for its request_id.",
		Errors: []int{404, 409},
	}, mayResolve, g.settleClaim)
}

type listClaimsInput struct {
	Supplier string `query:"supplier" pattern:"^[a-z0-9-]{0,32}$" example:"acme"`
	Kind     string `query:"kind" pattern:"^[a-z_]{0,40}$" example:"invoice_dispute"`
	Open     string `query:"open" enum:"true,false" doc:"true: only claims that are not ended."`
	Overdue  string `query:"overdue" enum:"true,false" doc:"true: only open claims whose deadline has passed."`
	Limit    int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

type listClaimsOutput struct {
	Body struct {
		Claims []orderview.Claim `json:"claims"`
	}
}

func (g *gateway) listClaims(ctx context.Context, in *listClaimsInput) (*listClaimsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	list, err := orderview.Claims(ctx, g.Database, orderview.ClaimFilter{
		Storefront: visitOf(ctx).key.Storefront, Supplier: in.Supplier, Kind: in.Kind,
		Open: in.Open == "true", Overdue: in.Overdue == "true", Limit: in.Limit,
	})
	out := &listClaimsOutput{}
	out.Body.Claims = append([]orderview.Claim{}, list...)
	return out, err
}

// ClaimPath names a claim in a URL.
type ClaimPath struct {
	Reference string `path:"reference" maxLength:"64" doc:"What the claim is pursued as." example:"C0A1B2C3D4E5F6A"`
}

type shownClaim struct{ Body orderview.Pursuit }

func (g *gateway) showClaim(ctx context.Context, in *ClaimPath) (*shownClaim, error) {
	found, err := g.findClaim(ctx, in.Reference)
	if err != nil {
		return nil, err
	}
	return &shownClaim{found}, nil
}

// findClaim reads a claim; one of another storefront is answered as none.
func (g *gateway) findClaim(ctx context.Context, reference string) (orderview.Pursuit, error) {
	if !requestShape.MatchString(reference) {
		return orderview.Pursuit{}, problem(notFound, "")
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	found, ok, err := orderview.FindClaim(ctx, g.Database, reference)
	if err != nil {
		return orderview.Pursuit{}, err
	}
	scope := visitOf(ctx).key.Storefront
	// A discount is claimed for the orders of all storefronts together.
	joint := slices.ContainsFunc(found.Claims, func(c orderview.Claim) bool { return c.Kind == string(ledger.ClaimVolumeDiscount) })
	if key, wrong := order.ParseKey(found.Order); !ok || wrong != nil || scope != "" && (joint || scope != key.Storefront) {
		return orderview.Pursuit{}, problem(notFound, "")
	}
	return found, nil
}

type settleClaimInput struct {
	ClaimPath
	RequestName
	Body struct {
		RequestID string `json:"request_id,omitempty" doc:"An id of your own; needed unless the header Idempotency-Key has it." maxLength:"64" example:"settle-3"`
		Outcome   string `json:"outcome" enum:"credited,paid,conceded,written_off,repaid,kept"`
		Amount    string `json:"amount,omitempty" doc:"A part of the claim; left out: all that is open." maxLength:"32" example:"3.00"`
		Reason    string `json:"reason" doc:"Why, as a code." enum:"agreed,credit_by_mail,supplier_is_right,supplier_refuses,supplier_insolvent,carrier_refuses,parcel_found,too_small,other"`
	}
}

type settledClaim struct {
	Body struct {
		Message   string `json:"message" example:"Settled 3.00 USD as conceded; nothing is open any more."`
		Settled   string `json:"settled" example:"3.00"`
		Open      string `json:"open" doc:"What is left of the claim." example:"0.00"`
		Currency  string `json:"currency" example:"USD"`
		RequestID string `json:"request_id" example:"settle-3"`
	}
}

func (g *gateway) settleClaim(ctx context.Context, in *settleClaimInput) (*settledClaim, error) {
	name, err := in.name(in.Body.RequestID)
	if err != nil {
		return nil, err
	}
	found, err := g.findClaim(ctx, in.Reference)
	if err != nil {
		return nil, err
	}
	who := visitOf(ctx).key
	d := claims.Settlement{
		ID: "api/" + name, Outcome: ledger.ClaimOutcome(in.Body.Outcome), Reason: in.Body.Reason, By: string(who.Role) + " key " + who.ID,
	}
	if in.Body.Amount != "" {
		amount, err := money.Parse(in.Body.Amount, found.Currency)
		if err != nil || amount.Minor <= 0 {
			return nil, problem(invalid, "", FieldError{"amount", "want an amount in " + found.Currency + ", more than nothing"})
		}
		d.Minor = amount.Minor
	}
	return g.putSettlement(ctx, found, d, name)
}

// putSettlement asks the claim's workflow, unless the request was answered before: then the workflow may
// have ended with it.
func (g *gateway) putSettlement(ctx context.Context, found orderview.Pursuit, d claims.Settlement, name string) (*settledClaim, error) {
	var id string
	if err := g.Database.QueryRow(ctx, `SELECT id FROM pursuits WHERE reference = $1`, found.Reference).Scan(&id); err != nil {
		return nil, err
	}
	minor, repeated, err := claimdesk.Before(ctx, g.Database, id, d)
	switch {
	case errors.Is(err, claimdesk.ErrOtherRequest):
		return nil, problem(conflict, "this request_id decided something else before, or somebody else decided with it")
	case err != nil:
		return nil, err
	case repeated:
		now, err := claimdesk.Stand(ctx, g.Database, id)
		return tellSettled(minor, now.Open, found.Currency, d.Outcome, name), err
	case !found.ClosedAt.IsZero():
		return nil, problem(refused, "nothing of the claim is open any more")
	}
	update, err := updateID("settle/"+name, d)
	if err != nil {
		return nil, err
	}
	asking, cancel := context.WithTimeout(ctx, g.AnswerWait)
	defer cancel()
	answer, err := g.Orders.SettleClaim(asking, id, update, d)
	if errors.Is(err, ErrNotRunning) {
		return nil, errors.Join(err, g.awaken(ctx, id))
	}
	if err != nil {
		return nil, err
	}
	return tellSettled(answer.Settled, answer.Standing.Open, found.Currency, d.Outcome, name), nil
}

// awaken lets the deliverer start the workflow of an open claim again that was ended by hand.
func (g *gateway) awaken(ctx context.Context, id string) error {
	_, err := g.Database.Exec(ctx, `UPDATE pursuits SET fact_seq = fact_seq + 1, deliver_at = least(deliver_at, now()) WHERE id = $1 AND closed_at IS NULL`, id)
	g.Nudge()
	return err
}

func tellSettled(minor, open int64, currency string, outcome ledger.ClaimOutcome, name string) *settledClaim {
	settled, left := money.Money{Minor: minor, Currency: currency}, money.Money{Minor: open, Currency: currency}
	out := &settledClaim{}
	b := &out.Body
	b.Settled, b.Open, b.Currency, b.RequestID = amountText(settled), amountText(left), currency, name
	b.Message = "Settled " + settled.String() + " as " + string(outcome) + "; nothing is open any more."
	if open > 0 {
		b.Message = "Settled " + settled.String() + " as " + string(outcome) + "; " + left.String() + " is still open."
	}
	return out
}

// amountText is an amount without its currency.
func amountText(m money.Money) string {
	text, err := money.Format(m.Minor, m.Currency)
	if err != nil {
		return m.String()
	}
	return text
}
