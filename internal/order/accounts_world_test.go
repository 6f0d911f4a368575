package order_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
)

// The money of one order, in memory: what became of its goods comes from a life of the order's own rules,
// what comes back from those of returns, and every amount from the ledger's. Customer and suppliers keep
// purses of their own. What can happen to the money is declared in happenings, each at any time at which it
// can; what must be true at the end in truths. A new effect is an entry in each.

// happening is something that can happen to the money.
type happening struct {
	name string
	can  func(*accounts) bool
	do   func(*accounts)
}

// truth is what must hold when nothing can happen any more. It says what is wrong, if anything.
type truth struct {
	name  string
	wrong func(*accounts) string
}

const currency = "EUR"

// part is one payment to the customer.
type part struct {
	lines                                     []order.ShippedLine
	goods, tax, shipping, shippingTax, amount int64
	kept                                      int64 // fees
	returned                                  bool
}

// bill is what a supplier charges for a parcel, or for a shipment that we keep as our loss.
type bill struct {
	key, supplier    string
	accrued, asked   int64
	billed, disputed bool
	claim            *ledger.Claim
}

// accounts are the ledger and the purses.
type accounts struct {
	*order.Lived

	scale    int64 // what every amount that somebody chose is multiplied by
	lines    map[int]ledger.PricedLine
	shipping ledger.PricedShipping
	policy   ledger.ShippingPolicy

	posted   []ledger.Transaction
	keys     map[string]bool
	parts    []*part
	refunded int // of Lived.Refunds
	captured int64
	settled  bool
	bills    []*bill
	claims   []*ledger.Claim // for goods that a supplier owes us
	returns  []*comingBack
	taken    map[string]map[int]int64 // units in returns, by purchase order and line
	wishes   int

	customer  int64            // the customer's purse: less than nothing is what was paid
	suppliers map[string]int64 // the suppliers' purses
	missing   map[string]int64 // accrued by supplier, and never to be invoiced
	seen      map[string]int
}

// newAccounts draws the prices of an order, each of them times scale.
func newAccounts(l *order.Lived, scale int64) *accounts {
	a := emptyAccounts(l, scale)
	a.wishes = l.Pick(3)
	a.policy = []ledger.ShippingPolicy{ledger.ShippingIfNothingDelivered, ledger.ShippingInProportion}[l.Pick(2)]
	a.shipping = ledger.PricedShipping{Price: a.amount(900), Tax: a.amount(90)}
	for i := range l.State.Lines {
		line := &l.State.Lines[i]
		p := ledger.PricedLine{Quantity: line.Ordered, Goods: line.Ordered * (scale + a.amount(5000)), Tax: a.amount(700)}
		p.Discount = a.amount(int(min(p.Goods/scale, 500)))
		a.lines[line.Line] = p
	}
	a.open()
	return a
}

func emptyAccounts(l *order.Lived, scale int64) *accounts {
	return &accounts{
		Lived: l, scale: scale, lines: map[int]ledger.PricedLine{}, keys: map[string]bool{}, taken: map[string]map[int]int64{},
		suppliers: map[string]int64{}, missing: map[string]int64{}, seen: map[string]int{},
	}
}

// amount chooses an amount below so many times the scale.
func (a *accounts) amount(below int) int64 { return int64(a.Pick(below)) * a.scale }

// open takes the customer's money.
func (a *accounts) open() {
	a.captured = a.shipping.Price + a.shipping.Tax
	for _, p := range a.lines {
		a.captured += p.Total()
	}
	a.post(ledger.Captured("p-1", eur(a.captured)))
	a.customer = -a.captured
}

func eur(minor int64) money.Money { return money.Money{Minor: minor, Currency: currency} }

// broken is what must never be.
type broken string

func fail(format string, args ...any) { panic(broken(fmt.Sprintf(format, args...))) }

// post enters a transaction. The same twice is a defect of whoever does it.
func (a *accounts) post(t ledger.Transaction, err error) {
	if errors.Is(err, ledger.ErrNothingToPost) {
		return
	}
	if err == nil {
		err = t.Validate()
	}
	if err != nil {
		fail("%v", err)
	}
	if a.keys[t.Key] {
		fail("%s is posted twice", t.Key)
	}
	a.keys[t.Key] = true
	a.posted = append(a.posted, t)
}

func (a *accounts) balances() ledger.Balances {
	b, err := ledger.BalanceOf(a.posted)
	if err != nil {
		fail("%v", err)
	}
	return b
}

// price is what goes back for units, whatever was paid before: by units counted from a line's first, and
// shipping by the fates of all.
func (a *accounts) price(p *part) {
	before, came := map[int]int64{}, map[int]int64{}
	var shipping, shippingTax int64
	for _, e := range a.parts {
		shipping, shippingTax = shipping+e.shipping, shippingTax+e.shippingTax
		for _, l := range e.lines {
			before[l.Line] += l.Quantity
			if e.returned {
				came[l.Line] += l.Quantity
			}
		}
	}
	for _, l := range p.lines {
		goods, tax, err := ledger.LineRefund(a.lines[l.Line], before[l.Line], l.Quantity)
		if err != nil {
			fail("%v", err)
		}
		p.goods, p.tax = p.goods+goods, p.tax+tax
		before[l.Line] += l.Quantity
		if p.returned {
			came[l.Line] += l.Quantity
		}
	}
	var err error
	p.shipping, p.shippingTax, err = ledger.ShippingRefund(a.shipping, a.policy, a.fates(before, came), shipping, shippingTax)
	if err != nil {
		fail("%v", err)
	}
	p.amount = p.goods + p.tax + p.shipping + p.shippingTax
}

func (a *accounts) fates(gone, came map[int]int64) []ledger.LineFate {
	var fates []ledger.LineFate
	for i := range a.State.Lines {
		n := a.State.Lines[i].Line
		fates = append(fates, ledger.LineFate{Line: a.lines[n], Undelivered: gone[n] - came[n], Returned: came[n]})
	}
	return fates
}

// pay gives the customer a part under a key.
func (a *accounts) pay(key string, p *part, reason ledger.RefundReason) {
	if left := a.captured + a.customerGot(); p.amount > left {
		fail("%s pays %d, %d are left of what was captured", key, p.amount, left)
	}
	a.parts = append(a.parts, p)
	a.post(ledger.Refunded(key, eur(p.amount), reason))
	a.customer += p.amount
}

// customerGot is what has gone back so far, negative.
func (a *accounts) customerGot() int64 { return -(a.customer + a.captured) }

// settle earns what was delivered and owes suppliers what they shipped, as the order's end does.
func (a *accounts) settle() {
	gone := map[int]int64{}
	for _, lines := range a.Refunds {
		for _, l := range lines {
			gone[l.Line] += l.Quantity
		}
	}
	sale := ledger.Sale{Currency: currency}
	for i := range a.State.Lines {
		l := &a.State.Lines[i]
		goods, tax, err := ledger.LineEarned(a.lines[l.Line], 0, l.Ordered-gone[l.Line])
		if err != nil {
			fail("%v", err)
		}
		sale.Goods, sale.Tax = sale.Goods+goods, sale.Tax+tax
	}
	var err error
	if sale.Shipping, sale.ShippingTax, err = ledger.ShippingEarned(a.shipping, a.policy, a.fates(gone, nil)); err != nil {
		fail("%v", err)
	}
	a.post(ledger.Earned("order", sale))
	for i := range a.State.POs {
		a.owe(&a.State.POs[i])
	}
	for i := range a.State.Cases {
		c := &a.State.Cases[i]
		if cost := a.cost(a.State.PO(c.PO), c.Lines); c.Status == order.CaseAbsorbed && cost > 0 {
			supplier := a.State.PO(c.PO).Supplier
			a.post(ledger.DuplicateShipmentAbsorbed(c.PO, c.Key, supplier, eur(cost)))
			a.seen["absorbed"]++
			if !a.handed(c) { // a person gave it up for lost before it left, and it never did
				a.missing[supplier] += cost
				a.seen["absorbed, and never shipped"]++
				continue
			}
			a.bills = append(a.bills, &bill{key: "case-" + c.Key, supplier: supplier, accrued: cost})
		}
	}
	a.settled = true
}

// owe accrues a purchase order's parcels and claims back what did not arrive.
func (a *accounts) owe(po *order.PurchaseOrder) {
	for i := range po.Parcels {
		p := &po.Parcels[i]
		cost := a.cost(po, p.Lines)
		if cost == 0 || p.ScannedAt.IsZero() {
			continue
		}
		shipment := fmt.Sprintf("%s-%d", p.Tracking, i)
		a.post(ledger.SupplierAccrued(po.Number, shipment, po.Supplier, eur(cost)))
		a.bills = append(a.bills, &bill{key: po.Number + "/" + shipment, supplier: po.Supplier, accrued: cost})
		switch p.Milestone {
		case order.ParcelLost:
			a.claim(po.Number+"/"+shipment, po.Supplier, ledger.ClaimLostParcel, cost)
		case order.ParcelReturning:
			a.claim(po.Number+"/"+shipment, po.Supplier, ledger.ClaimReturnCredit, cost)
		}
	}
}

func (a *accounts) claim(key, supplier string, kind ledger.ClaimKind, minor int64) *ledger.Claim {
	c := &ledger.Claim{
		Key: key, Kind: kind, Account: ledger.SupplierClaims(supplier), Currency: currency, Minor: minor, Owner: "purchasing", Due: a.Now.Add(time.Hour),
	}
	a.post(ledger.ClaimOpened(*c))
	a.claims = append(a.claims, c)
	a.seen["claim "+string(kind)]++
	return c
}

func (a *accounts) cost(po *order.PurchaseOrder, lines []order.ShippedLine) (minor int64) {
	for _, l := range lines {
		for i := range po.Lines {
			if po.Lines[i].Line == l.Line {
				minor += l.Quantity * a.unitCost(po, l.Line)
			}
		}
	}
	return minor
}

// unitCost is a price of the suppliers, which the order's rules do not need.
func (a *accounts) unitCost(po *order.PurchaseOrder, line int) int64 {
	return int64(int(po.Supplier[len(po.Supplier)-1])*7+line*131) % 997 * a.scale
}

// asksBack lets the customer ask for goods, by the rules of returns.
func (a *accounts) asksBack() {
	a.wishes--
	r := returns.Request{ID: fmt.Sprint("r", a.wishes), Resolution: returns.Refund, By: "customer"}
	for i := range a.State.Lines {
		l := &a.State.Lines[i]
		most := l.Ordered
		if a.Pick(8) > 0 {
			most -= l.Refunded
		}
		if most > 0 && a.Pick(3) > 0 {
			r.Lines = append(r.Lines, returns.RequestedLine{
				Line: l.Line, Quantity: 1 + int64(a.Pick(int(most))), Reason: returns.Reasons[a.Pick(len(returns.Reasons))],
			})
		}
	}
	p := returns.Policy{
		WindowDays: 30, SendWithin: 14 * 24 * time.Hour, InspectWithin: 3 * 24 * time.Hour, RestockingBP: int64(a.Pick(2) * 1000),
		OpenedBP: int64(a.Pick(2) * 2000), InstantUpTo: a.amount(2) * 2000, KeepUpTo: a.amount(2) * 1500, ReturnShipping: 490 * a.scale,
		CustomerPaysShipping: a.Pick(3) == 0,
	}
	prices := map[int]int64{}
	for n, l := range a.lines {
		prices[n] = l.Total() / l.Quantity
	}
	grants, refusal := returns.Judge(r, p, a.delivered(), prices, a.Now)
	if refusal != nil {
		a.seen["return refused"]++
		return
	}
	for _, g := range grants {
		for _, l := range g.Lines {
			if a.taken[g.PO] == nil {
				a.taken[g.PO] = map[int]int64{}
			}
			a.taken[g.PO][l.Line] += l.Quantity
		}
		var value int64
		for _, l := range g.Lines {
			value += prices[l.Line] * l.Quantity
		}
		s := returns.New(a.State.Key, returns.Number(g.PO, len(a.returns)+1), currency, g, p, r, value, a.Now)
		a.returns = append(a.returns, &comingBack{accounts: a, s: s, silent: a.Pick(4) == 0})
		a.seen["return granted"]++
	}
}

func (a *accounts) delivered() []returns.Delivered {
	var list []returns.Delivered
	for i := range a.State.POs {
		po := &a.State.POs[i]
		for j := range po.Lines {
			l := &po.Lines[j]
			list = append(list, returns.Delivered{
				PO: po.Number, Line: l.Line, SKU: l.SKU, Quantity: l.Units.Delivered, Taken: a.taken[po.Number][l.Line], At: a.Now.Add(-time.Hour),
				UnitCost: a.unitCost(po, l.Line),
				Terms: returns.Terms{
					Supplier: po.Supplier, Name: po.Supplier, WindowDays: 30 * a.Pick(2), RestockingBP: 500, CreditWithin: 14 * 24 * time.Hour,
				},
			})
		}
	}
	return list
}
