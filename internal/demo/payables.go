package demo

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/money"
)

// dueLine is what a supplier is due, as the API lists it.
type dueLine struct {
	Invoice  string `json:"invoice,omitempty"`
	Credit   string `json:"credit_memo,omitempty"`
	Currency string `json:"currency"`
	Amount   string `json:"amount"`
	Disputed string `json:"disputed"`
	Order    string `json:"order"`
}

// paidLine is a line of a payment to a supplier.
type paidLine struct {
	Invoice string `json:"invoice,omitempty"`
	Credit  string `json:"credit_memo,omitempty"`
	Amount  string `json:"amount"`
}

// paysSupplier is the bookkeeper, who pays what a supplier charged for the order and sets off what it credited: whole,
// as soon as nothing of it is in dispute.
func (p *play) paysSupplier(ctx context.Context, supplier string) error {
	due, err := p.dueOf(ctx, supplier)
	if err != nil {
		return err
	}
	payment := struct {
		Reference string     `json:"reference"`
		Date      string     `json:"date"`
		Currency  string     `json:"currency"`
		Total     string     `json:"total"`
		Lines     []paidLine `json:"lines"`
	}{Reference: "REM-" + p.story.key.Order, Date: time.Now().UTC().Format(time.DateOnly), Currency: due[0].Currency}
	var total int64
	for _, d := range due {
		minor, err := money.Parse(d.Amount, d.Currency)
		if err != nil {
			return fmt.Errorf("pay %s for order %s: %w", supplier, p.story.key, err)
		}
		total += minor.Minor
		payment.Lines = append(payment.Lines, paidLine{Invoice: d.Invoice, Credit: d.Credit, Amount: d.Amount})
	}
	if payment.Total, err = money.Format(total, payment.Currency); err != nil {
		return fmt.Errorf("pay %s for order %s: %w", supplier, p.story.key, err)
	}
	for {
		// A payment whose answer was lost is sent again, and booked once.
		var said refusal
		status, err := p.world.call(ctx, operatorKey, http.MethodPost, "/v1/suppliers/"+supplier+"/payments", payment, &said)
		switch {
		case err == nil && status == http.StatusOK:
			p.tell("bookkeeper: %s is paid %s %s by %s, its credit set off", supplier, payment.Total, payment.Currency, payment.Reference)
			return nil
		case err == nil && status < http.StatusInternalServerError:
			return fmt.Errorf("pay %s for order %s: answered %d: %s %s", supplier, p.story.key, status, said.Title, said.Detail)
		}
		if err := p.pause(ctx, "pay "+supplier); err != nil {
			return err
		}
	}
}

// dueOf waits until an invoice of the order is due, a credit is there to be set off, and nothing is disputed.
func (p *play) dueOf(ctx context.Context, supplier string) ([]dueLine, error) {
	for {
		var list struct{ Due []dueLine }
		status, err := p.world.call(ctx, operatorKey, http.MethodGet, "/v1/suppliers/"+supplier+"/due", nil, &list)
		var mine []dueLine
		invoiced, credited, disputed := false, false, false
		for _, d := range list.Due {
			if d.Order != p.story.key.String() {
				continue
			}
			mine = append(mine, d)
			invoiced, credited, disputed = invoiced || d.Invoice != "", credited || d.Credit != "", disputed || d.Disputed != "0.00"
		}
		if err == nil && status == http.StatusOK && invoiced && credited && !disputed {
			return mine, nil
		}
		if err := p.pause(ctx, "see what "+supplier+" is due"); err != nil {
			return nil, err
		}
	}
}

func (p *play) pause(ctx context.Context, what string) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s for order %s: %w", what, p.story.key, ctx.Err())
	case <-time.After(lookEvery):
		return nil
	}
}

// standing is what suppliers were paid for an order, what was set off taken off, and what they are due still, in minor
// units of one currency.
type standing struct {
	currency  string
	paid, due int64
}

// toSuppliers reads the order's ledger, by currency.
func (w *world) toSuppliers(ctx context.Context, key string) ([]standing, error) {
	rows, err := w.pool.Query(ctx, `
		SELECT e.currency, coalesce(-sum(e.minor) FILTER (WHERE e.account = 'bank' AND t.kind IN ('supplier_paid', 'supplier_set_off')), 0)::bigint,
			coalesce(-sum(e.minor) FILTER (WHERE starts_with(e.account, 'supplier_payable:')), 0)::bigint
		FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id WHERE t.order_key = $1 GROUP BY 1 ORDER BY 1`, key)
	if err != nil {
		return nil, fmt.Errorf("read what suppliers of order %s were paid: %w", key, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s standing, err error) {
		err = row.Scan(&s.currency, &s.paid, &s.due)
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("read what suppliers of order %s were paid: %w", key, err)
	}
	return slices.DeleteFunc(list, func(s standing) bool { return s.paid == 0 && s.due == 0 }), nil
}

// closing says it in the closing table.
func closing(list []standing) string {
	var words []string
	for _, s := range list {
		if s.paid != 0 {
			words = append(words, money.Money{Minor: s.paid, Currency: s.currency}.String()+" paid")
		}
		if s.due != 0 {
			words = append(words, money.Money{Minor: s.due, Currency: s.currency}.String()+" due")
		}
	}
	return strings.Join(words, ", ")
}

// comparePaid holds what the supplier was paid against the story: then its account is zero.
func (p *play) comparePaid(ctx context.Context, d *differences) {
	want := p.story.want.toSupplier
	if want == 0 {
		return
	}
	got, err := p.world.toSuppliers(ctx, p.story.key.String())
	if err != nil {
		d.add("%v", err)
		return
	}
	same(d, "to the supplier", closing(got), closing([]standing{{currency, want, 0}}))
}
