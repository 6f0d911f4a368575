package carrier

import (
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
)

// meaning is what a carrier's word says.
type meaning struct {
	milestone order.Milestone // empty: the word says nothing about where the parcel is
	physical  bool            // somebody had the parcel in hand
}

// words are the statuses of EasyPost and the tags of AfterShip, in lower case without separators.
// AfterShip's Expired means only that it heard nothing for a month: silence is judged by Watch.
var words = map[string]meaning{
	"unknown":            {},
	"pending":            {},
	"error":              {}, // the tracker's own trouble, not the parcel's
	"expired":            {},
	"pretransit":         {order.ParcelLabelled, false},
	"inforeceived":       {order.ParcelLabelled, false},
	"cancelled":          {order.ParcelException, false}, // the label was voided
	"intransit":          {order.ParcelInTransit, true},
	"outfordelivery":     {order.ParcelOutForDelivery, true},
	"availableforpickup": {order.ParcelAtPickupPoint, true},
	"delivered":          {order.ParcelDelivered, true},
	"returntosender":     {order.ParcelReturning, true},
	"failure":            {order.ParcelException, true},
	"attemptfail":        {order.ParcelException, true},
	"exception":          {order.ParcelException, true},
}

// qualifiers are EasyPost's status details that say more than the status they come with. They
// refine a parcel under way or in trouble; every other detail leaves the status as it is.
var qualifiers = map[string]meaning{
	"labelcreated":        {order.ParcelLabelled, false},
	"delayed":             {order.ParcelDelayed, true},
	"weatherdelay":        {order.ParcelDelayed, true},
	"lost":                {order.ParcelLost, true},
	"return":              {order.ParcelReturning, true},
	"addresscorrection":   {order.ParcelException, true},
	"awaitinginformation": {order.ParcelException, true},
	"damaged":             {order.ParcelException, true},
	"deliveryexception":   {order.ParcelException, true},
	"failure":             {order.ParcelException, true},
	"held":                {order.ParcelException, true},
	"refused":             {order.ParcelException, true},
	"transitexception":    {order.ParcelException, true},
}

// rank says how far a milestone takes a parcel, for scans of the same instant.
var rank = map[order.Milestone]int{
	order.ParcelLabelled:       1,
	order.ParcelInTransit:      2,
	order.ParcelDelayed:        3,
	order.ParcelException:      4,
	order.ParcelOutForDelivery: 5,
	order.ParcelAtPickupPoint:  6,
	order.ParcelLost:           7,
	order.ParcelDelivered:      8,
	order.ParcelReturning:      9,
}

// Normalise gives the milestone that a carrier's status stands for. known is false for a word
// never seen before; a known word may still stand for no milestone.
func Normalise(status string) (milestone order.Milestone, known bool) {
	m, known := lookUp(status)
	return m.milestone, known
}

func lookUp(status string) (meaning, bool) {
	word, qualifier, _ := strings.Cut(status, "/")
	m, known := words[strings.ToLower(alphanumeric(word))]
	if m.milestone == order.ParcelInTransit || m.milestone == order.ParcelException {
		if finer, found := qualifiers[strings.ToLower(alphanumeric(qualifier))]; found {
			return finer, known
		}
	}
	return m, known
}

// reading is what one scan is taken to say.
type reading struct {
	meaning
	at            time.Time
	unread        string // the status, when it was never seen before
	contradiction string
}

// Contradictions, in words that hold nothing of the carrier's text.
const (
	DeliveredThenReturned  = "delivered, then returned to the sender"
	DeliveredAfterReturn   = "a delivery after a return to the sender: the sender may have received it"
	MovedAfterDelivery     = "scanned under way after it was delivered"
	NumberReused           = "scanned long after it was delivered: the number may be another parcel's"
	TextSaysReturned       = "the text says returned to the sender, the code does not"
	TextSaysNotDelivered   = "the code says delivered, the text says that delivery failed"
	TextSaysDelivered      = "the text says delivered, the code does not"
	TextSaysLabelOnly      = "the code says under way, the text says that only a label exists"
	TextSaysMoving         = "the code says that only a label exists, the text says under way"
	QualifierSaysLabelOnly = "the code says under way, its detail says that only a label exists"
)

// read takes a scan at its code, except where text and code disagree about the two things that
// must never be claimed wrongly: that a parcel was delivered, and that it was handed over at all.
// There the reading that claims less stands.
func read(s Scan) reading {
	m, known := lookUp(s.Status)
	r := reading{meaning: m, at: s.At.UTC().Round(0)}
	if !known {
		r.unread = s.Status
		return r
	}
	text := strings.ToLower(s.Text)
	word, _ := Normalise(strings.SplitN(s.Status, "/", 2)[0])
	switch {
	case word == order.ParcelInTransit && m.milestone == order.ParcelLabelled:
		r.contradiction = QualifierSaysLabelOnly
	case m.milestone == order.ParcelDelivered && says(text, returned):
		r.meaning, r.contradiction = meaning{order.ParcelReturning, true}, TextSaysReturned
	case m.milestone == order.ParcelDelivered && says(text, notDelivered):
		r.meaning, r.contradiction = meaning{order.ParcelException, true}, TextSaysNotDelivered
	case m.milestone == order.ParcelInTransit && says(text, labelOnly):
		r.meaning, r.contradiction = meaning{order.ParcelLabelled, false}, TextSaysLabelOnly
	case m.milestone == order.ParcelLabelled && starts(text, moving):
		r.contradiction = TextSaysMoving
	case m.milestone == "" || m.milestone == order.ParcelDelivered || m.milestone == order.ParcelReturning:
	case m.physical && m.milestone != order.ParcelException && says(text, returned):
		r.contradiction = TextSaysReturned
	case (starts(text, delivered) || says(text, handedToCustomer)) && !says(text, notDelivered):
		r.contradiction = TextSaysDelivered
	}
	return r
}

// Phrases in carriers' English, lower case. A phrase that also occurs in harmless messages ("to be
// delivered") is not among them: a missed contradiction costs less than a false one every day.
var (
	returned = []string{
		"return to sender", "returned to sender", "returning to sender", "returned to shipper",
		"return to shipper", "returning to shipper", "delivered to sender", "delivered to shipper",
		"being returned",
	}
	notDelivered = []string{
		"not delivered", "undelivered", "undeliverable", "not be delivered", "unable to deliver",
		"delivery failed", "failed delivery", "delivery attempt", "attempted delivery",
	}
	labelOnly = []string{
		"label created", "label has been created", "created a label", "shipment information sent",
		"shipment information received", "shipping information received", "pre-shipment",
		"awaiting item", "awaiting package",
	}
	moving           = []string{"picked up", "arrived", "departed", "in transit", "out for delivery", "delivered"}
	delivered        = []string{"delivered,", "delivered.", "delivered -"}
	handedToCustomer = []string{"has been delivered", "was delivered", "successfully delivered"}
)

func says(text string, phrases []string) bool {
	for _, phrase := range phrases {
		if strings.Contains(text, phrase) {
			return true
		}
	}
	return false
}

// starts looks at the beginning only, where a carrier says what happened.
func starts(text string, phrases []string) bool {
	for _, phrase := range phrases {
		if strings.HasPrefix(text, phrase) || text == strings.Trim(phrase, ",.- ") {
			return true
		}
	}
	return false
}
