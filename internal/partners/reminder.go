package partners

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returns"
)

// Reminders writes to the contact that a supplier's contract names.
type Reminders struct {
	Pool *pgxpool.Pool
	Mail *notify.Mailer
}

// The kinds of letters about returns.
const (
	letterAnnounced = "return_announced"
	letterInspect   = string(returns.NoticeInspect)
	letterChase     = string(returns.NoticeChaseCredit)
)

// Remind writes to a supplier about a purchase order that it has not acknowledged, or about a return.
// sent is false when its contract names no contact.
func (r *Reminders) Remind(ctx context.Context, supplier string, m outbox.Message) (sent bool, err error) {
	s, err := postgres.Supplier(ctx, r.Pool, supplier)
	if err != nil || s.Contract.Contact == "" {
		return false, err
	}
	letter, err := r.write(ctx, &s, m)
	if err != nil {
		return false, err
	}
	letter.Key, letter.To = m.Key, s.Contract.Contact
	return true, r.Mail.SendLetter(ctx, letter)
}

func (r *Reminders) write(ctx context.Context, s *catalog.Supplier, m outbox.Message) (notify.Letter, error) {
	switch m.Kind {
	case letterAnnounced, letterInspect, letterChase:
		return r.aboutReturn(ctx, m)
	case outbox.KindClaimAsked, outbox.KindClaimChased:
		return r.aboutClaim(ctx, m)
	}
	return r.acknowledge(ctx, s, m)
}

func (r *Reminders) acknowledge(ctx context.Context, s *catalog.Supplier, m outbox.Message) (notify.Letter, error) {
	var number string
	var due *time.Time
	err := r.Pool.QueryRow(ctx, `SELECT p.number, p.ack_due_at FROM outbox o JOIN purchase_orders p ON p.number = o.payload->>'po'
		WHERE o.key = $1`, m.Key).Scan(&number, &due)
	if err != nil {
		return notify.Letter{}, fmt.Errorf("find the purchase order of reminder %s: %w", m.Key, err)
	}
	by := "soon"
	if due != nil {
		zone, err := s.Contract.Calendar.Location()
		if err != nil {
			return notify.Letter{}, err
		}
		by = "by " + order.Clock(due.In(zone))
	}
	return notify.Letter{
		Subject: "Please acknowledge purchase order " + number,
		Text: "Purchase order " + number + " waits for your acknowledgment, which our contract asks for " + by + ".\n\n" +
			"Without it the goods are ordered elsewhere and the purchase order is cancelled.\n",
	}, nil
}

// aboutReturn writes of goods that come back, by the supplier's own article numbers.
func (r *Reminders) aboutReturn(ctx context.Context, m outbox.Message) (notify.Letter, error) {
	payload, is := m.Payload.(outbox.Payload)
	if !is {
		return notify.Letter{}, fmt.Errorf("letter %s says nothing of its return", m.Key)
	}
	goods, err := r.goods(ctx, payload.RMA)
	if err != nil {
		return notify.Letter{}, fmt.Errorf("find the goods of return %s: %w", payload.RMA, err)
	}
	about := "return " + payload.RMA + " of purchase order " + payload.PO
	switch m.Kind {
	case letterAnnounced:
		return notify.Letter{
			Subject: "Goods come back: return " + payload.RMA,
			Text: "A customer sends goods of purchase order " + payload.PO + " back to you as return " + payload.RMA + ", by " +
				payload.ExpectedOn.UTC().Format("2 January 2006") + ":\n\n" + goods +
				"\nPlease tell us within your usual time what you found, and send the credit memo under this number.\n",
		}, nil
	case letterInspect:
		return notify.Letter{
			Subject: "What did you find in return " + payload.RMA + "?",
			Text:    "The carrier delivered " + about + " to you, and we have no word of what was in it:\n\n" + goods + "\nPlease tell us what you found.\n",
		}, nil
	}
	amount := money.Money{Minor: payload.Amount, Currency: payload.Currency}
	return notify.Letter{
		Subject: "Credit for return " + payload.RMA,
		Text: "For " + about + " you owe us a credit of " + amount.String() + ", which our contract asks for by now:\n\n" + goods +
			"\nPlease send the credit memo under this number.\n",
	}, nil
}

func (r *Reminders) goods(ctx context.Context, rma string) (string, error) {
	rows, err := r.Pool.Query(ctx, `SELECT format(E'  %s x %s (line %s)\n', l.quantity, p.supplier_sku, l.line) FROM return_lines l
		JOIN purchase_order_lines p ON p.number = l.po_number AND p.line = l.line WHERE l.rma = $1 ORDER BY l.line`, rma)
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(lines, ""), err
}
