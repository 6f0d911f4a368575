package intake_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/intake"
)

const creditsHead = "credit_memo,date,currency,amount,rma,claim,invoice\n"

// creditFile stores a file of credit memos of acme.
func (b *bundle) creditFile(t *testing.T, rows string) int64 {
	t.Helper()
	b.sent++
	body := creditsHead + rows
	require.Equal(t, intake.KindCreditsCSV, intake.KindOfCSV([]byte(body)))
	return b.store(t, "supplier/acme", intake.KindCreditsCSV, fmt.Sprint("file", b.sent), body).ID
}

// withReturn adds a return R1 to a disputed order.
func withReturn(t *testing.T) (*bundle, string) {
	t.Helper()
	b, reference := disputed(t)
	b.exec(t, `INSERT INTO return_requests (order_key, id, body_hash, answer) VALUES ('shop/1', 'q', '', '{}')`)
	b.exec(t, `INSERT INTO returns (rma, order_key, supplier, po_number, request, state, stage) VALUES ('R1', 'shop/1', 'acme', 'P-1', 'q', '{}', 'x')`)
	return b, reference
}

func TestAFileOfCreditMemosCountsAsIfEachHadComeByItself(t *testing.T) {
	t.Parallel()
	b, reference := withReturn(t)
	rows := "CM-9,2026-03-14,EUR,0.40,R1,,\nCM-2,2026-03-14,EUR,0.50,," + reference + ",\nCM-1,2026-03-14,EUR,0.30,,,I1\n"
	taken := b.creditFile(t, rows)
	b.process(t)
	require.Equal(t, "applied", b.standing(t, taken))
	require.Equal(t, 120, b.balance(t, "supplier_claims:acme"), "2.00 disputed less 0.80")
	require.Equal(t, 40, b.number(t, `SELECT sum(minor) FROM credit_memos WHERE rma = 'R1'`))
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM return_facts WHERE rma = 'R1' AND kind = 'credit_memo' AND document_id IS NOT NULL`))

	again := b.creditFile(t, rows)
	posted := b.credit(t, "CM-9", "0.40", `"rma":"R1"`)
	b.process(t)
	require.Equal(t, "ignored known_already", b.standing(t, again), "another file that says the same")
	require.Equal(t, "ignored known_already", b.standing(t, posted), "the same memo by another way")
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM return_facts`))
	require.Equal(t, 120, b.balance(t, "supplier_claims:acme"))
}

// A number with a space behind it is the number, whichever way the memo comes first.
func TestACreditMemoCountsOnceHoweverItsNumberIsSpaced(t *testing.T) {
	t.Parallel()
	b, reference := withReturn(t)
	ofReturn, ofClaim := b.credit(t, "CM-1 ", "0.40", `"rma":"R1"`), b.credit(t, "CM-2 ", "0.50", `"claim":"`+reference+`"`)
	b.process(t)
	require.Equal(t, "applied", b.standing(t, ofReturn))
	require.Equal(t, "applied", b.standing(t, ofClaim))
	file := b.creditFile(t, "CM-1,2026-03-14,EUR,0.40,R1,,\nCM-2 ,2026-03-14,EUR,0.50,,"+reference+",\n")
	b.process(t)
	require.Equal(t, "ignored known_already", b.standing(t, file))

	first := b.creditFile(t, "CM-3 ,2026-03-14,EUR,0.10,R1,,\n")
	b.process(t)
	require.Equal(t, "applied", b.standing(t, first))
	later := b.credit(t, " CM-3", "0.10", `"rma":"R1"`)
	b.process(t)
	require.Equal(t, "ignored known_already", b.standing(t, later))
	require.Equal(t, 50, b.number(t, `SELECT sum(minor) FROM credit_memos WHERE rma = 'R1'`))
	require.Equal(t, 2, b.number(t, `SELECT count(*) FROM return_facts WHERE kind = 'credit_memo'`))
	require.Equal(t, 150, b.balance(t, "supplier_claims:acme"), "2.00 disputed less 0.50")
}

func TestAFileOfCreditMemosIsTakenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	b, reference := withReturn(t)
	good := "CM-1,2026-03-14,EUR,0.40,R1,,\nCM-2,2026-03-14,EUR,0.50,," + reference + ",\n"
	b.creditFile(t, "CM-0,2026-03-14,EUR,0.10,R1,,\n")
	b.process(t)
	for bad, want := range map[string]string{
		"CM-3,2026-03-14,EUR,0.10,R9,,\n":              "quarantined unknown_return",
		"CM-3,2026-03-14,EUR,0.10,,C00000000000000,\n": "quarantined unknown_claim",
		"CM-3,2026-03-14,EUR,0.10,,,I9\n":              "quarantined unknown_claim",
		"CM-3,2026-03-14,USD,0.10,R1,,\n":              "quarantined currency_mismatch",
		"CM-0,2026-03-14,EUR,0.20,R1,,\n":              "quarantined conflicting_credit_memo",
		"CM-3,2026-03-14,EUR,0.1.0,R1,,\n":             "quarantined malformed",
	} {
		id := b.creditFile(t, good+bad)
		b.process(t)
		require.Equal(t, want, b.standing(t, id), bad)
	}
	foreign := b.store(t, "supplier/other", intake.KindCreditsCSV, "f", creditsHead+"CM-1,2026-03-14,EUR,0.40,R1,,\n").ID
	b.process(t)
	require.Equal(t, "quarantined foreign_purchase_order", b.standing(t, foreign))
	require.Equal(t, 1, b.number(t, `SELECT count(*) FROM return_facts`), "CM-0 alone")
	require.Equal(t, 200, b.balance(t, "supplier_claims:acme"), "nothing of the claim was credited")
}

// Files that give to the same claims in another order end, and each number counts once.
func TestFilesOfCreditMemosSideBySideTakeTurns(t *testing.T) {
	t.Parallel()
	b, reference := withReturn(t)
	for i := range 8 {
		one, two := fmt.Sprintf("CM-%d,2026-03-14,EUR,0.01,R1,,\n", i/2), fmt.Sprintf("CX-%d,2026-03-14,EUR,0.02,,%s,\n", i/2, reference)
		if i%2 == 1 {
			one, two = two, one
		}
		b.creditFile(t, one+two)
	}
	b.process(t)
	require.Zero(t, b.number(t, `SELECT count(*) FROM documents WHERE status NOT IN ('applied', 'ignored')`))
	require.Equal(t, 4, b.number(t, `SELECT count(*) FROM return_facts`))
	require.Equal(t, 192, b.balance(t, "supplier_claims:acme"))
}
