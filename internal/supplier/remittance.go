package supplier

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/dropline/dropline/internal/money"
)

// MostRemittanceLines of a remittance: all of them are booked in one transaction.
const MostRemittanceLines = 2000

// Remittance is one payment to a supplier: what of its invoices it pays, and which of its credits it sets off.
type Remittance struct {
	Reference string // ours, unique per supplier
	At        time.Time
	Currency  string
	// Total is what the lines sum up to, in minor units: less than nothing when the supplier pays us.
	Total int64
	Lines []RemittanceLine
}

// RemittanceLine pays an invoice, with more than nothing, or sets a credit off, with less; one of both is named.
type RemittanceLine struct {
	Invoice string
	// Credit is a credit memo's number, or the reference of a claim that was settled as credited without one.
	Credit string
	Minor  int64
}

// Subject is what a line is about.
func (l RemittanceLine) Subject() string {
	if l.Invoice != "" {
		return "invoice " + l.Invoice
	}
	return "credit memo " + l.Credit
}

// LineError is why a remittance cannot be taken, and because of which line, from 1; 0: all of them.
type LineError struct {
	Line int
	Text string
}

func (e *LineError) Error() string {
	if e.Line == 0 {
		return e.Text
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Text)
}

// Check says what is wrong with a remittance in itself, as *LineError.
func (r *Remittance) Check() error {
	if len(r.Lines) == 0 || len(r.Lines) > MostRemittanceLines {
		return &LineError{0, fmt.Sprintf("a remittance has 1 to %d lines", MostRemittanceLines)}
	}
	known := map[RemittanceLine]bool{}
	var sum int64
	for i, l := range r.Lines {
		subject := RemittanceLine{Invoice: l.Invoice, Credit: l.Credit}
		var err error
		switch {
		case (l.Invoice == "") == (l.Credit == ""):
			return &LineError{i + 1, "it names an invoice or a credit memo, and not both"}
		case l.Invoice != "" && l.Minor <= 0:
			return &LineError{i + 1, subject.Subject() + " is paid with more than nothing"}
		case l.Credit != "" && l.Minor >= 0:
			return &LineError{i + 1, subject.Subject() + " is set off: its amount is less than nothing"}
		case known[subject]:
			return &LineError{i + 1, subject.Subject() + " stands in it twice"}
		}
		known[subject] = true
		if sum, err = money.AddMinor(sum, l.Minor); err != nil {
			return &LineError{i + 1, "the amounts are too large to add up"}
		}
	}
	if sum != r.Total {
		return &LineError{0, fmt.Sprintf("its lines sum up to %s and not to its total of %s",
			money.Money{Minor: sum, Currency: r.Currency}, money.Money{Minor: r.Total, Currency: r.Currency})}
	}
	return nil
}

// Content is a hash of what a remittance says: the same in whatever order its lines are told.
func (r *Remittance) Content() []byte {
	lines := slices.SortedFunc(slices.Values(r.Lines), func(x, y RemittanceLine) int {
		return cmp.Or(cmp.Compare(x.Invoice, y.Invoice), cmp.Compare(x.Credit, y.Credit))
	})
	h := sha256.New()
	fmt.Fprintf(h, "%s|%s|%d", r.At.UTC().Format(time.DateOnly), r.Currency, r.Total)
	for _, l := range lines {
		fmt.Fprintf(h, "|%q|%q|%d", l.Invoice, l.Credit, l.Minor)
	}
	return h.Sum(nil)
}
