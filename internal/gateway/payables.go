package gateway

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/csvtable"
)

func (g *gateway) registerPayables() {
	operation(g, huma.Operation{
		OperationID: "list-due", Method: http.MethodGet, Path: "/v1/suppliers/{id}/due", Summary: "List what a supplier is due, by date",
		Description: "Its invoices that are not paid, with what is disputed of them, and its credits that are not set off.", Errors: []int{404},
	}, mayReview, g.listDue)
	operation(g, huma.Operation{
		OperationID: "pay-supplier", Method: http.MethodPost, Path: "/v1/suppliers/{id}/payments", Summary: "Book a payment to a supplier",
		Description: "Each line pays an invoice or sets a credit off; together they are the total. Booked whole or not at all, once for its " +
			"reference. A line that is more than is due, or about what is not known, is named in the answer.",
		Errors: []int{404, 409},
	}, mayResolve, g.paySupplier)
}

// SupplierPath names a supplier in a URL.
type SupplierPath struct {
	Supplier string `path:"id" maxLength:"64" example:"acme"`
}

var supplierShape = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// open refuses keys of one storefront: a supplier is paid for the orders of all.
func (p SupplierPath) open(ctx context.Context) error {
	if !supplierShape.MatchString(p.Supplier) {
		return problem(notFound, "")
	}
	if visitOf(ctx).key.Storefront != "" {
		return problem(forbidden, "the key is one storefront's, and suppliers are paid for the orders of all")
	}
	return nil
}

type dueOutput struct {
	Body struct {
		Due  []dueItem `json:"due"`
		Sums []dueSum  `json:"sums"`
	}
}

type dueItem struct {
	Due      string `json:"due" doc:"The day on which it is due." example:"2026-04-30"`
	Invoice  string `json:"invoice,omitempty" example:"INV-2041"`
	Credit   string `json:"credit_memo,omitempty" doc:"A credit that can be set off, in place of an invoice: its number, or the reference of a claim." example:"CM-7"`
	Currency string `json:"currency" example:"USD"`
	Amount   string `json:"amount" doc:"What is due, below nothing for a credit." example:"12.50"`
	Disputed string `json:"disputed" doc:"The part of it that is claimed back." example:"0.00"`
	Order    string `json:"order,omitempty" example:"shop/1001"`
}

type dueSum struct {
	Currency string `json:"currency" example:"USD"`
	Owed     string `json:"owed" example:"120.00"`
	Disputed string `json:"disputed" example:"20.00"`
	Credits  string `json:"credits" example:"15.00"`
	Net      string `json:"net" doc:"Owed less disputed and credits." example:"85.00"`
}

func (g *gateway) listDue(ctx context.Context, in *SupplierPath) (*dueOutput, error) {
	if err := in.open(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	if _, err := postgres.Supplier(ctx, g.Database, in.Supplier); err != nil {
		return nil, noSupplier(err)
	}
	list, err := ledgerbook.PayablesOf(ctx, g.Database, in.Supplier)
	if err != nil {
		return nil, err
	}
	sums, err := ledgerbook.PayableSums(list)
	if err != nil {
		return nil, err
	}
	out := &dueOutput{}
	out.Body.Due, out.Body.Sums = []dueItem{}, []dueSum{}
	for i := range list {
		p := &list[i]
		out.Body.Due = append(out.Body.Due, dueItem{
			Due: p.Due.Format(time.DateOnly), Invoice: p.Invoice, Credit: p.Credit, Currency: p.Currency, Order: p.Order,
			Amount: inCurrency(p.Minor, p.Currency), Disputed: inCurrency(p.Disputed, p.Currency),
		})
	}
	for _, s := range sums {
		out.Body.Sums = append(out.Body.Sums, dueSum{
			Currency: s.Currency, Owed: inCurrency(s.Owed, s.Currency), Disputed: inCurrency(s.Disputed, s.Currency),
			Credits: inCurrency(s.Credits, s.Currency), Net: inCurrency(s.Net, s.Currency),
		})
	}
	return out, nil
}

func inCurrency(minor int64, currency string) string {
	return amountText(money.Money{Minor: minor, Currency: currency})
}

func noSupplier(err error) error {
	if errors.Is(err, postgres.ErrNoPartner) || errors.Is(err, ledgerbook.ErrNoSupplier) {
		return problem(notFound, "")
	}
	return err
}

type paySupplierInput struct {
	SupplierPath

	Body struct {
		Reference string         `json:"reference" doc:"Yours, unique per supplier: the same again with the same content changes nothing." minLength:"1" maxLength:"64" example:"REM-2026-04"`
		Date      string         `json:"date" doc:"The day of the payment." maxLength:"10" example:"2026-04-30"`
		Currency  string         `json:"currency" minLength:"3" maxLength:"3" example:"USD"`
		Total     string         `json:"total" doc:"What the lines sum up to; below nothing when the supplier paid." maxLength:"24" example:"85.00"`
		Lines     []paidDocument `json:"lines" minItems:"1" maxItems:"2000"`
	}
}

type paidDocument struct {
	Invoice string `json:"invoice,omitempty" doc:"The invoice that is paid, or a part of it." maxLength:"64" example:"INV-2041"`
	Credit  string `json:"credit_memo,omitempty" doc:"In place of an invoice: the credit memo that is set off." maxLength:"64" example:"CM-7"`
	Amount  string `json:"amount" doc:"Above nothing for an invoice, below for a credit memo." maxLength:"24" example:"85.00"`
}

type paidSupplier struct {
	Body struct {
		Reference string `json:"reference" example:"REM-2026-04"`
		Result    string `json:"result" doc:"repeat: it was booked before, and nothing changed." enum:"booked,repeat" example:"booked"`
	}
}

func (g *gateway) paySupplier(ctx context.Context, in *paySupplierInput) (*paidSupplier, error) {
	if err := in.open(ctx); err != nil {
		return nil, err
	}
	said, wrong := in.read()
	if len(wrong) > 0 {
		return nil, problem(invalid, "", wrong...)
	}
	who := visitOf(ctx).key
	ctx, cancel := context.WithTimeout(ctx, g.AnswerWait)
	defer cancel()
	var repeat bool
	err := postgres.InTx(ctx, g.Database, func(tx pgx.Tx) (err error) {
		repeat, err = ledgerbook.PaySupplier(ctx, tx, in.Supplier, said, string(who.Role)+" key "+who.ID)
		return err
	})
	var line *supplier.LineError
	switch {
	case errors.As(err, &line):
		field := "lines"
		if line.Line > 0 {
			field += "[" + strconv.Itoa(line.Line-1) + "]"
		}
		return nil, problem(invalid, "", FieldError{field, line.Text})
	case errors.Is(err, ledgerbook.ErrConflict):
		return nil, problem(conflict, "a payment of this reference was booked before, with other content")
	case err != nil:
		return nil, noSupplier(err)
	}
	out := &paidSupplier{}
	out.Body.Reference, out.Body.Result = said.Reference, "booked"
	if repeat {
		out.Body.Result = "repeat"
	}
	return out, nil
}

// read reads the payment, or says what is wrong with its fields.
func (in *paySupplierInput) read() (r *supplier.Remittance, wrong []FieldError) {
	b := &in.Body
	r = &supplier.Remittance{Reference: b.Reference, Currency: b.Currency}
	refuse := func(field, want string) { wrong = append(wrong, FieldError{field, "want " + want}) }
	if !csvtable.IsNumber(b.Reference) {
		refuse("reference", "at most 64 letters, digits and ._:/#-")
	}
	var err error
	if r.At, err = time.Parse(time.DateOnly, b.Date); err != nil {
		refuse("date", "a day such as 2026-04-30")
	}
	if _, err := money.Digits(b.Currency); err != nil {
		refuse("currency", "a code such as USD")
		return r, wrong
	}
	read := func(field, text string) int64 {
		amount, err := money.Parse(text, b.Currency)
		if err != nil {
			refuse(field, "an amount in "+b.Currency+" such as 12.50 or -12.50")
		}
		return amount.Minor
	}
	r.Total = read("total", b.Total)
	for i, l := range b.Lines {
		at := "lines[" + strconv.Itoa(i) + "]"
		for field, number := range map[string]string{"invoice": l.Invoice, "credit_memo": l.Credit} {
			if number != "" && !csvtable.IsNumber(number) {
				refuse(at+"."+field, "a number of at most 64 letters, digits and ._:/#-")
			}
		}
		r.Lines = append(r.Lines, supplier.RemittanceLine{Invoice: l.Invoice, Credit: l.Credit, Minor: read(at+".amount", l.Amount)})
	}
	return r, wrong
}
