package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/catalog"
)

// ErrNoPartner: the catalogue in the database has no partner of that id.
var ErrNoPartner = errors.New("not in the catalogue")

// ErrPaymentsOpen: a storefront still needs the payment provider that the catalogue takes from it.
var ErrPaymentsOpen = errors.New("payments at its provider are not done")

// SaveCatalog stores what a catalogue file describes, in one transaction. Partners that are not in
// the file stay; stock that is reserved stays reserved. Fails with ErrPaymentsOpen.
func SaveCatalog(ctx context.Context, pool *pgxpool.Pool, f catalog.File) error {
	return Do(ctx, pool, func(ctx context.Context, w *Work) error {
		if err := keepProviders(ctx, w, f.Storefronts); err != nil {
			return err
		}
		for i := range f.Storefronts {
			if err := w.upsert("storefronts", f.Storefronts[i].ID, f.Storefronts[i]); err != nil {
				return err
			}
		}
		for i := range f.Suppliers {
			if err := w.upsert("suppliers", f.Suppliers[i].ID, f.Suppliers[i]); err != nil {
				return err
			}
		}
		for i := range f.Carriers {
			if err := w.upsert("carriers", f.Carriers[i].ID, f.Carriers[i]); err != nil {
				return err
			}
		}
		// In the order in which everyone locks offers.
		offers := slices.SortedFunc(slices.Values(f.Offers), func(a, b catalog.Offer) int {
			return cmp.Or(strings.Compare(a.SKU, b.SKU), strings.Compare(a.Supplier, b.Supplier))
		})
		for i := range offers {
			o := &offers[i]
			document, err := json.Marshal(o)
			if err != nil {
				return fmt.Errorf("encode the offer of %s by %s: %w", o.SKU, o.Supplier, err)
			}
			w.Queue(`INSERT INTO offers (supplier, sku, document, on_hand) VALUES ($1, $2, $3, $4)
				ON CONFLICT (sku, supplier) DO UPDATE SET document = excluded.document,
					on_hand = excluded.on_hand, updated_at = now()`, o.Supplier, o.SKU, document, o.OnHand)
		}
		for _, r := range f.Rates {
			w.Queue(`INSERT INTO exchange_rates (from_currency, to_currency, valid_on, num, den) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (to_currency, from_currency, valid_on) DO UPDATE SET num = excluded.num, den = excluded.den, recorded_at = now()`,
				r.From, r.To, r.On.String(), r.Num, r.Den)
		}
		return nil
	})
}

// keepProviders refuses to take the provider from a storefront whose orders are not done with it: what goes
// back of a payment goes by where it came from. One that was captured with its order has no end of its
// own: its order's counts, and that of the order's returns.
func keepProviders(ctx context.Context, w *Work, shops []catalog.Storefront) error {
	var without []string
	for i := range shops {
		if !shops[i].HasPayments() {
			without = append(without, shops[i].ID)
		}
	}
	var open []error
	w.Queue(`SELECT p.storefront, count(*) FROM payments p JOIN orders o ON o.key = p.order_key
		WHERE p.storefront = ANY ($1) AND (o.closed_at IS NULL OR p.closed_at IS NULL AND (p.started_at IS NOT NULL OR p.deliver_at IS NOT NULL)
			OR EXISTS (SELECT FROM returns r WHERE r.order_key = p.order_key AND r.closed_at IS NULL))
		GROUP BY p.storefront ORDER BY p.storefront`, without).Query(func(rows pgx.Rows) error {
		var shop string
		var n int
		_, err := pgx.ForEachRow(rows, []any{&shop, &n}, func() error {
			open = append(open, fmt.Errorf("storefront %s: %w (%d of them): put payments back until they are", shop, ErrPaymentsOpen, n))
			return nil
		})
		return err
	})
	if err := w.Flush(ctx); err != nil {
		return fmt.Errorf("look for open payments: %w", err)
	}
	return errors.Join(open...)
}

// upsert stores a partner's document; table is one of ours, never input.
func (w *Work) upsert(table, id string, document any) error {
	encoded, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("encode %s %s: %w", table, id, err)
	}
	w.Queue(`INSERT INTO `+table+` (id, document) VALUES ($1, $2)
		ON CONFLICT (id) DO UPDATE SET document = excluded.document, updated_at = now()`, id, encoded)
	return nil
}

// Storefront reads a storefront's policy; ErrNoPartner when there is none of that id.
func Storefront(ctx context.Context, q Querier, id string) (catalog.Storefront, error) {
	return partner[catalog.Storefront](ctx, q, "storefronts", id)
}

// Supplier reads a supplier with its contract; ErrNoPartner when there is none of that id.
func Supplier(ctx context.Context, q Querier, id string) (catalog.Supplier, error) {
	return partner[catalog.Supplier](ctx, q, "suppliers", id)
}

// Carrier reads a tracking service; ErrNoPartner when there is none of that id.
func Carrier(ctx context.Context, q Querier, id string) (catalog.Carrier, error) {
	return partner[catalog.Carrier](ctx, q, "carriers", id)
}

// Carriers lists the tracking services by id.
func Carriers(ctx context.Context, q Querier) ([]catalog.Carrier, error) {
	rows, err := q.Query(ctx, `SELECT document FROM carriers ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("read the carriers: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[catalog.Carrier])
}

// Querier is a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func partner[T any](ctx context.Context, q Querier, table, id string) (T, error) {
	var document T
	err := q.QueryRow(ctx, `SELECT document FROM `+table+` WHERE id = $1`, id).Scan(&document)
	if errors.Is(err, pgx.ErrNoRows) {
		return document, fmt.Errorf("%s %q: %w", table, id, ErrNoPartner)
	}
	if err != nil {
		return document, fmt.Errorf("read %s %q: %w", table, id, err)
	}
	return document, nil
}
