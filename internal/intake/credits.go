package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/supplier/csvcredit"
	"github.com/dropline/dropline/internal/supplier/csvtable"
	"github.com/dropline/dropline/internal/supplier/restapi"
)

// KindCreditsCSV is the kind of a supplier's document that is a file of credit memos.
const KindCreditsCSV = "credits_csv"

// KindOfCSV tells by the header of a supplier's file what it holds. One that cannot be read is taken for
// invoices, and its mistake is told where it is read.
func KindOfCSV(file []byte) string {
	if csvcredit.Is(file) {
		return KindCreditsCSV
	}
	return KindInvoicesCSV
}

// unreadableFile quarantines a file for a mistake that has a place in it.
func unreadableFile(where *csvtable.Error) verdict {
	return quarantine(CodeMalformed, "The file cannot be read: %s. Ask the sender for a corrected file.", where)
}

// applyCredits takes a file of credit memos whole or not at all, each as if it had come by itself.
func applyCredits(ctx context.Context, tx pgx.Tx, d received) (verdict, error) {
	list, err := csvcredit.Parse(d.body)
	if where, broken := errors.AsType[*csvtable.Error](err); broken {
		return unreadableFile(where), nil
	}
	if err != nil {
		return verdict{}, err
	}
	if err := lockSubjects(ctx, tx, d.party, list); err != nil {
		return verdict{}, err
	}
	slices.SortFunc(list, func(a, b supplier.Credit) int { return cmp.Compare(a.Number, b.Number) })
	taken := verdict{status: statusIgnored, code: CodeKnownAlready, reason: "Every credit memo of the file came before, with the same content."}
	for i := range list {
		v, err := applyCredit(ctx, tx, d, &list[i])
		if err != nil {
			return v, err
		}
		switch v.status {
		case statusQuarantined:
			v.reason = "Credit memo " + list[i].Number + " of the file, of which nothing was taken: " + v.reason
			return v, nil
		case statusApplied:
			taken = verdict{status: statusApplied, urgent: true}
		}
	}
	return taken, nil
}

// lockSubjects locks what a file's credits are for, in the order of the keys: two files take turns, and do not
// each hold what the other one needs next.
func lockSubjects(ctx context.Context, tx pgx.Tx, party string, list []supplier.Credit) error {
	var rmas, references, invoices []string
	for i := range list {
		rmas = append(rmas, list[i].RMA)
		references = append(references, list[i].Claim)
		invoices = append(invoices, list[i].Invoice)
	}
	_, err := tx.Exec(ctx, `SELECT FROM orders WHERE key IN (SELECT order_key FROM pursuits WHERE reference = ANY ($1) AND supplier = $3
			UNION ALL SELECT order_key FROM supplier_invoices WHERE invoice = ANY ($2) AND supplier = $3) ORDER BY key FOR NO KEY UPDATE`,
		references, invoices, party)
	if err == nil {
		_, err = tx.Exec(ctx, `SELECT FROM returns WHERE rma = ANY ($1) AND supplier = $2 ORDER BY rma FOR NO KEY UPDATE`, rmas, party)
	}
	if err != nil {
		return fmt.Errorf("lock what credit memos are for: %w", err)
	}
	return nil
}

func applyCredit(ctx context.Context, tx pgx.Tx, d received, c *supplier.Credit) (verdict, error) {
	document := restapi.Document{RMA: c.RMA, Currency: c.Currency}
	if c.RMA == "" {
		document.Claim = &restapi.ClaimSaid{Reference: c.Claim, Invoice: c.Invoice, Number: c.Number, At: c.At, Amount: c.Amount}
		return applyClaim(ctx, tx, d, document)
	}
	document.Return = &returns.Fact{Memo: &returns.CreditMemo{
		Document: "csv:" + strconv.FormatInt(d.id, 10), Number: c.Number, At: c.At, Amount: c.Amount,
	}}
	return applyReturn(ctx, tx, d, document)
}
