package paymentsim

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Transaction is one line of the provider's own book.
type Transaction struct {
	ID        string
	Kind      string // charge, partial_capture_reversal, refund, refund_failure, dispute, dispute_reversal, payout
	Payment   string
	Reference string // the charge, refund or dispute
	Currency  string
	Amount    int64
	Fee       int64
	At        time.Time
}

// book enters a transaction. The lock must be held.
func (s *Server) book(t Transaction) {
	t.ID = s.nextID("txn")
	if t.At.IsZero() {
		t.At = s.now()
	}
	s.transactions = append(s.transactions, t)
}

// Enter books a transaction that nothing here leads to: a payout, or a mistake of the provider's.
func (s *Server) Enter(t Transaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.announce()
	s.book(t)
}

// Book is a copy of the book, oldest first.
func (s *Server) Book() []Transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.transactions)
}

// Balance is what the account holds, before fees, in minor units by currency.
func (s *Server) Balance() map[string]int64 {
	held := map[string]int64{}
	for _, t := range s.Book() {
		held[t.Currency] += t.Amount
	}
	return held
}

// Payments lists the payments as they came.
func (s *Server) Payments() []Payment {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Payment, 0, len(s.order))
	for _, reference := range s.order {
		list = append(list, s.payments[reference].Payment)
	}
	return list
}

// Payment is one payment; zero when there is none.
func (s *Server) Payment(reference string) Payment {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, found := s.payments[reference]; found {
		return p.Payment
	}
	return Payment{}
}

// Refunds lists a payment's refunds, oldest first.
func (s *Server) Refunds(payment string) []Refund {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Refund
	for _, r := range s.refunds {
		if r.Payment == payment {
			list = append(list, *r)
		}
	}
	slices.SortFunc(list, func(a, b Refund) int { return strings.Compare(a.Reference, b.Reference) })
	return list
}

// Dispute is one dispute; zero when there is none.
func (s *Server) Dispute(reference string) Dispute {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, found := s.disputes[reference]
	if !found {
		return Dispute{}
	}
	shown := *d
	shown.Evidence = maps.Clone(d.Evidence)
	return shown
}

// Repeats counts the calls that came again with a key already used for the same thing.
func (s *Server) Repeats(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.repeats[key]
}

// Conflicts counts the calls that used a key again for something else. In a sound system it stays zero.
func (s *Server) Conflicts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conflicts
}

// ForgetKeys is what happens to the keys a day later.
func (s *Server) ForgetKeys() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.answers)
}

// Await returns when the books satisfy a condition, or with the context's error. The condition is
// asked again after each change.
func (s *Server) Await(ctx context.Context, condition func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if condition() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// listTransactions is newest first, as the provider lists them.
func (s *Server) listTransactions(r request) (any, *refusal) {
	var shown []Transaction
	from, _ := strconv.ParseInt(r.form.Get("created[gte]"), 10, 64)
	until, err := strconv.ParseInt(r.form.Get("created[lt]"), 10, 64)
	for _, t := range slices.Backward(s.transactions) {
		if at := t.At.Unix(); at >= from && (err != nil || at < until) {
			shown = append(shown, t)
		}
	}
	whole := slices.Contains(r.form["expand[]"], "data.source")
	return page(r.form, shown, func(t Transaction) (string, any) { return t.ID, s.transactionObject(t, whole) })
}

func (s *Server) transactionObject(t Transaction, whole bool) map[string]any {
	var source any = t.Reference
	if whole {
		switch p, d := s.payments[t.Payment], s.disputes[t.Reference]; {
		case d != nil:
			source = s.disputeObject(d)
		case s.refunds[t.Reference] != nil:
			source = refundObject(s.refunds[t.Reference])
		case p != nil:
			source = s.chargeObject(p)
		}
	}
	return map[string]any{
		"id": t.ID, "object": "balance_transaction", "amount": t.Amount, "fee": t.Fee, "net": t.Amount - t.Fee,
		"currency": strings.ToLower(t.Currency), "created": t.At.Unix(), "reporting_category": t.Kind, "source": source,
	}
}

// page is the part of a list that a query asks for.
func page[T any](query url.Values, all []T, object func(T) (string, any)) (any, *refusal) {
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil || limit < 1 || limit > 100 {
		limit = 10
	}
	after := query.Get("starting_after")
	begun := after == ""
	data := []any{}
	more := false
	for _, item := range all {
		id, shown := object(item)
		switch {
		case !begun:
			begun = id == after
		case len(data) == limit:
			more = true
		default:
			data = append(data, shown)
		}
	}
	return map[string]any{"object": "list", "data": data, "has_more": more}, nil
}
