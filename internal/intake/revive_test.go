package intake_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/paymentdesk"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/workflows"
)

// starter is a server that only notes how a workflow is started.
type starter struct {
	intake.Temporal

	options client.StartWorkflowOptions
	input   any
}

func (s *starter) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	s.options, s.input = o, args[0]
	return struct{ client.WorkflowRun }{}, nil
}

func (s *starter) SignalWithStartWorkflow(
	_ context.Context, _, _ string, _ any, o client.StartWorkflowOptions, _ any, args ...any,
) (client.WorkflowRun, error) {
	s.options, s.input = o, args[0]
	return struct{ client.WorkflowRun }{}, nil
}

func TestARevivedReturnGoesOnFromWhatWasRecordedAndHearsWhatItMissed(t *testing.T) {
	t.Parallel()
	d := delivery(t)
	key := sample("1").Key
	d.exec(t, `INSERT INTO suppliers (id, document) VALUES ('acme', '{}') ON CONFLICT DO NOTHING`)
	d.exec(t, `INSERT INTO routing_decisions (order_key, n, request, decision) VALUES ('`+key.String()+`', 1, '{}', '{}')`)
	d.exec(t, `INSERT INTO purchase_orders (number, order_key, decision, supplier, status, currency, terms) VALUES ('P-1', '`+key.String()+`', 1, 'acme', 'shipped', 'EUR', '{}')`)
	d.exec(t, `INSERT INTO return_requests (order_key, id, body_hash, answer) VALUES ('`+key.String()+`', 'r', '', '{}')`)
	d.exec(t, `INSERT INTO returns (rma, order_key, request, po_number, supplier, stage, state, started_at, deliver_at, needs_attention, fact_seq)
		VALUES ('P-1-R1', '`+key.String()+`', 'r', 'P-1', 'acme', 'awaiting_parcel', '{}', now(), NULL, true, 2)`)
	server := &starter{}
	d.deliverer.Temporal = server
	require.NoError(t, d.deliverer.ReviveReturn(context.Background(), "P-1-R1"))
	require.Equal(t, returns.WorkflowID(key, "P-1-R1"), server.options.ID)
	require.Equal(t, enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, server.options.WorkflowIDReusePolicy)
	require.Equal(t, workflows.ReturnInput{Key: key, RMA: "P-1-R1"}, server.input, "it reads where it stands: what it was granted is long past")
	require.Equal(t, 1, d.number(t, `SELECT count(*) FROM returns WHERE deliver_at <= now()`), "what it missed is delivered")
	require.Error(t, d.deliverer.ReviveReturn(context.Background(), "P-1-R9"))
}

func TestARevivedPaymentGoesOnFromWhatWasRecordedAndHearsWhatItMissed(t *testing.T) {
	t.Parallel()
	d := delivery(t)
	key := sample("1").Key
	d.exec(t, `INSERT INTO payments (order_key, storefront, reference, standing, stage, state, started_at, needs_attention, fact_seq)
		VALUES ('`+key.String()+`', '`+key.Storefront+`', 'pi_1', 'captured', 'refund_due', '{}', NULL, true, 2)`)
	server := &starter{}
	d.deliverer.Temporal = server
	require.ErrorIs(t, d.deliverer.RevivePayment(context.Background(), key), paymentdesk.ErrNoPayment, "it needs no workflow")
	d.exec(t, `UPDATE payments SET started_at = now()`)
	require.NoError(t, d.deliverer.RevivePayment(context.Background(), key))
	require.Equal(t, payments.WorkflowID(key), server.options.ID)
	require.Equal(t, enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, server.options.WorkflowIDReusePolicy)
	require.Equal(t, workflows.PaymentInput{Key: key}, server.input, "it reads where it stands: what was placed is long past")
	require.Equal(t, 1, d.number(t, `SELECT count(*) FROM payments WHERE deliver_at <= now()`), "what it missed is delivered")
	require.ErrorIs(t, d.deliverer.RevivePayment(context.Background(), sample("9").Key), paymentdesk.ErrNoPayment)
}
