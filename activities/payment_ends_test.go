package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/sim/paymentsim"
	"github.com/dropline/dropline/workflows"
)

func TestWhatSomebodyTookOfACancelledOrderGoesBack(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureShipment, false, sale("1", line(1, "MUG", 2)))
	_, err := c.give(1, 2)
	require.NoError(t, err)
	_, err = c.provider.Capture(c.ctx, payment.Capture{Key: "by-hand", Reference: c.state.Reference, Amount: 2700, Currency: "USD"})
	require.NoError(t, err)
	c.hears()
	c.step(payments.StepVoid)
	var ended payments.Voiding
	for range 2 { // the first answer is lost
		ended, err = c.desk.VoidPayment(c.ctx, c.key)
		require.NoError(t, err)
		require.Equal(t, payments.Taking{Amount: 2700, Over: 2700, Released: 2700}, ended.Taken)
	}
	c.state.LetGo(ended, c.now)
	c.record(payments.StepRecord)
	require.EqualValues(t, -2700, c.balance(ledger.RefundsPayable), "it is owed to the customer")
	require.Len(t, c.state.Attention, 1)
	c.state.Decide(payments.Decision{ID: "1", By: "operator", Kind: payments.DecideRetry}, c.now)
	c.refundsAgain(payments.RefundDone)
	c.record(payments.StepRecord)
	c.record(payments.StepClose)
	require.Zero(t, c.balance(ledger.RefundsPayable))
	require.EqualValues(t, 1, c.number(`SELECT count(*) FROM outbox WHERE kind = 'refunded'`), "the customer is told")
	require.True(t, c.state.Finished())
}

// refundsAgain makes the refund once more that a person decided to.
func (c *till) refundsAgain(standing payments.RefundStanding) {
	c.t.Helper()
	next, ok := c.state.NextRefund(payments.StepRefund)
	require.True(c.t, ok)
	c.step(payments.StepRefund)
	tried, err := c.desk.RefundAgain(c.ctx, workflows.RefundAgainInput{Key: c.key, Refund: next.Key, Try: next.Try + 1, Amount: next.Amount})
	require.NoError(c.t, err)
	require.Equal(c.t, standing, tried.Standing)
	c.state.RefundedAgain(tried, c.now)
}

func TestAnAuthorisationThatEndedByItselfIsClosedAsLetGo(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureShipment, false, sale("1", line(1, "MUG", 2)))
	require.True(t, c.sim.Expire(c.state.Reference))
	c.tells()
	require.Contains(t, c.state.Attention[0].Text, "has ended without a capture")
	_, err := c.give(1, 2)
	require.NoError(t, err)
	c.hears()
	require.Empty(t, c.state.Attention)
	c.record(payments.StepClose)
	require.EqualValues(t, 1, c.number(`SELECT count(*) FROM payments WHERE closed_at IS NOT NULL AND standing = 'voided' AND NOT awaits_shipment`))
	require.Zero(t, c.balance(ledger.CustomerReceivable))
}

func TestTheCustomerIsToldOfARefundThatWasHeld(t *testing.T) {
	t.Parallel()
	for _, pends := range []bool{false, true} {
		c := setup(t).pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
		dispute := c.sim.OpenDispute(c.state.Reference, "product_not_received")
		c.tells()
		c.record(payments.StepRecord)
		_, err := c.give(1, 1)
		require.NoError(t, err)
		require.True(t, c.sim.CloseDispute(dispute, true))
		c.tells()
		c.record(payments.StepRecord)
		require.Zero(t, c.number(`SELECT count(*) FROM outbox WHERE kind = 'refunded'`), "nothing has gone back yet")
		c.state.Decide(payments.Decision{ID: "1", By: "operator", Kind: payments.DecideRetry}, c.now)
		standing := payments.RefundDone
		if pends {
			standing = payments.RefundPending
			c.sim.SetManner("pm_card", paymentsim.Manner{RefundsPend: true})
		}
		c.refundsAgain(standing)
		c.record(payments.StepRecord)
		require.EqualValues(t, 1, c.number(`SELECT count(*) FROM outbox WHERE kind = 'refunded'`))
	}
}

func TestWhatKeptFailingIsOverWithThePayment(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureShipment, false, sale("1", line(1, "MUG", 2)))
	c.state.Stalled(payments.StepRecord, "no answer in time", c.now)
	_, err := c.give(1, 2)
	require.NoError(t, err)
	c.hears()
	c.step(payments.StepVoid)
	ended, err := c.desk.VoidPayment(c.ctx, c.key)
	require.NoError(t, err)
	c.state.LetGo(ended, c.now)
	c.record(payments.StepClose)
	require.Zero(t, c.number(`SELECT count(*) FROM payments WHERE needs_attention`))
}

func TestEvidenceThatGrewAfterALostAnswerIsNoRefusal(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	dispute := c.sim.OpenDispute(c.state.Reference, "product_not_received")
	in := workflows.EvidenceInput{Key: c.key, Dispute: dispute}
	c.sim.Script(paymentsim.Script{Operation: paymentsim.Disputes, Fault: paymentsim.FailsDone, Times: 1})
	_, err := c.desk.SendEvidence(c.ctx, in)
	require.Error(t, err)
	_, err = c.give(1, 1)
	require.NoError(t, err)
	c.now = c.now.Add(time.Minute)
	refused, err := c.desk.SendEvidence(c.ctx, in)
	require.NoError(t, err)
	require.Empty(t, refused, "the bank has our answer")
	require.Zero(t, c.sim.Conflicts(), "a key stands for one content")
}

func TestAStoredFailureDoesNotKeepTheBankFromOurAnswer(t *testing.T) {
	t.Parallel()
	c := setup(t).pays(catalog.CaptureOrder, true, sale("1", line(1, "MUG", 2)))
	dispute := c.sim.OpenDispute(c.state.Reference, "product_not_received")
	in := workflows.EvidenceInput{Key: c.key, Dispute: dispute}
	c.sim.Script(paymentsim.Script{Operation: paymentsim.Disputes, Fault: paymentsim.FailsUndone, Times: 1})
	_, err := c.desk.SendEvidence(c.ctx, in)
	require.Error(t, err)
	c.now = c.now.Add(time.Minute)
	refused, err := c.desk.SendEvidence(c.ctx, in)
	require.NoError(t, err)
	require.Empty(t, refused)
	require.NotEmpty(t, c.sim.Dispute(dispute).Evidence)
}
