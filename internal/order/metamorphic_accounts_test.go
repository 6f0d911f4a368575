package order_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/order"
)

// Where all costs seven times as much, the limits in money too, the same is posted in the same order, and
// each entry is seven times as large: to a few minor units of the cheap order, where shares were rounded.
// It is dear itself, so that those are hundredths of its cents.
func TestAnOrderThatCostsSevenTimesAsMuchPostsSevenTimesAsMuch(t *testing.T) {
	t.Parallel()
	const dear, times, rounded = 1000, 7, 20
	seen := map[string]int{}
	for seed := range uint64(1000) {
		small, err := liveAccounts(seed, dear)
		require.NoError(t, err)
		large, err := liveAccounts(seed, dear*times)
		require.NoError(t, err)
		require.Equal(t, small.seen, large.seen, "seed %d", seed)
		require.Len(t, large.posted, len(small.posted), "seed %d", seed)
		for i, one := range small.posted {
			other := large.posted[i]
			require.Equal(t, one.Kind, other.Kind, "seed %d", seed)
			require.Len(t, other.Entries, len(one.Entries), "seed %d: %s", seed, one.Key)
			for j, e := range one.Entries {
				require.Equal(t, e.Account, other.Entries[j].Account, "seed %d: %s", seed, one.Key)
				require.InDelta(t, e.Minor*times, other.Entries[j].Minor, times*rounded, "seed %d: %s of %s", seed, e.Account, one.Key)
			}
			seen[one.Kind]++
		}
	}
	for _, kind := range []string{"refunded", "earned", "supplier_accrued", "claim_opened", "claim_closed", "supplier_paid", "unearned"} {
		require.NotZero(t, seen[kind], "nothing was posted as %q: %v", kind, seen)
	}
}

// storyOf draws what becomes of a line.
func storyOf(r *rand.Rand) order.LineStory {
	suppliers := []string{"alder", "birch", "cedar"}
	first := r.IntN(3)
	s := order.LineStory{Quantity: 1 + r.Int64N(8), First: suppliers[first], Second: suppliers[(first+1+r.IntN(2))%3]}
	left := s.Quantity
	for _, part := range []*int64{&s.Rejected, &s.Cancelled, &s.Lost, &s.Returning} {
		if r.IntN(3) == 0 {
			*part = r.Int64N(left + 1)
			left -= *part
		}
	}
	return s
}

// accountsOf lives an order of such lines with its money. Everything is priced in proportion to goods, so
// that parts of an order have their parts of the shipping.
func accountsOf(t *testing.T, id string, lines map[int]order.LineStory, prices map[int]int64) *accounts {
	t.Helper()
	l, err := order.LiveStories(id, lines)
	require.NoError(t, err)
	a := emptyAccounts(l, 1)
	a.policy = ledger.ShippingInProportion
	for n, story := range lines {
		goods := story.Quantity * prices[n]
		a.lines[n] = ledger.PricedLine{Quantity: story.Quantity, Goods: goods, Discount: goods / 20, Tax: goods / 5}
		a.shipping.Price, a.shipping.Tax = a.shipping.Price+goods/10, a.shipping.Tax+goods/50
	}
	a.open()
	a.goOn()
	require.Empty(t, a.wrong())
	return a
}

// unitsByFate counts by line what became of the units, and by supplier of those that it had.
func unitsByFate(s *order.State, into map[string]int64) {
	for i := range s.Lines {
		l := &s.Lines[i]
		into[fmt.Sprint(l.Line, " cancelled")] += l.Cancelled
		into[fmt.Sprint(l.Line, " refunded")] += l.Refunded
	}
	for i := range s.POs {
		for j := range s.POs[i].Lines {
			l := &s.POs[i].Lines[j]
			for fate, n := range map[string]int64{
				"delivered": l.Units.Delivered, "lost": l.Units.Lost, "returned": l.Units.Returned, "rejected": l.Units.Rejected, "cancelled": l.Units.Cancelled,
			} {
				into[fmt.Sprint(l.Line, " ", s.POs[i].Supplier, " ", fate)] += n
			}
		}
	}
}

// One order or two halves of it, with the same suppliers and the same that happens to each line: the same
// units meet the same fates, and each account has the same in the end.
func TestAnOrderSplitInTwoSumsToTheSame(t *testing.T) {
	t.Parallel()
	fates := map[string]int{}
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 11))
		whole, prices := map[int]order.LineStory{}, map[int]int64{}
		halves := [2]map[int]order.LineStory{{}, {}}
		for n := range 2 * (1 + r.IntN(4)) {
			line := n + 1
			whole[line], prices[line] = storyOf(r), 1000*(1+r.Int64N(50))
			halves[n%2][line] = whole[line]
		}
		one := accountsOf(t, "whole", whole, prices)
		units, sum := map[string]int64{}, map[string]int64{}
		for i, half := range halves {
			a := accountsOf(t, fmt.Sprint("half-", i), half, prices)
			unitsByFate(&a.State, units)
			for account, minor := range a.totals() {
				sum[account] += minor
			}
		}
		want := map[string]int64{}
		unitsByFate(&one.State, want)
		require.Equal(t, nonZero(want), nonZero(units), "seed %d", seed)
		require.Equal(t, nonZero(one.totals()), nonZero(sum), "seed %d", seed)
		for what, n := range want {
			fates[what[strings.LastIndex(what, " ")+1:]] += int(n)
		}
	}
	for _, fate := range []string{"delivered", "lost", "returned", "rejected", "cancelled", "refunded"} {
		require.NotZero(t, fates[fate], "no unit was %s", fate)
	}
}

func nonZero(m map[string]int64) map[string]int64 {
	m = maps.Clone(m)
	maps.DeleteFunc(m, func(_ string, n int64) bool { return n == 0 })
	return m
}

// totals are what was moved on each account, by kind of posting.
func (a *accounts) totals() map[string]int64 {
	sum := map[string]int64{}
	for _, t := range a.posted {
		for _, e := range t.Entries {
			sum[t.Kind+" "+string(e.Account)] += e.Minor
		}
	}
	return sum
}
