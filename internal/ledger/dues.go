package ledger

// Dues is what an order's customer has paid, or a bank holds for us, against what the order costs, in minor units.
// What was given back of the price is Gone; Priced is what it should have come to: a refund never gives back more
// than was paid until then, and what it fell short by is paid in vain, should it be paid later.
type Dues struct {
	Paid   int64
	Total  int64 // the order's price, with what was agreed beside it
	Priced int64
	Gone   int64
}

func (d Dues) balance() int64 { return d.Paid - d.Gone - (d.Total - d.Priced) }

// Missing is what the customer owes.
func (d Dues) Missing() int64 { return max(-d.balance(), 0) }

// Over is what the customer is owed, never more than is left of what was paid.
func (d Dues) Over() int64 { return max(min(d.balance(), d.Paid-d.Gone), 0) }
