package returndesk_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
)

// The order says of which category its goods are; where it does not, the catalogue does.
func TestTheCategoryIsTheOrdersOrTheCatalogues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, order, offer string
		refused            bool
	}{
		{"the offer's", "", " Under  WEAR", true},
		{"the order's", "under wear", "", true},
		{"the order's before the offer's", "toys", "under wear", false},
		{"none", "", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			d, pool := desk(t)
			for _, step := range []struct {
				sql  string
				args []any
			}{
				{`UPDATE storefronts SET document = jsonb_set(document, '{policy,returns,categories}', '{"under wear": {"final_sale": true}, "toys": {"opened_bp": 700}}')`, nil},
				{`UPDATE suppliers SET document = jsonb_set(document, '{contract,returns,categories}', '{"toys": {"window_days": 0}}')`, nil},
				{`UPDATE orders SET document = jsonb_set(document, '{lines,0,category}', to_jsonb($1::text))`, []any{c.order}},
				{`INSERT INTO offers (supplier, sku, document, on_hand) VALUES ('acme', 'MUG', jsonb_build_object('category', $1::text), 1)`, []any{c.offer}},
			} {
				_, err := pool.Exec(ctx, step.sql, step.args...)
				require.NoError(t, err)
			}
			answer, err := d.Request(ctx, key, mugs("r-1", 1))
			require.NoError(t, err)
			if c.refused {
				require.NotNil(t, answer.Refused)
				require.Equal(t, returns.RefusedFinalSale, answer.Refused.Code)
				require.Contains(t, answer.Refused.Text, "Line 1 (under wear)")
				return
			}
			require.Nil(t, answer.Refused)
			list, err := returndesk.OfOrder(ctx, pool, key)
			require.NoError(t, err)
			require.Len(t, list, 1)
			s, line := list[0].State, list[0].State.Lines[0]
			require.Equal(t, c.order, line.Category)
			require.Equal(t, c.order != "toys", s.Covered, "the supplier takes no toys back")
			if c.order == "toys" {
				require.EqualValues(t, 700, line.Fees.OpenedBP)
			} else {
				require.Nil(t, line.Fees)
			}
		})
	}
}
