package activities

import (
	"context"
	"encoding/json"
	"fmt"

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
// and the messages that follow. Running it twice changes nothing.
func (o *Orders) RecordReturn(ctx context.Context, s returns.State) error {
	err := postgres.Do(ctx, o.Pool, func(ctx context.Context, w *postgres.Work) error {
		// The order's row comes first, as everywhere.
		book := ledgerbook.Open(w, s.Key.String())
		if err := w.Flush(ctx); err != nil {
			return err
		}
		if err := book.FollowReturn(creditOf(&s)); err != nil {
			return err
		}
		if err := book.Write(w); err != nil {
			return err
		}
		return recordReturn(w, &s)
	})
	if err != nil {
		return fmt.Errorf("record return %s: %w", s.RMA, err)
	}
	return nil
}

// CloseReturn is RecordReturn for a return whose every account is square: units that did not come may be
// returned anew.
func (o *Orders) CloseReturn(ctx context.Context, s returns.State) error {
	if open := s.Claim.Open(); open != 0 {
		return fmt.Errorf("close return %s: %s still owes %d", s.RMA, s.Terms.Supplier, open)
	}
	return o.RecordReturn(ctx, s)
}

func creditOf(s *returns.State) ledgerbook.ReturnCredit {
	c := ledgerbook.ReturnCredit{
		RMA: s.RMA, Supplier: s.Terms.Supplier, Currency: s.Currency, Expected: s.Claim.Expected, Got: s.Claim.Got,
		WrittenOff: s.Claim.WrittenOff, Due: s.Claim.DueAt,
	}
	for i := range s.Lines {
		c.Damage = c.Damage || s.Lines[i].Reason.Fault()
	}
	return c
}

func recordReturn(w ledgerbook.Queue, s *returns.State) error {
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
	w.Queue(`UPDATE return_lines l SET released = n.released FROM unnest($2::int[], $3::bigint[]) AS n (line, released)
		WHERE l.rma = $1 AND l.line = n.line AND l.released <> n.released`, s.RMA, lines, released)
	var messages []outbox.Message
	for i := range s.Notices {
		n := &s.Notices[i]
		channel := outbox.CustomerMail
		if n.Kind == returns.NoticeInspect || n.Kind == returns.NoticeChaseCredit {
			channel = outbox.SupplierMail
		}
		messages = append(messages, outbox.Message{
			Key: string(channel) + "/" + n.Key, OrderKey: s.Key.String(), Channel: channel, Kind: string(n.Kind),
			Payload: outbox.Payload{PO: s.PO, RMA: s.RMA, Lines: n.Lines, Amount: s.Claim.Open(), Currency: s.Currency, ExpectedOn: s.SendBy},
		})
	}
	return queueMessages(w, messages...)
}
