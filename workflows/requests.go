package workflows

import (
	"errors"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/internal/order"
)

// RefusedType marks the error of a request that the order does not grant; its message is meant for
// the person who asked.
const RefusedType = "Refused"

func refused(err error) error {
	var refusal *order.Refusal
	if err == nil || !errors.As(err, &refusal) {
		return err
	}
	return temporal.NewNonRetryableApplicationError(refusal.Reason, RefusedType, nil)
}

// ReopeningType marks the error of a request that came while a settled order is being opened again.
// It is no answer: the same request a moment later gets one.
const ReopeningType = "Reopening"

var errLoading = temporal.NewNonRetryableApplicationError("the order is being reopened; ask again in a moment", ReopeningType, nil)

// handleRequests registers what people can ask of an order. A validator answers at once, from the
// state as it is, and leaves no trace when it refuses.
func (r *orderRun) handleRequests() error {
	return errors.Join(
		workflow.SetQueryHandlerWithOptions(r.ctx, QueryState, func() (order.State, error) { return r.state, nil },
			workflow.QueryHandlerOptions{Description: "The whole state of the order"}),
		workflow.SetUpdateHandlerWithOptions(r.ctx, UpdateCancel, r.onCancel, workflow.UpdateHandlerOptions{
			Validator:   r.canCancel,
			Description: "Cancel line quantities, or everything that still can be cancelled",
		}),
		workflow.SetUpdateHandlerWithOptions(r.ctx, UpdateReview, r.onReview, workflow.UpdateHandlerOptions{
			Validator:   r.canReview,
			Description: "Decide about an order that is held for review: approve, amend or reject",
		}),
		workflow.SetUpdateHandlerWithOptions(r.ctx, UpdateAddress, r.onAddress, workflow.UpdateHandlerOptions{
			Validator:   r.canChangeAddress,
			Description: "Send an order that has not been dispatched to another address",
		}),
		workflow.SetUpdateHandlerWithOptions(r.ctx, UpdateResolve, r.onResolve, workflow.UpdateHandlerOptions{
			Validator:   r.canResolve,
			Description: "Decide where only a person can: an unanswered cancellation, a shipment nobody waited for",
		}),
	)
}

// judged is a validator's word: what the state says, unless news wait that it does not know yet. The
// handler takes them first and judges by them, so that a request is never refused by what is outdated.
func judged(ready bool, news workflow.ReceiveChannel, verdict error) error {
	switch {
	case !ready:
		return errLoading
	case news.Len() > 0:
		return nil
	}
	return refused(verdict)
}

func (r *orderRun) canCancel(_ workflow.Context, request order.CancelRequest) error {
	return judged(r.ready, r.facts, r.state.CanCancel(request))
}

func (r *orderRun) onCancel(ctx workflow.Context, request order.CancelRequest) (order.CancelReply, error) {
	defer r.nudge()
	// What has come before the request is known before it is granted: a scan wins over a cancel
	// that came later.
	r.takeNews()
	if err := r.state.CanCancel(request); err != nil {
		return order.CancelReply{}, refused(err)
	}
	return r.state.Cancel(request, workflow.Now(ctx)), nil
}

func (r *orderRun) canReview(_ workflow.Context, request ReviewRequest) error {
	if request.Decision == order.ReviewAmend && request.AddressChange == "" {
		return refused(&order.Refusal{Reason: "amend needs the corrected address"})
	}
	return judged(r.ready, r.facts, r.state.CanReview(request.Decision))
}

func (r *orderRun) onReview(ctx workflow.Context, request ReviewRequest) (Answer, error) {
	defer r.nudge()
	r.takeNews()
	if err := r.state.CanReview(request.Decision); err != nil {
		return Answer{}, refused(err)
	}
	if request.AddressChange != "" {
		if err := r.takeAddress(ctx, request.AddressChange); err != nil {
			return Answer{}, err
		}
	}
	// Only the taking of an address leaves somebody else the time to decide.
	if r.state.CanReview(request.Decision) != nil {
		return Answer{Message: "Somebody else has decided about the order meanwhile; the goods go to the new address.", Stage: r.state.Stage()}, nil
	}
	r.state.TakeReview(request.Decision, request.By, workflow.Now(ctx))
	message := "The order is approved; suppliers are looked for now."
	if request.Decision == order.ReviewReject {
		message = "The order is rejected; what was paid goes back to the customer."
	}
	return Answer{Message: message, Stage: r.state.Stage()}, nil
}

func (r *orderRun) canChangeAddress(_ workflow.Context, request AddressRequest) error {
	return judged(r.ready, r.facts, r.state.CanChangeAddress(request.Country == r.state.Country))
}

func (r *orderRun) onAddress(ctx workflow.Context, request AddressRequest) (Answer, error) {
	defer r.nudge()
	r.takeNews()
	if err := r.state.CanChangeAddress(request.Country == r.state.Country); err != nil {
		return Answer{}, refused(err)
	}
	if err := r.takeAddress(ctx, request.Change); err != nil {
		return Answer{}, err
	}
	return Answer{Message: "The goods go to the new address.", Stage: r.state.Stage()}, nil
}

// takeAddress puts an address that waits in Postgres in place of the order's. Nothing is sent while
// it does.
func (r *orderRun) takeAddress(ctx workflow.Context, change string) error {
	r.state.Begin(order.Step{Kind: order.StepAddress})
	defer r.state.AddressTaken()
	var country string
	in := AddressInput{Key: r.state.Key, Change: change}
	if err := r.local(ctx, "Take the new address", ActivityAddress, in).Get(ctx, &country); err != nil {
		return err
	}
	r.state.ChangedAddress(country, workflow.Now(ctx))
	return nil
}

func (r *orderRun) canResolve(_ workflow.Context, request ResolveRequest) error {
	return judged(r.ready, r.facts, r.state.CanResolve(request.Withdrawal, request.Case, request.Outcome))
}

func (r *orderRun) onResolve(ctx workflow.Context, request ResolveRequest) (Answer, error) {
	defer r.nudge()
	r.takeNews()
	if err := r.state.CanResolve(request.Withdrawal, request.Case, request.Outcome); err != nil {
		return Answer{}, refused(err)
	}
	now := workflow.Now(ctx)
	if request.Withdrawal != "" {
		r.state.ResolveWithdrawal(request.Withdrawal, request.Confirmed, now)
	} else {
		r.state.ResolveCase(request.Case, request.Outcome, now)
	}
	return Answer{Message: "Noted; the order goes on.", Stage: r.state.Stage()}, nil
}
