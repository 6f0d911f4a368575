package returns

import (
	"fmt"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
)

// Stage is how far a return is, in one word for lists and filters.
type Stage string

// The stages of a return's life.
const (
	StageAuthorising Stage = "authorising"     // the supplier is told, the label is made
	StageAwaiting    Stage = "awaiting_parcel" // the customer has to send it
	StageInTransit   Stage = "return_in_transit"
	StageReceived    Stage = "return_received" // waits for the inspection
	StageDeciding    Stage = "deciding"        // a person decides
	StageSettling    Stage = "settling"        // the customer's part is on its way
	StageCredit      Stage = "awaiting_credit" // the supplier owes the credit
	StageClosed      Stage = "closed"
	StageCancelled   Stage = "cancelled"
	StageExpired     Stage = "expired"
)

// Condition is how units came back.
type Condition string

// The conditions that an inspection reports.
const (
	AsNew        Condition = "as_new"
	Opened       Condition = "opened"
	DamagedGoods Condition = "damaged"
	WrongGoods   Condition = "wrong_item"
	Missing      Condition = "missing" // the box did not hold it
	NotOurs      Condition = "not_ours"
	// LostOnTheWay is reported by no inspection: the carrier had the parcel and nobody has it now.
	LostOnTheWay Condition = "lost_in_transit"
)

// Conditions are all that an inspection may report.
var Conditions = []Condition{AsNew, Opened, DamagedGoods, WrongGoods, Missing, NotOurs}

// Disposition is what is done with units that came back.
type Disposition string

// The dispositions.
const (
	Restock   Disposition = "restock"
	Refurbish Disposition = "refurbish"
	Recycle   Disposition = "recycle"
	Liquidate Disposition = "liquidate"
	Kept      Disposition = "keep" // by the customer
)

// Dispositions are all that an inspection may name.
var Dispositions = []Disposition{Restock, Refurbish, Recycle, Liquidate, Kept}

// State is everything that a return's workflow knows. Nothing in it is personal.
type State struct {
	Key        order.Key  `json:"key"`
	RMA        string     `json:"rma"`
	PO         string     `json:"po"`
	Currency   string     `json:"currency"`
	Terms      Terms      `json:"terms"`
	Resolution Resolution `json:"resolution"`
	Lines      []Line     `json:"lines"`

	// Keep: the goods stay with the customer. Covered: the supplier's terms take the goods back, and
	// Credit: nothing it said since changes that. Instant: the refund is made when the carrier has the
	// parcel.
	Keep    bool `json:"keep,omitempty"`
	Covered bool `json:"covered,omitempty"`
	Credit  bool `json:"credit,omitempty"`
	Instant bool `json:"instant,omitempty"`

	Fees Fees `json:"fees"`

	OpenedAt      time.Time     `json:"openedAt"`
	SendBy        time.Time     `json:"sendBy"`
	InspectWithin time.Duration `json:"inspectWithin"`

	// Authorised: the supplier was told and the customer has what is needed to send the goods.
	Authorised bool `json:"authorised,omitempty"`
	// Answer is the supplier's word about the return; empty: it has not said.
	Answer       SupplierAnswerKind `json:"answer,omitempty"`
	AnswerReason string             `json:"answerReason,omitempty"`
	Label        *Label             `json:"label,omitempty"`

	Parcel    order.Milestone `json:"parcel,omitempty"`
	ParcelAt  time.Time       `json:"parcelAt,omitzero"`
	InspectBy time.Time       `json:"inspectBy,omitzero"`
	Asked     int             `json:"asked,omitempty"` // reminders to inspect
	// Inspected: nothing more is expected of whoever received it.
	Inspected bool      `json:"inspected,omitempty"`
	InspectAt time.Time `json:"inspectedAt,omitzero"`

	// Paid is how often the customer was paid; Paying is what the payment under way covers.
	Paid   int     `json:"paid,omitempty"`
	Paying *Payout `json:"paying,omitempty"`
	// PaidElsewhere: a person has made the payment under way past the storefront; it is only to be booked.
	PaidElsewhere bool `json:"paidElsewhere,omitempty"`
	// PaidMinor is what went back to the customer as money, CreditedMinor what it got as store credit, bonus
	// included, and MovedMinor what of the price of the goods was used for the exchange; in minor units.
	PaidMinor     int64 `json:"paidMinor,omitempty"`
	CreditedMinor int64 `json:"creditedMinor,omitempty"`
	MovedMinor    int64 `json:"movedMinor,omitempty"`
	// Supplement is what the customer paid in addition for the exchange, in minor units. Exchanged: it is
	// used or given back, and whatever comes from here on is paid for in money.
	Supplement int64 `json:"supplement,omitempty"`
	// Waived is what the goods wanted cost in addition; it is taken off their price.
	Waived    int64 `json:"waived,omitempty"`
	Exchanged bool  `json:"exchanged,omitempty"`
	// BonusBP is added to store credit, in basis points of it.
	BonusBP int64 `json:"bonusBp,omitempty"`
	// Replacement is the key of the order that an exchange made.
	Replacement string `json:"replacement,omitempty"`

	Claim Claim `json:"claim"`

	// Anew are the lines about which a person was told that another return was granted for their units.
	Anew string `json:"anew,omitempty"`

	Cancelled bool `json:"cancelled,omitempty"`
	Expired   bool `json:"expired,omitempty"`
	Closed    bool `json:"closed,omitempty"`

	LastFact int64 `json:"lastFact,omitempty"`
	Missed   bool  `json:"missed,omitempty"`
	// A release that did not know wakes of a resting step (PaidElsewhere), or that a fact's kind may be unknown, took
	// such a fact for nothing in this run, which goes on like that.
	IgnoresWakes   bool              `json:"ignoresWakes,omitempty"`
	IgnoresUnknown bool              `json:"ignoresUnknown,omitempty"`
	Requests       []string          `json:"requests,omitempty"`
	Attention      []order.Attention `json:"attention,omitempty"`
	Journal        []order.Entry     `json:"journal,omitempty"`
	Notices        []Notice          `json:"notices,omitempty"`

	Revision   int64    `json:"revision,omitempty"`
	Unrecorded bool     `json:"unrecorded,omitempty"`
	Busy       []string `json:"busy,omitempty"`
}

// Line is units of one order line in the return. Quantity is what was granted; the units found, the
// units settled without coming back and those still expected add up to it.
type Line struct {
	Line int    `json:"line"`
	SKU  string `json:"sku"`
	// Category is that of the goods. Fees and CreditFee are what the storefront and the supplier keep of goods of
	// it, in basis points, where that is not what they keep of all. Uncovered: the supplier's terms do not take
	// these units back, and take others of the return.
	Category  string `json:"category,omitempty"`
	Fees      *Fees  `json:"fees,omitempty"`
	CreditFee *int64 `json:"creditFeeBp,omitempty"`
	Uncovered bool   `json:"uncovered,omitempty"`

	Quantity int64  `json:"quantity"`
	Reason   Reason `json:"reason"`
	UnitCost int64  `json:"unitCost"`
	// ExchangeSKU is the article wanted instead, and Want its price; nil: what these units were paid with.
	ExchangeSKU string  `json:"exchangeSku,omitempty"`
	Want        *Wanted `json:"want,omitempty"`

	// Found is what the inspection reported, by condition.
	Found map[Condition]int64 `json:"found,omitempty"`
	// Dispositions is what is done with what was found.
	Dispositions map[Disposition]int64 `json:"dispositions,omitempty"`
	// Ruled is what a person decided about units that nobody pays for by rule.
	Ruled []Ruling `json:"ruled,omitempty"`
	// Doubted: when the carrier loses these units a person decides, for what they are worth.
	Doubted bool `json:"doubted,omitempty"`
	// Surplus came without having been granted.
	Surplus int64 `json:"surplus,omitempty"`
	// Settled is the units that the customer has been paid for, or will never be.
	Settled int64 `json:"settled,omitempty"`
}

// Ruling is a person's decision about units: ShareBP of their price goes back.
type Ruling struct {
	Quantity int64  `json:"quantity"`
	ShareBP  int64  `json:"shareBp"`
	By       string `json:"by"`
}

// Label is what the customer sends the goods with.
type Label struct {
	Carrier  string `json:"carrier"`
	Tracking string `json:"tracking"`
	// Supplied: the supplier gave it, and answers for what is lost under it. BoughtOf is the carrier that it was
	// bought of, which then answers. Of a label that was given before either was noted nobody does.
	Supplied bool          `json:"supplied,omitempty"`
	BoughtOf *CarrierTerms `json:"boughtOf,omitempty"`
}

// Claim is what the supplier owes for the goods. Amounts are minor units of the order's currency.
type Claim struct {
	// Expected is what the contract promises for what it got; Got what its credit memos gave.
	Expected int64 `json:"expected,omitempty"`
	Got      int64 `json:"got,omitempty"`
	// Over is what credit memos gave beyond what is expected so far: a memo may overtake the inspection.
	Over int64 `json:"over,omitempty"`
	// WrittenOff is what a person let go, with the reason's code.
	WrittenOff int64  `json:"writtenOff,omitempty"`
	WrittenBy  string `json:"writtenBy,omitempty"`
	// DueAt is when the credit is chased next; Chases how often it was.
	DueAt     time.Time `json:"dueAt,omitzero"`
	Chases    int       `json:"chases,omitempty"`
	Escalated bool      `json:"escalated,omitempty"`
	// Memos are the credit memos counted.
	Memos []string `json:"memos,omitempty"`
}

// Open is what is still owed.
func (c *Claim) Open() int64 { return c.Expected - c.Got - c.WrittenOff }

// Payout is what the customer is paid for, fixed when it is first tried.
type Payout struct {
	Parts []PayoutPart `json:"parts"`
	// Fee is kept of the whole for the label, in minor units, as far as there is something to keep it of.
	Fee int64 `json:"fee,omitempty"`
	// Exchange: the parts of which nothing is kept are exchanged, in one order. Supplement was paid for it in
	// addition; what the order does not use of it goes back.
	Exchange   bool  `json:"exchange,omitempty"`
	Supplement int64 `json:"supplement,omitempty"`
	// BonusBP is added to store credit, in basis points of it.
	BonusBP int64 `json:"bonusBp,omitempty"`
}

// PayoutPart is units of one line and what is kept of their price.
type PayoutPart struct {
	Line     int    `json:"line"`
	Quantity int64  `json:"quantity"`
	KeptBP   int64  `json:"keptBp,omitempty"` // restocking fee, in basis points of the price
	Reason   Reason `json:"reason"`
}

// units are those that a payout covers, once per part.
func (p *Payout) units() []order.ShippedLine {
	lines := make([]order.ShippedLine, 0, len(p.Parts))
	for _, part := range p.Parts {
		lines = append(lines, order.ShippedLine{Line: part.Line, Quantity: part.Quantity})
	}
	return lines
}

// NoticeKind is what a customer, or the supplier, is told.
type NoticeKind string

// The messages of a return.
const (
	NoticeAuthorised  NoticeKind = "return_authorised"
	NoticeKeep        NoticeKind = "return_keep"
	NoticeReceived    NoticeKind = "return_received"
	NoticeExpired     NoticeKind = "return_expired"
	NoticeNotPaid     NoticeKind = "return_not_paid"
	NoticeInspect     NoticeKind = "inspection_reminder" // to the supplier
	NoticeChaseCredit NoticeKind = "credit_reminder"     // to the supplier
)

// Notice is a message about a decision. Key is its identity: each is sent once.
type Notice struct {
	Key   string              `json:"key"`
	Kind  NoticeKind          `json:"kind"`
	Lines []order.ShippedLine `json:"lines,omitempty"`
}

// New is the state of a granted return.
func New(key order.Key, rma, currency string, g Grant, p Policy, r Request, value int64, now time.Time) State {
	s := State{
		Key: key, RMA: rma, PO: g.PO, Currency: currency, Terms: g.Terms, Resolution: r.Resolution, Lines: g.Lines,
		Keep: g.Keep, Covered: g.Credit, Credit: g.Credit, Instant: g.Instant,
		Fees:       Fees{RestockingBP: p.RestockingBP, OpenedBP: p.OpenedBP},
		Supplement: g.Supplement, Waived: g.Waived,
		OpenedAt: now, SendBy: now.Add(p.SendWithin), InspectWithin: p.InspectWithin,
	}
	for i := range s.Lines {
		l := &s.Lines[i]
		l.Doubted = p.LostUpTo > 0 && value > p.LostUpTo
		l.Fees = p.ownFees(l)
		if s.Keep {
			l.Found = map[Condition]int64{DamagedGoods: l.Quantity}
			l.Dispositions = map[Disposition]int64{Kept: l.Quantity}
		}
	}
	if s.Keep {
		s.Inspected, s.InspectAt = true, now
	}
	if r.Resolution == StoreCredit {
		s.BonusBP = p.CreditBonusBP
	}
	if p.CustomerPaysShipping {
		s.Fees.Shipping = p.ReturnShipping
	}
	s.tell(now, "Return granted by request of %s: %s", r.By, s.Goods())
	s.Unrecorded = true
	return s
}

// Goods names what comes back.
func (s *State) Goods() string {
	goods := make([]string, 0, len(s.Lines))
	for i := range s.Lines {
		goods = append(goods, fmt.Sprintf("%d × %s", s.Lines[i].Quantity, s.Lines[i].SKU))
	}
	return strings.Join(goods, ", ")
}

// Stage is derived: what the return waits for is how far it is.
func (s *State) Stage() Stage {
	switch {
	case s.Closed && s.Cancelled:
		return StageCancelled
	case s.Closed && s.Expired && s.found() == 0:
		return StageExpired
	case s.Closed:
		return StageClosed
	case !s.Authorised:
		return StageAuthorising
	case s.deciding():
		return StageDeciding
	case s.Paying != nil || s.owes():
		return StageSettling
	case s.Claim.Open() > 0:
		return StageCredit
	case s.Inspected:
		return StageSettling
	case s.Parcel == order.ParcelDelivered || s.found() > 0:
		return StageReceived
	case handedIn(s.Parcel):
		return StageInTransit
	}
	return StageAwaiting
}

// handedIn: the carrier has had the parcel in its hands.
func handedIn(m order.Milestone) bool { return m != "" && m != order.ParcelLabelled }

// found is all units that came.
func (s *State) found() (n int64) {
	for i := range s.Lines {
		n += s.Lines[i].found()
	}
	return n
}

func (l *Line) found() (n int64) {
	for _, c := range Conditions {
		n += l.Found[c]
	}
	return n + l.Found[LostOnTheWay]
}

// good is the units for which the customer is paid by rule.
func (l *Line) good() int64 {
	n := l.Found[AsNew] + l.Found[Opened]
	if !l.Doubted {
		n += l.Found[LostOnTheWay]
	}
	if l.Reason.Fault() {
		n += l.Found[DamagedGoods] // it was wrong when the customer got it
	}
	return n
}

func (l *Line) ruled() (n int64) {
	for _, r := range l.Ruled {
		n += r.Quantity
	}
	return n
}

// undecided is the units that nobody pays for by rule and about which no person has decided.
func (s *State) undecided(l *Line) int64 {
	if !s.Inspected {
		return 0
	}
	return l.Quantity - l.good() - l.ruled()
}

func (s *State) deciding() bool {
	for i := range s.Lines {
		if s.undecided(&s.Lines[i]) > 0 {
			return true
		}
	}
	return s.Answer == SupplierRefused && !s.Inspected && !s.Cancelled
}

const journalLimit = 200

func (s *State) tell(now time.Time, format string, args ...any) {
	s.Journal = append(s.Journal, order.Entry{At: now.UTC().Truncate(time.Millisecond), Text: fmt.Sprintf(format, args...)})
	s.Journal = s.Journal[max(0, len(s.Journal)-journalLimit):]
}

func (s *State) raise(now time.Time, key, format string, args ...any) {
	for i := range s.Attention {
		if s.Attention[i].Key == key {
			return
		}
	}
	text := fmt.Sprintf(format, args...)
	s.Attention = append(s.Attention, order.Attention{Key: key, Text: text, Since: now.UTC().Truncate(time.Millisecond)})
	s.tell(now, "Needs attention: %s", text)
	s.Unrecorded = true
}

func (s *State) lower(key string) {
	for i := range s.Attention {
		if s.Attention[i].Key == key {
			s.Attention = append(s.Attention[:i], s.Attention[i+1:]...)
			s.Unrecorded = true
			return
		}
	}
}

func (s *State) notify(kind NoticeKind, suffix string) {
	n := Notice{Key: string(kind) + "/" + s.RMA + suffix, Kind: kind}
	for i := range s.Lines {
		n.Lines = append(n.Lines, order.ShippedLine{Line: s.Lines[i].Line, Quantity: s.Lines[i].Quantity})
	}
	s.Notices = append(s.Notices, n)
}

func (s *State) line(n int) *Line {
	for i := range s.Lines {
		if s.Lines[i].Line == n {
			return &s.Lines[i]
		}
	}
	return nil
}
