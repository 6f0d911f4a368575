package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/paymentdesk"
	"github.com/dropline/dropline/internal/payments"
)

func (g *gateway) registerOrderPayments() {
	operation(g, huma.Operation{
		OperationID: "show-payment", Method: http.MethodGet, Path: "/v1/orders/{storefront}/{id}/payment", Summary: "Show where an order's payment stands",
		Description: "For orders whose money is at a payment provider of ours; 404 for others.", Errors: []int{404},
	}, mayRequest, g.showPayment)
	operation(g, huma.Operation{
		OperationID: "show-evidence", Method: http.MethodGet, Path: "/v1/orders/{storefront}/{id}/evidence",
		Summary:     "Show what proves that an order was delivered",
		Description: "The text that answers a chargeback, as it would be now: goods, parcels, scans, messages, refunds, and of the address the place alone.",
		Errors:      []int{404},
	}, mayReview, g.showEvidence)
	operation(g, huma.Operation{
		OperationID: "list-payments", Method: http.MethodGet, Path: "/v1/payments", Summary: "List the payments that wait for a person, the oldest first",
	}, mayReview, g.listPayments)
	operation(g, huma.Operation{
		OperationID: "decide-payment", Method: http.MethodPost, Path: "/v1/orders/{storefront}/{id}/payment/decide",
		Summary: "Decide about a payment where only a person can",
		Description: "retry: the capture, or the refund, is tried once more. paid_elsewhere: the money went by other means. write_off: nobody will " +
			"pay what could not be captured. set_off: a refund is not owed, as a lost chargeback has given the customer the money.",
		Errors: []int{404, 409},
	}, mayResolve, g.decidePayment)
}

type paymentOutput struct{ Body orderview.Payment }

// payment reads where the path's order's payment stands.
func (g *gateway) payment(ctx context.Context, p OrderPath) (order.Key, paymentdesk.Standing, error) {
	key, err := p.open(ctx)
	if err != nil {
		return key, paymentdesk.Standing{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	standing, err := paymentdesk.Stand(ctx, g.Database, key)
	if errors.Is(err, paymentdesk.ErrNoPayment) {
		err = problem(notFound, "")
	}
	return key, standing, err
}

func (g *gateway) showPayment(ctx context.Context, in *OrderPath) (*paymentOutput, error) {
	_, standing, err := g.payment(ctx, *in)
	if err != nil {
		return nil, err
	}
	return &paymentOutput{orderview.ViewPayment(&standing)}, nil
}

type evidenceOutput struct {
	Body struct {
		Order    string `json:"order" example:"shop/1001"`
		Document string `json:"document" doc:"Plain text."`
	}
}

func (g *gateway) showEvidence(ctx context.Context, in *OrderPath) (*evidenceOutput, error) {
	key, err := in.open(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	proof, err := paymentdesk.Evidence(ctx, g.Database, key)
	if errors.Is(err, paymentdesk.ErrNoPayment) {
		return nil, problem(notFound, "")
	}
	if err != nil {
		return nil, err
	}
	out := &evidenceOutput{}
	out.Body.Order, out.Body.Document = key.String(), proof.Document
	return out, nil
}

type paymentListOutput struct {
	Body struct {
		Payments []orderview.Payment `json:"payments"`
	}
}

func (g *gateway) listPayments(ctx context.Context, _ *struct{}) (*paymentListOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	list, err := paymentdesk.Waiting(ctx, g.Database, visitOf(ctx).key.Storefront)
	if err != nil {
		return nil, err
	}
	out := &paymentListOutput{}
	out.Body.Payments = []orderview.Payment{}
	for i := range list {
		out.Body.Payments = append(out.Body.Payments, orderview.ViewPayment(&list[i]))
	}
	return out, nil
}

type decidePaymentInput struct {
	OrderPath
	RequestName
	Body struct {
		RequestID string `json:"request_id,omitempty" doc:"An id of your own, which makes a repeat harmless." maxLength:"64" example:"decide-2"`
		Decision  string `json:"decision" enum:"retry,paid_elsewhere,write_off,set_off"`
		Matter    string `json:"matter,omitempty" doc:"capture, or refund/ with the refund's key; not needed while only one waits." maxLength:"200" example:"capture"`
		Reference string `json:"reference,omitempty" doc:"With paid_elsewhere: the transfer's number; no names." maxLength:"64" pattern:"^[A-Za-z0-9._:/#-]*$" example:"wire-2026-117"`
		Reason    string `json:"reason,omitempty" doc:"With write_off: why, as a code." enum:"too_small,uncollectable,fraud,agreed,other"`
	}
}

type paymentAnswerOutput struct {
	Body struct {
		Message   string `json:"message" doc:"What was done, in words." example:"Noted; the payment goes on."`
		Stage     string `json:"stage" example:"payment_done"`
		RequestID string `json:"request_id" example:"decide-2"`
	}
}

func answeredPayment(message string, stage payments.Stage, name string) *paymentAnswerOutput {
	out := &paymentAnswerOutput{}
	out.Body.Message, out.Body.Stage, out.Body.RequestID = message, string(stage), name
	return out
}

func (g *gateway) decidePayment(ctx context.Context, in *decidePaymentInput) (*paymentAnswerOutput, error) {
	name, err := in.nameOrNew(in.Body.RequestID)
	if err != nil {
		return nil, err
	}
	who := visitOf(ctx).key
	d := payments.Decision{
		ID: "api/" + name, Kind: payments.DecisionKind(in.Body.Decision), Matter: in.Body.Matter, Reference: in.Body.Reference,
		Reason: in.Body.Reason, By: string(who.Role) + " key " + who.ID,
	}
	key, standing, err := g.payment(ctx, in.OrderPath)
	if err != nil {
		return nil, err
	}
	if slices.Contains(standing.State.Requests, d.ID) {
		return answeredPayment("Noted; the payment goes on.", standing.State.Stage(), name), nil
	}
	if err := standing.State.CanDecide(d); err != nil {
		return nil, err
	}
	id, err := updateID("decide/"+name, d)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, g.AnswerWait)
	defer cancel()
	answer, err := g.Orders.DecidePayment(ctx, key, id, d)
	if refusal := (*order.Refusal)(nil); errors.As(err, &refusal) {
		// It fits what is recorded: the payment has not heard yet what it is about, or is ahead of its record.
		return nil, problem(orderBusy, "")
	}
	if err != nil {
		return nil, err
	}
	return answeredPayment(answer.Message, answer.Stage, name), nil
}
