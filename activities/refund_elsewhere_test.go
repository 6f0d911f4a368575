package activities_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/refunddesk"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sim/storefrontsim"
)

// oneUnit is what the refunds here are for.
var oneUnit = order.ShippedLine{Line: 1, Quantity: 1}

// stalled calls a person about the order's refund, as its workflow does after the activity has failed.
func (l *life) stalled() {
	l.t.Helper()
	l.state.Stalled(order.Step{Kind: order.StepRefund}, "refused", l.now)
	require.NoError(l.t, l.desk.RecordProgress(l.ctx, l.state))
}

// refusedRefund is an order whose storefront refuses its refund, which a person was called about.
func (b *bundle) refusedRefund() *life {
	b.t.Helper()
	b.shop.Script(storefrontsim.Refunds, storefrontsim.Refused, 1, 0)
	l := b.place(sale("1", line(1, "MUG", 3)))
	_, err := b.desk.RefundCustomer(b.ctx, l.refund(1, oneUnit))
	require.ErrorContains(b.t, err, "refused")
	l.stalled()
	return l
}

func (l *life) decision(refund string) refunddesk.Decision {
	return refunddesk.Decision{
		Order: l.key, Refund: refund, Request: "api/d-1", Reference: "wire-1", Reason: "refused", By: "operator key 1",
	}
}

func (b *bundle) decide(d refunddesk.Decision) error {
	return refunddesk.PaidElsewhere(b.ctx, b.pool, d)
}

func (b *bundle) requireRefusal(err error, says string) {
	b.t.Helper()
	var refusal *order.Refusal
	require.ErrorAs(b.t, err, &refusal)
	require.Contains(b.t, refusal.Reason, says)
}

// callsEnded lets the storefront's calls have ended long ago.
func (b *bundle) callsEnded() {
	b.t.Helper()
	b.exec(`UPDATE effects SET last_at = last_at - interval '2 minutes' WHERE kind IN ('refund', 'store_credit')`)
}

func TestARefundPaidElsewhereLeavesTheBankOnceAndIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.refusedRefund()
	require.Equal(t, "not_sent", b.text(`SELECT state FROM effects WHERE key = 'refund/shop/1/1'`))
	d := l.decision("refund/shop/1/1")
	for range 2 {
		require.NoError(t, b.decide(d), "a repeat of the request is harmless")
	}
	other := d
	other.Reference = "wire-2"
	require.ErrorIs(t, b.decide(other), refunddesk.ErrOtherRequest)
	other.Request = "api/d-2"
	b.requireRefusal(b.decide(other), "paid by wire-1 already")
	for range 2 {
		back, err := b.desk.RefundCustomer(b.ctx, l.refund(1, oneUnit))
		require.NoError(t, err)
		require.Equal(t, "Paid to the customer past the storefront: 10.80 USD", back.Text)
	}
	require.NoError(t, b.decide(d), "also when it is booked")
	require.Empty(t, b.shop.Notices(storefrontsim.Refunds))
	require.EqualValues(t, -1080, l.balance(ledger.Bank))
	require.Equal(t, "storefront/refund_made/refund/shop/1/1/1 1080", b.text(`SELECT key || ' ' || (payload ->> 'amount') FROM outbox WHERE kind = 'refund_made'`))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM facts WHERE kind = 'refund_paid' AND urgent`), "the workflow is woken once")
	require.EqualValues(t, 3780, l.balance(ledger.ProcessorClearing), "the storefront's processor has given nothing back")
	require.EqualValues(t, -(3780 - 1080), l.balance(ledger.CustomerDeposits))
	require.Equal(t, "elsewhere wire-1 done", b.text(`SELECT concat_ws(' ', route, reference, state) FROM refunds`))
	require.Zero(t, b.number(`SELECT count(*) FROM outbox WHERE kind = 'refunded'`), "the letter says that it goes back the way it was paid")
}

func TestUnitsRefundedAfterAPaymentElsewhereAreAskedOfTheStorefront(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.refusedRefund()
	require.NoError(t, b.decide(l.decision("refund/shop/1/1")))
	back, err := b.desk.RefundCustomer(b.ctx, l.refund(1, order.ShippedLine{Line: 1, Quantity: 3}))
	require.NoError(t, err)
	require.EqualValues(t, 3780, back.Amount)
	require.EqualValues(t, 3780-1080, l.backAtShop())
	require.EqualValues(t, -1080, l.balance(ledger.Bank))
	require.EqualValues(t, 1080, l.balance(ledger.ProcessorClearing))
	require.Zero(t, l.balance(ledger.CustomerDeposits))
}

func TestOnlyARefundThatAPersonWasCalledAboutIsPaidElsewhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.shop.Script(storefrontsim.Refunds, storefrontsim.Refused, 1, 0)
	l := b.place(sale("1", line(1, "MUG", 3)))
	d := l.decision("refund/shop/1/1")
	require.ErrorIs(t, b.decide(d), refunddesk.ErrNoRefund)
	_, err := b.desk.RefundCustomer(b.ctx, l.refund(1, oneUnit))
	require.Error(t, err)
	b.requireRefusal(b.decide(d), "nobody was called about it")
	l.stalled()
	_, err = b.desk.RefundCustomer(b.ctx, l.refund(1, oneUnit))
	require.NoError(t, err)
	b.requireRefusal(b.decide(d), "the refund was made")
	require.EqualValues(t, 1080, l.backAtShop())
	require.Zero(t, b.number(`SELECT count(*) FROM refund_decisions`))
}

func TestARefundThatAProviderMakesIsNotDecidedAboutHere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.refusedRefund()
	for route, says := range map[string]string{"provider": "starter payment decide", "held": "starter payment decide"} {
		b.exec(`UPDATE refunds SET route = $1`, route)
		b.requireRefusal(b.decide(l.decision("refund/shop/1/1")), says)
	}
	b.exec(`UPDATE refunds SET route = '', amount_minor = 0`)
	b.requireRefusal(b.decide(l.decision("refund/shop/1/1")), "no money")
}

func TestARefundWhoseAnswerWasLostIsPaidElsewhereOnlyOnAPersonsWordThatItWasNotMade(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.shop.Script(storefrontsim.Refunds, storefrontsim.AnswerLost, 1, 0)
	b.shop.Script(storefrontsim.Refunds, storefrontsim.Refused, 1, 0)
	b.shop.Script(storefrontsim.Refunds, storefrontsim.Unavailable, 1, 0)
	l := b.place(sale("1", line(1, "MUG", 3)))
	d := l.decision("refund/shop/1/1")
	l.stalled()
	for _, state := range []string{"unknown", "unknown", "unknown"} { // a refusal proves nothing of the call before it
		_, err := b.desk.RefundCustomer(b.ctx, l.refund(1, oneUnit))
		require.Error(t, err)
		require.Equal(t, state, b.text(`SELECT state FROM effects`))
		b.requireRefusal(b.decide(d), "is being asked")
		b.callsEnded()
		b.requireRefusal(b.decide(d), "ask there first")
	}
	_, err := b.desk.RefundCustomer(b.ctx, l.refund(1, oneUnit))
	require.NoError(t, err, "it had made it, and says so")
	d.NotMade = true
	b.requireRefusal(b.decide(d), "the refund was made")
	require.EqualValues(t, 1080, l.backAtShop())
}

func TestARefundIsNotPaidElsewhereWhileTheStorefrontIsAsked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.refusedRefund()
	d := l.decision("refund/shop/1/1")
	d.NotMade = true
	meanwhile := make(chan error, 1)
	asked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		meanwhile <- b.decide(d)
		w.WriteHeader(http.StatusUnprocessableEntity)
	}))
	t.Cleanup(asked.Close)
	b.exec(`UPDATE storefronts SET document = jsonb_set(document, '{refund_url}', to_jsonb($1::text))`, asked.URL)
	_, err := b.desk.RefundCustomer(b.ctx, l.refund(1, oneUnit))
	require.ErrorContains(t, err, "refused")
	b.requireRefusal(<-meanwhile, "is being asked")
	b.exec(`UPDATE effects SET state = 'trying'`)
	b.callsEnded() // its worker has died
	require.NoError(t, b.decide(d))
	b.exec(`DELETE FROM refund_decisions; DELETE FROM effects`)
	d.NotMade = false
	b.requireRefusal(b.decide(d), "ask there first")
}

func TestAReceiptOverAnotherAmountMayHavePaidTheCustomer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	wrong := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"reference":"r-1","at":"` + time.Now().UTC().Format(time.RFC3339) + `","amount":"1.00","currency":"USD"}`))
	}))
	t.Cleanup(wrong.Close)
	b.exec(`UPDATE storefronts SET document = jsonb_set(document, '{refund_url}', to_jsonb($1::text))`, wrong.URL)
	l := b.place(sale("1", line(1, "MUG", 3)))
	_, err := b.desk.RefundCustomer(b.ctx, l.refund(1, oneUnit))
	require.ErrorContains(t, err, "another amount")
	l.stalled()
	b.callsEnded()
	b.requireRefusal(b.decide(l.decision("refund/shop/1/1")), "ask there first")
}

// Whoever comes first, the customer is paid once.
func TestADecisionAndACallAtOncePayOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.refusedRefund()
	b.shop.Script(storefrontsim.Refunds, storefrontsim.Slow, 1, 20*time.Millisecond)
	in := l.refund(1, oneUnit)
	decided := false
	atOnce(t, 4, func(i int) error {
		if i > 0 {
			_, err := b.desk.RefundCustomer(b.ctx, in)
			return err
		}
		err := b.decide(l.decision("refund/shop/1/1"))
		decided = err == nil
		return nil
	})
	atShop, atBank := l.backAtShop(), -l.balance(ledger.Bank)
	require.EqualValues(t, 1080, atShop+atBank)
	require.Equal(t, decided, atBank > 0)
	require.Equal(t, 3780-atShop, l.balance(ledger.ProcessorClearing))
}

func TestARefundOfAnExchangeOrderPaidElsewhereStandsInTheBooksOfTheOrderThatWasPaid(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.offer(nil)
	l := b.kept(sale("1", line(1, "MUG", 3)))
	c, _ := l.wish(returns.Request{Resolution: returns.Exchange, Payment: &returns.Paid{Reference: "p-1", Amount: 1080}}, 2,
		&returns.Wanted{UnitPrice: 1500, Tax: 240}, "LAMP")
	c.authorise()
	c.inspected(1, 2, returns.AsNew)
	c.pay()
	x := c.follow()
	b.shop.Script(storefrontsim.Refunds, storefrontsim.Refused, 1, 0)
	_, err := b.desk.RefundCustomer(b.ctx, x.refund(1, oneUnit))
	require.ErrorContains(t, err, "refused")
	x.stalled()
	d := x.decision("refund/shop/1-X1/1")
	through := d
	through.Order, through.Refund = l.key, "through/refund/shop/1-X1/1"
	b.requireRefusal(b.decide(through), "decide there")
	require.NoError(t, b.decide(d))
	_, err = b.desk.RefundCustomer(b.ctx, x.refund(1, oneUnit))
	require.NoError(t, err)
	require.Zero(t, l.backAtShop())
	require.EqualValues(t, -1620, l.balance(ledger.Bank))
	require.EqualValues(t, 3780+1080, l.balance(ledger.ProcessorClearing))
	require.Zero(t, x.balance(ledger.Bank))
	require.Equal(t, "shop/1 through/refund/shop/1-X1/1", b.text(`SELECT order_key || ' ' || (payload ->> 'refund') FROM outbox WHERE kind = 'refund_made'`),
		"the storefront knows the payment as the first order's")
	require.EqualValues(t, 2, b.number(`SELECT count(*) FROM refunds WHERE route = 'elsewhere' AND state = 'done'`))
}

func TestAReturnIsPaidElsewhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.kept(sale("1", line(1, "MUG", 3))).ask("r-1", returns.ChangedMind, 1, 2)
	c.authorise()
	c.inspected(1, 2, returns.AsNew)
	c.step(returns.StepPay)
	b.shop.Script(storefrontsim.Refunds, storefrontsim.Refused, 1, 0)
	_, err := b.desk.PayReturn(b.ctx, c.payment())
	require.ErrorContains(t, err, "refused")
	d := c.decision("return/" + c.rma + "/1")
	b.requireRefusal(b.decide(d), "nobody was called about it")
	b.exec(`UPDATE returns SET state = jsonb_set(state, '{attention}', '[{"key": "stalled/pay", "text": "x", "since": "2026-01-01T00:00:00Z"}]')`)
	require.NoError(t, b.decide(d))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM return_facts WHERE kind = 'refund_paid' AND rma = '`+c.rma+`'`))
	require.Zero(t, b.number(`SELECT count(*) FROM facts WHERE kind = 'refund_paid'`))
	for range 2 {
		paid, err := b.desk.PayReturn(b.ctx, c.payment())
		require.NoError(t, err)
		require.Equal(t, "Paid to the customer past the storefront: 19.44 USD; kept as fees: 2.16 USD", paid.Text)
	}
	require.Zero(t, c.backAtShop())
	require.EqualValues(t, -1944, c.balance(ledger.Bank))
	require.EqualValues(t, 3780, c.balance(ledger.ProcessorClearing))
}

func TestADecisionWaitsForACallThatIsBeingNoted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.refusedRefund()
	var err error
	b.meanwhile(func(tx pgx.Tx) error {
		_, err := tx.Exec(b.ctx, `SELECT FROM orders WHERE key = $1 FOR NO KEY UPDATE`, l.key.String())
		if err == nil {
			_, err = tx.Exec(b.ctx, `UPDATE effects SET state = 'trying', last_at = clock_timestamp() WHERE kind = 'refund'`)
		}
		return err
	}, func() error {
		err = b.decide(l.decision("refund/shop/1/1"))
		return nil
	})
	b.requireRefusal(err, "is being asked")
}

func TestACallWaitsForADecisionThatIsBeingNoted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.refusedRefund()
	b.meanwhile(func(tx pgx.Tx) error {
		_, err := tx.Exec(b.ctx, `SELECT FROM orders WHERE key = $1 FOR NO KEY UPDATE`, l.key.String())
		if err == nil {
			_, err = tx.Exec(b.ctx, `INSERT INTO refund_decisions (refund, order_key, request, reference, reason, not_made, by)
				VALUES ('refund/shop/1/1', $1, 'api/d-1', 'wire-1', 'refused', false, 'operator key 1')`, l.key.String())
		}
		return err
	}, func() error {
		_, err := b.desk.RefundCustomer(b.ctx, l.refund(1, oneUnit))
		return err
	})
	require.Empty(t, b.shop.Notices(storefrontsim.Refunds))
	require.EqualValues(t, -1080, l.balance(ledger.Bank))
}

// refusedCredit is a return whose store credit the storefront refuses, which a person was called about.
func (b *bundle) refusedCredit(manners ...storefrontsim.Fault) *comeback {
	b.t.Helper()
	b.offer(func(p *catalog.ReturnPolicy) { p.CreditBonusBP = 1000 })
	c, _ := b.kept(sale("1", line(1, "MUG", 3))).wish(returns.Request{Resolution: returns.StoreCredit}, 2, nil, "")
	c.authorise()
	c.inspected(1, 2, returns.AsNew)
	c.step(returns.StepPay)
	for _, m := range manners {
		b.shop.Script(storefrontsim.StoreCredits, m, 1, 0)
		_, err := b.desk.PayReturn(b.ctx, c.payment())
		require.Error(b.t, err)
	}
	b.exec(`UPDATE returns SET state = jsonb_set(state, '{attention}', '[{"key": "stalled/pay", "text": "x", "since": "2026-01-01T00:00:00Z"}]')`)
	return c
}

func TestAStoreCreditThatIsRefusedIsPaidAsMoneyOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.refusedCredit(storefrontsim.Refused)
	d := c.decision("return/" + c.rma + "/1")
	for range 2 {
		require.NoError(t, b.decide(d))
	}
	for range 2 {
		paid, err := b.desk.PayReturn(b.ctx, c.payment())
		require.NoError(t, err)
		require.Equal(t, "Paid to the customer past the storefront: 19.44 USD; kept as fees: 2.16 USD", paid.Text)
		require.EqualValues(t, 1944, paid.Amount)
		require.Zero(t, paid.Credit, "the bonus was for taking credit")
	}
	require.Empty(t, b.shop.Credited("1"))
	require.EqualValues(t, -1944, c.balance(ledger.Bank))
	require.Zero(t, c.balance(ledger.StoreCredit))
	require.Zero(t, c.balance(ledger.CustomerDeposits))
	require.EqualValues(t, 3780, c.balance(ledger.ProcessorClearing))
	require.Zero(t, b.number(`SELECT count(*) FROM store_credits`))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM return_facts WHERE kind = 'refund_paid'`))
	require.EqualValues(t, 1, b.number(`SELECT count(*) FROM outbox WHERE kind = 'refund_made' AND payload ->> 'amount' = '1944'`))
	require.Zero(t, b.number(`SELECT count(*) FROM outbox WHERE kind = 'store_credited'`))
}

func TestAStoreCreditWhoseAnswerWasLostIsPaidOnlyOnAPersonsWordThatItWasNotGiven(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.refusedCredit(storefrontsim.AnswerLost, storefrontsim.Refused)
	d := c.decision("return/" + c.rma + "/1")
	b.requireRefusal(b.decide(d), "is being asked")
	b.callsEnded()
	b.requireRefusal(b.decide(d), "ask there first")
	paid, err := b.desk.PayReturn(b.ctx, c.payment())
	require.NoError(t, err, "it had given it, and says so")
	require.EqualValues(t, 2138, paid.Credit)
	d.NotMade = true
	b.requireRefusal(b.decide(d), "the refund was made")
	require.Zero(t, c.balance(ledger.Bank))
}

// While the customer's bank disputes the payment, money would be given beside the bank's.
func TestAStoreCreditIsNotPaidOtherwiseWhileThePaymentIsDisputed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	p.keep()
	b.offer(nil)
	r := p.wanted(returns.Request{Resolution: returns.StoreCredit}, "")
	b.shop.Script(storefrontsim.StoreCredits, storefrontsim.Refused, 1, 0)
	_, err := b.desk.PayReturn(b.ctx, r.payment())
	require.ErrorContains(t, err, "refused")
	b.exec(`UPDATE returns SET state = jsonb_set(state, '{attention}', '[{"key": "stalled/pay", "text": "x", "since": "2026-01-01T00:00:00Z"}]')`)
	d := r.decision("return/" + r.rma + "/1")
	dispute := p.sim.OpenDispute(p.state.Reference, "product_not_received")
	p.tells()
	b.requireRefusal(b.decide(d), "disputes the payment")
	require.True(t, p.sim.CloseDispute(dispute, true))
	p.tells()
	require.NoError(t, b.decide(d))
	paid, err := b.desk.PayReturn(b.ctx, r.payment())
	require.NoError(t, err)
	require.EqualValues(t, 972, paid.Amount)
	require.Empty(t, p.sim.Refunds(p.state.Reference))
	require.EqualValues(t, -972, p.balance(ledger.Bank))
}
