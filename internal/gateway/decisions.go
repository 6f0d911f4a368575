package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/workflows"
)

type answerOutput struct{ Body answerBody }

type answerBody struct {
	Message   string `json:"message" doc:"What was done, in words."`
	Stage     string `json:"stage" example:"received"`
	RequestID string `json:"request_id" example:"address-12"`
}

// asking puts a request to an order's workflow and waits for its answer.
type asking func(context.Context) (workflows.Answer, error)

// put asks the order, which must be running. One that has closed is asked again, if it can have been
// asked before: it may have closed because of this very request, and still knows its answer.
func (g *gateway) put(ctx context.Context, standing orderview.Standing, name string, ask, again asking) (*answerOutput, error) {
	closed := !standing.ClosedAt.IsZero()
	over := problem(refused, "the order is closed ("+string(standing.State.Stage())+")")
	switch {
	case closed && again == nil:
		return nil, over
	case closed:
		ask = again
	case standing.StartedAt.IsZero():
		return nil, problem(orderBusy, "work on the order has not begun yet")
	}
	ctx, cancel := context.WithTimeout(ctx, g.AnswerWait)
	defer cancel()
	answer, err := ask(ctx)
	if closed && errors.Is(err, ErrNotRunning) {
		return nil, over
	}
	if err != nil {
		return nil, err
	}
	return &answerOutput{answerBody{Message: answer.Message, Stage: string(answer.Stage), RequestID: name}}, nil
}

// settledBy passes a refusal on unless all we have heard, verdict, allows what was asked: then the news
// is still on its way to whoever refused, and asking again will help.
func settledBy(verdict, err error) error {
	if _, is := errors.AsType[*order.Refusal](err); is && verdict == nil {
		return problem(orderBusy, "the latest news about it is still on its way")
	}
	return err
}

// repeatable says whether a request can have come before: it brings an id of its own.
func (in RequestName) repeatable(inBody string, ask asking) asking {
	if in.IdempotencyKey == "" && inBody == "" {
		return nil
	}
	return ask
}

type addressInput struct {
	OrderPath
	RequestName
	Body struct {
		RequestID string          `json:"request_id,omitempty" doc:"An id of your own, here or in the header Idempotency-Key." maxLength:"64" example:"address-12"`
		ShipTo    addressDocument `json:"ship_to"`
	}
}

func (g *gateway) changeAddress(ctx context.Context, in *addressInput) (*answerOutput, error) {
	key, err := in.open(ctx)
	if err != nil {
		return nil, err
	}
	name, err := in.name(in.Body.RequestID)
	if err != nil {
		return nil, err
	}
	to := in.Body.ShipTo.address()
	if err := checkAddress(ctx, "ship_to", to); err != nil {
		return nil, err
	}
	standing, err := g.standing(ctx, key)
	if err != nil {
		return nil, err
	}
	return g.put(ctx, standing, name, func(ctx context.Context) (workflows.Answer, error) {
		change := changeID(key, name)
		return g.withAddress(ctx, key, change, to, func() (workflows.Answer, error) {
			return g.Orders.ChangeAddress(ctx, key, "address/"+change, workflows.AddressRequest{Change: change, Country: to.Country})
		})
	}, nil)
}

// changeID names a new address: by the order, and by the request that brings it.
func changeID(key order.Key, name string) string { return key.String() + "/" + name }

// checkAddress refuses an address that cannot be used. A storefront may not bring one that would
// have held the order; who reviews orders may.
func checkAddress(ctx context.Context, field string, a supplier.Address) error {
	probe := storefront.Order{ShipTo: a}
	var wrong []FieldError
	for _, p := range storefront.Problems(&probe) {
		if rest, found := strings.CutPrefix(p.Field, "ship_to."); found {
			wrong = append(wrong, FieldError{field + "." + rest, p.Message})
		}
	}
	if visitOf(ctx).key.Role == apikey.Storefront {
		// The probe is an order without money or lines: no other doubts than the address's arise
		// but those about payment.
		for _, d := range storefront.Doubts(&probe) {
			if addressDoubt[d.Code] {
				wrong = append(wrong, FieldError{field, d.Detail})
			}
		}
	}
	if len(wrong) > 0 {
		return problem(invalid, "", wrong...)
	}
	return nil
}

var addressDoubt = map[string]bool{
	storefront.DoubtPOBox: true, storefront.DoubtParcelLocker: true, storefront.DoubtMilitary: true,
	storefront.DoubtUndeliverable: true, storefront.DoubtAddressShape: true,
}

// withAddress stores a new address for the order to take, and takes it away again when the order
// refuses: nobody needs it any more.
func (g *gateway) withAddress(
	ctx context.Context, key order.Key, change string, to supplier.Address, ask func() (workflows.Answer, error),
) (workflows.Answer, error) {
	if err := g.storeAddress(ctx, key, change, to); err != nil {
		return workflows.Answer{}, err
	}
	answer, err := ask()
	if _, is := errors.AsType[*order.Refusal](err); is {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
		defer cancel()
		if _, dropped := g.Database.Exec(ctx, `DELETE FROM address_changes WHERE id = $1 AND applied_at IS NULL`, change); dropped != nil {
			visitOf(ctx).fault = fmt.Errorf("drop refused address change: %w", dropped)
		}
	}
	return answer, err
}

func (g *gateway) storeAddress(ctx context.Context, key order.Key, change string, to supplier.Address) error {
	body, err := json.Marshal(to)
	if err != nil {
		return fmt.Errorf("encode the address for order %s: %w", key, err)
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return postgres.InTx(ctx, g.Database, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO address_changes (id, order_key, ship_to) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING`,
			change, key.String(), body)
		if err != nil {
			return fmt.Errorf("store the address for order %s: %w", key, err)
		}
		var same bool
		err = tx.QueryRow(ctx, `SELECT ship_to = $2 FROM address_changes WHERE id = $1`, change, body).Scan(&same)
		if err != nil {
			return fmt.Errorf("store the address for order %s: %w", key, err)
		}
		if !same {
			return problem(conflict, "this request_id came with another address before")
		}
		return nil
	})
}

type reviewInput struct {
	OrderPath
	RequestName
	Body struct {
		RequestID string           `json:"request_id,omitempty" doc:"An id of your own, which makes a repeat harmless." maxLength:"64" example:"review-5"`
		Decision  string           `json:"decision" enum:"approve,amend,reject"`
		Address   *addressDocument `json:"address,omitempty" doc:"The corrected address that amend brings."`
	}
}

func (g *gateway) review(ctx context.Context, in *reviewInput) (*answerOutput, error) {
	key, err := in.open(ctx)
	if err != nil {
		return nil, err
	}
	name, err := in.nameOrNew(in.Body.RequestID)
	if err != nil {
		return nil, err
	}
	r := workflows.ReviewRequest{Decision: order.Review(in.Body.Decision), By: string(visitOf(ctx).key.Role)}
	if amends := r.Decision == order.ReviewAmend; amends != (in.Body.Address != nil) {
		return nil, problem(invalid, "", FieldError{"address", "amend brings an address, approve and reject none"})
	}
	if in.Body.Address != nil {
		if err := checkAddress(ctx, "address", in.Body.Address.address()); err != nil {
			return nil, err
		}
		r.AddressChange = changeID(key, name)
	}
	id, err := updateID("review/"+name, r)
	if err != nil {
		return nil, err
	}
	standing, err := g.standing(ctx, key)
	if err != nil {
		return nil, err
	}
	ask := func(ctx context.Context) (workflows.Answer, error) {
		answer, err := g.Orders.Review(ctx, key, id, r)
		return answer, settledBy(standing.State.CanReview(r.Decision), err)
	}
	again := in.repeatable(in.Body.RequestID, ask)
	if in.Body.Address == nil {
		return g.put(ctx, standing, name, ask, again)
	}
	return g.put(ctx, standing, name, func(ctx context.Context) (workflows.Answer, error) {
		return g.withAddress(ctx, key, r.AddressChange, in.Body.Address.address(), func() (workflows.Answer, error) { return ask(ctx) })
	}, again)
}

type resolveInput struct {
	OrderPath
	RequestName
	Body struct {
		RequestID  string `json:"request_id,omitempty" doc:"An id of your own, which makes a repeat harmless." maxLength:"64" example:"resolve-3"`
		Withdrawal string `json:"withdrawal,omitempty" doc:"The key of a withdrawal." maxLength:"64" example:"DLABCDEFGHIJKLM-1/c1"`
		Confirmed  *bool  `json:"confirmed,omitempty" doc:"With withdrawal: whether the supplier gave the units back."`
		Case       string `json:"case,omitempty" doc:"The key of a case." maxLength:"128"`
		Outcome    string `json:"outcome,omitempty" doc:"With case: how it ends." enum:"intercepted,absorbed_as_loss"`
	}
}

func (g *gateway) resolve(ctx context.Context, in *resolveInput) (*answerOutput, error) {
	key, err := in.open(ctx)
	if err != nil {
		return nil, err
	}
	name, err := in.nameOrNew(in.Body.RequestID)
	if err != nil {
		return nil, err
	}
	b := &in.Body
	aboutWithdrawal := b.Withdrawal != "" && b.Confirmed != nil && b.Case == "" && b.Outcome == ""
	aboutCase := b.Case != "" && b.Outcome != "" && b.Withdrawal == "" && b.Confirmed == nil
	if !aboutWithdrawal && !aboutCase {
		return nil, problem(invalid, "", FieldError{"(body)", "want either withdrawal with confirmed, or case with outcome"})
	}
	standing, err := g.standing(ctx, key)
	if err != nil {
		return nil, err
	}
	r := workflows.ResolveRequest{Case: b.Case, Outcome: order.CaseStatus(b.Outcome), By: string(visitOf(ctx).key.Role)}
	if aboutWithdrawal {
		r.Withdrawal, r.Confirmed = b.Withdrawal, *b.Confirmed
	}
	if err := checkSubject(standing, r); err != nil {
		return nil, err
	}
	id, err := updateID("resolve/"+name, r)
	if err != nil {
		return nil, err
	}
	ask := func(ctx context.Context) (workflows.Answer, error) {
		answer, err := g.Orders.Resolve(ctx, key, id, r)
		return answer, settledBy(standing.State.CanResolve(r.Withdrawal, r.Case, r.Outcome), err)
	}
	return g.put(ctx, standing, name, ask, in.repeatable(in.Body.RequestID, ask))
}

// checkSubject keeps text that names nothing out of the order's history.
func checkSubject(s orderview.Standing, r workflows.ResolveRequest) error {
	if r.Case != "" && s.State.Case(r.Case) == nil {
		return problem(invalid, "", FieldError{"case", "the order has no such case"})
	}
	if r.Withdrawal == "" {
		return nil
	}
	for i := range s.State.POs {
		for j := range s.State.POs[i].Withdrawals {
			if s.State.POs[i].Withdrawals[j].Key == r.Withdrawal {
				return nil
			}
		}
	}
	return problem(invalid, "", FieldError{"withdrawal", "the order has no such withdrawal"})
}
