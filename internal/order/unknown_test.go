package order

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAFactWhoseContentWasDroppedOnTheWayIsFetched(t *testing.T) {
	t.Parallel()
	b := setup(t, unpaid)
	fact := b.paid(1, 5000, 5000, 0, 0)
	fact.Seq = b.s.LastFact + 1
	b.s.Apply(Fact{Seq: fact.Seq}, b.now)
	require.NotEqual(t, fact.Seq, b.s.LastFact)
	b.begin(StepCatchUp)
	b.s.CaughtUp([]Fact{fact}, b.now)
	require.Nil(t, b.s.Hold)
	require.Empty(t, b.s.Attention)
	b.notDue(StepCatchUp)
}

func TestAFactOfAKindThatNobodyKnowsIsPutBeforeAPersonAndHoldsUpNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, unpaid)
	seq := b.s.LastFact
	fact := b.paid(1, 5000, 5000, 0, 0)
	fact.Seq = seq + 3
	strange := []Fact{{Seq: seq + 1}, {Seq: seq + 2}}
	b.s.Apply(strange[0], b.now)
	b.s.Apply(fact, b.now)
	b.begin(StepCatchUp)
	b.s.Unrecorded = false
	b.s.CaughtUp([]Fact{strange[0], strange[1], fact}, b.now)
	require.True(t, b.s.Unrecorded)
	require.Nil(t, b.s.Hold)
	require.True(t, b.attention("unknown-fact"))
	b.notDue(StepCatchUp)
	b.s.Apply(strange[1], b.now) // it comes twice
	b.notDue(StepCatchUp)
}

func TestARunThatTookAnUnknownFactForNothingGoesOnLikeThat(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.s.IgnoresUnknown = true
	b.s.CaughtUp([]Fact{{Seq: 1}}, b.now)
	b.s.Apply(Fact{Seq: 2}, b.now)
	require.EqualValues(t, 2, b.s.LastFact)
	require.Empty(t, b.s.Attention)
	b.notDue(StepCatchUp)
}
