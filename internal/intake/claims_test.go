package intake_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/intake"
)

// disputed is an order that is settled, of which nothing was shipped, and an invoice for it: 2.00 of it
// are disputed under the reference that is returned.
func disputed(t *testing.T) (*bundle, string) {
	t.Helper()
	b := withPO(t)
	b.exec(t, `UPDATE orders SET closed_at = now() WHERE key = 'shop/1'`)
	b.event(t, "supplier/acme", "invoice.created", b.head("P-1")+`,"number":"I1","currency":"EUR","lines":[{"line":1,"quantity":2,"unit_cost":"1.00"}],"total":"2.00"}`)
	b.process(t)
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM claims WHERE kind = 'invoice_dispute' AND reason = 'quantity_not_shipped' AND minor = 200`))
	return b, claims.Reference(claims.ID("shop/1", "acme/I1"))
}

func (b *bundle) credit(t *testing.T, number, amount, to string) int64 {
	t.Helper()
	return b.event(t, "supplier/acme", "credit_memo.created",
		fmt.Sprintf(`{%s,"number":%q,"at":%q,"currency":"EUR","amount":%q}`, to, number, b.now.Format(time.RFC3339), amount))
}

// balance is what an account of the order holds.
func (b *bundle) balance(t *testing.T, account string) int {
	t.Helper()
	return b.number(t, `SELECT coalesce(sum(e.minor), 0) FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
		WHERE t.order_key = 'shop/1' AND e.account = '`+account+`'`)
}

func TestADisputeBeginsAPursuitThatIsStartedAndTold(t *testing.T) {
	t.Parallel()
	b, reference := disputed(t)
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM pursuits WHERE po_number = 'P-1' AND supplier = 'acme' AND deliver_at <= now()
		AND started_at IS NULL AND reference = '`+reference+`'`))
	b.exec(t, `UPDATE pursuits SET deliver_at = NULL, delivered_seq = fact_seq`)
	b.event(t, "supplier/acme", "claim.answered", fmt.Sprintf(`{"claim":%q,"at":%q,"outcome":"rejected"}`, reference, b.now.Format(time.RFC3339)))
	b.process(t)
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM pursuits WHERE answer = 'refused' AND deliver_at <= now() AND fact_seq = delivered_seq + 1`))
}

// Whatever order credits, corrected invoices, repeats and the settlement itself come in, the books end
// the same: the claim is ended, and what the credits give too much is not taken.
func TestCreditsInAnyOrderEndInTheSameBooks(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 1))
			b := withPO(t)
			bill := `,"currency":"EUR","lines":[{"line":1,"quantity":2,"unit_cost":"1.00"}],"total":`
			b.event(t, "supplier/acme", "invoice.created", b.head("P-1")+`,"number":"I1"`+bill+`"2.00"}`)
			b.process(t)
			ways := []func(){
				func() { b.credit(t, "CM-1", "0.70", `"invoice":"I1"`) },
				func() { b.credit(t, "CM-1", "0.70", `"invoice":"I1"`) },
				func() { b.credit(t, "CM-2", "0.90", `"invoice":"I1"`) },
				func() {
					b.event(t, "supplier/acme", "invoice.created", b.head("P-1")+`,"number":"I2","corrects":"I1"`+bill+`"1.50"}`)
				},
				func() {
					b.exec(t, `UPDATE orders SET closed_at = now() WHERE key = 'shop/1'`)
					b.event(t, "supplier/acme", "invoice.created", b.head("P-1")+`,"number":"I3"`+bill+`"0.00"}`) // brings the matching
				},
			}
			random.Shuffle(len(ways), func(i, j int) { ways[i], ways[j] = ways[j], ways[i] })
			for _, do := range ways {
				do()
				if random.IntN(2) == 0 {
					b.process(t)
				}
			}
			b.process(t)
			require.Zero(t, b.balance(t, "supplier_claims:acme"))
			require.Zero(t, b.balance(t, "supplier_payable:acme"), "2.00 invoiced, 2.00 credited")
			require.Equal(t, 0, b.number(t, `SELECT coalesce(sum(minor), 0) FROM claims WHERE closed_at IS NULL`), "2.00 to pay less 2.00 of credits")
			require.Equal(t, 200, b.number(t, `SELECT sum(minor) FROM claims WHERE closed_at IS NULL AND kind = 'credit_memo'`))
			require.Equal(t, 200, b.number(t, `SELECT sum(applied) FROM claim_credits`))
			require.Equal(t, 210, b.number(t, `SELECT sum(minor) FROM claim_credits`))
		})
	}
}

func TestACreditThatFitsNoClaimIsForAPerson(t *testing.T) {
	t.Parallel()
	b, reference := disputed(t)
	mine := fmt.Sprintf(`"claim":%q`, reference)
	for _, step := range []struct {
		send func() int64 // one after the other: those that wait together are read side by side
		want string
	}{
		{func() int64 { return b.credit(t, "CM-1", "0.50", mine) }, "applied"},
		{func() int64 { return b.credit(t, "CM-1", "0.50", mine) }, "ignored known_already"},
		{func() int64 { return b.credit(t, "CM-1", "0.60", mine) }, "quarantined conflicting_credit_memo"},
		{func() int64 { return b.credit(t, "CM-2", "0.60", `"claim":"C00000000000000"`) }, "quarantined unknown_claim"},
		{func() int64 { return b.credit(t, "CM-3", "0.60", `"invoice":"I9"`) }, "quarantined unknown_claim"},
		{func() int64 {
			return b.event(t, "supplier/other", "claim.answered", fmt.Sprintf(`{%s,"at":%q,"outcome":"accepted"}`, mine, b.now.Format(time.RFC3339)))
		}, "quarantined foreign_purchase_order"},
	} {
		id := step.send()
		b.process(t)
		require.Equal(t, step.want, b.standing(t, id))
	}
	require.Equal(t, 150, b.balance(t, "supplier_claims:acme"))
	require.Equal(t, 150, b.number(t, `SELECT minor FROM claims WHERE kind = 'invoice_dispute' AND closed_at IS NULL`))
}

// A supplier's number names one credit: whichever of the two it is taken for first keeps it, also when both
// come at once.
func TestACreditCountsForAClaimOrForAReturnAndNeverForBoth(t *testing.T) {
	t.Parallel()
	b, reference := disputed(t)
	b.exec(t, `INSERT INTO return_requests (order_key, id, body_hash, answer) VALUES ('shop/1', 'q', '', '{}')`)
	b.exec(t, `INSERT INTO returns (rma, order_key, supplier, po_number, request, state, stage) VALUES ('R1', 'shop/1', 'acme', 'P-1', 'q', '{}', 'x')`)
	mine := fmt.Sprintf(`"claim":%q`, reference)
	for i, first := range []string{mine, `"rma":"R1"`} {
		number, second := fmt.Sprint("CM-", i), map[string]string{mine: `"rma":"R1"`, `"rma":"R1"`: mine}[first]
		taken := b.credit(t, number, "0.10", first)
		b.process(t)
		again := b.credit(t, number, "0.10", second)
		b.process(t)
		require.Equal(t, []string{"applied", "quarantined conflicting_credit_memo"}, []string{b.standing(t, taken), b.standing(t, again)})
	}
	const rush = 12
	for i := range rush {
		b.credit(t, fmt.Sprint("RM-", i), "0.10", mine)
		b.credit(t, fmt.Sprint("RM-", i), "0.10", `"rma":"R1"`)
	}
	b.process(t)
	require.Zero(t, b.number(t, `SELECT count(*) FROM claim_credits c JOIN credit_memos m USING (supplier, number)`))
	require.Equal(t, 2+rush, b.number(t, `SELECT (SELECT count(*) FROM claim_credits) + (SELECT count(*) FROM credit_memos)`))
	require.Equal(t, 2+rush, b.number(t, `SELECT count(*) FROM documents WHERE status = 'quarantined' AND reason_code = 'conflicting_credit_memo'`))
}

// Each correction stands in the place of the one before: together they give what the last one asks for less
// than the invoice did.
func TestAnInvoiceThatIsCorrectedAgainGivesOnlyTheDifference(t *testing.T) {
	t.Parallel()
	b, _ := disputed(t)
	corrected := func(number, total string) string {
		id := b.event(t, "supplier/acme", "invoice.created", b.head("P-1")+fmt.Sprintf(
			`,"number":%q,"corrects":"I1","currency":"EUR","lines":[{"line":1,"quantity":2,"unit_cost":"1.00"}],"total":%q}`, number, total))
		b.process(t)
		return b.standing(t, id)
	}
	for _, step := range []struct{ number, total, want string }{
		{"I2", "1.00", "applied"},
		{"I3", "1.00", "ignored known_already"},
		{"I4", "0.70", "applied"},
		{"I2", "1.00", "ignored known_already"},
		{"I2", "0.90", "quarantined conflicting_credit_memo"},
		{"I5", "1.00", "quarantined conflicting_invoice"},
		{"I6", "0.00", "applied"},
	} {
		require.Equal(t, step.want, corrected(step.number, step.total), step.number)
	}
	require.Equal(t, 200, b.number(t, `SELECT sum(minor) FROM claim_credits`))
	require.Zero(t, b.balance(t, "supplier_claims:acme"))
}

// An event dates an invoice to the second and a file to the day, and each writes the lines as it likes.
func TestAnInvoiceCountsOnceByWhicheverWayItComes(t *testing.T) {
	t.Parallel()
	b := withPO(t)
	posted := func(rest string) int64 {
		return b.event(t, "supplier/acme", "invoice.created", b.head("P-1")+`,"currency":"EUR",`+rest+`}`)
	}
	lines := `"lines":[{"line":1,"quantity":2,"unit_cost":"1.00"},{"line":2,"quantity":1,"unit_cost":"3.00"}],"total":"5.00"`
	filed := func(number, second string) int64 {
		text := "po,invoice,date,currency,line,quantity,unit_cost,total\nP-1," + number + ",2026-03-02,EUR,2,1,3.00,5.00\n,@,,,1," + second + ",\n"
		return b.store(t, "supplier/acme", intake.KindInvoicesCSV, number+second, strings.ReplaceAll(text, "@", number)).ID
	}
	for _, step := range []struct {
		send func() int64
		want string
	}{
		{func() int64 { return posted(`"number":"I1",` + lines) }, "applied"},
		{func() int64 { return filed("I1", "2,1.00") }, "ignored known_already"},
		{func() int64 { return filed("I1", "1,2.00") }, "quarantined conflicting_invoice"},
		{func() int64 { return filed("I2", "2,1.00") }, "applied"},
		{func() int64 { return posted(`"number":"I2",` + lines) }, "ignored known_already"},
		{func() int64 { return posted(`"number":"I2",` + strings.Replace(lines, `"5.00"`, `"5.01"`, 1)) }, "quarantined conflicting_invoice"},
	} {
		id := step.send()
		b.process(t)
		require.Equal(t, step.want, b.standing(t, id))
	}
	require.Equal(t, 2, b.number(t, `SELECT count(*) FROM supplier_invoices WHERE total = 500`))
}

func TestAFileOfInvoicesIsTakenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	b := withPO(t)
	file := func(rows ...string) int64 {
		b.sent++
		text := "po;invoice;date;currency;line;quantity;unit_cost;total\n" + strings.Join(rows, "\n")
		return b.store(t, "supplier/acme", intake.KindInvoicesCSV, fmt.Sprint("f", b.sent), text).ID
	}
	good := "P-1;I1;2026-03-02;EUR;1;2;1,00;2,00"
	for _, step := range []struct {
		rows     []string
		want     string
		invoices int
	}{
		{[]string{good, "P-9;I2;2026-03-02;EUR;1;2;1,00;2,00"}, "quarantined unknown_purchase_order", 0},
		{[]string{good, "P-1;I2;2026-03-02;USD;1;2;1,00;2,00"}, "quarantined currency_mismatch", 0},
		{[]string{good, "P-1;I2;2026-03-02;EUR;1;2;1,000;2,00"}, "quarantined malformed", 0},
		{[]string{good, "P-1;I2;2026-03-02;EUR;1;1;1,00;1,00"}, "applied", 2},
		{[]string{"P-1;I2;2026-03-02;EUR;1;1;1,00;1,00", good}, "ignored known_already", 2},
		{[]string{"P-1;I3;2026-03-02;EUR;1;1;1,00;1,00", "P-1;I1;2026-03-02;EUR;1;2;1,01;2,02"}, "quarantined conflicting_invoice", 2},
	} {
		id := file(step.rows...)
		b.process(t)
		require.Equal(t, step.want, b.standing(t, id))
		require.Equal(t, step.invoices, b.number(t, `SELECT count(*) FROM supplier_invoices`))
	}
	var reason string
	require.NoError(t, b.pool.QueryRow(context.Background(), `SELECT reason FROM documents WHERE reason_code = 'malformed'`).Scan(&reason))
	require.Contains(t, reason, "line 3, column 27: unit_cost")
}
