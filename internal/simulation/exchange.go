package simulation

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/workflows"
)

// extra is what the customer paid in the shop in addition for dearer goods, in minor units.
type extra struct {
	request string // that it was first handed over with
	minor   int64
	taken   bool // the gateway has said so
	back    bool // it was refused, and the storefront gave it back
}

// wantsInstead turns a return into an exchange, mostly: of what comes back, for the same once more or for
// other goods, which are cheaper, as dear or dearer.
func (l *life) wantsInstead(body map[string]any) {
	if !l.exchanges() || !l.chance(80) || l.rma != "" && l.chance(70) { // an exchange is exchanged no more
		return
	}
	body["resolution"], body["currency"] = "exchange", l.world.currency
	for _, wish := range body["lines"].([]map[string]any) { //nolint:forcetypeassert // ours
		line, quantity := wish["line"].(int), wish["quantity"].(int64) //nolint:forcetypeassert // ours
		if line > len(l.basket.lines) || l.chance(30) {
			continue
		}
		sold, scale := &l.basket.lines[line-1], l.world.scale
		price := sold.price / scale * oneOf(l, []int64{40, 90, 100, 105, 125, 140}) / 100 * scale
		sku := oneOf(l, []string{"ANVIL", "BELL", "CLOCK", "DRUM"})
		if l.chance(3) {
			sku = "GHOST"
		}
		tax := price / scale * quantity * int64(l.pick(3)) / 33 * scale
		wish["exchange"] = map[string]any{"sku": sku, "title": "A " + strings.ToLower(sku), "unit_price": l.amount(price), "tax": l.amount(tax)}
	}
}

// remembers what was asked for under a request's id, and what was paid with it: of a request whose answer is lost
// nobody knows whether it counts.
func (l *life) remembers(body map[string]any) {
	if body["resolution"] != "exchange" {
		return
	}
	id := body["request_id"].(string) //nolint:forcetypeassert // ours
	l.swaps[l.key.String()+"/"+id] = append(l.swaps[l.key.String()+"/"+id], maps.Clone(body))
	reference, minor := l.paymentOf(body)
	if reference != "" && l.extras[reference] == nil {
		l.extras[reference] = &extra{request: id, minor: minor}
		l.happened("paid in addition")
	}
}

// paymentOf is what is paid in addition by a request; empty: nothing.
func (l *life) paymentOf(body map[string]any) (reference string, minor int64) {
	payment, paid := body["payment"].(map[string]any)
	if !paid {
		return "", 0
	}
	return payment["reference"].(string), l.minor(payment["captured"]) //nolint:forcetypeassert // ours
}

func (l *life) minor(text any) int64 {
	amount, err := money.Parse(text.(string), l.world.currency) //nolint:forcetypeassert // ours
	if err != nil {
		l.fail("an amount of %q: %v", text, err)
	}
	return amount.Minor
}

// isDearer notes what is missing for a return that was refused for it.
func (l *life) isDearer(p *purchase, body map[string]any, missing string) {
	if missing == "" {
		return
	}
	_, paid := l.paymentOf(body)
	p.dearer = maps.Clone(body)
	delete(p.dearer, "override") // the shop asks, and may not
	p.dearer["payment"] = map[string]any{
		"reference": fmt.Sprintf("pay-%d-%d", l.number, len(l.extras)+1), "captured": l.amount(paid + l.minor(missing)),
	}
}

// hearsOfPayment: what was paid with a request that is refused goes back to the customer.
func (l *life) hearsOfPayment(body map[string]any, status int) {
	reference, _ := l.paymentOf(body)
	x := l.extras[reference]
	if x == nil || x.request != body["request_id"] {
		return
	}
	switch status {
	case http.StatusCreated, http.StatusOK:
		x.taken = true
	case http.StatusUnprocessableEntity:
		x.back = true
		l.happened("paid in addition, and refused")
	}
	if x.taken && x.back {
		l.fail("payment %s is taken in, and was refused", reference)
	}
}

// asksAnew: a customer whose return was refused asks anew, and pays what was missing for dearer goods, or something else.
// It says whether anything was done.
func (l *life) asksAnew() bool {
	p := l.first()
	if l.exchanges() && len(l.backs) == 0 && l.chance(20) {
		l.asksReturn(p)
		l.background(70, 60, 30)
		return true
	}
	if l.repents() {
		return true
	}
	if p.dearer == nil || !l.chance(60) {
		return false
	}
	body := p.dearer
	p.dearer = nil
	l.requests++
	body["request_id"] = fmt.Sprintf("b%d", l.requests)
	payment := body["payment"].(map[string]any) //nolint:forcetypeassert // ours
	minor := l.minor(payment["captured"])
	switch l.pick(8) {
	case 0:
		payment["captured"] = l.amount(minor + l.world.scale)
	case 1:
		payment["captured"] = l.amount(minor / 2)
	case 2:
		for _, reference := range slices.Sorted(maps.Keys(l.extras)) {
			if l.extras[reference].taken {
				payment["reference"] = reference
				break
			}
		}
	}
	p.lastReturn = body
	l.sendsReturn(p, "storefront-"+p.key.Storefront, "return asked", body)
	l.background(70, 60, 30)
	return true
}

// repents: who has paid in addition for an exchange does not want it any more.
func (l *life) repents() bool {
	for _, c := range l.sortedBacks() {
		if c.dear && c.box == nil && l.chance(12) {
			c.dear = false
			l.cancelsReturn(c)
			l.background(70, 60, 30)
			return true
		}
	}
	return false
}

// captured is what the storefront has of the customer, as far as anybody can say.
func (l *life) captured() int64 {
	sum := l.first().basket.captured
	for _, x := range l.extras {
		if !x.back {
			sum += x.minor
		}
	}
	return sum
}

// replacement is an order that nobody has placed at the gateway: it must replace goods that came back.
func (l *life) replacement(id string) *purchase {
	first := l.first()
	number, is := strings.CutPrefix(id, first.key.WorkflowID()+"-X")
	if !is || !l.exchanges() {
		l.fail("somebody speaks of workflow %s", id)
	}
	p := &purchase{
		key: order.Key{Storefront: first.key.Storefront, Order: first.key.Order + "-X" + number}, placed: true, moved: first.moved,
		order: &flow{id: id, kind: workflows.OrderWorkflow},
	}
	var sold storefront.Order
	var request, asked string
	var waived int64
	err := l.world.admin.QueryRow(l.ctx, `SELECT o.document, r.request, r.order_key, coalesce((r.state ->> 'waived')::bigint, 0)
		FROM orders o JOIN returns r ON r.rma = o.document #>> '{exchange,rma}' WHERE o.key = $1 AND o.exchange_of = $2`, p.key.String(), first.key.String()).
		Scan(&sold, &request, &asked, &waived)
	if err != nil {
		l.fail("order %s came out of nowhere: %v", p.key, err)
	}
	p.rma = sold.Exchange.RMA
	c := l.comeback(p.rma)
	if c.by != nil {
		l.fail("return %s is exchanged by %s, and again by %s", c.rma, c.by.key, p.key)
	}
	if p.basket = l.replacing(&sold); p.basket.total != sold.Total || p.basket.total != sold.Exchange.Credit || sold.Payment.Captured != 0 {
		l.fail("%s costs %d by its lines, %d by its word, and is paid with %d", p.key, p.basket.total, sold.Total, sold.Exchange.Credit)
	}
	if !slices.ContainsFunc(l.swaps[asked+"/"+request], func(s swap) bool { return l.fits(c, s, &p.basket, waived > 0) }) {
		l.fail("%s replaces goods of %s by %+v, which nobody has asked for", p.key, c.rma, p.basket.lines)
	}
	c.by = p
	l.purchases = append(l.purchases, p)
	l.born++
	l.note("%s replaces what comes back with %s", p.key, p.rma)
	return p
}

// swap is a request for other goods, as it was sent.
type swap = map[string]any

// replacing is the basket of an order that replaces goods.
func (l *life) replacing(sold *storefront.Order) basket {
	b := basket{country: l.first().basket.country, street: l.first().basket.street}
	for i := range sold.Lines {
		s := &sold.Lines[i]
		line := basketLine{sku: s.SKU, quantity: s.Quantity, price: s.UnitPrice, discount: s.Discount, tax: s.Tax, sum: s.UnitPrice*s.Quantity - s.Discount + s.Tax}
		b.lines, b.total, b.discount = append(b.lines, line), b.total+line.sum, b.discount+line.discount
	}
	b.captured = b.total
	return b
}

// fits: each line of an order that replaces goods is what a request wanted, of no more units, for the price that it named
// or that the goods had; of it only what is waived is taken off, and cents.
func (l *life) fits(c *comeback, asked swap, b *basket, waived bool) bool {
	old := c.book.of.basket.lines
	wishes := slices.Clone(asked["lines"].([]map[string]any)) //nolint:forcetypeassert // ours
	for i := range b.lines {
		line := &b.lines[i]
		at := slices.IndexFunc(wishes, func(w map[string]any) bool {
			n, quantity := w["line"].(int), w["quantity"].(int64) //nolint:forcetypeassert // ours
			if n > len(old) || line.quantity > quantity {
				return false
			}
			off := line.discount
			want, other := w["exchange"].(map[string]any)
			if !other {
				was := &old[n-1]
				worth := was.sum * line.quantity / was.quantity
				off = max(line.sum-worth, worth-line.sum)
				return line.sku == was.sku && (off <= line.quantity+1 || waived && line.sum < worth)
			}
			return line.sku == want["sku"] && line.price == l.minor(want["unit_price"]) && (off <= quantity || waived)
		})
		if at < 0 {
			return false
		}
		wishes = slices.Delete(wishes, at, at+1)
	}
	return len(b.lines) > 0
}

// noticeReplacements: an order that replaces goods has a life of its own ahead of it, as unquiet as the first one's.
func (l *life) noticeReplacements() {
	for ; l.born > 0; l.born-- {
		l.happened("exchange order placed")
		l.quiet = false
		l.unrest = l.steps + 25 + l.pick(50)
		if !l.chance(25) {
			continue
		}
		var skus []string
		for _, line := range l.purchases[len(l.purchases)-l.born].basket.lines {
			skus = append(skus, line.sku)
		}
		l.happened("goods of an exchange sold out")
		if _, err := l.world.admin.Exec(l.ctx, `UPDATE offers SET on_hand = reserved WHERE sku = ANY ($1)`, skus); err != nil {
			l.fail("sell out: %v", err)
		}
	}
}

// atReplacement: what happens next happens to an order that replaces goods, mostly.
func (l *life) atReplacement() bool {
	for _, p := range l.purchases[1:] {
		if p.order.running() && l.chance(65) {
			return true
		}
	}
	return false
}
