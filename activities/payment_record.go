package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

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
// the ledger with the claims on what is open, the cancellation of the order and of its exchanges after a chargeback, and the
// messages that follow. Running it twice changes nothing.
func (o *Orders) RecordPayment(ctx context.Context, s payments.State) error {
	key := s.Key.String()
	if err := o.stopExchanges(ctx, &s); err != nil {
		return fmt.Errorf("record the payment of order %s: %w", s.Key, err)
	}
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
			if err := facts.QueueCancel(w, key, stopped(dispute)); err != nil {
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

// stopExchanges asks the orders that goods were exchanged by to stop what has not left: the payment that the bank took
// back has paid for them, too. It is a transaction of its own, because whoever locks two orders locks the exchange
// first; no exchange is placed any more while the payment is disputed.
func (o *Orders) stopExchanges(ctx context.Context, s *payments.State) error {
	if len(s.Stops) == 0 {
		return nil
	}
	return postgres.Do(ctx, o.Pool, func(ctx context.Context, w *postgres.Work) error {
		var exchanges []string
		w.Queue(`SELECT key FROM orders WHERE exchange_of = $1 ORDER BY key`, s.Key.String()).Query(func(rows pgx.Rows) (err error) {
			exchanges, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
		if err := w.Flush(ctx); err != nil {
			return err
		}
		for _, key := range exchanges {
			for _, dispute := range s.Stops {
				if err := facts.QueueCancel(w, key, stopped(dispute)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func stopped(dispute string) order.CancelRequest {
	return order.CancelRequest{ID: "chargeback/" + dispute, Reason: "chargeback", By: "chargeback"}
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
		standing = CASE WHEN standing = 'authorised' THEN $8 ELSE standing END, elsewhere_minor = $9, written_off_minor = $10,
		awaits_shipment = awaits_shipment AND $8 = 'authorised' WHERE order_key = $1`,
		s.Key.String(), snapshot, string(s.Stage()), len(s.Attention) > 0, s.Moved, s.Closed, s.LastFact, standing,
		s.Capture.Elsewhere, s.Capture.WrittenOff)
	var messages []outbox.Message
	for _, n := range s.Notices {
		messages = append(messages, outbox.Message{
			Key:      "customer_mail/" + strings.TrimPrefix(n.Key, through), // as the refund told it when it was first made
			OrderKey: s.Key.String(), Channel: outbox.CustomerMail, Kind: string(notify.Refunded),
			Payload: outbox.Payload{Amount: n.Amount, Currency: s.Currency},
		})
	}
	for i := range s.Posts {
		if told, is := toldOf(s.Key.String(), &s.Posts[i], s.Currency); is {
			messages = append(messages, told)
		}
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
	// The bank takes one answer only, so each attempt has a key of its own: what proves the delivery grows until an
	// answer arrives, and a provider gives its stored failure to all that repeat the first.
	evidence.Key = fmt.Sprintf("evidence/%s/%s/%d", in.Key, in.Dispute, o.Now().UnixMilli())
	err = c.provider.SubmitEvidence(ctx, evidence)
	switch {
	case errors.Is(err, payment.ErrRefused):
		return codeOf(err), nil
	case err != nil:
		return "", partnerFailure(err)
	}
	return "", nil
}

// refundTold tells the storefront of one try of a refund that it did not make itself, once.
func refundTold(orderKey, refund string, try int, cameBack bool, amount int64, currency string) outbox.Message {
	kind := outbox.KindRefundMade
	if cameBack {
		kind = outbox.KindRefundCameBack
	}
	return outbox.Message{
		Key: fmt.Sprintf("%s/%s/%s/%d", outbox.Storefront, kind, refund, try), OrderKey: orderKey, Channel: outbox.Storefront, Kind: kind,
		Payload: outbox.Payload{Refund: refund, Try: try, Amount: amount, Currency: currency},
	}
}

// toldOf is what the storefront is told of a payment's posting. What was paid or captured too much is none of its
// order's price, and it is not told of that.
func toldOf(orderKey string, p *payments.Post, currency string) (outbox.Message, bool) {
	if strings.HasPrefix(p.About, payments.Overpaid) {
		return outbox.Message{}, false
	}
	switch p.Kind {
	case payments.PostRefundFailed:
		return refundTold(orderKey, p.About, p.N, true, p.Amount, currency), true
	case payments.PostRefundRepeated:
		return refundTold(orderKey, p.About, p.N, false, p.Amount, currency), true
	case payments.PostRefundElsewhere:
		return refundTold(orderKey, p.About, p.N+1, false, p.Amount, currency), true
	default:
		return outbox.Message{}, false
	}
}
