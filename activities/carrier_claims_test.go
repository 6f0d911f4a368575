package activities_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/claimdesk"
	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sim/carriersim"
	"github.com/dropline/dropline/workflows"
)

const track = ledger.Account("carrier_claims:track")

// ourAccount lets acme ship under our account with a carrier that pays at most 10.00 for a parcel.
func ourAccount(t *testing.T) *bundle {
	t.Helper()
	b := setup(t)
	b.load(strings.Replace(catalogue, "valid_from: 2020-01-01,", "valid_from: 2020-01-01, transit_carrier: track,", 1) + `
carriers:
  - {id: track, kind: easypost, url: "https://track.example", secret_env: TEST_TOKEN, webhook_secret_env: TEST_TOKEN,
     claims: {contact: claims@track.example, owner: logistics, answer_within: 5d, max_liability: {USD: "10.00"}, chase_after: [1h], escalate_after: 2h}}
`)
	return b
}

// lostOnTheWay is a settled order of three mugs at 4.20 each, in one parcel that the carrier lost.
func lostOnTheWay(t *testing.T) *life {
	t.Helper()
	l := ourAccount(t).place(sale("1", line(1, "MUG", 3))).dispatched()
	l.parcel(1, "1Z1", order.ParcelLost)
	l.exec(`INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at, milestone, milestone_at, first_scan_at)
		VALUES ($1, 'ups', '1Z1', $2, $3, $4, 'lost', $4, $4)`, l.po(1).Number, l.key.String(), l.po(1).Parcels[0].Lines, l.now)
	l.giveBack()
	l.record()
	_, err := l.settle()
	require.NoError(t, err)
	return l
}

func (l *life) pursuit() claims.State {
	l.t.Helper()
	s, err := claimdesk.Load(l.ctx, l.pool, l.text(`SELECT id FROM pursuits WHERE order_key = $1`, l.key.String()))
	require.NoError(l.t, err)
	return s
}

// pursue takes the step that is due twice: the second time changes nothing.
func (l *life) pursue(want claims.Step) {
	l.t.Helper()
	s := l.pursuit()
	require.Equal(l.t, want, s.Due(l.now))
	for range 2 {
		_, err := l.desk.PursueClaim(l.ctx, workflows.PursueClaimInput{Step: want, State: s.Take(want, l.now)})
		require.NoError(l.t, err)
	}
}

func (l *life) settleClaim(request string, outcome ledger.ClaimOutcome, minor int64) error {
	_, err := l.desk.SettleClaim(l.ctx, workflows.SettleClaimInput{ID: l.pursuit().ID, Settlement: claims.Settlement{
		ID: request, Outcome: outcome, Minor: minor, Reason: "agreed", By: "operator key k",
	}})
	return err
}

// comes lets the carrier deliver what it had lost, and the order hear of it.
func (l *life) comes() {
	l.t.Helper()
	l.exec(`UPDATE parcels SET milestone = 'delivered' WHERE tracking = '1Z1'`)
	l.hear(order.Fact{Milestone: &order.ParcelNews{Carrier: "ups", Tracking: "1Z1", Milestone: order.ParcelDelivered, At: l.now}})
	_, err := l.settle()
	require.NoError(l.t, err)
}

func TestALostParcelUnderOurAccountIsClaimedOfItsCarrierUpToItsLiability(t *testing.T) {
	t.Parallel()
	l := lostOnTheWay(t)
	require.Equal(t, []string{"invoice_missing -1260", "lost_parcel 1000"}, l.claims())
	require.EqualValues(t, 1000, l.balance(track))
	require.EqualValues(t, 260, l.balance(ledger.CostOfGoods), "what the carrier does not answer for is cost")
	require.Equal(t, "track logistics 5 days", l.text(`SELECT concat_ws(' ', p.carrier, c.owner, round(extract(epoch FROM c.due_at - $1) / 86400) || ' days')
		FROM claims c JOIN pursuits p ON p.id = c.pursuit`, l.now))
	s := l.pursuit()
	require.True(t, s.Carrier)
	require.Equal(t, l.po(1).Number, s.PO)
	require.WithinDuration(t, l.now.AddDate(0, 0, 60), s.FileBy, time.Millisecond)
	l.pursue(claims.StepAsk)
	require.Equal(t, "carrier_mail claim_asked 1000", l.text(`SELECT concat_ws(' ', channel, kind, payload ->> 'amount') FROM outbox WHERE kind LIKE 'claim%'`))
	require.ErrorContains(t, l.settleClaim("s-1", ledger.ClaimCredited, 0), "no invoice of a carrier waits to be set off")
	require.NoError(t, l.settleClaim("s-1", ledger.ClaimPaid, 0))
	require.EqualValues(t, 1000, l.balance(ledger.Bank))
	require.Zero(t, l.balance(track))
	l.pursue(claims.StepClose)
	require.EqualValues(t, 1, l.number(`SELECT count(*) FROM outbox WHERE kind LIKE 'claim%'`))
}

func TestAClaimForAParcelThatComesAllTheSameIsWithdrawnWithALetter(t *testing.T) {
	t.Parallel()
	l := lostOnTheWay(t)
	l.pursue(claims.StepAsk)
	l.comes()
	require.Equal(t, []string{"invoice_missing -1260"}, l.claims())
	require.Zero(t, l.balance(track))
	require.EqualValues(t, 1260, l.balance(ledger.CostOfGoods))
	l.pursue(claims.StepClose)
	require.Equal(t, "claim_withdrawn 1000", l.text(`SELECT concat_ws(' ', kind, payload ->> 'amount') FROM outbox WHERE kind LIKE 'claim%' ORDER BY id DESC LIMIT 1`))
	require.EqualValues(t, 1, l.number(`SELECT count(*) FROM pursuits WHERE closed_at IS NOT NULL AND stage = 'settled' AND NOT needs_attention`))
	l.comes()
	require.Zero(t, l.balance(track), "withdrawn once")
	require.ErrorContains(t, l.settleClaim("s-1", ledger.ClaimRepaid, 0), "nothing was paid for a parcel that came all the same")
}

func TestMoneyForAParcelThatCameAllTheSameWaitsForAPerson(t *testing.T) {
	t.Parallel()
	l := lostOnTheWay(t)
	l.pursue(claims.StepAsk)
	l.now = l.now.Add(3 * time.Hour)
	l.pursue(claims.StepEscalate)
	require.NoError(t, l.settleClaim("s-1", ledger.ClaimPaid, 600))
	require.NoError(t, l.settleClaim("s-2", ledger.ClaimWrittenOff, 300))
	l.comes()
	require.EqualValues(t, 600, l.pursuit().Found, "what was written off was not paid")
	require.EqualValues(t, 1, l.number(`SELECT count(*) FROM pursuits WHERE closed_at IS NULL AND deliver_at IS NOT NULL`), "its workflow hears of it")
	l.pursue(claims.StepEscalate)
	require.Equal(t, "claim_withdrawn 100", l.text(`SELECT concat_ws(' ', kind, payload ->> 'amount') FROM outbox WHERE kind LIKE 'claim%' ORDER BY id DESC LIMIT 1`))
	require.EqualValues(t, 1, l.number(`SELECT count(*) FROM pursuits WHERE needs_attention`))
	require.ErrorContains(t, l.settleClaim("s-3", ledger.ClaimRepaid, 601), "6.00 USD was paid for what came all the same, not 6.01 USD")
	for range 2 {
		require.NoError(t, l.settleClaim("s-3", ledger.ClaimRepaid, 250))
	}
	require.EqualValues(t, 350, l.balance(ledger.Bank))
	require.NoError(t, l.settleClaim("s-4", ledger.ClaimKept, 0))
	require.EqualValues(t, 350, l.balance(ledger.Bank), "the carrier lets us keep the rest")
	require.EqualValues(t, 1260-600-300+250, l.balance(ledger.CostOfGoods))
	l.pursue(claims.StepClose)
	require.EqualValues(t, 1, l.number(`SELECT count(*) FROM pursuits WHERE closed_at IS NOT NULL AND NOT needs_attention`))
	l.comes()
	require.Zero(t, l.pursuit().Found, "answered once")
}

func TestGoodsThatACarrierDamagedAtItsRiskAreClaimedOfItAndNotOfTheSupplier(t *testing.T) {
	t.Parallel()
	l := ourAccount(t).kept(sale("1", line(1, "MUG", 5)))
	first := l.ask("r-1", returns.Damaged, 1, 2)
	first.authorise()
	first.inspected(1, 2, returns.DamagedGoods)
	first.pay()
	first.record(returns.StepClose)
	require.EqualValues(t, 840, l.balance(track))
	require.Zero(t, l.balance(ledger.SupplierClaims("acme")))
	second := l.ask("r-2", returns.Damaged, 1, 1)
	second.authorise()
	second.inspected(1, 1, returns.DamagedGoods)
	second.pay()
	second.record(returns.StepClose)
	require.EqualValues(t, 1000, l.balance(track), "both came in one parcel, for which it pays no more")
	third := l.ask("r-3", returns.Defective, 1, 1)
	third.authorise()
	third.inspected(1, 1, returns.DamagedGoods)
	third.pay()
	third.record(returns.StepRecord)
	require.EqualValues(t, 1000, l.balance(track))
	require.EqualValues(t, 420, l.balance(ledger.SupplierClaims("acme")), "the way does not make goods defective")
	require.Equal(t, "1Z1", l.text(`SELECT DISTINCT tracking FROM pursuit_parcels`))
}

func TestGoodsReportedDamagedThatCameBackAsNewAreTakenBackOnTheSuppliersTerms(t *testing.T) {
	t.Parallel()
	c := ourAccount(t).kept(sale("1", line(1, "MUG", 5))).ask("r-1", returns.Damaged, 1, 2)
	c.authorise()
	c.inspected(1, 2, returns.AsNew)
	c.pay()
	c.record(returns.StepRecord)
	require.Zero(t, c.balance(track))
	require.EqualValues(t, 756, c.balance(ledger.SupplierClaims("acme")), "840 less its restocking fee")
}

func (c *comeback) parcelIs(m order.Milestone) {
	c.hear(returns.Fact{Parcel: &order.ParcelNews{Carrier: "drx", Tracking: c.state.Label.Tracking, Milestone: m, At: c.now}})
}

func TestAReturnParcelThatIsLostUnderABoughtLabelIsClaimedOfItsSeller(t *testing.T) {
	t.Parallel()
	c := atCounter(t, carriersim.LabelManner{}, noLabel).comeback
	seller := ledger.Account("carrier_claims:easy-post")
	c.authorise()
	c.parcelIs(order.ParcelInTransit)
	c.parcelIs(order.ParcelLost)
	c.pay()
	c.record(returns.StepClose)
	require.EqualValues(t, 420, c.balance(seller))
	require.Zero(t, c.balance(ledger.SupplierClaims("acme")), "it never had the goods")
	require.Equal(t, c.state.Label.Tracking, c.text(`SELECT tracking FROM pursuit_parcels`))

	c.parcelIs(order.ParcelDelivered)
	c.record(returns.StepClose)
	require.Zero(t, c.balance(seller), "found, and withdrawn")
	c.inspected(1, 1, returns.AsNew)
	c.record(returns.StepRecord)
	require.EqualValues(t, 378, c.balance(ledger.SupplierClaims("acme")), "the supplier has the goods, and owes what it promised for them")
	require.Empty(t, c.state.Attention)
	require.EqualValues(t, 1, c.number(`SELECT count(*) FROM refunds WHERE rma = $1`, c.rma), "the customer is paid once")
}

func TestAReturnParcelThatIsLostUnderTheSuppliersLabelIsTheSuppliersLoss(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.kept(sale("1", line(1, "MUG", 3))).ask("r-1", returns.ChangedMind, 1, 1)
	c.authorise()
	require.True(t, c.state.Label.Supplied)
	c.parcelIs(order.ParcelInTransit)
	c.parcelIs(order.ParcelLost)
	c.pay()
	c.record(returns.StepRecord)
	require.EqualValues(t, 378, c.balance(ledger.SupplierClaims("acme")))
	require.Zero(t, c.number(`SELECT count(*) FROM pursuits WHERE carrier IS NOT NULL`))
}
