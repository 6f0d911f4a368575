package simulation

import (
	"reflect"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/volume"
	"github.com/dropline/dropline/workflows"
)

// What happens to workflows of each type.
var (
	endedFromOutside = map[string]string{
		workflows.OrderWorkflow: "workflow ended from outside", workflows.PaymentWorkflow: "payment's workflow ended from outside",
		workflows.ClaimWorkflow: "claim's workflow ended from outside",
	}
	openedAgain = map[string]string{
		workflows.OrderWorkflow: "order opened again", workflows.ReturnWorkflow: "return opened again",
		workflows.PaymentWorkflow: "payment opened again", workflows.ClaimWorkflow: "claim opened again",
	}
)

// jointFlow is the workflow of a claim that is nobody's order's, if the id is one's.
func (l *life) jointFlow(id string) *flow {
	if l.joint && strings.HasPrefix(id, claims.WorkflowID(volume.Matter)) {
		return &flow{id: id, kind: workflows.ClaimWorkflow}
	}
	return nil
}

// nextInput reads what a run goes on with.
func (l *life) nextInput(f *flow, again *workflow.ContinueAsNewError) any {
	into := reflect.New(reflect.TypeOf(f.inputs()))
	if err := converter.GetDefaultDataConverter().FromPayloads(again.Input, into.Interface()); err != nil {
		l.fail("the input of the next run cannot be read: %v", err)
	}
	return into.Elem().Interface()
}

// inputs is the form of what its runs are started with.
func (f *flow) inputs() any {
	switch f.kind {
	case workflows.ReturnWorkflow:
		return workflows.ReturnInput{}
	case workflows.PaymentWorkflow:
		return workflows.PaymentInput{}
	case workflows.ClaimWorkflow:
		return workflows.ClaimInput{}
	}
	return workflows.OrderInput{}
}

// paymentState asks the payment's workflow where it stands; nil when it is another's or has not loaded it yet.
func (r *run) paymentState(l *life) *payments.State {
	if !r.active || r.askedPayment == nil {
		return nil
	}
	s, err := r.askedPayment()
	if err != nil {
		l.fail("a payment's workflow does not answer a query: %v", err)
	}
	if s.Reference == "" {
		return nil
	}
	return &s
}

// claimState asks a claim's workflow where it stands; nil when it is another's or has not loaded it yet.
func (r *run) claimState(l *life) *claims.State {
	if !r.active || r.askedClaim == nil {
		return nil
	}
	s, err := r.askedClaim()
	if err != nil {
		l.fail("a claim's workflow does not answer a query: %v", err)
	}
	if s.Reference == "" {
		return nil
	}
	return &s
}

// deadlines are what the run of a return, a payment or a claim waits for.
func (r *run) deadlines(l *life) []order.Deadline {
	if s := r.returnState(l); s != nil {
		return s.Deadlines()
	}
	if s := r.paymentState(l); s != nil {
		return s.Deadlines()
	}
	if s := r.claimState(l); s != nil {
		return s.Deadlines()
	}
	return nil
}

// returnsBusy: some return, payment or claim is being loaded, or has a step under way, which may rest.
func (l *life) returnsBusy() bool {
	for _, r := range l.runs() {
		if r.busy(l) {
			return true
		}
	}
	return false
}

func (r *run) busy(l *life) bool {
	switch r.flow.kind {
	case workflows.ReturnWorkflow:
		s := r.returnState(l)
		return s == nil || len(s.Busy) > 0
	case workflows.PaymentWorkflow:
		s := r.paymentState(l)
		return s == nil || len(s.Busy) > 0
	case workflows.ClaimWorkflow:
		s := r.claimState(l)
		return s == nil || s.Stalled != ""
	}
	return false
}

// whileAsked is how long those who wait for an answer see nothing happen: a claim's settlement is posted, and an
// address taken, before it is answered, and that may have to be tried again.
func (l *life) whileAsked() time.Duration {
	wait := time.Millisecond
	for _, r := range l.runs() {
		for _, c := range r.calls {
			answers := r.flow.kind == workflows.ClaimWorkflow || c.name == workflows.ActivityAddress
			if answers && !c.done && c.due.After(l.now) {
				wait = max(wait, min(c.due.Sub(l.now), noticeDeath))
			}
		}
	}
	return wait
}

// payment is where the payment's workflow stands; nil when none runs or it is being loaded.
func (l *life) payment() *payments.State {
	for _, r := range l.runs() {
		if s := r.paymentState(l); s != nil {
			return s
		}
	}
	return nil
}

// revivePayment is an operator's decision to go on with a payment whose workflow did not end by itself.
func (l *life) revivePayment() bool {
	for _, f := range l.flows {
		if f.kind != workflows.PaymentWorkflow || f.running() || f.ending != enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT {
			continue
		}
		l.note("an operator revives the payment")
		if err := l.world.deliverer.RevivePayment(l.ctx, l.first().key); err != nil {
			l.fail("the payment cannot be revived: %v", err)
		}
		l.happened("payment revived")
		return true
	}
	return false
}

// longsMeanwhile: the customer need not wait until money is settled between others.
func (l *life) longsMeanwhile() bool {
	if !l.pursued || l.regrets == 0 || len(l.runs()) == 0 || !l.orderOver() {
		return false
	}
	return l.longs()
}

// orderOver: the order's accounts are closed, and nothing but its payment and claims is under way. It is false,
// too, as long as nothing has changed since it was asked last.
func (l *life) orderOver() bool {
	for _, r := range l.runs() {
		if r.flow.kind == workflows.OrderWorkflow || r.flow.kind == workflows.ReturnWorkflow {
			return false
		}
	}
	soFar := l.world.cable.soFar()
	if l.judged == soFar {
		return false
	}
	l.judged = soFar // nothing changes until somebody is at the database again
	var closed bool
	err := l.world.admin.QueryRow(l.ctx, `SELECT coalesce((SELECT bool_and(closed_at IS NOT NULL) FROM orders WHERE key = ANY ($1)), false)
		AND NOT EXISTS (SELECT FROM returns WHERE order_key = ANY ($1) AND closed_at IS NULL)`, l.keys()).Scan(&closed)
	if err != nil {
		l.fail("look whether the order is over: %v", err)
	}
	return closed
}
