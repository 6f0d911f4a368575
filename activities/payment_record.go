package activities

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/payment"
	"github.com/dropline/dropline/internal/paymentdesk"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/workflows"
)

// LoadPayment reads a payment as its workflow's last run recorded it, with the facts that were delivered
// since folded in.
func (o *Orders) LoadPayment(ctx context.Context, key order.Key) (payments.State, error) {
	standing, err := paymentdesk.Stand(ctx, o.Pool, key)
	return standing.State, err
}

// ReadPaymentFacts reads the facts of a payment after one it has: those whose delivery it could not read.
func (o *Orders) ReadPaymentFacts(ctx context.Context, in workflows.PaymentFactsInput) ([]payments.Fact, error) {
	return paymentdesk.After(ctx, o.Pool, in.Key.String(), in.After)
}

// RecordPayment brings Postgres up to what the payment has come to: its snapshot, what its news post to
// the ledger with the claims on what is open, the order's cancellation after a chargeback, and the
// messages that follow. Running it twice changes nothing.
func (o *Orders) RecordPayment(ctx context.Context, s payments.State) error {
	key := s.Key.String()
	err := postgres.Do(ctx, o.Pool, func(ctx context.Context, w *postgres.Work) error {
		// The order's row comes first, as everywhere.
		book := ledgerbook.Open(w, key)
		if err := w.Flush(ctx); err != nil {
			return err
		}
		if err := book.PostPayment(s.Currency, s.Posts); err != nil {
			return err
		}
		if err := book.Write(w); err != nil {
			return err
		}
		for _, dispute := range s.Stops {
			if err := facts.QueueCancel(w, key, order.CancelRequest{ID: "chargeback/" + dispute, Reason: "chargeback", By: "chargeback"}); err != nil {
				return err
			}
		}
		return recordPayment(w, &s)
	})
	if err != nil {
		return fmt.Errorf("record the payment of order %s: %w", s.Key, err)
	}
	return nil
}

// ClosePayment is RecordPayment for a payment of which nothing is open.
func (o *Orders) ClosePayment(ctx context.Context, s payments.State) error {
	if err := s.Check(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return o.RecordPayment(ctx, s)
}

// recordPayment queues the snapshot. What came after it keeps the payment open.
func recordPayment(w ledgerbook.Queue, s *payments.State) error {
	snapshot, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode the state of the payment of order %s: %w", s.Key, err)
	}
	standing := paymentdesk.StandingAuthorised
	switch {
	case s.Capture.Gone && s.Due() == 0 && s.Capture.Elsewhere+s.Capture.WrittenOff == 0:
		standing = paymentdesk.StandingVoided // it ended by itself, and nobody has to let it go
	case s.Capture.Elsewhere > 0:
		standing = paymentdesk.StandingElsewhere
	case s.Capture.WrittenOff > 0:
		standing = paymentdesk.StandingWrittenOff
	}
	w.Queue(`UPDATE payments SET state = $2, stage = $3, needs_attention = $4, moved_minor = $5,
		closed_at = CASE WHEN $6 AND fact_seq <= $7 THEN coalesce(closed_at, now()) END,
		standing = CASE WHEN standing = 'authorised' THEN $8 ELSE standing END,
		awaits_shipment = awaits_shipment AND $8 = 'authorised' WHERE order_key = $1`,
		s.Key.String(), snapshot, string(s.Stage()), len(s.Attention) > 0, s.Moved, s.Closed, s.LastFact, standing)
	var messages []outbox.Message
	for _, n := range s.Notices {
		messages = append(messages, outbox.Message{
			Key: "customer_mail/" + n.Key, OrderKey: s.Key.String(), Channel: outbox.CustomerMail, Kind: string(notify.Refunded),
			Payload: outbox.Payload{Amount: n.Amount, Currency: s.Currency},
		})
	}
	return queueMessages(w, messages...)
}

// SendEvidence answers a chargeback with all that proves the delivery. It returns the provider's code when
// that does not take it; empty: it has.
func (o *Orders) SendEvidence(ctx context.Context, in workflows.EvidenceInput) (string, error) {
	c, err := o.openPayment(ctx, in.Key, nil)
	if err != nil {
		return "", err
	}
	proof, err := paymentdesk.Evidence(ctx, o.Pool, in.Key)
	if err != nil {
		return "", err
	}
	evidence := payment.Evidence{
		Dispute: in.Dispute, Carrier: proof.Carrier, Tracking: proof.Tracking, ShippedAt: proof.ShippedAt, Document: proof.Document,
	}
	// What proves the delivery grows until an answer arrives, and a key stands for one content.
	content := sha256.Sum256(fmt.Appendf(nil, "%+v", evidence))
	evidence.Key = fmt.Sprintf("evidence/%s/%s/%x", in.Key, in.Dispute, content[:8])
	err = c.provider.SubmitEvidence(ctx, evidence)
	switch {
	case errors.Is(err, payment.ErrRefused):
		return codeOf(err), nil
	case err != nil:
		return "", partnerFailure(err)
	}
	return "", nil
}
