package suppliersim

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// Books are what the suppliers themselves know: the other side of every audit. They hold no
// personal data.
type Books struct {
	mu        sync.Mutex
	changed   chan struct{}
	suppliers map[string]map[string]*Order
	webhooks  map[string][]*Webhook
}

// Snapshot is a copy of the books, by supplier's name.
type Snapshot map[string]SupplierBooks

// SupplierBooks is one supplier's part; orders are sorted by number, webhooks by creation.
type SupplierBooks struct {
	Orders   []Order   `json:"orders"`
	Webhooks []Webhook `json:"webhooks"`
}

// Order is one purchase order as its supplier knows it. Received counts every request that
// reached it: 1 + Repeats + Conflicts. An order that was cancelled before it ever came has
// Received 0 and Fenced set. Cancelled says that every unit was given back.
type Order struct {
	Number        string                `json:"number"`
	Reference     string                `json:"reference,omitempty"`
	Currency      string                `json:"currency,omitempty"`
	ReceivedAt    time.Time             `json:"received_at,omitzero"`
	Lines         []Line                `json:"lines,omitempty"`
	Received      int                   `json:"received"`
	Repeats       int                   `json:"repeats"`   // came again with the same content
	Conflicts     int                   `json:"conflicts"` // came again with other content
	Acks          []wire.Acknowledgment `json:"acks,omitempty"`
	Parcels       []Parcel              `json:"parcels,omitempty"`
	Cancellations []Request             `json:"cancellations,omitempty"`
	Intercepts    []Request             `json:"intercepts,omitempty"`
	Invoices      []wire.Invoice        `json:"invoices,omitempty"`
	Returns       []Return              `json:"returns,omitempty"`
	Cancelled     bool                  `json:"cancelled"`
	Fenced        bool                  `json:"fenced,omitempty"`

	content string // digest of the document
}

// Line is an ordered quantity and how much of it was given back; costs are minor units.
type Line struct {
	Line        int    `json:"line"`
	SKU         string `json:"sku"`
	SupplierSKU string `json:"supplier_sku,omitempty"`
	Quantity    int64  `json:"quantity"`
	UnitCost    int64  `json:"unit_cost"`

	CancelledUnits int64 `json:"cancelled_units,omitempty"`
}

// Parcel is a parcel that really left, whatever its notice said.
type Parcel struct {
	wire.Shipment
	Noticed     bool `json:"noticed"`
	LabelOnly   bool `json:"label_only,omitempty"` // only a label was printed
	AfterCancel bool `json:"after_cancel,omitempty"`
	Intercepted bool `json:"intercepted,omitempty"`
}

// Request is a cancellation or an intercept and its answer so far.
type Request struct {
	Key      string             `json:"key"`
	Lines    []wire.ShippedLine `json:"lines,omitempty"` // units asked back; none: all that had not shipped
	Received int                `json:"received"`        // times that it came
	Outcome  string             `json:"outcome"`
	At       time.Time          `json:"at"`
	Reason   string             `json:"reason,omitempty"`
}

// Webhook is one event and what became of it.
type Webhook struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	PO        string `json:"po"`
	Attempts  int    `json:"attempts"`
	Delivered int    `json:"delivered"` // times that it was answered with 2xx
	Abandoned bool   `json:"abandoned,omitempty"`
}

func newBooks() *Books {
	return &Books{
		changed:   make(chan struct{}),
		suppliers: map[string]map[string]*Order{},
		webhooks:  map[string][]*Webhook{},
	}
}

// Snapshot copies the books.
func (b *Books) Snapshot() Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.copy()
}

func (b *Books) copy() Snapshot {
	snapshot := Snapshot{}
	for name, orders := range b.suppliers {
		part := SupplierBooks{Orders: []Order{}, Webhooks: []Webhook{}}
		for _, number := range slices.Sorted(maps.Keys(orders)) {
			part.Orders = append(part.Orders, orders[number].copy())
		}
		for _, hook := range b.webhooks[name] {
			part.Webhooks = append(part.Webhooks, *hook)
		}
		snapshot[name] = part
	}
	return snapshot
}

func (o *Order) copy() Order {
	c := *o
	c.Lines, c.Acks, c.Parcels = slices.Clone(o.Lines), slices.Clone(o.Acks), slices.Clone(o.Parcels)
	c.Cancellations, c.Intercepts, c.Invoices = slices.Clone(o.Cancellations), slices.Clone(o.Intercepts), slices.Clone(o.Invoices)
	c.Returns = slices.Clone(o.Returns)
	return c
}

// Order copies one entry; false when the supplier never heard of the number.
func (b *Books) Order(supplier, number string) (Order, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, found := b.suppliers[supplier][number]
	if !found {
		return Order{}, false
	}
	return o.copy(), true
}

// Await waits until the books satisfy a condition, and fails with the context's error.
func (b *Books) Await(ctx context.Context, done func(Snapshot) bool) error {
	for {
		b.mu.Lock()
		snapshot, changed := b.copy(), b.changed
		b.mu.Unlock()
		if done(snapshot) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (b *Books) open(supplier string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.suppliers[supplier] == nil {
		b.suppliers[supplier] = map[string]*Order{}
	}
}

// write changes one entry, made if need be, as one step.
func (b *Books) write(supplier, number string, change func(*Order)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.suppliers[supplier][number]
	if o == nil {
		o = &Order{Number: number}
		b.suppliers[supplier][number] = o
	}
	change(o)
	b.tell()
}

func (b *Books) announce(supplier string, hook *Webhook) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.webhooks[supplier] = append(b.webhooks[supplier], hook)
	b.tell()
}

func (b *Books) mark(hook *Webhook, change func(*Webhook)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(hook)
	b.tell()
}

// tell wakes those who wait; the lock is held.
func (b *Books) tell() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// shipped counts the units of every line that left.
func (o *Order) shipped() map[int]int64 {
	units := map[int]int64{}
	for _, parcel := range o.Parcels {
		for _, line := range parcel.Lines {
			units[line.Line] += line.Quantity
		}
	}
	return units
}

// taken says that the supplier holds the order, rather than only a fence against it.
func (o *Order) taken() bool { return o.Received > 0 && !o.Fenced }
