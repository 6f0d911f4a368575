package storefrontsim

import (
	"context"
	"slices"
)

// Notices lists what the storefront was told, each key once, in the order of arrival; only those of
// one operation when it is named.
func (s *Server) Notices(operation Operation) []Notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Notice
	for _, n := range s.notices {
		if operation == "" || n.Operation == operation {
			n.Lines = slices.Clone(n.Lines)
			list = append(list, n)
		}
	}
	return list
}

// Refunded is what an order's customer got back, in minor units by currency.
func (s *Server) Refunded(order string) map[string]int64 {
	total := map[string]int64{}
	for _, n := range s.Notices(Refunds) {
		if n.Order == order {
			total[n.Currency] += n.Amount
		}
	}
	return total
}

// RefundedElsewhere is what an order's customer got back past the storefront, by its books: tries that were made and
// have not come back, in minor units by currency.
func (s *Server) RefundedElsewhere(order string) map[string]int64 {
	total := map[string]int64{}
	notices := s.Notices(RefundNotices)
	for _, n := range notices {
		cameBack := slices.ContainsFunc(notices, func(x Notice) bool {
			return x.Order == n.Order && x.Refund == n.Refund && x.Try == n.Try && x.Standing == "came_back"
		})
		if n.Order == order && n.Standing == "made" && !cameBack {
			total[n.Currency] += n.Amount
		}
	}
	return total
}

// Credited is what an order's customer holds as store credit, in minor units by currency.
func (s *Server) Credited(order string) map[string]int64 {
	total := map[string]int64{}
	for _, n := range s.Notices(StoreCredits) {
		if n.Order == order {
			total[n.Currency] += n.Amount
		}
	}
	return total
}

// Repeats counts the calls that came again with a key already used for the same thing.
func (s *Server) Repeats(operation Operation, key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.repeats[string(operation)+" "+key]
}

// Conflicts counts the calls that used a key again for something else. In a sound system it stays
// zero.
func (s *Server) Conflicts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conflicts
}

// Await returns when the books satisfy a condition, or with the context's error. The condition is
// asked again after each call that reached the books.
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
