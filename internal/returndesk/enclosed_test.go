package returndesk_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/returndesk"
)

// Asking, cancelling and asking again makes no labels, mails and pictures without end.
func TestACustomerIsGrantedSoManyReturnsOfAnOrderAndThenReferredToAPerson(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		picture int
		granted int
	}{{"returns", 1, 20}, {"pictures", 6 << 20, 10}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			d, pool := desk(t)
			with := returndesk.Enclosed{Note: "It leaks.", Pictures: []returndesk.Picture{{MediaType: "image/png", Body: make([]byte, c.picture)}}}
			for n := range c.granted + 1 {
				asked := mugs(fmt.Sprintf("page-%d", n), 1)
				asked.By = returndesk.ByCustomer
				answer, err := d.RequestWith(ctx, key, asked, with)
				if n < c.granted {
					require.NoError(t, err)
					require.Len(t, answer.Returns, 1)
					_, err = pool.Exec(ctx, `UPDATE return_lines SET released = quantity`) // as of a return that is cancelled
					require.NoError(t, err)
					continue
				}
				require.ErrorIs(t, err, returndesk.ErrTooMuch)
			}
			for _, table := range []string{"return_requests", "returns", "return_notes", "return_pictures"} {
				var rows int
				require.NoError(t, pool.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&rows))
				require.Equal(t, c.granted, rows, table)
			}
			first := mugs("page-0", 1)
			first.By = returndesk.ByCustomer
			again, err := d.RequestWith(ctx, key, first, with)
			require.NoError(t, err)
			require.True(t, again.Repeated, "what was granted before is answered as before")
			_, err = d.RequestWith(ctx, key, mugs("r-1", 1), with)
			require.NoError(t, err, "a person is not bounded")
		})
	}
}
