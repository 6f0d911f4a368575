package returns

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const day = 24 * time.Hour

func policy() Policy {
	return Policy{WindowDays: 30, FaultDays: 90, KeepUpTo: 1500, PhotosForFault: true, SendWithin: 14 * day}
}

func mug(po string, quantity int64, at time.Time) Delivered {
	return Delivered{PO: po, Line: 1, SKU: "MUG", Quantity: quantity, At: at, UnitCost: 400, Terms: Terms{Supplier: "acme", WindowDays: 14}}
}

func asks(quantity int64, reason Reason) Request {
	return Request{ID: "r", Resolution: Refund, Photos: 1, Lines: []RequestedLine{{Line: 1, Quantity: quantity, Reason: reason}}}
}

func TestARefusedReturnSaysWhyAndUntilWhen(t *testing.T) {
	t.Parallel()
	late := mug("P-1", 2, monday.Add(-31*day))
	final := policy()
	final.FinalSale = []string{"MUG"}
	noPhoto := asks(1, Damaged)
	noPhoto.Photos = 0
	taken := mug("P-1", 2, monday)
	taken.Taken = 1
	home := Delivered{PO: "P-1", Line: 1, SKU: "MUG", Returning: 2}
	away := Delivered{PO: "P-1", Line: 1, SKU: "MUG", Underway: 2}
	twice := asks(1, ChangedMind)
	twice.Lines = append(twice.Lines, twice.Lines[0])
	for code, c := range map[string]struct {
		request   Request
		policy    Policy
		delivered Delivered
		want      RefusalCode
		says      string
	}{
		"window":      {asks(1, ChangedMind), policy(), late, RefusedWindow, "until 1 March 2026"},
		"final sale":  {asks(1, ChangedMind), final, mug("P-1", 2, monday), RefusedFinalSale, "without a right to return"},
		"photos":      {noPhoto, policy(), mug("P-1", 2, monday), RefusedPhotos, "picture"},
		"too many":    {asks(3, ChangedMind), policy(), mug("P-1", 2, monday), RefusedQuantity, "Only 2 of line 1"},
		"taken":       {asks(2, ChangedMind), policy(), taken, RefusedTaken, "1 of it can still come back"},
		"returning":   {asks(1, ChangedMind), policy(), home, RefusedReturning, "on its way back already"},
		"undelivered": {asks(1, ChangedMind), policy(), away, RefusedNotDelivered, "has not been delivered yet"},
		"unknown":     {Request{Lines: []RequestedLine{{Line: 9, Quantity: 1}}}, policy(), mug("P-1", 2, monday), RefusedUnknownLine, "no line 9"},
		"nothing":     {asks(0, ChangedMind), policy(), mug("P-1", 2, monday), RefusedQuantity, "how many"},
		"named twice": {twice, policy(), mug("P-1", 2, monday), RefusedQuantity, "Name line 1 once"},
	} {
		grants, refusal := Judge(c.request, c.policy, []Delivered{c.delivered}, nil, monday)
		require.Nil(t, grants, code)
		require.NotNil(t, refusal, code)
		require.Equal(t, c.want, refusal.Code, code)
		require.Contains(t, refusal.Text, c.says, code)
	}
	_, refusal := Judge(asks(1, ChangedMind), policy(), []Delivered{late}, nil, monday)
	require.Equal(t, monday.Add(-day), refusal.Until)
}

func TestAnOperatorGrantsWhatThePolicyWouldNotButNeverMoreThanWasDelivered(t *testing.T) {
	t.Parallel()
	late := []Delivered{mug("P-1", 2, monday.AddDate(-1, 0, 0))}
	request := asks(2, ChangedMind)
	request.Override = true
	grants, refusal := Judge(request, policy(), late, nil, monday)
	require.Nil(t, refusal)
	require.Len(t, grants, 1)
	require.False(t, grants[0].Credit, "the supplier's window is over: its terms cover nothing")
	request.Lines[0].Quantity = 3
	_, refusal = Judge(request, policy(), late, nil, monday)
	require.Equal(t, RefusedQuantity, refusal.Code)
}

func TestAFaultHasItsOwnWindowAndCheapGoodsNeedNotComeBack(t *testing.T) {
	t.Parallel()
	old := []Delivered{mug("P-1", 2, monday.Add(-60*day))}
	_, refusal := Judge(asks(1, WrongSize), policy(), old, nil, monday)
	require.Equal(t, RefusedWindow, refusal.Code)
	for price, keep := range map[int64]bool{1500: true, 1501: false} {
		grants, refusal := Judge(asks(1, Defective), policy(), old, map[int]int64{1: price}, monday)
		require.Nil(t, refusal)
		require.Equal(t, keep, grants[0].Keep, price)
		require.True(t, grants[0].Credit, "a fault is the supplier's, whatever its window")
	}
	replacement := asks(1, Defective)
	replacement.Resolution = Exchange
	_, refusal = Judge(replacement, policy(), old, map[int]int64{1: 1}, monday)
	require.Equal(t, RefusedOutcome, refusal.Code)
	offered := policy()
	offered.Outcomes = []Resolution{Exchange}
	grants, refusal := Judge(replacement, offered, old, map[int]int64{1: 1}, monday)
	require.Nil(t, refusal)
	require.True(t, grants[0].Keep, "a replacement, too, is not worth sending the broken one back")
}

func TestTheShopSaysWhatCustomersMayAskForAndAFaultIsAlwaysRefunded(t *testing.T) {
	t.Parallel()
	here := []Delivered{mug("P-1", 2, monday)}
	for _, c := range []struct {
		offers []Resolution
		asks   Resolution
		reason Reason
		ok     bool
	}{
		{nil, Refund, ChangedMind, true},
		{nil, StoreCredit, ChangedMind, false},
		{nil, Exchange, Defective, false},
		{[]Resolution{StoreCredit}, Refund, ChangedMind, false},
		{[]Resolution{StoreCredit}, Refund, Defective, true},
		{[]Resolution{StoreCredit}, StoreCredit, ChangedMind, true},
		{[]Resolution{Refund, Exchange}, Exchange, WrongSize, true},
	} {
		p, r := policy(), asks(1, c.reason)
		p.Outcomes, r.Resolution = c.offers, c.asks
		_, refusal := Judge(r, p, here, map[int]int64{1: 9999}, monday)
		require.Equal(t, c.ok, refusal == nil, "%+v", c)
		r.Override = true
		_, overridden := Judge(r, p, here, map[int]int64{1: 9999}, monday)
		require.Equal(t, refusal, overridden, "nobody can override what the shop has no way to do")
	}
}

func TestUnitsComeFromTheLatestDeliveryAndEachSupplierGetsItsOwnReturn(t *testing.T) {
	t.Parallel()
	first, second := mug("P-1", 2, monday.Add(-20*day)), mug("P-2", 2, monday.Add(-2*day))
	second.Terms.Supplier = "bolt"
	grants, refusal := Judge(asks(3, ChangedMind), policy(), []Delivered{first, second}, nil, monday)
	require.Nil(t, refusal)
	require.Len(t, grants, 2)
	require.Equal(t, "P-1", grants[0].PO)
	require.EqualValues(t, 1, grants[0].Lines[0].Quantity)
	require.False(t, grants[0].Credit)
	require.EqualValues(t, 2, grants[1].Lines[0].Quantity)
	require.True(t, grants[1].Credit)
	require.Equal(t, "P-2-R1", Number(grants[1].PO, 1))
}

// Whatever is asked, in whatever order: what is granted was delivered and not granted before.
func TestNoUnitIsGrantedTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var delivered []Delivered
		for i := range rapid.IntRange(1, 4).Draw(t, "orders") {
			d := mug(string(rune('A'+i)), rapid.Int64Range(0, 4).Draw(t, "units"), monday.Add(-time.Duration(i)*day))
			d.Line = 1 + i%2
			delivered = append(delivered, d)
		}
		for range 6 {
			r := asks(rapid.Int64Range(1, 5).Draw(t, "asked"), ChangedMind)
			r.Lines[0].Line = rapid.IntRange(1, 2).Draw(t, "line")
			grants, refusal := Judge(r, policy(), delivered, nil, monday)
			var granted int64
			for _, g := range grants {
				for _, l := range g.Lines {
					granted += l.Quantity
					for i := range delivered {
						if delivered[i].PO == g.PO && delivered[i].Line == l.Line {
							delivered[i].Taken += l.Quantity
							if delivered[i].Taken > delivered[i].Quantity {
								t.Fatalf("%d of %d units of %s are in returns", delivered[i].Taken, delivered[i].Quantity, g.PO)
							}
						}
					}
				}
			}
			if refusal == nil && granted != r.Lines[0].Quantity {
				t.Fatalf("%d asked, %d granted", r.Lines[0].Quantity, granted)
			}
		}
	})
}

func TestACustomerIsOfferedWhatWouldBeGranted(t *testing.T) {
	t.Parallel()
	p := policy()
	taken, away := mug("P-1", 2, monday), Delivered{PO: "P-2", Line: 2, SKU: "TEE", Underway: 1}
	taken.Taken = 1
	final := p
	final.FinalSale, final.FaultDays = []string{"MUG"}, 60
	all := mug("P-1", 2, monday)
	all.Taken = 2
	late := mug("P-1", 2, monday.AddDate(0, 0, -100))
	for name, c := range map[string]struct {
		policy    Policy
		delivered []Delivered
		line      int
		free      int64
		until     time.Time
		fault     time.Time
		refused   RefusalCode
	}{
		"what is left":     {p, []Delivered{taken, away}, 1, 1, monday.AddDate(0, 0, p.WindowDays), monday.AddDate(0, 0, max(p.FaultDays, p.WindowDays)), ""},
		"not here yet":     {p, []Delivered{taken, away}, 2, 0, time.Time{}, time.Time{}, RefusedNotDelivered},
		"never sent":       {p, []Delivered{taken}, 3, 0, time.Time{}, time.Time{}, RefusedUnknownLine},
		"only for a fault": {final, []Delivered{mug("P-1", 2, monday)}, 1, 2, time.Time{}, monday.AddDate(0, 0, 60), RefusedFinalSale},
		"all under way":    {p, []Delivered{all}, 1, 0, time.Time{}, time.Time{}, RefusedTaken},
		"too late":         {p, []Delivered{late}, 1, 0, time.Time{}, time.Time{}, RefusedWindow},
	} {
		got := Choices(c.policy, c.delivered, []int{c.line}, monday)
		require.Len(t, got, 1, name)
		require.Equal(t, c.free, got[0].Free, name)
		require.Equal(t, []time.Time{c.until, c.fault}, []time.Time{got[0].Until, got[0].FaultUntil}, name)
		if c.refused == "" {
			require.Nil(t, got[0].Refused, name)
			continue
		}
		require.Equal(t, c.refused, got[0].Refused.Code, name)
	}
}

// What is offered is granted, and one unit more is not, whatever was delivered.
func TestWhatIsOfferedIsGrantedAndNoMore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var delivered []Delivered
		for i := range rapid.IntRange(1, 3).Draw(rt, "orders") {
			d := mug(fmt.Sprintf("P-%d", i), rapid.Int64Range(0, 3).Draw(rt, "delivered"), monday.AddDate(0, 0, -rapid.IntRange(0, 70).Draw(rt, "days")))
			d.Taken = rapid.Int64Range(0, d.Quantity).Draw(rt, "taken")
			delivered = append(delivered, d)
		}
		p := policy()
		p.FaultDays = rapid.IntRange(0, 60).Draw(rt, "fault days")
		c := Choices(p, delivered, []int{1}, monday)[0]
		for reason, offered := range map[Reason]bool{ChangedMind: c.Refused == nil, Defective: !c.FaultUntil.IsZero()} {
			if offered && c.Free > 0 {
				_, refusal := Judge(asks(c.Free, reason), p, delivered, map[int]int64{1: 1}, monday)
				require.Nil(rt, refusal, reason)
			}
			_, refusal := Judge(asks(c.Free+1, reason), p, delivered, map[int]int64{1: 1}, monday)
			require.NotNil(rt, refusal, reason)
		}
	})
}
