package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/storefrontsim"
	"github.com/dropline/dropline/internal/sim/suppliersim"
)

// customerStories are about people who change their minds, and about storefronts that repeat
// themselves.
func customerStories() []*story {
	early := storyOf("shop", "cancel-early", "Cancelled before anything was sent").buys("DESK-WALNUT", "Walnut desk", 1, 64000)
	early.act = func(ctx context.Context, p *play) error {
		if err := p.until(ctx, "held for review", func(s *order.State) bool { return s.Hold != nil }); err != nil {
			return err
		}
		answer, err := p.cancel(ctx, http.StatusOK)
		if err != nil {
			return err
		}
		return answer.expect("cancelled", answer.Cancelled, 1)
	}
	early.want = ending{stage: order.StageCancelled, lines: []fate{{cancelled: 1}}, refunded: early.total(), mails: "placed cancelled refunded"}

	granted := storyOf("shop", "cancel-granted", "Cancelled after dispatch: the supplier agrees").buys("FERN-POT", "Potted fern", 2, 2900).
		with("borealis", "FERN-POT", suppliersim.Manner{Ship: suppliersim.ShipManner{Delay: soon(time.Hour)}})
	granted.act = func(ctx context.Context, p *play) error {
		err := p.until(ctx, "acknowledged", func(s *order.State) bool { return s.Stage() == order.StageAcknowledged })
		if err != nil {
			return err
		}
		answer, err := p.cancel(ctx, http.StatusOK)
		if err != nil {
			return err
		}
		return answer.expect("asked back", answer.Asked, 2)
	}
	granted.want = ending{
		stage: order.StageCancelled, lines: []fate{{cancelled: 2}}, refunded: granted.total(), mails: "placed cancelled refunded",
		orders: []bought{{supplier: "borealis", cancelled: true, asked: 1}},
	}

	tooLate := storyOf("shop", "cancel-too-late", "Cancelled after the carrier's scan: refused").buys("SCARF-SILK", "Silk scarf", 1, 8900)
	tooLate.act = func(ctx context.Context, p *play) error {
		scanned := func(s *order.State) bool {
			return len(s.POs) == 1 && len(s.POs[0].Parcels) == 1 && !s.POs[0].Parcels[0].ScannedAt.IsZero()
		}
		if err := p.until(ctx, "scanned", scanned); err != nil {
			return err
		}
		answer, err := p.cancel(ctx, http.StatusConflict)
		if err != nil {
			return err
		}
		if !answer.stored && !(strings.Contains(answer.Detail, "parcel") && strings.Contains(answer.Detail, "return")) {
			return fmt.Errorf("the refusal does not say what can be done instead: %q", answer.Detail)
		}
		return nil
	}
	tooLate.want = delivered("plover", 1)

	held := storyOf("shop", "held-approved", "Held for review, then approved").buys("SOFA-LINEN", "Linen sofa", 1, 72000)
	held.act = func(ctx context.Context, p *play) error {
		if err := p.until(ctx, "held for review", func(s *order.State) bool { return s.Hold != nil }); err != nil {
			return err
		}
		return p.approve(ctx)
	}
	held.want = delivered("acme", 1)
	return []*story{early, granted, tooLate, held, webhooks()}
}

// shopifyOrder is the order's id at Shopify: beyond 2^53, where a float would change it.
const shopifyOrder = 9007199254740993

// webhooks is an order of which the storefront tells five times, in any order.
func webhooks() *story {
	s := storyOf("atelier", "webhooks", "The same webhook five times, out of order").buys("CANDLE-FIG", "Fig candle", 2, 2400)
	s.key.Order = strconv.Itoa(shopifyOrder)
	s.place = func(ctx context.Context, p *play) error {
		id, err := strconv.ParseInt(s.key.Order, 10, 64)
		if err != nil {
			return fmt.Errorf("place order %s: %w", s.key, err)
		}
		sale := storefrontsim.Sale{
			ID: id, Currency: currency, Shipping: s.shipping, Email: s.email(),
			ShipTo: map[string]any{
				"name": "Ann Example", "address1": "12 Bay Rd", "city": "Salem", "province_code": "MA", "zip": "01970", "country_code": "US",
			},
		}
		for _, l := range s.lines {
			sale.Lines = append(sale.Lines, storefrontsim.SoldLine{SKU: l.sku, Title: l.title, Quantity: l.quantity, Price: l.price})
		}
		body, err := sale.Document()
		if err != nil {
			return err
		}
		created := storefrontsim.Webhook{Topic: "orders/create", Body: body, EventID: "created-" + s.key.Order, Copies: 2}
		again := storefrontsim.Webhook{Topic: "orders/create", Body: body, EventID: "created-again-" + s.key.Order}
		updated := storefrontsim.Webhook{Topic: "orders/updated", Body: body, EventID: "updated-" + s.key.Order}
		paid := storefrontsim.Webhook{Topic: "orders/paid", Body: body, EventID: "paid-" + s.key.Order}
		return p.world.partners.storefronts["atelier"].SendOutOfOrder(ctx, created, again, paid, updated)
	}
	s.want = delivered("borealis", 2)
	return s
}

// expect compares how many units an answer speaks of.
func (a *cancelAnswer) expect(what string, units []order.ShippedLine, want int64) error {
	var n int64
	for _, u := range units {
		n += u.Quantity
	}
	if n != want && !a.stored {
		return fmt.Errorf("cancel: %d units %s, want %d: %s", n, what, want, a.Message)
	}
	return nil
}

var errEndedEarly = errors.New("the order was closed before that")
