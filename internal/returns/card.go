package returns

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dropline/dropline/internal/order"
)

// Card renders the return for an operator as Markdown. It holds no personal data.
func (s *State) Card() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## Return %s of order %s: %s\n\n", s.RMA, s.Key, strings.ReplaceAll(string(s.Stage()), "_", " "))
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
	b.WriteString("| line | goods | reason | came back | paid for |\n|---|---|---|---|---|\n")
	for i := range s.Lines {
		l := &s.Lines[i]
		fmt.Fprintf(&b, "| %d | %d × %s | %s | %s | %d |\n", l.Line, l.Quantity, l.SKU, strings.ReplaceAll(string(l.Reason), "_", " "), l.findings(), l.Settled)
	}
	s.outcome(&b)
	fmt.Fprintf(&b, "\n%s went back to the customer. %s owes %s: %s given, %s written off.\n\n", s.amount(s.PaidMinor),
		s.Terms.Name, s.owed(s.Claim.Expected), s.owed(s.Claim.Got), s.owed(s.Claim.WrittenOff))
	b.WriteString("### Story\n\n")
	for _, e := range s.Journal[max(0, len(s.Journal)-12):] {
		fmt.Fprintf(&b, "- %s — %s\n", e.At.Format("2 Jan 15:04:05"), e.Text)
	}
	return b.String()
}

// outcome says what the customer gets besides money.
func (s *State) outcome(b *strings.Builder) {
	switch {
	case s.Resolution == StoreCredit:
		fmt.Fprintf(b, "\nThe customer wants store credit: %s given.", s.amount(s.CreditedMinor))
	case s.Resolution == Exchange && s.Replacement != "":
		fmt.Fprintf(b, "\nExchanged by order %s: %s of the price was used for it, and %s paid in addition.",
			s.Replacement, s.amount(s.MovedMinor), s.amount(s.Supplement))
	case s.Resolution == Exchange:
		fmt.Fprintf(b, "\nThe customer wants other goods; %s was paid in addition.", s.amount(s.Supplement))
	}
	if s.Waived > 0 {
		fmt.Fprintf(b, " What they cost in addition, %s, is waived.", s.amount(s.Waived))
	}
}

// Waiting says in words what has to happen next, and until when.
func (s *State) Waiting() []string {
	var waits []string
	for _, k := range s.Busy {
		waits = append(waits, map[string]string{
			string(StepAuthorise): s.Terms.Name + " is being told of the return", string(StepPay): "the customer is being paid",
			string(StepRecord): "the return is being recorded", string(StepClose): "the return is being closed",
			string(StepCatchUp): "news that did not arrive are being fetched",
		}[k])
	}
	for _, d := range s.Deadlines() {
		waits = append(waits, d.Text+" (until "+order.Clock(d.At)+")")
	}
	if s.Authorised && handedIn(s.Parcel) && s.Parcel != order.ParcelDelivered && !s.Inspected {
		waits = append(waits, "the return parcel: "+strings.ReplaceAll(string(s.Parcel), "_", " ")+"; watched by the carrier poll")
	}
	return waits
}

func (l *Line) findings() string {
	var parts []string
	for _, c := range append(append([]Condition(nil), Conditions...), LostOnTheWay) {
		if n := l.Found[c]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, strings.ReplaceAll(string(c), "_", " ")))
		}
	}
	if len(parts) == 0 {
		return "nothing yet"
	}
	return strings.Join(parts, ", ")
}

// Check returns what must never be: more found, ruled or settled than was granted, a claim that gives
// more than it was, a return that is over and owes somebody.
func (s *State) Check() error {
	for i := range s.Lines {
		l := &s.Lines[i]
		if found := l.found(); found > l.Quantity || l.good()+l.ruled() > l.Quantity || l.Settled > l.Quantity {
			return fmt.Errorf("return %s line %d: %d granted, %d found, %d good, %d ruled, %d settled",
				s.RMA, l.Line, l.Quantity, found, l.good(), l.ruled(), l.Settled)
		}
	}
	if c := &s.Claim; c.Open() < 0 {
		return fmt.Errorf("return %s: %d expected of the supplier, %d given and %d written off", s.RMA, c.Expected, c.Got, c.WrittenOff)
	}
	if s.Closed && len(s.Busy) == 0 && s.Finished() && (s.Claim.Open() != 0 || s.owes()) {
		return fmt.Errorf("return %s is closed and something is owed", s.RMA)
	}
	return nil
}

// Clone copies the state deeply: what is recorded is frozen when the step begins.
func (s *State) Clone() State {
	text, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("returns: encode %s: %v", s.RMA, err)) // plain data
	}
	var c State
	if err := json.Unmarshal(text, &c); err != nil {
		panic(fmt.Sprintf("returns: decode %s: %v", s.RMA, err))
	}
	return c
}

// Released is the units of a line that the return ends without: they may be returned again. News that
// opens it once more, such as a credit memo, does not take them back.
func (s *State) Released(l *Line) int64 {
	if !s.Cancelled && !s.Expired || !s.Closed && s.waitsForOvertaken() {
		return 0
	}
	return l.Quantity - max(l.found(), l.Settled)
}
