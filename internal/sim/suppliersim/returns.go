package suppliersim

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// ReturnManner scripts what a supplier does with goods that come back. The zero value is a good
// supplier: it accepts the return at once, finds everything as new when the parcel has come, and gives
// the credit that its books say.
type ReturnManner struct {
	Answer CancelMode `json:"answer,omitempty"` // to the announcement: accept, reject, pending
	Reason string     `json:"reason,omitempty"`
	// NoLabel: the customer has to see how the goods get there.
	NoLabel bool `json:"no_label,omitempty"`
	// Delay is from the parcel's arrival to the inspection; zero: at once.
	Delay        Duration `json:"delay,omitzero"`
	NeverInspect bool     `json:"never_inspect,omitempty"`
	// Condition is how the goods are found; empty: as new. Missing is how many units of each line are
	// not found at all.
	Condition string `json:"condition,omitempty"`
	Missing   int64  `json:"missing,omitempty"`
	Extra     int64  `json:"extra,omitempty"` // units beyond what was announced

	// CreditDelay is from the inspection to the credit memo. CreditBP is the share of the goods' cost
	// that it gives, in basis points; 0: all. NeverCredit gives none. Twice sends the memo again.
	CreditDelay Duration `json:"credit_delay,omitzero"`
	CreditBP    int64    `json:"credit_bp,omitempty"`
	NeverCredit bool     `json:"never_credit,omitempty"`
	Twice       bool     `json:"credit_twice,omitempty"`
	// RestAfter gives what a short credit left out after a while; zero: never.
	RestAfter Duration `json:"rest_after,omitzero"`
}

// Return is one return as its supplier knows it.
type Return struct {
	wire.ReturnAuthorization
	Tracking  string               `json:"tracking"` // on the label that it made
	Received  int                  `json:"received"` // times that it was announced
	Conflicts int                  `json:"conflicts"`
	Outcome   string               `json:"outcome"`
	At        time.Time            `json:"at"`
	Arrived   bool                 `json:"arrived,omitempty"`
	Found     []wire.InspectedLine `json:"found,omitempty"`
	Credits   []wire.CreditMemo    `json:"credits,omitempty"`
}

// authoriseReturn takes an announcement into the books, once.
func (s *Server) authoriseReturn(w http.ResponseWriter, r *http.Request, p *party) {
	var document wire.ReturnAuthorization
	if json.NewDecoder(r.Body).Decode(&document) != nil || document.RMA == "" || len(document.Lines) == 0 {
		problem(w, http.StatusBadRequest, wire.CodeMalformed, "want an rma and lines")
		return
	}
	o, known := s.Books.Order(p.name, document.PO)
	if !known {
		notFound(w)
		return
	}
	m := s.manner(p, document.PO, o.Lines)
	var entry Return
	news := false
	s.Books.write(p.name, document.PO, func(o *Order) {
		for i := range o.Returns {
			if o.Returns[i].RMA == document.RMA {
				o.Returns[i].Received++
				entry = o.Returns[i]
				return
			}
		}
		news = true
		entry = Return{ReturnAuthorization: document, Tracking: "RT" + s.hash(document.RMA), Received: 1, At: m.now(), Outcome: "accepted"}
		switch m.Return.Answer {
		case CancelReject:
			entry.Outcome = "rejected"
		case CancelPending, CancelPendingNever:
			entry.Outcome = "pending"
		}
		o.Returns = append(o.Returns, entry)
	})
	if news && m.Return.Answer == CancelPending {
		s.after(m.Return.Delay, func() { s.answerReturn(p, m, document) })
	}
	answer := wire.ReturnReceipt{Answer: wire.Answer{Outcome: entry.Outcome, At: entry.At, Reason: m.Return.Reason}}
	if entry.Outcome != "rejected" && !m.Return.NoLabel {
		answer.Label = &wire.Label{Carrier: "dropex", Tracking: entry.Tracking}
	}
	write(w, http.StatusOK, answer)
}

func (s *Server) answerReturn(p *party, m Manner, document wire.ReturnAuthorization) {
	s.change(p, document, func(r *Return) { r.Outcome = "accepted" })
	s.tell(p, m, wire.TypeReturnAnswered, s.id(p, "rma", document.RMA), document.PO, wire.ReturnAnswered{RMA: document.RMA, At: m.now(), Outcome: "accepted"})
}

// change edits a return in the books.
func (s *Server) change(p *party, document wire.ReturnAuthorization, edit func(*Return)) {
	s.Books.write(p.name, document.PO, func(o *Order) {
		for i := range o.Returns {
			if o.Returns[i].RMA == document.RMA {
				edit(&o.Returns[i])
			}
		}
	})
}

// Arrive lets a return parcel come to the supplier: it is inspected, and the credit given, as the manner
// says. False: nobody announced it there.
func (s *Server) Arrive(supplier, po, rma string) bool {
	s.mu.Lock()
	p := s.parties[supplier]
	s.mu.Unlock()
	if p == nil {
		return false
	}
	o, _ := s.Books.Order(supplier, po)
	for i := range o.Returns {
		if o.Returns[i].RMA != rma {
			continue
		}
		m, document := s.manner(p, po, o.Lines), o.Returns[i].ReturnAuthorization
		s.change(p, document, func(r *Return) { r.Arrived = true })
		if !m.Return.NeverInspect {
			s.after(m.Return.Delay, func() { s.inspect(p, m, document) })
		}
		return true
	}
	return false
}

func (s *Server) inspect(p *party, m Manner, document wire.ReturnAuthorization) {
	condition := m.Return.Condition
	if condition == "" {
		condition = "as_new"
	}
	var found []wire.InspectedLine
	for _, l := range document.Lines {
		missing := min(m.Return.Missing, l.Quantity)
		if n := l.Quantity - missing + m.Return.Extra; n > 0 {
			found = append(found, wire.InspectedLine{Line: l.Line, Quantity: n, Condition: condition, Disposition: "restock"})
		}
		if missing > 0 {
			found = append(found, wire.InspectedLine{Line: l.Line, Quantity: missing, Condition: "missing"})
		}
	}
	s.change(p, document, func(r *Return) { r.Found = found })
	s.tell(p, m, wire.TypeReturnInspected, s.id(p, "ins", document.RMA), document.PO, wire.ReturnInspected{
		RMA: document.RMA, At: m.now(), Lines: found, Final: true,
	})
	if !m.Return.NeverCredit {
		s.after(m.Return.CreditDelay, func() { s.credit(p, m, document) })
	}
}

// credit gives the cost of what was announced and found, or a share of it.
func (s *Server) credit(p *party, m Manner, document wire.ReturnAuthorization) {
	o, _ := s.Books.Order(p.name, document.PO)
	var whole int64
	for _, l := range document.Lines {
		whole += o.cost(l.Line) * max(l.Quantity-m.Return.Missing, 0)
	}
	amount := whole
	if m.Return.CreditBP > 0 {
		amount = whole * m.Return.CreditBP / 10_000
	}
	s.giveCredit(p, m, document, o.Currency, amount)
	if rest := whole - amount; rest > 0 && m.Return.RestAfter > 0 {
		s.after(m.Return.RestAfter, func() { s.giveCredit(p, m, document, o.Currency, rest) })
	}
}

func (s *Server) giveCredit(p *party, m Manner, document wire.ReturnAuthorization, currency string, amount int64) {
	if amount <= 0 {
		return
	}
	memo := wire.CreditMemo{RMA: document.RMA, Number: "CM-" + s.hash(s.id(p, "memo", document.RMA)), At: m.now(), Currency: currency, Amount: money(amount, currency)}
	s.change(p, document, func(r *Return) { r.Credits = append(r.Credits, memo) })
	s.tell(p, m, wire.TypeCreditMemo, s.id(p, "crm", document.RMA), document.PO, memo)
	if m.Return.Twice {
		s.tell(p, m, wire.TypeCreditMemo, s.id(p, "crm", document.RMA), document.PO, memo)
	}
}
