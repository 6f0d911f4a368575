package order

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const notPaid = "payment is pending"

func unpaid(v *Verdict) { v.Doubts, v.Unpaid = []string{notPaid}, notPaid }

func (b *bundle) paid(n int, amount, paid, missing, over int64) Fact {
	return Fact{Payment: &CustomerPaid{N: n, At: b.now, Currency: "USD", Amount: amount, Paid: paid, Missing: missing, Over: over}}
}

func TestAPaymentThatCoversWhatIsDueLetsAHeldOrderGo(t *testing.T) {
	t.Parallel()
	b := setup(t, unpaid)
	b.pass(5 * time.Hour)
	require.True(t, b.attention("review-escalated"))
	b.notDue(StepRoute)
	b.learn(b.paid(1, 5000, 5000, 0, 0))
	require.Nil(t, b.s.Hold)
	require.Empty(t, b.s.Attention)
	require.EqualValues(t, 5000, b.s.Money.Captured)
	b.notDue(StepRefund)
	b.begin(StepRoute)
}

func TestAPartPaymentIsShownAndHoldsTheOrderUntilTheRestComes(t *testing.T) {
	t.Parallel()
	b := setup(t, unpaid)
	since := b.s.Attention[0].Since
	b.pass(time.Hour)
	for n, step := range []struct {
		amount, paid, missing int64
		reason                string
	}{{1500, 1500, 3500, "part-paid: 15.00 USD came, 35.00 USD is missing"}, {500, 2000, 3000, "part-paid: 20.00 USD came, 30.00 USD is missing"}} {
		b.learn(b.paid(n+1, step.amount, step.paid, step.missing, 0))
		require.Equal(t, []string{step.reason}, b.s.Hold.Reasons)
		require.Equal(t, []Attention{{Key: "review", Text: "held for review: " + step.reason, Since: since}}, b.s.Attention)
		b.notDue(StepRoute)
	}
	b.learn(b.paid(3, 3000, 5000, 0, 0))
	require.Nil(t, b.s.Hold)
	b.begin(StepRoute)
}

func TestOtherReasonsHoldAnOrderThatIsPaid(t *testing.T) {
	t.Parallel()
	b := setup(t, func(v *Verdict) { v.Doubts, v.Unpaid = []string{"velocity", notPaid, "a post office box"}, notPaid })
	b.learn(b.paid(1, 5000, 5000, 0, 0))
	require.Equal(t, []string{"velocity", "a post office box"}, b.s.Hold.Reasons)
	require.Equal(t, "held for review: velocity; a post office box", b.s.Attention[0].Text)
	b.notDue(StepRoute)
	b.learn(b.paid(2, 100, 5100, 0, 100))
	require.Len(t, b.s.Hold.Reasons, 2, "what is paid is paid")
	b.s.TakeReview(ReviewApprove, "an operator", b.now)
	b.begin(StepRoute)
}

func TestAPaymentForAnOrderThatIsHeldForOtherReasonsLetsItNotGo(t *testing.T) {
	t.Parallel()
	b := setup(t, doubtful)
	b.learn(b.paid(1, 100, 5100, 0, 100))
	require.Equal(t, []string{"velocity"}, b.s.Hold.Reasons)
	b.notDue(StepRoute)
}

// A hold that was recorded before payments came later does not say which of its reasons a payment ends.
func TestAHoldThatDoesNotSayWhatItWaitsForShowsThatAllIsPaid(t *testing.T) {
	t.Parallel()
	b := setup(t, func(v *Verdict) { v.Doubts = []string{notPaid} })
	b.learn(b.paid(1, 1500, 1500, 3500, 0))
	require.Equal(t, "held for review: payment is pending", b.s.Attention[0].Text)
	for n, over := range []int64{0, 100} {
		b.apply(b.paid(n+2, 3500, 5000+over, 0, over))
		require.Equal(t, "held for review: payment is pending (all that is due is paid since: approve it if nothing else stands against it)", b.s.Attention[0].Text)
		require.Len(t, b.s.Hold.Reasons, 1)
	}
}

func TestAPaymentThatComesBeforeValidationCountsOnce(t *testing.T) {
	t.Parallel()
	for name, missing := range map[string]int64{"all": 0, "a part": 1000} {
		b := &bundle{t: t, now: monday, s: State{Key: Key{Storefront: "shop", Order: "1001"}}}
		b.begin(StepValidate)
		b.learn(b.paid(1, 5000-missing, 5000-missing, missing, 0))
		// Validation may have read the order before the payment was committed, or after it.
		v := Verdict{Currency: "USD", Policy: policy, Lines: []Line{{Line: 1, SKU: "MUG", Ordered: 3}}, Doubts: []string{notPaid}, Unpaid: notPaid}
		b.s.ValidatedWith(v, b.now)
		require.Equal(t, missing > 0, b.s.Hold != nil, name)
		require.Equal(t, 5000-missing, b.s.Money.Captured)
		if missing == 0 {
			require.Empty(t, b.s.Attention)
			b.begin(StepRoute)
		}
	}
}

func TestWhatWasPaidForACancelledOrderGoesBackOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, unpaid)
	b.pass(72 * time.Hour)
	b.settle()
	require.Equal(t, StageCancelled, b.s.Stage())
	require.True(t, b.s.Finished())
	f := b.paid(1, 5000, 5000, 0, 5000)
	b.apply(f)
	require.False(t, b.s.Finished())
	b.notDue(StepSettle)
	step := b.begin(StepRefund)
	require.Empty(t, step.Lines)
	require.True(t, b.s.Repaying)
	b.s.Stalled(step, "the storefront is away", b.now)
	b.s.Again(step)
	step = b.begin(StepRefund)
	require.True(t, b.s.Repaying, "it is tried again as it was")
	b.apply(b.paid(2, 1, 5001, 0, 1)) // while the refund is under way
	b.s.Refunded(step.Lines, 5000, "Refunded", b.now)
	require.False(t, b.s.Repaying)
	step = b.begin(StepRefund)
	b.s.Refunded(step.Lines, 1, "Refunded", b.now)
	b.s.Apply(Fact{Seq: b.s.LastFact, Payment: f.Payment}, b.now) // it comes twice
	b.notDue(StepRefund)
	require.EqualValues(t, 5001, b.s.Money.Refunded)
	b.settle()
}

func TestARefundThatIsUnderWayWhenTheWorkerGoesIsMadeByTheNextRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.apply(b.paid(1, 100, 5100, 0, 100))
	b.begin(StepRefund)
	b.s.Recover()
	b.begin(StepRefund)
	require.True(t, b.s.Repaying)
}

func TestAnOrderThatTookAPaymentForNothingGoesOnLikeThat(t *testing.T) {
	t.Parallel()
	b := setup(t, unpaid)
	b.s.IgnoresPayments = true
	before := encode(&b.s)
	b.s.Apply(b.paid(1, 5000, 5000, 0, 0), b.now) // number 0: a repeat
	require.Equal(t, before, encode(&b.s))
	b.learn(b.paid(1, 5000, 5000, 0, 0))
	require.NotNil(t, b.s.Hold)
	require.Zero(t, b.s.Paid)
}

// Whatever else happens to a held order meanwhile, it waits for payment exactly until all of it is there.
func TestNoOrderGoesOnBeforeItIsPaidOrStandsStillAfter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		b := setup(t, func(v *Verdict) {
			v.Doubts, v.Unpaid = []string{notPaid}, notPaid
			if rapid.Bool().Draw(rt, "other doubt") {
				v.Doubts = append(v.Doubts, "velocity")
			}
		})
		other := len(b.s.Hold.Reasons) > 1
		const due = 5000
		var paid int64
		for n := range rapid.IntRange(1, 6).Draw(rt, "payments") {
			amount := rapid.Int64Range(1, due).Draw(rt, "amount")
			paid += amount
			b.apply(b.paid(n+1, amount, paid, max(due-paid, 0), max(paid-due, 0)))
			require.Equal(rt, paid < due || other, b.s.Hold != nil)
			if b.s.Hold != nil {
				require.Equal(rt, paid < due, b.s.Hold.Unpaid != "")
				require.Equal(rt, other, slices.Contains(b.s.Hold.Reasons, "velocity"))
			}
			require.Equal(rt, paid > due, b.s.Overpaid)
		}
	})
}
