package simulation

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A small run of the lives in which suppliers write files and mail and customers ask on their page; what must have
// come up in it has come up in some of so few.
func TestWhatComesByFileMailOrPageCountsOnceAndOnlyFromWhoMaySayIt(t *testing.T) {
	t.Parallel()
	w := world1(t)
	seen := map[string]int{}
	for seed := uint64(1); seed <= 120; seed++ {
		l := w.newLife(t.Context(), Seeded(seed), seed, false)
		if !l.otherWays() {
			continue
		}
		require.NoError(t, l.live(), "seed %d", seed)
		for what, times := range l.seen {
			seen[what] += times
		}
	}
	suspects, err := w.audited(t.Context())
	require.NoError(t, err)
	require.Empty(t, suspects, "by the audit")
	for _, what := range []string{
		"invoice by mail", "invoice by file", "invoice by a second way", "credit memo by mail", "another supplier's invoice",
		"stranger's mail: not_authentic", "form sent twice", "form changed and sent again, refused",
	} {
		require.NotZero(t, seen[what], what)
	}
}
