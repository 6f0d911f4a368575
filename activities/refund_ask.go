package activities

import (
	"context"
	"errors"
	"fmt"

	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/storefront"
)

// A storefront that does not make a refund keeps it waiting until a person pays it another way and says so. Never
// may both happen. So each call to the storefront is noted while the order is locked, before it is made; the
// decision is taken under the same lock, and only while no call is under way and none may have got through.

// queueCall notes that the storefront is about to be asked for the open part. One that a person has paid is not
// asked for.
func (r *refund) queueCall(w ledgerbook.Queue) {
	part := r.open
	if part == nil || part.done || part.route != byStorefront || part.amount == 0 {
		return
	}
	if part.transfer != "" {
		r.reroute(elsewhere)
		return
	}
	r.call = &effect{key: part.key}
	queueBeginEffect(w, r.call, r.in.Key, "refund")
}

// askStorefront asks for the open part under its key.
func (o *Orders) askStorefront(ctx context.Context, r *refund) (refundMade, error) {
	channel, err := o.Partners.Storefront(r.shop)
	if err != nil {
		return refundMade{}, o.failed(ctx, r.call, r.call.untried(), fmt.Errorf("refund %s: storefront as configured: %w", r.open.key, err))
	}
	receipt, err := channel.Refund(ctx, r.ask(r.open))
	if err != nil {
		return refundMade{}, o.failed(ctx, r.call, r.call.without(err), err)
	}
	made := refundMade{reference: receipt.Reference}
	if r.open.credit == 0 {
		return made, nil // noted with the posting
	}
	// The credit comes next and may fail alone: the money has gone back by then.
	return made, o.endEffect(ctx, r.call, effectDone, callAnswer{receipt.Reference})
}

// without is what is known of a refund after a call that failed. A storefront that refuses has not made it by this
// call; of one before it, whose answer was lost, that says nothing: it may refuse because it has given all back.
func (e *effect) without(err error) effectState {
	var said *storefront.Error
	certain := errors.Is(err, storefront.ErrUnavailable) || errors.Is(err, storefront.ErrRefused)
	if certain && errors.As(err, &said) && !said.Acted {
		return e.untried()
	}
	return effectUnknown
}

// callAnswer is the result of a storefront's call.
type callAnswer struct {
	Reference string `json:"reference"`
}

// queueAnswered notes that the storefront has made the open part, if it was asked.
func (r *refund) queueAnswered(q ledgerbook.Queue, made refundMade) error {
	if r.call == nil {
		return nil
	}
	return queueEndEffect(q, r.call, effectDone, callAnswer{made.reference})
}
