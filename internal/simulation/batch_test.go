package simulation

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A violation is found in a life that others were lived before in the same schema, and told again in one of its
// own: it must be the same life.
func TestALifeIsTheSameAfterOthers(t *testing.T) {
	t.Parallel()
	after, alone := world1(t), world1(t)
	for seed := uint64(1010); seed < 1024; seed++ {
		l := after.newLife(t.Context(), Seeded(seed), seed, true)
		require.NoError(t, l.live(), "seed %d", seed)
		story, err := alone.replay(t.Context(), Seeded(seed), seed)
		require.NoError(t, err)
		require.Equal(t, strings.Join(story.Lines, "\n"), strings.Join(l.trace, "\n"), "seed %d", seed)
	}
	suspects, err := after.audited(t.Context())
	require.NoError(t, err)
	require.Empty(t, suspects)
}
