package partners

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/postgres"
)

// Reminders writes to the contact that a supplier's contract names.
type Reminders struct {
	Pool *pgxpool.Pool
	Mail *notify.Mailer
}

// Remind asks a supplier to acknowledge a purchase order. sent is false when its contract names no
// contact.
func (r *Reminders) Remind(ctx context.Context, supplier string, m outbox.Message) (sent bool, err error) {
	s, err := postgres.Supplier(ctx, r.Pool, supplier)
	if err != nil || s.Contract.Contact == "" {
		return false, err
	}
	var number string
	var due *time.Time
	err = r.Pool.QueryRow(ctx, `SELECT p.number, p.ack_due_at FROM outbox o JOIN purchase_orders p ON p.number = o.payload->>'po'
		WHERE o.key = $1`, m.Key).Scan(&number, &due)
	if err != nil {
		return false, fmt.Errorf("find the purchase order of reminder %s: %w", m.Key, err)
	}
	by := "soon"
	if due != nil {
		zone, err := s.Contract.Calendar.Location()
		if err != nil {
			return false, err
		}
		by = "by " + order.Clock(due.In(zone))
	}
	return true, r.Mail.SendLetter(ctx, notify.Letter{
		Key: m.Key, To: s.Contract.Contact, Subject: "Please acknowledge purchase order " + number,
		Text: "Purchase order " + number + " waits for your acknowledgment, which our contract asks for " + by + ".\n\n" +
			"Without it the goods are ordered elsewhere and the purchase order is cancelled.\n",
	})
}
