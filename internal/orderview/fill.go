package orderview

import (
	"strings"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
)

func (v *View) fill(s *Standing, key order.Key) {
	state := &s.State
	v.Order, v.Storefront, v.ID, v.Number = key.String(), key.Storefront, key.Order, s.Number
	v.Stage = string(state.Stage())
	v.PlacedAt, v.ReceivedAt, v.StartedAt, v.ClosedAt = s.PlacedAt, s.ReceivedAt, s.StartedAt, s.ClosedAt
	v.Currency, v.Total, v.Captured = s.Currency, amount(s.Total, s.Currency), amount(s.Captured, s.Currency)
	v.NeedsAttention = len(state.Attention) > 0
	v.Attention = []Attention{}
	for _, a := range state.Attention {
		v.Attention = append(v.Attention, Attention{Text: a.Text, Since: a.Since})
	}
	if h := state.Hold; h != nil {
		v.Hold = &Hold{Reasons: h.Reasons, Since: h.Since, CancelAt: h.CancelAt}
	}
	v.fillLines(s)
	v.fillPurchaseOrders(state)
	v.Cases = []Case{}
	for i := range state.Cases {
		c := &state.Cases[i]
		v.Cases = append(v.Cases, Case{
			Key: c.Key, Kind: string(c.Kind), Status: string(c.Status), Tracking: c.Tracking, Lines: units(c.Lines),
		})
	}
	v.fillWaits(s)
}

// fillLines shows the basket until the workflow has looked at it.
func (v *View) fillLines(s *Standing) {
	v.Lines = []Line{}
	if !s.State.Validated {
		for _, l := range s.Lines {
			v.Lines = append(v.Lines, Line{Line: l.Line, SKU: l.SKU, Quantity: l.Quantity, Cancelled: l.Cancelled, Where: "not looked at yet"})
		}
		return
	}
	for i := range s.State.Lines {
		l := &s.State.Lines[i]
		v.Lines = append(v.Lines, Line{
			Line: l.Line, SKU: l.SKU, Quantity: l.Ordered, Cancelled: l.Cancelled, Where: s.State.Whereabouts(l.Line),
		})
	}
}

func (v *View) fillPurchaseOrders(state *order.State) {
	v.PurchaseOrders = []PurchaseOrder{}
	for i := range state.POs {
		p := &state.POs[i]
		po := PurchaseOrder{
			Number: p.Number, Supplier: p.Supplier, Name: p.Terms.Name, Status: p.Status(), Breached: p.Breached,
			AckDueAt: p.AckDueAt, ShipDueAt: p.ShipDueAt, Lines: []Units{},
		}
		for j := range p.Lines {
			po.Lines = append(po.Lines, Units{p.Lines[j].Line, p.Lines[j].Quantity})
		}
		for j := range p.Withdrawals {
			w := &p.Withdrawals[j]
			po.Withdrawals = append(po.Withdrawals, Asked{Key: w.Key, Status: string(w.Status), Lines: units(w.Lines()), ConfirmBy: w.ConfirmBy})
		}
		v.PurchaseOrders = append(v.PurchaseOrders, po)
	}
}

// fillWaits says what comes next. Parcels are taken from the table: routine scans do not reach the
// order's state at once.
func (v *View) fillWaits(s *Standing) {
	v.WaitsFor = []Wait{}
	if !s.ClosedAt.IsZero() {
		return
	}
	if !s.Recorded {
		v.WaitsFor = append(v.WaitsFor, Wait{For: "The order is looked at: address, payment, suppliers"})
	}
	for _, d := range s.State.Deadlines() {
		v.WaitsFor = append(v.WaitsFor, Wait{For: d.Text, Until: d.At})
	}
	for i := range s.State.Cases {
		if c := &s.State.Cases[i]; c.Open() {
			v.WaitsFor = append(v.WaitsFor, Wait{For: "Case " + c.Key + ": " + words(string(c.Status))})
		}
	}
	for _, p := range v.Parcels {
		switch order.Milestone(p.Milestone) {
		case order.ParcelDelivered, order.ParcelReturning, order.ParcelLost:
		default:
			v.WaitsFor = append(v.WaitsFor, Wait{For: "Parcel " + p.Tracking + " arrives; it is " + words(p.Milestone)})
		}
	}
}

func units(lines []order.ShippedLine) []Units {
	list := []Units{}
	for _, l := range lines {
		list = append(list, Units(l))
	}
	return list
}

func words(code string) string { return strings.ReplaceAll(code, "_", " ") }

// amount writes minor units as decimal text. A currency that has left the table since the order was
// taken in is no reason to hide the order.
func amount(minor int64, currency string) string {
	text, err := money.Format(minor, currency)
	if err != nil {
		return money.Money{Minor: minor, Currency: currency}.String()
	}
	return text
}
