package order

import (
	"fmt"
	"slices"
	"time"
)

// LineStory is what becomes of a line, whatever else is in the order: First takes it, sends back what it has
// not, which Second takes; a part is cancelled with First, and of the rest some is lost and some goes back.
type LineStory struct {
	Quantity                             int64
	First, Second                        string
	Rejected, Cancelled, Lost, Returning int64
}

// storyteller drives an order in which each line has its story.
type storyteller struct {
	Lived

	lines map[int]LineStory
	sent  int
	told  map[string]bool // purchase orders that were acknowledged
	seq   int64
}

// LiveStories lives an order with those lines to its end. Suppliers ship all units of one fate in one parcel.
func LiveStories(id string, lines map[int]LineStory) (*Lived, error) {
	w := &storyteller{lines: lines, told: map[string]bool{}}
	w.State.Key = Key{Storefront: "shop", Order: id}
	w.Now, w.Shipped, w.Left = monday, map[string]map[int]int64{}, map[string]map[string]bool{}
	w.Pick = func(n int) int { return n - 1 }
	for range 200 {
		w.State.Tick(w.Now)
		if err := w.State.Check(); err != nil {
			return nil, err
		}
		if w.State.Finished() {
			return &w.Lived, nil
		}
		steps := w.State.Steps()
		for _, step := range steps {
			w.State.Begin(step)
			if err := w.take(step); err != nil {
				return nil, err
			}
		}
		if len(steps) == 0 {
			w.next()
		}
	}
	return nil, fmt.Errorf("it never ends: waits for %v, attention %v", w.State.Waiting(), w.State.Attention)
}

func (w *storyteller) take(step Step) error {
	s := &w.State
	switch step.Kind {
	case StepValidate:
		v := Verdict{Currency: "EUR", Country: "US", Policy: Policy{Backorder: BackorderMove}}
		for _, n := range w.numbers() {
			v.Lines = append(v.Lines, Line{Line: n, SKU: fmt.Sprint("SKU-", n), Ordered: w.lines[n].Quantity})
		}
		s.ValidatedWith(v, w.Now)
	case StepRoute:
		s.Routed(step.Lines, w.route(step.Lines), w.Now)
	case StepDispatch:
		s.Dispatched(step.PO, Dispatch{
			Outcome: DispatchSubmitted, SentAt: w.Now, AckDueAt: w.Now.Add(2 * time.Hour), ShipDueAt: w.Now.Add(48 * time.Hour),
		}, w.Now)
	case StepWithdraw:
		s.Withdrawn(step.PO, step.Subject, Answer{Outcome: AnswerAccepted}, w.Now)
	case StepRefund:
		w.Refunds = append(w.Refunds, step.Lines)
		s.Refunded(step.Lines, 0, "Refunded", w.Now)
	case StepRecord:
		s.Recorded(len(s.Notices))
	case StepSettle:
		s.SettledNow("Settled", w.Now)
	default:
		return fmt.Errorf("no story has a step %s", step.Kind)
	}
	s.Resumed(step)
	return nil
}

func (w *storyteller) numbers() []int {
	var list []int
	for n := range w.lines {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}

// route asks each line's first supplier, and its second for what came back from the first.
func (w *storyteller) route(lines []ShippedLine) Routing {
	r := Routing{Decision: w.State.Supply.Decisions + 1, NoOffer: "nobody is left"}
	for _, l := range lines {
		story, supplier := w.lines[l.Line], w.lines[l.Line].First
		if slices.ContainsFunc(w.State.Exclusions, func(x Exclusion) bool { return x.Supplier == story.First && x.SKU == fmt.Sprint("SKU-", l.Line) }) {
			supplier = story.Second
		}
		i := slices.IndexFunc(r.POs, func(po NewPO) bool { return po.Supplier == supplier })
		if i < 0 {
			w.sent++
			i = len(r.POs)
			r.POs = append(r.POs, NewPO{Number: w.State.Key.PurchaseOrderNumber(w.sent), Supplier: supplier, Terms: Terms{Name: supplier}})
		}
		r.POs[i].Lines = append(r.POs[i].Lines, POLine{Line: l.Line, SKU: fmt.Sprint("SKU-", l.Line), Quantity: l.Quantity, UnitCost: 100})
	}
	return r
}

func (w *storyteller) hear(f Fact) {
	w.seq++
	f.Seq = w.seq
	w.State.Apply(f, w.Now)
}

// next is what happens outside when the order waits: suppliers answer, the customer cancels, parcels go out.
func (w *storyteller) next() {
	for i := range w.State.POs {
		if po := &w.State.POs[i]; !w.told[po.Number] {
			w.told[po.Number] = true
			w.acknowledge(po)
			return
		}
	}
	if !w.told["cancel"] {
		w.told["cancel"] = true
		if lines := w.each(func(s LineStory) int64 { return s.Cancelled }); len(lines) > 0 {
			w.hear(Fact{Cancel: &CancelRequest{ID: "c1", By: "support", Lines: lines}})
			return
		}
	}
	for i := range w.State.POs {
		w.ship(&w.State.POs[i])
	}
}

func (w *storyteller) each(units func(LineStory) int64) (list []ShippedLine) {
	for _, n := range w.numbers() {
		if q := units(w.lines[n]); q > 0 {
			list = append(list, ShippedLine{n, q})
		}
	}
	return list
}

func (w *storyteller) acknowledge(po *PurchaseOrder) {
	a := &Acknowledgment{Document: "a-" + po.Number, PO: po.Number, At: w.Now}
	for i := range po.Lines {
		l := &po.Lines[i]
		left := l.Units.Live()
		if story := w.lines[l.Line]; story.Rejected > 0 && story.First == po.Supplier {
			left -= story.Rejected
			a.Lines = append(a.Lines, AckLine{Line: l.Line, Status: AckRejected, Quantity: story.Rejected})
		}
		if left > 0 {
			a.Lines = append(a.Lines, AckLine{Line: l.Line, Status: AckAccepted, Quantity: left})
		}
	}
	w.hear(Fact{Acknowledge: a})
}

// ship sends what is left of a purchase order; what comes to nothing is the first supplier's.
func (w *storyteller) ship(po *PurchaseOrder) {
	parcels := map[Milestone][]ShippedLine{}
	for i := range po.Lines {
		l := &po.Lines[i]
		left := l.Units.Live()
		if left == 0 {
			continue
		}
		put := func(m Milestone, n int64) {
			if n = min(n, left); n > 0 {
				left -= n
				parcels[m] = append(parcels[m], ShippedLine{l.Line, n})
			}
		}
		if story := w.lines[l.Line]; story.First == po.Supplier {
			put(ParcelLost, story.Lost)
			put(ParcelReturning, story.Returning)
		}
		put(ParcelDelivered, left)
	}
	w.Shipped[po.Number], w.Left[po.Number] = map[int]int64{}, map[string]bool{}
	for _, m := range []Milestone{ParcelLost, ParcelReturning, ParcelDelivered} {
		if len(parcels[m]) == 0 {
			continue
		}
		tracking := po.Number + "-" + string(m)
		w.Left[po.Number][tracking] = true
		for _, l := range parcels[m] {
			w.Shipped[po.Number][l.Line] += l.Quantity
		}
		w.hear(Fact{Ship: &ShipNotice{Document: tracking, PO: po.Number, At: w.Now, Carrier: "hare", Tracking: tracking, Lines: parcels[m]}})
		for _, at := range []Milestone{ParcelInTransit, m} {
			w.hear(Fact{Milestone: &ParcelNews{Carrier: "hare", Tracking: tracking, Milestone: at, At: w.Now}})
		}
	}
}
