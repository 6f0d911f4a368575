package returns

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// However what comes back is cut into requests, and those into grants, no more is given for goods that nobody has
// seen than the storefront wrote down, and nothing is held back while the next grant would still be within it.
func TestWhatIsGivenOnTrustIsBoundedForTheOrderHoweverItIsAskedFor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		p := policy()
		p.KeepUpTo, p.InstantUpTo = rapid.Int64Range(0, 60).Draw(rt, "keep"), rapid.Int64Range(0, 60).Draw(rt, "instant")
		prices := map[int]int64{1: rapid.Int64Range(0, 25).Draw(rt, "price"), 2: rapid.Int64Range(0, 25).Draw(rt, "other price")}
		var delivered []Delivered
		for i := range rapid.IntRange(1, 3).Draw(rt, "orders") {
			for line := 1; line <= 2; line++ {
				d := mug(fmt.Sprintf("P-%d", i), rapid.Int64Range(0, 4).Draw(rt, "quantity"), monday)
				d.Line = line
				delivered = append(delivered, d)
			}
		}
		var given Trust
		for range rapid.IntRange(1, 8).Draw(rt, "requests") {
			r := Request{ID: "r", Resolution: Refund, Photos: 1, Override: rapid.Bool().Draw(rt, "override")}
			for line := 1; line <= 2; line++ {
				if n := rapid.Int64Range(0, 3).Draw(rt, "units"); n > 0 {
					reason := rapid.SampledFrom([]Reason{Damaged, Damaged, ChangedMind}).Draw(rt, "reason")
					r.Lines = append(r.Lines, RequestedLine{Line: line, Quantity: n, Reason: reason})
				}
			}
			p.Before = given
			grants, refusal := Judge(r, p, delivered, prices, monday)
			if refusal != nil {
				continue
			}
			for _, g := range grants {
				require.False(rt, g.Keep && g.Instant)
				var value int64
				for _, l := range g.Lines {
					value += prices[l.Line] * l.Quantity
					for i := range delivered {
						if d := &delivered[i]; d.PO == g.PO && d.Line == l.Line {
							d.Taken += l.Quantity
						}
					}
				}
				fits := given.Kept+value <= p.KeepUpTo
				for _, l := range g.Lines {
					fits = fits && l.Reason.Fault()
				}
				require.Equal(rt, fits, g.Keep)
				require.Equal(rt, !fits && given.Instant+value <= p.InstantUpTo, g.Instant)
				if g.Keep {
					given.Kept += value
				}
				if g.Instant {
					given.Instant += value
				}
			}
		}
		require.LessOrEqual(rt, given.Kept, p.KeepUpTo)
		require.LessOrEqual(rt, given.Instant, p.InstantUpTo)
	})
}

func TestGoodsWorthMoreThanCanBeCountedAreNotGivenOnTrust(t *testing.T) {
	t.Parallel()
	p := policy()
	p.KeepUpTo, p.InstantUpTo = math.MaxInt64, math.MaxInt64
	for _, price := range []int64{math.MaxInt64, math.MaxInt64 / 2} {
		p.Before = Trust{Kept: 10, Instant: 10}
		grants, refusal := Judge(asks(2, Damaged), p, []Delivered{mug("P-1", 2, monday)}, map[int]int64{1: price}, monday)
		require.Nil(t, refusal)
		require.False(t, grants[0].Keep || grants[0].Instant)
	}
}
