package simulation

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
)

// basket is the order as the storefront sold it, in minor units.
type basket struct {
	lines              []basketLine
	shipping, discount int64
	total, captured    int64
	country, street    string
	body               []byte
}

type basketLine struct {
	sku, category             string // the category by which it comes back; empty: by none
	quantity                  int64
	price, discount, tax, sum int64
}

// newBasket draws what the customer orders.
func (l *life) newBasket() {
	b := &l.basket
	b.country, b.street = "US", "5 Elm St"
	scale := l.world.scale
	b.shipping = int64(l.pick(4)) * 245 * scale
	b.total = b.shipping
	var lines []map[string]any
	for range 1 + l.pick(4) {
		line := basketLine{
			sku: oneOf(l, []string{"ANVIL", "BELL", "CLOCK", "DRUM"}), quantity: 1 + int64(l.pick(4)), price: (799 + int64(l.pick(40))*113) * scale,
		}
		if l.chance(30) {
			line.discount = int64(1+l.pick(300)) * scale
		}
		line.tax = line.price / scale * line.quantity * int64(l.pick(3)) / 33 * scale
		line.sum = line.price*line.quantity - line.discount + line.tax
		b.lines, b.discount, b.total = append(b.lines, line), b.discount+line.discount, b.total+line.sum
		lines = append(lines, map[string]any{
			"sku": line.sku, "title": "A " + strings.ToLower(line.sku), "quantity": line.quantity,
			"unit_price": l.amount(line.price), "discount": l.amount(line.discount), "tax": l.amount(line.tax),
		})
		l.categorise(&b.lines[len(b.lines)-1], lines[len(lines)-1])
	}
	b.captured = b.total
	status := "paid"
	switch l.pick(25) {
	case 0:
		b.captured, status = b.total-b.total/3, "partially_paid"
		l.happened("paid in part")
	case 1:
		b.captured, status = 0, "authorized"
		l.happened("not paid")
	}
	payment := map[string]any{"status": status, "captured": l.amount(b.captured)}
	if l.till != nil {
		payment = l.checkOut()
	}
	l.later.rest = b.total - b.captured
	document := map[string]any{
		"id": l.key.Order, "number": "#" + l.key.Order, "placed_at": l.now.Truncate(1e9), "currency": l.world.currency, "lines": lines,
		"shipping": l.amount(b.shipping), "discount": l.amount(b.discount), "total": l.amount(b.total),
		"payment": payment,
		"ship_to": address(b.street, b.country), "email": "pat" + l.key.Order + "@example.com", "customer_ref": "c-" + l.key.Order,
		"test": l.chance(4),
	}
	body, err := json.Marshal(document)
	if err != nil {
		panic(err)
	}
	b.body = body
}

func address(street, country string) map[string]any {
	return map[string]any{"name": "Pat Miller", "street1": street, "city": "Dover", "region": "DE", "postal_code": "19901", "country": country}
}

func (l *life) amount(minor int64) string {
	text, err := money.Format(minor, l.world.currency)
	if err != nil {
		panic(err)
	}
	return text
}

// place posts the order until the gateway has taken it.
func (l *life) place() {
	request := httptest.NewRequestWithContext(l.ctx, http.MethodPost, "/v1/orders", strings.NewReader(string(l.basket.body)))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer storefront-"+l.key.Storefront)
	status, body := l.ask(request, l.chooseCut())
	l.note("the gateway answers %d to the order", status)
	switch {
	case status == http.StatusCreated && l.placed:
		l.fail("order %s is created twice", l.key)
	case status == http.StatusCreated:
		l.placed = true
	case status == http.StatusOK:
		l.placed = true
		l.happened("order placed again")
	case status >= http.StatusInternalServerError:
		l.happened("order turned away")
	default:
		l.fail("the gateway refuses the order with %d: %s", status, body)
	}
}

// placeOther posts another order under the same id, which must change nothing.
func (l *life) placeOther() {
	other := strings.Replace(string(l.basket.body), `"Dover"`, `"Dovre"`, 1)
	request := httptest.NewRequestWithContext(l.ctx, http.MethodPost, "/v1/orders", strings.NewReader(other))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer storefront-"+l.key.Storefront)
	if status, _ := l.ask(request, unharmed()); status != http.StatusConflict {
		l.fail("another order under the same id is answered %d", status)
	}
	l.happened("another order under one id")
}

// entry is what the storefront wrote down about one call of ours.
type entry struct {
	path, key, body, answer string
	amount                  int64
	credit, bonus           int64 // store credit, and what of it comes on top of the price
	lines                   []order.ShippedLine
}

// serveStorefront enters a call in the storefront's books, once per key.
func (l *life) serveStorefront(w http.ResponseWriter, r *http.Request, body []byte) {
	key := r.Header.Get("Idempotency-Key")
	if known := l.entries[key]; known != nil {
		if known.path != r.URL.Path || known.body != string(body) {
			l.fail("key %s was used for %s %s, and now for %s %s", key, known.path, known.body, r.URL.Path, body)
		}
		l.happened("storefront asked again")
		_, _ = w.Write([]byte(known.answer))
		return
	}
	var said struct {
		Amount, Currency, Reason, Tracking string
		Lines                              []order.ShippedLine
	}
	if err := json.Unmarshal(body, &said); err != nil || key == "" {
		l.fail("the storefront cannot read %s: %v", r.URL.Path, err)
	}
	e := &entry{path: r.URL.Path, key: key, body: string(body), lines: said.Lines}
	if strings.HasSuffix(r.URL.Path, "/refunds") {
		if l.till != nil {
			l.fail("the storefront is asked for refund %s, and a provider holds the money", key)
		}
		amount, err := money.Parse(said.Amount, said.Currency)
		if err != nil {
			l.fail("a refund of %q: %v", said.Amount, err)
		}
		if e.amount = amount.Minor; l.refusesRefund(w, key, e.amount) {
			return
		}
		l.paidBack += e.amount
		if l.paidBack > l.captured() {
			l.fail("%d is paid back, %d was captured", l.paidBack, l.captured())
		}
		if !strings.HasPrefix(r.URL.Path, "/orders/"+l.first().key.Order+"/") {
			l.fail("the storefront is asked for a refund by %s, where nothing was paid", r.URL.Path)
		}
		l.happened("refund")
	}
	if strings.HasSuffix(r.URL.Path, "/store_credits") {
		l.writesCredit(e, body)
	}
	e.answer = fmt.Sprintf(`{"reference":"r-%d","at":%q,"amount":%q,"currency":%q}`, len(l.entries)+1, "2026-03-02T10:00:00Z", said.Amount, said.Currency)
	l.entries[key] = e
	l.note("the storefront writes down %s %s", key, body)
	_, _ = w.Write([]byte(e.answer))
}
