package intake

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dropline/dropline/internal/postgres"
)

// Standings of a document.
const (
	statusReceived    = "received"
	statusApplied     = "applied"
	statusIgnored     = "ignored"
	statusQuarantined = "quarantined"
)

// Codes say why a document was quarantined, or ignored.
const (
	CodeConflictingRepeat   = "conflicting_repeat"
	CodeConflictingOrder    = "conflicting_order"
	CodeConflictingInvoice  = "conflicting_invoice"
	CodeConflictingMemo     = "conflicting_credit_memo"
	CodeConflictingDispute  = "conflicting_chargeback"
	CodeConflictingNotice   = "conflicting_ship_notice"
	CodeCurrencyMismatch    = "currency_mismatch"
	CodeForeignPO           = "foreign_purchase_order"
	CodeGaveUp              = "gave_up"
	CodeInvalid             = "invalid"
	CodeMalformed           = "malformed"
	CodePanicked            = "panicked"
	CodeTooLarge            = "too_large"
	CodeUnknownOrder        = "unknown_order"
	CodeUnknownPayment      = "unknown_payment"
	CodeUnknownPO           = "unknown_purchase_order"
	CodeUnknownRefund       = "unknown_refund"
	CodeUnknownReturn       = "unknown_return"
	CodeUnknownClaim        = "unknown_claim"
	CodeUnknownSender       = "unknown_sender"
	CodeNotAuthentic        = "not_authentic"
	CodeNoDocument          = "no_document"
	CodeUnknownSource       = "unknown_source"
	CodeUnknownStorefront   = "unknown_storefront"
	CodeUnknownType         = "unknown_type"
	CodeNothingToShip       = "nothing_to_ship"       // ignored
	CodeOtherEvent          = "other_event"           // ignored
	CodeKnownAlready        = "known_already"         // ignored
	CodeNoDecision          = "changes_no_decision"   // ignored
	CodeAwaitsParcel        = "awaits_parcel"         // applied
	CodeDismissedByOperator = "dismissed_by_operator" // ignored
)

// verdict is what becomes of a document. Its reason is for an operator: what is wrong and what to
// do, and nothing of the document's content.
type verdict struct {
	status, code, reason, order string
	urgent                      bool // a workflow waits for what was committed
}

func applied(orderKey string) verdict {
	return verdict{status: statusApplied, order: orderKey, urgent: true}
}

func ignored(code, orderKey, reason string) verdict {
	return verdict{status: statusIgnored, code: code, order: orderKey, reason: reason}
}

func quarantine(code, format string, args ...any) verdict {
	return verdict{status: statusQuarantined, code: code, reason: fmt.Sprintf(format, args...)}
}

// later is an error: what the document needs is not there yet.
type later struct {
	order   string
	giveUp  verdict // once the bound of attempts is reached
	because string
}

func (l *later) Error() string { return l.because }

// errTaken: somebody else finished the document in the meantime.
var errTaken = errors.New("the document was finished by somebody else")

// execer is a pool or a transaction.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

const finishSQL = `
	UPDATE documents SET status = $2, reason_code = $3, reason = $4, order_key = coalesce(nullif($5, ''), order_key),
		processed_at = now()
	WHERE id = $1 AND status = 'received'`

func (v verdict) finishing(documentID int64) []any {
	return []any{documentID, v.status, v.code, v.reason, v.order}
}

func finish(ctx context.Context, db execer, documentID int64, v verdict) error {
	tag, err := db.Exec(ctx, finishSQL, v.finishing(documentID)...)
	if err != nil {
		return fmt.Errorf("finish document %d: %w", documentID, err)
	}
	if tag.RowsAffected() == 0 {
		return errTaken
	}
	return nil
}

var _ execer = pgx.Tx(nil)

// finishLast is finish in the round trip that commits. Nothing must be committed of a document that somebody else
// finished in the meantime, so that it fails there: dividing by no rows is an error that finishedBefore knows.
func finishLast(tx *postgres.Tx, documentID int64, v verdict) {
	tx.Last(`WITH finished AS (`+finishSQL+` RETURNING 1) SELECT 1 / count(*) FROM finished`, v.finishing(documentID)...)
}

func finishedBefore(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == divisionByZero
}

const divisionByZero = "22012"
