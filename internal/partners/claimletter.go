package partners

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/outbox"
)

// aboutClaim writes of what a supplier owes us, by the numbers that it knows.
func (r *Reminders) aboutClaim(ctx context.Context, m outbox.Message) (notify.Letter, error) {
	payload, is := m.Payload.(outbox.Payload)
	if !is {
		return notify.Letter{}, fmt.Errorf("letter %s says nothing of its claim", m.Key)
	}
	parts, err := r.parts(ctx, payload.Claim)
	if err != nil {
		return notify.Letter{}, fmt.Errorf("find the parts of claim %s: %w", payload.Claim, err)
	}
	amount := money.Money{Minor: payload.Amount, Currency: payload.Currency}
	subject, opening := "", "You" // what joins many orders names none
	if payload.PO != "" {
		subject, opening = " for purchase order "+payload.PO, "For purchase order "+payload.PO+" you"
	}
	letter := notify.Letter{
		Subject: "Claim " + payload.Claim + ": " + amount.String() + subject,
		Text: opening + " owe us " + amount.String() + ":\n\n" + parts +
			"\nPlease send a credit memo that names claim " + payload.Claim + ", or tell us why you refuse it.\n",
	}
	if m.Kind == outbox.KindClaimChased {
		letter.Subject = "Reminder: " + letter.Subject
	}
	return letter, nil
}

func (r *Reminders) parts(ctx context.Context, reference string) (string, error) {
	rows, err := r.Pool.Query(ctx, `SELECT c.kind, c.reason, c.minor, c.currency, '', c.key FROM claims c JOIN pursuits p ON p.id = c.pursuit
		WHERE p.reference = $1 AND c.closed_at IS NULL AND c.kind <> $2
		UNION ALL
		SELECT $2, '', sum(c.minor)::bigint, p.currency, split_part(p.id, '/', 2), '' FROM claims c JOIN pursuits p ON p.id = c.pursuit
		WHERE p.reference = $1 AND c.closed_at IS NULL AND c.kind = $2 GROUP BY p.id ORDER BY 6`, reference, string(ledger.ClaimVolumeDiscount))
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var kind, reason, period, key string
		var owed money.Money
		err := row.Scan(&kind, &reason, &owed.Minor, &owed.Currency, &period, &key)
		about := inWords(ledger.ClaimKind(kind), reason)
		if period != "" {
			about += " of " + period + ", for invoices that came before the tier was reached"
		}
		return "  " + owed.String() + "  " + about + "\n", err
	})
	return strings.Join(lines, ""), err
}

// inWords is what a claim is about, for a supplier.
func inWords(kind ledger.ClaimKind, reason string) string {
	about := strings.ReplaceAll(string(kind), "_", " ")
	if reason != "" {
		about += ": " + strings.ReplaceAll(reason, "_", " ")
	}
	return about
}
