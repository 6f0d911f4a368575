package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/workflows"
)

// stand reads where a return of the path's order stands. One of another order is answered as none.
func (g *gateway) stand(ctx context.Context, p ReturnPath) (order.Key, returndesk.Standing, error) {
	key, err := p.open(ctx)
	if err != nil {
		return key, returndesk.Standing{}, err
	}
	if !requestShape.MatchString(p.RMA) {
		return key, returndesk.Standing{}, problem(notFound, "")
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	standing, err := returndesk.Stand(ctx, g.Database, p.RMA)
	if err == nil && standing.State.Key != key {
		err = problem(notFound, "")
	}
	return key, standing, err
}

type cancelReturnInput struct {
	ReturnPath
	RequestName
	Body struct {
		RequestID string `json:"request_id,omitempty" doc:"An id of your own; needed unless the header Idempotency-Key has it." maxLength:"64" example:"keep-7"`
	}
}

type returnAnswerOutput struct {
	Status int
	Body   returnAnswerBody
}

type returnAnswerBody struct {
	Result    string `json:"result" enum:"answered,stored" doc:"stored: the return could not be asked now; the request will be carried out."`
	Message   string `json:"message" doc:"What was done, in words." example:"The return is cancelled; the customer keeps the goods."`
	Stage     string `json:"stage" example:"cancelled"`
	RequestID string `json:"request_id" example:"keep-7"`
}

func answeredReturn(message string, stage returns.Stage, name string) *returnAnswerOutput {
	return &returnAnswerOutput{http.StatusOK, returnAnswerBody{Result: "answered", Message: message, Stage: string(stage), RequestID: name}}
}

func (g *gateway) cancelReturn(ctx context.Context, in *cancelReturnInput) (*returnAnswerOutput, error) {
	name, err := in.name(in.Body.RequestID)
	if err != nil {
		return nil, err
	}
	key, standing, err := g.stand(ctx, in.ReturnPath)
	if err != nil {
		return nil, err
	}
	return g.takeBack(ctx, key, standing, returns.CancelRequest{ID: "api/" + name, By: string(visitOf(ctx).key.Role)}, name)
}

// takeBack asks the return's workflow to cancel it, or stores the request when it cannot be asked now.
func (g *gateway) takeBack(ctx context.Context, key order.Key, standing returndesk.Standing, r returns.CancelRequest, name string) (*returnAnswerOutput, error) {
	rma := standing.State.RMA
	switch {
	case !standing.ClosedAt.IsZero():
		return closedReturn(standing, r, name)
	case standing.StartedAt.IsZero():
		return g.storeReturnCancel(ctx, rma, r, name)
	}
	// What the carrier told may still wait to be delivered to the workflow.
	if err := standing.State.CanCancel(r); err != nil {
		return nil, err
	}
	id, err := updateID("cancel/"+r.ID, r)
	if err != nil {
		return nil, err
	}
	asking, cancel := context.WithTimeout(ctx, g.AnswerWait)
	defer cancel()
	answer, err := g.Orders.CancelReturn(asking, key, rma, id, r)
	switch {
	case errors.Is(err, ErrNotRunning), errors.Is(err, ErrLate), errors.Is(err, ErrUnreachable):
		return g.storeReturnCancel(ctx, rma, r, name)
	case err != nil:
		return nil, err
	}
	return answeredReturn(answer.Message, answer.Stage, name), nil
}

// closedReturn answers for a return that is over: what it took before is still true.
func closedReturn(s returndesk.Standing, r returns.CancelRequest, name string) (*returnAnswerOutput, error) {
	if slices.Contains(s.State.Requests, r.ID) {
		return answeredReturn("The return is cancelled; the customer keeps the goods.", s.State.Stage(), name), nil
	}
	if err := s.State.CanCancel(r); err != nil {
		return nil, err
	}
	return nil, problem(refused, "the return is closed ("+string(s.State.Stage())+")")
}

// storeReturnCancel commits a cancellation as a fact about the return, which its workflow takes as soon
// as it can, and at most once by its id. It outlives the caller.
func (g *gateway) storeReturnCancel(ctx context.Context, rma string, r returns.CancelRequest, name string) (*returnAnswerOutput, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	var standing returndesk.Standing
	var stored, closed bool
	err := postgres.InTx(ctx, g.Database, func(tx pgx.Tx) error {
		// The lock makes two callers with one id take turns.
		if _, err := tx.Exec(ctx, `SELECT 1 FROM returns WHERE rma = $1 FOR UPDATE`, rma); err != nil {
			return fmt.Errorf("store a cancellation of return %s: %w", rma, err)
		}
		var err error
		if standing, err = returndesk.Stand(ctx, tx, rma); err != nil {
			return err
		}
		if closed = !standing.ClosedAt.IsZero(); closed {
			return nil
		}
		// The facts that wait are folded in: one that was stored before is among them.
		if stored = slices.Contains(standing.State.Requests, r.ID); stored {
			return nil
		}
		if err := standing.State.CanCancel(r); err != nil {
			return err
		}
		_, err = returndesk.Append(ctx, tx, rma, returns.Fact{Cancel: &r}, true, 0)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case closed:
		return closedReturn(standing, r, name)
	}
	g.Nudge()
	return &returnAnswerOutput{http.StatusAccepted, returnAnswerBody{
		Result: "stored", Stage: string(standing.State.Stage()), RequestID: name,
		Message: "The request is stored and will be carried out if the parcel is not on its way by then.",
	}}, nil
}

type decideInput struct {
	ReturnPath
	RequestName
	Body decideBody
}

type decideBody struct {
	RequestID string      `json:"request_id,omitempty" doc:"An id of your own, which makes a repeat harmless." maxLength:"64" example:"decide-2"`
	Decision  string      `json:"decision" enum:"pay_share,refund_without_goods,refuse,record_findings,write_off,noted"`
	Line      int         `json:"line,omitempty" doc:"With pay_share: the line." minimum:"1" maximum:"500" example:"1"`
	ShareBP   *int64      `json:"share_bp,omitempty" doc:"With pay_share: how much of the price goes back, in hundredths of a percent." minimum:"0" maximum:"10000" example:"5000"`
	Findings  []foundBody `json:"findings,omitempty" doc:"With record_findings: all that came back; what is not named is missing." maxItems:"500"`
	Reason    string      `json:"reason,omitempty" doc:"With write_off: why, as a code." enum:"too_small,supplier_insolvent,supplier_refuses,agreed,other"`
	Matter    string      `json:"matter,omitempty" doc:"With noted: the matter." enum:"surplus,not-granted,credit-over,granted-anew,unknown-fact"`
}

type foundBody struct {
	Line      int    `json:"line" minimum:"1" maximum:"500" example:"1"`
	Quantity  int64  `json:"quantity" minimum:"1" maximum:"100000" example:"1"`
	Condition string `json:"condition" enum:"as_new,opened,damaged,wrong_item,missing,not_ours"`
}

func (g *gateway) decideReturn(ctx context.Context, in *decideInput) (*returnAnswerOutput, error) {
	name, err := in.nameOrNew(in.Body.RequestID)
	if err != nil {
		return nil, err
	}
	who := visitOf(ctx).key
	d, err := in.Body.decision(name, who)
	if err != nil {
		return nil, err
	}
	// What was found is dated below, and what is written off is what is left now: neither is part of what is asked.
	id, err := updateID("decide/"+name, d)
	if err != nil {
		return nil, err
	}
	if d.Findings != nil {
		d.Findings.At = g.Now().UTC()
	}
	key, standing, err := g.stand(ctx, in.ReturnPath)
	switch {
	case err != nil:
		return nil, err
	case !standing.ClosedAt.IsZero() && slices.Contains(standing.State.Requests, d.ID):
		return answeredReturn("Noted; the return is closed.", standing.State.Stage(), name), nil
	case !standing.ClosedAt.IsZero():
		return nil, problem(refused, "the return is closed ("+string(standing.State.Stage())+")")
	case standing.StartedAt.IsZero():
		return nil, problem(orderBusy, "work on the return has not begun yet")
	}
	if d.WriteOff {
		d.Left = standing.State.Claim.Open()
	}
	ctx, cancel := context.WithTimeout(ctx, g.AnswerWait)
	defer cancel()
	var answer workflows.ReturnAnswer
	if answer, err = g.Orders.DecideReturn(ctx, key, in.RMA, id, d); err != nil {
		return nil, settledBy(standing.State.CanDecide(d), err)
	}
	return answeredReturn(answer.Message, answer.Stage, name), nil
}

// decision reads what a person decides. Whose key it was answers for it: no name of a person goes into
// a history.
func (b *decideBody) decision(name string, who apikey.Key) (returns.Decision, error) {
	d := returns.Decision{ID: "api/" + name, By: string(who.Role) + " key " + who.ID}
	wrong := func(field, message string) (returns.Decision, error) {
		return d, problem(invalid, "", FieldError{field, message})
	}
	switch b.Decision {
	case "pay_share":
		if b.Line == 0 || b.ShareBP == nil {
			return wrong("share_bp", "pay_share needs line and share_bp")
		}
		d.Line, d.ShareBP = b.Line, *b.ShareBP
	case "refund_without_goods":
		d.ShareBP = 10_000
	case "refuse":
	case "record_findings":
		if len(b.Findings) == 0 {
			return wrong("findings", "record_findings needs what was found; missing units are missing")
		}
		d.Findings = &returns.Inspection{Document: d.ID, Final: true}
		for _, f := range b.Findings {
			d.Findings.Lines = append(d.Findings.Lines, returns.InspectedLine{Line: f.Line, Quantity: f.Quantity, Condition: returns.Condition(f.Condition)})
		}
	case "write_off":
		if who.Role != apikey.Operator {
			return d, problem(forbidden, "only an operator writes a credit off")
		}
		if b.Reason == "" {
			return wrong("reason", "write_off needs a reason")
		}
		d.WriteOff, d.Reason = true, b.Reason
	case "noted":
		if b.Matter == "" {
			return wrong("matter", "noted needs the matter")
		}
		d.Noted = b.Matter
	}
	return d, nil
}
