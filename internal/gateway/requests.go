package gateway

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/postgres"
)

func (g *gateway) registerRequests() {
	operation(g, huma.Operation{
		OperationID: "cancel-order", Method: http.MethodPost, Path: "/v1/orders/{storefront}/{id}/cancel",
		Summary: "Cancel an order or some units of it",
		Description: "Answered 200 with what was cancelled and what suppliers were asked to give back, 409 with the reason when nothing of " +
			"it can be cancelled, and 202 when the order cannot be asked now: then the request is stored and will be carried out.",
		Errors: []int{404, 409}, Responses: map[string]*huma.Response{"202": {Description: "Stored; it will be carried out"}},
	}, mayRequest, g.cancel)
	operation(g, huma.Operation{
		OperationID: "change-address", Method: http.MethodPost, Path: "/v1/orders/{storefront}/{id}/address",
		Summary:     "Send the goods to another address",
		Description: "Possible until a purchase order with the old address has gone to a supplier.",
		Errors:      []int{404, 409},
	}, mayRequest, g.changeAddress)
	operation(g, huma.Operation{
		OperationID: "review-order", Method: http.MethodPost, Path: "/v1/orders/{storefront}/{id}/review",
		Summary: "Approve, amend or reject a held order", Errors: []int{404, 409},
	}, mayReview, g.review)
	operation(g, huma.Operation{
		OperationID: "resolve-order", Method: http.MethodPost, Path: "/v1/orders/{storefront}/{id}/resolve",
		Summary:     "Decide what only a person can decide",
		Description: "Either about a withdrawal whose supplier never answered, or about a case: a shipment that nobody waits for.",
		Errors:      []int{404, 409},
	}, mayResolve, g.resolve)
}

// RequestName names what is asked, so that asking twice does not do it twice.
type RequestName struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"64" doc:"The request's id, instead of request_id."`
}

var requestShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$`)

// name returns the request's id from the header or the body.
func (r RequestName) name(inBody string) (string, error) {
	id := r.IdempotencyKey
	switch {
	case id == "":
		id = inBody
	case inBody != "" && inBody != id:
		return "", problem(invalid, "", FieldError{"request_id", "differs from the header Idempotency-Key"})
	}
	if !requestShape.MatchString(id) {
		return "", problem(invalid, "", FieldError{"request_id", "want an id of your own, 1 to 64 letters, digits, '.', '_', ':' or '-', new for each new request"})
	}
	return id, nil
}

// nameOrNew is name for people who decide once, with the answer before their eyes.
func (r RequestName) nameOrNew(inBody string) (string, error) {
	if r.IdempotencyKey == "" && inBody == "" {
		return rand.Text(), nil
	}
	return r.name(inBody)
}

// updateID joins a request's name with what it asks for: the same name with other content must not
// get the first one's answer.
func updateID(name string, content any) (string, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("name a request: %w", err)
	}
	sum := sha256.Sum256(text)
	return name + "/" + hex.EncodeToString(sum[:8]), nil
}

type cancelInput struct {
	OrderPath
	RequestName
	Body struct {
		RequestID string        `json:"request_id,omitempty" doc:"An id of your own; needed unless the header Idempotency-Key has it." maxLength:"64" example:"cancel-77"`
		Reason    string        `json:"reason,omitempty" enum:"customer,duplicate,fraud,inventory,declined,other" default:"customer"`
		Lines     []cancelUnits `json:"lines,omitempty" doc:"What to cancel; left out: everything that still can be." minItems:"1" maxItems:"500" nullable:"false"`
	}
}

type cancelUnits struct {
	Line     int   `json:"line" minimum:"1" maximum:"500" example:"1"`
	Quantity int64 `json:"quantity" minimum:"1" maximum:"100000" example:"1"`
}

type cancelOutput struct {
	Status int
	Body   cancelBody
}

type cancelBody struct {
	Result    string        `json:"result" enum:"answered,stored" doc:"stored: the order could not be asked now; the request will be carried out."`
	Message   string        `json:"message" example:"2 units are cancelled; the price goes back to the customer."`
	Cancelled []cancelUnits `json:"cancelled" doc:"Cancelled now."`
	Asked     []cancelUnits `json:"asked" doc:"With suppliers that were asked to give them back; their answer decides."`
	RequestID string        `json:"request_id" example:"cancel-77"`
}

func (g *gateway) cancel(ctx context.Context, in *cancelInput) (*cancelOutput, error) {
	key, err := in.open(ctx)
	if err != nil {
		return nil, err
	}
	name, err := in.name(in.Body.RequestID)
	if err != nil {
		return nil, err
	}
	r := order.CancelRequest{ID: "api/" + name, Reason: in.Body.Reason, By: string(visitOf(ctx).key.Role)}
	for _, u := range in.Body.Lines {
		r.Lines = append(r.Lines, order.ShippedLine(u))
	}
	standing, err := g.standing(ctx, key)
	if err != nil {
		return nil, err
	}
	if err := checkLines(standing.Lines, r.Lines); err != nil {
		return nil, err
	}
	if !standing.ClosedAt.IsZero() {
		return cancelClosed(standing, r, name)
	}
	if standing.StartedAt.IsZero() {
		return g.storeCancel(ctx, key, r, name)
	}
	id, err := updateID("cancel/"+r.ID, r.Lines)
	if err != nil {
		return nil, err
	}
	asking, cancel := context.WithTimeout(ctx, g.AnswerWait)
	defer cancel()
	reply, err := g.Orders.Cancel(asking, key, id, r)
	switch {
	case errors.Is(err, ErrNotRunning), errors.Is(err, ErrLate), errors.Is(err, ErrUnreachable):
		return g.storeCancel(ctx, key, r, name)
	case err != nil:
		return nil, err
	}
	return answeredCancel(reply, name), nil
}

func answeredCancel(reply order.CancelReply, name string) *cancelOutput {
	return &cancelOutput{Status: http.StatusOK, Body: cancelBody{
		Result: "answered", Message: reply.Message, Cancelled: unitsOf(reply.Cancelled), Asked: unitsOf(reply.Asked), RequestID: name,
	}}
}

func unitsOf(lines []order.ShippedLine) []cancelUnits {
	list := []cancelUnits{}
	for _, l := range lines {
		list = append(list, cancelUnits(l))
	}
	return list
}

// standing reads where the order stands, in Postgres.
func (g *gateway) standing(ctx context.Context, key order.Key) (orderview.Standing, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	return orderview.Stand(ctx, g.Database, key)
}

// checkLines refuses what the basket never held, whoever decides about the rest.
func checkLines(basket []orderview.Basket, wanted []order.ShippedLine) error {
	for i, want := range wanted {
		at := fmt.Sprintf("lines[%d].", i)
		found := slices.IndexFunc(basket, func(l orderview.Basket) bool { return l.Line == want.Line })
		switch {
		case found < 0:
			return problem(invalid, "", FieldError{at + "line", "the order has no such line"})
		case want.Quantity > basket[found].Quantity:
			return problem(invalid, "", FieldError{at + "quantity", fmt.Sprintf("more than were ordered (%d)", basket[found].Quantity)})
		case slices.ContainsFunc(wanted[:i], func(l order.ShippedLine) bool { return l.Line == want.Line }):
			return problem(invalid, "", FieldError{at + "line", "stands twice"})
		}
	}
	return nil
}

// cancelClosed answers for an order whose workflow has ended: what it took before is still true,
// and for the rest it says what can be done instead.
func cancelClosed(s orderview.Standing, r order.CancelRequest, name string) (*cancelOutput, error) {
	if slices.Contains(s.State.Requests, r.ID) {
		return answeredCancel(s.State.Cancel(r, s.ClosedAt), name), nil
	}
	var refusal *order.Refusal
	if err := s.State.CanCancel(r); errors.As(err, &refusal) {
		return nil, err
	}
	return nil, problem(refused, "the order is closed ("+string(s.State.Stage())+"); ask for a return instead")
}

var errClosedMeanwhile = errors.New("the order was closed a moment ago")

// storeCancel commits a cancellation as a fact about the order, which its workflow takes as soon as
// it can, and at most once by its id. It outlives the caller: what is answered late is stored even
// if nobody waits for the answer any more.
func (g *gateway) storeCancel(ctx context.Context, key order.Key, r order.CancelRequest, name string) (*cancelOutput, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	err := postgres.InTx(ctx, g.Database, func(tx pgx.Tx) error {
		// The lock makes two callers with one id take turns.
		var closed, stored bool
		err := tx.QueryRow(ctx, `SELECT closed_at IS NOT NULL FROM orders WHERE key = $1 FOR UPDATE`, key.String()).Scan(&closed)
		if err != nil {
			return fmt.Errorf("store a cancellation of order %s: %w", key, err)
		}
		err = tx.QueryRow(ctx, `
			SELECT EXISTS (SELECT 1 FROM facts WHERE order_key = $1 AND kind = 'cancel_request' AND body->'cancel'->>'id' = $2)`,
			key.String(), r.ID).Scan(&stored)
		if err != nil || stored {
			return err
		}
		if closed {
			return errClosedMeanwhile
		}
		_, err = facts.Append(ctx, tx, key.String(), order.Fact{Cancel: &r}, true, 0)
		return err
	})
	if errors.Is(err, errClosedMeanwhile) {
		// Perhaps by this very request, whose answer was lost on the way.
		standing, err := g.standing(ctx, key)
		if err != nil {
			return nil, err
		}
		return cancelClosed(standing, r, name)
	}
	if err != nil {
		return nil, err
	}
	g.Nudge()
	return &cancelOutput{Status: http.StatusAccepted, Body: cancelBody{
		Result: "stored", Cancelled: []cancelUnits{}, Asked: []cancelUnits{}, RequestID: name,
		Message: strings.Join([]string{
			"The request is stored and will be carried out as far as it still can be.",
			"Ask again with the same request_id, or show the order, to learn what came of it.",
		}, " "),
	}}, nil
}
