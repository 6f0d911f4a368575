// Package returns holds the rules of goods that come back: whether a return is granted, what becomes
// of it (one RMA, one State), what the customer gets for it and what the supplier owes. It is pure, like
// internal/order: facts and requests change the State, Steps and Deadlines say what is due.
package returns

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
)

// Reason is why the customer sends something back.
type Reason string

// The reasons. The last four are not the customer's doing.
const (
	ChangedMind    Reason = "changed_mind"
	WrongSize      Reason = "wrong_size"
	Damaged        Reason = "damaged" // on arrival
	Defective      Reason = "defective"
	WrongItem      Reason = "wrong_item"
	NotAsDescribed Reason = "not_as_described"
)

// Reasons are all that a request may name.
var Reasons = []Reason{ChangedMind, WrongSize, Damaged, Defective, WrongItem, NotAsDescribed}

// Fault: the customer got something other than what was sold.
func (r Reason) Fault() bool { return r != ChangedMind && r != WrongSize }

// Resolution is what the customer wants for the goods.
type Resolution string

// The resolutions. An exchange is a new order for the same or another article.
const (
	Refund      Resolution = "refund"
	Exchange    Resolution = "exchange"
	StoreCredit Resolution = "store_credit"
)

// Resolutions are all that a request may name.
var Resolutions = []Resolution{Refund, Exchange, StoreCredit}

// Request asks to send units back.
type Request struct {
	// ID makes a repeat a no-op.
	ID         string
	Lines      []RequestedLine
	Resolution Resolution
	// Photos is how many pictures came with it; PhotoURLs are where those of them are that can be seen.
	Photos    int
	PhotoURLs []string `json:",omitempty"`
	// Payment is what the customer paid in addition for an exchange; Currency that of all amounts.
	Payment  *Paid  `json:",omitempty"`
	Currency string `json:",omitempty"`
	// By is a role; Override: an operator grants what the policy would not.
	By       string
	Override bool
}

// RequestedLine is units of one order line. ExchangeSKU is the article wanted instead, empty: the same; Want
// is its price, nil: what the units that come back were paid with.
type RequestedLine struct {
	Line        int
	Quantity    int64
	Reason      Reason
	ExchangeSKU string
	Want        *Wanted `json:",omitempty"`
}

// Policy is a storefront's for returns. Amounts are minor units of the order's currency.
type Policy struct {
	// Outcomes are what customers may ask for; none: a refund. A fault is refunded whoever asks.
	Outcomes []Resolution
	// ExchangeAtScan: the goods of an exchange are sent when the carrier has the parcel, not after it was
	// inspected.
	ExchangeAtScan bool
	// CreditBonusBP is added to a store credit, in basis points of it.
	CreditBonusBP int64
	// WindowDays from the delivery within which units may come back; 0: none may, except for a fault.
	WindowDays int
	// FaultDays is the window for what is wrong or damaged; 0: WindowDays.
	FaultDays int
	// FinalSale are SKUs that come back only for a fault.
	FinalSale []string
	// RestockingBP and OpenedBP are kept of the price when units come back as new, or opened, and
	// nothing was wrong with them.
	RestockingBP, OpenedBP int64
	// Categories are the rules for goods of a category, instead of those for all.
	Categories map[string]Rules
	// CustomerPaysShipping: ReturnShipping is kept of a refund when nothing was wrong.
	CustomerPaysShipping bool
	ReturnShipping       int64
	// InstantUpTo: refunds up to this are made when the carrier has the parcel. KeepUpTo: goods up to
	// this value, with which something is wrong, need not come back. Both are for all returns of one order together:
	// who asks for one unit at a time gets no more. Before is what of them its earlier returns have had.
	InstantUpTo, KeepUpTo int64
	Before                Trust
	// PhotosForFault: a fault is believed with a picture.
	PhotosForFault bool
	// LostUpTo: a parcel that the carrier lost is paid for up to this without a person; 0: whatever it is worth.
	LostUpTo int64
	// SendWithin is how long the customer may take to hand the parcel in.
	SendWithin time.Duration
	// InspectWithin is how long whoever receives it may take to look at it.
	InspectWithin time.Duration
}

// Terms are those on which the supplier takes goods back.
type Terms struct {
	Supplier string `json:"supplier"`
	Name     string `json:"name"`
	// Currency is that of its credit, where it is not the order's.
	Currency string `json:"currency,omitempty"`
	// Takes: it takes goods back at all, and within its own window.
	WindowDays   int   `json:"windowDays,omitempty"`
	RestockingBP int64 `json:"restockingBp,omitempty"`
	// PaysShipping: the label is charged to the supplier.
	PaysShipping bool `json:"paysShipping,omitempty"`
	// CreditWithin is how long it may take with the credit memo after it has the goods.
	CreditWithin time.Duration `json:"creditWithin,omitempty"`
	// Transit is the carrier that answers for what it damages on the way to the customer; nil: the supplier does.
	Transit *CarrierTerms `json:"transit,omitempty"`
	// CountsFinds: goods that were lost and come after all count as what they are found to be, also when they were
	// paid for. Returns that were granted by an older version do not know it and go on as they began.
	CountsFinds bool `json:"countsFinds,omitempty"`
}

// Delivered is units of one purchase order line and what is known of them.
type Delivered struct {
	PO       string
	Line     int
	SKU      string
	Quantity int64 // reached the customer
	Taken    int64 // in other returns
	At       time.Time
	UnitCost int64 // minor units, what the supplier charged
	// Terms are the supplier's for goods of the Category.
	Terms    Terms
	Category string
	// Returning: the parcel is on its way back to the sender by itself.
	Returning int64
	// Underway has not reached the customer yet.
	Underway int64
}

// RefusalCode says in one word why a return is refused.
type RefusalCode string

// The codes.
const (
	RefusedUnknownLine  RefusalCode = "unknown_line"
	RefusedQuantity     RefusalCode = "quantity"
	RefusedNotDelivered RefusalCode = "not_delivered"
	RefusedReturning    RefusalCode = "already_returning"
	RefusedTaken        RefusalCode = "already_requested"
	RefusedWindow       RefusalCode = "window_closed"
	RefusedFinalSale    RefusalCode = "final_sale"
	RefusedPhotos       RefusalCode = "photos_needed"
	RefusedOutcome      RefusalCode = "outcome_not_offered"
	RefusedUnknownSKU   RefusalCode = "unknown_sku"
	RefusedUnderpaid    RefusalCode = "payment_missing"
	RefusedOverpaid     RefusalCode = "payment_too_much"
	RefusedUnpayable    RefusalCode = "payment_not_possible"
	RefusedPaymentUsed  RefusalCode = "payment_used"
	RefusedCurrency     RefusalCode = "wrong_currency"
	RefusedExchanged    RefusalCode = "exchanged_before"
)

// Refusal says why a return is not granted and, if a time has passed, which.
type Refusal struct {
	Code  RefusalCode
	Line  int
	Until time.Time // the end of the window, for RefusedWindow
	// Missing is what the payment for an exchange lacks, in minor units, for RefusedUnderpaid.
	Missing int64
	Text    string // for the customer
}

func (r *Refusal) Error() string { return r.Text }

// Grant is one RMA: what comes back to one supplier of one purchase order.
type Grant struct {
	PO    string
	Terms Terms
	Lines []Line
	// Keep: the customer keeps the goods and is refunded. Instant: the customer's part is due when the carrier has
	// the parcel.
	Keep, Instant bool
	// Credit: the supplier owes a credit once it has the goods; false: its terms cover none of them.
	Credit bool
	// Supplement is what the customer paid in addition for the exchange, in minor units.
	Supplement int64
	// Waived is what the goods wanted cost in addition and nobody pays.
	Waived int64
}

// Judge decides about a request, whole or not at all. prices are what the customer paid for one unit,
// by line, in minor units. The grants are in the order of their purchase orders; the same arguments
// give the same grants.
func Judge(r Request, p Policy, delivered []Delivered, prices map[int]int64, now time.Time) ([]Grant, *Refusal) {
	left := slices.Clone(delivered)
	slices.SortStableFunc(left, func(a, b Delivered) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.PO, b.PO), cmp.Compare(a.Line, b.Line))
	})
	var grants []Grant
	for i, wanted := range r.Lines {
		if slices.ContainsFunc(r.Lines[:i], func(l RequestedLine) bool { return l.Line == wanted.Line }) {
			return nil, &Refusal{Code: RefusedQuantity, Line: wanted.Line, Text: fmt.Sprintf("Name line %d once.", wanted.Line)}
		}
		if refusal := judgeLine(r, p, wanted, left, now); refusal != nil {
			return nil, refusal
		}
		if !p.offers(r.Resolution, wanted.Reason) {
			return nil, &Refusal{
				Code: RefusedOutcome, Line: wanted.Line,
				Text: fmt.Sprintf("For line %d the shop does not offer %s.", wanted.Line, strings.ReplaceAll(string(r.Resolution), "_", " ")),
			}
		}
		grants = allot(grants, wanted, left)
	}
	for i := range grants {
		grants[i].cover(left, now)
	}
	slices.SortStableFunc(grants, func(a, b Grant) int { return strings.Compare(a.PO, b.PO) })
	before := p.Before
	for i := range grants {
		before = grants[i].trust(r.Resolution, p, before, prices)
	}
	return grants, nil
}

// offers: the storefront gives this for goods that come back for a reason.
func (p *Policy) offers(wanted Resolution, reason Reason) bool {
	if wanted == Refund || wanted == "" {
		return len(p.Outcomes) == 0 || reason.Fault() || slices.Contains(p.Outcomes, Refund)
	}
	return slices.Contains(p.Outcomes, wanted)
}

func judgeLine(r Request, p Policy, wanted RequestedLine, delivered []Delivered, now time.Time) *Refusal {
	refuse := func(code RefusalCode, format string, args ...any) *Refusal {
		return &Refusal{Code: code, Line: wanted.Line, Text: fmt.Sprintf(format, args...)}
	}
	var known bool
	var free, taken, returning, underway int64
	var sku, category string
	var newest time.Time
	for i := range delivered {
		d := &delivered[i]
		if d.Line != wanted.Line {
			continue
		}
		known, sku, category = true, d.SKU, d.Category
		free, taken = free+d.Quantity-d.Taken, taken+d.Taken
		returning, underway = returning+d.Returning, underway+d.Underway
		if d.Quantity > d.Taken && d.At.After(newest) {
			newest = d.At
		}
	}
	switch {
	case wanted.Quantity <= 0:
		return refuse(RefusedQuantity, "Say how many units of line %d come back.", wanted.Line)
	case !known:
		return refuse(RefusedUnknownLine, "The order has no line %d that was sent.", wanted.Line)
	case wanted.Quantity <= free:
	case returning > 0 && wanted.Quantity <= free+returning:
		return refuse(RefusedReturning, "Line %d is on its way back already; it is refunded when it has arrived.", wanted.Line)
	case taken > 0 && wanted.Quantity <= free+taken:
		return refuse(RefusedTaken, "A return of line %d is under way already: %d of it can still come back.", wanted.Line, free)
	case underway > 0 && wanted.Quantity <= free+underway:
		return refuse(RefusedNotDelivered, "Line %d has not been delivered yet. Ask again when it has, or cancel it.", wanted.Line)
	default:
		return refuse(RefusedQuantity, "Only %d of line %d can come back.", free, wanted.Line)
	}
	if r.Override {
		return nil
	}
	rules, goods := p.rules(sku, category)
	fault := wanted.Reason.Fault()
	if !fault && rules.FinalSale {
		return refuse(RefusedFinalSale, "Line %d%s was sold without a right to return it.", wanted.Line, goods)
	}
	if fault && rules.PhotosForFault && r.Photos == 0 {
		return refuse(RefusedPhotos, "Send a picture that shows what is wrong with line %d.", wanted.Line)
	}
	if end := rules.windowEnd(fault, newest); now.After(end) {
		refusal := refuse(RefusedWindow, "Line %d%s could be returned until %s.", wanted.Line, goods, end.UTC().Format("2 January 2006"))
		refusal.Until = end.UTC()
		return refusal
	}
	return nil
}

// allot takes units from purchase orders, the latest delivery first: its windows are the widest.
func allot(grants []Grant, wanted RequestedLine, delivered []Delivered) []Grant {
	rest := wanted.Quantity
	for i := range slices.Backward(delivered) {
		d := &delivered[i]
		n := min(rest, d.Quantity-d.Taken)
		if d.Line != wanted.Line || n <= 0 {
			continue
		}
		d.Taken += n
		rest -= n
		at := slices.IndexFunc(grants, func(g Grant) bool { return g.PO == d.PO })
		if at < 0 {
			grants = append(grants, Grant{PO: d.PO, Terms: d.Terms})
			at = len(grants) - 1
		}
		grants[at].Lines = append(grants[at].Lines, Line{
			Line: d.Line, SKU: d.SKU, Category: d.Category, Quantity: n, Reason: wanted.Reason, UnitCost: d.UnitCost,
			CreditFee:   d.Terms.differs(grants[at].Terms),
			ExchangeSKU: wanted.ExchangeSKU, Want: wanted.Want.of(wanted.Quantity, wanted.Quantity-rest-n, n),
		})
	}
	return grants
}

// Number derives an RMA's number from its purchase order: the n-th return of its goods, from 1.
func Number(po string, n int) string { return fmt.Sprintf("%s-R%d", po, n) }

// WorkflowID is the id of the one workflow that decides for an RMA.
func WorkflowID(key order.Key, rma string) string { return "return/" + key.String() + "/" + rma }
