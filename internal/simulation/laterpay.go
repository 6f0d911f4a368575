package simulation

import (
	"fmt"
	"net/http"
)

// laterPay is the customer who did not pay all of the order in the shop, and pays afterwards: in parts, or too much.
// Lives that are paid spend no choice on it.
type laterPay struct {
	rest  int64          // of the price
	times int            // payments so far
	asked map[string]any // the newest, until the gateway has said that it has it
}

// paysLater pays, or says again what the gateway has not answered. What was paid counts from when it was first said:
// nobody knows then whether it was stored.
func (l *life) paysLater() bool {
	p := &l.later
	if p.asked == nil {
		if p.rest <= 0 || p.times == 3 || l.chance(40) {
			return false
		}
		amount := oneOf(l, []int64{p.rest, max(p.rest/2, 1), p.rest + 7*l.world.scale})
		p.times++
		p.rest -= amount
		l.basket.captured += amount
		id := fmt.Sprintf("paid-%d", p.times)
		p.asked = map[string]any{"request_id": id, "amount": l.amount(amount), "currency": l.world.currency, "reference": l.key.Order + "/" + id}
	}
	l.saysPaid()
	return true
}

func (l *life) saysPaid() {
	p := &l.later
	id, over := p.asked["request_id"], p.rest < 0
	l.request("storefront-"+l.key.Storefront, "payment", p.asked, func(status int, body string) {
		switch {
		case status == http.StatusConflict || status == http.StatusNotFound:
			l.fail("a later payment is refused with %d: %s", status, body)
		case status == http.StatusOK && p.asked != nil && p.asked["request_id"] == id:
			p.asked = nil
			l.happened("paid later")
			if over {
				l.happened("paid too much")
			}
		}
	})
}

// paymentFinishes says again what the gateway has not answered.
func (l *life) paymentFinishes() bool {
	defer l.about(l.first())()
	if l.later.asked == nil || l.now.Before(l.askAgain) {
		return false
	}
	l.saysPaid()
	return true
}
