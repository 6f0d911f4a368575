package catalog

import (
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/sla"
)

// InvoiceCharges are what a supplier may charge a purchase order beside its goods; the fee for handling it
// is Contract.Handling. At most one of the two is not zero: an amount, or a share of the goods in basis
// points.
type InvoiceCharges struct {
	FreightUpTo money.Money `json:"freight_up_to"`
	FreightBP   int64       `json:"freight_bp"`
}

// Chasing says how a claim is pursued. Times count from its opening.
type Chasing struct {
	ChaseAfter    []sla.Term `json:"chase_after,omitempty"` // ascending, elapsed terms
	EscalateAfter sla.Term   `json:"escalate_after,omitzero"`
}

// Penalty is what a supplier owes for a purchase order that it is late with: an amount, or a share of the
// purchase order's cost in basis points. Within Grace after the deadline it owes nothing.
type Penalty struct {
	Amount  money.Money `json:"amount"`
	ShareBP int64       `json:"share_bp"`
	Grace   sla.Term    `json:"grace,omitzero"`
}

// Penalties are the penalties for each clock. Cap bounds what one purchase order costs; zero: no bound.
type Penalties struct {
	LateAcknowledgment Penalty     `json:"late_acknowledgment"`
	LateShipment       Penalty     `json:"late_shipment"`
	Cap                money.Money `json:"cap"`
}

// mostChases bounds the reminders of a claim.
const mostChases = 12

func defaultChasing() Chasing {
	return Chasing{
		ChaseAfter:    []sla.Term{sla.MustTerm("7d"), sla.MustTerm("14d"), sla.MustTerm("21d")},
		EscalateAfter: sla.MustTerm("28d"),
	}
}

// OrDefault is how claims are pursued under a contract that was stored before it said so.
func (c Chasing) OrDefault() Chasing {
	if c.EscalateAfter == (sla.Term{}) {
		return defaultChasing()
	}
	return c
}

// readClaimTerms reads what a contract says about invoices, penalties and how claims are pursued.
func readClaimTerms(s *section, c *Contract) {
	none := money.Money{Currency: c.Currency}
	c.Invoices.FreightUpTo, c.Penalties.Cap = none, none
	invoices := s.sub("invoices")
	scan(invoices, "freight_up_to", amountIn(c.Currency), &c.Invoices.FreightUpTo)
	scan(invoices, "freight_bp", basisPoints, &c.Invoices.FreightBP)
	if invoices.has("freight_up_to") && invoices.has("freight_bp") {
		invoices.at("freight_bp").problem("is one too many: freight is bounded by freight_up_to already")
	}
	invoices.done()

	penalties := s.sub("penalties")
	readPenalty(penalties.sub("late_acknowledgment"), &c.Penalties.LateAcknowledgment, c.Currency)
	readPenalty(penalties.sub("late_shipment"), &c.Penalties.LateShipment, c.Currency)
	scan(penalties, "cap", amountIn(c.Currency), &c.Penalties.Cap)
	penalties.done()

	chasing := s.sub("claims")
	readChasing(chasing, &c.Claims)
	chasing.done()
}

// readChasing reads how claims are pursued; the section may say more.
func readChasing(s *section, c *Chasing) {
	if s.has("chase_after") {
		c.ChaseAfter = nil // a list stands for itself, also an empty one
	}
	scanEach(s, "chase_after", parseElapsed, &c.ChaseAfter)
	scan(s, "escalate_after", parseElapsed, &c.EscalateAfter)
	last := sla.Term{}
	for _, after := range c.ChaseAfter {
		if after.Elapsed() <= last.Elapsed() {
			s.at("chase_after").problem("%s does not come after %s: want ascending times", after, last)
		}
		last = after
	}
	if len(c.ChaseAfter) > mostChases {
		s.at("chase_after").problem("want at most %d reminders", mostChases)
	}
	if last.Elapsed() >= c.EscalateAfter.Elapsed() {
		s.problem("escalate_after %s is not after the last reminder", c.EscalateAfter)
	}
}

func readPenalty(s *section, p *Penalty, currency string) {
	p.Amount = money.Money{Currency: currency}
	scan(s, "amount", amountIn(currency), &p.Amount)
	scan(s, "share_bp", basisPoints, &p.ShareBP)
	scan(s, "grace", parseElapsed, &p.Grace)
	if s.has("amount") && s.has("share_bp") {
		s.at("share_bp").problem("is one too many: the penalty is an amount already")
	}
	s.done()
}
