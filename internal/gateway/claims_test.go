package gateway_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/webhook"
)

const claimID = "shop/1001/sla/P-1"

// owed gives acme a claim of 3.00 on order shop/1001 and returns its path in the API.
func (f *fixture) owed() string {
	f.t.Helper()
	f.delivered(3)
	reference := claims.Reference(claimID)
	f.exec(`INSERT INTO pursuits (id, reference, order_key, kind, supplier, currency, stage, started_at, deliver_at)
		VALUES ($1, $2, 'shop/1001', 'sla_penalty', 'acme', 'USD', 'asked', now(), NULL)`, claimID, reference)
	f.exec(`INSERT INTO claims (order_key, key, kind, account, currency, minor, owner, due_at, pursuit)
		VALUES ('shop/1001', 'sla/P-1/ship', 'sla_penalty', 'supplier_claims:acme', 'USD', 300, 'purchasing', now() - interval '1 day', $1)`, claimID)
	return "/v1/claims/" + reference
}

func TestClaimsAreListedAndShownToThoseWhoPursueThem(t *testing.T) {
	t.Parallel()
	f := setup(t)
	self := f.owed()
	for query, want := range map[string]int{
		"": 1, "?open=true": 1, "?overdue=true": 1, "?supplier=acme&kind=sla_penalty": 1, "?supplier=other": 0, "?kind=damage": 0,
	} {
		var page struct{ Claims []orderview.Claim }
		got := f.get("/v1/claims"+query, f.support)
		require.NoError(t, json.Unmarshal([]byte(got.body), &page), got.body)
		require.Len(t, page.Claims, want, query)
	}
	var one orderview.Pursuit
	require.NoError(t, json.Unmarshal([]byte(f.get(self, f.operator).body), &one))
	require.Equal(t, []string{"3.00", "asked", "acme"}, []string{one.Open, one.Stage, one.Supplier})
	require.Contains(t, f.get("/v1/orders/shop/1001", f.shop).body, one.Reference)
	require.Equal(t, http.StatusForbidden, f.get(self, f.shop).StatusCode)
	require.Equal(t, http.StatusNotFound, f.get("/v1/claims/C00000000000000", f.operator).StatusCode)
}

func TestAClaimOfSeveralStorefrontsIsNoSingleOnes(t *testing.T) {
	t.Parallel()
	f := setup(t)
	self := f.owed()
	scoped, _, err := apikey.New(f.pool).Create(t.Context(), apikey.Support, "shop")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, f.get(self, scoped).StatusCode)
	f.exec(`UPDATE claims SET kind = 'volume_discount' WHERE pursuit IS NOT NULL`)
	require.Equal(t, http.StatusNotFound, f.get(self, scoped).StatusCode)
	require.Equal(t, http.StatusOK, f.get(self, f.operator).StatusCode)
}

func TestAClaimIsSettledByItsWorkflowAndOnceForItsRequest(t *testing.T) {
	t.Parallel()
	f := setup(t)
	settle := f.owed() + "/settle"
	body := `{"request_id":"s-1","outcome":"conceded","amount":"3.00","reason":"agreed"}`
	require.Equal(t, http.StatusForbidden, f.post(settle, f.support, body).StatusCode, "operators settle")
	got := f.post(settle, f.operator, body)
	require.Equal(t, http.StatusOK, got.StatusCode, got.body)
	require.Len(t, f.orders.asked, 1)
	asked, is := f.orders.asked[0].(claims.Settlement)
	require.True(t, is)
	require.Equal(t, []any{"api/s-1", ledger.ClaimConceded, int64(300), "agreed"}, []any{asked.ID, asked.Outcome, asked.Minor, asked.Reason})
	require.Regexp(t, `^operator key \w+$`, asked.By)

	f.orders.err = gateway.ErrNotRunning
	require.Equal(t, http.StatusServiceUnavailable, f.post(settle, f.operator, body).StatusCode, "nothing was settled: ask again")
	require.Equal(t, 1, f.count(`SELECT count(*) FROM pursuits WHERE deliver_at <= now() AND fact_seq = 2`), "its workflow is started again")
	f.exec(`INSERT INTO claim_settlements (pursuit, request, outcome, asked, minor, reason, by) VALUES ($1, 'api/s-1', 'conceded', 300, 300, 'agreed', $2)`,
		claimID, asked.By)
	f.exec(`UPDATE claims SET closed_at = now() WHERE pursuit IS NOT NULL`)
	f.exec(`UPDATE pursuits SET closed_at = now()`)
	again := f.post(settle, f.operator, body)
	require.Equal(t, http.StatusOK, again.StatusCode, "its workflow has ended, and its answer stands")
	require.Contains(t, again.body, `"settled":"3.00"`)
	other := f.post(settle, f.operator, `{"request_id":"s-1","outcome":"paid","amount":"3.00","reason":"agreed"}`)
	require.Equal(t, "conflict", other.problem(t).Code)
	require.Equal(t, http.StatusConflict, f.post(settle, f.operator, `{"request_id":"s-2","outcome":"paid","reason":"agreed"}`).StatusCode)
	require.Equal(t, http.StatusUnprocessableEntity, f.post(settle, f.operator, `{"request_id":"s-3","outcome":"paid","amount":"3,00","reason":"agreed"}`).StatusCode)
}

func TestInvoicesAndCreditMemosMayComeAsASignedFile(t *testing.T) {
	t.Parallel()
	f := setup(t)
	require.Equal(t, http.StatusUnsupportedMediaType, f.do(http.MethodPost, "/v1/orders", f.shop, "a,b", "Content-Type", "text/csv").StatusCode)
	require.Equal(t, http.StatusUnauthorized,
		f.do(http.MethodPost, "/v1/suppliers/acme/events", "", "po,invoice\n", "Content-Type", "text/csv").StatusCode, "a file without a signature")
	file := "po,invoice\n"
	for _, result := range []string{"stored", "repeat"} {
		got := f.do(http.MethodPost, "/v1/suppliers/acme/events", "", file, "Content-Type", "text/csv", webhook.Header, webhook.Sign(secret, []byte(file), time.Now()))
		require.Equal(t, http.StatusAccepted, got.StatusCode, got.body)
		require.Contains(t, got.body, result)
	}
	require.Equal(t, 1, f.count(`SELECT count(*) FROM documents WHERE kind = 'invoices_csv' AND content_type = 'text/csv'`))
	file = "credit_memo,date\n"
	got := f.do(http.MethodPost, "/v1/suppliers/acme/events", "", file, "Content-Type", "text/csv", webhook.Header, webhook.Sign(secret, []byte(file), time.Now()))
	require.Equal(t, http.StatusAccepted, got.StatusCode, got.body)
	require.Equal(t, 1, f.count(`SELECT count(*) FROM documents WHERE kind = 'credits_csv'`), "its columns say what it holds")
}
