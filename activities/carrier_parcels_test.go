package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
)

// damaged has units of a line returned that the carrier damaged, and paid for.
func (l *life) damaged(id string, line int, quantity int64) *comeback {
	l.t.Helper()
	c := l.ask(id, returns.Damaged, line, quantity)
	c.authorise()
	c.inspected(line, quantity, returns.DamagedGoods)
	c.pay()
	return c
}

// inTwoParcels is an order of which a carrier that pays at most 10.00 for a parcel brought three mugs at 4.20 in one
// and a lamp at 31.00 in another.
func inTwoParcels(t *testing.T) *life {
	t.Helper()
	return threeMugsAnd(t, "LAMP", 1)
}

// threeMugsAnd is the same with other goods in the second parcel.
func threeMugsAnd(t *testing.T, sku string, quantity int64) *life {
	t.Helper()
	l := ourAccount(t).kept(sale("1", line(1, "MUG", 3), line(2, sku, quantity)))
	l.exec(`UPDATE parcels SET lines = '[{"line":1,"quantity":3}]' WHERE tracking = '1Z1'`)
	l.exec(`INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at, milestone, milestone_at)
		SELECT po_number, carrier, '1Z2', order_key, jsonb_build_array(jsonb_build_object('line', 2, 'quantity', $1::bigint)), noticed_at, milestone, milestone_at
		FROM parcels`, quantity)
	return l
}

// outOfBoth has one return for goods of both parcels: a mug, and some of the second, as they were found.
func (l *life) outOfBoth(mug returns.Condition, quantity int64) *comeback {
	l.t.Helper()
	desk := &returndesk.Desk{Pool: l.pool, Now: func() time.Time { return l.now }}
	answer, err := desk.Request(l.ctx, l.key, returns.Request{ID: "r-1", By: "support", Resolution: returns.Refund, Lines: []returns.RequestedLine{
		{Line: 1, Quantity: 1, Reason: returns.Damaged}, {Line: 2, Quantity: quantity, Reason: returns.Damaged},
	}})
	require.NoError(l.t, err)
	both := &comeback{life: l, rma: answer.Returns[0].RMA}
	both.state, err = l.desk.LoadReturn(l.ctx, both.rma)
	require.NoError(l.t, err)
	both.authorise()
	both.hear(returns.Fact{Inspection: &returns.Inspection{Document: "ins", At: l.now, Final: true, Lines: []returns.InspectedLine{
		{Line: 1, Quantity: 1, Condition: mug}, {Line: 2, Quantity: quantity, Condition: returns.DamagedGoods},
	}}})
	both.pay()
	return both
}

func TestWhatCameDamagedInOneParcelTakesNothingFromTheClaimForAnother(t *testing.T) {
	t.Parallel()
	for _, lampFirst := range []bool{false, true} {
		l := inTwoParcels(t)
		first, second := l.damaged("r-1", 1, 3), l.damaged("r-2", 2, 1)
		if lampFirst {
			first, second = second, first
		}
		first.record(returns.StepClose)
		require.EqualValues(t, 1000, l.balance(track))
		second.record(returns.StepClose)
		require.EqualValues(t, 2000, l.balance(track), "it answers for each parcel")
		_, err := l.desk.RecordReturn(l.ctx, first.state.Clone())
		require.NoError(t, err)
		require.EqualValues(t, 2000, l.balance(track))
		require.EqualValues(t, 2, l.number(`SELECT count(*) FROM claims WHERE kind = 'damage' AND closed_at IS NULL`))
	}
}

func TestUndamagedGoodsOfAReturnDoNotTieItsDamageToTheirParcel(t *testing.T) {
	t.Parallel()
	l := inTwoParcels(t)
	both := l.outOfBoth(returns.AsNew, 1)
	both.record(returns.StepRecord)
	require.EqualValues(t, 1000, l.balance(track), "the lamp")
	mug := l.damaged("r-2", 1, 1)
	mug.record(returns.StepClose)
	require.EqualValues(t, 1420, l.balance(track), "nothing was claimed for the mugs' parcel before")
}

// One return holds damage out of both parcels: what it claims for one leaves alone what is paid for the other.
func TestDamageOutOfSeveralParcelsIsClaimedParcelByParcel(t *testing.T) {
	t.Parallel()
	l := threeMugsAnd(t, "MUG", 2)
	l.outOfBoth(returns.DamagedGoods, 2).record(returns.StepClose)
	require.EqualValues(t, 420+840, l.balance(track))
	l.damaged("r-2", 1, 2).record(returns.StepClose)
	require.EqualValues(t, 1000+840, l.balance(track), "all three mugs of the first parcel, up to what it pays for that")

	l = inTwoParcels(t)
	l.outOfBoth(returns.DamagedGoods, 1).record(returns.StepClose)
	require.EqualValues(t, 420+1000, l.balance(track), "the lamp takes nothing of what is paid for the mugs' parcel")
}

// An order that gave the units up keeps the news as evidence: its state still says that the parcel is lost.
func TestAParcelThatCameBeforeItsOrderIsSettledIsNotClaimed(t *testing.T) {
	t.Parallel()
	l := ourAccount(t).place(sale("1", line(1, "MUG", 3))).dispatched()
	l.parcel(1, "1Z1", order.ParcelLost)
	l.exec(`INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at, milestone, milestone_at, first_scan_at)
		VALUES ($1, 'ups', '1Z1', $2, $3, $4, 'lost', $4, $4)`, l.po(1).Number, l.key.String(), l.po(1).Parcels[0].Lines, l.now)
	l.giveBack()
	l.record()
	for range 2 {
		l.comes()
		require.Equal(t, order.ParcelLost, l.po(1).Parcels[0].Milestone)
		require.Zero(t, l.balance(track))
		require.Zero(t, l.number(`SELECT count(*) FROM pursuits`))
		require.EqualValues(t, 1260, l.balance(ledger.CostOfGoods))
	}
}

func TestAnOrderThatAnOlderVersionRoutedIsSettledInItsSuppliersCurrency(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.load(abroad() + rates)
	l := b.delivered(sale("1", line(1, "LAMP", 3)))
	l.po(1).Currency = "" // which it did not write into the state
	_, err := l.settle()
	require.NoError(t, err)
	require.EqualValues(t, -9300, l.balanceIn(ledger.SupplierPayable("acme"), "EUR"))
	require.Zero(t, l.balanceIn(ledger.SupplierPayable("acme"), "USD"))
}
