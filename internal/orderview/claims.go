package orderview

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Claim is a named balance with a partner, open or ended. Amounts are decimal text.
type Claim struct {
	Order      string    `json:"order" example:"shop/1001"`
	Claim      string    `json:"claim" doc:"Its key among the order's claims." example:"dispute/price/acme/INV-7"`
	Reference  string    `json:"reference,omitempty" doc:"Names what is pursued, also to the supplier; claims of one matter share it. Missing: nobody pursues it." example:"C0A1B2C3D4E5F6A"`
	Kind       string    `json:"kind" example:"invoice_dispute"`
	Reason     string    `json:"reason,omitempty" doc:"Of a dispute: price, quantity_not_shipped, not_ordered, duplicate, freight, fee, arithmetic or volume_discount." example:"price"`
	Partner    string    `json:"partner" doc:"The supplier or carrier." example:"acme"`
	Amount     string    `json:"amount" doc:"What they owe us; with a minus what we owe them." example:"3.00"`
	Currency   string    `json:"currency" example:"USD"`
	Owner      string    `json:"owner" doc:"The role that pursues it." example:"purchasing"`
	Stage      string    `json:"stage,omitempty" doc:"How far the pursuit is: open, asked, chased, escalated or settled." example:"asked"`
	OpenedAt   time.Time `json:"opened_at"`
	DueAt      time.Time `json:"due_at"`
	ClosedAt   time.Time `json:"closed_at,omitzero"`
	Resolution string    `json:"resolution,omitempty" example:"credited"`
	// NeedsAttention: the supplier did not settle it, and a person has to.
	NeedsAttention bool `json:"needs_attention" doc:"A person has to decide something."`
}

// ClaimFilter says which claims to list; empty fields filter nothing.
type ClaimFilter struct {
	Storefront, Order, Supplier, Kind, Reference string
	Open, Overdue                                bool
	Limit                                        int
}

const claimColumns = `c.order_key, c.key, coalesce(p.reference, ''), c.kind, c.reason, split_part(c.account, ':', 2), c.minor, c.currency,
	c.owner, coalesce(p.stage, ''), c.opened_at, c.due_at, c.closed_at, c.resolution, coalesce(p.needs_attention, false) AND ` + unended + `
	FROM claims c LEFT JOIN pursuits p ON p.id = c.pursuit`

// unended: something of it is open, or was paid for a parcel that came all the same.
const unended = `(c.closed_at IS NULL OR coalesce(p.found > 0 AND p.closed_at IS NULL AND c.resolution = 'paid', false))`

// Claims lists claims, what is due first before the rest.
func Claims(ctx context.Context, q Querier, f ClaimFilter) ([]Claim, error) {
	rows, err := q.Query(ctx, `SELECT `+claimColumns+` JOIN orders o ON o.key = c.order_key
		WHERE ($1 = '' OR o.storefront = $1) AND ($2 = '' OR c.order_key = $2) AND ($3 = '' OR split_part(c.account, ':', 2) = $3)
			AND ($4 = '' OR c.kind = $4) AND ($5 = '' OR p.reference = $5)
			AND (NOT $6 OR `+unended+`) AND (NOT $7 OR c.closed_at IS NULL AND c.due_at < now())
		ORDER BY c.due_at, c.order_key, c.key LIMIT $8`,
		f.Storefront, f.Order, f.Supplier, f.Kind, f.Reference, f.Open, f.Overdue, f.Limit)
	if err != nil {
		return nil, fmt.Errorf("list claims: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanClaim)
	if err != nil {
		return nil, fmt.Errorf("list claims: %w", err)
	}
	return list, nil
}

func scanClaim(row pgx.CollectableRow) (Claim, error) {
	var c Claim
	var minor int64
	var closed *time.Time
	err := row.Scan(&c.Order, &c.Claim, &c.Reference, &c.Kind, &c.Reason, &c.Partner, &minor, &c.Currency, &c.Owner,
		&c.Stage, &c.OpenedAt, &c.DueAt, &closed, &c.Resolution, &c.NeedsAttention)
	c.Amount = amount(minor, c.Currency)
	c.OpenedAt, c.DueAt, c.ClosedAt = c.OpenedAt.UTC(), c.DueAt.UTC(), moment(closed)
	return c, err
}

// Pursuit is what is pursued under one reference, with its story.
type Pursuit struct {
	Reference      string       `json:"reference" example:"C0A1B2C3D4E5F6A"`
	Order          string       `json:"order" example:"shop/1001"`
	PurchaseOrder  string       `json:"purchase_order,omitempty" example:"DLABCDEFGHIJKLM-1"`
	Supplier       string       `json:"supplier,omitempty" doc:"Who owes it; missing when it is a carrier." example:"acme"`
	Carrier        string       `json:"carrier,omitempty" doc:"Who owes it; missing when it is a supplier." example:"easypost"`
	Stage          string       `json:"stage" doc:"open, asked, chased, escalated or settled." example:"asked"`
	NeedsAttention bool         `json:"needs_attention" doc:"A person has to decide something."`
	Answer         string       `json:"answer,omitempty" doc:"The supplier's word: accepted or refused." example:"accepted"`
	Open           string       `json:"open" doc:"What is open of it." example:"3.00"`
	Found          string       `json:"found,omitempty" doc:"What the carrier paid for a parcel that came all the same, as far as nobody has settled it as repaid or kept." example:"3.00"`
	Currency       string       `json:"currency" example:"USD"`
	OpenedAt       time.Time    `json:"opened_at"`
	FileBy         time.Time    `json:"file_by,omitzero" doc:"Until when the carrier takes the claim."`
	ClosedAt       time.Time    `json:"closed_at,omitzero"`
	Claims         []Claim      `json:"claims"`
	Settlements    []Settlement `json:"settlements" doc:"What people decided."`
	Credits        []GivenBack  `json:"credits" doc:"What the supplier gave."`
	Letters        []Event      `json:"letters" doc:"When the supplier or carrier was written to."`
	Parcels        []LostParcel `json:"parcels,omitempty" doc:"What a carrier answers for."`
}

// LostParcel is a parcel that a claim on a carrier is about.
type LostParcel struct {
	Carrier   string    `json:"carrier" doc:"Who had it in hand." example:"dropex"`
	Tracking  string    `json:"tracking" example:"EZ00000001"`
	Milestone string    `json:"milestone" example:"lost"`
	FirstScan time.Time `json:"first_scan_at,omitzero"`
	LastScan  time.Time `json:"last_scan_at,omitzero"`
}

// Settlement is a person's decision about a claim.
type Settlement struct {
	RequestID string    `json:"request_id" example:"settle-3"`
	Outcome   string    `json:"outcome" example:"conceded"`
	Amount    string    `json:"amount" example:"3.00"`
	Reason    string    `json:"reason" example:"agreed"`
	By        string    `json:"by" example:"operator key k1"`
	At        time.Time `json:"at"`
}

// GivenBack is a credit memo or a corrected invoice. What was applied is at most what the claim was open by.
type GivenBack struct {
	Number  string    `json:"number" example:"CM-12"`
	Amount  string    `json:"amount" example:"3.00"`
	Applied string    `json:"applied" example:"3.00"`
	At      time.Time `json:"at"`
}

// FindClaim reads what is pursued under a reference. ok is false when nothing is.
func FindClaim(ctx context.Context, q Querier, reference string) (p Pursuit, ok bool, err error) {
	var id string
	var open, found int64
	var closed, fileBy *time.Time
	rows, err := q.Query(ctx, `SELECT p.id, p.reference, p.order_key, p.po_number, coalesce(p.supplier, ''), coalesce(p.carrier, ''), p.stage,
			p.needs_attention, p.answer, p.currency, p.opened_at, p.closed_at, (p.state ->> 'fileBy')::timestamptz,
			coalesce((SELECT sum(minor) FROM claims c WHERE c.pursuit = p.id AND c.closed_at IS NULL), 0)::bigint,
			greatest(p.found - (SELECT coalesce(sum(minor), 0) FROM claim_settlements d WHERE d.pursuit = p.id AND d.outcome IN ('repaid', 'kept')), 0)::bigint
		FROM pursuits p WHERE p.reference = $1`, reference)
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{
			&id, &p.Reference, &p.Order, &p.PurchaseOrder, &p.Supplier, &p.Carrier, &p.Stage, &p.NeedsAttention, &p.Answer, &p.Currency, &p.OpenedAt,
			&closed, &fileBy, &open, &found,
		}, func() error { ok = true; return nil })
	}
	if err != nil || !ok {
		return Pursuit{}, false, err
	}
	p.OpenedAt, p.ClosedAt, p.FileBy, p.Open = p.OpenedAt.UTC(), moment(closed), moment(fileBy), amount(open, p.Currency)
	if found > 0 {
		p.Found = amount(found, p.Currency)
	}
	if p.Claims, err = Claims(ctx, q, ClaimFilter{Reference: reference, Limit: 500}); err != nil {
		return Pursuit{}, false, err
	}
	return p, true, p.fill(ctx, q, id)
}

func (p *Pursuit) fill(ctx context.Context, q Querier, id string) (err error) {
	if p.Settlements, err = collect(ctx, q, `SELECT request, outcome, minor, reason, by, settled_at FROM claim_settlements WHERE pursuit = $1 ORDER BY settled_at, request`,
		id, func(row pgx.CollectableRow) (s Settlement, err error) {
			var minor int64
			err = row.Scan(&s.RequestID, &s.Outcome, &minor, &s.Reason, &s.By, &s.At)
			s.Amount, s.At = amount(minor, p.Currency), s.At.UTC()
			return s, err
		}); err != nil {
		return err
	}
	if p.Credits, err = collect(ctx, q, `SELECT number, minor, applied, given_at FROM claim_credits WHERE pursuit = $1 ORDER BY given_at, number`,
		id, func(row pgx.CollectableRow) (c GivenBack, err error) {
			var minor, applied int64
			err = row.Scan(&c.Number, &minor, &applied, &c.At)
			c.Amount, c.Applied, c.At = amount(minor, p.Currency), amount(applied, p.Currency), c.At.UTC()
			return c, err
		}); err != nil {
		return err
	}
	p.Letters, err = collect(ctx, q, `SELECT m.created_at, m.kind || ': ' || m.state FROM pursuits p
		JOIN outbox m ON m.order_key = p.order_key AND m.channel IN ('supplier_mail', 'carrier_mail') AND m.payload ->> 'claim' = p.reference
		WHERE p.id = $1 ORDER BY m.id`, id, func(row pgx.CollectableRow) (e Event, err error) {
		e.Kind = "message"
		err = row.Scan(&e.At, &e.Text)
		e.At = e.At.UTC()
		return e, err
	})
	if err != nil || p.Carrier == "" {
		return err
	}
	p.Parcels, err = collect(ctx, q, `SELECT carrier, tracking, milestone, first_scan_at, last_scan_at FROM pursuit_parcels WHERE pursuit = $1
		ORDER BY carrier, tracking`, id, func(row pgx.CollectableRow) (b LostParcel, err error) {
		var first, last *time.Time
		err = row.Scan(&b.Carrier, &b.Tracking, &b.Milestone, &first, &last)
		b.FirstScan, b.LastScan = moment(first), moment(last)
		return b, err
	})
	return err
}

func collect[T any](ctx context.Context, q Querier, sql, arg string, scan func(pgx.CollectableRow) (T, error)) ([]T, error) {
	rows, err := q.Query(ctx, sql, arg)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, scan)
	return append([]T{}, list...), err
}
