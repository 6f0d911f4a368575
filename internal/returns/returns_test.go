package returns

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
)

// bench is one return under test: two mugs for which the customer changed their mind.
type bench struct {
	*world
	t *testing.T
}

func granted(t *testing.T, reason Reason, change func(*Policy, *Grant)) *bench {
	t.Helper()
	p := Policy{SendWithin: 14 * day, InspectWithin: 3 * day, RestockingBP: 1000, OpenedBP: 2000}
	g := Grant{PO: "DLAAAAAAAAAAAAA-1", Credit: true, Terms: Terms{Supplier: "acme", Name: "Acme", RestockingBP: 500, CreditWithin: 14 * day}}
	g.Lines = []Line{{Line: 1, SKU: "MUG", Quantity: 2, Reason: reason, UnitCost: 400}}
	if change != nil {
		change(&p, &g)
	}
	b := &bench{t: t, world: &world{chooser: never{}, now: monday, paid: map[int]int64{}, told: map[string]int{}, seen: map[string]int{}}}
	b.s = New(order.Key{Storefront: "shop", Order: "1"}, Number(g.PO, 1), "EUR", g, p, Request{By: "customer", Resolution: Refund}, 2800, monday)
	b.perform(true)
	require.Empty(t, b.failed)
	return b
}

// never chooses the first of everything and the last of chances.
type never struct{}

func (never) pick(n int) int { return n - 1 }

func (b *bench) parcel(m order.Milestone) {
	b.apply(Fact{Parcel: &order.ParcelNews{Carrier: "dropex", Tracking: "RET1", At: b.now, Milestone: m}})
	b.perform(true)
}

func (b *bench) found(quantity int64, c Condition, final bool) {
	in := &Inspection{Document: "i", At: b.now, Final: final}
	if quantity > 0 {
		in.Lines = []InspectedLine{{Line: 1, Quantity: quantity, Condition: c}}
	}
	b.apply(Fact{Inspection: in})
	b.perform(true)
}

func (b *bench) memoOf(number string, amount int64) {
	b.apply(Fact{Memo: &CreditMemo{Document: number, Number: number, At: b.now, Amount: amount}})
	b.perform(true)
}

func (b *bench) wait(d time.Duration) {
	b.now = b.now.Add(d)
	b.perform(true)
}

func (b *bench) decides(d Decision) {
	b.t.Helper()
	d.ID, d.By = b.now.String()+d.Reason+d.Noted, "support"
	require.NoError(b.t, b.s.CanDecide(d))
	b.s.Decide(d, b.now)
	b.perform(true)
}

func TestAReturnGoesFromTheParcelToTheSuppliersCredit(t *testing.T) {
	t.Parallel()
	b := granted(t, ChangedMind, nil)
	require.Equal(t, StageAwaiting, b.s.Stage())
	b.parcel(order.ParcelInTransit)
	require.Equal(t, StageInTransit, b.s.Stage())
	b.parcel(order.ParcelDelivered)
	require.Equal(t, StageReceived, b.s.Stage())
	require.Zero(t, b.s.Paid, "nothing is paid for goods that nobody has looked at")
	b.found(1, AsNew, false)
	require.Equal(t, StageReceived, b.s.Stage())
	b.found(1, Opened, false)
	require.EqualValues(t, 2, b.paid[1])
	require.Equal(t, StageCredit, b.s.Stage())
	require.EqualValues(t, 760, b.s.Claim.Expected, "800 less the supplier's 5 %%")
	b.memoOf("CM-1", 760)
	require.True(t, b.s.Finished())
	require.Equal(t, StageClosed, b.s.Stage())
}

func TestFeesAreKeptOnlyWhenNothingWasWrong(t *testing.T) {
	t.Parallel()
	for reason, fees := range map[Reason][2]int64{ChangedMind: {1000, 2000}, Defective: {0, 0}} {
		b := granted(t, reason, nil)
		l := &b.s.Lines[0]
		l.Found = map[Condition]int64{AsNew: 1, Opened: 1}
		b.s.Inspected = true
		require.Equal(t, []PayoutPart{
			{Line: 1, Quantity: 1, KeptBP: fees[0], Reason: reason}, {Line: 1, Quantity: 1, KeptBP: fees[1], Reason: reason},
		}, b.s.due())
	}
}

func TestGoodsThatNeverComeExpireAndCountIfTheyComeAfterAll(t *testing.T) {
	t.Parallel()
	b := granted(t, ChangedMind, nil)
	b.wait(15 * day)
	require.Equal(t, StageExpired, b.s.Stage())
	require.True(t, b.s.Finished())
	require.Equal(t, 1, b.told["return_expired/"+b.s.RMA])
	b.reopen()
	b.parcel(order.ParcelInTransit)
	require.False(t, b.s.Finished(), "a parcel under way is waited for")
	b.found(2, AsNew, false)
	require.EqualValues(t, 2, b.paid[1])
	require.Equal(t, StageCredit, b.s.Stage())
}

func TestAnEmptyBoxAndAWrongItemPayNobodyUntilAPersonDecides(t *testing.T) {
	t.Parallel()
	for _, c := range []Condition{Missing, WrongGoods, NotOurs, DamagedGoods} {
		b := granted(t, ChangedMind, nil)
		b.parcel(order.ParcelDelivered)
		b.found(2, c, true)
		require.Equal(t, StageDeciding, b.s.Stage(), c)
		require.Zero(t, b.s.Paid)
		require.Zero(t, b.s.Claim.Expected)
		b.decides(Decision{Line: 1, ShareBP: 2500})
		require.EqualValues(t, 2, b.paid[1])
		require.True(t, b.s.Finished(), c)
	}
}

func TestWhatWasDamagedOnArrivalIsPaidWholeAndClaimedWhole(t *testing.T) {
	t.Parallel()
	b := granted(t, Damaged, nil)
	b.parcel(order.ParcelDelivered)
	b.found(2, DamagedGoods, false)
	require.EqualValues(t, 2, b.paid[1])
	require.EqualValues(t, 800, b.s.Claim.Expected)
}

func TestAParcelThatTheCarrierLosesIsPaidAndOwedByNobody(t *testing.T) {
	t.Parallel()
	b := granted(t, ChangedMind, nil)
	b.parcel(order.ParcelInTransit)
	b.parcel(order.ParcelLost)
	require.EqualValues(t, 2, b.paid[1])
	require.Zero(t, b.s.Claim.Expected)
	require.True(t, b.s.Finished())
}

func TestASmallRefundIsMadeWhenTheCarrierHasTheParcel(t *testing.T) {
	t.Parallel()
	b := granted(t, ChangedMind, func(_ *Policy, g *Grant) { g.Instant = true })
	require.Zero(t, b.s.Paid)
	b.parcel(order.ParcelInTransit)
	require.EqualValues(t, 2, b.paid[1])
	b.found(2, AsNew, false)
	require.Equal(t, 1, b.s.Paid, "what was paid in advance is not paid again")
}

func TestCheapGoodsAreKeptAndTheSupplierStillOwesThem(t *testing.T) {
	t.Parallel()
	b := granted(t, Defective, func(_ *Policy, g *Grant) { g.Keep = true })
	require.EqualValues(t, 2, b.paid[1])
	require.Equal(t, StageCredit, b.s.Stage())
	require.EqualValues(t, 800, b.s.Claim.Expected)
}

func TestAShortCreditIsChasedThenEscalatedAndWrittenOffOnlyByName(t *testing.T) {
	t.Parallel()
	b := granted(t, ChangedMind, nil)
	b.found(2, AsNew, false)
	b.memoOf("CM-1", 700)
	require.Equal(t, 1, b.s.Claim.Chases, "a short credit is answered at once")
	b.memoOf("CM-1", 700)
	require.EqualValues(t, 700, b.s.Claim.Got, "a memo counts once")
	for range 3 {
		b.wait(8 * day)
	}
	require.True(t, b.s.Claim.Escalated)
	require.Len(t, b.s.Attention, 1)
	require.False(t, b.s.Finished())
	require.Error(t, b.s.CanDecide(Decision{ID: "w", By: "support", WriteOff: true}), "without a reason")
	require.Error(t, b.s.CanDecide(Decision{ID: "w", WriteOff: true, Reason: "small"}), "without a name")
	require.Error(t, b.s.CanDecide(Decision{ID: "w", By: "support", WriteOff: true, Reason: "small", Left: 760}), "700 came since")
	b.decides(Decision{WriteOff: true, Reason: "small", Left: 60})
	require.Equal(t, "support", b.s.Claim.WrittenBy)
	require.EqualValues(t, 60, b.s.Claim.WrittenOff)
	require.True(t, b.s.Finished())
	require.Empty(t, b.s.Attention)
}

func TestACreditAboveTheClaimIsForAPersonToSee(t *testing.T) {
	t.Parallel()
	b := granted(t, ChangedMind, nil)
	b.found(2, AsNew, false)
	b.memoOf("CM-1", 1000)
	require.EqualValues(t, 760, b.s.Claim.Got)
	require.Len(t, b.s.Attention, 1)
	b.decides(Decision{Noted: "credit-over"})
	require.Empty(t, b.s.Attention)
}

func TestAReturnIsCancelledUntilTheParcelIsUnderWay(t *testing.T) {
	t.Parallel()
	b := granted(t, ChangedMind, nil)
	r := CancelRequest{ID: "c", By: "customer"}
	require.NoError(t, b.s.CanCancel(r))
	b.s.Cancel(r, b.now)
	b.perform(true)
	require.Equal(t, StageCancelled, b.s.Stage())
	require.NoError(t, b.s.CanCancel(r), "asking again is no news")
	require.Error(t, b.s.CanCancel(CancelRequest{ID: "d", By: "customer"}))

	b = granted(t, ChangedMind, nil)
	b.parcel(order.ParcelInTransit)
	require.ErrorContains(t, b.s.CanCancel(r), "on its way")
}

func TestASupplierThatRefusesAGrantedReturnIsAPersonsMatter(t *testing.T) {
	t.Parallel()
	for share, paid := range map[int64]int64{0: 0, whole: 2} {
		b := granted(t, ChangedMind, nil)
		b.apply(Fact{Answer: &SupplierAnswer{Document: "a", At: b.now, Kind: SupplierRefused, Reason: "not ours"}})
		b.perform(true)
		require.Equal(t, StageDeciding, b.s.Stage())
		b.decides(Decision{ShareBP: share})
		require.Equal(t, paid, b.paid[1])
		require.True(t, b.s.Finished())
	}
}

func TestWhoReceivedTheParcelIsAskedTwiceAndThenAPerson(t *testing.T) {
	t.Parallel()
	b := granted(t, ChangedMind, nil)
	b.parcel(order.ParcelDelivered)
	for range 3 {
		b.wait(4 * day)
	}
	require.Equal(t, 1, b.told["inspection_reminder/"+b.s.RMA+"/1"])
	require.Equal(t, 1, b.told["inspection_reminder/"+b.s.RMA+"/2"])
	require.Len(t, b.s.Attention, 1)
	b.decides(Decision{Findings: &Inspection{Lines: []InspectedLine{{Line: 1, Quantity: 2, Condition: AsNew}}}})
	require.EqualValues(t, 2, b.paid[1])
	require.Empty(t, b.s.Attention)
}

func TestMoreThanWasGrantedIsShownAndPaysNobody(t *testing.T) {
	t.Parallel()
	b := granted(t, ChangedMind, nil)
	b.found(5, AsNew, false)
	require.EqualValues(t, 2, b.paid[1])
	require.EqualValues(t, 3, b.s.Lines[0].Surplus)
	require.Len(t, b.s.Attention, 1)
}

func TestAGapInTheFactsIsFetched(t *testing.T) {
	t.Parallel()
	b := granted(t, ChangedMind, nil)
	b.s.Apply(Fact{Seq: 2, Memo: &CreditMemo{Number: "x", Amount: 1}}, b.now)
	require.Contains(t, b.s.Steps(), StepCatchUp)
	require.Empty(t, b.s.Claim.Memos)
}

func TestACreditMemoThatOvertakesTheInspectionCountsOnceItIsKnownWhatIsOwed(t *testing.T) {
	t.Parallel()
	b := granted(t, Damaged, nil)
	b.parcel(order.ParcelDelivered)
	b.memoOf("CM-1", 500)
	require.Zero(t, b.s.Claim.Got)
	require.Empty(t, b.s.Attention, "nobody is bothered before it is known what is owed")
	b.found(2, AsNew, true)
	require.EqualValues(t, 500, b.s.Claim.Got)
	require.EqualValues(t, 300, b.s.Claim.Open())
	require.Equal(t, 1, b.s.Claim.Chases, "the supplier has said what it thinks it owes")
	b.memoOf("CM-2", 300)
	require.True(t, b.s.Finished(), b.s.Card())
}

func TestNewsOfAnExpiredReturnTakesNoUnitsBackThatMayBeGrantedAnew(t *testing.T) {
	t.Parallel()
	b := granted(t, ChangedMind, nil)
	b.wait(15 * 24 * time.Hour)
	b.perform(true)
	l := &b.s.Lines[0]
	require.Equal(t, StageExpired, b.s.Stage())
	require.Equal(t, l.Quantity, b.s.Released(l))
	b.reopen()
	b.memoOf("CM-1", 100)
	l = &b.s.Lines[0]
	require.Equal(t, l.Quantity, b.s.Released(l))
	b.parcel(order.ParcelInTransit)
	require.Zero(t, b.s.Released(l), "it comes after all")
}

func TestACancelledReturnCallsNobodyAboutAnAnnouncementThatStalled(t *testing.T) {
	t.Parallel()
	b := granted(t, ChangedMind, nil)
	b.s.Authorised = false
	b.s.Begin(StepAuthorise)
	b.s.Stalled(StepAuthorise, "no answer", b.now)
	b.s.Cancel(CancelRequest{ID: "c-1", By: "customer"}, b.now)
	b.s.Again(StepAuthorise)
	b.perform(true)
	require.True(t, b.s.Finished())
	require.Empty(t, b.s.Attention)
}
