package reconcile

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/payment"
)

var (
	monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	week   = Days(monday, monday.Add(6*day))
	later  = monday.Add(20 * day)
)

// pair is one thing as both sides book it.
type pair struct {
	ours   Booked
	theirs payment.Movement
}

var words = []struct {
	kind   string
	theirs payment.MovementKind
	sign   int64
}{
	{"captured", payment.MovedCapture, 1},
	{"authorisation_captured", payment.MovedCapture, 1},
	{"refunded", payment.MovedRefund, -1},
	{"refund_repeated", payment.MovedRefund, -1},
	{"refund_failed", payment.MovedRefundFailed, 1},
	{"dispute_opened", payment.MovedDispute, -1},
	{"dispute_won", payment.MovedDisputeReversed, 1},
}

// things have an amount each, so that none is another's double.
func things(t *rapid.T) []pair {
	n := rapid.IntRange(1, 12).Draw(t, "things")
	var all []pair
	for i := range n {
		word := rapid.SampledFrom(words).Draw(t, "word")
		order := fmt.Sprintf("shop/%d", rapid.IntRange(1, 3).Draw(t, "order"))
		minor := word.sign * int64(100+i)
		at := week.From.Add(time.Duration(rapid.Int64Range(0, int64(7*day)-1).Draw(t, "at")))
		apart := time.Duration(rapid.Int64Range(0, int64(2*day)).Draw(t, "apart"))
		all = append(all, pair{
			Booked{ID: int64(i + 1), Order: order, Payment: "pi_" + order[5:], Kind: word.kind, Currency: "EUR", Minor: minor, At: at.Add(apart)},
			payment.Movement{ID: fmt.Sprintf("txn_%d", i+1), Kind: word.theirs, Payment: "pi_" + order[5:], Currency: "EUR", Amount: minor, At: at, FeeCurrency: "EUR", Fee: 7},
		})
	}
	return all
}

func sides(all []pair) (ours []Booked, theirs []payment.Movement) {
	for _, p := range all {
		ours, theirs = append(ours, p.ours), append(theirs, p.theirs)
	}
	return ours, theirs
}

func compare(ours []Booked, theirs []payment.Movement) []Difference {
	return Payments("shop", week, later, ours, theirs, map[string]string{"pi_1": "shop/1", "pi_2": "shop/2", "pi_3": "shop/3"})
}

func TestEqualBooksDoNotDiffer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ours, theirs := sides(things(t))
		require.Empty(t, compare(ours, rapid.Permutation(theirs).Draw(t, "their order")))
	})
}

// Whatever single thing is wrong is told once, for what it is.
func TestEachSingleDifferenceIsToldOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := things(t)
		i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
		ours, theirs := sides(all)
		at := all[i].theirs.At
		var want What
		var key string
		switch rapid.SampledFrom([]string{"ours is missing", "theirs is missing", "amount", "doubled here", "doubled there"}).Draw(t, "wrong") {
		case "ours is missing":
			ours = append(ours[:i:i], ours[i+1:]...)
			want, key = TheirsOnly, "payments/shop/"+all[i].theirs.ID
		case "theirs is missing":
			theirs = append(theirs[:i:i], theirs[i+1:]...)
			want, key, at = OursOnly, fmt.Sprintf("payments/shop/ledger/%d", all[i].ours.ID), all[i].ours.At
		case "amount":
			theirs[i].Amount *= 1000
			want, key = Amounts, fmt.Sprintf("payments/shop/%d~%s", all[i].ours.ID, all[i].theirs.ID)
		case "doubled here":
			double := ours[i]
			double.ID, double.At = 999, ours[i].At.Add(time.Hour)
			ours = append(ours, double)
			want, at = Twice, time.Time{}
		case "doubled there":
			double := theirs[i]
			double.ID = "txn_999"
			theirs = append(theirs, double)
			want = Twice
		}
		found := compare(ours, theirs)
		if !at.IsZero() && !week.Holds(at) {
			require.Empty(t, found, "not of these days")
			return
		}
		if at.IsZero() && len(found) == 0 {
			return // the one that is left over may lie beyond the week
		}
		require.Len(t, found, 1)
		require.Equal(t, want, found[0].What)
		require.Equal(t, all[i].ours.Order, found[0].Order)
		if key != "" {
			require.Equal(t, key, found[0].Key)
		}
	})
}

func TestCauseIsTheLikelyOne(t *testing.T) {
	t.Parallel()
	at := monday.Add(30 * time.Hour)
	our := func(kind string, minor int64) Booked {
		return Booked{ID: 1, Order: "shop/1", Payment: "pi_1", Kind: kind, Currency: "EUR", Minor: minor, At: at}
	}
	their := func(kind payment.MovementKind, minor int64) payment.Movement {
		return payment.Movement{ID: "txn_1", Kind: kind, Payment: "pi_1", Currency: "EUR", Amount: minor, Fee: 30, FeeCurrency: "EUR", At: at}
	}
	stranger := their(payment.MovedCapture, 900)
	stranger.Payment = "pi_9"
	for name, c := range map[string]struct {
		ours   []Booked
		theirs []payment.Movement
		what   What
		cause  Cause
	}{
		"capture there":       {nil, []payment.Movement{their(payment.MovedCapture, 900)}, TheirsOnly, CauseCapturedThere},
		"capture here":        {[]Booked{our("captured", 900)}, nil, OursOnly, CauseCapturedHere},
		"refund there":        {nil, []payment.Movement{their(payment.MovedRefund, -900)}, TheirsOnly, CauseRefundedThere},
		"refund here":         {[]Booked{our("refunded", -900)}, nil, OursOnly, CauseRefundedHere},
		"refund came back":    {nil, []payment.Movement{their(payment.MovedRefundFailed, 900)}, TheirsOnly, CauseRefundFailed},
		"refund came here":    {[]Booked{our("refund_failed", 900)}, nil, OursOnly, CauseRefundCameHere},
		"chargeback there":    {nil, []payment.Movement{their(payment.MovedDispute, -900)}, TheirsOnly, CauseDisputedThere},
		"chargeback here":     {[]Booked{our("dispute_opened", -900)}, nil, OursOnly, CauseDisputedHere},
		"chargeback won":      {nil, []payment.Movement{their(payment.MovedDisputeReversed, 900)}, TheirsOnly, CauseDisputedThere},
		"unknown payment":     {nil, []payment.Movement{stranger}, TheirsOnly, CauseUnknownPayment},
		"net of the fee":      {[]Booked{our("captured", 870)}, []payment.Movement{their(payment.MovedCapture, 900)}, Amounts, CauseFee},
		"another amount":      {[]Booked{our("captured", 869)}, []payment.Movement{their(payment.MovedCapture, 900)}, Amounts, CauseAmount},
		"unheard-of posting":  {[]Booked{our("novelty", -5)}, nil, OursOnly, CauseRefundedHere},
		"capture and its end": {nil, []payment.Movement{their(payment.MovedCapture, 900), their(payment.MovedCaptureReduced, -200)}, TheirsOnly, CauseCapturedThere},
	} {
		found := compare(c.ours, c.theirs)
		require.Len(t, found, 1, name)
		require.Equal(t, c.what, found[0].What, name)
		require.Equal(t, c.cause, found[0].Cause, name)
		require.Equal(t, found, compare(c.ours, c.theirs), "and the same each time")
	}
	whole := []payment.Movement{their(payment.MovedCapture, 900), their(payment.MovedCaptureReduced, -200)}
	require.Empty(t, compare([]Booked{our("authorisation_captured", 700)}, whole))
	require.Empty(t, compare(nil, []payment.Movement{their(payment.MovedCapture, 900), their(payment.MovedCaptureReduced, -900)}), "taken back whole")
}

func TestWhatLiesAtTheEdgeOfWhatWasReadMayStillFollow(t *testing.T) {
	t.Parallel()
	now := week.Until.Add(2 * time.Hour)
	at := func(away time.Duration) payment.Movement {
		return payment.Movement{ID: "txn_1", Kind: payment.MovedCapture, Payment: "pi_1", Currency: "EUR", Amount: 900, At: now.Add(-away)}
	}
	found := Payments("shop", week, now, nil, []payment.Movement{at(5 * time.Hour)}, map[string]string{"pi_1": "shop/1"})
	require.Equal(t, CauseBorder, found[0].Cause)
	found = Payments("shop", week, now, nil, []payment.Movement{at(7 * time.Hour)}, map[string]string{"pi_1": "shop/1"})
	require.Equal(t, CauseCapturedThere, found[0].Cause)
	require.Empty(t, Payments("shop", week, now, nil, []payment.Movement{at(time.Hour)}, nil), "of another day")
	// The counterpart lies beyond the days in question, and is found there.
	ours := Booked{ID: 1, Order: "shop/1", Payment: "pi_1", Kind: "captured", Currency: "EUR", Minor: 900, At: now.Add(2 * day)}
	require.Empty(t, Payments("shop", week, now.Add(3*day), []Booked{ours}, []payment.Movement{at(5 * time.Hour)}, nil))
}

func TestOrdersWithoutAReferenceAreNotMixedUp(t *testing.T) {
	t.Parallel()
	at := monday.Add(30 * time.Hour)
	found := compare([]Booked{
		{ID: 1, Order: "shop/8", Kind: "captured", Currency: "EUR", Minor: 900, At: at},
		{ID: 2, Order: "shop/9", Kind: "captured", Currency: "EUR", Minor: 900, At: at},
	}, nil)
	require.Len(t, found, 2)
	require.Equal(t, []string{"shop/8", "shop/9"}, []string{found[0].Order, found[1].Order})
	require.Equal(t, CauseCapturedHere, found[0].Cause)
}
