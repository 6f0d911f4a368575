package orderview

import (
	"fmt"
	"strings"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
)

// sentence says what a fact tells. Partners' free text stays out of it.
func sentence(f *order.Fact) string {
	switch {
	case f.Acknowledge != nil:
		return acknowledged(f.Acknowledge)
	case f.Ship != nil:
		return fmt.Sprintf("Supplier announces a parcel for %s: %s with %s, %s", f.Ship.PO, f.Ship.Tracking, f.Ship.Carrier, quantities(f.Ship.Lines))
	case f.Milestone != nil:
		return fmt.Sprintf("Parcel %s is %s", f.Milestone.Tracking, words(string(f.Milestone.Milestone)))
	case f.CancelReply != nil && f.CancelReply.Accepted:
		return "Supplier gives units of " + f.CancelReply.PO + " back"
	case f.CancelReply != nil:
		return "Supplier keeps " + f.CancelReply.PO
	case f.Payment != nil:
		return "The customer paid " + money.Money{Minor: f.Payment.Amount, Currency: f.Payment.Currency}.String()
	case f.Cancel != nil && len(f.Cancel.Lines) == 0:
		return "Cancellation of everything asked for by " + by(f.Cancel)
	case f.Cancel != nil:
		return fmt.Sprintf("Cancellation of %s asked for by %s", quantities(f.Cancel.Lines), by(f.Cancel))
	case f.RefundPaid != nil:
		return fmt.Sprintf("Refund %s need not wait: it was paid by %s", f.RefundPaid.Refund, f.RefundPaid.Reference)
	}
	return "A fact of an unknown kind"
}

func by(c *order.CancelRequest) string {
	if c.By == "" {
		return "the customer"
	}
	return c.By
}

func acknowledged(a *order.Acknowledgment) string {
	if a.Whole != "" {
		return fmt.Sprintf("Supplier answers %s: all %s", a.PO, words(string(a.Whole)))
	}
	parts := make([]string, len(a.Lines))
	for i, l := range a.Lines {
		parts[i] = fmt.Sprintf("%d of line %d %s", l.Quantity, l.Line, words(string(l.Status)))
	}
	return fmt.Sprintf("Supplier answers %s: %s", a.PO, strings.Join(parts, ", "))
}

func quantities(lines []order.ShippedLine) string {
	parts := make([]string, len(lines))
	for i, l := range lines {
		parts[i] = fmt.Sprintf("%d of line %d", l.Quantity, l.Line)
	}
	return strings.Join(parts, ", ")
}
