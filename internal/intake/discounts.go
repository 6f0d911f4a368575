package intake

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/postgres"
)

// ClaimDiscounts looks at the volume discounts of all suppliers whose purchases changed, and claims what was
// charged too much before a tier was reached. A period that fails is tried again with the next look, and
// keeps no other from its turn. Several may run side by side.
func ClaimDiscounts(ctx context.Context, pool *pgxpool.Pool) error {
	due, err := ledgerbook.DuePeriods(ctx, pool)
	if err != nil {
		return err
	}
	for _, period := range due {
		failed := postgres.InTx(ctx, pool, func(tx pgx.Tx) error { return ledgerbook.ClaimDiscounts(ctx, tx, period) })
		if failed != nil && err == nil {
			err = failed
		}
	}
	return err
}
