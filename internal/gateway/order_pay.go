package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/postgres"
)

func (g *gateway) registerOrderPay() {
	operation(g, huma.Operation{
		OperationID: "pay-order", Method: http.MethodPost, Path: "/v1/orders/{storefront}/{id}/payment",
		Summary: "Say that the customer has paid for an order after it was placed",
		Description: "Nothing is taken from the customer: the storefront, or a bank, has the money. An order that was held for want of payment " +
			"alone goes on when all that is due is paid; what was paid beyond that, or for an order that is cancelled, is refunded.",
		Errors: []int{404, 409},
	}, mayPlace, g.payOrder)
}

type payInput struct {
	OrderPath
	RequestName
	Body struct {
		RequestID string `json:"request_id,omitempty" doc:"An id of your own; needed unless the header Idempotency-Key has it." maxLength:"64" example:"pay-1"`
		Amount    string `json:"amount" doc:"What this payment brought." minLength:"1" maxLength:"24" example:"29.90"`
		Currency  string `json:"currency" doc:"ISO 4217: the order's." minLength:"3" maxLength:"3" example:"USD"`
		Reference string `json:"reference" doc:"Its id where it was made; no names. It pays once." minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9._:/#-]+$" example:"ch_124"`
	}
}

type payOutput struct {
	Body struct {
		Message   string `json:"message" doc:"What follows, in words." example:"All that is due is paid."`
		Paid      string `json:"paid" doc:"In all, so far." example:"29.90"`
		Missing   string `json:"missing" doc:"Of what is due." example:"0.00"`
		Over      string `json:"over" doc:"Beyond what is due; it goes back to the customer." example:"0.00"`
		RequestID string `json:"request_id" example:"pay-1"`
	}
}

func (g *gateway) payOrder(ctx context.Context, in *payInput) (*payOutput, error) {
	key, err := in.open(ctx)
	if err != nil {
		return nil, err
	}
	name, err := in.name(in.Body.RequestID)
	if err != nil {
		return nil, err
	}
	digits, err := money.Digits(in.Body.Currency)
	if err != nil {
		return nil, problem(invalid, "", FieldError{"currency", "want an ISO 4217 code in capitals, such as USD"})
	}
	a := &amounts{currency: in.Body.Currency, digits: digits}
	minor := a.need("amount", in.Body.Amount)
	if len(a.found) == 0 && minor <= 0 {
		a.wrong("amount", "want more than nothing")
	}
	if len(a.found) > 0 {
		return nil, problem(invalid, "", a.found...)
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	who := visitOf(ctx).key
	var taken intake.PaymentTaken
	err = postgres.InTx(ctx, g.Database, func(tx pgx.Tx) (err error) {
		taken, err = intake.TakePayment(ctx, tx, intake.LaterPayment{
			Order: key, Request: "api/" + name, Reference: in.Body.Reference, Amount: minor, Currency: in.Body.Currency,
			By: string(who.Role) + " key " + who.ID, Provider: in.Body.Reference,
		}, 0)
		return err
	})
	switch {
	case errors.Is(err, facts.ErrNoOrder):
		return nil, problem(notFound, "")
	case errors.Is(err, intake.ErrOtherPayment):
		return nil, problem(conflict, "this request_id, or this reference, brought another payment before")
	case err != nil:
		return nil, err
	}
	g.Nudge()
	return paidAnswer(&taken, in.Body.Currency, name)
}

func paidAnswer(taken *intake.PaymentTaken, currency, name string) (*payOutput, error) {
	out := &payOutput{}
	b := &out.Body
	b.RequestID = name
	for _, amount := range []struct {
		to    *string
		minor int64
	}{{&b.Paid, taken.Paid}, {&b.Missing, taken.Missing}, {&b.Over, taken.Over}} {
		text, err := money.Format(amount.minor, currency)
		if err != nil {
			return nil, err
		}
		*amount.to = text
	}
	switch {
	case taken.Missing > 0:
		b.Message = "The order is part-paid: " + b.Missing + " " + currency + " is missing."
	case taken.Over > 0:
		b.Message = "More was paid than is due: " + b.Over + " " + currency + " goes back to the customer."
	default:
		b.Message = "All that is due is paid."
	}
	return out, nil
}
