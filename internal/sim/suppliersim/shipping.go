package suppliersim

import (
	"maps"
	"slices"

	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// ship sends units by line, as far as they have not left already.
func (s *Server) ship(p *party, m Manner, number string, units map[int]int64) {
	if m.Ship.Never {
		return
	}
	var parcels []Parcel
	s.Books.write(p.name, number, func(o *Order) {
		if (o.Cancelled && !m.Ship.AfterCancel) || o.rejected() {
			return
		}
		parcels = s.pack(p, m, o, o.due(units, m.Ship.AfterCancel))
		o.Parcels = append(o.Parcels, parcels...)
	})
	if len(parcels) == 0 {
		return
	}
	s.mu.Lock()
	listener := s.listener
	s.mu.Unlock()
	for _, parcel := range parcels {
		if listener != nil {
			listener.OnParcel(parcel.Carrier, parcel.Tracking, m.Ship.parcel())
		}
		if !m.Ship.NoNotice {
			notice := parcel.Shipment
			notice.ID = ""
			s.tell(p, m, wire.TypeShipment, parcel.ID, number, notice)
		}
	}
	s.after(m.Invoice.Delay, func() { s.charge(p, m, number, parcels) })
}

func (m ShipManner) parcel() string {
	if m.LabelOnly {
		return "label_only"
	}
	return m.Parcel
}

// rejected says that the supplier's last word was no.
func (o *Order) rejected() bool {
	return len(o.Acks) > 0 && o.Acks[len(o.Acks)-1].Whole == "rejected"
}

// due caps units at what was ordered, has not left and, unless the supplier ignores that, was not
// given back. Units that can ship go before those that wait, whichever were given back.
func (o *Order) due(units map[int]int64, ignoring bool) map[int]int64 {
	due, gone := map[int]int64{}, o.shipped()
	for _, line := range o.Lines {
		if !ignoring {
			line.Quantity -= line.CancelledUnits
		}
		if n := min(units[line.Line], line.Quantity-gone[line.Line]); n > 0 {
			due[line.Line] = n
		}
	}
	return due
}

// pack spreads units over parcels as evenly as they go, the first ones getting the rest.
func (s *Server) pack(p *party, m Manner, o *Order, units map[int]int64) []Parcel {
	count := int64(max(1, m.Ship.Parcels))
	carrier := m.Ship.Carrier
	if carrier == "" {
		carrier = "dropex"
	}
	var parcels []Parcel
	for n := range count {
		var lines []wire.ShippedLine
		for _, line := range slices.Sorted(maps.Keys(units)) {
			share := units[line] / count
			if n < units[line]%count {
				share++
			}
			if share > 0 {
				lines = append(lines, wire.ShippedLine{Line: line, Quantity: share})
			}
		}
		if n == 0 {
			lines = m.Ship.mistake(lines)
		}
		if len(lines) == 0 {
			continue
		}
		parcels = append(parcels, Parcel{
			Shipment: wire.Shipment{
				ID: s.id(p, "shp", o.Number), PO: o.Number, At: m.now(), Carrier: carrier,
				Tracking: "DX" + s.hash(s.id(p, "parcel", o.Number)), Lines: lines,
			},
			Noticed: !m.Ship.NoNotice, LabelOnly: m.Ship.LabelOnly, AfterCancel: m.Ship.AfterCancel && o.reduced(),
		})
	}
	return parcels
}

// mistake puts the wrong quantity or line into a parcel, if so scripted.
func (m ShipManner) mistake(lines []wire.ShippedLine) []wire.ShippedLine {
	if len(lines) == 0 {
		return nil
	}
	lines[0].Quantity += m.WrongBy
	if m.WrongLine > 0 {
		lines[0].Line = m.WrongLine
	}
	if lines[0].Quantity < 1 {
		return lines[1:]
	}
	return lines
}

// charge invoices parcels at the last cost that was agreed or announced.
func (s *Server) charge(p *party, m Manner, number string, parcels []Parcel) {
	if m.Invoice.Mode == InvoiceNever {
		return
	}
	var bill wire.Invoice
	s.Books.write(p.name, number, func(o *Order) {
		bill = m.Invoice.bill(o, parcels)
		bill.Number, bill.At = "INV-"+s.hash(s.id(p, "invoice", number)), m.now()
		o.Invoices = append(o.Invoices, bill)
	})
	s.tell(p, m, wire.TypeInvoice, s.id(p, "inv", number), number, bill)
	if m.Invoice.Mode == InvoiceDuplicate {
		s.Books.write(p.name, number, func(o *Order) { o.Invoices = append(o.Invoices, bill) })
		s.tell(p, m, wire.TypeInvoice, s.id(p, "inv", number), number, bill)
	}
}

func (m InvoiceManner) bill(o *Order, parcels []Parcel) wire.Invoice {
	units := map[int]int64{}
	for _, parcel := range parcels {
		for _, line := range parcel.Lines {
			units[line.Line] += line.Quantity
		}
	}
	bill := wire.Invoice{PO: o.Number, Currency: o.Currency}
	total := m.Freight - m.Allowance
	for _, line := range slices.Sorted(maps.Keys(units)) {
		cost := o.cost(line)
		if m.Mode == InvoiceOvercharge {
			cost = raise(cost, m.OverchargeBP)
		}
		total += cost * units[line]
		bill.Lines = append(bill.Lines, wire.InvoiceLine{Line: line, Quantity: units[line], UnitCost: money(cost, o.Currency)})
	}
	if m.Freight > 0 {
		bill.Freight = money(m.Freight, o.Currency)
	}
	if m.Allowance > 0 {
		bill.Allowance = money(m.Allowance, o.Currency)
	}
	bill.Total = money(total, o.Currency)
	return bill
}

// cost is a line's price in minor units: the last one announced, else the one ordered at. A line
// that was never ordered costs nothing.
func (o *Order) cost(number int) int64 {
	cost := int64(0)
	for _, line := range o.Lines {
		if line.Line == number {
			cost = line.UnitCost
		}
	}
	for _, ack := range o.Acks {
		for _, line := range ack.Lines {
			if line.Line == number && line.Status == "price_changed" {
				if announced, err := wire.ParseMoney(line.UnitCost, o.Currency); err == nil {
					cost = announced
				}
			}
		}
	}
	return cost
}
