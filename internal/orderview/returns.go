package orderview

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
)

// Return is one RMA as it stands. Amounts are decimal text in the order's currency.
type Return struct {
	RMA            string       `json:"rma" example:"DLABCDEFGHIJKLM-1-R1"`
	Order          string       `json:"order" example:"shop/1001"`
	Stage          string       `json:"stage" doc:"authorising, awaiting_parcel, return_in_transit, return_received, deciding, settling, closed, …" example:"awaiting_parcel"`
	NeedsAttention bool         `json:"needs_attention" doc:"A person has to decide something."`
	Attention      []Attention  `json:"attention" doc:"What waits for a person."`
	PurchaseOrder  string       `json:"purchase_order" example:"DLABCDEFGHIJKLM-1"`
	Supplier       string       `json:"supplier" example:"acme"`
	OpenedAt       time.Time    `json:"opened_at"`
	SendBy         time.Time    `json:"send_by,omitzero" doc:"Until when the goods have to be handed in; missing: they need not come back."`
	ClosedAt       time.Time    `json:"closed_at,omitzero"`
	Lines          []ReturnLine `json:"lines"`
	Keep           bool         `json:"keep" doc:"The goods stay with the customer."`
	Label          *ReturnLabel `json:"label,omitempty" doc:"What the goods are sent with."`
	Parcel         string       `json:"parcel,omitempty" doc:"The newest milestone of the return parcel." example:"in_transit"`
	Currency       string       `json:"currency" example:"USD"`
	Resolution     string       `json:"resolution" doc:"What the customer asked for: refund, exchange or store_credit." example:"refund"`
	Refunded       string       `json:"refunded" doc:"What went back to the customer as money." example:"25.00"`
	StoreCredit    string       `json:"store_credit,omitempty" doc:"What the customer got as store credit, bonus included." example:"27.50"`
	ExchangeOrder  string       `json:"exchange_order,omitempty" doc:"The order that replaces the goods." example:"shop/1001-X1"`
	Photos         []string     `json:"photos,omitempty" doc:"Where the customer's pictures are: addresses, or paths of this API."`
	Note           string       `json:"note,omitempty" doc:"The customer's own words, from the return page; they may hold personal data." example:"The handle is broken."`
	Credit         Credit       `json:"credit"`
	WaitsFor       []Wait       `json:"waits_for" doc:"What has to happen next, and until when."`
	Story          []Event      `json:"story"`
}

// ReturnLine is units of one line that come back.
type ReturnLine struct {
	Line     int     `json:"line" example:"1"`
	SKU      string  `json:"sku" example:"MUG-BLUE"`
	Quantity int64   `json:"quantity" example:"1"`
	Reason   string  `json:"reason" example:"damaged"`
	Found    []Found `json:"found" doc:"What the inspection found."`
	Settled  int64   `json:"settled" doc:"Units for which the customer has been paid, or will not be." example:"1"`
}

// Found is units in one condition.
type Found struct {
	Condition string `json:"condition" example:"as_new"`
	Quantity  int64  `json:"quantity" example:"1"`
}

// ReturnLabel is what the goods are sent with.
type ReturnLabel struct {
	Carrier  string `json:"carrier" example:"ups"`
	Tracking string `json:"tracking" example:"1Z999AA10123456784"`
	URL      string `json:"url,omitempty" doc:"Where it can be printed."`
	// GiveBack is what became of giving it back to the carrier that sold it.
	GiveBack string `json:"give_back,omitempty" doc:"Of a bought label that nobody used: asked, accepted or refused by its carrier." example:"accepted"`
	Note     string `json:"note,omitempty" doc:"Why it was refused, or that the parcel travels under it all the same."`
}

// Credit is what the supplier owes for the goods.
type Credit struct {
	Currency   string    `json:"currency" example:"USD" doc:"The supplier's."`
	Expected   string    `json:"expected" example:"4.20"`
	Received   string    `json:"received" example:"0.00"`
	WrittenOff string    `json:"written_off" example:"0.00"`
	DueAt      time.Time `json:"due_at,omitzero" doc:"When it is chased next."`
}

// Returns lists an order's returns, the oldest first, with the facts that came since their workflows
// recorded them folded in.
func Returns(ctx context.Context, q Querier, key order.Key) ([]Return, error) {
	return readReturns(ctx, q, "r.order_key = $1 ORDER BY r.opened_at, r.rma", key.String())
}

// FindReturn reads a return by its number, whatever its order. ok is false when there is none.
func FindReturn(ctx context.Context, q Querier, rma string) (found Return, ok bool, err error) {
	list, err := readReturns(ctx, q, "r.rma = $1", rma)
	if err != nil || len(list) == 0 {
		return Return{}, false, err
	}
	return list[0], true, nil
}

// NewestReturns lists returns, the newest first: of one storefront or of all (""), and only those that
// wait for a person, if asked.
func NewestReturns(ctx context.Context, q Querier, storefront string, attention bool, limit int) ([]Return, error) {
	return readReturns(ctx, q, `(r.needs_attention OR NOT $2::bool) AND ($1 = '' OR EXISTS (SELECT 1 FROM orders o WHERE o.key = r.order_key AND o.storefront = $1))
		ORDER BY r.opened_at DESC, r.rma DESC LIMIT $3`, storefront, attention, limit)
}

// returnColumns is all that a view of a return is made of.
const returnColumns = `r.state, r.opened_at, r.closed_at,
	coalesce((SELECT jsonb_agg(f.body ORDER BY f.seq) FROM return_facts f
		WHERE f.rma = r.rma AND f.seq > coalesce((r.state ->> 'lastFact')::bigint, 0)), '[]'),
	coalesce((SELECT jsonb_build_object('url', p.label_url, 'give_back', p.give_back, 'note', CASE
			WHEN p.give_back IN ('asked', 'accepted') AND p.first_scan_at IS NOT NULL THEN 'scanned after it was given back'
			ELSE p.give_back_note END)
		FROM return_parcels p WHERE p.rma = r.rma ORDER BY p.tracking LIMIT 1), '{}'),
	coalesce((SELECT q.photos FROM return_requests q WHERE q.order_key = r.order_key AND q.id = r.request), '{}'),
	coalesce((SELECT n.note FROM return_notes n WHERE n.order_key = r.order_key AND n.request = r.request), ''),
	(SELECT count(*)::int FROM return_pictures p WHERE p.order_key = r.order_key AND p.request = r.request)`

func readReturns(ctx context.Context, q Querier, which string, args ...any) ([]Return, error) {
	rows, err := q.Query(ctx, `SELECT `+returnColumns+` FROM returns r WHERE `+which, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanReturn)
}

func scanReturn(row pgx.CollectableRow) (Return, error) {
	var state returns.State
	var facts []json.RawMessage
	var opened time.Time
	var closed *time.Time
	var label ReturnLabel
	var photos []string
	var note string
	var pictures int
	if err := row.Scan(&state, &opened, &closed, &facts, &label, &photos, &note, &pictures); err != nil {
		return Return{}, err
	}
	for _, body := range facts {
		var f returns.Fact
		if err := json.Unmarshal(body, &f); err != nil {
			return Return{}, err
		}
		state.Apply(f, opened)
	}
	v := viewReturn(&state, label)
	for n := range pictures {
		photos = append(photos, fmt.Sprintf("/v1/orders/%s/%s/returns/%s/photos/%d", state.Key.Storefront, state.Key.Order, state.RMA, n+1))
	}
	v.OpenedAt, v.ClosedAt, v.Photos, v.Note = opened.UTC(), moment(closed), photos, note
	return v, nil
}

func viewReturn(s *returns.State, label ReturnLabel) Return {
	sum := func(minor int64) string { return amount(minor, s.Currency) }
	owed := func(minor int64) string { return amount(minor, s.CreditCurrency()) }
	v := Return{
		RMA: s.RMA, Order: s.Key.String(), Stage: string(s.Stage()), NeedsAttention: len(s.Attention) > 0, Attention: []Attention{},
		PurchaseOrder: s.PO, Supplier: s.Terms.Supplier, Keep: s.Keep, Parcel: string(s.Parcel), Lines: []ReturnLine{},
		Currency: s.Currency, Resolution: string(s.Resolution), Refunded: sum(s.PaidMinor), ExchangeOrder: s.Replacement, WaitsFor: []Wait{}, Story: []Event{},
		Credit: Credit{
			Currency: s.CreditCurrency(), Expected: owed(s.Claim.Expected), Received: owed(s.Claim.Got), WrittenOff: owed(s.Claim.WrittenOff), DueAt: s.Claim.DueAt,
		},
	}
	if s.CreditedMinor > 0 {
		v.StoreCredit = sum(s.CreditedMinor)
	}
	if !s.Keep {
		v.SendBy = s.SendBy
	}
	if s.Label != nil {
		label.Carrier, label.Tracking = s.Label.Carrier, s.Label.Tracking
		v.Label = &label
	}
	for _, a := range s.Attention {
		v.Attention = append(v.Attention, Attention{Text: oneLine(a.Text), Since: a.Since})
	}
	for i := range s.Lines {
		v.Lines = append(v.Lines, viewReturnLine(&s.Lines[i]))
	}
	for _, e := range s.Journal {
		v.Story = append(v.Story, Event{At: e.At, Kind: "story", Text: oneLine(e.Text)})
	}
	if s.Closed {
		return v
	}
	for _, d := range s.Deadlines() {
		v.WaitsFor = append(v.WaitsFor, Wait{For: d.Text, Until: d.At})
	}
	return v
}

func viewReturnLine(l *returns.Line) ReturnLine {
	line := ReturnLine{Line: l.Line, SKU: l.SKU, Quantity: l.Quantity, Reason: string(l.Reason), Settled: l.Settled, Found: []Found{}}
	for _, c := range append(slices.Clone(returns.Conditions), returns.LostOnTheWay) {
		if n := l.Found[c]; n > 0 {
			line.Found = append(line.Found, Found{Condition: string(c), Quantity: n})
		}
	}
	return line
}
