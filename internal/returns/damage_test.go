package returns

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func upTo(minor int64) *CarrierTerms { return &CarrierTerms{UpTo: &minor} }

func TestDamageIsPaidParcelByParcel(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage  []Damage
		parcels []Brought
		pays    int64
	}{
		"one parcel":                         {[]Damage{{1, 2, 420}}, []Brought{{1: 3}}, 840},
		"more than it answers for":           {[]Damage{{1, 3, 420}}, []Brought{{1: 3}}, 1000},
		"each parcel has a bound of its own": {[]Damage{{1, 1, 300}, {2, 3, 900}}, []Brought{{1: 1}, {2: 3}}, 1300},
		"two returns, one parcel":            {[]Damage{{1, 1, 600}, {1, 1, 600}}, []Brought{{1: 4}}, 1000},
		"two parcels may have held it":       {[]Damage{{1, 4, 600}}, []Brought{{1: 2}, {1: 2}}, 2000},
		"no more out of one than it held":    {[]Damage{{1, 5, 300}}, []Brought{{1: 1}, {1: 5}}, 300 + 1000},
		"one unit is out of one parcel":      {[]Damage{{1, 1, 1500}}, []Brought{{1: 1}, {1: 1}}, 1000},
		"what has no choice goes first":      {[]Damage{{1, 1, 1000}, {2, 1, 900}}, []Brought{{1: 1, 2: 1}, {1: 1}}, 1900},
		"out of no parcel that is known":     {[]Damage{{1, 1, 600}, {2, 1, 600}}, []Brought{{3: 1}}, 1000},
		"more units than were announced":     {[]Damage{{1, 3, 300}}, []Brought{{1: 1}}, 900},
		"goods that cost nothing":            {[]Damage{{1, 3, 0}}, []Brought{{1: 3}}, 0},
		"nothing":                            {nil, []Brought{{1: 3}}, 0},
	} {
		require.Equal(t, c.pays, upTo(1000).ForDamage(c.damage, c.parcels), name)
	}
	require.EqualValues(t, 5400, (&CarrierTerms{}).ForDamage([]Damage{{1, 3, 1800}}, []Brought{{1: 3}}), "without a bound all of it")
}

// TestDamageIsPaidAsIfItWereKnownOutOfWhichParcelItIs compares with every way in which the units may be spread over the
// parcels that brought them: where each line came in one parcel there is one, and of one line the best is found.
func TestDamageIsPaidAsIfItWereKnownOutOfWhichParcelItIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		bound := rapid.Int64Range(0, 30).Draw(t, "bound")
		parcels := make([]Brought, rapid.IntRange(1, 3).Draw(t, "parcels"))
		for i := range parcels {
			parcels[i] = Brought{}
		}
		known := rapid.Bool().Draw(t, "each line came in one parcel")
		var damage []Damage
		for line := 1; line <= rapid.IntRange(1, 3).Draw(t, "lines"); line++ {
			var came int64
			at := rapid.IntRange(0, len(parcels)-1).Draw(t, "parcel")
			for i := range parcels {
				if n := rapid.Int64Range(0, 2).Draw(t, "units"); n > 0 && (i == at || !known) {
					parcels[i][line], came = n, came+n
				}
			}
			if came > 0 {
				damage = append(damage, Damage{line, rapid.Int64Range(1, came).Draw(t, "damaged"), rapid.Int64Range(0, 20).Draw(t, "cost")})
			}
		}
		pays, best := upTo(bound).ForDamage(damage, parcels), bestSpread(damage, parcels, bound, make([]int64, len(parcels)))
		require.LessOrEqual(t, pays, best, "no more than it can owe")
		if known || len(damage) < 2 {
			require.Equal(t, best, pays)
		}
	})
}

// bestSpread tries all ways; worth is that of the units before, by parcel.
func bestSpread(damage []Damage, parcels []Brought, bound int64, worth []int64) (best int64) {
	if len(damage) == 0 {
		for _, w := range worth {
			best += min(w, bound)
		}
		return best
	}
	d := damage[0]
	var spread func(i int, left int64)
	spread = func(i int, left int64) {
		if i == len(parcels) {
			if left == 0 {
				best = max(best, bestSpread(damage[1:], parcels, bound, worth))
			}
			return
		}
		for n := int64(0); n <= min(left, parcels[i][d.Line]); n++ {
			worth[i] += n * d.UnitCost
			spread(i+1, left-n)
			worth[i] -= n * d.UnitCost
		}
	}
	spread(0, d.Units)
	return best
}
