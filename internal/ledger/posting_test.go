package ledger_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/money"
)

func TestEachFactPostsItsEntries(t *testing.T) {
	t.Parallel()
	sale := ledger.Sale{Currency: "EUR", Goods: 100, Tax: 19, Shipping: 5, ShippingTax: 1}
	check := func(want string, tx ledger.Transaction, err error) {
		require.NoError(t, err, want)
		require.NoError(t, tx.Validate(), want)
		require.NotEmpty(t, tx.Memo, want)
		got := tx.Key + ":"
		for _, entry := range tx.Entries {
			require.Equal(t, "EUR", entry.Currency)
			got += fmt.Sprintf(" %s %+d", entry.Account, entry.Minor)
		}
		require.Equal(t, want, got)
	}
	tx, err := ledger.Captured("c1", eur(125))
	check("captured|c1: processor_clearing +125 customer_deposits -125", tx, err)
	tx, err = ledger.Refunded("r1", eur(9), ledger.RefundReturned)
	check("refunded|r1: customer_deposits +9 processor_clearing -9", tx, err)
	tx, err = ledger.Refunded("r2", eur(9), ledger.RefundGoodwill)
	check("refunded|r2: goodwill +9 processor_clearing -9", tx, err)
	tx, err = ledger.Refunded("r3", eur(9), ledger.RefundChargeback)
	check("refunded|r3: losses +9 processor_clearing -9", tx, err)
	tx, err = ledger.FeeKept("rma1", ledger.FeeRestocking, eur(3))
	check("fee_kept|restocking|rma1: customer_deposits +3 fees_retained -3", tx, err)
	tx, err = ledger.GoodwillSetOff("rma1", eur(3))
	check("goodwill_set_off|rma1: customer_deposits +3 goodwill -3", tx, err)
	tx, err = ledger.Earned("d1", sale)
	check("earned|d1: customer_deposits +125 revenue -100 shipping_revenue -5 tax_payable -20", tx, err)
	tx, err = ledger.Unearned("d1", sale)
	check("unearned|d1: revenue +100 customer_deposits -125 shipping_revenue +5 tax_payable +20", tx, err)
	tx, err = ledger.SupplierAccrued("po1", "s1", "acme", eur(60))
	check("supplier_accrued|po1|s1: cost_of_goods +60 supplier_payable:acme -60", tx, err)
	tx, err = ledger.DuplicateShipmentAbsorbed("po1", "s2", "acme", eur(60))
	check("duplicate_absorbed|po1|s2: losses +60 supplier_payable:acme -60", tx, err)
	tx, err = ledger.ReturnLabelBought("rma1", "parcelco", eur(6))
	check("return_label|rma1: return_shipping +6 bank -6", tx, err)
	owed := ledger.Claim{
		Key: "due/inv1", Kind: ledger.ClaimInvoiceDue, Account: ledger.SupplierPayable("acme"), Currency: "EUR", Minor: -60, Owner: "buying", Due: due,
	}
	tx, left, err := ledger.SupplierPaid("p1", owed, 45)
	check("supplier_paid|acme|p1|due/inv1: supplier_payable:acme +45 bank -45", tx, err)
	require.EqualValues(t, -15, left)
	given := owed
	given.Key, given.Kind, given.Minor = "credit/cm1", ledger.ClaimCreditMemo, 20
	tx, left, err = ledger.SupplierSetOff("p1", given, 20)
	check("supplier_set_off|acme|p1|credit/cm1: bank +20 supplier_payable:acme -20", tx, err)
	require.Zero(t, left)
}

func TestNoMoreIsPaidOrSetOffThanAClaimNames(t *testing.T) {
	t.Parallel()
	claim := func(kind ledger.ClaimKind, minor int64) ledger.Claim {
		return ledger.Claim{Key: "k", Kind: kind, Account: ledger.SupplierPayable("acme"), Currency: "EUR", Minor: minor, Owner: "buying", Due: due}
	}
	for _, test := range []struct {
		do    func(string, ledger.Claim, int64) (ledger.Transaction, int64, error)
		claim ledger.Claim
		minor int64
		want  error
	}{
		{ledger.SupplierPaid, claim(ledger.ClaimInvoiceDue, -60), 61, ledger.ErrClaim},
		{ledger.SupplierPaid, claim(ledger.ClaimInvoiceDue, -60), -1, ledger.ErrAmount},
		{ledger.SupplierPaid, claim(ledger.ClaimInvoiceDue, -60), 0, ledger.ErrNothingToPost},
		{ledger.SupplierPaid, claim(ledger.ClaimInvoiceMissing, -60), 60, ledger.ErrClaim},
		{ledger.SupplierPaid, claim(ledger.ClaimInvoiceDue, 60), 60, ledger.ErrClaim},
		{ledger.SupplierSetOff, claim(ledger.ClaimCreditMemo, 60), 61, ledger.ErrClaim},
		{ledger.SupplierSetOff, claim(ledger.ClaimInvoiceDue, -60), 60, ledger.ErrClaim},
	} {
		_, _, err := test.do("p1", test.claim, test.minor)
		require.ErrorIs(t, err, test.want, "%v %d", test.claim, test.minor)
	}
}

func TestARemittancesPostingTellsWhatItMoved(t *testing.T) {
	t.Parallel()
	given := ledger.Claim{Key: "return/R1/credit#2", Kind: ledger.ClaimCreditMemo, Account: ledger.SupplierPayable("acme"), Currency: "EUR", Minor: 20, Owner: "buying", Due: due}
	tx, _, err := ledger.SupplierSetOff("REM:1", given, 15)
	require.NoError(t, err)
	want := ledger.Remitted{Supplier: "acme", Payment: "REM:1", Claim: "return/R1/credit#2", Minor: -15, Currency: "EUR", SetOff: true}
	got, is := ledger.RemittedBy(tx)
	require.True(t, is)
	require.Equal(t, want, got)
	undone, err := ledger.Reversal(tx)
	require.NoError(t, err)
	want.Minor, want.Reversal = 15, true
	got, is = ledger.RemittedBy(undone)
	require.True(t, is)
	require.Equal(t, want, got)
	other, err := ledger.SupplierAccrued("P-1", "1", "acme", eur(60))
	require.NoError(t, err)
	_, is = ledger.RemittedBy(other)
	require.False(t, is)
}

func TestClaimsAreTakenFromWhatTheyMakeGood(t *testing.T) {
	t.Parallel()
	for kind, source := range map[ledger.ClaimKind]ledger.Account{
		ledger.ClaimReturnCredit:      ledger.CostOfGoods,
		ledger.ClaimShortShipment:     ledger.CostOfGoods,
		ledger.ClaimLostParcel:        ledger.CostOfGoods,
		ledger.ClaimDamage:            ledger.CostOfGoods,
		ledger.ClaimSLAPenalty:        ledger.CostOfGoods,
		ledger.ClaimVolumeDiscount:    ledger.CostOfGoods,
		ledger.ClaimDuplicateShipment: ledger.Losses,
		ledger.ClaimInvoiceDispute:    ledger.SupplierPayable("acme"),
	} {
		b := &book{t: t}
		b.post(ledger.ClaimOpened(supplierClaim(kind)))
		require.Equal(t, int64(40), b.of(ledger.SupplierClaims("acme")), kind)
		require.Equal(t, int64(-40), b.of(source), kind)
	}
	_, err := ledger.ClaimOpened(ledger.Claim{
		Key: "inv1", Kind: ledger.ClaimInvoiceDue, Account: ledger.SupplierPayable("acme"),
		Currency: "EUR", Minor: -60, Owner: "buying", Due: due,
	})
	require.ErrorIs(t, err, ledger.ErrClaim)
	negative := supplierClaim(ledger.ClaimReturnCredit)
	negative.Minor = -40
	require.ErrorIs(t, negative.Validate(), ledger.ErrClaim, "what we owe is no claim on a supplier")
	onCarrier := supplierClaim(ledger.ClaimInvoiceDispute)
	onCarrier.Account = ledger.CarrierClaims("parcelco")
	_, err = ledger.ClaimOpened(onCarrier)
	require.ErrorIs(t, err, ledger.ErrClaim, "only suppliers send invoices for goods")
}

func TestClaimsEndWhereTheirOutcomeSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind    ledger.ClaimKind
		outcome ledger.ClaimOutcome
		target  ledger.Account
	}{
		{ledger.ClaimReturnCredit, ledger.ClaimCredited, ledger.SupplierPayable("acme")},
		{ledger.ClaimReturnCredit, ledger.ClaimPaid, ledger.Bank},
		{ledger.ClaimReturnCredit, ledger.ClaimConceded, ledger.CostOfGoods},
		{ledger.ClaimDuplicateShipment, ledger.ClaimConceded, ledger.Losses},
		{ledger.ClaimReturnCredit, ledger.ClaimWrittenOff, ledger.Losses},
	} {
		b := &book{t: t}
		tx, left, err := ledger.ClaimClosed("cm1", supplierClaim(c.kind), c.outcome, 30)
		b.post(tx, err)
		require.Equal(t, "claim_closed|k|cm1", tx.Key)
		require.Equal(t, int64(10), left)
		require.Equal(t, int64(30), b.of(c.target), c.outcome)
		require.Equal(t, int64(-30), b.of(ledger.SupplierClaims("acme")), c.outcome)
	}
}

func supplierClaim(kind ledger.ClaimKind) ledger.Claim {
	return ledger.Claim{
		Key: "k", Kind: kind, Account: ledger.SupplierClaims("acme"),
		Currency: "EUR", Minor: 40, Owner: "buying", Due: due,
	}
}

func TestPostingRefusesNegativeUnnamedAndPersonalInput(t *testing.T) {
	t.Parallel()
	_, err := ledger.Captured("c1", eur(-1))
	require.ErrorIs(t, err, ledger.ErrAmount)
	_, err = ledger.Earned("d1", ledger.Sale{Currency: "EUR", Goods: 10, Tax: -1})
	require.ErrorIs(t, err, ledger.ErrAmount)
	_, err = ledger.Captured("c1", money.Money{Minor: 1})
	require.ErrorIs(t, err, money.ErrUnknownCurrency)
	_, err = ledger.Captured("jane doe", eur(1))
	require.ErrorIs(t, err, ledger.ErrToken)
	_, err = ledger.Refunded("r1", eur(1), "because")
	require.ErrorIs(t, err, ledger.ErrReason)
	_, err = ledger.FeeKept("r1", "handling", eur(1))
	require.ErrorIs(t, err, ledger.ErrReason)
	_, err = ledger.SupplierAccrued("po1", "s1", "a@b", eur(1))
	require.ErrorIs(t, err, ledger.ErrUnknownAccount)
}

func TestFreeGoodsPostNothing(t *testing.T) {
	t.Parallel()
	_, err := ledger.Earned("d1", ledger.Sale{Currency: "EUR"})
	require.ErrorIs(t, err, ledger.ErrNothingToPost)
	_, err = ledger.Refunded("r1", eur(0), ledger.RefundCancelled)
	require.ErrorIs(t, err, ledger.ErrNothingToPost)
}

func TestClaimCloseRefusesMoreThanIsOpen(t *testing.T) {
	t.Parallel()
	claim := ledger.Claim{
		Key: "lost1", Kind: ledger.ClaimLostParcel, Account: ledger.CarrierClaims("parcelco"),
		Currency: "EUR", Minor: 40, Owner: "support", Due: due,
	}
	_, _, err := ledger.ClaimClosed("p1", claim, ledger.ClaimPaid, 41)
	require.ErrorIs(t, err, ledger.ErrClaim)
	_, _, err = ledger.ClaimClosed("p1", claim, ledger.ClaimPaid, -1)
	require.ErrorIs(t, err, ledger.ErrAmount)
	_, _, err = ledger.ClaimClosed("p1", claim, ledger.ClaimCredited, 40)
	require.ErrorIs(t, err, ledger.ErrClaim, "a carrier has no payable to set off against")
	_, _, err = ledger.ClaimClosed("p1", claim, "forgotten", 40)
	require.ErrorIs(t, err, ledger.ErrClaim)
	_, left, err := ledger.ClaimClosed("p1", claim, ledger.ClaimPaid, 40)
	require.NoError(t, err)
	require.Zero(t, left)
}

func TestInvoiceWithinToleranceAdjustsCostAndBeyondItOpensADispute(t *testing.T) {
	t.Parallel()
	payable, claims := ledger.SupplierPayable("acme"), ledger.SupplierClaims("acme")
	for _, c := range []struct {
		name                   string
		invoiced               int64
		outcome                ledger.InvoiceOutcome
		cost, payable, claimed int64
		dispute                int64
		kind                   ledger.ClaimKind
	}{
		{"as accrued", 1000, ledger.InvoiceMatched, 1000, -1000, 0, 0, ""},
		{"at tolerance above", 1010, ledger.InvoiceAdjusted, 1010, -1010, 0, 0, ""},
		{"at tolerance below", 990, ledger.InvoiceAdjusted, 990, -990, 0, 0, ""},
		{"one above tolerance", 1011, ledger.InvoiceOverInvoiced, 1000, -1011, 11, 11, ledger.ClaimInvoiceDispute},
		{"one below tolerance", 989, ledger.InvoiceUnderInvoiced, 1000, -1000, 0, -11, ledger.ClaimInvoiceMissing},
	} {
		b := &book{t: t}
		b.post(ledger.SupplierAccrued("po1", "s1", "acme", eur(1000)))
		match, err := ledger.SupplierInvoiced(ledger.Invoice{
			Key: "inv1", SupplierID: "acme", Accrued: eur(1000), Invoiced: eur(c.invoiced),
			Tolerance: 10, Owner: "buying", Due: due,
		})
		require.NoError(t, err, c.name)
		require.Equal(t, c.outcome, match.Outcome, c.name)
		if match.Posting != nil {
			b.post(*match.Posting, nil)
		}
		require.Equal(t, c.cost, b.of(ledger.CostOfGoods), c.name)
		require.Equal(t, c.payable, b.of(payable), c.name)
		require.Equal(t, c.claimed, b.of(claims), c.name)

		// Whatever the outcome, the payable due and the dispute together close the order.
		open := []ledger.Claim{{
			Key: "inv1", Kind: ledger.ClaimInvoiceDue, Account: payable,
			Currency: "EUR", Minor: -c.invoiced, Owner: "buying", Due: due,
		}}
		if c.kind == "" {
			require.Nil(t, match.Dispute, c.name)
		} else {
			require.Equal(t, c.kind, match.Dispute.Kind, c.name)
			require.Equal(t, c.dispute, match.Dispute.Minor, c.name)
			open = append(open, *match.Dispute)
		}
		ok, problems := ledger.Closed(b.balances(), open)
		require.True(t, ok, "%s: %v", c.name, problems)
	}
}

func TestInvoiceInAnotherCurrencyOrNegativeIsRefused(t *testing.T) {
	t.Parallel()
	dollars := money.Money{Minor: 10, Currency: "USD"}
	in := ledger.Invoice{Key: "inv1", SupplierID: "acme", Accrued: eur(10), Invoiced: dollars}
	_, err := ledger.SupplierInvoiced(in)
	require.ErrorIs(t, err, money.ErrCurrencyMismatch)
	in.Invoiced = eur(-1)
	_, err = ledger.SupplierInvoiced(in)
	require.ErrorIs(t, err, ledger.ErrAmount)
	in.Invoiced = eur(20)
	_, err = ledger.SupplierInvoiced(in)
	require.ErrorIs(t, err, ledger.ErrToken, "a dispute without an owner is refused")
	in.Owner = "buying"
	_, err = ledger.SupplierInvoiced(in)
	require.ErrorIs(t, err, ledger.ErrClaim, "and so is one without a deadline")
}

func TestOrderIsSquareOnlyWhenDepositsAreUsedUpAndClaimsCoverTheRest(t *testing.T) {
	t.Parallel()
	b := &book{t: t}
	b.post(ledger.Captured("c1", eur(100)))
	b.post(ledger.SupplierAccrued("po1", "s1", "acme", eur(60)))
	payable := ledger.Claim{
		Key: "inv1", Kind: ledger.ClaimInvoiceDue, Account: ledger.SupplierPayable("acme"),
		Currency: "EUR", Minor: -60, Owner: "buying", Due: due,
	}
	ok, problems := ledger.Closed(b.balances(), []ledger.Claim{payable})
	require.False(t, ok)
	require.Equal(t, []string{"Customer deposits is not zero but -1.00 EUR"}, problems)

	b.post(ledger.Earned("d1", ledger.Sale{Currency: "EUR", Goods: 100}))
	ok, problems = ledger.Closed(b.balances(), []ledger.Claim{payable})
	require.True(t, ok, problems)

	ok, problems = ledger.Closed(b.balances(), nil)
	require.False(t, ok)
	require.Equal(t, []string{
		"Payable to supplier acme holds -0.60 EUR, of which no open claim covers -0.60 EUR",
	}, problems)

	for name, spoil := range map[string]func(*ledger.Claim){
		"amount":   func(c *ledger.Claim) { c.Minor = -59 },
		"sign":     func(c *ledger.Claim) { c.Minor = 60 },
		"currency": func(c *ledger.Claim) { c.Currency = "USD" },
		"supplier": func(c *ledger.Claim) { c.Account = ledger.SupplierPayable("other") },
		"account":  func(c *ledger.Claim) { c.Account = ledger.Revenue },
		"kind":     func(c *ledger.Claim) { c.Kind = ledger.ClaimDamage },
		"key":      func(c *ledger.Claim) { c.Key = "" },
		"owner":    func(c *ledger.Claim) { c.Owner = "" },
		"person":   func(c *ledger.Claim) { c.Owner = "jane@example.com" },
		"deadline": func(c *ledger.Claim) { c.Due = due.AddDate(-due.Year()+1, -int(due.Month())+1, 0) },
	} {
		spoiled := payable
		spoil(&spoiled)
		ok, _ = ledger.Closed(b.balances(), []ledger.Claim{spoiled})
		require.False(t, ok, name)
	}

	half := payable
	half.Minor = -30
	other := half
	ok, _ = ledger.Closed(b.balances(), []ledger.Claim{half, other})
	require.False(t, ok, "two claims under one name")
	other.Key = "inv2"
	ok, problems = ledger.Closed(b.balances(), []ledger.Claim{half, other})
	require.True(t, ok, problems)
}

func TestRefundAboveCaptureIsAProblem(t *testing.T) {
	t.Parallel()
	b := &book{t: t}
	require.Zero(t, ledger.Refundable(b.balances(), "EUR"))
	b.post(ledger.Captured("c1", eur(100)))
	require.Equal(t, int64(100), ledger.Refundable(b.balances(), "EUR"))
	b.post(ledger.Earned("d1", ledger.Sale{Currency: "EUR", Goods: 100}))
	b.post(ledger.Refunded("g1", eur(101), ledger.RefundGoodwill))
	require.Zero(t, ledger.Refundable(b.balances(), "EUR"))
	ok, problems := ledger.Closed(b.balances(), nil)
	require.False(t, ok)
	require.Equal(t, []string{"more was refunded than captured: Payment processor clearing is -0.01 EUR"}, problems)
}
