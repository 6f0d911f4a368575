package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/order"
)

// The checks that are made here and not by the database.
const (
	unitsKept      = "no unit is lost when facts are folded over the recorded state"
	shippedOnce    = "no more is shipped than was ordered, unless a case is open about it"
	lateSettled    = "late answers and shipments ended before the order was closed"
	allAccounted   = "every unit in a parcel is the order's or a case's"
	cancelLost     = "no unit is both cancelled and scanned"
	accountsClosed = "the accounts of closed orders are zero or covered by named claims"
	waitsNamed     = "every open order waits for something, or for a person"
	workflowsKeep  = "the workflows keep every unit"
	tablesAgree    = "the recorded state is what its tables say"
	refundsAgree   = "the refunds that the state counts are the refunds that were made"
	oneWorkflow    = "every open order has a running workflow, and no other has one"
	paymentsRun    = "every open payment has a running workflow that waits for something"
	returnsRun     = "every open return has a running workflow that keeps its units"
	workflowAgrees = "what is recorded is what the workflow knows"
)

var inGo = []struct {
	invariant int
	name      string
}{
	{1, unitsKept},
	{1, workflowsKeep},
	{2, shippedOnce},
	{4, lateSettled},
	{4, allAccounted},
	{5, cancelLost},
	{11, accountsClosed},
	{15, waitsNamed},
	{16, tablesAgree},
	{16, refundsAgree},
	{16, oneWorkflow},
	{16, returnsRun},
	{16, paymentsRun},
	{16, claimsRun},
	{16, workflowAgrees},
}

func newFound(name, do string, o Options) *found {
	f := &found{limit: o.Limit, do: do}
	f.Check = name
	for _, c := range inGo {
		if c.name == name {
			f.Invariant = c.invariant
		}
	}
	return f
}

// lineUnits are units of one line of a purchase order or of the order itself.
type lineUnits struct {
	PO       string      `json:"po"`
	Tracking string      `json:"tracking"`
	Scanned  bool        `json:"scanned"`
	Line     int         `json:"line"`
	Quantity int64       `json:"quantity"`
	Live     int64       `json:"live"`
	Units    order.Units `json:"units"`
}

// recorded is an order as the tables hold it.
type recorded struct {
	key           string
	stage         string
	closed        bool
	started       bool
	waiting       bool // facts are not delivered, or were delivered after the state was recorded
	state         *order.State
	facts         []json.RawMessage
	lines         []lineUnits // Live is the cancelled quantity
	pos           []lineUnits
	parcels       []lineUnits // one for each line of each parcel
	refundedLines []lineUnits
	refunds       int
}

const ordersSQL = `
	SELECT o.key, o.stage, o.closed_at IS NOT NULL, o.started_at IS NOT NULL,
		o.fact_seq > coalesce((o.state ->> 'lastFact')::bigint, 0), o.state,
		ARRAY(SELECT f.body FROM facts f
			WHERE f.order_key = o.key AND f.seq > coalesce((o.state ->> 'lastFact')::bigint, 0) ORDER BY f.seq),
		(SELECT jsonb_agg(jsonb_build_object('line', l.line, 'quantity', l.quantity, 'live', l.cancelled)) FROM order_lines l WHERE l.order_key = o.key),
		(SELECT jsonb_agg(jsonb_build_object('po', l.number, 'line', l.line, 'quantity', l.quantity, 'live', l.live, 'units', l.units))
			FROM purchase_order_lines l WHERE l.order_key = o.key),
		(SELECT jsonb_agg(jsonb_build_object('po', p.po_number, 'tracking', p.tracking, 'scanned', p.first_scan_at IS NOT NULL,
				'line', e -> 'line', 'quantity', e -> 'quantity'))
			FROM parcels p, jsonb_array_elements(p.lines) e WHERE p.order_key = o.key),
		(SELECT jsonb_agg(e) FROM refunds r, jsonb_array_elements(coalesce(nullif(r.lines, 'null'), '[]')) e
			WHERE r.order_key = o.key AND r.state = 'done' AND r.rma IS NULL),
		(SELECT count(DISTINCT r.n) FROM refunds r WHERE r.order_key = o.key AND r.state = 'done' AND r.rma IS NULL AND r.n > 0)
	FROM orders o ORDER BY o.key`

// folding holds the checks that go through the orders one by one.
type folding struct {
	units, shipped, late, accounted, cancel, tables, refunds *found
	open                                                     []string
}

// foldOrders streams through all orders, folds the facts that came since over each recorded state by
// the rules of internal/order, and compares the result with the tables. It returns the keys of the
// orders that are open.
func foldOrders(ctx context.Context, tx pgx.Tx, o Options) ([]*Outcome, []openOrder, error) {
	const defect = "Report it as a defect, with the order's history from the Temporal UI; correct the tables from the workflow's state."
	f := &folding{
		units:     newFound(unitsKept, "Report it as a defect, with the order's facts; the order's suppliers must be watched by hand.", o),
		shipped:   newFound(shippedOnce, "Have the surplus intercepted or sent back, and see why no case was opened.", o),
		late:      newFound(lateSettled, "starter revive ORDER, and decide the case with starter resolve.", o),
		accounted: newFound(allAccounted, "See in starter show what the parcel was for; have the surplus intercepted.", o),
		cancel:    newFound(cancelLost, "Ask for a return, or take the cancellation back: the parcel won.", o),
		tables:    newFound(tablesAgree, defect, o),
		refunds:   newFound(refundsAgree, defect, o),
	}
	rows, err := tx.Query(ctx, ordersSQL)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := readRecorded(rows)
		if err != nil {
			return nil, nil, err
		}
		f.check(r)
	}
	open := make([]openOrder, len(f.open))
	for i, key := range f.open {
		open[i].key = key
	}
	return []*Outcome{
		&f.units.Outcome, &f.shipped.Outcome, &f.late.Outcome, &f.accounted.Outcome, &f.cancel.Outcome, &f.tables.Outcome, &f.refunds.Outcome,
	}, open, rows.Err()
}

func readRecorded(row pgx.CollectableRow) (*recorded, error) {
	r := &recorded{}
	var state []byte
	err := row.Scan(&r.key, &r.stage, &r.closed, &r.started, &r.waiting, &state, &r.facts,
		&r.lines, &r.pos, &r.parcels, &r.refundedLines, &r.refunds)
	if err != nil {
		return nil, fmt.Errorf("read order %s: %w", r.key, err)
	}
	if state != nil {
		r.state = &order.State{}
		if err := json.Unmarshal(state, r.state); err != nil {
			r.state = nil
		}
	}
	return r, nil
}

func (f *folding) check(r *recorded) {
	if r.started && !r.closed {
		f.open = append(f.open, r.key)
	}
	if r.state == nil {
		return
	}
	f.tables.Checked++
	f.compareTables(r)
	f.refunds.Checked++
	f.compareRefunds(r)
	f.units.Checked++
	state, err := fold(r)
	if err == nil {
		err = state.Check()
	}
	if err != nil {
		f.units.add(r.key, "%v", err)
		return
	}
	if r.closed && !r.waiting {
		f.late.Checked++
		f.checkClosed(r, state)
	}
	// A purchase order that was made after the last snapshot is known to the workflow alone.
	if knowsAll(state, r.pos) {
		f.checkParcels(r, state)
	}
}

// fold applies what came after the snapshot. A state that the rules cannot take is an error, not the
// end of the audit.
func fold(r *recorded) (state *order.State, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("its facts cannot be folded over its state: %v", cause)
		}
	}()
	whole := r.state.Clone()
	for _, body := range r.facts {
		var fact order.Fact
		if err := json.Unmarshal(body, &fact); err != nil {
			return nil, fmt.Errorf("a fact cannot be read: %w", err)
		}
		whole.Apply(fact, time.Time{})
	}
	return &whole, nil
}

func knowsAll(s *order.State, rows []lineUnits) bool {
	for i := range rows {
		if s.PO(rows[i].PO) == nil {
			return false
		}
	}
	return true
}

// compareTables holds the snapshot against the tables that are written with it.
func (f *folding) compareTables(r *recorded) {
	s := r.state
	// The row's stage may be ahead: it follows the facts, which the workflow records with its next step.
	if string(s.Stage()) != r.stage && !r.waiting {
		f.tables.add(r.key, "the state says %s, the order's row %s", s.Stage(), r.stage)
	}
	if s.Settled != r.closed {
		f.tables.add(r.key, "the state says settled: %t, the order's row closed: %t", s.Settled, r.closed)
	}
	for _, row := range r.lines {
		for i := range s.Lines {
			if l := &s.Lines[i]; l.Line == row.Line && (l.Ordered != row.Quantity || l.Cancelled != row.Live) {
				f.tables.add(r.key, "line %d: the state says %d ordered and %d cancelled, its row %d and %d", l.Line, l.Ordered, l.Cancelled, row.Quantity, row.Live)
			}
		}
	}
	for i := range s.POs {
		for j := range s.POs[i].Lines {
			pl := &s.POs[i].Lines[j]
			row := rowOf(r.pos, s.POs[i].Number, pl.Line)
			if row == nil || row.Quantity != pl.Quantity || row.Live != pl.Units.Live() || row.Units != pl.Units {
				f.tables.add(r.key, "%s line %d: the state and its row differ", s.POs[i].Number, pl.Line)
			}
		}
	}
}

func rowOf(rows []lineUnits, po string, line int) *lineUnits {
	for i := range rows {
		if rows[i].PO == po && rows[i].Line == line {
			return &rows[i]
		}
	}
	return nil
}

func (f *folding) compareRefunds(r *recorded) {
	s := r.state
	if !r.closed || r.waiting {
		return // a refund is made before the state that counts it is recorded
	}
	if s.Refunds != r.refunds {
		f.refunds.add(r.key, "the state counts %d refunds, %d were made", s.Refunds, r.refunds)
	}
	for i := range s.Lines {
		if made := sum(r.refundedLines, s.Lines[i].Line, nil); made != s.Lines[i].Refunded {
			f.refunds.add(r.key, "line %d: the state counts %d refunded units, %d were refunded", s.Lines[i].Line, s.Lines[i].Refunded, made)
		}
	}
}

// sum adds up the units of a line in the rows that count; nil: all.
func sum(rows []lineUnits, line int, counts func(*lineUnits) bool) int64 {
	var n int64
	for i := range rows {
		if rows[i].Line == line && (counts == nil || counts(&rows[i])) {
			n += rows[i].Quantity
		}
	}
	return n
}

func (f *folding) checkClosed(r *recorded, s *order.State) {
	for i := range s.Cases {
		if c := &s.Cases[i]; c.Open() {
			f.late.add(r.key, "it is closed, and case %s is %s", c.Key, c.Status)
		}
	}
	for i := range s.POs {
		if p := &s.POs[i]; p.LateAck == order.LateAckReceived {
			f.late.add(r.key, "it is closed, and the late acknowledgment of %s was never answered", p.Number)
		}
	}
	for _, step := range s.Steps() {
		f.late.add(r.key, "it is closed, and a step is due: %s %s", step.Kind, step.Subject)
	}
}

// checkParcels holds what suppliers announced and carriers scanned against what the order knows.
func (f *folding) checkParcels(r *recorded, s *order.State) {
	f.shipped.Checked++
	f.cancel.Checked++
	for i := range s.Lines {
		l := &s.Lines[i]
		surplus := inCases(s, "", "", l.Line)
		// A label that was thrown away stays announced.
		announced := sum(r.parcels, l.Line, nil) - voided(s, l.Line)
		if announced > l.Ordered+surplus {
			f.shipped.add(r.key, "line %d: %d ordered, %d in parcels, %d of them in cases", l.Line, l.Ordered, announced, surplus)
		}
		scanned := sum(r.parcels, l.Line, func(p *lineUnits) bool { return p.Scanned })
		if scanned-surplus+l.Cancelled > l.Ordered {
			f.cancel.add(r.key, "line %d: %d ordered, %d cancelled, %d scanned by carriers, %d of them in cases", l.Line, l.Ordered, l.Cancelled, scanned, surplus)
		}
	}
	for _, p := range r.parcels {
		f.accounted.Checked++
		if known := inParcel(s, p) + inCases(s, p.PO, p.Tracking, p.Line); p.Quantity > known {
			f.accounted.add(r.key, "parcel %s of %s holds %d of line %d, the order knows of %d", p.Tracking, p.PO, p.Quantity, p.Line, known)
		}
	}
}

func inParcel(s *order.State, p lineUnits) int64 {
	var n int64
	po := s.PO(p.PO)
	for i := range po.Parcels {
		if po.Parcels[i].Tracking == p.Tracking {
			n += of(po.Parcels[i].Lines, p.Line) + of(po.Parcels[i].Voided, p.Line)
		}
	}
	return n
}

// voided is the units of a line on labels that were thrown away.
func voided(s *order.State, line int) int64 {
	var n int64
	for i := range s.POs {
		for j := range s.POs[i].Parcels {
			n += of(s.POs[i].Parcels[j].Voided, line)
		}
	}
	return n
}

// of adds up the units of a line.
func of(lines []order.ShippedLine, line int) int64 {
	var n int64
	for _, l := range lines {
		if l.Line == line {
			n += l.Quantity
		}
	}
	return n
}

func inCases(s *order.State, po, tracking string, line int) int64 {
	var n int64
	for i := range s.Cases {
		c := &s.Cases[i]
		for _, l := range c.Lines {
			if l.Line == line && (po == "" || c.PO == po && c.Tracking == tracking) {
				n += l.Quantity
			}
		}
	}
	return n
}
