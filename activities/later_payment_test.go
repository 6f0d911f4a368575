package activities_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/workflows"
)

// unpaid is an order of the shop that the customer has not paid.
func unpaid(id string, lines ...storefront.Line) storefront.Order {
	o := sale(id, lines...)
	o.Payment = storefront.Payment{Status: storefront.PaymentPending}
	return o
}

func (l *life) take(p intake.LaterPayment) (taken intake.PaymentTaken, err error) {
	l.t.Helper()
	err = postgres.InTx(l.ctx, l.pool, func(tx pgx.Tx) (err error) {
		taken, err = intake.TakePayment(l.ctx, tx, p, 0)
		return err
	})
	return taken, err
}

func (l *life) payment(reference string, amount int64) intake.LaterPayment {
	return intake.LaterPayment{Order: l.key, Request: "api/" + reference, Reference: reference, Amount: amount, Currency: "USD", By: "storefront key k"}
}

// pays lets the customer pay, and the workflow hear of it.
func (l *life) pays(reference string, amount int64) intake.PaymentTaken {
	l.t.Helper()
	taken, err := l.take(l.payment(reference, amount))
	require.NoError(l.t, err)
	l.hears()
	return taken
}

// hears gives the workflow the payments that it has not heard of.
func (l *life) hears() {
	l.t.Helper()
	list, err := facts.After(l.ctx, l.pool, l.key.String(), 0)
	require.NoError(l.t, err)
	for _, f := range list {
		if f.Payment.N > l.state.Paid.N {
			l.hear(f)
		}
	}
}

func (l *life) judged() order.Verdict {
	l.t.Helper()
	l.due(order.StepValidate)
	verdict, err := l.desk.ValidateOrder(l.ctx, l.key)
	require.NoError(l.t, err)
	l.state.ValidatedWith(verdict, l.now)
	return verdict
}

// repays makes the refund that is due, as the workflow asks for it, and once more, as if the answer was lost.
func (l *life) repays() string {
	l.t.Helper()
	step := l.due(order.StepRefund)
	in := workflows.RefundInput{
		Key: l.key, N: l.state.Refunds + 1, Lines: step.Lines, Owed: l.state.Owed(step.Lines),
		Reason: l.state.RefundReason(step.Lines), Overpaid: l.state.Repaying,
	}
	back, err := l.desk.RefundCustomer(l.ctx, in)
	require.NoError(l.t, err)
	again, err := l.desk.RefundCustomer(l.ctx, in)
	require.NoError(l.t, err)
	require.Equal(l.t, back, again)
	require.Equal(l.t, in.Overpaid, back.Overpaid)
	l.state.Refunded(step.Lines, back.Amount, back.Text, l.now)
	return back.Text
}

// Three mugs are 37.80 with 5.40 of shipping.
func TestAnUnpaidOrderThatIsPaidLaterGoesOnAndIsBookedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(unpaid("1", line(1, "MUG", 3)))
	verdict := l.judged()
	require.Equal(t, []string{"payment is pending"}, verdict.Doubts)
	require.Equal(t, verdict.Doubts[0], verdict.Unpaid)
	require.Equal(t, intake.PaymentTaken{Paid: 1000, Missing: 2780}, l.pays("p-1", 1000))
	require.Equal(t, []string{"part-paid: 10.00 USD came, 27.80 USD is missing"}, l.state.Hold.Reasons)
	require.Equal(t, intake.PaymentTaken{Paid: 3780}, l.pays("p-2", 2780))
	require.Nil(t, l.state.Hold)
	taken, err := l.take(l.payment("p-2", 2780))
	require.NoError(t, err)
	require.Equal(t, intake.PaymentTaken{Repeat: true, Paid: 3780}, taken)
	l.route()
	l.dispatch()
	l.parcel(1, "1Z1", order.ParcelDelivered)
	text, err := l.settle()
	require.NoError(t, err)
	require.Equal(t, "Settled: 37.80 USD captured, 37.80 USD kept, claims open: 1", text)
	require.Zero(t, l.balance(ledger.CustomerDeposits))
	require.Zero(t, l.balance(ledger.Goodwill))
	require.EqualValues(t, 3780, b.number(`SELECT captured_minor FROM orders`))
	require.EqualValues(t, 2, b.number(`SELECT count(*) FROM ledger_transactions WHERE kind = 'captured'`))
}

func TestValidationKnowsWhatWasPaidSinceTheOrderWasPlaced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	part := b.place(unpaid("1", line(1, "MUG", 3)))
	_, err := part.take(part.payment("p-1", 1000))
	require.NoError(t, err)
	verdict := part.judged()
	require.Equal(t, []string{"payment is partially_paid"}, verdict.Doubts)
	require.EqualValues(t, 1000, verdict.Captured)
	part.hears()
	require.EqualValues(t, 1000, part.state.Money.Captured, "it counts once")

	o := unpaid("2", line(1, "MUG", 3))
	o.Payment.Status = storefront.PaymentAuthorized
	whole := b.place(o)
	require.Equal(t, "the payment is authorized but not captured", whole.judged().Unpaid)
	whole.pays("p-2", 3780)
	require.Nil(t, whole.state.Hold)
	again, err := b.desk.ValidateOrder(b.ctx, whole.key)
	require.NoError(t, err)
	require.Empty(t, again.Doubts)
}

func TestAPaymentForACancelledOrderGoesBackWhole(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(unpaid("1", line(1, "MUG", 3)))
	l.judged()
	l.state.Cancel(order.CancelRequest{ID: "c"}, b.now)
	l.record()
	require.Equal(t, "Nothing was captured for these units: nothing goes back", l.repays())
	_, err := l.settle()
	require.NoError(t, err)

	require.Equal(t, intake.PaymentTaken{Paid: 3780, Over: 3780}, l.pays("p-1", 3780))
	require.Equal(t, "Refunded 37.80 USD", l.repays())
	require.EqualValues(t, 3780, l.backAtShop())
	require.Equal(t, "refund/shop/1/2 overpaid []", b.text(`SELECT key || ' ' || reason || ' ' || lines FROM refunds WHERE n = 2`))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM outbox WHERE kind = 'refunded'`))
	l.record()
	_, err = l.settle()
	require.NoError(t, err)
	require.Zero(t, l.balance(ledger.CustomerDeposits))
	require.Zero(t, l.balance(ledger.ProcessorClearing))
}

func TestACancellationWhoseRefundIsNotFixedYetGivesTheLaterPaymentBackAsItsOwn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(unpaid("1", line(1, "MUG", 3)))
	l.judged()
	l.state.Cancel(order.CancelRequest{ID: "c"}, b.now)
	l.record()
	require.Equal(t, intake.PaymentTaken{Paid: 3780}, l.pays("p-1", 3780))
	require.Equal(t, "Refunded 37.80 USD", l.repays())
	require.EqualValues(t, 3780, l.backAtShop())
	l.record()
	_, err := l.settle()
	require.NoError(t, err)
}

func TestMoreThanIsDueGoesBackAndTheRestStays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(unpaid("1", line(1, "MUG", 3)))
	l.judged()
	l.state.Cancel(order.CancelRequest{ID: "c", Lines: []order.ShippedLine{{Line: 1, Quantity: 1}}}, b.now)
	l.record()
	l.repays() // 10.80, of which nothing was paid
	require.Equal(t, intake.PaymentTaken{Paid: 3780, Over: 1080}, l.pays("p-1", 3780))
	require.Nil(t, l.state.Hold, "two mugs and the shipping are paid")
	require.Equal(t, "Refunded 10.80 USD", l.repays())
	l.route()
	l.dispatch()
	l.parcel(1, "1Z1", order.ParcelDelivered)
	text, err := l.settle()
	require.NoError(t, err)
	require.Equal(t, "Settled: 37.80 USD captured, 27.00 USD kept, claims open: 1", text)
	require.EqualValues(t, 1080, l.backAtShop())
}

func TestARefundOfTwoPaymentsAtOnceLeavesNothingForTheSecond(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 3)))
	l.validate()
	l.pays("p-1", 300)
	require.True(t, l.state.Overpaid)
	_, err := l.take(l.payment("p-2", 200)) // the workflow has not heard of it when the first goes back
	require.NoError(t, err)
	require.Equal(t, "Refunded 5.00 USD", l.repays())
	l.hears()
	require.Equal(t, "Nothing was paid beyond what is due", l.repays())
	require.EqualValues(t, 500, l.backAtShop())
	require.EqualValues(t, l.state.Refunds, b.number(`SELECT count(DISTINCT n) FROM refunds WHERE state = 'done'`), "the order counts what was made")
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM outbox WHERE kind = 'refunded'`))
}

// A worker of an earlier release takes the refund at first; it does not know what was overpaid.
func TestWhatAnEarlierReleaseLeftOfARefundGoesBackUnderItsNumber(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(sale("1", line(1, "MUG", 3)))
	l.validate()
	l.pays("p-1", 300)
	in := workflows.RefundInput{Key: l.key, N: 1, Lines: []order.ShippedLine{{Line: 1, Quantity: 1}}, Owed: []order.ShippedLine{{Line: 1, Quantity: 1}}, Reason: "cancelled"}
	old, err := l.desk.RefundCustomer(l.ctx, in)
	require.NoError(t, err)
	require.False(t, old.Overpaid, "nobody asked for it")
	in.Overpaid = true
	both, err := l.desk.RefundCustomer(l.ctx, in)
	require.NoError(t, err)
	require.True(t, both.Overpaid)
	require.EqualValues(t, 300, both.Amount-old.Amount)
	require.Equal(t, both.Amount, l.backAtShop())
}

func TestAPaymentThatCameLaterPaysForNoExchange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.offer(nil)
	l := b.kept(sale("1", line(1, "MUG", 3)))
	_, err := l.take(l.payment("p-1", 1080))
	require.NoError(t, err)
	want := &returns.Wanted{UnitPrice: 1500, Tax: 240, Title: "Lamp"}
	_, refused := l.wish(returns.Request{Resolution: returns.Exchange, Payment: &returns.Paid{Reference: "p-1", Amount: 1080}}, 2, want, "LAMP")
	require.NotNil(t, refused)
	require.Equal(t, returns.RefusedPaymentUsed, refused.Code)
}

func TestWhatIsPaidAfterItWasDeliveredWithoutPaymentIsNoGoodwill(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(unpaid("1", line(1, "MUG", 3)))
	l.judged()
	l.state.TakeReview(order.ReviewApprove, "operator", b.now)
	l.route()
	l.dispatch()
	l.parcel(1, "1Z1", order.ParcelDelivered)
	_, err := l.settle()
	require.NoError(t, err)
	require.EqualValues(t, 3780, l.balance(ledger.Goodwill))
	for n, amount := range []int64{1000, 2780} {
		l.pays(fmt.Sprint("p-", n), amount)
		l.record()
		_, err = l.settle()
		require.NoError(t, err)
		require.Equal(t, []int64{2780, 0}[n], l.balance(ledger.Goodwill))
	}
	require.Zero(t, l.balance(ledger.CustomerDeposits))
	require.EqualValues(t, -3000, l.balance(ledger.Revenue))
}

func TestWhatIsNoLaterPaymentIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	paid := sale("1", line(1, "MUG", 3))
	paid.Payment.Reference = "ch-1"
	first, l := b.place(paid), b.place(unpaid("2", line(1, "MUG", 3)))
	l.pays("p-1", 1000)
	for name, change := range map[string]struct {
		why string
		of  func(p *intake.LaterPayment)
	}{
		"another currency":        {"the order is paid in USD", func(p *intake.LaterPayment) { p.Currency = "EUR" }},
		"nothing":                 {"nothing was paid", func(p *intake.LaterPayment) { p.Amount = 0 }},
		"a negative amount":       {"nothing was paid", func(p *intake.LaterPayment) { p.Amount = -5 }},
		"more than there is":      {"the amount is out of range", func(p *intake.LaterPayment) { p.Amount = 1<<63 - 1 }},
		"another order's payment": {"that payment has paid for something else already", func(p *intake.LaterPayment) { p.Order, p.Reference = first.key, "p-1" }},
		"the order's own payment": {"the order was placed with that payment", func(p *intake.LaterPayment) { p.Order, p.Reference = first.key, "ch-1" }},
	} {
		p := l.payment("p-9", 500)
		change.of(&p)
		_, err := l.take(p)
		var refusal *order.Refusal
		require.ErrorAs(t, err, &refusal, name)
		require.Equal(t, change.why, refusal.Reason, name)
	}
	for name, change := range map[string]func(p *intake.LaterPayment){
		"another amount of one request":   func(p *intake.LaterPayment) { p.Amount = 999 },
		"another payment of one request":  func(p *intake.LaterPayment) { p.Reference = "p-2" },
		"another request for one payment": func(p *intake.LaterPayment) { p.Request, p.Amount = "api/x", 999 },
		"another currency of one request": func(p *intake.LaterPayment) { p.Currency = "EUR" },
	} {
		p := l.payment("p-1", 1000)
		change(&p)
		_, err := l.take(p)
		require.ErrorIs(t, err, intake.ErrOtherPayment, name)
	}
	_, err := l.take(intake.LaterPayment{Order: order.Key{Storefront: "shop", Order: "none"}, Request: "r", Reference: "p", Amount: 1, Currency: "USD"})
	require.ErrorIs(t, err, facts.ErrNoOrder)
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM order_payments`))
	require.EqualValues(t, 1000+3780, b.number(`SELECT sum(captured_minor) FROM orders`))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM facts`))
}

func TestOnePaymentFromManyRequestsAtOnceIsTakenOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.place(unpaid("1", line(1, "MUG", 3)))
	var group sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		group.Go(func() { _, errs[i] = l.take(l.payment("p-1", 3780)) })
	}
	group.Wait()
	require.NoError(t, errors.Join(errs...))
	require.EqualValues(t, 3780, b.number(`SELECT captured_minor FROM orders`))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM ledger_transactions`))
}

// However payments and cancellations of a held order interleave, the customer ends having paid for what was not
// cancelled, or owes it, and the shop keeps no more.
func TestPaymentsAndCancellationsInAnyOrderEndSquare(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		l := b.place(unpaid(fmt.Sprint("r", n), line(1, "MUG", 3), line(2, "TEA", 2)))
		l.judged()
		var paid, before int64
		for i := range rapid.IntRange(1, 7).Draw(rt, "steps") {
			switch rapid.IntRange(0, 2).Draw(rt, "what") {
			case 0:
				amount := rapid.Int64Range(1, 6000).Draw(rt, "amount")
				paid += amount
				taken := l.pays(fmt.Sprint("p-", n, "-", i), amount)
				require.Zero(rt, min(taken.Missing, taken.Over))
			case 1:
				r := order.CancelRequest{ID: fmt.Sprint("c", i), Lines: []order.ShippedLine{{Line: rapid.IntRange(1, 2).Draw(rt, "line"), Quantity: 1}}}
				if l.state.CanCancel(r) == nil {
					l.state.Cancel(r, b.now)
				}
			default:
				l.refundsAll()
			}
		}
		l.refundsAll()
		price := int64(540)
		for i := range l.state.Lines {
			price += (l.state.Lines[i].Ordered - l.state.Lines[i].Cancelled) * 1080
		}
		if price == 540 {
			price = 0
		}
		back := b.number(`SELECT coalesce(sum(amount_minor), 0) FROM refunds WHERE order_key = $1`, l.key.String())
		require.LessOrEqual(rt, paid-back, price, "nothing is kept beyond the price")
		require.GreaterOrEqual(rt, back, before)
		if l.state.Hold == nil && price > 0 {
			require.Equal(rt, price, paid-back, "what goes on is paid")
		}
	})
}

func (l *life) refundsAll() {
	l.t.Helper()
	for _, step := range l.state.Steps() {
		if step.Kind == order.StepRefund {
			l.repays()
			l.refundsAll()
			return
		}
	}
}
