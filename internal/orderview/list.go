package orderview

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/order"
)

// Summary is an order in a list, as its workflow recorded it last.
type Summary struct {
	Order          string    `json:"order" example:"shop/1001"`
	Storefront     string    `json:"storefront" example:"shop"`
	ID             string    `json:"id" example:"1001"`
	Number         string    `json:"number,omitempty" example:"#1001"`
	Stage          string    `json:"stage" doc:"As recorded last; showing the order tells the newest." example:"shipped"`
	NeedsAttention bool      `json:"needs_attention"`
	PlacedAt       time.Time `json:"placed_at"`
	ReceivedAt     time.Time `json:"received_at"`
	ClosedAt       time.Time `json:"closed_at,omitzero"`
	Currency       string    `json:"currency" example:"USD"`
	Total          string    `json:"total" example:"29.90"`
}

// Filter says which orders to list; zero values let all pass.
type Filter struct {
	Storefront     string
	Stage          string
	NeedsAttention *bool
	After          Cursor
	Limit          int // at least 1
}

// Cursor is the place of an order in the list: pages neither skip nor repeat orders while new ones
// come in.
type Cursor struct {
	ReceivedAt time.Time
	Order      string
}

func (c Cursor) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(c.ReceivedAt.UnixMicro(), 36) + " " + c.Order))
}

// ParseCursor reads what List returned. false: it is something else.
func ParseCursor(text string) (Cursor, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return Cursor{}, false
	}
	at, name, found := strings.Cut(string(raw), " ")
	micros, err := strconv.ParseInt(at, 36, 64)
	// Beyond these years Postgres has no timestamps.
	if err != nil || !found || micros < 0 || micros > time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro() {
		return Cursor{}, false
	}
	if _, err := order.ParseKey(name); err != nil {
		return Cursor{}, false
	}
	return Cursor{ReceivedAt: time.UnixMicro(micros).UTC(), Order: name}, true
}

// List returns a page of orders, the newest first, and the text of the cursor that leads to the
// next page; empty: this is the last.
func List(ctx context.Context, q Querier, f Filter) ([]Summary, string, error) {
	where, args := f.conditions()
	rows, err := q.Query(ctx, `
		SELECT key, storefront, order_id, coalesce(document->>'number', ''), stage, needs_attention,
			placed_at, received_at, closed_at, currency, total_minor
		FROM orders WHERE `+where+` ORDER BY received_at DESC, key DESC LIMIT `+strconv.Itoa(f.Limit+1), args...)
	if err != nil {
		return nil, "", fmt.Errorf("list orders: %w", err)
	}
	page, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Summary, error) {
		var s Summary
		var closed *time.Time
		var total int64
		err := row.Scan(&s.Order, &s.Storefront, &s.ID, &s.Number, &s.Stage, &s.NeedsAttention,
			&s.PlacedAt, &s.ReceivedAt, &closed, &s.Currency, &total)
		s.PlacedAt, s.ReceivedAt, s.ClosedAt = s.PlacedAt.UTC(), s.ReceivedAt.UTC(), moment(closed)
		s.Total = amount(total, s.Currency)
		return s, err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list orders: %w", err)
	}
	if len(page) <= f.Limit {
		return page, "", nil
	}
	page = page[:f.Limit]
	last := page[len(page)-1]
	return page, Cursor{last.ReceivedAt, last.Order}.String(), nil
}

// conditions names only what is asked for, so that each combination finds its index.
func (f *Filter) conditions() (string, []any) {
	where, args := []string{"true"}, []any{}
	add := func(condition string, values ...any) {
		for _, value := range values {
			args = append(args, value)
			condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(args)), 1)
		}
		where = append(where, condition)
	}
	if f.Storefront != "" {
		add("storefront = ?", f.Storefront)
	}
	if f.Stage != "" {
		add("stage = ?", f.Stage)
	}
	if f.NeedsAttention != nil && *f.NeedsAttention {
		add("needs_attention")
	} else if f.NeedsAttention != nil {
		add("NOT needs_attention")
	}
	if f.After.Order != "" {
		add("(received_at, key) < (?, ?)", f.After.ReceivedAt, f.After.Order)
	}
	return strings.Join(where, " AND "), args
}
