package catalog

import (
	"time"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/sla"
)

// CarrierClaims say how a claim on a carrier is filed and pursued: for parcels under labels that were bought of
// it, and for those that suppliers send under our account.
type CarrierClaims struct {
	// Contact is the mail address that claims go to; empty: no letters are sent.
	Contact string `json:"contact,omitempty"`
	// Owner is the role or queue, not a person, that answers for the claim here.
	Owner string `json:"owner,omitempty"`
	// FileWithin is how long after it was handed in the carrier takes a claim for a parcel, AnswerWithin how
	// long after the claim it may take to answer.
	FileWithin   sla.Term `json:"file_within,omitzero"`
	AnswerWithin sla.Term `json:"answer_within,omitzero"`
	// MaxLiability bounds what the carrier pays for one parcel, by currency; one that is not named has no bound.
	MaxLiability []money.Money `json:"max_liability,omitempty"`

	Chasing
}

func defaultCarrierClaims() CarrierClaims {
	return CarrierClaims{Owner: "purchasing", FileWithin: sla.MustTerm("60d"), AnswerWithin: sla.MustTerm("30d"), Chasing: defaultChasing()}
}

// OrDefault is how claims are pursued on a carrier that was stored before it said so.
func (c CarrierClaims) OrDefault() CarrierClaims {
	if c.Owner == "" {
		return defaultCarrierClaims()
	}
	return c
}

// Liable is what the carrier pays at most of minor units for so many parcels.
func (c CarrierClaims) Liable(minor int64, currency string, parcels int64) int64 {
	bound, bounded := AmountIn(c.MaxLiability, currency)
	if !bounded {
		return minor
	}
	most, err := money.MulMinor(bound.Minor, max(parcels, 1))
	if err != nil {
		return minor
	}
	return min(minor, most)
}

// FileBy is until when a claim may be filed for a parcel that was handed in at a time; zero: it never was.
func (c CarrierClaims) FileBy(handedIn time.Time) time.Time {
	if handedIn.IsZero() {
		return time.Time{}
	}
	return handedIn.Add(c.FileWithin.Elapsed())
}

func readCarrierClaims(s *section, c *CarrierClaims) {
	scan(s, "contact", parseEmail, &c.Contact)
	scan(s, "owner", parseID, &c.Owner)
	scan(s, "file_within", parseElapsed, &c.FileWithin)
	scan(s, "answer_within", parseElapsed, &c.AnswerWithin)
	if s.has("max_liability") {
		bounds := s.sub("max_liability")
		c.MaxLiability = readThresholds(bounds)
		bounds.done()
	}
	readChasing(s, &c.Chasing)
	s.done()
}

// transitCarrier judges that the carrier under whose account a supplier ships is in the catalogue.
func (v *validation) transitCarrier(file File, i int, supplier Supplier) {
	if id := supplier.Contract.TransitCarrier; id != "" && v.seen["carrier "+id] == "" {
		v.report(file, file.places.suppliers, i, "transit_carrier: there is no carrier \""+id+"\"")
	}
}
