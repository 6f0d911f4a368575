package suppliersim

import "github.com/dropline/dropline/internal/supplier/restapi/wire"

// countable says that lines name units, each line at most once.
func countable(lines []wire.ShippedLine) bool {
	seen := map[int]bool{}
	for _, line := range lines {
		if line.Line < 1 || line.Quantity < 1 || seen[line.Line] {
			return false
		}
		seen[line.Line] = true
	}
	return true
}

// sent says that goods went out; a printed label alone can still be torn up.
func (o *Order) sent() bool {
	for _, parcel := range o.Parcels {
		if !parcel.LabelOnly {
			return true
		}
	}
	return false
}

// unsent counts the units of every line that were neither given back nor went out.
func (o *Order) unsent() map[int]int64 {
	units := map[int]int64{}
	for _, line := range o.Lines {
		units[line.Line] = line.Quantity - line.CancelledUnits
	}
	for _, parcel := range o.Parcels {
		for _, line := range parcel.Lines {
			if !parcel.LabelOnly {
				units[line.Line] -= line.Quantity
			}
		}
	}
	for line, n := range units {
		units[line] = max(n, 0) // a parcel can hold more than was ordered, by mistake
	}
	return units
}

// cannotGiveBack is the reason why fewer units are left than are asked back, or none. What was
// given back as a whole can be asked back as a whole again.
func (o *Order) cannotGiveBack(asked []wire.ShippedLine) string {
	left, short := o.unsent(), false
	for _, line := range asked {
		short = short || line.Quantity > left[line.Line]
	}
	if len(asked) == 0 {
		short = o.sent()
		for _, n := range left {
			short = short && n == 0
		}
	}
	switch {
	case !short:
		return ""
	case o.sent():
		return "already_shipped"
	default:
		return "too_late"
	}
}

// giveBack takes the asked units off the order, or all that have not gone out.
func (o *Order) giveBack(asked []wire.ShippedLine) {
	units := o.unsent()
	if len(asked) > 0 {
		clear(units)
	}
	for _, line := range asked {
		units[line.Line] = line.Quantity
	}
	o.Cancelled = true
	for i := range o.Lines {
		line := &o.Lines[i]
		line.CancelledUnits += units[line.Line]
		o.Cancelled = o.Cancelled && line.CancelledUnits == line.Quantity
	}
}

// reduced says that some units were given back.
func (o *Order) reduced() bool {
	for _, line := range o.Lines {
		if line.CancelledUnits > 0 {
			return true
		}
	}
	return false
}

// cannotIntercept is the reason why the asked units cannot be brought back alone, or none.
func (o *Order) cannotIntercept(asked []wire.ShippedLine) string {
	switch {
	case !o.sent():
		return "not_shipped"
	case len(o.parcelsOf(asked)) == 0:
		return "carrier_refused"
	default:
		return ""
	}
}

// parcelsOf finds parcels that together hold exactly the asked units, the latest ones first, because
// those left after the units were lost; none when there are no such parcels. No units ask for all.
func (o *Order) parcelsOf(asked []wire.ShippedLine) []*Parcel {
	wanted, open := map[int]int64{}, len(asked)
	for _, line := range asked {
		wanted[line.Line] = line.Quantity
	}
	var found []*Parcel
	for i := len(o.Parcels) - 1; i >= 0; i-- {
		parcel := &o.Parcels[i]
		if len(asked) > 0 && (parcel.Intercepted || !within(parcel.Lines, wanted)) {
			continue
		}
		for _, line := range parcel.Lines {
			if wanted[line.Line] -= line.Quantity; wanted[line.Line] == 0 {
				open--
			}
		}
		found = append(found, parcel)
	}
	if len(asked) > 0 && open > 0 {
		return nil
	}
	return found
}

// within says that a parcel holds no more than the given units by line. A parcel names each line once.
func within(lines []wire.ShippedLine, units map[int]int64) bool {
	for _, line := range lines {
		if line.Quantity > units[line.Line] {
			return false
		}
	}
	return true
}
