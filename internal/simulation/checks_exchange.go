package simulation

import (
	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/returns"
)

// swapped is what the goods cost that replaced those of a return.
func (c *comeback) swapped() int64 {
	if c.by == nil {
		return 0
	}
	return c.by.basket.total
}

// rounded is how many minor units the price of a replacement may be off: one for each of its units.
func (c *comeback) rounded() (units int64) {
	if c.by != nil {
		for i := range c.by.basket.lines {
			units += c.by.basket.lines[i].quantity
		}
	}
	return units
}

// checkExtras: what the customer paid in addition was taken in once, or not at all where the request was refused.
// From here on it is known which.
func (l *life) checkExtras() {
	if !l.exchanges() {
		return
	}
	type entered struct {
		Reference string
		Minor     int64
	}
	rows, err := l.world.admin.Query(l.ctx, `SELECT reference, minor FROM exchange_payments WHERE order_key = ANY ($1)`, l.keys())
	var list []entered
	if err == nil {
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[entered])
	}
	if err != nil {
		l.fail("read what was paid in addition: %v", err)
	}
	known := map[string]bool{}
	for _, in := range list {
		x := l.extras[in.Reference]
		if x == nil || x.back || x.minor != in.Minor {
			l.fail("payment %s of %d was taken in, and was not made so: %+v", in.Reference, in.Minor, x)
		}
		known[in.Reference] = true
	}
	for reference, x := range l.extras {
		if x.taken && !known[reference] {
			l.fail("payment %s was taken, and is entered nowhere", reference)
		}
		if x.back = !known[reference]; !x.back && !x.taken {
			l.happened("paid in addition, and not answered")
		}
	}
}

// checkExchange: a return whose goods are to be exchanged came to one of its right ends: one order that replaces what
// came back and nothing else; or money, and what was paid in addition goes back.
func (l *life) checkExchange(s *returns.State, c *comeback) {
	var settled int64
	for i := range s.Lines {
		settled += s.Lines[i].Settled
	}
	replaced := ""
	if c.by != nil {
		replaced = c.by.key.String()
	}
	switch {
	case s.Replacement != replaced:
		l.fail("return %s is exchanged by order %q, and says by %q", s.RMA, replaced, s.Replacement)
	case s.Resolution != returns.Exchange && (replaced != "" || s.Supplement+s.Waived > 0):
		l.fail("return %s is to be paid for in money, and is exchanged by %q", s.RMA, replaced)
	case s.Resolution != returns.Exchange:
	case c.rounded() > settled:
		l.fail("return %s: %d units are settled, %d replace them", s.RMA, settled, c.rounded())
	case c.by == nil && s.PaidMinor < s.Supplement:
		l.fail("return %s is not exchanged: %d was paid in addition, %d went back", s.RMA, s.Supplement, s.PaidMinor)
	case c.by == nil && settled == 0 && s.PaidMinor != s.Supplement:
		l.fail("nothing of return %s came back, %d was paid in addition, %d went back", s.RMA, s.Supplement, s.PaidMinor)
	default:
		l.tallyExchange(s, c, settled)
	}
}

func (l *life) tallyExchange(s *returns.State, c *comeback, settled int64) {
	switch {
	case c.by != nil && s.Supplement > 0:
		l.happened("exchange for dearer goods")
	case c.by != nil && s.Waived > 0:
		l.happened("exchange for dearer goods, waived")
	case c.by != nil && s.PaidMinor > 0:
		l.happened("exchange with a rest in money")
	case c.by != nil:
		l.happened("exchange for as much")
	case settled == 0 && s.Supplement > 0:
		l.happened("exchange given up, what was paid in addition returned")
	case settled == 0:
		l.happened("exchange given up")
	default:
		l.happened("exchange paid for in money")
	}
	if c.by != nil && s.Keep {
		l.happened("replacement of goods that are kept")
	}
}

// checkReplacement: an order that replaces goods was never paid for by itself; what is refunded of it goes back by the
// first one's payment, all of it when nothing came.
func (l *life) checkReplacement(e *ended) {
	if e.clearing != 0 || e.refundMinor != 0 || e.others != 0 {
		l.fail("%s was paid by what came back, and has %d at the processor and %d refunded by itself", l.key, e.clearing, e.refundMinor)
	}
	var ordered, gone int64
	for i := range e.state.Lines {
		ordered, gone = ordered+e.state.Lines[i].Ordered, gone+e.state.Lines[i].Refunded
	}
	if e.through > l.basket.total || gone == ordered && e.through != l.basket.total {
		l.fail("%s cost %d, %d of its %d units are gone, and %d went back", l.key, l.basket.total, gone, ordered, e.through)
	}
	switch gone {
	case 0:
		l.happened("exchange order came whole")
	case ordered:
		l.happened("exchange order came to nothing")
	default:
		l.happened("exchange order came in part")
	}
	var others int64
	err := l.world.admin.QueryRow(l.ctx, `SELECT coalesce(sum(amount_minor), 0)::bigint FROM refunds WHERE order_key = $1
		AND key IN (SELECT 'through/' || key FROM refunds WHERE order_key = $2)`, l.first().key.String(), l.key.String()).Scan(&others)
	if err != nil || others != e.through {
		l.fail("%d of %s went back, %d by the payment of %s: %v", e.through, l.key, others, l.first().key, err)
	}
}
