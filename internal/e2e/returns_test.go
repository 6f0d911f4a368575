package e2e

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/audit"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/stage"
)

// returnActions is what a return that goes as it should may cost, in billable actions. docs/costs.md counts
// them one by one.
const returnActions = 12

// shortTerms is a world in which what a return waits for is late after seconds.
func shortTerms(t *testing.T, send, credit string, supplier stage.Supplier) *world {
	t.Helper()
	supplier.CreditWithin = credit
	s, err := stage.Open(t.Context(), stage.Options{Suppliers: []stage.Supplier{supplier}, SendWithin: send})
	if errors.Is(err, stage.ErrNoServer) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return &world{s}
}

// patience bounds a wait on a machine that is busy with other tests.
func patience(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// requireSound audits the whole database and every workflow.
func (w *world) requireSound(t *testing.T) {
	t.Helper()
	report, err := audit.Run(patience(t), audit.Options{Pool: w.Pool, Workflows: audit.Ask(w.Temporal), Grace: 10 * time.Second})
	require.NoError(t, err)
	for i := range report.Outcomes {
		if o := &report.Outcomes[i]; !o.Warning {
			require.Empty(t, o.Violations, o.Check)
		}
	}
}

func (w *world) becomes(t *testing.T, key order.Key, rma string, stages ...returns.Stage) orderview.Return {
	t.Helper()
	v, err := w.ReturnBecomes(patience(t), key, rma, func(v *orderview.Return) bool {
		for _, s := range stages {
			if v.Stage == string(s) {
				return true
			}
		}
		return false
	})
	require.NoError(t, err)
	return v
}

func (w *world) closed(t *testing.T, key order.Key, rma string) orderview.Return {
	t.Helper()
	v, err := w.ReturnClosed(patience(t), key, rma)
	require.NoError(t, err)
	return v
}

func (w *world) balance(t *testing.T, key order.Key, account string) (minor int64) {
	t.Helper()
	require.NoError(t, w.Pool.QueryRow(t.Context(), `SELECT coalesce(sum(e.minor), 0)::bigint FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
		WHERE t.order_key = $1 AND e.account = $2`, key.String(), account).Scan(&minor))
	return minor
}

func TestAReturnGoesFromTheRequestToTheCreditWithinItsBudget(t *testing.T) {
	t.Parallel()
	slow := prompt("acme", suppliersim.AckInResponse)
	pause := suppliersim.Duration(2 * time.Second) // days between the parcel, its inspection and the credit
	slow.Manner.Return = suppliersim.ReturnManner{Delay: pause, CreditDelay: pause}
	w := newWorld(t, slow)
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "back", "acme-mug", "acme-jar")
	w.settled(t, key)
	rma, err := w.Return(t.Context(), key, "r-1", returns.ChangedMind, 1)
	require.NoError(t, err)
	require.NoError(t, w.SendBack(patience(t), key, rma))
	v := w.closed(t, key, rma)
	require.Equal(t, "closed", v.Stage)
	require.Equal(t, "14.28", v.Refunded, "a mug and its tax; shipping stays, as something is kept")
	require.Equal(t, orderview.Credit{Currency: "EUR", Expected: "6.00", Received: "6.00", WrittenOff: "0.00"}, v.Credit)
	require.Equal(t, "delivered", v.Parcel)
	require.EqualValues(t, 1428, w.Storefront.Refunded(key.Order)["EUR"])
	require.Zero(t, w.balance(t, key, "customer_deposits"))
	require.Zero(t, w.balance(t, key, "supplier_claims:acme"))
	cost, err := w.CostOfReturn(t.Context(), key, rma)
	require.NoError(t, err)
	t.Logf("return: %+v", cost)
	require.LessOrEqual(t, cost.Actions, returnActions)
	w.requireSound(t)
}

func TestAReturnThatIsNeverHandedInExpiresAndItsUnitsMayComeBackAnew(t *testing.T) {
	t.Parallel()
	w := shortTerms(t, "2s", "1h", prompt("acme", suppliersim.AckInResponse))
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "late", "acme-mug")
	w.settled(t, key)
	rma, err := w.Return(t.Context(), key, "r-1", returns.ChangedMind, 1)
	require.NoError(t, err)
	v := w.closed(t, key, rma)
	require.Equal(t, "expired", v.Stage)
	require.Equal(t, "0.00", v.Refunded)
	_, err = w.Return(t.Context(), key, "r-2", returns.ChangedMind, 1)
	require.NoError(t, err)
}

func TestAnEmptyBoxIsAPersonsToDecide(t *testing.T) {
	t.Parallel()
	empty := prompt("acme", suppliersim.AckInResponse)
	empty.Manner.Return = suppliersim.ReturnManner{Missing: 1}
	w := newWorld(t, empty)
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "empty", "acme-mug")
	w.settled(t, key)
	rma, err := w.Return(t.Context(), key, "r-1", returns.ChangedMind, 1)
	require.NoError(t, err)
	require.NoError(t, w.SendBack(patience(t), key, rma))
	v := w.becomes(t, key, rma, returns.StageDeciding)
	require.Contains(t, v.Attention[0].Text, "came back missing")
	decision := map[string]any{"request_id": "d-1", "decision": "pay_share", "line": 1, "share_bp": 2500}
	for range 2 {
		status, err := w.Call(t.Context(), http.MethodPost, "/v1/orders/"+key.String()+"/returns/"+rma+"/decide", decision, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
		w.closed(t, key, rma)
	}
	v = w.closed(t, key, rma)
	require.Equal(t, "3.57", v.Refunded, "a quarter of 14.28")
	require.Equal(t, "0.00", v.Credit.Expected)
	w.requireSound(t)
}

func TestAReturnIsCancelledUntilTheParcelIsOnItsWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prompt("acme", suppliersim.AckInResponse))
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "kept", "acme-mug")
	w.settled(t, key)
	rma, err := w.Return(t.Context(), key, "r-1", returns.ChangedMind, 1)
	require.NoError(t, err)
	w.becomes(t, key, rma, returns.StageAwaiting)
	status, err := w.Call(t.Context(), http.MethodPost, "/v1/orders/"+key.String()+"/returns/"+rma+"/cancel", map[string]any{"request_id": "c-1"}, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "cancelled", w.closed(t, key, rma).Stage)
	w.requireSound(t)
}

func TestAShortCreditIsChasedAndItsRestWrittenOffByName(t *testing.T) {
	t.Parallel()
	stingy := prompt("acme", suppliersim.AckInResponse)
	stingy.Manner.Return = suppliersim.ReturnManner{CreditBP: 5000}
	w := newWorld(t, stingy)
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "short", "acme-mug")
	w.settled(t, key)
	rma, err := w.Return(t.Context(), key, "r-1", returns.Damaged, 1)
	require.NoError(t, err)
	require.NoError(t, w.SendBack(patience(t), key, rma))
	_, err = w.ReturnBecomes(patience(t), key, rma, func(v *orderview.Return) bool {
		return v.Credit.Received == "3.00" && v.Stage == string(returns.StageCredit)
	})
	require.NoError(t, err)
	status, err := w.Call(t.Context(), http.MethodPost, "/v1/orders/"+key.String()+"/returns/"+rma+"/decide",
		map[string]any{"request_id": "d-1", "decision": "write_off", "reason": "too_small"}, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	v := w.closed(t, key, rma)
	require.Equal(t, orderview.Credit{Currency: "EUR", Expected: "6.00", Received: "3.00", WrittenOff: "3.00"}, v.Credit)
	require.Zero(t, w.balance(t, key, "supplier_claims:acme"))
	var chased int
	require.NoError(t, w.Pool.QueryRow(t.Context(), `SELECT count(*) FROM outbox WHERE kind = 'credit_reminder'`).Scan(&chased))
	require.Equal(t, 1, chased)
	w.requireSound(t)
}
