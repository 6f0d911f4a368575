package simulation

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// exchanging are seeds of lives that exchange goods, of all three storefronts that do.
var exchanging = []uint64{11, 35, 38, 47, 83, 86, 107, 130}

func TestExchangesSurviveWhatTheWorldDoesToThem(t *testing.T) {
	t.Parallel()
	w := world1(t)
	seen := map[string]int{}
	for _, seed := range exchanging {
		story, err := w.replay(t.Context(), Seeded(seed), seed)
		require.NoError(t, err)
		require.Empty(t, story.Violation, "seed %d", seed)
		for what, n := range story.Seen {
			seen[what] += n
		}
	}
	for _, what := range []string{
		"exchange order placed", "exchange order came to nothing", "exchange for dearer goods", "exchange with a rest in money",
		"exchange given up, what was paid in addition returned", "exchange paid for in money",
	} {
		require.Positive(t, seen[what], what)
	}
}

// A life that has no exchange must not meet one.
func TestAnOrderThatNobodyAskedForIsNoExchange(t *testing.T) {
	t.Parallel()
	w := world1(t)
	for _, seed := range []uint64{3, 11} {
		l := w.newLife(t.Context(), Seeded(seed), seed, false)
		require.PanicsWithValue(t, violation("somebody speaks of workflow order/elm/1"), func() { l.flow("order/elm/1") })
		require.Panics(t, func() { l.flow(l.first().key.WorkflowID() + "-X1") }, "its return is missing")
	}
}
