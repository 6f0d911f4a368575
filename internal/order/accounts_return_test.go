package order_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
)

// comingBack is one return with what was posted for it.
type comingBack struct {
	*accounts

	s                              returns.State
	seq                            int64
	silent                         bool // the customer never sends it
	calm                           int  // turns after which everybody does what they should
	expected, credited, writtenOff int64
	given                          int64 // credit, by the supplier's own books
}

func (c *comingBack) over() bool { return c.s.Finished() && c.calm > 30 }

// turn lets one thing happen to the return, and carries out what follows.
func (c *comingBack) turn() {
	c.calm++
	if c.calm > 1 { // first it has to be announced
		if c.calm > 8+c.Pick(20) {
			c.finishes()
		} else {
			c.acts()
		}
	}
	for range 40 {
		c.s.Tick(c.Now)
		steps := c.s.Steps()
		for _, k := range steps {
			c.s.Begin(k)
			c.perform(k)
			c.s.Resumed(k)
		}
		if err := c.s.Check(); err != nil {
			fail("%v", err)
		}
		if len(steps) == 0 {
			return
		}
	}
	fail("steps of return %s never end", c.s.RMA)
}

func (c *comingBack) apply(f returns.Fact) {
	c.seq++
	f.Seq = c.seq
	for range 1 + c.Pick(5)/4 { // now and then twice
		c.s.Apply(f, c.Now)
	}
}

func (c *comingBack) parcel(m order.Milestone) {
	c.apply(returns.Fact{Parcel: &order.ParcelNews{Carrier: "hare", Tracking: "R1", At: c.Now, Milestone: m}})
}

func (c *comingBack) acts() {
	if c.silent {
		c.Now = c.Now.Add(time.Duration(c.Pick(100)) * time.Hour)
		return
	}
	switch c.Pick(8) {
	case 0:
		c.parcel([]order.Milestone{order.ParcelInTransit, order.ParcelDelivered, order.ParcelLost}[c.Pick(3)])
	case 1, 2:
		c.inspects(c.Pick(2) == 0)
	case 3:
		c.memo(c.scale + c.amount(2000))
	case 4:
		c.Now = c.Now.Add(time.Duration(c.Pick(100)) * time.Hour)
	case 5:
		c.apply(returns.Fact{Answer: &returns.SupplierAnswer{Document: "a", At: c.Now, Kind: []returns.SupplierAnswerKind{
			returns.SupplierAccepted, returns.SupplierRefused,
		}[c.Pick(2)]}})
	case 6:
		if r := (returns.CancelRequest{ID: fmt.Sprint("c", c.calm), By: "customer"}); c.Pick(3) == 0 && c.s.CanCancel(r) == nil {
			c.s.Cancel(r, c.Now)
		}
	case 7:
		c.decides(returns.Decision{Line: 1 + c.Pick(3), ShareBP: int64(c.Pick(3) * 5000)})
	}
}

func (c *comingBack) inspects(final bool) {
	in := &returns.Inspection{Document: fmt.Sprint("i", c.seq), At: c.Now, Final: final}
	for i := range c.s.Lines {
		l := &c.s.Lines[i]
		in.Lines = append(in.Lines, returns.InspectedLine{
			Line: l.Line, Quantity: 1 + int64(c.Pick(int(l.Quantity))), Condition: returns.Conditions[c.Pick(len(returns.Conditions))],
		})
	}
	c.apply(returns.Fact{Inspection: in})
}

func (c *comingBack) memo(amount int64) {
	c.given += amount
	c.apply(returns.Fact{Memo: &returns.CreditMemo{Document: "m", Number: fmt.Sprint("CM-", c.seq), At: c.Now, Amount: amount}})
}

func (c *comingBack) decides(d returns.Decision) {
	d.ID, d.By = fmt.Sprint("d", c.calm, d.Line, d.Noted), "support"
	if c.s.CanDecide(d) == nil {
		c.s.Decide(d, c.Now)
	}
}

// finishes does what the return waits for.
func (c *comingBack) finishes() {
	s := &c.s
	for _, a := range s.Attention {
		c.decides(returns.Decision{Noted: a.Key})
	}
	for i := range s.Lines {
		c.decides(returns.Decision{Line: s.Lines[i].Line, ShareBP: int64(c.Pick(3) * 5000)})
	}
	c.decides(returns.Decision{ShareBP: 10_000})
	switch next := s.Deadlines(); {
	case s.Claim.Open() > 0 && c.Pick(2) == 0:
		c.memo(s.Claim.Open())
	case s.Claim.Open() > 0:
		c.decides(returns.Decision{WriteOff: true, Reason: "too_small"})
	case len(next) > 0 && s.Parcel == "":
		c.Now = next[0].At.Add(time.Second)
	case !s.Inspected && s.Parcel != "" && s.Parcel != order.ParcelLost:
		c.inspects(true)
	}
}

func (c *comingBack) perform(k returns.StepKind) {
	switch k {
	case returns.StepAuthorise:
		c.s.AuthorisedWith(&returns.Label{Carrier: "hare", Tracking: "R1"}, nil, c.Now)
	case returns.StepPay:
		c.s.PaidWith(returns.Payment{Money: c.pays(*c.s.Paying), Text: "Refunded"}, c.Now)
	case returns.StepRecord, returns.StepClose:
		c.follow()
		c.s.Recorded(k, len(c.s.Notices))
	case returns.StepCatchUp:
		c.s.CaughtUp(nil, c.Now)
	}
}

// pays gives back what a payout says: each of its parts by its own price, less what is kept of it.
func (c *comingBack) pays(payout returns.Payout) int64 {
	key := fmt.Sprintf("return/%s/%d", c.s.RMA, c.s.Paid+1)
	whole := &part{returned: true}
	known := c.parts
	for _, p := range payout.Parts {
		one := &part{returned: true, lines: []order.ShippedLine{{Line: p.Line, Quantity: p.Quantity}}}
		c.price(one)
		whole.kept += money.Portion(one.goods+one.tax, 10_000, 0, p.KeptBP)
		c.parts = append(slices.Clip(c.parts), one)
		whole.goods, whole.tax = whole.goods+one.goods, whole.tax+one.tax
		whole.shipping, whole.shippingTax = whole.shipping+one.shipping, whole.shippingTax+one.shippingTax
		whole.lines = append(whole.lines, one.lines...)
	}
	c.parts = known
	due := whole.goods + whole.tax + whole.shipping + whole.shippingTax
	whole.kept += min(payout.Fee, due-whole.kept)
	whole.amount = due - whole.kept
	c.post(ledger.Unearned(key, ledger.Sale{Currency: currency, Goods: whole.goods, Tax: whole.tax, Shipping: whole.shipping, ShippingTax: whole.shippingTax}))
	c.post(ledger.FeeKept(key, ledger.FeeRestocking, eur(whole.kept)))
	c.pay(key, whole, ledger.RefundReturned)
	c.seen["return paid"]++
	return whole.amount
}

// follow posts what the return's claim has come to since it was posted last.
func (c *comingBack) follow() {
	now := &c.s.Claim
	if more := now.Expected - c.expected; more > 0 {
		c.claim(fmt.Sprintf("return/%s/%d", c.s.RMA, now.Expected), c.s.Terms.Supplier, ledger.ClaimDamage, more)
		c.claims = c.claims[:len(c.claims)-1] // it ends by the return's own rules
	}
	whole := ledger.Claim{
		Key: "return/" + c.s.RMA, Kind: ledger.ClaimDamage, Account: ledger.SupplierClaims(c.s.Terms.Supplier), Currency: currency,
		Minor: now.Expected, Owner: "purchasing", Due: c.Now.Add(time.Hour),
	}
	if more := now.Got - c.credited; more > 0 {
		t, _, err := ledger.ClaimClosed(fmt.Sprintf("got-%d", now.Got), whole, ledger.ClaimCredited, more)
		c.post(t, err)
	}
	if more := now.WrittenOff - c.writtenOff; more > 0 {
		t, _, err := ledger.ClaimClosed(fmt.Sprintf("off-%d", now.WrittenOff), whole, ledger.ClaimWrittenOff, more)
		c.post(t, err)
	}
	if now.Expected < c.expected || now.Got < c.credited || now.WrittenOff < c.writtenOff {
		fail("the claim of return %s has shrunk", c.s.RMA)
	}
	c.expected, c.credited, c.writtenOff = now.Expected, now.Got, now.WrittenOff
}
