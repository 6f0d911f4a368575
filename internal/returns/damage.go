package returns

import (
	"cmp"
	"slices"
)

// Brought is the units of each line that a parcel brought to the customer.
type Brought map[int]int64

// ForDamage is what the carrier pays of what it damaged of one purchase order, in minor units: for each parcel what
// was damaged out of it, and no more than it answers for of one. Units of a line that came in several parcels may be out of
// any of them: they are taken to be out of those for which it can still owe most. What no known parcel brought came
// in one more.
func (t *CarrierTerms) ForDamage(damage []Damage, parcels []Brought) (minor int64) {
	if t.UpTo == nil {
		for _, d := range damage {
			minor += d.Minor()
		}
		return minor
	}
	var boxes []*damagedBox
	for _, lines := range parcels {
		boxes = append(boxes, &damagedBox{left: *t.UpTo, lines: lines, units: map[int]int64{}})
	}
	unknown := &damagedBox{left: *t.UpTo, units: map[int]int64{}}
	sources := map[int][]*damagedBox{}
	for _, d := range damage {
		if sources[d.Line] == nil {
			sources[d.Line] = boxesWith(boxes, d.Line, unknown)
		}
	}
	// What can be out of one parcel only has no choice, so it goes first; then what is dearest.
	inOrder := slices.Clone(damage)
	slices.SortStableFunc(inOrder, func(a, b Damage) int {
		return cmp.Or(cmp.Compare(len(sources[a.Line]), len(sources[b.Line])), cmp.Compare(b.UnitCost, a.UnitCost), cmp.Compare(a.Line, b.Line))
	})
	for _, d := range inOrder {
		minor += takeOut(sources[d.Line], d)
	}
	return minor
}

// damagedBox is a parcel out of which goods were damaged.
type damagedBox struct {
	left  int64 // of what the carrier answers for, in minor units
	lines Brought
	units map[int]int64 // taken to be out of it, by line
}

func (b *damagedBox) holds(line int) int64 { return b.lines[line] - b.units[line] }

func boxesWith(boxes []*damagedBox, line int, unknown *damagedBox) (found []*damagedBox) {
	for _, b := range boxes {
		if b.lines[line] > 0 {
			found = append(found, b)
		}
	}
	if len(found) == 0 {
		return []*damagedBox{unknown}
	}
	return found
}

// takeOut takes units out of the boxes that may have held them, from the one for which most can still be owed on. More
// than they are known to have held is out of any of them.
func takeOut(boxes []*damagedBox, d Damage) (minor int64) {
	if d.UnitCost <= 0 {
		return 0
	}
	for left := d.Units; left > 0; {
		best, holds := mostOwed(boxes, d.Line), left
		if best == nil {
			best = slices.MaxFunc(boxes, byLeft)
		} else {
			holds = best.holds(d.Line)
		}
		if best.left == 0 {
			return minor
		}
		// As many as it pays whole, or one in part.
		n := min(left, holds, max(best.left/d.UnitCost, 1))
		pays := min(n*d.UnitCost, best.left)
		best.left -= pays
		best.units[d.Line] += n
		minor, left = minor+pays, left-n
	}
	return minor
}

func byLeft(a, b *damagedBox) int { return cmp.Compare(a.left, b.left) }

// mostOwed is the box for which most can still be owed, of those that still hold units of a line; nil: none does.
func mostOwed(boxes []*damagedBox, line int) (best *damagedBox) {
	for _, b := range boxes {
		if b.holds(line) > 0 && (best == nil || b.left > best.left) {
			best = b
		}
	}
	return best
}
