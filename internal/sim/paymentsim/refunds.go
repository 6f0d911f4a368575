package paymentsim

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Refund is one refund as it stands in the provider's books.
type Refund struct {
	Reference string
	Payment   string
	Key       string // what the caller wrote on it
	Status    string // pending, succeeded, failed
	Reason    string // why it failed
	Currency  string
	Amount    int64
	At        time.Time
}

func (s *Server) refund(r request) (any, *refusal) {
	p, found := s.payments[r.form.Get("payment_intent")]
	if !found {
		return nil, notFound
	}
	amount, err := strconv.ParseInt(r.form.Get("amount"), 10, 64)
	switch {
	case err != nil || amount <= 0:
		return nil, invalid("parameter_invalid_integer")
	case p.Status != "succeeded":
		return nil, invalid("payment_intent_unexpected_state")
	case s.disputed(p.Reference):
		return nil, invalid("charge_disputed")
	case p.Captured == p.Refunded:
		return nil, invalid("charge_already_refunded")
	case amount > p.Captured-p.Refunded:
		return nil, invalid("amount_too_large")
	}
	given := s.giveBack(p, amount, r.form.Get("metadata[dropline_key]"))
	return refundObject(given), nil
}

func (s *Server) giveBack(p *pay, amount int64, key string) *Refund {
	manner := s.manners[p.Method]
	given := &Refund{
		Reference: s.nextID("re"), Payment: p.Reference, Key: key, Status: "succeeded", Currency: p.Currency, Amount: amount, At: s.now(),
	}
	s.refunds[given.Reference] = given
	p.Refunded += amount
	s.book(Transaction{Kind: "refund", Payment: p.Reference, Reference: given.Reference, Currency: p.Currency, Amount: -amount})
	if manner.RefundsPend {
		given.Status = "pending"
		if manner.RefundsAfter > 0 {
			s.later(manner.RefundsAfter, func() { s.SettleRefund(given.Reference, manner.RefundsFail) })
		}
	}
	return given
}

// RefundByHand is a refund that somebody makes at the provider, past us.
func (s *Server) RefundByHand(payment string, amount int64) (reference string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.announce()
	given := s.giveBack(s.payments[payment], amount, "")
	s.tell("refund.created", refundObject(given), nil)
	return given.Reference
}

// SettleRefund brings a refund to its end: it fails for a reason, or succeeds without one. A refund that
// had succeeded may still fail; one that failed stays so.
func (s *Server) SettleRefund(reference, failure string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.announce()
	r, found := s.refunds[reference]
	if !found || r.Status == "failed" || failure == "" && r.Status == "succeeded" {
		return false
	}
	r.Status = "succeeded"
	if failure != "" {
		r.Status, r.Reason = "failed", failure
		s.payments[r.Payment].Refunded -= r.Amount
		s.book(Transaction{Kind: "refund_failure", Payment: r.Payment, Reference: r.Reference, Currency: r.Currency, Amount: r.Amount})
		s.tell("refund.failed", refundObject(r), nil)
	}
	s.tell("refund.updated", refundObject(r), nil)
	return true
}

func (s *Server) later(after time.Duration, do func()) {
	s.running.Go(func() {
		select {
		case <-time.After(after):
			do()
		case <-s.lifetime.Done():
		}
	})
}

func (s *Server) showRefund(r request) (any, *refusal) {
	given, found := s.refunds[r.id]
	if !found {
		return nil, notFound
	}
	return refundObject(given), nil
}

func (s *Server) listRefunds(r request) (any, *refusal) {
	var all []*Refund
	for _, given := range s.refunds {
		if of := r.form.Get("payment_intent"); of == "" || of == given.Payment {
			all = append(all, given)
		}
	}
	slices.SortFunc(all, func(a, b *Refund) int { return strings.Compare(b.Reference, a.Reference) })
	return page(r.form, all, func(given *Refund) (string, any) { return given.Reference, refundObject(given) })
}

func refundObject(r *Refund) map[string]any {
	object := map[string]any{
		"id": r.Reference, "object": "refund", "payment_intent": r.Payment, "status": r.Status, "amount": r.Amount,
		"currency": strings.ToLower(r.Currency), "created": r.At.Unix(), "metadata": map[string]any{"dropline_key": r.Key},
	}
	if r.Reason != "" {
		object["failure_reason"] = r.Reason
	}
	return object
}
