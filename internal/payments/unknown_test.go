package payments

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAFactOfAnUnknownKindIsFetchedOnceAndThenPutBeforeAPerson(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	s := State{}
	s.Apply(Fact{Seq: 1}, now)
	require.True(t, s.Missed)
	require.Zero(t, s.LastFact)
	s.CaughtUp([]Fact{{Seq: 1}, {Seq: 2, Shipped: &Moment{}}}, now)
	require.False(t, s.Missed)
	require.True(t, s.Shipped)
	require.EqualValues(t, 2, s.LastFact)
	require.Equal(t, "unknown-fact", s.Attention[0].Key)

	old := State{IgnoresUnknown: true}
	old.CaughtUp([]Fact{{Seq: 1}}, now)
	old.Apply(Fact{Seq: 2}, now)
	require.False(t, old.Missed)
	require.EqualValues(t, 2, old.LastFact)
	require.Empty(t, old.Attention)
}
