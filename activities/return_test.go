package activities_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/activities"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/workflows"
)

// comeback is one return with the state that its workflow would hold.
type comeback struct {
	*life

	rma   string
	state returns.State
}

// kept brings an order to the customer, whose parcels and state are recorded and whose accounts are
// closed.
func (b *bundle) kept(o storefront.Order) *life {
	b.t.Helper()
	l := b.delivered(o)
	for i := range l.state.POs {
		po := &l.state.POs[i]
		for j := range po.Parcels {
			p := &po.Parcels[j]
			b.exec(`INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at, milestone, milestone_at)
				VALUES ($1, $2, $3, $4, $5, $6, 'delivered', $6)`, po.Number, p.Carrier, p.Tracking, l.key.String(), p.Lines, b.now)
		}
	}
	_, err := l.settle()
	require.NoError(b.t, err)
	return l
}

// ask has a return of units granted.
func (l *life) ask(id string, reason returns.Reason, line int, quantity int64) *comeback {
	l.t.Helper()
	desk := &returndesk.Desk{Pool: l.pool, Now: func() time.Time { return l.now }}
	answer, err := desk.Request(l.ctx, l.key, returns.Request{
		ID: id, By: "support", Resolution: returns.Refund, Lines: []returns.RequestedLine{{Line: line, Quantity: quantity, Reason: reason}},
	})
	require.NoError(l.t, err)
	require.Nil(l.t, answer.Refused)
	require.Len(l.t, answer.Returns, 1)
	c := &comeback{life: l, rma: answer.Returns[0].RMA}
	c.state, err = l.desk.LoadReturn(l.ctx, c.rma)
	require.NoError(l.t, err)
	return c
}

// step begins a step, which must be due.
func (c *comeback) step(kind returns.StepKind) {
	c.t.Helper()
	require.Contains(c.t, c.state.Steps(), kind, c.state.Card())
	c.state.Begin(kind)
}

func (c *comeback) input() workflows.ReturnInput {
	return workflows.ReturnInput{Key: c.key, RMA: c.rma}
}

func (c *comeback) authorise() workflows.ReturnAuthorised {
	c.t.Helper()
	c.step(returns.StepAuthorise)
	result, err := c.desk.AuthoriseReturn(c.ctx, c.input())
	require.NoError(c.t, err)
	c.state.AuthorisedWith(result.Label, result.Answer, c.now)
	return result
}

func (c *comeback) hear(f returns.Fact) {
	c.t.Helper()
	f.Seq = c.state.LastFact + 1
	c.state.Apply(f, c.now)
	require.NoError(c.t, c.state.Check())
}

// inspected finds units of a line in a condition; the rest is missing.
func (c *comeback) inspected(line int, quantity int64, condition returns.Condition) {
	c.t.Helper()
	c.hear(returns.Fact{Inspection: &returns.Inspection{
		Document: "ins", At: c.now, Final: true, Lines: []returns.InspectedLine{{Line: line, Quantity: quantity, Condition: condition}},
	}})
}

func (c *comeback) payment() workflows.PayReturnInput {
	return workflows.PayReturnInput{Key: c.key, RMA: c.rma, N: c.state.Paid + 1, Payout: *c.state.Paying, Resolution: c.state.Resolution}
}

func (c *comeback) pay() workflows.ReturnPaid {
	c.t.Helper()
	c.step(returns.StepPay)
	paid, err := c.desk.PayReturn(c.ctx, c.payment())
	require.NoError(c.t, err)
	c.state.PaidWith(returns.Payment{Money: paid.Amount, Credit: paid.Credit, Moved: paid.Moved, Replacement: paid.Replacement, Text: paid.Text, Lines: paid.Lines}, c.now)
	return paid
}

// record brings Postgres up to the state twice: the second time changes nothing.
func (c *comeback) record(kind returns.StepKind) {
	c.t.Helper()
	c.step(kind)
	snapshot := c.state.Clone()
	write := c.desk.RecordReturn
	if kind == returns.StepClose {
		write = c.desk.CloseReturn
	}
	anew, err := write(c.ctx, snapshot)
	require.NoError(c.t, err)
	before := c.text(writtenSoFar)
	again, err := write(c.ctx, snapshot)
	require.NoError(c.t, err)
	require.Equal(c.t, anew, again)
	require.Equal(c.t, before, c.text(writtenSoFar))
	c.state.GrantedAnew(anew, c.now)
	c.state.Recorded(kind, len(snapshot.Notices))
}

const writtenSoFar = `SELECT concat_ws(' ', (SELECT count(*) FROM outbox), (SELECT count(*) FROM ledger_entries), (SELECT count(*) FROM claims),
	(SELECT md5(string_agg(state::text || stage, ',' ORDER BY rma)) FROM returns))`

func TestAReturnGoesFromItsAnnouncementToTheCreditAndEveryAccountIsSquare(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.kept(sale("1", line(1, "MUG", 3)))
	c := l.ask("r-1", returns.ChangedMind, 1, 2)
	require.NotNil(t, c.authorise().Label)
	c.record(returns.StepRecord)
	c.inspected(1, 2, returns.AsNew)
	require.EqualValues(t, 1944, c.pay().Amount, "two of 10.80, less a tenth")
	c.record(returns.StepRecord)
	require.Contains(t, l.claims(), "return_credit 756", "two of 4.20, less a tenth")
	c.hear(returns.Fact{Memo: &returns.CreditMemo{Document: "m", Number: "CM-1", At: b.now, Amount: 756}})
	c.record(returns.StepClose)
	require.True(t, c.state.Finished())

	require.Equal(t, "closed", b.text(`SELECT stage FROM returns WHERE closed_at IS NOT NULL`))
	require.NotContains(t, l.claims(), "return_credit 756")
	require.Zero(t, l.balance(ledger.CustomerDeposits))
	require.Zero(t, l.balance(ledger.SupplierClaims("acme")))
	require.EqualValues(t, 1944, l.backAtShop())
	require.EqualValues(t, -216, l.balance(ledger.FeesRetained))
	require.EqualValues(t, -1000, l.balance(ledger.Revenue), "one mug is kept")
}

func TestTheSupplierIsToldOnceAndItsLabelIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.kept(sale("1", line(1, "MUG", 3))).ask("r-1", returns.ChangedMind, 1, 1)
	first, err := b.desk.AuthoriseReturn(b.ctx, c.input())
	require.NoError(t, err)
	again, err := b.desk.AuthoriseReturn(b.ctx, c.input())
	require.NoError(t, err)
	require.Equal(t, first.Label, again.Label)
	require.Equal(t, returns.SupplierAccepted, again.Answer.Kind)
	entry := c.entry(1).Returns
	require.Len(t, entry, 1)
	require.Equal(t, 1, entry[0].Received, "an answer that is known is not asked for again")
	require.Equal(t, "A-1", entry[0].Lines[0].SupplierSKU)
	require.Equal(t, first.Label.Tracking, b.text(`SELECT tracking FROM return_parcels WHERE rma = $1`, c.rma))
}

func TestTheSuppliersAnswerToAReturnDecides(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		manner suppliersim.ReturnManner
		answer returns.SupplierAnswerKind
		label  bool
	}{
		"accepted":              {answer: returns.SupplierAccepted, label: true},
		"accepted, own label":   {manner: suppliersim.ReturnManner{NoLabel: true}, answer: returns.SupplierAccepted},
		"refused":               {manner: suppliersim.ReturnManner{Answer: suppliersim.CancelReject}, answer: returns.SupplierRefused},
		"promised for later on": {manner: suppliersim.ReturnManner{Answer: suppliersim.CancelPendingNever}, label: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			m := quiet
			m.Return = c.manner
			b.manner("acme", m)
			result := b.kept(sale("1", line(1, "MUG", 3))).ask("r-1", returns.ChangedMind, 1, 1).authorise()
			require.Equal(t, c.label, result.Label != nil)
			if c.answer == "" {
				require.Nil(t, result.Answer)
				return
			}
			require.Equal(t, c.answer, result.Answer.Kind)
		})
	}
}

// deaf is a supplier channel that loses answers, or has no returns at all.
type deaf struct {
	supplier.Channel

	told func(context.Context, supplier.ReturnAuthorization) (supplier.ReturnReceipt, error)
}

func (d deaf) AuthoriseReturn(ctx context.Context, r supplier.ReturnAuthorization) (supplier.ReturnReceipt, error) {
	return d.told(ctx, r)
}

// through are the partners, with one supplier's channel in the test's hands.
type through struct {
	activities.Partners

	wrap func(supplier.Channel) supplier.Channel
}

func (p through) Supplier(s catalog.Supplier) (supplier.Channel, error) {
	channel, err := p.Partners.Supplier(s)
	return p.wrap(channel), err
}

func TestAnAnnouncementWhoseAnswerWasLostIsAskedAgainUnderItsRMA(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.kept(sale("1", line(1, "MUG", 3))).ask("r-1", returns.ChangedMind, 1, 1)
	direct := b.desk.Partners
	b.desk.Partners = through{direct, func(channel supplier.Channel) supplier.Channel {
		return deaf{channel, func(ctx context.Context, r supplier.ReturnAuthorization) (supplier.ReturnReceipt, error) {
			_, err := channel.(supplier.Returner).AuthoriseReturn(ctx, r)
			require.NoError(t, err)
			return supplier.ReturnReceipt{}, &supplier.Error{Kind: supplier.ErrUnknown}
		}}
	}}
	_, err := b.desk.AuthoriseReturn(b.ctx, c.input())
	requireRetry(t, err, 0)
	require.Equal(t, "unknown", b.effect("return/"+c.rma))
	b.desk.Partners = direct
	result := c.authorise()
	entry := c.entry(1).Returns
	require.Len(t, entry, 1)
	require.Equal(t, 2, entry[0].Received)
	require.Equal(t, entry[0].Tracking, result.Label.Tracking)
	require.Equal(t, "done", b.effect("return/"+c.rma))
}

func TestASupplierWithoutAnInterfaceForReturnsIsWrittenTo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.kept(sale("1", line(1, "MUG", 3))).ask("r-1", returns.ChangedMind, 1, 1)
	b.desk.Partners = through{b.desk.Partners, func(channel supplier.Channel) supplier.Channel {
		return deaf{channel, func(context.Context, supplier.ReturnAuthorization) (supplier.ReturnReceipt, error) {
			return supplier.ReturnReceipt{}, &supplier.Error{Kind: supplier.ErrNotFound}
		}}
	}}
	for range 2 {
		result, err := b.desk.AuthoriseReturn(b.ctx, c.input())
		require.NoError(t, err)
		require.Equal(t, workflows.ReturnAuthorised{}, result)
	}
	require.Equal(t, c.rma, b.text(`SELECT payload->>'rma' FROM outbox WHERE channel = 'supplier_mail' AND kind = 'return_announced'`))
}

func TestGoodsThatTheCustomerKeepsAreNotAnnounced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.kept(sale("1", line(1, "MUG", 3))).ask("r-1", returns.Damaged, 1, 1)
	c.state.Keep = true
	b.exec(`UPDATE returns SET state = jsonb_set(state, '{keep}', 'true') WHERE rma = $1`, c.rma)
	require.Nil(t, c.authorise().Label)
	require.Empty(t, c.entry(1).Returns)
}

func TestAReturnIsNotClosedWhileItsSupplierOwes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.kept(sale("1", line(1, "MUG", 3))).ask("r-1", returns.ChangedMind, 1, 1)
	c.authorise()
	c.inspected(1, 1, returns.AsNew)
	_, err := b.desk.CloseReturn(b.ctx, c.state)
	require.ErrorContains(t, err, "acme still owes 378")
}

func TestAnOlderSnapshotOfAReturnNeverOverwritesANewerOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.kept(sale("1", line(1, "MUG", 3))).ask("r-1", returns.ChangedMind, 1, 1)
	c.authorise()
	older := c.state.Clone()
	c.record(returns.StepRecord)
	_, err := b.desk.RecordReturn(b.ctx, older)
	require.ErrorContains(t, err, "a newer snapshot is recorded already")
}

func TestUnitsOfACancelledReturnMayComeBackAnew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.kept(sale("1", line(1, "MUG", 1)))
	c := l.ask("r-1", returns.ChangedMind, 1, 1)
	c.authorise()
	c.state.Cancel(returns.CancelRequest{ID: "c", By: "support"}, b.now)
	c.record(returns.StepClose)
	require.Equal(t, c.key.PurchaseOrderNumber(1)+"-R2", l.ask("r-2", returns.ChangedMind, 1, 1).rma)
}

func TestFactsOfAReturnAreReadFromTheOneThatIsMissed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.kept(sale("1", line(1, "MUG", 1))).ask("r-1", returns.ChangedMind, 1, 1)
	for range 3 {
		require.NoError(t, postgres.InTx(b.ctx, b.pool, func(tx pgx.Tx) error {
			_, err := returndesk.Append(b.ctx, tx, c.rma, returns.Fact{Cancel: &returns.CancelRequest{ID: "x", By: "support"}}, false, 0)
			return err
		}))
	}
	list, err := b.desk.ReadReturnFacts(b.ctx, workflows.ReturnFactsInput{RMA: c.rma, After: 1})
	require.NoError(t, err)
	require.Len(t, list, 2)
	_, err = b.desk.LoadReturn(b.ctx, "RMA-9")
	require.ErrorIs(t, err, returndesk.ErrNoReturn)
}

// The goods of a return that expired come after all, and the customer has announced them once more meanwhile.
func TestGoodsThatComeAfterTheirUnitsWereGrantedAnewAskAPerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.kept(sale("1", line(1, "MUG", 1)))
	first := l.ask("r-1", returns.ChangedMind, 1, 1)
	first.authorise()
	first.state.Tick(first.state.SendBy)
	first.record(returns.StepClose)
	second := l.ask("r-2", returns.ChangedMind, 1, 1)

	first.inspected(1, 1, returns.AsNew)
	require.EqualValues(t, 972, first.pay().Amount)
	first.record(returns.StepRecord)
	require.True(t, slices.ContainsFunc(first.state.Attention, func(a order.Attention) bool { return a.Key == "granted-anew" }))
	require.EqualValues(t, 1, b.number(`SELECT sum(quantity - released) FROM return_lines`), "no unit is in two returns")
	first.record(returns.StepRecord) // the matter itself is recorded, and raised once
	require.NotContains(t, first.state.Steps(), returns.StepRecord)

	second.authorise()
	second.state.Cancel(returns.CancelRequest{ID: "c", By: "support"}, b.now)
	second.record(returns.StepClose)
	d := returns.Decision{ID: "d", By: "support", Noted: "granted-anew"}
	require.NoError(t, first.state.CanDecide(d))
	first.state.Decide(d, b.now)
	first.record(returns.StepRecord)
	require.Empty(t, first.state.Attention)
	require.EqualValues(t, 1, b.number(`SELECT quantity - released FROM return_lines WHERE rma = $1`, first.rma), "the units are its own again")
}
