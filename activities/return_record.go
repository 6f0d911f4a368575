package activities

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/workflows"
)

// LoadReturn reads a return as the desk or the workflow's last run recorded it, with the facts that were
// delivered since folded in.
func (o *Orders) LoadReturn(ctx context.Context, rma string) (returns.State, error) {
	standing, err := returndesk.Stand(ctx, o.Pool, rma)
	return standing.State, err
}

// ReadReturnFacts reads the facts of a return after one it has: those whose delivery it could not read.
func (o *Orders) ReadReturnFacts(ctx context.Context, in workflows.ReturnFactsInput) ([]returns.Fact, error) {
	return returndesk.After(ctx, o.Pool, in.RMA, in.After)
}

// RecordReturn brings Postgres up to what the return has decided: its snapshot, what the supplier owes,
// and the messages that follow. Running it twice changes nothing. Units that were granted for another return
// after this one was given up stay with that one: no unit is in two returns, and the answer names their lines.
func (o *Orders) RecordReturn(ctx context.Context, s returns.State) (anew string, err error) {
	err = postgres.Do(ctx, o.Pool, func(ctx context.Context, w *postgres.Work) error {
		// The order's row comes first, as everywhere.
		book := ledgerbook.Open(w, s.Key.String())
		boxes := queueBoxes(w, &s)
		if err := w.Flush(ctx); err != nil {
			return err
		}
		if err := book.FollowReturn(creditOf(&s)); err != nil {
			return err
		}
		if err := claimOfCarriers(book, &s, boxes, o.Now()); err != nil {
			return err
		}
		if err := book.Write(w); err != nil {
			return err
		}
		return recordReturn(w, &s, &anew)
	})
	if err != nil {
		return "", fmt.Errorf("record return %s: %w", s.RMA, err)
	}
	return anew, nil
}

// CloseReturn is RecordReturn for a return whose every account is square: units that did not come may be
// returned anew.
func (o *Orders) CloseReturn(ctx context.Context, s returns.State) (string, error) {
	if open := s.Claim.Open(); open != 0 {
		return "", fmt.Errorf("close return %s: %s still owes %d", s.RMA, s.Terms.Supplier, open)
	}
	return o.RecordReturn(ctx, s)
}

func creditOf(s *returns.State) ledgerbook.ReturnCredit {
	c := ledgerbook.ReturnCredit{
		RMA: s.RMA, Supplier: s.Terms.Supplier, Currency: s.CreditCurrency(), Expected: s.Claim.Expected, Got: s.Claim.Got,
		WrittenOff: s.Claim.WrittenOff, Due: s.Claim.DueAt,
	}
	for i := range s.Lines {
		c.Damage = c.Damage || s.Lines[i].Reason.Fault()
	}
	return c
}

// releaseSQL frees units of a return, or takes them back as far as no other return has them, and names the lines
// of which it could not take back all.
const releaseSQL = `
	WITH fit AS (
		SELECT l.line, n.released AS wanted, greatest(n.released, l.quantity - p.quantity + (SELECT coalesce(sum(x.quantity - x.released), 0)
			FROM return_lines x WHERE x.po_number = l.po_number AND x.line = l.line AND x.rma <> l.rma))::bigint AS released
		FROM return_lines l JOIN purchase_order_lines p ON p.number = l.po_number AND p.line = l.line
			JOIN unnest($2::int[], $3::bigint[]) AS n (line, released) ON n.line = l.line
		WHERE l.rma = $1),
	moved AS (UPDATE return_lines l SET released = f.released FROM fit f WHERE l.rma = $1 AND l.line = f.line AND l.released <> f.released)
	SELECT coalesce(string_agg(line::text, ', ' ORDER BY line), '') FROM fit WHERE released > wanted`

func recordReturn(w ledgerbook.Queue, s *returns.State, anew *string) error {
	snapshot, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode the state of return %s: %w", s.RMA, err)
	}
	w.Queue(`UPDATE returns SET state = $2, stage = $3, needs_attention = $4,
		closed_at = CASE WHEN $5 THEN coalesce(closed_at, now()) END WHERE rma = $1`,
		s.RMA, snapshot, string(s.Stage()), len(s.Attention) > 0, s.Closed)
	lines, released := make([]int, 0, len(s.Lines)), make([]int64, 0, len(s.Lines))
	for i := range s.Lines {
		lines, released = append(lines, s.Lines[i].Line), append(released, s.Released(&s.Lines[i]))
	}
	w.Queue(releaseSQL, s.RMA, lines, released).QueryRow(func(row pgx.Row) error { return row.Scan(anew) })
	var messages []outbox.Message
	for i := range s.Notices {
		n := &s.Notices[i]
		channel := outbox.CustomerMail
		if n.Kind == returns.NoticeInspect || n.Kind == returns.NoticeChaseCredit {
			channel = outbox.SupplierMail
		}
		messages = append(messages, outbox.Message{
			Key: string(channel) + "/" + n.Key, OrderKey: s.Key.String(), Channel: channel, Kind: string(n.Kind),
			Payload: outbox.Payload{PO: s.PO, RMA: s.RMA, Lines: n.Lines, Amount: s.Claim.Open(), Currency: s.CreditCurrency(), ExpectedOn: s.SendBy},
		})
	}
	return queueMessages(w, messages...)
}
