// Package reconcile compares our books with those that partners keep: the ledger's clearing account with
// the payment provider's transactions, suppliers' invoices and credit memos with their statements, parcels
// with carriers' bills. What differs is kept, each thing once, until it is gone or a person has accepted
// it; comparing the same days again changes nothing.
package reconcile

import "time"

// What is different.
type What string

// The kinds of differences. "Ours only" and "theirs only" are seen from here.
const (
	OursOnly   What = "ours_only"
	TheirsOnly What = "theirs_only"
	Amounts    What = "amounts_differ"
	Twice      What = "twice"
)

// Cause is what most likely lies behind a difference, in words that an operator can begin with.
type Cause string

// The causes.
const (
	CauseUnknownPayment  Cause = "no order has this payment"
	CauseCapturedThere   Cause = "captured there, not here"
	CauseCapturedHere    Cause = "captured here, not there"
	CauseRefundedThere   Cause = "refunded there, not here"
	CauseRefundedHere    Cause = "refunded here, not there"
	CauseRefundFailed    Cause = "a refund failed there later, and is not booked here"
	CauseRefundCameHere  Cause = "booked here as a refund that failed, not there"
	CauseDisputedThere   Cause = "a chargeback that is not booked here"
	CauseDisputedHere    Cause = "booked here as a chargeback, not there"
	CauseDoubledThere    Cause = "doubled there"
	CauseDoubledHere     Cause = "doubled here"
	CauseFee             Cause = "one of us counts the fee"
	CauseAmount          Cause = "the amounts differ"
	CauseCurrency        Cause = "the currencies differ"
	CauseBorder          Cause = "probably the day's border: the other side may follow"
	CauseNoInvoice       Cause = "the invoice was never received"
	CauseNoCredit        Cause = "the credit memo was never received"
	CauseNotStated       Cause = "not on the supplier's statement"
	CauseStatedTwice     Cause = "stands twice on the statement"
	CauseUnknownTransfer Cause = "a payment that we have not booked"
	CauseNotArrived      Cause = "the payment has not arrived there"
	CausePaidTwice       Cause = "the payment stands twice on the statement: it may have been paid twice"
	CauseNotSetOff       Cause = "we have set the credit off, and it is not on the supplier's statement"
	CauseUnknownTracking Cause = "no parcel has this tracking number"
	CauseBilledTwice     Cause = "billed twice"
	CauseReturnBilled    Cause = "billed twice, and it was sent back: probably the way back"
	CauseLabelPrice      Cause = "the label was bought at another price"
)

// Difference is one thing that differs. Amounts are minor units.
type Difference struct {
	// Key tells it from all others, and is the same in every run.
	Key      string
	Book     string // "payments/shop", "supplier/acme", "carrier/ups"
	What     What
	Cause    Cause
	Subject  string // payment's reference, document's number, tracking number
	Order    string // empty when there is none
	Currency string
	Ours     *int64 // nil: nothing
	Theirs   *int64
	At       time.Time // when it happened, at the partner if it did there
}

// Span is a run of whole days (UTC), from the first to before Until.
type Span struct{ From, Until time.Time }

// Days is the span from the first day to the last, both included.
func Days(first, last time.Time) Span {
	return Span{midnight(first), midnight(last).Add(day)}
}

const day = 24 * time.Hour

func midnight(at time.Time) time.Time { return at.UTC().Truncate(day) }

// Holds reports whether a time lies in the span.
func (s Span) Holds(at time.Time) bool { return !at.Before(s.From) && at.Before(s.Until) }

// widened reaches so far beyond both ends, but not into the future.
func (s Span) widened(by time.Duration, now time.Time) Span {
	wide := Span{s.From.Add(-by), s.Until.Add(by)}
	if wide.Until.After(now) {
		wide.Until = now
	}
	return wide
}
