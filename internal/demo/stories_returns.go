package demo

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sim/carriersim"
	"github.com/dropline/dropline/internal/sim/suppliersim"
)

// comeback is one return of an order, as it must end. Amounts are minor units.
type comeback struct {
	stage                          returns.Stage
	refunded, credited, writtenOff int64
}

// returnStories are about goods that come back, or do not.
func returnStories() []*story {
	smooth := storyOf("shop", "sent-back", "Sent back: refunded, and the supplier gives its credit").buys("BOWL-STONE", "Stone bowl", 2, 3200)
	smooth.act = func(ctx context.Context, p *play) error {
		rma, err := p.returnOne(ctx, returns.ChangedMind)
		if err != nil {
			return err
		}
		return p.sendBack(ctx, rma)
	}
	smooth.want = comesBack("plover", 2, comeback{stage: returns.StageClosed, refunded: 3200, credited: 900}, "return_received refunded")

	empty := storyOf("shop", "empty-box", "Sent back an empty box: a person decides").buys("PILLOW-DOWN", "Down pillow", 1, 5900).
		with("plover", "PILLOW-DOWN", suppliersim.Manner{Return: suppliersim.ReturnManner{Missing: 1}})
	empty.act = func(ctx context.Context, p *play) error {
		rma, err := p.returnOne(ctx, returns.ChangedMind)
		if err != nil {
			return err
		}
		if err := p.sendBack(ctx, rma); err != nil {
			return err
		}
		return p.decideReturn(ctx, rma, returns.StageDeciding, map[string]any{"decision": "pay_share", "line": 1, "share_bp": 0})
	}
	empty.want = comesBack("plover", 1, comeback{stage: returns.StageClosed}, "return_received return_not_paid")

	never := storyOf("nimbus", "never-sent-back", "A return that is never handed in expires").buys("APRON-LINEN", "Linen apron", 1, 2900)
	never.act = func(ctx context.Context, p *play) error {
		_, err := p.returnOne(ctx, returns.ChangedMind)
		return err
	}
	never.want = comesBack("plover", 1, comeback{stage: returns.StageExpired}, "return_expired")

	short := storyOf("shop", "short-credit", "Half of the credit: chased, then written off").buys("BELT-CALF", "Calf belt", 1, 4500).
		with("plover", "BELT-CALF", suppliersim.Manner{Return: suppliersim.ReturnManner{CreditBP: 5000}})
	short.act = func(ctx context.Context, p *play) error {
		rma, err := p.returnOne(ctx, returns.Damaged)
		if err != nil {
			return err
		}
		if err := p.sendBack(ctx, rma); err != nil {
			return err
		}
		_, err = p.returnUntil(ctx, rma, "short of its credit", func(v *orderview.Return) bool { return v.Credit.Received == amount(700) })
		if err != nil {
			return err
		}
		return p.decideReturn(ctx, rma, returns.StageCredit, map[string]any{"decision": "write_off", "reason": "too_small"})
	}
	short.want = comesBack("plover", 1, comeback{stage: returns.StageClosed, refunded: 4500, credited: 700, writtenOff: 700}, "return_received refunded")
	short.want.reminders = 1
	return append([]*story{smooth, empty, never, short}, exchangeStories()...)
}

// comesBack is the end of an order that was delivered whole and of which a unit came back.
func comesBack(supplier string, units int64, c comeback, mails string) ending {
	want := delivered(supplier, units)
	want.mails += " return_authorised " + mails
	want.refunded, want.returns = c.refunded, []comeback{c}
	return want
}

func returnsPath(key order.Key) string { return path(key) + "/returns" }

// arrives waits until an order's goods are at the customer's.
func (p *play) arrives(ctx context.Context, key order.Key) error {
	for {
		view, err := p.world.show(ctx, key)
		if err == nil && (view.Stage == string(order.StageDelivered) || view.Stage == string(order.StageSettled)) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until order %s is delivered: %w", key, ctx.Err())
		case <-time.After(lookEvery):
		}
	}
}

// returnOne waits until the goods are there and asks to send one back.
func (p *play) returnOne(ctx context.Context, reason returns.Reason) (rma string, err error) {
	if err := p.arrives(ctx, p.story.key); err != nil {
		return "", err
	}
	return p.askBack(ctx, map[string]any{"lines": []map[string]any{{"line": 1, "quantity": 1, "reason": reason}}})
}

// askBack asks for a return, which must be granted with one number.
func (p *play) askBack(ctx context.Context, body map[string]any) (rma string, err error) {
	body["request_id"] = "return-" + p.story.name
	var said struct {
		refusal
		Returns []struct {
			RMA     string `json:"rma"`
			Message string `json:"message"`
		} `json:"returns"`
	}
	status, err := p.world.call(ctx, p.story.key.Storefront, http.MethodPost, returnsPath(p.story.key), body, &said)
	if err == nil && (status != http.StatusCreated || len(said.Returns) != 1) {
		err = fmt.Errorf("answered %d: %s %s", status, said.Title, said.Detail)
	}
	if err != nil {
		return "", fmt.Errorf("ask for a return of order %s: %w", p.story.key, err)
	}
	p.tell("customer returns one: %s", said.Returns[0].Message)
	return said.Returns[0].RMA, nil
}

// returnUntil waits for a moment in a return's life, as the API shows it.
func (p *play) returnUntil(ctx context.Context, rma, what string, holds func(*orderview.Return) bool) (orderview.Return, error) {
	for {
		var v orderview.Return
		status, err := p.world.call(ctx, p.story.key.Storefront, http.MethodGet, returnsPath(p.story.key)+"/"+rma, nil, &v)
		if err == nil && status == http.StatusOK && holds(&v) {
			return v, nil
		}
		select {
		case <-ctx.Done():
			return v, fmt.Errorf("wait until return %s is %s: it is %s: %w", rma, what, v.Stage, ctx.Err())
		case <-time.After(lookEvery):
		}
	}
}

// sendBack hands the parcel in with its label, and lets the supplier have it when it arrives.
func (p *play) sendBack(ctx context.Context, rma string) error {
	v, err := p.returnUntil(ctx, rma, "announced", func(v *orderview.Return) bool { return v.Label != nil && v.Stage == string(returns.StageAwaiting) })
	if err != nil {
		return err
	}
	tracker := p.world.partners.tracker
	tracker.OnParcel(v.Label.Carrier, v.Label.Tracking, carriersim.Prompt)
	if err := tracker.Await(ctx, func() bool { return tracker.Arrived(v.Label.Carrier, v.Label.Tracking) }); err != nil {
		return fmt.Errorf("wait for the parcel of return %s: %w", rma, err)
	}
	if !p.world.partners.suppliers.Arrive(v.Supplier, v.PurchaseOrder, rma) {
		return fmt.Errorf("%s was never told of return %s", v.Supplier, rma)
	}
	return nil
}

// decideReturn waits until a return needs a person, and puts an operator's decision to it. While no worker
// answers it is asked again under the same id.
func (p *play) decideReturn(ctx context.Context, rma string, at returns.Stage, body map[string]any) error {
	if _, err := p.returnUntil(ctx, rma, string(at), func(v *orderview.Return) bool { return v.Stage == string(at) }); err != nil {
		return err
	}
	body["request_id"] = "decide-" + p.story.name
	for {
		var answer struct {
			refusal
			Message string `json:"message"`
		}
		status, err := p.world.call(ctx, operatorKey, http.MethodPost, returnsPath(p.story.key)+"/"+rma+"/decide", body, &answer)
		switch {
		case err == nil && status == http.StatusOK:
			p.tell("operator decides (%v): %s", body["decision"], answer.Message)
			return nil
		case err == nil && status != http.StatusServiceUnavailable:
			return fmt.Errorf("decide about return %s: answered %d: %s %s", rma, status, answer.Title, answer.Detail)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("decide about return %s: %w", rma, ctx.Err())
		case <-time.After(lookEvery):
		}
	}
}

// compareReturns holds the order's returns against the story.
func (p *play) compareReturns(ctx context.Context, d *differences) {
	list, err := orderview.Returns(ctx, p.world.pool, p.story.key)
	if err != nil {
		d.add("read the returns: %v", err)
		return
	}
	want := p.story.want.returns
	same(d, "returns", len(list), len(want))
	for i := range min(len(list), len(want)) {
		v, w := &list[i], want[i]
		if v.ClosedAt.IsZero() {
			d.add(stillOpen)
		}
		same(d, v.RMA+" stage", v.Stage, string(w.stage))
		same(d, v.RMA+" needs attention", v.NeedsAttention, false)
		same(d, v.RMA+" refunded", v.Refunded, amount(w.refunded))
		same(d, v.RMA+" credited", v.Credit.Received, amount(w.credited))
		same(d, v.RMA+" written off", v.Credit.WrittenOff, amount(w.writtenOff))
	}
}
