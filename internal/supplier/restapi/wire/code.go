package wire

import "strings"

// Codes of a Problem.
const (
	CodeMalformed     = "malformed"
	CodeUnauthorized  = "unauthorized"
	CodeNotFound      = "purchase_order_not_found"
	CodeConflict      = "number_in_use"
	CodeCancelled     = "cancelled"
	CodeRateLimited   = "rate_limited"
	CodeUnavailable   = "unavailable"
	CodeUnknownSKU    = "unknown_sku"
	CodeOutOfStock    = "out_of_stock"
	CodeUndeliverable = "undeliverable_address"
	CodeMethod        = "unknown_shipping_method"
	CodeTooLarge      = "order_too_large"
	CodeTerms         = "account_or_terms"
)

// ReasonOther stands for everything that the list of reasons does not have.
const ReasonOther = "other"

// known are the problem codes and the reasons that a supplier may give in an answer. Reasons go
// into facts, histories and screens, so a supplier's free text, which may name a customer or hold
// a line break, is reduced to this list; the document itself keeps the text.
var known = map[string]bool{
	CodeMalformed: true, CodeUnauthorized: true, CodeNotFound: true, CodeConflict: true,
	CodeCancelled: true, CodeRateLimited: true, CodeUnavailable: true, CodeUnknownSKU: true,
	CodeOutOfStock: true, CodeUndeliverable: true, CodeMethod: true, CodeTooLarge: true,
	CodeTerms: true, "discontinued": true, "price_changed": true, "credit_hold": true,
	"compliance_hold": true, "too_late": true, "already_shipped": true, "already_delivered": true,
	"not_shipped": true, "carrier_refused": true, "cancelled_by_buyer": true, ReasonOther: true,
}

// Reason reduces a supplier's reason to the list: "Out of stock" is out_of_stock, an unlisted text
// is other, and none stays none.
func Reason(text string) string {
	if text == "" {
		return ""
	}
	code := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(text)), " ", "_")
	if known[code] {
		return code
	}
	return ReasonOther
}
