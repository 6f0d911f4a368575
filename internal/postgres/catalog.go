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

// SaveCatalog stores what a catalogue file describes, in one transaction. Partners that are not in
// the file stay; stock that is reserved stays reserved.
func SaveCatalog(ctx context.Context, pool *pgxpool.Pool, f catalog.File) error {
	return Do(ctx, pool, func(_ context.Context, w *Work) error {
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
		return nil
	})
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
