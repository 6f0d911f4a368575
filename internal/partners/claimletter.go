package partners

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/postgres"
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

// RemindCarrier writes to the contact that the catalogue names for claims on a carrier. sent is false when it
// names none.
func (r *Reminders) RemindCarrier(ctx context.Context, carrier string, m outbox.Message) (sent bool, err error) {
	c, err := postgres.Carrier(ctx, r.Pool, carrier)
	if err != nil || c.Claims.Contact == "" {
		return false, err
	}
	letter, err := r.toCarrier(ctx, m)
	if err != nil {
		return false, err
	}
	letter.Key, letter.To = m.Key, c.Claims.Contact
	return true, r.Mail.SendLetter(ctx, letter)
}

// toCarrier writes of parcels that a carrier lost or damaged, by their numbers.
func (r *Reminders) toCarrier(ctx context.Context, m outbox.Message) (notify.Letter, error) {
	payload, is := m.Payload.(outbox.Payload)
	if !is {
		return notify.Letter{}, fmt.Errorf("letter %s says nothing of its claim", m.Key)
	}
	var kind string
	var due *time.Time
	err := r.Pool.QueryRow(ctx, `SELECT kind, (SELECT max(due_at) FROM claims WHERE pursuit = p.id AND closed_at IS NULL)
		FROM pursuits p WHERE reference = $1`, payload.Claim).Scan(&kind, &due)
	if err != nil {
		return notify.Letter{}, fmt.Errorf("find claim %s: %w", payload.Claim, err)
	}
	parcels, err := r.parcels(ctx, payload.Claim)
	if err != nil {
		return notify.Letter{}, fmt.Errorf("find the parcels of claim %s: %w", payload.Claim, err)
	}
	amount := money.Money{Minor: payload.Amount, Currency: payload.Currency}
	subject := "Claim " + payload.Claim + ": " + amount.String() + " for a " + inWords(ledger.ClaimKind(kind), "")
	if m.Kind == outbox.KindClaimWithdrawn {
		return notify.Letter{
			Subject: "Withdrawn: " + subject,
			Text:    "You have delivered what we claimed of you, so we withdraw our claim " + payload.Claim + " of " + amount.String() + ":\n\n" + parcels,
		}, nil
	}
	letter := notify.Letter{Subject: subject, Text: "For our account you carried:\n\n" + parcels + "\nReason: " + carrierReasons[ledger.ClaimKind(kind)] +
		"\nValue of the goods that we claim: " + amount.String() + "\n\nPlease pay it under the number " + payload.Claim + ", or tell us why you refuse it"}
	if due != nil {
		letter.Text += ", by " + due.UTC().Format("2 January 2006")
	}
	letter.Text += ".\n"
	if m.Kind == outbox.KindClaimChased {
		letter.Subject = "Reminder: " + letter.Subject
	}
	return letter, nil
}

var carrierReasons = map[ledger.ClaimKind]string{
	ledger.ClaimLostParcel: "the parcel was handed to you and never delivered.",
	ledger.ClaimDamage:     "the goods were damaged when the parcel was delivered.",
}

func (r *Reminders) parcels(ctx context.Context, reference string) (string, error) {
	rows, err := r.Pool.Query(ctx, `SELECT b.carrier, b.tracking, b.first_scan_at, b.last_scan_at FROM pursuit_parcels b JOIN pursuits p ON p.id = b.pursuit
		WHERE p.reference = $1 ORDER BY b.carrier, b.tracking`, reference)
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var name, tracking string
		var first, last *time.Time
		err := row.Scan(&name, &tracking, &first, &last)
		on := func(word string, at *time.Time) string {
			if at == nil {
				return ""
			}
			return ", " + word + " " + at.UTC().Format("2 January 2006")
		}
		return "  parcel " + tracking + " (" + name + ")" + on("handed in", first) + on("last scanned", last) + "\n", err
	})
	return strings.Join(lines, ""), err
}
