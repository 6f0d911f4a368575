// Package payments holds the rules of one order's payment where it needs a next step: a capture that waits
// for the shipment, a refund that came back, a customer's bank that took money back. It is a state machine
// without I/O; the workflow Payment drives it.
//
// Amounts are minor units of the order's currency.
package payments

import (
	"fmt"
	"slices"
	"time"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
)

// Stage is how far a payment is, in one word for lists and filters.
type Stage string

// The stages of a payment's life.
const (
	StageAuthorised Stage = "authorised"    // held until the goods leave
	StageCapturing  Stage = "capturing"     // being taken
	StagePaymentDue Stage = "payment_due"   // the capture was refused
	StageRefundDue  Stage = "refund_due"    // a refund is on its way, came back or is held
	StageDisputed   Stage = "disputed"      // the customer's bank decides
	StageClosed     Stage = "payment_done"  // captured, and nothing is open
	StageVoided     Stage = "payment_void"  // nothing was taken
	StageSettling   Stage = "payment_books" // what happened is being recorded
)

// State is everything that a payment's workflow knows. Nothing in it is personal.
type State struct {
	Key       order.Key `json:"key"`
	Reference string    `json:"reference"` // the provider's
	Currency  string    `json:"currency"`
	// AtShipment: the capture waits until the goods leave.
	AtShipment bool `json:"atShipment,omitempty"`
	// Authorised is what the customer's bank held for us when the order was placed; zero when it was
	// captured before we knew of it.
	Authorised int64     `json:"authorised,omitempty"`
	ExpiresAt  time.Time `json:"expiresAt,omitzero"`
	// Looked: the provider was asked until when it holds the money.
	Looked bool `json:"looked,omitempty"`
	// Released is what was cancelled before the capture, and is not taken.
	Released int64 `json:"released,omitempty"`
	// Shipped: a carrier has had a parcel in its hands. Ended: the order's accounts were closed.
	Shipped bool `json:"shipped,omitempty"`
	Ended   bool `json:"ended,omitempty"`
	// Early: the authorisation was about to expire, and is captured before the goods leave.
	Early bool `json:"early,omitempty"`

	Capture  Capture   `json:"capture"`
	Refunds  []Refund  `json:"refunds,omitempty"`
	Disputes []Dispute `json:"disputes,omitempty"`

	// Posts are postings that follow from what has happened and are not in the ledger yet; Moved is what
	// all so far, captures and refunds apart, added to our balance at the provider.
	Posts []Post `json:"posts,omitempty"`
	Moved int64  `json:"moved,omitempty"`
	// Stops are disputes for which the order is to be told to stop what has not left.
	Stops   []string `json:"stops,omitempty"`
	Notices []Notice `json:"notices,omitempty"`

	Closed   bool  `json:"closed,omitempty"`
	LastFact int64 `json:"lastFact,omitempty"`
	Missed   bool  `json:"missed,omitempty"`
	// A release that did not know that a fact's kind may be unknown took such a fact for nothing in this run, which goes
	// on like that.
	IgnoresUnknown bool              `json:"ignoresUnknown,omitempty"`
	Requests       []string          `json:"requests,omitempty"`
	Attention      []order.Attention `json:"attention,omitempty"`
	Journal        []order.Entry     `json:"journal,omitempty"`

	Revision   int64    `json:"revision,omitempty"`
	Unrecorded bool     `json:"unrecorded,omitempty"`
	Busy       []string `json:"busy,omitempty"`
}

// Capture is how an authorisation ended, or why it has not.
type Capture struct {
	// Amount was taken, at At. Over is what a person at the provider took beyond what was due.
	Amount int64     `json:"amount,omitempty"`
	At     time.Time `json:"at,omitzero"`
	Over   int64     `json:"over,omitempty"`
	// Refusals is how often the provider said no, Code what it said last; RetryAt is when it is asked again.
	Refusals int       `json:"refusals,omitempty"`
	Code     string    `json:"code,omitempty"`
	RetryAt  time.Time `json:"retryAt,omitzero"`
	// Gone: the authorisation has expired or was voided at the provider.
	Gone bool `json:"gone,omitempty"`
	// Voided: we let the authorisation go.
	Voided bool `json:"voided,omitempty"`
	// Elsewhere is what the customer paid otherwise, WrittenOff what nobody will pay.
	Elsewhere  int64 `json:"elsewhere,omitempty"`
	WrittenOff int64 `json:"writtenOff,omitempty"`
}

// RefundStanding is where a refund stands that needs somebody's eye.
type RefundStanding string

// The standings of a refund.
const (
	RefundPending   RefundStanding = "pending"   // the bank takes its time
	RefundHeld      RefundStanding = "held"      // owed, and not to be made by itself
	RefundFailed    RefundStanding = "failed"    // the money is with us again
	RefundAgain     RefundStanding = "again"     // is to be made once more
	RefundDone      RefundStanding = "done"      // the customer has it
	RefundElsewhere RefundStanding = "elsewhere" // paid by other means
	RefundSetOff    RefundStanding = "set_off"   // the customer's bank has given it already
)

// Refund is one of our refunds, by its key.
type Refund struct {
	Key       string         `json:"key"`
	Amount    int64          `json:"amount"`
	Reference string         `json:"reference,omitempty"` // the provider's, of the newest try
	Standing  RefundStanding `json:"standing"`
	// Try numbers the provider's refunds made for it, from 1; 0: none was.
	Try int `json:"try"`
	// Refused is how often the try after it was refused. The provider answers a key as it did before, so that whoever
	// asks once more needs another.
	Refused int       `json:"refused,omitempty"`
	At      time.Time `json:"at"`
	Reason  string    `json:"reason,omitempty"`
	// LookAt is when the provider is asked where a pending one stands; Look: now.
	LookAt time.Time `json:"lookAt,omitzero"`
	Look   bool      `json:"look,omitempty"`
	// Ahead is the provider's news of a try that overtook the answer to that try.
	Ahead *RefundChange `json:"ahead,omitempty"`
}

func (r *Refund) open() bool {
	return r.Standing == RefundPending || r.Standing == RefundHeld || r.Standing == RefundFailed || r.Standing == RefundAgain
}

// owed: the money is with us, and the customer's.
func (r *Refund) owed() bool { return r.open() && r.Standing != RefundPending }

// Dispute is a chargeback.
type Dispute struct {
	Reference  string    `json:"reference"`
	Amount     int64     `json:"amount"`
	Fee        int64     `json:"fee,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	OpenedAt   time.Time `json:"openedAt"`
	EvidenceBy time.Time `json:"evidenceBy,omitzero"`
	// SubmitAt is the latest moment at which we answer the bank; Submitted: we have.
	SubmitAt  time.Time `json:"submitAt,omitzero"`
	Submitted bool      `json:"submitted,omitempty"`
	Send      bool      `json:"send,omitempty"`
	// LookAt is when a person is asked where the bank's decision is.
	LookAt time.Time `json:"lookAt,omitzero"`
	Closed bool      `json:"closed,omitempty"`
	Won    bool      `json:"won,omitempty"`
}

// PostKind is what a posting says.
type PostKind string

// The postings of a payment that follow from news. Captures and refunds are posted by their own steps.
const (
	PostRefundFailed    PostKind = "refund_failed"
	PostRefundRepeated  PostKind = "refund_repeated"
	PostRefundElsewhere PostKind = "refund_elsewhere"
	PostRefundSetOff    PostKind = "refund_set_off"
	PostDisputeOpened   PostKind = "dispute_opened"
	PostDisputeWon      PostKind = "dispute_won"
	PostDisputeLost     PostKind = "dispute_lost"
	PostPaidElsewhere   PostKind = "paid_elsewhere"
	PostWrittenOff      PostKind = "payment_written_off"
	PostWriteOffLess    PostKind = "payment_written_off_less" // it was cancelled after all
	PostOverpaid        PostKind = "overpaid"                 // paid by other means, and cancelled
)

// Post is a posting by its kind and what it is about: a refund's key or a dispute's reference. N tells
// several apart.
type Post struct {
	Kind   PostKind `json:"kind"`
	About  string   `json:"about"`
	N      int      `json:"n,omitempty"`
	Amount int64    `json:"amount"`
	Fee    int64    `json:"fee,omitempty"`
}

// moves is what a posting adds to our balance at the provider.
func (p *Post) moves() int64 {
	switch p.Kind {
	case PostRefundFailed, PostDisputeWon:
		return p.Amount
	case PostRefundRepeated:
		return -p.Amount
	case PostDisputeOpened:
		return -p.Amount - p.Fee
	default:
		return 0
	}
}

// Notice tells the customer of a refund that was made after all. Key is the refund's.
type Notice struct {
	Key    string `json:"key"`
	Amount int64  `json:"amount"`
}

// Sale is what an order says of its payment when it is placed.
type Sale struct {
	Key        order.Key
	Reference  string
	Currency   string
	AtShipment bool
	Authorised int64 // held and not captured
}

// New is the state of a payment that nothing has happened to.
func New(s Sale) State {
	return State{Key: s.Key, Reference: s.Reference, Currency: s.Currency, AtShipment: s.AtShipment, Authorised: s.Authorised}
}

// Due is what is to be taken of the authorisation, or to be paid otherwise.
func (s *State) Due() int64 {
	return s.Authorised - s.Released - (s.Capture.Amount - s.Capture.Over) - s.Capture.Elsewhere - s.Capture.WrittenOff
}

// held: the customer's bank holds the money, and nobody has taken it or let it go.
func (s *State) held() bool {
	return s.Authorised > 0 && s.Capture.Amount == 0 && !s.Capture.Voided && !s.Capture.Gone
}

// Disputed: the customer's bank has not decided.
func (s *State) Disputed() bool {
	return slices.ContainsFunc(s.Disputes, func(d Dispute) bool { return !d.Closed })
}

// Stage is derived: what the payment waits for is how far it is.
func (s *State) Stage() Stage {
	switch {
	case s.Closed && s.Authorised > 0 && s.Capture.Amount == 0:
		return StageVoided
	case s.Closed:
		return StageClosed
	case s.Disputed():
		return StageDisputed
	case slices.ContainsFunc(s.Refunds, func(r Refund) bool { return r.open() }):
		return StageRefundDue
	case s.Due() > 0 && (s.Capture.Refusals > 0 || s.Capture.Gone):
		return StagePaymentDue
	case s.wantsCapture():
		return StageCapturing
	case s.Due() > 0:
		return StageAuthorised
	}
	return StageSettling
}

func (s *State) refund(key string) *Refund {
	for i := range s.Refunds {
		if s.Refunds[i].Key == key {
			return &s.Refunds[i]
		}
	}
	return nil
}

func (s *State) dispute(reference string) *Dispute {
	for i := range s.Disputes {
		if s.Disputes[i].Reference == reference {
			return &s.Disputes[i]
		}
	}
	return nil
}

func (s *State) post(p Post) {
	s.Posts = append(s.Posts, p)
	s.Moved += p.moves()
	s.Unrecorded = true
}

const journalLimit = 200

func (s *State) tell(now time.Time, format string, args ...any) {
	s.Journal = append(s.Journal, order.Entry{At: now.UTC().Truncate(time.Millisecond), Text: fmt.Sprintf(format, args...)})
	s.Journal = s.Journal[max(0, len(s.Journal)-journalLimit):]
	s.Unrecorded = true
}

func (s *State) raise(now time.Time, key, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for i := range s.Attention {
		if s.Attention[i].Key == key {
			s.Attention[i].Text = text
			return
		}
	}
	s.Attention = append(s.Attention, order.Attention{Key: key, Text: text, Since: now.UTC().Truncate(time.Millisecond)})
	s.tell(now, "Needs attention: %s", text)
}

func (s *State) lower(key string) {
	n := len(s.Attention)
	s.Attention = slices.DeleteFunc(s.Attention, func(a order.Attention) bool { return a.Key == key })
	s.Unrecorded = s.Unrecorded || len(s.Attention) != n
}

func (s *State) amount(minor int64) string {
	return money.Money{Minor: minor, Currency: s.Currency}.String()
}

// WorkflowID is the id of the one workflow that decides about an order's payment.
func WorkflowID(key order.Key) string { return "payment/" + key.String() }
