package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/stage"
	"github.com/dropline/dropline/internal/webhook"
)

// claim waits for the one open claim of a kind that is pursued.
func (w *world) claim(t *testing.T, kind string) orderview.Claim {
	t.Helper()
	var page struct {
		Claims []orderview.Claim `json:"claims"`
	}
	require.Eventually(t, func() bool {
		status, err := w.Call(t.Context(), http.MethodGet, "/v1/claims?open=true&kind="+kind, nil, &page)
		return err == nil && status == http.StatusOK && len(page.Claims) == 1 && page.Claims[0].Reference != ""
	}, 2*time.Minute, 50*time.Millisecond, "waiting for a claim of kind %s", kind)
	return page.Claims[0]
}

// pursuitBecomes waits until what is pursued is in a stage.
func (w *world) pursuitBecomes(t *testing.T, reference string, stage claims.Stage) (v orderview.Pursuit) {
	t.Helper()
	require.Eventually(t, func() bool {
		status, err := w.Call(t.Context(), http.MethodGet, "/v1/claims/"+reference, nil, &v)
		return err == nil && status == http.StatusOK && v.Stage == string(stage)
	}, 2*time.Minute, 50*time.Millisecond, "waiting until claim %s is %s", reference, stage)
	return v
}

// invoiceOf is the number of the order's one invoice.
func (w *world) invoiceOf(t *testing.T, key order.Key) (number string) {
	t.Helper()
	require.NoError(t, w.Pool.QueryRow(t.Context(), `SELECT invoice FROM supplier_invoices WHERE order_key = $1`, key.String()).Scan(&number))
	return number
}

// supplierSays posts an event as the supplier would.
func (w *world) supplierSays(t *testing.T, supplier, id, kind string, data map[string]any) {
	t.Helper()
	now := time.Now().UTC()
	data["at"] = now
	body, err := json.Marshal(map[string]any{"id": id, "type": kind, "created_at": now, "data": data})
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.Gateway+"/v1/suppliers/"+supplier+"/events", bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(webhook.Header, webhook.Sign(stage.Secret, body, now))
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusAccepted, response.StatusCode)
}

func TestAnInvoiceTooDearIsChasedEscalatedAndSettledInParts(t *testing.T) {
	t.Parallel()
	dear := prompt("acme", suppliersim.AckInResponse)
	dear.Manner.Invoice = suppliersim.InvoiceManner{Mode: suppliersim.InvoiceOvercharge, OverchargeBP: 2000}
	dear.Terms = "      contact: claims@acme.example\n      claims: {chase_after: [2s], escalate_after: 5s}"
	w := newWorld(t, dear)
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "dear", "acme-mug")
	w.settled(t, key)
	c := w.claim(t, "invoice_dispute")
	require.Equal(t, []string{"price", "1.20", "acme", "purchasing"}, []string{c.Reason, c.Amount, c.Partner, c.Owner})
	w.pursuitBecomes(t, c.Reference, claims.StageChased)
	// Somebody ends its workflow by hand: the next request brings it back, with what was done before.
	require.NoError(t, w.Temporal.TerminateWorkflow(t.Context(), claims.WorkflowID(c.Order+"/acme/"+w.invoiceOf(t, key)), "", "by hand"))
	require.Eventually(t, func() bool {
		status, err := w.Call(t.Context(), http.MethodPost, "/v1/claims/"+c.Reference+"/settle",
			map[string]any{"request_id": "s-0", "outcome": "paid", "amount": "99.00", "reason": "agreed"}, nil)
		return err == nil && status == http.StatusConflict // more than is open: its workflow says so
	}, time.Minute, 100*time.Millisecond)
	v := w.pursuitBecomes(t, c.Reference, claims.StageEscalated)
	require.True(t, v.NeedsAttention)
	require.Len(t, v.Letters, 2, "told, and reminded once")
	conceded := map[string]any{"request_id": "s-1", "outcome": "conceded", "amount": "0.20", "reason": "supplier_is_right"}
	for range 2 {
		var answer map[string]any
		status, err := w.Call(t.Context(), http.MethodPost, "/v1/claims/"+c.Reference+"/settle", conceded, &answer)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, answer)
		require.Equal(t, "1.00", answer["open"])
	}
	conceded["amount"] = "0.30"
	status, err := w.Call(t.Context(), http.MethodPost, "/v1/claims/"+c.Reference+"/settle", conceded, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusConflict, status, "another decision under the same id")

	memo := map[string]any{"claim": c.Reference, "number": "CM-1", "currency": "EUR", "amount": "1.00"}
	w.supplierSays(t, "acme", "crm-1", "credit_memo.created", memo)
	w.supplierSays(t, "acme", "crm-2", "credit_memo.created", memo)
	v = w.pursuitBecomes(t, c.Reference, claims.StageSettled)
	require.Equal(t, "0.00", v.Open)
	require.Equal(t, "1.00", v.Credits[0].Applied)
	require.Len(t, v.Settlements, 1)
	require.Zero(t, w.balance(t, key, "supplier_claims:acme"))
	require.EqualValues(t, 620, w.balance(t, key, "cost_of_goods"), "6.00 as agreed and 0.20 conceded")
	require.EqualValues(t, -620, w.balance(t, key, "supplier_payable:acme"), "7.20 invoiced less 1.00 credited")
	w.requireSound(t)
}

func TestASupplierThatShipsLateOwesItsPenaltyOnce(t *testing.T) {
	t.Parallel()
	late := prompt("acme", suppliersim.AckInResponse)
	late.Ship = "1s"
	late.Manner.Ship.Delay = suppliersim.Duration(3 * time.Second)
	late.Terms = `      penalties: {late_shipment: {share_bp: 1000}, late_acknowledgment: {amount: "9.00"}, cap: "0.50"}`
	w := newWorld(t, late)
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "late", "acme-mug")
	w.settled(t, key)
	c := w.claim(t, "sla_penalty")
	require.Equal(t, "0.50", c.Amount, "a tenth of 6.00, but no more than the cap")
	w.pursuitBecomes(t, c.Reference, claims.StageAsked)
	w.supplierSays(t, "acme", "ca-1", "claim.answered", map[string]any{"claim": c.Reference, "outcome": "rejected"})
	w.pursuitBecomes(t, c.Reference, claims.StageEscalated)
	var answer map[string]any
	status, err := w.Call(t.Context(), http.MethodPost, "/v1/claims/"+c.Reference+"/settle",
		map[string]any{"request_id": "s-1", "outcome": "written_off", "reason": "too_small"}, &answer)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, answer)
	w.pursuitBecomes(t, c.Reference, claims.StageSettled)
	require.EqualValues(t, 50, w.balance(t, key, "losses"))
	require.Zero(t, w.balance(t, key, "supplier_claims:acme"))
	w.requireSound(t)
}
