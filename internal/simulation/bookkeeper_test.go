package simulation

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// Lives in which suppliers are paid in every way: the bookkeeper's choices are a seed's own.
func TestSuppliersAreNeitherPaidTwiceNorTooLittle(t *testing.T) {
	t.Parallel()
	report, err := Run(t.Context(), Options{URL: database(t), First: 2000, Lives: 36, Workers: 2, Out: io.Discard})
	require.NoError(t, err)
	for _, f := range report.Failures {
		t.Errorf("seed %d: %s", f.Seed, f.Story)
	}
	for _, what := range []string{
		"payment to a supplier booked", "payment to a supplier refused", "payment to a supplier repeated", "payment to a supplier reversed",
		"credit set off", "supplier's account is square",
	} {
		require.Positive(t, report.Seen[what], what)
	}
}

func TestASupplierNoticesMoneyThatItDidNotAskFor(t *testing.T) {
	t.Parallel()
	const billed, given = 100, 30
	invoice, credit, agreed := &paidLine{invoice: "I1"}, &paidLine{credit: "C1"}, &paidLine{credit: "a claim"}
	for name, c := range map[string]struct {
		line  *paidLine
		moves []int64
		wrong bool
	}{
		"in parts, taken back, and again":    {invoice, []int64{60, 40, -60, 60}, false},
		"twice":                              {invoice, []int64{100, 100}, true},
		"more than it asks for":              {invoice, []int64{101}, true},
		"taken back twice":                   {invoice, []int64{60, -60, -60}, true},
		"set off in parts":                   {credit, []int64{-10, -20}, false},
		"set off beyond what it gave":        {credit, []int64{-10, -21}, true},
		"set off by less than nothing":       {credit, []int64{-10, 11}, true},
		"a credit that people agreed on":     {agreed, []int64{-5}, false},
		"an invoice that it has not written": {&paidLine{invoice: "I2"}, []int64{1}, true},
	} {
		l, p := &life{}, &party{id: "alder", account: newAccount()}
		p.account.billed["I1"], p.account.credited["C1"] = billed, given
		all := func() {
			for _, minor := range c.moves {
				l.receives(p, c.line, minor)
			}
		}
		if c.wrong {
			require.Panics(t, all, name)
		} else {
			require.NotPanics(t, all, name)
		}
	}
}

func TestOurBooksAreReadByTheDocumentsOfSuppliers(t *testing.T) {
	t.Parallel()
	for key, document := range map[string]string{
		"due/alder/INV-T1X2":                     "INV-T1X2",
		"due#2/alder/INV-T1X2":                   "INV-T1X2",
		"credit/alder/memo/CC-C1-1:250":          "CC-C1-1",
		"credit/alder/memo/CC-C1-1:0#3":          "CC-C1-1",
		"credit/alder/settle/CFB07C4CE7BA5CF/c4": "CFB07C4CE7BA5CF",
		"return/DLA-1-R1/credit":                 "DLA-1-R1",
		"return/DLA-1-R1/credit#2":               "DLA-1-R1",
	} {
		require.Equal(t, document, documentOf(key))
	}
}

// What suppliers have written down is compared with our books document by document, to the minor unit.
func TestOurBooksAreComparedWithEachDocumentOfASupplier(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		document string
		got      int64
		ours     position
		wrong    bool
	}{
		"an invoice that is paid in part":       {"I1", 60, position{open: -40, paid: 60}, false},
		"money that never came":                 {"I1", 0, position{open: -40, paid: 60}, true},
		"money that nobody booked":              {"I1", 60, position{open: -100}, true},
		"a rest that is not due any more":       {"I1", 60, position{paid: 60}, true},
		"a credit that is set off in part":      {"C1", -10, position{open: 20, paid: -10, taken: 30, noted: 30}, false},
		"a credit that no claim could take":     {"C1", 0, position{noted: 30}, false},
		"a credit that was not noted":           {"C1", 0, position{}, true},
		"a credit that was taken and forgotten": {"C1", 0, position{taken: 30, noted: 30}, true},
		"a credit of more than was given":       {"C1", 0, position{open: 31, taken: 31, noted: 30}, true},
		"a credit that was settled by people":   {"a claim", -5, position{paid: -5, taken: 5}, false},
	} {
		l, p := &life{}, &party{id: "alder", account: newAccount()}
		p.account.billed["I1"], p.account.credited["C1"] = 100, 30
		compare := func() { l.checkDocument(p, c.document, c.got, &c.ours) }
		if c.wrong {
			require.Panics(t, compare, name)
		} else {
			require.NotPanics(t, compare, name)
		}
	}
}
