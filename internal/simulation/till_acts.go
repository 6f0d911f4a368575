package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/workflows"
)

// moneyActs lets something happen about the payment or a claim now and then, instead of something else. It
// says whether anything did.
func (l *life) moneyActs() bool {
	if !l.pursued || !l.chance(20) {
		return false
	}
	if l.hauls && l.chance(35) {
		l.haulsAct()
		l.background(70, 60, 30)
		return true
	}
	switch n := l.pick(100); {
	case n < 60 && l.till != nil:
		l.tillActs()
	case n < 72 && l.till != nil:
		l.decidesPayment()
	case n < 81:
		l.debtsAct()
	case n < 86:
		l.billsAct()
	case n < 90:
		l.settlesClaim()
	case n < 92:
		l.revivePayment()
	default:
		l.oddMoney()
	}
	l.background(70, 60, 30)
	return true
}

// tillActs lets the customer's bank, or somebody at the provider, do something of their own accord.
func (l *life) tillActs() {
	t := l.till
	if !l.placed {
		return
	}
	t.lapse(l)
	switch l.pick(10) {
	case 0, 1, 2:
		for _, made := range t.refunds {
			if made.status == "pending" && !made.silent && l.chance(50) {
				l.settleRefund(made, l.chance(t.failing))
				return
			}
		}
	case 3:
		for _, made := range t.refunds {
			if made.status == "succeeded" && l.chance(t.failing) {
				l.happened("refund came back after it was done")
				l.settleRefund(made, true)
				return
			}
		}
	case 4, 5:
		if t.quarrels && l.chance(60) {
			l.disputes()
		}
	case 6:
		for _, d := range t.disputes {
			if l.chance(30) {
				l.decideDispute(d)
			}
		}
	case 7, 8:
		if t.meddles {
			l.meddle()
		}
	case 9:
		l.tell(oneOf(l, []string{"customer.updated", "charge.dispute.funds_withdrawn"}), map[string]any{"id": "cus_1"}, nil)
	}
}

// settleRefund brings a refund to its end and tells of it.
func (l *life) settleRefund(made *moneyBack, fails bool) {
	l.bringsRefund(made, fails)
	if fails {
		l.tell("refund.failed", l.till.refund(made), nil)
	}
	l.tell("refund.updated", l.till.refund(made), nil)
}

// bringsRefund brings a refund to its end. One that had succeeded may still come back; one that failed
// stays so.
func (l *life) bringsRefund(made *moneyBack, fails bool) {
	made.status = "succeeded"
	if fails {
		made.status, made.reason = "failed", "expired_or_canceled_card"
		l.till.refunded -= made.amount
	}
	l.happened("refund settled: " + made.status)
}

// disputes is the customer's bank taking back what is left of the capture, or a part of it.
func (l *life) disputes() {
	t := l.till
	left := t.captured - t.refunded
	if t.status != "succeeded" || left <= 0 || len(t.disputes) > 0 {
		return
	}
	d := &chargeback{reference: fmt.Sprintf("dp_%d", l.number), status: "needs_response", amount: left, fee: 1500, waits: l.chance(70)}
	if l.chance(30) {
		d.amount = 1 + int64(l.pick(int(left)))
	}
	if l.chance(80) {
		d.by = l.now.Add(l.between(2*24*time.Hour, 21*24*time.Hour, time.Hour))
	}
	t.disputes = append(t.disputes, d)
	l.happened("chargeback opened")
	l.tell("charge.dispute.created", t.dispute(d), nil)
}

func (l *life) decideDispute(d *chargeback) bool {
	if d.status == "won" || d.status == "lost" {
		return false
	}
	d.status = oneOf(l, []string{"won", "lost"})
	l.happened("chargeback " + d.status)
	l.tell("charge.dispute.closed", l.till.dispute(d), nil)
	return true
}

// meddle is what somebody does by hand in the provider's own pages, who has looked here first.
func (l *life) meddle() {
	t := l.till
	s := l.payment()
	if s == nil || t.status != "requires_capture" || s.Due() <= 0 || s.Capture.Elsewhere+s.Capture.WrittenOff > 0 {
		return
	}
	switch l.pick(3) {
	case 0:
		l.happened("captured by hand")
		l.capture(t.authorised)
	case 1:
		l.happened("captured by hand, too little")
		t.short = true
		l.capture(max(s.Due()/2, 1))
	case 2:
		l.happened("authorisation let go by hand")
		l.release(false)
	}
}

// decidesPayment is a person's decision about a matter of the payment that waits. It says whether one was made.
func (l *life) decidesPayment() bool {
	s := l.payment()
	if s == nil || l.now.Before(l.askAgain) {
		return false
	}
	for _, a := range s.Attention {
		decision := l.rulingOn(s, a.Key)
		if decision == "" {
			continue
		}
		d := payments.Decision{ID: "look", By: "a person", Kind: decision, Matter: a.Key, Reference: "wire-1", Reason: "agreed"}
		if s.CanDecide(d) != nil {
			continue
		}
		l.requests++
		body := map[string]any{
			"request_id": fmt.Sprintf("p%d", l.requests), "decision": string(decision), "matter": a.Key,
			"reference": fmt.Sprintf("wire-%d", l.requests), "reason": "agreed",
		}
		kind, _, _ := strings.Cut(a.Key, "/")
		l.request("operator-", "payment/decide", body, func(status int, _ string) {
			if status == 200 {
				l.happened("decided about a " + kind + ": " + string(decision))
			} else {
				l.happened("decision about a payment not taken")
			}
		})
		return true
	}
	return false
}

// rulingOn is what a person decides about a matter, who has looked into the provider's books; empty: nothing.
func (l *life) rulingOn(s *payments.State, matter string) payments.DecisionKind {
	t := l.till
	kind, key, _ := strings.Cut(matter, "/")
	switch kind {
	case "capture":
		switch {
		case t.status == "succeeded" && s.Capture.Amount == 0:
			return payments.DecideRetry // somebody has taken it there
		case t.short:
			return payments.DecideElsewhere
		case !l.quiet && l.chance(40):
			return payments.DecideRetry
		}
		return oneOf(l, []payments.DecisionKind{payments.DecideElsewhere, payments.DecideWriteOff})
	case "refund":
		i := slices.IndexFunc(s.Refunds, func(r payments.Refund) bool { return r.Key == key })
		if i < 0 || s.Disputed() {
			return ""
		}
		possible := t.status == "succeeded" && !t.disputed() && s.Refunds[i].Amount <= t.captured-t.refunded
		if t.room(s) >= s.Refunds[i].Amount {
			return payments.DecideSetOff
		}
		if possible && l.chance(60) || !l.quiet && l.chance(20) {
			return payments.DecideRetry
		}
		return payments.DecideElsewhere
	}
	return ""
}

// lost is what banks have given the customer for good.
func (t *till) lost() (sum int64) {
	for _, d := range t.disputes {
		if d.status == "lost" {
			sum += d.amount
		}
	}
	return sum
}

// room is what of that no refund was set off against.
func (t *till) room(s *payments.State) int64 {
	left := t.lost()
	for i := range s.Refunds {
		if s.Refunds[i].Standing == payments.RefundSetOff {
			left -= s.Refunds[i].Amount
		}
	}
	return left
}

// moneyFinishes lets somebody do the next thing that they owe about the payment or a claim.
func (l *life) moneyFinishes() bool {
	if !l.pursued {
		return false
	}
	if l.till != nil && l.tillFinishes() || l.revivePayment() || l.hauls && l.haulsFinish() {
		return true
	}
	if l.now.Before(l.askAgain) {
		return l.billsFinish() || l.debtsFinish()
	}
	return l.till != nil && l.decidesPayment() || l.billsFinish() || l.debtsFinish() || l.hauls && l.settlesHaul() || l.settlesClaim()
}

func (l *life) tillFinishes() bool {
	t := l.till
	before := t.events
	t.lapse(l)
	for _, made := range t.refunds {
		if made.status == "pending" && !made.silent {
			l.settleRefund(made, l.chance(t.failing/2))
			return true
		}
	}
	if t.quarrels && l.placed && l.chance(3) {
		l.disputes()
	}
	for _, d := range t.disputes {
		if (d.status == "under_review" || !d.waits) && l.decideDispute(d) {
			return true
		}
	}
	return t.events != before
}

// oddMoney is what people do to a payment or a claim in the engine's own interface.
func (l *life) oddMoney() {
	for _, r := range l.runs() {
		if r.flow.kind != workflows.PaymentWorkflow && r.flow.kind != workflows.ClaimWorkflow || !r.active {
			continue
		}
		switch l.pick(3) {
		case 0:
			l.happened(strings.ToLower(r.flow.kind) + "'s workflow cancelled by hand")
			r.env.CancelWorkflow()
		case 1:
			l.happened("unreadable signal to a " + strings.ToLower(r.flow.kind))
			r.env.SignalWorkflow("facts", []int{1})
		case 2:
			if r.flow.kind == workflows.PaymentWorkflow && !r.suggested {
				r.suggested = true
				l.note("the history of %s has grown long", r.flow.id)
				r.env.SetContinueAsNewSuggested(true)
			}
		}
		return
	}
}
