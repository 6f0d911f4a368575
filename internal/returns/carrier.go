package returns

import (
	"time"

	"github.com/dropline/dropline/internal/order"
)

// CarrierTerms are those on which a carrier answers for a parcel, as the catalogue had them when the return was
// granted or its label bought.
type CarrierTerms struct {
	Carrier string `json:"carrier"` // its id
	Owner   string `json:"owner"`   // the role or queue that pursues the claim
	// UpTo is what it pays at most for one parcel, in minor units of the currency that the goods were bought in; nil: all of it.
	UpTo *int64 `json:"upTo,omitempty"`
	// AnswerWithin is how long it may take to answer a claim.
	AnswerWithin time.Duration `json:"answerWithin"`
}

// Most is what the carrier pays of minor units for one parcel.
func (t *CarrierTerms) Most(minor int64) int64 {
	if t.UpTo == nil {
		return minor
	}
	return min(minor, *t.UpTo)
}

// damagedByCarrier: the customer got it damaged, and the carrier bore the risk of the way.
func (s *State) damagedByCarrier(l *Line) bool { return l.Reason == Damaged && s.Terms.Transit != nil }

// Damage is units of a line that a carrier damaged on their way to the customer, and what one of them cost, in minor
// units.
type Damage struct {
	Line            int
	Units, UnitCost int64
}

// Minor is what they cost.
func (d Damage) Minor() int64 { return d.Units * d.UnitCost }

// DamagedOnTheWay is what a carrier damaged of a return at its own risk. The terms are nil when no carrier bears that
// risk.
func (s *State) DamagedOnTheWay() (terms *CarrierTerms, damage []Damage) {
	for i := range s.Lines {
		if l := &s.Lines[i]; s.damagedByCarrier(l) && l.Found[DamagedGoods] > 0 {
			damage = append(damage, Damage{l.Line, l.Found[DamagedGoods], l.UnitCost})
		}
	}
	return s.Terms.Transit, damage
}

// LostOnReturn is what the goods cost that a carrier lost under a label that was bought of it, in minor units:
// nothing once it has delivered the parcel all the same. The terms are nil when the label was not bought.
func (s *State) LostOnReturn() (terms *CarrierTerms, minor int64) {
	if s.Label == nil || s.Label.BoughtOf == nil {
		return nil, 0
	}
	if s.Parcel != order.ParcelDelivered {
		for i := range s.Lines {
			minor += s.Lines[i].Found[LostOnTheWay] * s.Lines[i].UnitCost
		}
	}
	return s.Label.BoughtOf, minor
}
