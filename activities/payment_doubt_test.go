package activities_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/workflows"
)

func TestCaptureOfTooMuchIsToldAgainWhenItsAnswerWasLost(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureShipment, false, sale("1", line(1, "MUG", 2)))
	_, err := c.give(1, 1)
	require.NoError(t, err)
	c.hears()
	_, err = c.provider.Capture(c.ctx, payment.Capture{Key: "person", Reference: c.state.Reference, Amount: c.state.Authorised, Currency: "USD"})
	require.NoError(t, err)
	c.ship()
	c.step(payments.StepCapture)
	first, err := c.desk.CapturePayment(c.ctx, c.key)
	require.NoError(t, err)
	require.Equal(t, payments.Taking{Amount: 2700, Released: 1080, Over: 1080}, first)
	again, err := c.desk.CapturePayment(c.ctx, c.key)
	require.NoError(t, err)
	require.Equal(t, first, again)
	c.state.CapturedWith(again, c.now)
	require.Zero(t, c.state.Due())
	c.record(payments.StepRecord)
	require.EqualValues(t, -1080, c.balance(ledger.RefundsPayable))
	require.EqualValues(t, 1080, c.state.Refunds[0].Amount, "somebody is asked to give it back")
}

// again lets a refund come back, and a person decide that it is made once more: what is asked for next.
func (c *till) again() workflows.RefundAgainInput {
	c.t.Helper()
	_, err := c.give(1, 1)
	require.NoError(c.t, err)
	require.True(c.t, c.sim.SettleRefund(c.sim.Refunds(c.state.Reference)[0].Reference, "lost_or_stolen_card"))
	c.tells()
	c.record(payments.StepRecord)
	c.state.Decide(payments.Decision{ID: "1", By: "operator", Kind: payments.DecideRetry}, c.now)
	c.step(payments.StepRefund)
	next, _ := c.state.NextRefund(payments.StepRefund)
	return workflows.RefundAgainInput{Key: c.key, Refund: next.Key, Try: next.Try + 1, Refused: next.Refused, Amount: next.Amount}
}

// A provider keeps a refusal under its key for a day, and gives it again to whoever asks with that key.
func TestARefundThatWasRefusedAgainIsAskedForAnew(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	in := c.again()
	byHand, err := c.provider.Refund(c.ctx, payment.Refund{Key: "by-hand", Reference: c.state.Reference, Amount: 2700, Currency: "USD"})
	require.NoError(t, err)
	tried, err := c.desk.RefundAgain(c.ctx, in)
	require.NoError(t, err)
	require.Empty(t, tried.Reference, "all had been given back by hand")
	c.state.RefundedAgain(tried, c.now)
	require.True(t, c.sim.SettleRefund(byHand.Reference, "lost_or_stolen_card"))
	c.record(payments.StepRecord)
	c.state.Decide(payments.Decision{ID: "2", By: "operator", Kind: payments.DecideRetry}, c.now)
	c.step(payments.StepRefund)
	next, _ := c.state.NextRefund(payments.StepRefund)
	in = workflows.RefundAgainInput{Key: c.key, Refund: next.Key, Try: next.Try + 1, Refused: next.Refused, Amount: next.Amount}
	require.Equal(t, 2, in.Try, "the try that was refused is not counted, and the postings go by its number")
	for range 2 {
		tried, err = c.desk.RefundAgain(c.ctx, in)
		require.NoError(t, err)
		require.NotEmpty(t, tried.Reference, tried.Reason)
	}
	c.state.RefundedAgain(tried, c.now)
	require.Zero(t, c.state.Refunds[0].Refused, "the next try has its own")
	require.Len(t, c.sim.Refunds(c.state.Reference), 3)
	require.EqualValues(t, 1080, c.sim.Payment(c.state.Reference).Refunded)
	c.recorded()
	require.Zero(t, c.balance(ledger.RefundsPayable))
}

func TestNewsOfARepeatedRefundThatOvertakeItsAnswerCount(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	tried, err := c.desk.RefundAgain(c.ctx, c.again())
	require.NoError(t, err)
	require.True(t, c.sim.SettleRefund(tried.Reference, "lost_or_stolen_card"))
	c.tells()
	c.state = c.state.Clone()
	c.state.RefundedAgain(tried, c.now)
	require.Equal(t, payments.RefundFailed, c.state.Refunds[0].Standing)
	require.Nil(t, c.state.Refunds[0].Ahead)
	require.Contains(t, c.state.Attention[0].Text, "came back (lost_or_stolen_card)")
	c.record(payments.StepRecord)
	require.EqualValues(t, -1080, c.balance(ledger.RefundsPayable), "it is owed still")
}

func TestARefundWhoseAnswerWasLostIsFoundAlsoAfterAChargeback(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	in := c.again()
	c.exec(`ALTER TABLE provider_refunds ADD CONSTRAINT outage CHECK (try < 2)`)
	_, err := c.desk.RefundAgain(c.ctx, in)
	require.ErrorContains(t, err, "outage")
	c.exec(`ALTER TABLE provider_refunds DROP CONSTRAINT outage`)
	require.Len(t, c.sim.Refunds(c.state.Reference), 2, "it was made")
	c.sim.OpenDispute(c.state.Reference, "fraudulent")
	c.tells()
	tried, err := c.desk.RefundAgain(c.ctx, in)
	require.NoError(t, err)
	require.Equal(t, c.sim.Refunds(c.state.Reference)[1].Reference, tried.Reference)
	require.Len(t, c.sim.Refunds(c.state.Reference), 2)
	c.state.RefundedAgain(tried, c.now)
	require.Equal(t, payments.RefundDone, c.state.Refunds[0].Standing)
	again, err := c.desk.RefundAgain(c.ctx, in)
	require.NoError(t, err)
	require.Equal(t, tried, again, "its worker may die before the answer is taken")
	c.record(payments.StepRecord)
	require.Zero(t, c.balance(ledger.RefundsPayable))
}

func TestARefundIsNotMadeAgainDuringAChargeback(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	in := c.again()
	c.sim.OpenDispute(c.state.Reference, "fraudulent")
	c.tells()
	for range 2 {
		tried, err := c.desk.RefundAgain(c.ctx, in)
		require.NoError(t, err)
		require.Equal(t, "disputed", tried.Reason)
	}
	require.Len(t, c.sim.Refunds(c.state.Reference), 1)
	require.Equal(t, "not_sent", c.text(`SELECT state FROM effects WHERE kind = 'refund'`))
}

func TestAnEndOfAChargebackThatContradictsTheFirstIsKeptForAPerson(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	require.True(t, c.sim.CloseDispute(c.sim.OpenDispute(c.state.Reference, "fraudulent"), true))
	c.tells()
	last := ""
	for _, e := range c.sim.Events() {
		if e.Type == "charge.dispute.closed" {
			last = string(e.Body)
		}
	}
	require.Contains(t, last, `"won"`)
	for as, body := range map[string]string{
		"same": last, "lost": strings.ReplaceAll(last, `"won"`, `"lost"`), "less": strings.ReplaceAll(last, `"amount":2700`, `"amount":2600`),
	} {
		archive := &intake.Archive{Pool: c.pool}
		_, err := archive.Store(c.ctx, intake.Document{Source: "payments/shop", Kind: "payment_event", NaturalKey: as, ContentType: "application/json", Body: []byte(body)})
		require.NoError(t, err)
	}
	c.processes()
	require.Equal(t, "less quarantined conflicting_chargeback, lost quarantined conflicting_chargeback, same ignored known_already",
		c.text(`SELECT string_agg(concat_ws(' ', natural_key, status, reason_code), ', ' ORDER BY natural_key) FROM documents WHERE natural_key IN ('same', 'lost', 'less')`))
	require.EqualValues(t, 1, c.number(`SELECT count(*) FROM disputes WHERE won`))
}

func TestALoadedPaymentAnswersANewChargebackInItsTime(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	c.exec(`UPDATE payments SET opened_at = now() - interval '60 days'`)
	_, err := c.give(1, 1)
	require.NoError(t, err)
	before := time.Now()
	c.exec(`WITH p AS (UPDATE payments SET fact_seq = fact_seq + 1 RETURNING order_key, fact_seq)
		INSERT INTO payment_facts (order_key, seq, kind, body) SELECT order_key, fact_seq, 'dispute_opened', jsonb_build_object('seq', fact_seq,
			'dispute', jsonb_build_object('reference', 'du_1', 'amount', 2700, 'at', now())) FROM p`)
	loaded, err := c.desk.LoadPayment(c.ctx, c.key)
	require.NoError(t, err)
	loaded.Recover()
	loaded.Tick(time.Now())
	require.NotContains(t, loaded.Steps(), payments.StepEvidence, "the goods may arrive in time for the answer")
	require.WithinRange(t, loaded.Disputes[0].SubmitAt, before.Add(5*24*time.Hour-time.Minute), before.Add(5*24*time.Hour+time.Minute))
}

func TestTheCatalogueKeepsAProviderWhosePaymentsAreNotDone(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureShipment, false, sale("1", line(1, "MUG", 2)))
	shop, err := postgres.Storefront(c.ctx, c.pool, "shop")
	require.NoError(t, err)
	shop.Payments = catalog.Payments{}
	without := catalog.File{Storefronts: []catalog.Storefront{shop}}
	for _, not := range []string{"order", "payment"} {
		err = postgres.SaveCatalog(c.ctx, c.pool, without)
		require.ErrorIs(t, err, postgres.ErrPaymentsOpen, "the %s is not done", not)
		require.ErrorContains(t, err, "storefront shop")
		require.ErrorContains(t, err, "1 of them")
		c.exec(`UPDATE orders SET closed_at = now()`)
	}
	kept, err := postgres.Storefront(c.ctx, c.pool, "shop")
	require.NoError(t, err)
	require.True(t, kept.HasPayments())
	c.exec(`UPDATE payments SET closed_at = now()`)
	require.NoError(t, postgres.SaveCatalog(c.ctx, c.pool, without))
}
