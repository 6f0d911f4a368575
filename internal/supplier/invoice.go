package supplier

import "time"

// InvoiceLine charges for units of one purchase-order line.
type InvoiceLine struct {
	Line     int
	Quantity int64
	UnitCost int64 // minor units of the invoice's currency
}

// Invoice is what a supplier charges for a purchase order (X12 810). It holds what the supplier
// wrote: whether the lines, freight and allowance add up to the total, and whether they match what
// was ordered and shipped, is for the three-way match to judge.
type Invoice struct {
	Document string // natural key of the document that brought it
	PO       string
	Number   string // the supplier's; a second document with the same number is a duplicate
	At       time.Time
	Currency string
	Lines    []InvoiceLine
	// Freight and Fee are added and Allowance taken off; all four are non-negative minor units. Fee is
	// what the supplier takes for handling a purchase order.
	Freight   int64
	Fee       int64 `json:",omitempty"`
	Allowance int64
	Total     int64
	// Corrects is the number of an earlier invoice in whose place this one stands; empty: none.
	Corrects string `json:",omitempty"`
}
