package storefront

import (
	"net/mail"
	"strconv"
	"strings"
)

// Doubt is why a well-formed order is held for a person to review. Detail holds no personal data:
// it is shown in the Temporal UI and in logs.
type Doubt struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Codes of doubts.
const (
	DoubtPOBox         = "po_box"           // parcel carriers do not deliver there
	DoubtParcelLocker  = "parcel_locker"    // one carrier's locker: other carriers cannot deliver
	DoubtMilitary      = "military_address" // postal service only, customs form needed
	DoubtUndeliverable = "undeliverable"    // no parcel service to the country
	DoubtAddressShape  = "address_shape"
	DoubtEmailShape    = "email_shape"
	DoubtUnpaid        = "unpaid"
	DoubtRefunded      = "refunded"
	DoubtTotalMismatch = "total_mismatch"
	DoubtNoSKU         = "no_sku"
	DoubtTestOrder     = "test_order"
)

// Doubts lists what a person should look at before the order goes on. It expects an order without
// Problems.
func Doubts(o *Order) []Doubt {
	found := addressDoubts(o.ShipTo)
	found = append(found, moneyDoubts(o)...)
	for _, l := range o.Lines {
		if l.SKU == "" {
			found = append(found, Doubt{DoubtNoSKU, "line " + strconv.Itoa(l.Line) + " names no SKU, so no supplier can be found for it"})
		}
	}
	if o.Email != "" && !isEmail(o.Email) {
		found = append(found, Doubt{DoubtEmailShape, "the e-mail address cannot be written to"})
	}
	if o.Test {
		found = append(found, Doubt{DoubtTestOrder, "the storefront marked the order as a test"})
	}
	return found
}

// isEmail takes a bare address only: no display name, no list.
func isEmail(s string) bool {
	parsed, err := mail.ParseAddress(s)
	return err == nil && parsed.Address == s && strings.Contains(s[strings.LastIndexByte(s, '@')+1:], ".")
}

func moneyDoubts(o *Order) []Doubt {
	var found []Doubt
	switch p := o.Payment; {
	case p.Status == PaymentPaid && o.Paid() < o.Total:
		found = append(found, Doubt{DoubtUnpaid, "called paid, but less than the total was captured"})
	case p.Status == PaymentPaid || p.Status == PaymentAuthorized:
	case p.Status == PaymentPartiallyRefunded || p.Status == PaymentRefunded:
		found = append(found, Doubt{DoubtRefunded, "payment is " + string(p.Status)})
	default:
		found = append(found, Doubt{DoubtUnpaid, "payment is " + string(p.Status)})
	}
	if sum, err := o.Sum(); err != nil || sum != o.Total {
		found = append(found, Doubt{DoubtTotalMismatch, "lines, shipping and tax add up to " + strconv.FormatInt(sum, 10) +
			" minor units, the total says " + strconv.FormatInt(o.Total, 10)})
	}
	return found
}
