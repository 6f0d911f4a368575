package simulation

import (
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
)

// endedReturn is a return as the database holds it when all is done.
type endedReturn struct {
	State    returns.State
	Closed   bool
	Refunded int64 // by our own list of refunds
	Unpaid   int64 // by the same list: what the customer had never paid, and was not given
	Memos    int64 // by our own list of credit memos
	Facts    []string
}

func (l *life) readReturns() []endedReturn {
	rows, err := l.world.admin.Query(l.ctx, `
		SELECT r.state, r.closed_at IS NOT NULL, coalesce((SELECT sum(amount_minor + through_minor) FROM refunds f WHERE f.rma = r.rma AND f.state = 'done'), 0)::bigint,
			coalesce((SELECT sum(released_minor + forgiven_minor) FROM refunds f WHERE f.rma = r.rma), 0)::bigint,
			coalesce((SELECT sum(minor) FROM credit_memos m WHERE m.rma = r.rma), 0)::bigint,
			ARRAY(SELECT kind FROM return_facts f WHERE f.rma = r.rma ORDER BY seq)
		FROM returns r WHERE r.order_key = $1 ORDER BY r.rma`, l.key.String())
	if err == nil {
		var list []endedReturn
		if list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[endedReturn]); err == nil {
			return list
		}
	}
	l.fail("read how the returns ended: %v", err)
	return nil
}

// checkReturns: each return came to its end, paid for what came back and no more, and was credited what
// the supplier says that it has credited. It returns what returns have paid.
func (l *life) checkReturns(s *order.State) int64 {
	var paid int64
	settled := map[int]int64{} // units by line
	for _, e := range l.readReturns() {
		l.checkReturn(&e)
		paid += e.State.PaidMinor
		for i := range e.State.Lines {
			settled[e.State.Lines[i].Line] += e.State.Lines[i].Settled
		}
		for _, kind := range e.Facts {
			l.seen["return fact "+kind]++
		}
	}
	for i := range s.Lines {
		line := &s.Lines[i]
		if most := line.Ordered - line.Refunded; settled[line.Line] > most {
			l.fail("line %d: returns have paid for %d units, %d were there to be sent back", line.Line, settled[line.Line], most)
		}
	}
	return paid
}

func (l *life) checkReturn(e *endedReturn) {
	s, c := &e.State, l.comeback(e.State.RMA)
	l.happened("return stage " + string(s.Stage()))
	switch err := s.Check(); {
	case err != nil:
		l.fail("%v", err)
	case !e.Closed || !s.Closed:
		l.fail("all is over, and return %s is not: %s", s.RMA, s.Card())
	case s.PaidMinor != e.Refunded:
		l.fail("return %s counts %d paid, %d were refunded", s.RMA, s.PaidMinor, e.Refunded)
	case e.Memos != c.given():
		l.fail("%s has credited %d for %s, we have memos of %d", c.book.party.id, c.given(), s.RMA, e.Memos)
	case s.Claim.Open() != 0 || s.Claim.Got > c.given():
		l.fail("return %s: %d expected, %d counted, %d written off; %s gave %d",
			s.RMA, s.Claim.Expected, s.Claim.Got, s.Claim.WrittenOff, c.book.party.id, c.given())
	}
	for _, a := range s.Attention {
		if a.Key != "cancelled-and-sent" {
			l.fail("return %s is closed, and a person is still called: %s: %s", s.RMA, a.Key, a.Text)
		}
	}
	if theirs := l.paidUnder("return/" + s.RMA + "/"); l.till == nil && theirs != s.PaidMinor {
		l.fail("return %s has paid %d, the storefront %d", s.RMA, s.PaidMinor, theirs)
	}
	if theirs, _ := l.creditedUnder("return/" + s.RMA + "/"); theirs != s.CreditedMinor {
		l.fail("return %s has credited %d, the storefront %d", s.RMA, s.CreditedMinor, theirs)
	}
	lost := c.box != nil && c.box.scanned("in_transit")
	// What was granted without the goods may have been answered to nobody: the answer was lost, a mail told of it.
	if given := s.PaidMinor + s.CreditedMinor + c.swapped() - s.Supplement; !s.Keep && !c.seen && !c.excused && !lost && given > 0 {
		l.fail("return %s: nobody has seen the goods, and %d were given for them", s.RMA, given)
	}
	l.checkShare(s, c, e.Unpaid)
	l.checkExchange(s, c)
	if l.world.market.wide {
		l.checkCategories(s, c)
	}
}

// given is what the supplier says that it has credited.
func (c *comeback) given() (sum int64) {
	for _, amount := range c.memos {
		sum += amount
	}
	return sum
}

// paidUnder is what the storefront, or somebody in its place, has paid under keys that begin so.
func (l *life) paidUnder(prefix string) (sum int64) {
	for key, e := range l.entries {
		if strings.HasPrefix(key, prefix) {
			sum += e.amount
		}
	}
	for refund, t := range l.wired {
		if strings.HasPrefix(refund, prefix) && t.noted {
			sum += t.amount
		}
	}
	return sum
}

// checkShare: units that came back with something wrong, or were exchanged, are paid in full, to a cent a payment, as far as
// the order was; the others no more than that.
func (l *life) checkShare(s *returns.State, c *comeback, unpaid int64) {
	var price int64
	// What is paid after the goods are back goes back with no return.
	whole := l.basket.captured == l.basket.total && l.later.times == 0
	for i := range s.Lines {
		r := &s.Lines[i]
		sold := &l.basket.lines[r.Line-1]
		price += sold.sum * r.Settled / sold.quantity
		whole = whole && (r.Reason.Fault() || c.by != nil && s.Paid == 1) && len(r.Ruled) == 0
	}
	slack := int64(len(s.Lines)+s.Paid) + c.rounded()
	credit, bonus := l.creditedUnder("return/" + s.RMA + "/")
	paid := s.PaidMinor + credit - bonus + c.swapped() - s.Supplement
	if most := price + slack + l.basket.shipping; paid > most {
		l.fail("return %s has paid %d for goods that were sold for %d", s.RMA, paid, price)
	}
	if whole && paid+unpaid < price-slack {
		l.fail("return %s has paid %d for goods that were sold for %d, without fault of the customer", s.RMA, paid, price)
	}
	if whole && price > 0 {
		l.happened("return paid in full")
	}
}
