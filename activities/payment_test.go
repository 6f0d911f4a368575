package activities_test

import (
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/partners"
	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sim/paymentsim"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/workflows"
)

// till is an order whose money is at a payment provider, with the state that the payment's workflow would
// hold.
type till struct {
	*life

	sim      *paymentsim.Server
	provider payment.Provider
	state    payments.State
}

// account gives the shop an account at a provider.
func (b *bundle) account(capture catalog.Capture) *paymentsim.Server {
	b.t.Helper()
	sim, err := paymentsim.Start(paymentsim.Config{SecretKey: token, Storefront: "shop", DisputeFee: 1500})
	require.NoError(b.t, err)
	b.t.Cleanup(sim.Close)
	text := strings.Replace(catalogue, "policy: {review:", "payments: {provider: stripe, url: \""+sim.URL()+
		"\", secret_env: TEST_TOKEN, webhook_secret_env: TEST_TOKEN}\n    policy: {capture: "+string(capture)+", review:", 1)
	b.load(text)
	return sim
}

// pays places an order whose customer's bank holds its price; captured: it was taken already.
func (b *bundle) pays(capture catalog.Capture, captured bool, o storefront.Order) *till {
	b.t.Helper()
	return b.paysAt(b.account(capture), captured, o)
}

func (b *bundle) paysAt(sim *paymentsim.Server, captured bool, o storefront.Order) *till {
	b.t.Helper()
	shop, err := postgres.Storefront(b.ctx, b.pool, "shop")
	require.NoError(b.t, err)
	provider, has, err := partners.New(b.pool, true).Payments(shop)
	require.NoError(b.t, err)
	require.True(b.t, has)
	p, err := provider.Authorise(b.ctx, payment.Authorisation{Key: "a-" + o.Key.Order, Method: "pm_card", Customer: "cus_1", Amount: o.Total, Currency: "USD"})
	require.NoError(b.t, err)
	o.Payment = storefront.Payment{Status: storefront.PaymentAuthorized, Reference: p.Reference}
	if captured {
		_, err = provider.Capture(b.ctx, payment.Capture{Key: "c-" + o.Key.Order, Reference: p.Reference, Amount: o.Total, Currency: "USD"})
		require.NoError(b.t, err)
		o.Payment.Status, o.Payment.Captured = storefront.PaymentPaid, o.Total
	}
	c := &till{life: b.place(o), sim: sim, provider: provider}
	c.state, err = b.desk.LoadPayment(b.ctx, c.key)
	require.NoError(b.t, err)
	return c
}

// hears folds the facts that came in, as the deliverer would bring them.
func (c *till) hears() {
	c.t.Helper()
	facts, err := c.desk.ReadPaymentFacts(c.ctx, workflows.PaymentFactsInput{Key: c.key, After: c.state.LastFact})
	require.NoError(c.t, err)
	for _, f := range facts {
		c.state.Apply(f, c.now)
	}
	require.NoError(c.t, c.state.Check())
}

// step begins a step, which must be due.
func (c *till) step(kind payments.StepKind) {
	c.t.Helper()
	require.Contains(c.t, c.state.Steps(), kind, c.state.Card())
	c.state.Begin(kind)
}

func (c *till) capture() payments.Taking {
	c.t.Helper()
	c.step(payments.StepCapture)
	taken, err := c.desk.CapturePayment(c.ctx, c.key)
	require.NoError(c.t, err)
	c.state.CapturedWith(taken, c.now)
	return taken
}

// record brings Postgres up to the state twice: the second time changes nothing.
func (c *till) record(kind payments.StepKind) {
	c.t.Helper()
	c.step(kind)
	snapshot := c.state.Clone()
	write := c.desk.RecordPayment
	if kind == payments.StepClose {
		write = c.desk.ClosePayment
	}
	require.NoError(c.t, write(c.ctx, snapshot))
	before := c.text(paymentsSoFar)
	require.NoError(c.t, write(c.ctx, snapshot))
	require.Equal(c.t, before, c.text(paymentsSoFar))
	c.state.Recorded(kind, &snapshot)
	c.square()
}

const paymentsSoFar = `SELECT concat_ws(' ', (SELECT count(*) FROM outbox), (SELECT count(*) FROM ledger_entries), (SELECT count(*) FROM claims),
	(SELECT count(*) FROM facts), (SELECT md5(string_agg(state::text || stage || standing, ',' ORDER BY order_key)) FROM payments))`

// square: whatever the payment's accounts hold is named by claims, and the ledger agrees with the provider.
func (c *till) square() {
	c.t.Helper()
	for _, account := range []ledger.Account{ledger.CustomerReceivable, ledger.RefundsPayable, ledger.Chargebacks} {
		require.Equal(c.t, c.balance(account), c.number(`SELECT coalesce(sum(minor), 0)::bigint FROM claims
			WHERE closed_at IS NULL AND account = $1 AND order_key = $2`, string(account), c.key.String()), account)
	}
	require.Equal(c.t, c.sim.Balance()["USD"], c.number(`SELECT coalesce(sum(e.minor), 0)::bigint FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
		JOIN payments USING (order_key) WHERE e.account IN ('processor_clearing', 'payment_fees')`))
}

// give refunds units as the order does.
func (c *till) give(n int, quantity int64) (workflows.RefundResult, error) {
	lines := []order.ShippedLine{{Line: 1, Quantity: quantity}}
	return c.desk.RefundCustomer(c.ctx, workflows.RefundInput{Key: c.key, N: n, Lines: lines, Owed: []order.ShippedLine{{Line: 1, Quantity: quantity}}, Reason: "cancelled"})
}

// tells brings a webhook in, twice.
func (c *till) tells() {
	c.t.Helper()
	archive := &intake.Archive{Pool: c.pool}
	for _, e := range c.sim.Events() {
		_, err := archive.Store(c.ctx, intake.Document{Source: "payments/shop", Kind: "payment_event", NaturalKey: e.ID, ContentType: "application/json", Body: e.Body})
		require.NoError(c.t, err)
	}
	c.processes()
	c.hears()
}

// until repeats a call whose answer is lost, as the engine does.
func (c *till) until(call func() error) {
	c.t.Helper()
	for range 3 {
		if call() == nil {
			return
		}
	}
	require.NoError(c.t, call())
}

// processes applies the documents that have come.
func (c *till) processes() {
	c.t.Helper()
	orders, err := intake.NewOrders([]byte("sixteen bytes or more"))
	require.NoError(c.t, err)
	p := &intake.Processor{Pool: c.pool, Orders: orders, Log: slog.New(slog.DiscardHandler)}
	_, err = p.Process(c.ctx)
	require.NoError(c.t, err)
}

func TestAPaymentTakenWithTheOrderCostsNothing(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureShipment, true, sale("1", line(1, "MUG", 2)))
	require.EqualValues(t, 1, c.number(`SELECT count(*) FROM payments WHERE deliver_at IS NULL AND standing = 'captured'`))
	require.Zero(t, c.balance(ledger.CustomerReceivable))
	result, err := c.give(1, 1)
	require.NoError(t, err)
	require.Equal(t, "Refunded 10.80 USD", result.Text)
	require.EqualValues(t, 1080, c.sim.Payment(c.state.Reference).Refunded)
	require.Zero(t, c.shopRefunds())
	c.tells()
	require.EqualValues(t, 1, c.number(`SELECT count(*) FROM payments WHERE deliver_at IS NULL AND fact_seq = 0`), "its echoes are no news")
	c.square()
}

func (c *till) shopRefunds() int64 {
	return c.bundle.number(`SELECT count(*) FROM refunds WHERE route = ''`)
}

func TestWhatIsCancelledBeforeTheCaptureIsNotTaken(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureShipment, false, sale("1", line(1, "MUG", 2)))
	require.EqualValues(t, 2700, c.balance(ledger.CustomerReceivable))
	result, err := c.give(1, 1)
	require.NoError(t, err)
	require.Equal(t, "Cancelled before the capture, so not taken: 10.80 USD", result.Text)
	require.Zero(t, c.sim.Payment(c.state.Reference).Refunded)
	c.hears()
	require.EqualValues(t, 1620, c.state.Due())
	c.ship()
	c.sim.Script(paymentsim.Script{Operation: paymentsim.Capture, Fault: paymentsim.Broken, Times: 1})
	c.sim.Script(paymentsim.Script{Operation: paymentsim.Capture, Fault: paymentsim.AnswerLost, Times: 1})
	c.step(payments.StepCapture)
	_, err = c.desk.CapturePayment(c.ctx, c.key)
	require.Error(t, err)
	_, err = c.give(1, 2)
	require.ErrorContains(t, err, "being captured", "only the answer tells whether it is released or refunded")
	var taken payments.Taking
	c.until(func() error {
		taken, err = c.desk.CapturePayment(c.ctx, c.key)
		return err
	})
	c.state.CapturedWith(taken, c.now)
	require.EqualValues(t, 1620, taken.Amount)
	require.EqualValues(t, 1620, c.sim.Payment(c.state.Reference).Captured)
	again, err := c.desk.CapturePayment(c.ctx, c.key)
	require.NoError(t, err)
	require.Equal(t, taken, again)
	c.square()
	result, err = c.give(1, 2)
	require.NoError(t, err)
	require.EqualValues(t, 1080+1620, result.Amount, "the rest with its shipping is given back")
	require.EqualValues(t, 1620, c.sim.Payment(c.state.Reference).Refunded)
	require.Zero(t, c.balance(ledger.CustomerDeposits))
	c.record(payments.StepClose)
	require.Zero(t, c.sim.Conflicts())
}

// ship lets the carrier scan the first parcel, and the payment hear of it.
func (c *till) ship() {
	c.t.Helper()
	c.exec(`WITH p AS (UPDATE payments SET awaits_shipment = false, fact_seq = fact_seq + 1 WHERE awaits_shipment RETURNING order_key, fact_seq)
		INSERT INTO payment_facts (order_key, seq, kind, body) SELECT order_key, fact_seq, 'shipped',
			jsonb_build_object('seq', fact_seq, 'shipped', jsonb_build_object('at', now())) FROM p`)
	c.hears()
	require.True(c.t, c.state.Shipped)
}

func TestAllCancelledBeforeTheCaptureIsLetGo(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureShipment, false, sale("1", line(1, "MUG", 2)))
	_, err := c.give(1, 2)
	require.NoError(t, err)
	c.hears()
	c.step(payments.StepVoid)
	c.sim.Script(paymentsim.Script{Operation: paymentsim.Void, Fault: paymentsim.AnswerLost, Times: 1})
	c.until(func() error { _, err := c.desk.VoidPayment(c.ctx, c.key); return err })
	c.state.VoidedNow(c.now)
	c.record(payments.StepClose)
	require.Equal(t, "canceled", c.sim.Payment(c.state.Reference).Status)
	require.Zero(t, c.balance(ledger.CustomerDeposits))
	require.True(t, c.state.Finished())
}

func TestACaptureThatIsRefusedIsPaidElsewhereAndRefundedElsewhere(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureShipment, false, sale("1", line(1, "MUG", 2)))
	c.ship()
	c.sim.SetManner("pm_card", paymentsim.Manner{DeclineCapture: "insufficient_funds"})
	taken := c.capture()
	require.True(t, taken.Refused)
	require.NotEmpty(t, taken.Code)
	require.Contains(t, c.state.Attention[0].Text, "the capture of 27.00 USD was refused")
	c.record(payments.StepRecord)
	require.EqualValues(t, 1, c.number(`SELECT count(*) FROM payments WHERE needs_attention AND standing = 'authorised'`))
	c.state.Decide(payments.Decision{ID: "1", By: "operator", Kind: payments.DecideElsewhere, Reference: "wire-1"}, c.now)
	c.record(payments.StepRecord)
	require.EqualValues(t, 2700, c.balance(ledger.Bank))
	require.Zero(t, c.balance(ledger.CustomerReceivable))
	_, err := c.give(1, 1)
	require.NoError(t, err)
	require.EqualValues(t, 1, c.number(`SELECT count(*) FROM refunds WHERE route = 'held'`))
	c.hears()
	require.Contains(t, c.state.Attention[0].Text, "paid_elsewhere")
	c.state.Decide(payments.Decision{ID: "2", By: "operator", Kind: payments.DecideElsewhere, Reference: "wire-2"}, c.now)
	c.step(payments.StepVoid)
	_, err = c.desk.VoidPayment(c.ctx, c.key)
	require.NoError(t, err)
	c.state.VoidedNow(c.now)
	c.record(payments.StepRecord)
	c.record(payments.StepClose)
	require.EqualValues(t, 1620, c.balance(ledger.Bank))
	require.True(t, c.state.Finished())
}

func TestARefundThatComesBackIsOwedUntilItIsPaid(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	_, err := c.give(1, 1)
	require.NoError(t, err)
	refund := c.sim.Refunds(c.state.Reference)[0]
	require.True(t, c.sim.SettleRefund(refund.Reference, "expired_or_canceled_card"))
	c.tells()
	c.tells()
	require.Contains(t, c.state.Attention[0].Text, "came back (expired_or_canceled_card)")
	c.record(payments.StepRecord)
	require.EqualValues(t, -1080, c.balance(ledger.RefundsPayable))
	c.state.Decide(payments.Decision{ID: "1", By: "operator", Kind: payments.DecideRetry}, c.now)
	next, ok := c.state.NextRefund(payments.StepRefund)
	require.True(t, ok)
	c.step(payments.StepRefund)
	in := workflows.RefundAgainInput{Key: c.key, Refund: next.Key, Try: next.Try + 1, Amount: next.Amount}
	c.sim.Script(paymentsim.Script{Operation: paymentsim.Refunds, Fault: paymentsim.AnswerLost, Times: 1})
	for range 2 {
		c.until(func() error {
			tried, err := c.desk.RefundAgain(c.ctx, in)
			next.Reference = tried.Reference
			return err
		})
	}
	require.Len(t, c.sim.Refunds(c.state.Reference), 2, "the one that failed, and this one once")
	c.state.RefundedAgain(payments.RefundTried{Key: next.Key, Try: in.Try, Reference: next.Reference, Standing: payments.RefundDone}, c.now)
	c.record(payments.StepRecord)
	c.record(payments.StepClose)
	require.Zero(t, c.balance(ledger.RefundsPayable))
	require.EqualValues(t, 1, c.number(`SELECT count(*) FROM outbox WHERE kind = 'refunded'`), "the customer is told once")
	require.Equal(t, "refund_made refund/shop/1/1 1 1080, refund_came_back refund/shop/1/1 1 1080, refund_made refund/shop/1/1 2 1080", c.text(`
		SELECT string_agg(concat_ws(' ', kind, payload ->> 'refund', payload ->> 'try', payload ->> 'amount'), ', ' ORDER BY id) FROM outbox
		WHERE channel = 'storefront'`), "the storefront, of each try")
}

func TestNewsOfARefundThatOvertakeItsNoteWait(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	receipt, err := c.provider.Refund(c.ctx, payment.Refund{Key: "refund/shop/1/1", Reference: c.state.Reference, Amount: 1080, Currency: "USD"})
	require.NoError(t, err)
	require.True(t, c.sim.SettleRefund(receipt.Reference, "lost_or_stolen_card"))
	c.tells()
	require.NotZero(t, c.number(`SELECT count(*) FROM documents WHERE status = 'received'`))
	_, err = c.give(1, 1)
	require.NoError(t, err)
	c.tells()
	require.Zero(t, c.number(`SELECT count(*) FROM documents WHERE status IN ('received', 'quarantined')`))
	require.Len(t, c.state.Refunds, 1)
	require.Equal(t, payments.RefundFailed, c.state.Refunds[0].Standing)
	c.record(payments.StepRecord)
}

func TestAChargebackStopsTheOrderHoldsRefundsAndIsAnswered(t *testing.T) {
	t.Parallel()
	for won, end := range map[bool]string{true: "won", false: "lost"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			c := setup(t).pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
			dispute := c.sim.OpenDispute(c.state.Reference, "product_not_received")
			c.tells()
			c.tells()
			require.Len(t, c.state.Disputes, 1)
			c.record(payments.StepRecord)
			require.EqualValues(t, 1, c.number(`SELECT count(*) FROM facts WHERE kind = 'cancel_request' AND body #>> '{cancel,by}' = 'chargeback'`))
			require.EqualValues(t, 2700, c.balance(ledger.Chargebacks))
			result, err := c.give(1, 1)
			require.NoError(t, err)
			require.Contains(t, result.Text, "held")
			require.Empty(t, c.sim.Refunds(c.state.Reference), "a refund now would pay twice")
			c.hears()
			require.Empty(t, c.state.Refunds[0].Reason, "the provider was not even asked")
			require.Error(t, c.state.CanDecide(payments.Decision{ID: "1", By: "operator", Kind: payments.DecideRetry}))
			c.record(payments.StepRecord)
			c.state.Tick(c.state.Disputes[0].SubmitAt)
			c.step(payments.StepEvidence)
			in := workflows.EvidenceInput{Key: c.key, Dispute: dispute}
			c.sim.Script(paymentsim.Script{Operation: paymentsim.Disputes, Fault: paymentsim.AnswerLost, Times: 1})
			c.until(func() error {
				refused, err := c.desk.SendEvidence(c.ctx, in)
				require.Empty(t, refused)
				return err
			})
			c.state.EvidenceSent(dispute, "", c.now)
			require.True(t, c.sim.CloseDispute(dispute, won))
			c.tells()
			c.record(payments.StepRecord)
			require.Zero(t, c.balance(ledger.Chargebacks))
			if won {
				require.EqualValues(t, -1080, c.balance(ledger.RefundsPayable), "it is owed, and a person makes it")
				return
			}
			require.EqualValues(t, 2700-1080, c.balance(ledger.Losses), "the customer has the refund from the bank")
			c.record(payments.StepClose)
			require.True(t, c.state.Finished())
		})
	}
}

func TestAClosingThatComesBeforeItsOpeningCountsOnce(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	dispute := c.sim.OpenDispute(c.state.Reference, "fraudulent")
	require.True(t, c.sim.CloseDispute(dispute, false))
	events := c.sim.Events()
	archive := &intake.Archive{Pool: c.pool}
	last := events[len(events)-1]
	require.Contains(t, last.Type, "closed")
	_, err := archive.Store(c.ctx, intake.Document{Source: "payments/shop", Kind: "payment_event", NaturalKey: last.ID, ContentType: "application/json", Body: last.Body})
	require.NoError(t, err)
	c.processes()
	c.tells()
	c.record(payments.StepRecord)
	require.EqualValues(t, 1, c.number(`SELECT count(*) FROM payment_facts`))
	require.EqualValues(t, 2700, c.balance(ledger.Losses))
	require.EqualValues(t, 1500, c.balance(ledger.PaymentFees))
}

func TestAnEventOfAnUnknownPaymentIsKeptForAPerson(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	c.exec(`UPDATE payments SET reference = 'pi_other'`)
	c.sim.OpenDispute(c.state.Reference, "fraudulent")
	c.tells()
	require.Equal(t, "unknown_payment", c.text(`SELECT reason_code FROM documents WHERE status = 'quarantined'`))
}

// The bank's evidence says what it needs and no more of the customer.
func TestEvidenceHoldsNoMoreThanTheBankNeeds(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	dispute := c.sim.OpenDispute(c.state.Reference, "product_not_received")
	_, err := c.desk.SendEvidence(c.ctx, workflows.EvidenceInput{Key: c.key, Dispute: dispute})
	require.NoError(t, err)
	var document string
	for _, text := range c.sim.Dispute(dispute).Evidence {
		document += text + "\n"
	}
	require.Contains(t, document, "Shipped to: 12180 Troy US")
	require.Contains(t, document, "2 x MUG")
	require.NotContains(t, document, "Ann")
	require.NotContains(t, document, "Oak Street")
	require.NotContains(t, document, "example.com")
}

// Cancellations and the capture at once: what is taken and what is let go come to what was held.
func TestACancellationThatRacesTheCaptureIsReleasedOrRefunded(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureShipment, false, sale("1", line(1, "MUG", 2)))
	c.ship()
	c.step(payments.StepCapture)
	atOnce(t, 2, func(n int) error {
		if n == 0 {
			_, err := c.desk.CapturePayment(c.ctx, c.key)
			return err
		}
		for {
			if _, err := c.give(1, 1); err == nil || !strings.Contains(err.Error(), "being captured") {
				return err
			}
			runtime.Gosched()
		}
	})
	p := c.sim.Payment(c.state.Reference)
	require.EqualValues(t, 1620, p.Captured-p.Refunded)
	c.square()
}

func TestAReturnDuringAChargebackIsNotPaidTwice(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	rma := c.back()
	dispute := c.sim.OpenDispute(c.state.Reference, "product_not_received")
	c.tells()
	paid, err := c.payFor(rma, 1, returns.PayoutPart{Line: 1, Quantity: 1, Reason: returns.Damaged})
	require.NoError(t, err)
	require.Contains(t, paid.Text, "held")
	require.Empty(t, c.sim.Refunds(c.state.Reference))
	c.hears()
	c.record(payments.StepRecord)
	require.EqualValues(t, -1080, c.balance(ledger.RefundsPayable))
	require.True(t, c.sim.CloseDispute(dispute, false))
	c.tells()
	c.record(payments.StepRecord)
	require.Zero(t, c.balance(ledger.RefundsPayable), "the customer has it from the bank")
	require.EqualValues(t, 2700-1080, c.balance(ledger.Losses))
}

func TestAnOrderThatCostsNothingWaitsForNoCapture(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.account(catalog.CaptureOrder)
	free := sale("1", line(1, "MUG", 1))
	free.Lines[0].UnitPrice, free.Lines[0].Tax, free.Shipping, free.ShippingTax, free.Total = 0, 0, 0, 0, 0
	free.Payment = storefront.Payment{Status: storefront.PaymentAuthorized, Reference: "pi_free"}
	l := b.place(free)
	verdict, err := b.desk.ValidateOrder(b.ctx, l.key)
	require.NoError(t, err)
	require.Empty(t, verdict.Doubts)
}

func TestAnAuthorisedOrderIsNotJudgedBeforeItsCaptureAndDoubtedWhenThatFails(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureOrder, false, sale("1", line(1, "MUG", 1)))
	_, err := c.desk.ValidateOrder(c.ctx, c.key)
	require.ErrorContains(t, err, "being captured")
	c.sim.SetManner("pm_card", paymentsim.Manner{DeclineCapture: "insufficient_funds"})
	require.True(t, c.capture().Refused)
	verdict, err := c.desk.ValidateOrder(c.ctx, c.key)
	require.NoError(t, err)
	require.Equal(t, []string{"the payment could not be captured: see the order's payment"}, verdict.Doubts)
}
