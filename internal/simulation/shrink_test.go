package simulation

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// picky makes a hundred choices, and finds two of them wrong together: a nine, and later a six or more.
func picky(t *tape) (string, error) {
	nine := -1
	for i := range 100 {
		switch n := t.Pick(12); {
		case n == 9 && nine < 0:
			nine = i
		case n > 5 && n < 9 && nine >= 0:
			return fmt.Sprintf("choice %d does not go with choice %d", i, nine), nil
		}
	}
	return "", nil
}

func TestShrinkingLeavesOutWhatIsNotNeeded(t *testing.T) {
	t.Parallel()
	var first *tape
	var violation string
	seed := uint64(0)
	for len(violation) == 0 || len(first.made) < 30 {
		seed++
		first = newTape(nil, seed)
		violation, _ = picky(first)
	}
	s := &shrinker{try: picky, seed: seed, kind: kindOf(violation), best: first.made, enough: func() bool { return false }}
	best, err := s.shrink()
	require.NoError(t, err)
	require.Equal(t, []int{9, 6}, best)
}

func TestShrinkingEndsWithItsTime(t *testing.T) {
	t.Parallel()
	s := &shrinker{kind: "any", best: []int{1, 2, 3}, enough: func() bool { return true }, try: func(*tape) (string, error) {
		return "", fmt.Errorf("there was no time left")
	}}
	best, err := s.shrink()
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 3}, best)
}

func TestSeedMakesTheSameChoicesFromATape(t *testing.T) {
	t.Parallel()
	seeded, taped := Seeded(4711), newTape(nil, 4711)
	for n := 1; n < 300; n++ {
		require.Equal(t, seeded.Pick(n), taped.Pick(n))
	}
	again := newTape(taped.made, 1)
	for n := 1; n < 300; n++ {
		require.Equal(t, taped.made[n-1], again.Pick(n))
	}
}

func TestViolationsAreOfOneKindWhateverTheirNumbers(t *testing.T) {
	t.Parallel()
	require.Equal(t, kindOf("s12-1 line 2: alder has shipped 3\nmore"), kindOf("s907-4 line 1: alder has shipped 11"))
	require.NotEqual(t, kindOf("3 units are still reserved"), kindOf("3 units are lost"))
	require.Equal(t, kindOf("the audit found:\nledger/balance: maple/s1: off by 3\n"), kindOf("the audit found:\nledger/balance: oak/s7: off by 9\nother: x"))
	require.NotEqual(t, kindOf("the audit found:\nledger/balance: maple/s1: off by 3"), kindOf("the audit found:\ngoods: maple/s1: off by 3"))
}

// A whole life that goes wrong is told by a much shorter one that goes wrong in the same way.
func TestALifeOfASeedShrinks(t *testing.T) {
	t.Parallel()
	w := world1(t)
	shrunk, err := w.shrink(3, time.Now().Add(4*time.Second), func(choices *tape) (*Story, error) {
		require.NoError(t, w.empty(t.Context()))
		l := w.newLife(t.Context(), choices, 3, true)
		l.basket.captured++ // now the storefront took more than it said
		story := &Story{}
		if err := l.live(); err != nil {
			story.Violation = err.Error()
		}
		story.Lines = l.trace
		return story, nil
	})
	require.NoError(t, err)
	require.NotNil(t, shrunk.Story)
	require.Contains(t, shrunk.Story.Violation, "captured")
	require.Less(t, shrunk.To, shrunk.From)
	require.NoError(t, w.empty(t.Context()))
}

func TestAShorterStoryGoesWrongInTheSameWay(t *testing.T) {
	t.Parallel()
	twoWays := func(t *tape) (string, error) {
		for i := range 100 {
			switch t.Pick(12) {
			case 9:
				return fmt.Sprintf("nine at choice %d", i), nil
			case 3:
				return fmt.Sprintf("three at choice %d", i), nil
			}
		}
		return "", nil
	}
	s := &shrinker{try: twoWays, kind: "nine at choice #", best: []int{1, 5, 9}, enough: func() bool { return false }}
	best, err := s.shrink()
	require.NoError(t, err)
	require.Equal(t, []int{9}, best)
}
