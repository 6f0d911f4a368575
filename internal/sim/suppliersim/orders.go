package suppliersim

import (
	"net/http"
	"slices"
	"time"

	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// enter puts a purchase order into the books, or finds it there, and answers.
func (s *Server) enter(w http.ResponseWriter, p *party, m Manner, document wire.PurchaseOrder, lines []Line) {
	var (
		entered Order
		before  Order
		content = digestOf(document)
	)
	s.Books.write(p.name, document.Number, func(o *Order) {
		before = o.copy()
		o.Received++
		switch {
		case o.Fenced:
		case before.Received == 0:
			o.Reference, o.Currency, o.ReceivedAt = "SO-"+s.hash(p.name, "order", o.Number), document.Currency, m.now()
			o.Lines, o.content = lines, content
			if m.Ack.When == AckInResponse && !m.Ack.LateAfterCancel {
				o.Acks = append(o.Acks, s.acknowledge(p, m, o, m.Ack.Content, false))
			}
		case o.content == content:
			o.Repeats++
		default:
			o.Conflicts++
		}
		entered = o.copy()
	})
	switch {
	case entered.Fenced:
		problem(w, http.StatusConflict, wire.CodeCancelled, "the number was cancelled before it came")
	case entered.Conflicts > before.Conflicts:
		problem(w, http.StatusConflict, wire.CodeConflict, "the number is held with other content")
	case before.Received > 0:
		write(w, http.StatusOK, entered.receipt())
	default:
		s.follow(p, m, entered)
		write(w, http.StatusCreated, entered.receipt())
	}
}

// follow sets going what comes after a purchase order was taken.
func (s *Server) follow(p *party, m Manner, o Order) {
	if m.Ship.WithoutAck {
		s.after(m.Ship.Delay, func() { s.ship(p, m, o.Number, whole(o.Lines)) })
	}
	switch {
	case m.Ack.LateAfterCancel || m.Ack.When == AckNever:
	case len(o.Acks) > 0:
		s.afterAck(p, m, o.Number, o.Acks[0])
		if m.Ack.Twice {
			s.repeatAck(p, m, o.Number, o.Acks[0])
		}
	default:
		s.after(m.Ack.Delay, func() { s.sendAck(p, m, o.Number, m.Ack.Content, false) })
	}
}

// sendAck acknowledges by webhook; late does so as if nothing had been cancelled.
func (s *Server) sendAck(p *party, m Manner, number string, content AckContent, late bool) {
	var ack wire.Acknowledgment
	sent := false
	s.Books.write(p.name, number, func(o *Order) {
		if o.Cancelled && !late {
			return
		}
		ack, sent = s.acknowledge(p, m, o, content, late), true
		o.Acks = append(o.Acks, ack)
	})
	if !sent {
		return
	}
	s.tellAck(p, m, number, ack)
	if m.Ack.Twice {
		s.repeatAck(p, m, number, ack)
	}
	s.afterAck(p, m, number, ack)
}

func (s *Server) repeatAck(p *party, m Manner, number string, ack wire.Acknowledgment) {
	ack.ID = s.id(p, "ack", number)
	s.Books.write(p.name, number, func(o *Order) { o.Acks = append(o.Acks, ack) })
	s.tellAck(p, m, number, ack)
}

// tellAck leaves the id to the envelope.
func (s *Server) tellAck(p *party, m Manner, number string, ack wire.Acknowledgment) {
	id := ack.ID
	ack.ID = ""
	s.tell(p, m, wire.TypeAcknowledged, id, number, ack)
}

// acknowledge writes the answer; the order is the entry in the books, under their lock. Once units
// were given back, it is by line and for what is left, unless it is late.
func (s *Server) acknowledge(p *party, m Manner, o *Order, content AckContent, late bool) wire.Acknowledgment {
	ack := wire.Acknowledgment{ID: s.id(p, "ack", o.Number), PO: o.Number, At: m.now(), Currency: o.Currency}
	script := m.Ack
	if len(script.SKUs) == 0 && !script.ByLine {
		switch {
		case (content == "" || content == ContentAccept) && (late || !o.reduced()):
			ack.Whole = "accepted"
			return ack
		case content == ContentReject:
			ack.Whole, ack.Reason = "rejected", script.reason()
			return ack
		}
	}
	for _, line := range o.Lines {
		if !late {
			line.Quantity -= line.CancelledUnits
		}
		if line.Quantity == 0 {
			continue
		}
		says := content
		if len(script.SKUs) > 0 && !slices.Contains(script.SKUs, line.SKU) {
			says = ContentAccept
		}
		ack.Lines = append(ack.Lines, script.answer(line, says, o.Currency, ack.At)...)
	}
	return ack
}

func (a AckManner) reason() string {
	if a.Reason == "" {
		return wire.CodeOutOfStock
	}
	return a.Reason
}

// answer splits a line's quantity over the statuses that the content gives it.
func (a AckManner) answer(line Line, content AckContent, currency string, now time.Time) []wire.AckLine {
	all := wire.AckLine{Line: line.Line, Quantity: line.Quantity}
	switch content {
	case ContentReject:
		all.Status, all.Reason = "rejected", a.reason()
	case ContentHold:
		all.Status, all.Reason = "on_hold", a.Reason
	case ContentSubstitute:
		all.Status, all.SupplierSKU = "substitution_offered", a.SubstituteSKU
	case ContentReprice:
		all.Status, all.UnitCost = "price_changed", money(raise(line.UnitCost, a.RepriceBP), currency)
	case ContentPart:
		return a.part(line, now)
	default:
		all.Status = "accepted"
	}
	return []wire.AckLine{all}
}

func (a AckManner) part(line Line, now time.Time) []wire.AckLine {
	var answers []wire.AckLine
	accepted := min(a.AcceptUnits, line.Quantity)
	if accepted > 0 {
		answers = append(answers, wire.AckLine{Line: line.Line, Status: "accepted", Quantity: accepted})
	}
	if rest := line.Quantity - accepted; rest > 0 {
		answer := wire.AckLine{Line: line.Line, Status: "backordered", Quantity: rest}
		switch {
		case a.Rest == RestReject:
			answer.Status, answer.Reason = "rejected", a.reason()
		case a.ExpectedIn > 0:
			answer.ExpectedOn = now.Add(a.ExpectedIn.span()).Format(time.DateOnly)
		}
		answers = append(answers, answer)
	}
	return answers
}

// afterAck sets going what follows from an acknowledgment.
func (s *Server) afterAck(p *party, m Manner, number string, ack wire.Acknowledgment) {
	o, _ := s.Books.Order(p.name, number)
	ready, back, held := map[int]int64{}, map[int]int64{}, map[int]int64{}
	if ack.Whole == "accepted" {
		ready = whole(o.Lines)
	}
	for _, line := range ack.Lines {
		switch line.Status {
		case "accepted", "price_changed":
			ready[line.Line] += line.Quantity
		case "backordered":
			back[line.Line] += line.Quantity
		case "on_hold":
			held[line.Line] += line.Quantity
		}
	}
	if !m.Ship.WithoutAck && !m.Ship.AfterCancel {
		s.after(m.Ship.Delay, func() { s.ship(p, m, number, ready) })
	}
	if wait := m.Ack.FulfilBackorderAfter; wait > 0 && len(back) > 0 {
		s.after(wait, func() { s.ship(p, m, number, back) })
	}
	if wait := m.Ack.ReleaseHoldAfter; wait > 0 && len(held) > 0 {
		release := m
		release.Ack = AckManner{}
		s.after(wait, func() { s.sendAck(p, release, number, ContentAccept, false) })
	}
	if wait := m.Ack.ThenRejectAfter; wait > 0 {
		reject := m
		reject.Ack = AckManner{Reason: m.Ack.Reason}
		s.after(wait, func() { s.sendAck(p, reject, number, ContentReject, false) })
	}
}

func whole(lines []Line) map[int]int64 {
	units := map[int]int64{}
	for _, line := range lines {
		units[line.Line] = line.Quantity
	}
	return units
}

// raise adds basis points, rounded half up.
func raise(amount, bp int64) int64 { return amount + (amount*bp+5000)/10000 }

func money(minor int64, currency string) string {
	text, err := wire.FormatMoney(minor, currency)
	if err != nil {
		return "invalid" // only a script that charges beyond every bound gets here
	}
	return text
}
