package payments

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dropline/dropline/internal/order"
)

// Card renders the payment for an operator as Markdown. It holds no personal data.
func (s *State) Card() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Payment of order %s: %s\n\n", s.Key, strings.ReplaceAll(string(s.Stage()), "_", " "))
	for i := range s.Attention {
		fmt.Fprintf(&b, "> **Needs attention** — %s (since %s)\n\n", s.Attention[i].Text, order.Clock(s.Attention[i].Since))
	}
	if waits := s.Waiting(); len(waits) > 0 {
		b.WriteString("### Waits for\n\n")
		for _, w := range waits {
			fmt.Fprintf(&b, "- %s\n", w)
		}
		b.WriteString("\n")
	}
	if s.Authorised > 0 {
		fmt.Fprintf(&b, "%s authorised, %s cancelled before the capture, %s captured, %s due.\n\n",
			s.amount(s.Authorised), s.amount(s.Released), s.amount(s.Capture.Amount), s.amount(s.Due()))
	}
	for i := range s.Refunds {
		r := &s.Refunds[i]
		fmt.Fprintf(&b, "- refund %s: %s, %s\n", r.Key, s.amount(r.Amount), strings.ReplaceAll(string(r.Standing), "_", " "))
	}
	for i := range s.Disputes {
		d := &s.Disputes[i]
		fmt.Fprintf(&b, "- chargeback %s: %s, %s\n", d.Reference, s.amount(d.Amount), d.Standing())
	}
	b.WriteString("\n### Story\n\n")
	for _, e := range s.Journal[max(0, len(s.Journal)-12):] {
		fmt.Fprintf(&b, "- %s — %s\n", e.At.Format("2 Jan 15:04:05"), e.Text)
	}
	return b.String()
}

// Standing is a chargeback in one word: open, answered, won or lost.
func (d *Dispute) Standing() string {
	switch {
	case d.Closed && d.Won:
		return "won"
	case d.Closed:
		return "lost"
	case d.Submitted:
		return "answered"
	}
	return "open"
}

// Waiting says in words what has to happen next, and until when.
func (s *State) Waiting() []string {
	var waits []string
	for _, k := range s.Busy {
		waits = append(waits, strings.ReplaceAll(k, "_", " ")+" is under way")
	}
	for _, d := range s.Deadlines() {
		waits = append(waits, d.Text+" (until "+order.Clock(d.At)+")")
	}
	if s.held() && s.Due() > 0 && s.AtShipment && !s.wantsCapture() && s.ExpiresAt.IsZero() {
		waits = append(waits, "the first parcel's first scan; the provider does not say when the authorisation ends")
	}
	return waits
}

// Check returns what must never be: more taken or let go than was held, a payment that is over and owes
// somebody.
func (s *State) Check() error {
	if s.Due() < 0 || s.Released < 0 || s.Released > s.Authorised {
		return fmt.Errorf("payment of order %s: %d authorised, %d released, %d captured, %d paid elsewhere, %d written off",
			s.Key, s.Authorised, s.Released, s.Capture.Amount, s.Capture.Elsewhere, s.Capture.WrittenOff)
	}
	if s.Closed && len(s.Busy) == 0 && !s.Missed && len(s.Steps()) == 0 && !s.finishable() {
		return fmt.Errorf("payment of order %s is closed and something is owed", s.Key)
	}
	seen := map[string]bool{}
	for i := range s.Refunds {
		if seen[s.Refunds[i].Key] {
			return fmt.Errorf("payment of order %s counts refund %s twice", s.Key, s.Refunds[i].Key)
		}
		seen[s.Refunds[i].Key] = true
	}
	return nil
}

// Clone copies the state deeply: what is recorded is frozen when the step begins.
func (s *State) Clone() State {
	text, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("payments: encode the payment of %s: %v", s.Key, err)) // plain data
	}
	var c State
	if err := json.Unmarshal(text, &c); err != nil {
		panic(fmt.Sprintf("payments: decode the payment of %s: %v", s.Key, err))
	}
	return c
}
