package intake_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/intake"
)

// shopifyPayment is order 1 of 10.00 EUR as a later document tells of its payment.
func shopifyPayment(status, extra string) string {
	return strings.Replace(shopifyOrder(extra), `"financial_status":"paid"`, fmt.Sprintf(`"financial_status":%q`, status), 1)
}

func (b *bundle) shopify(t *testing.T, kind, body string) string {
	t.Helper()
	b.sent++
	id := b.store(t, "shopify/shop", kind, fmt.Sprint("s", b.sent), body).ID
	b.process(t)
	return b.standing(t, id)
}

// paidFacts lists what the order's workflow is told of payments, as "amount paid missing over".
func (b *bundle) paidFacts(t *testing.T) (list []string) {
	t.Helper()
	for _, f := range b.facts(t) {
		if p := f.Payment; p != nil {
			list = append(list, fmt.Sprint(p.Amount, " ", p.Paid, " ", p.Missing, " ", p.Over))
		}
	}
	return list
}

func TestShopifyPaysLaterInPartsTwiceAndOutOfOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, step := range []struct{ kind, status, extra, want string }{
		{"orders/create", "pending", ``, "applied"},
		{"orders/updated", "pending", ``, "ignored changes_no_decision"},
		{"orders/updated", "authorized", ``, "ignored changes_no_decision"},
		{"orders/updated", "partially_paid", `,"total_outstanding":"6.00"`, "applied"},
		{"orders/updated", "partially_paid", `,"total_outstanding":"6.00","updated_at":"2026-03-02T10:00:00Z"`, "ignored changes_no_decision"},
		{"orders/paid", "paid", ``, "applied"},
		{"orders/updated", "paid", ``, "ignored changes_no_decision"},
		{"orders/updated", "partially_paid", `,"total_outstanding":"6.00","note":"late"`, "ignored changes_no_decision"},
		{"orders/updated", "partially_refunded", ``, "ignored changes_no_decision"},
	} {
		require.Equal(t, step.want, b.shopify(t, step.kind, shopifyPayment(step.status, step.extra)), step.kind+step.status+step.extra)
	}
	require.Equal(t, []string{"400 400 600 0", "600 1000 0 0"}, b.paidFacts(t))
	require.Equal(t, 1000, b.number(t, `SELECT captured_minor FROM orders`))
	require.Equal(t, 1000, b.number(t, `SELECT sum(minor) FROM ledger_entries WHERE account = 'processor_clearing'`))
}

func TestAShopifyPaymentThatOvertakesItsOrderWaitsForIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, "received", b.shopify(t, "orders/paid", shopifyPayment("paid", ``)))
	require.Equal(t, "ignored changes_no_decision", b.shopify(t, "orders/updated", shopifyPayment("paid", `,"note":"x"`)), "whoever knows the order says it again")
	b.exec(t, `UPDATE documents SET next_attempt_at = now() + interval '1 hour' WHERE status = 'received'`)
	require.Equal(t, "applied", b.shopify(t, "orders/create", shopifyPayment("pending", ``)))
	require.Equal(t, []string{"1000 1000 0 0"}, b.paidFacts(t))
}

func TestAShopifyPaymentWhoseOrderNeverComesIsQuarantined(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.store(t, "shopify/shop", "orders/paid", "p", shopifyPayment("paid", ``)).ID
	for range intake.Bound {
		b.exec(t, `UPDATE documents SET next_attempt_at = now()`)
		b.process(t)
	}
	require.Equal(t, "quarantined unknown_order", b.standing(t, id))
}

func TestAnOrderThatIsPaidAndCancelledAtOnceGetsBothFacts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, "applied", b.shopify(t, "orders/create", shopifyPayment("pending", ``)))
	const cancelled = `,"cancelled_at":"2026-03-02T10:00:00Z"`
	require.Equal(t, "applied", b.shopify(t, "orders/cancelled", shopifyPayment("paid", cancelled)))
	list := b.facts(t)
	require.Len(t, list, 2)
	require.EqualValues(t, 1000, list[0].Payment.Amount)
	require.NotNil(t, list[1].Cancel)
	require.Equal(t, "ignored known_already", b.shopify(t, "orders/paid", shopifyPayment("paid", cancelled)))
}

func TestAShopifyPaymentOfAnotherTotalOrCurrencyIsLeftToAPerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, "applied", b.shopify(t, "orders/create", shopifyPayment("pending", ``)))
	dearer := strings.Replace(shopifyPayment("paid", ``), `"total_price":"10.00"`, `"total_price":"12.00"`, 1)
	require.Equal(t, "quarantined conflicting_order", b.shopify(t, "orders/paid", dearer))
	abroad := strings.Replace(shopifyPayment("paid", ``), `"EUR"`, `"USD"`, 1)
	require.Equal(t, "quarantined invalid", b.shopify(t, "orders/paid", abroad))
	require.Empty(t, b.facts(t))
	require.Zero(t, b.number(t, `SELECT count(*) FROM ledger_transactions`))

	require.Equal(t, "applied", b.shopify(t, "orders/paid", shopifyPayment("paid", ``)))
	require.Equal(t, "ignored changes_no_decision", b.shopify(t, "orders/updated", dearer), "what was added there since is not sold here")
}

func TestAProvidersPaymentThatComesLaterIsWhereRefundsGo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `UPDATE storefronts SET document = '{"payments": {}}' WHERE id = 'shop'`)
	require.Equal(t, "applied", b.shopify(t, "orders/create", shopifyPayment("pending", ``)))
	require.Equal(t, "applied", b.shopify(t, "orders/paid", shopifyPayment("paid",
		`,"transactions":[{"kind":"sale","status":"success","amount":"10.00","currency":"EUR","authorization":"pi_1"}]`)))
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM payments WHERE reference = 'pi_1' AND standing = 'captured' AND authorised_minor = 0`))
}

func TestThePaymentThatIsCapturedHereIsNoLaterPayment(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `UPDATE storefronts SET document = '{"payments": {}}' WHERE id = 'shop'`)
	authorised := shopifyPayment("authorized", `,"transactions":[{"kind":"authorization","status":"success","amount":"10.00","authorization":"pi_1"}]`)
	require.Equal(t, "applied", b.shopify(t, "orders/create", authorised))
	require.Equal(t, "ignored changes_no_decision", b.shopify(t, "orders/paid", shopifyPayment("paid", ``)), "it is the echo of our own capture")
	require.Empty(t, b.facts(t))
}

// A line of 2.00 was removed at Shopify: what it calls paid is what is left.
func TestAShopifyPaymentOfAnOrderThatWasChangedThereIsLeftToAPerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, "applied", b.shopify(t, "orders/create", shopifyPayment("pending", `,"current_total_price":"10.00"`)))
	const fewer = `,"current_total_price":"8.00"`
	require.Equal(t, "quarantined conflicting_order", b.shopify(t, "orders/paid", shopifyPayment("paid", fewer)))
	require.Equal(t, "quarantined conflicting_order", b.shopify(t, "orders/updated", shopifyPayment("partially_paid", fewer+`,"total_outstanding":"4.00"`)))
	require.Empty(t, b.facts(t))
	require.Zero(t, b.number(t, `SELECT captured_minor FROM orders`))

	require.Equal(t, "applied", b.shopify(t, "orders/paid", shopifyPayment("paid", `,"current_total_price":"10.0"`)))
	require.Equal(t, "ignored changes_no_decision", b.shopify(t, "orders/updated", shopifyPayment("paid", fewer)), "all of it was paid before")
}

func TestAPartPaymentThatOvertakesItsOrderWaitsForIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, "received", b.shopify(t, "orders/updated", shopifyPayment("partially_paid", `,"total_outstanding":"6.00"`)))
	b.exec(t, `UPDATE documents SET next_attempt_at = now() + interval '1 hour' WHERE status = 'received'`)
	require.Equal(t, "applied", b.shopify(t, "orders/create", shopifyPayment("pending", ``)))
	require.Equal(t, []string{"400 400 600 0"}, b.paidFacts(t))
}

func TestAPaymentAfterTheAuthorisationEndedIsLeftToAPerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `UPDATE storefronts SET document = '{"payments": {}}' WHERE id = 'shop'`)
	authorised := shopifyPayment("authorized", `,"transactions":[{"kind":"authorization","status":"success","amount":"10.00","authorization":"pi_1"}]`)
	require.Equal(t, "applied", b.shopify(t, "orders/create", authorised))
	for standing, want := range map[string]string{
		"authorised": "ignored changes_no_decision", "capturing": "ignored changes_no_decision", "captured": "ignored changes_no_decision",
		"voided": "quarantined invalid", "elsewhere": "quarantined invalid", "written_off": "quarantined invalid",
	} {
		b.exec(t, `UPDATE payments SET standing = $1`, standing)
		require.Equal(t, want, b.shopify(t, "orders/paid", shopifyPayment("paid", fmt.Sprintf(`,"note":%q`, standing))), standing)
	}
	b.exec(t, `UPDATE payments SET standing = 'authorised', state = jsonb_set(state, '{capture}', '{"gone": true}')`)
	require.Equal(t, "quarantined invalid", b.shopify(t, "orders/updated", shopifyPayment("paid", ``)), "it expired, and its money is due")
	require.Equal(t, 4, b.number(t, `SELECT count(*) FROM documents WHERE reason LIKE '%give it back%' AND order_key = 'shop/1'`))
	require.Empty(t, b.facts(t))
}
