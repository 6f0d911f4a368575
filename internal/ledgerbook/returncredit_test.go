package ledgerbook_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
)

func TestAReturnsCreditIsPostedAsItComesAndNamedUntilItIsWhole(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	due := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	c := ledgerbook.ReturnCredit{RMA: "P-1-R1", Supplier: "acme", Currency: "EUR", Due: due}
	for _, step := range []struct{ expected, got, off, named, payable, losses int64 }{
		{expected: 760, named: 760},
		{expected: 760, got: 500, named: 260, payable: 500},
		{expected: 800, got: 500, named: 300, payable: 500}, // more was found
		{expected: 800, got: 700, named: 100, payable: 700},
		{expected: 800, got: 700, off: 100, payable: 700, losses: 100},
	} {
		c.Expected, c.Got, c.WrittenOff = step.expected, step.got, step.off
		for range 2 { // again: nothing more
			inTx(t, pool, func(tx pgx.Tx) error {
				return ledgerbook.Change(context.Background(), tx, "shop/1", func(b *ledgerbook.Book) error { return b.FollowReturn(c) })
			})
		}
		posted, err := ledgerbook.Read(context.Background(), pool, "shop/1")
		require.NoError(t, err)
		balances, err := ledger.BalanceOf(posted)
		require.NoError(t, err)
		require.Equal(t, step.named, balances.Of(ledger.SupplierClaims("acme"), "EUR"))
		require.Equal(t, step.payable, balances.Of(ledger.SupplierPayable("acme"), "EUR"))
		require.Equal(t, step.losses, balances.Of(ledger.Losses, "EUR"))
		require.Equal(t, -step.expected, balances.Of(ledger.CostOfGoods, "EUR"))
		named := map[ledger.ClaimKind]int64{}
		for _, claim := range openClaims(t, pool) {
			named[claim.Kind] += claim.Minor
		}
		require.Equal(t, step.named, named[ledger.ClaimReturnCredit])
		require.Equal(t, step.payable, named[ledger.ClaimCreditMemo], "what is given and not set off yet")
		ok, problems := ledger.Closed(balances, openClaims(t, pool))
		require.True(t, ok, problems)
	}
}
