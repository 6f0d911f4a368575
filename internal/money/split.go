package money

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
)

// Allocate splits total over weights by largest remainder: the parts sum to exactly total,
// each is within one minor unit of its exact share, and equal remainders favour the
// earlier index, so 1001 over three equal weights is 334, 334, 333.
//
// Weights that are all zero split equally. A negative total splits like its opposite.
// ErrWeights when there is no weight or a negative one, ErrOverflow when their sum does
// not fit in 64 bits.
func Allocate(total int64, weights []int64) ([]int64, error) {
	sum, err := weigh(weights)
	if err != nil {
		return nil, fmt.Errorf("allocate: %w", err)
	}
	if sum == 0 {
		weights = slices.Repeat([]int64{1}, len(weights))
		sum = uint64(len(weights))
	}
	type part struct {
		index       int
		share, rest uint64
	}
	parts := make([]part, len(weights))
	left := magnitude(total)
	for i, weight := range weights {
		// The quotient fits: a weight is at most the sum, so a share is at most the total.
		high, low := bits.Mul64(magnitude(total), uint64(weight))
		share, rest := bits.Div64(high, low, sum)
		parts[i] = part{index: i, share: share, rest: rest}
		left -= share
	}
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(b.rest, a.rest) })
	shares := make([]int64, len(weights))
	for i, p := range parts {
		if uint64(i) < left {
			p.share++
		}
		shares[p.index], _ = signed(p.share, total < 0)
	}
	return shares, nil
}

func weigh(weights []int64) (uint64, error) {
	if len(weights) == 0 {
		return 0, ErrWeights
	}
	var sum uint64
	for _, weight := range weights {
		if weight < 0 {
			return 0, ErrWeights
		}
		next, carry := bits.Add64(sum, uint64(weight), 0)
		if carry != 0 {
			return 0, ErrOverflow
		}
		sum = next
	}
	return sum, nil
}

// Portion is the share of total that belongs to the units (before, before+take] out of
// whole. It is the difference of two cumulative shares, each rounded half away from zero,
// so any sequence of takes that ends at whole sums to exactly total, and no share has the
// opposite sign of total.
//
// It panics unless 0 <= before, 0 <= take and before+take <= whole with whole > 0: such a
// call has lost count of its units, and any amount it got would be wrong.
func Portion(total, whole, before, take int64) int64 {
	if whole <= 0 || before < 0 || take < 0 || before > whole || take > whole-before {
		panic(fmt.Sprintf("money: portion of units %d+%d out of %d", before, take, whole))
	}
	share := cumulative(total, whole, before+take) - cumulative(total, whole, before)
	minor, _ := signed(share, total < 0)
	return minor
}

// cumulative is |total| * units / whole, rounded half up.
func cumulative(total, whole, units int64) uint64 {
	high, low := bits.Mul64(magnitude(total), uint64(units))
	share, rest := bits.Div64(high, low, uint64(whole))
	if rest >= uint64(whole)-rest {
		share++
	}
	return share
}
