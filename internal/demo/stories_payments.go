package demo

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/sim/paymentsim"
	"github.com/dropline/dropline/internal/sim/suppliersim"
)

// paymentStories are about money that is at a payment provider.
func paymentStories() []*story {
	return []*story{capturedAtShipment(), refundComesBack(), chargebackLost(), chargebackEarly()}
}

// capturedAtShipment is cancelled in part while it is held, so that the rest is what is captured, however
// long anybody takes.
func capturedAtShipment() *story {
	s := storyOf(payingID, "captured-at-shipment", "Paid when it leaves: what was cancelled before is never taken").
		buys("CHEST-CEDAR", "Cedar chest", 1, 45000).buys("THROW-WOOL", "Wool throw", 1, 4900).pays(false)
	s.act = func(ctx context.Context, p *play) error {
		if err := p.until(ctx, "held for review", func(s *order.State) bool { return s.Hold != nil }); err != nil {
			return err
		}
		answer, err := p.cancel(ctx, http.StatusOK, map[string]any{"line": 2, "quantity": 1})
		if err != nil {
			return err
		}
		if err := answer.expect("cancelled", answer.Cancelled, 1); err != nil {
			return err
		}
		return p.approve(ctx)
	}
	const cancelled = 4900
	rest := s.total() - cancelled
	s.want = delivered("plover", 1)
	s.want.lines = []fate{{delivered: 1}, {cancelled: 1}}
	s.want.mails += " cancelled"
	s.want.paid = &paid{stage: payments.StageClosed, captured: rest, left: rest}
	return s
}

// refundComesBack: the customer's card is gone when its bank gets the refund.
func refundComesBack() *story {
	s := storyOf(payingID, "refund-comes-back", "The bank sends a refund back days later: paid elsewhere").
		buys("CARAFE-CUT", "Cut-glass carafe", 2, 5400).pays(true).with("plover", "CARAFE-CUT", suppliersim.Manner{Ship: suppliersim.ShipManner{Delay: soon(time.Hour)}})
	s.act = func(ctx context.Context, p *play) error {
		if err := p.until(ctx, "acknowledged", acknowledged); err != nil {
			return err
		}
		if _, err := p.cancel(ctx, http.StatusOK); err != nil {
			return err
		}
		if err := p.closes(ctx); err != nil {
			return err
		}
		provider := p.world.partners.provider
		refunds := provider.Refunds(p.payment)
		if len(refunds) != 1 || !provider.SettleRefund(refunds[0].Reference, "expired_or_canceled_card") {
			return fmt.Errorf("order %s has %d refunds at its provider, which cannot come back", p.story.key, len(refunds))
		}
		return p.decidePayment(ctx, map[string]any{"decision": "paid_elsewhere", "reference": "wire-1"})
	}
	s.want = ending{
		stage: order.StageCancelled, lines: []fate{{cancelled: 2}}, refunded: s.total(), mails: "placed cancelled refunded",
		orders: []bought{{supplier: "plover", cancelled: true, asked: 1}},
		paid:   &paid{stage: payments.StageClosed, captured: s.total(), elsewhere: s.total(), left: s.total()},
	}
	return s
}

func chargebackLost() *story {
	s := storyOf(payingID, "chargeback-lost", "A chargeback after the delivery: answered with evidence, and lost").
		buys("STOOL-BEECH", "Beech stool", 1, 6900).pays(true)
	s.act = func(ctx context.Context, p *play) error {
		if err := p.closes(ctx); err != nil {
			return err
		}
		return p.losesDispute(ctx, "product_not_received")
	}
	s.want = delivered("plover", 1)
	s.want.paid = &paid{stage: payments.StageClosed, captured: s.total(), disputes: "lost"}
	return s
}

// chargebackEarly: the goods are stopped, and the customer has the price from the bank, not from us as well.
func chargebackEarly() *story {
	s := storyOf(payingID, "chargeback-early", "A chargeback before the shipment: stopped, and not refunded twice").
		buys("CLOAK-LODEN", "Loden cloak", 1, 15900).pays(true).with("plover", "CLOAK-LODEN", suppliersim.Manner{Ship: suppliersim.ShipManner{Delay: soon(time.Hour)}})
	s.act = func(ctx context.Context, p *play) error {
		if err := p.until(ctx, "acknowledged", acknowledged); err != nil {
			return err
		}
		return p.losesDispute(ctx, "fraudulent")
	}
	s.want = ending{
		stage: order.StageCancelled, lines: []fate{{cancelled: 1}}, refunded: s.total(), mails: "placed cancelled",
		orders: []bought{{supplier: "plover", cancelled: true, asked: 1}},
		paid:   &paid{stage: payments.StageClosed, captured: s.total(), disputes: "lost"},
	}
	return s
}

func acknowledged(s *order.State) bool { return s.Stage() == order.StageAcknowledged }

// pays lets the customer pay in the shop before the order is placed: captured at once, or only held.
func (s *story) pays(captured bool) *story {
	s.place = func(ctx context.Context, p *play) error {
		p.payment = p.world.partners.provider.Pay(paymentsim.Checkout{
			Method: "pm_" + p.story.key.Order, Amount: p.story.total(), Currency: currency, Captured: captured,
		})
		document := p.story.document()
		document["payment"] = map[string]any{"status": "authorized", "captured": amount(0), "reference": p.payment}
		if captured {
			document["payment"] = map[string]any{"status": "paid", "captured": amount(p.story.total()), "reference": p.payment}
		}
		return p.send(ctx, document)
	}
	return s
}

// losesDispute is the customer's bank taking the money back, hearing us, and deciding for the customer.
func (p *play) losesDispute(ctx context.Context, reason string) error {
	provider := p.world.partners.provider
	dispute := provider.OpenDispute(p.payment, reason)
	if err := provider.Await(ctx, func() bool { return len(provider.Dispute(dispute).Evidence) > 0 }); err != nil {
		return fmt.Errorf("wait for our answer to the chargeback of order %s: %w", p.story.key, err)
	}
	if !provider.CloseDispute(dispute, false) {
		return fmt.Errorf("chargeback %s of order %s was closed already", dispute, p.story.key)
	}
	return nil
}

// closes waits until the order's accounts are closed.
func (p *play) closes(ctx context.Context) error {
	for {
		recorded, err := orderview.Stand(ctx, p.world.pool, p.story.key)
		if err == nil && !recorded.ClosedAt.IsZero() {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until order %s is closed: %w", p.story.key, ctx.Err())
		case <-time.After(lookEvery):
		}
	}
}

// decidePayment waits until the payment needs a person, and puts an operator's decision to it. While no
// worker answers it is asked again under the same id.
func (p *play) decidePayment(ctx context.Context, body map[string]any) error {
	at := path(p.story.key) + "/payment"
	body["request_id"] = "decide-" + p.story.name
	for waits := false; ; {
		if !waits {
			var v orderview.Payment
			status, err := p.world.call(ctx, operatorKey, http.MethodGet, at, nil, &v)
			waits = err == nil && status == http.StatusOK && v.NeedsAttention
		}
		if waits { // until it is answered: it may be taken, and its answer lost
			var answer struct {
				refusal
				Message string `json:"message"`
			}
			status, err := p.world.call(ctx, operatorKey, http.MethodPost, at+"/decide", body, &answer)
			switch {
			case err == nil && status == http.StatusOK:
				p.tell("operator decides (%v): %s", body["decision"], answer.Message)
				return nil
			case err == nil && !busy(status):
				return fmt.Errorf("decide about the payment of order %s: answered %d: %s %s", p.story.key, status, answer.Title, answer.Detail)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("decide about the payment of order %s: %w", p.story.key, ctx.Err())
		case <-time.After(lookEvery):
		}
	}
}
