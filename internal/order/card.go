package order

import (
	"fmt"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/money"
)

// Card renders the order for an operator as Markdown: where it stands, whom it waits for, who must
// act. It holds no personal data.
func (s *State) Card() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Order %s: %s\n\n", s.Key, s.Stage())
	for i := range s.Attention {
		fmt.Fprintf(&b, "> **Needs attention** — %s (since %s)\n\n", s.Attention[i].Text, Clock(s.Attention[i].Since))
	}
	s.cardWaiting(&b)
	s.cardLines(&b)
	s.cardPurchaseOrders(&b)
	if s.Validated {
		fmt.Fprintf(&b, "%s captured from the customer, %s refunded.\n\n", s.amount(s.Money.Captured), s.amount(s.Money.Refunded))
	}
	s.cardCases(&b)
	if len(s.Journal) > 0 {
		b.WriteString("### Story\n\n")
		for _, e := range s.Journal[max(0, len(s.Journal)-12):] {
			fmt.Fprintf(&b, "- %s — %s\n", e.At.Format("2 Jan 15:04:05"), e.Text)
		}
	}
	return b.String()
}

func (s *State) amount(minor int64) string {
	return money.Money{Minor: minor, Currency: s.Currency}.String()
}

func (s *State) cardWaiting(b *strings.Builder) {
	waits := s.Waiting()
	if len(waits) == 0 {
		return
	}
	b.WriteString("### Waits for\n\n")
	for _, w := range waits {
		fmt.Fprintf(b, "- %s\n", w)
	}
	b.WriteString("\n")
}

// Waiting says in words what has to happen next, and until when.
func (s *State) Waiting() []string {
	waits := s.underWay()
	for _, d := range s.Deadlines() {
		text := d.Text
		if until := Clock(d.At); !strings.HasSuffix(text, until) {
			text += " (until " + until + ")"
		}
		waits = append(waits, text)
	}
	for i := range s.Cases {
		if c := &s.Cases[i]; c.Open() {
			waits = append(waits, fmt.Sprintf("case %s: %s", c.Key, c.next()))
		}
	}
	for i := range s.POs {
		for j := range s.POs[i].Parcels {
			if p := &s.POs[i].Parcels[j]; !p.final() && !p.ScannedAt.IsZero() {
				waits = append(waits, fmt.Sprintf("parcel %s: %s; watched by the carrier poll", p.Tracking, strings.ReplaceAll(string(p.Milestone), "_", " ")))
			}
		}
	}
	return waits
}

// underWay says what is being done with partners at this moment.
func (s *State) underWay() []string {
	var steps []string
	for i := range s.POs {
		po := &s.POs[i]
		if s.busy(StepDispatch, po.Number) {
			steps = append(steps, po.Number+" is being sent to "+po.Terms.Name)
		}
		if s.busy(StepLookUp, po.Number) {
			steps = append(steps, po.Terms.Name+" is being asked whether "+po.Number+" arrived")
		}
		for j := range po.Withdrawals {
			if w := &po.Withdrawals[j]; s.busy(StepWithdraw, w.Key) {
				steps = append(steps, po.Terms.Name+" is being asked to give back units of "+po.Number+": "+w.Reason)
			}
		}
	}
	if s.busy(StepRefund, "") {
		steps = append(steps, "the storefront is being told to refund")
	}
	return steps
}

func (s *State) cardLines(b *strings.Builder) {
	if len(s.Lines) == 0 {
		return
	}
	b.WriteString("| line | SKU | ordered | where the units are |\n|---|---|---|---|\n")
	for i := range s.Lines {
		l := &s.Lines[i]
		fmt.Fprintf(b, "| %d | %s | %d | %s |\n", l.Line, l.SKU, l.Ordered, s.Whereabouts(l.Line))
	}
	b.WriteString("\n")
}

// Whereabouts says where the units of a line are, in words.
func (s *State) Whereabouts(line int) string {
	l := s.line(line)
	var u Units
	for i := range s.POs {
		if pl := s.POs[i].line(line); pl != nil {
			live := pl.Units
			live.Cancelled, live.Rejected, live.Rerouted = 0, 0, 0
			u.add(&live)
		}
	}
	var parts []string
	if l.Unassigned > 0 {
		parts = append(parts, fmt.Sprintf("%d without a supplier", l.Unassigned))
	}
	u.Cancelled = l.Cancelled
	if u.Sum() > 0 {
		parts = append(parts, summary(&u))
	}
	return strings.Join(parts, ", ")
}

func (s *State) cardPurchaseOrders(b *strings.Builder) {
	if len(s.POs) == 0 {
		return
	}
	b.WriteString("| purchase order | supplier | status | units | acknowledge by | ship by |\n|---|---|---|---|---|---|\n")
	for i := range s.POs {
		p := &s.POs[i]
		t := p.totals()
		fmt.Fprintf(b, "| %s | %s | %s%s | %s | %s | %s |\n", p.Number, p.Terms.Name,
			strings.ReplaceAll(p.Status(), "_", " "), breachNote(p), summary(&t), clockOf(t.Pending, p.AckDueAt), clockOf(t.open(), p.ShipDueAt))
	}
	b.WriteString("\n")
}

func breachNote(p *PurchaseOrder) string {
	if len(p.Breached) == 0 {
		return ""
	}
	return " (SLA breached: " + strings.Join(p.Breached, ", ") + ")"
}

// clockOf shows a deadline as long as units wait for it.
func clockOf(waiting int64, due time.Time) string {
	if waiting == 0 || due.IsZero() {
		return ""
	}
	return Clock(due)
}

func (s *State) cardCases(b *strings.Builder) {
	for i := range s.Cases {
		c := &s.Cases[i]
		fmt.Fprintf(b, "- %s %s: parcel %s with %d of them, **%s**\n", strings.ReplaceAll(string(c.Kind), "_", " "),
			c.PO, c.Tracking, count(c.Lines), strings.ReplaceAll(string(c.Status), "_", " "))
	}
	if len(s.Cases) > 0 {
		b.WriteString("\n")
	}
}

// Suppliers lists whom the order has live units with, in the order of the purchase orders.
func (s *State) Suppliers() []string {
	var list []string
	for i := range s.POs {
		if s.POs[i].Live() == 0 {
			continue
		}
		seen := false
		for _, have := range list {
			seen = seen || have == s.POs[i].Supplier
		}
		if !seen {
			list = append(list, s.POs[i].Supplier)
		}
	}
	return list
}

// Breached is true when a supplier broke its SLA on this order.
func (s *State) Breached() bool {
	for i := range s.POs {
		if len(s.POs[i].Breached) > 0 {
			return true
		}
	}
	return false
}
