package supplier

import "time"

// Credit is a credit memo: money that a supplier gives back, by a number of its own.
type Credit struct {
	Number string
	// What it is for; exactly one of them is set: a return, a claim by its reference, or the claim that disputes
	// an invoice.
	RMA, Claim, Invoice string

	At       time.Time
	Currency string
	Amount   int64 // minor units, more than 0
}
