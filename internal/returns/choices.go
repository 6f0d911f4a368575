package returns

import (
	"slices"
	"time"
)

// Choice is what a customer may ask for about one line now, before saying why.
type Choice struct {
	Line int
	// Free is how many units may come back: delivered and in no other return.
	Free int64
	// Until is the end of the window for whatever reason, FaultUntil that for goods with which something is
	// wrong. Zero: they may not come back for it.
	Until, FaultUntil time.Time
	// Rules are those by which the free units are judged; none are free: the zero value.
	Rules Rules
	// Refused says why not, for any reason when Free is 0, else for reasons that are no fault; nil: they may.
	Refused *Refusal
}

// Choices says for each line what would be granted now, by the rules of Judge. A fault is taken to be shown
// on a picture.
func Choices(p Policy, delivered []Delivered, lines []int, now time.Time) []Choice {
	list := make([]Choice, 0, len(lines))
	for _, line := range lines {
		c := Choice{Line: line}
		var newest time.Time
		for i := range delivered {
			if d := &delivered[i]; d.Line == line && d.Quantity > d.Taken {
				c.Free += d.Quantity - d.Taken
				c.Rules, _ = p.rules(d.SKU, d.Category)
				newest = slices.MaxFunc([]time.Time{newest, d.At}, time.Time.Compare)
			}
		}
		asked := func(reason Reason) *Refusal {
			return judgeLine(Request{Photos: 1}, p, RequestedLine{Line: line, Quantity: max(c.Free, 1), Reason: reason}, delivered, now)
		}
		if c.Refused = asked(ChangedMind); c.Refused == nil {
			c.Until = c.Rules.windowEnd(false, newest)
		}
		switch {
		case asked(Defective) == nil:
			c.FaultUntil = c.Rules.windowEnd(true, newest)
		case c.Refused != nil:
			c.Free, c.Rules = 0, Rules{}
		}
		list = append(list, c)
	}
	return list
}
