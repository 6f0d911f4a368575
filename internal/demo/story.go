package demo

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/suppliersim"
)

// story is one order, what goes wrong with it, and what it must end as.
type story struct {
	// name tells stories apart; it names the recorded history too.
	name  string
	title string
	key   order.Key
	lines []line
	// shipping is what the customer paid for it, in minor units.
	shipping int64
	parts    []part
	// place puts the order in; nil posts it to the API.
	place func(context.Context, *play) error
	// act is what people do while the order is under way; nil: nothing.
	act func(context.Context, *play) error
	// crash: the worker is killed while it waits for the supplier's answer to this order.
	crash bool
	want  ending
}

// line is what the customer bought; the price is that of one unit in minor units.
type line struct {
	sku, title      string
	quantity, price int64
}

// part is how a supplier behaves with purchase orders that hold a SKU.
type part struct {
	supplier, sku string
	manner        suppliersim.Manner
}

// unhurried is a good supplier: it acknowledges first and ships later, as people do.
var unhurried = suppliersim.Manner{
	Ack: suppliersim.AckManner{Delay: soon(300 * time.Millisecond)}, Ship: suppliersim.ShipManner{Delay: soon(700 * time.Millisecond)},
}

// currency is that of the whole demo.
const currency = "USD"

func (s *story) total() int64 {
	total := s.shipping
	for _, l := range s.lines {
		total += l.quantity * l.price
	}
	return total
}

// ending is how an order must end: by our own books, and by everybody else's.
type ending struct {
	stage order.Stage
	lines []fate
	// refunded is what the customer got back, in minor units, by the storefront's books; where a provider
	// holds the payment, what we owed them, by the API.
	refunded int64
	// paid is how the payment ends at the provider; nil: the storefront keeps it to itself.
	paid   *paid
	orders []bought
	// toSupplier is what the supplier was paid for the goods in the end, in minor units: nothing is due or to be set off
	// after that. Zero: it is not paid yet.
	toSupplier int64
	// cases are the shipments that nobody waited for, by how they ended.
	cases    []order.CaseStatus
	breached bool
	returns  []comeback
	// claims are what suppliers owe besides returns, by kind: "sla_penalty", "invoice_dispute settled".
	claims []string
	// mails is what the customer was told: "placed delivered*2 shipped?" wants one, two and at most
	// one message of these milestones, and none of any other.
	mails string
	// reminders is how often a supplier was reminded.
	reminders int
}

// fate is where the units of one line ended.
type fate struct{ delivered, cancelled, lost int64 }

// bought is one purchase order, in the order in which they were made.
type bought struct {
	supplier string
	// live is the units it answered for at the end, by our books.
	live int64
	// sent is the units that really left the supplier, and gaveBack those that it gave up, by its own
	// books; cancelled: it gave up all of them.
	sent, gaveBack int64
	cancelled      bool
	// asked is how many cancellations reached the supplier, each under its own key.
	asked int
}

func storyOf(storefront, name, title string) *story {
	return &story{name: name, title: title, key: order.Key{Storefront: storefront, Order: name}, shipping: 490}
}

func (s *story) buys(sku, title string, quantity, price int64) *story {
	s.lines = append(s.lines, line{sku, title, quantity, price})
	return s
}

func (s *story) with(supplier, sku string, m suppliersim.Manner) *story {
	m.Ack.Delay = max(m.Ack.Delay, unhurried.Ack.Delay)
	m.Ship.Delay = max(m.Ship.Delay, unhurried.Ship.Delay)
	s.parts = append(s.parts, part{supplier, sku, m})
	return s
}

func (s *story) document() map[string]any {
	lines := make([]map[string]any, 0, len(s.lines))
	for _, l := range s.lines {
		lines = append(lines, map[string]any{"sku": l.sku, "title": l.title, "quantity": l.quantity, "unit_price": amount(l.price)})
	}
	return map[string]any{
		"id": s.key.Order, "number": "#" + s.key.Order, "placed_at": "2026-01-05T10:00:00Z", "currency": currency,
		"lines": lines, "shipping": amount(s.shipping), "total": amount(s.total()),
		"payment": map[string]any{"status": "paid", "captured": amount(s.total()), "reference": "ch-" + s.key.Order},
		"ship_to": map[string]any{
			"name": "Pat Miller", "street1": "5 Elm St", "city": "Dover", "region": "DE", "postal_code": "19901", "country": "US",
		},
		"email": s.email(), "locale": "en-US", "customer_ref": "customer-" + s.key.Order,
	}
}

func (s *story) email() string { return s.key.Order + "@customers.example" }

// polled: only asking the carrier shows how the story ends, because nobody tells of a parcel that has
// vanished.
func (s *story) polled() bool {
	return slices.ContainsFunc(s.parts, func(p part) bool { return p.manner.Ship.Parcel == vanishes })
}

// anew makes it the n-th telling of the story, of an order and a customer of its own.
func (s *story) anew(n int) {
	if id, err := strconv.ParseInt(s.key.Order, 10, 64); err == nil {
		s.key.Order = strconv.FormatInt(id+int64(n), 10)
		return
	}
	s.key.Order += "-" + strconv.Itoa(n)
}

// amount writes minor units of the demo's currency.
func amount(minor int64) string {
	text, err := money.Format(minor, currency)
	if err != nil {
		panic(err) // the currency is a constant
	}
	return text
}

// bound is how many messages of one milestone there may be.
type bound struct{ least, most int }

// messages reads what the customer was told.
func (e *ending) messages() map[string]bound {
	want := map[string]bound{}
	for word := range strings.FieldsSeq(e.mails) {
		name, optional := strings.CutSuffix(word, "?")
		name, times, several := strings.Cut(name, "*")
		b := bound{1, 1}
		if several {
			n, err := strconv.Atoi(times)
			if err != nil {
				panic(fmt.Sprintf("demo: %q: %v", word, err)) // stories are written here
			}
			b = bound{n, n}
		}
		if optional {
			b.least = 0
		}
		want[name] = b
	}
	return want
}
