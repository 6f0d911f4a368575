package simulation

import (
	"math/rand/v2"
	"time"
)

// Chooser makes the choices of a life: a seed for many lives, a shrinking test for few. Pick returns
// 0 to n-1.
type Chooser interface{ Pick(n int) int }

type seeded struct{ *rand.Rand }

func (c seeded) Pick(n int) int { return c.IntN(n) }

// Seeded chooses by a seed, the same each time.
func Seeded(seed uint64) Chooser {
	return seeded{rand.New(rand.NewPCG(seed, 0x5eed))} //nolint:gosec // to be repeated, not to be secret
}

func (l *life) pick(n int) int {
	if l.closing {
		return 0
	}
	return l.chooser.Pick(n)
}

func (l *life) chance(percent int) bool { return l.pick(100) < percent }

// between picks a duration from low up to high.
func (l *life) between(low, high time.Duration, unit time.Duration) time.Duration {
	return low + time.Duration(l.pick(int((high-low)/unit)+1))*unit
}

// oneOf picks one of a list that is not empty.
func oneOf[T any](l *life, list []T) T { return list[l.pick(len(list))] }
