package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/dropline/dropline/internal/refunddesk"
)

func (g *gateway) registerOrderRefunds() {
	operation(g, huma.Operation{
		OperationID: "refund-elsewhere", Method: http.MethodPost, Path: "/v1/orders/{storefront}/{id}/refunds/elsewhere",
		Summary: "Note that a refund was paid past the storefront, which does not make it",
		Description: "The storefront is not asked for it any more, and is told of it as of a refund that somebody else made. A store credit " +
			"that it refuses is paid so as money, without its bonus. 409 while it is being asked, and unless not_made is true, when it may " +
			"have made it. Refunds through a payment provider are decided about with the payment.",
		Errors: []int{404, 409},
	}, mayResolve, g.refundElsewhere)
}

type elsewhereInput struct {
	OrderPath
	RequestName
	Body struct {
		RequestID string `json:"request_id,omitempty" doc:"An id of your own, which makes a repeat harmless." maxLength:"64" example:"elsewhere-2"`
		Refund    string `json:"refund" doc:"The refund's key, as the order shows it." minLength:"1" maxLength:"120" pattern:"^[A-Za-z0-9._:/#-]+$" example:"refund/shop/1001/1"`
		Reference string `json:"reference" doc:"The transfer's number; no names." minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9._:/#-]+$" example:"wire-2026-117"`
		Reason    string `json:"reason" doc:"Why the storefront does not make it, as a code." enum:"refused,too_late,unreachable,agreed,other"`
		NotMade   bool   `json:"not_made,omitempty" doc:"The storefront was asked whether it made the refund, and has not."`
	}
}

type elsewhereOutput struct {
	Body struct {
		Message   string `json:"message" doc:"What was done, in words."`
		RequestID string `json:"request_id" example:"elsewhere-2"`
	}
}

func (g *gateway) refundElsewhere(ctx context.Context, in *elsewhereInput) (*elsewhereOutput, error) {
	key, err := in.open(ctx)
	if err != nil {
		return nil, err
	}
	name, err := in.nameOrNew(in.Body.RequestID)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	who, b := visitOf(ctx).key, &in.Body
	err = refunddesk.PaidElsewhere(ctx, g.Database, refunddesk.Decision{
		Order: key, Refund: b.Refund, Request: "api/" + name, Reference: b.Reference, Reason: b.Reason, NotMade: b.NotMade,
		By: string(who.Role) + " key " + who.ID,
	})
	switch {
	case errors.Is(err, refunddesk.ErrNoRefund):
		return nil, problem(notFound, "the order has no such refund")
	case errors.Is(err, refunddesk.ErrOtherRequest):
		return nil, problem(conflict, "this request_id decided something else before, or somebody else decided with it")
	case err != nil:
		return nil, err
	}
	out := &elsewhereOutput{}
	out.Body.RequestID = name
	out.Body.Message = "Noted; the storefront is not asked any more. It is booked, and the order goes on, within a minute."
	return out, nil
}
