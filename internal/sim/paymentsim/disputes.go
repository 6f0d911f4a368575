package paymentsim

import (
	"net/url"
	"strings"
	"time"
)

// Dispute is a chargeback as it stands in the provider's books.
type Dispute struct {
	Reference string
	Payment   string
	Status    string // needs_response, under_review, won, lost
	Reason    string
	Currency  string
	Amount    int64
	Fee       int64
	DueBy     time.Time
	// Evidence is what was submitted, by the provider's names.
	Evidence map[string]string
}

func (s *Server) disputed(payment string) bool {
	for _, d := range s.disputes {
		if d.Payment == payment && d.Status != "won" {
			return true
		}
	}
	return false
}

// OpenDispute is the customer's bank taking back what is left of a capture. It answers with the
// dispute's reference.
func (s *Server) OpenDispute(payment, reason string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.announce()
	p := s.payments[payment]
	d := &Dispute{
		Reference: s.nextID("dp"), Payment: payment, Status: "needs_response", Reason: reason, Currency: p.Currency,
		Amount: p.Captured - p.Refunded, Fee: s.config.DisputeFee, DueBy: s.now().Add(9 * 24 * time.Hour),
	}
	s.disputes[d.Reference] = d
	s.book(Transaction{Kind: "dispute", Payment: payment, Reference: d.Reference, Currency: d.Currency, Amount: -d.Amount, Fee: d.Fee})
	s.tell("charge.dispute.created", s.disputeObject(d), nil)
	s.tell("charge.dispute.funds_withdrawn", s.disputeObject(d), nil)
	return d.Reference
}

// CloseDispute is the bank's decision. What was won comes back, without the fee.
func (s *Server) CloseDispute(dispute string, won bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.announce()
	d, found := s.disputes[dispute]
	if !found || d.Status == "won" || d.Status == "lost" {
		return false
	}
	d.Status = "lost"
	if won {
		d.Status = "won"
		s.book(Transaction{Kind: "dispute_reversal", Payment: d.Payment, Reference: d.Reference, Currency: d.Currency, Amount: d.Amount})
	}
	s.tell("charge.dispute.closed", s.disputeObject(d), nil)
	if won {
		s.tell("charge.dispute.funds_reinstated", s.disputeObject(d), nil)
	}
	return true
}

func (s *Server) answerDispute(r request) (any, *refusal) {
	d, found := s.disputes[r.id]
	if !found {
		return nil, notFound
	}
	if d.Status != "needs_response" {
		return nil, invalid("dispute_already_submitted")
	}
	d.Evidence = evidence(r.form)
	if r.form.Get("submit") == "true" {
		d.Status = "under_review"
		s.tell("charge.dispute.updated", s.disputeObject(d), map[string]any{"status": "needs_response"})
	}
	return s.disputeObject(d), nil
}

func (s *Server) showDispute(r request) (any, *refusal) {
	d, found := s.disputes[r.id]
	if !found {
		return nil, notFound
	}
	return s.disputeObject(d), nil
}

func evidence(form url.Values) map[string]string {
	given := map[string]string{}
	for name := range form {
		if field, is := strings.CutPrefix(name, "evidence["); is {
			given[strings.TrimSuffix(field, "]")] = form.Get(name)
		}
	}
	return given
}

func (s *Server) disputeObject(d *Dispute) map[string]any {
	return map[string]any{
		"id": d.Reference, "object": "dispute", "payment_intent": d.Payment, "charge": s.payments[d.Payment].charge, "status": d.Status,
		"reason": d.Reason, "amount": d.Amount, "currency": strings.ToLower(d.Currency),
		"evidence_details":     map[string]any{"due_by": d.DueBy.Unix(), "has_evidence": len(d.Evidence) > 0},
		"balance_transactions": []any{map[string]any{"amount": -d.Amount, "fee": d.Fee, "currency": strings.ToLower(d.Currency)}},
	}
}
