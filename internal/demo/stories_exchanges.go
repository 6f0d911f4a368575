package demo

import (
	"context"
	"fmt"

	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/returns"
)

// exchangeStories are about goods that come back for others.
func exchangeStories() []*story {
	cheaper := storyOf("shop", "exchanged", "Exchanged for something cheaper: the rest is refunded").buys("TRAY-LARGE", "Large tray", 1, 3900)
	cheaper.act = forSmallerTray
	cheaper.want = comesBack("plover", 1, comeback{stage: returns.StageClosed, refunded: 500, credited: 1100}, "return_received refunded")

	held := storyOf(payingID, "exchanged-provider", "Exchanged where a payment provider has the money: the rest is refunded there").
		buys("TRAY-LARGE", "Large tray", 1, 3900).pays(false)
	held.act = forSmallerTray
	held.want = comesBack("plover", 1, comeback{stage: returns.StageClosed, refunded: 500, credited: 1100}, "return_received refunded")
	held.want.paid = &paid{stage: payments.StageClosed, captured: held.total(), refunded: 500, left: held.total() - 500}

	broken := storyOf("nimbus", "replaced", "Broken on arrival: replaced, and the broken one need not come back").buys("HOOK-BRASS", "Brass hook", 1, 1900)
	broken.act = func(ctx context.Context, p *play) error {
		if err := p.arrives(ctx, p.story.key); err != nil {
			return err
		}
		rma, err := p.askBack(ctx, map[string]any{
			"resolution": "exchange", "lines": []map[string]any{{"line": 1, "quantity": 1, "reason": returns.Damaged}}, "photo_urls": []string{"https://pictures.example/frame.jpg"},
		})
		if err != nil {
			return err
		}
		if err := p.exchanged(ctx, rma); err != nil {
			return err
		}
		return p.decideReturn(ctx, rma, returns.StageCredit, map[string]any{"decision": "write_off", "reason": "agreed"})
	}
	broken.want = delivered("plover", 1)
	broken.want.mails += " return_keep"
	broken.want.returns = []comeback{{stage: returns.StageClosed, writtenOff: 950}}
	return []*story{cheaper, held, broken}
}

// exchanged waits until the goods of an exchange are at the customer's, and follows the money of both
// orders to the last cent.
func (p *play) exchanged(ctx context.Context, rma string) error {
	v, err := p.returnUntil(ctx, rma, "exchanged", func(v *orderview.Return) bool { return v.ExchangeOrder != "" })
	if err != nil {
		return err
	}
	key, err := order.ParseKey(v.ExchangeOrder)
	if err != nil {
		return fmt.Errorf("the exchange of return %s: %w", rma, err)
	}
	p.tell("exchanged by order %s", key)
	if err := p.arrives(ctx, key); err != nil {
		return err
	}
	for _, one := range []order.Key{p.story.key, key} {
		trail, err := ledgerbook.Follow(ctx, p.world.pool, one.String())
		if err != nil {
			return err
		}
		if trail.Off != 0 {
			return fmt.Errorf("%d minor units of order %s are not accounted for", trail.Off, one)
		}
	}
	return nil
}

// forSmallerTray is a large tray that comes back for a small one.
func forSmallerTray(ctx context.Context, p *play) error {
	if err := p.arrives(ctx, p.story.key); err != nil {
		return err
	}
	rma, err := p.askBack(ctx, map[string]any{
		"resolution": "exchange", "currency": currency, "lines": []map[string]any{{
			"line": 1, "quantity": 1, "reason": returns.WrongSize, "exchange": map[string]any{"sku": "TRAY-SMALL", "title": "Small tray", "unit_price": "34.00"},
		}},
	})
	if err != nil {
		return err
	}
	if err := p.sendBack(ctx, rma); err != nil {
		return err
	}
	return p.exchanged(ctx, rma)
}
