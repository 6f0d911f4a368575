package returndesk_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/returns"
)

// A customer who asks for one unit at a time gets no more on trust than one who asks for all.
func TestEarlierReturnsCountAgainstWhatIsGivenOnTrust(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		field, policy string
		reason        returns.Reason
		given         func(*returns.State) bool
	}{
		{"keep", "keep_up_to", returns.Damaged, func(s *returns.State) bool { return s.Keep }},
		{"instant", "instant_up_to", returns.ChangedMind, func(s *returns.State) bool { return s.Instant }},
	} {
		t.Run(c.field, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			d, pool := desk(t)
			_, err := pool.Exec(ctx, `UPDATE storefronts SET document = jsonb_set(document, ARRAY['policy', 'returns', $1], '[{"amount": "12.00", "currency": "EUR"}]')`, c.policy)
			require.NoError(t, err)
			asked := 0
			ask := func() bool {
				asked++
				r := mugs(fmt.Sprint("r-", asked), 1)
				r.Lines[0].Reason = c.reason
				answer, err := d.Request(ctx, key, r)
				require.NoError(t, err)
				require.Nil(t, answer.Refused)
				var s returns.State
				require.NoError(t, pool.QueryRow(ctx, `SELECT state FROM returns WHERE rma = $1`, answer.Returns[0].RMA).Scan(&s))
				return c.given(&s)
			}
			require.True(t, ask(), "one mug costs just that much")
			require.False(t, ask(), "the second is one too many")
			for _, ended := range []string{"cancelled", "expired"} {
				_, err = pool.Exec(ctx, `UPDATE returns SET state = state || jsonb_build_object($1::text, true) WHERE NOT state @> '{"cancelled": true}'`, ended)
				require.NoError(t, err)
				_, err = pool.Exec(ctx, `UPDATE return_lines SET released = quantity`)
				require.NoError(t, err)
				require.True(t, ask(), "a return that has ended as %s gave nothing", ended)
			}
			_, err = pool.Exec(ctx, `UPDATE return_lines SET released = quantity`)
			require.NoError(t, err)
			require.False(t, ask(), "units that may be asked for again were paid for all the same")
		})
	}
}
