package simulation

import (
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/payments"
)

// endedPayment is the payment as the database holds it when all is done.
type endedPayment struct {
	State    payments.State
	Standing string
	Closed   bool
	Captured int64 // with the order, and of the authorisation
	Bank     int64 // paid by other means, less what went back so
}

// wantedRefund is a refund in our own list: what goes back by its route, what was not asked for any more, and what
// had been written off.
type wantedRefund struct {
	Key, Route, State          string
	Amount, Released, Forgiven int64
}

func (l *life) readPayment() (p endedPayment, refunds []wantedRefund) {
	key := l.key.String()
	err := l.world.admin.QueryRow(l.ctx, `
		SELECT p.state, p.standing, p.closed_at IS NOT NULL OR p.started_at IS NULL, o.captured_minor + p.captured_minor,
			(SELECT coalesce(sum(e.minor), 0)::bigint FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
				WHERE t.order_key = o.key AND e.account = 'bank' AND t.kind IN ('paid_elsewhere', 'refund_elsewhere'))
		FROM payments p JOIN orders o ON o.key = p.order_key WHERE p.order_key = $1`, key).
		Scan(&p.State, &p.Standing, &p.Closed, &p.Captured, &p.Bank)
	if err != nil {
		l.fail("read how the payment ended: %v", err)
	}
	rows, err := l.world.admin.Query(l.ctx, `SELECT key, route, state, amount_minor, released_minor, forgiven_minor FROM refunds
		WHERE order_key = $1 AND amount_minor + released_minor + forgiven_minor > 0 ORDER BY key`, key)
	if err == nil {
		refunds, err = pgx.CollectRows(rows, pgx.RowToStructByPos[wantedRefund])
	}
	if err != nil {
		l.fail("read the refunds: %v", err)
	}
	return p, refunds
}

// checkTill: the provider's books are ours, the customer has paid for what stayed, and each refund was made
// once, by whatever way.
func (l *life) checkTill(e *ended) {
	t := l.till
	p, refunds := l.readPayment()
	s := &p.State
	l.happened("payment ended: " + p.Standing)
	switch {
	case !p.Closed:
		l.fail("all is over, and the payment is not: %s", s.Card())
	case len(s.Attention) > 0:
		l.fail("the payment is over, and a person is still called: %s: %s", s.Attention[0].Key, s.Attention[0].Text)
	case p.Captured != t.captured:
		l.fail("the provider captured %d, our books say %d", t.captured, p.Captured)
	case t.status == "requires_capture":
		l.fail("all is over, and the provider still holds %d", t.authorised)
	case e.clearing != t.balance():
		l.fail("the provider keeps %d for us, the ledger %d", t.balance(), e.clearing)
	case t.room(s) < 0:
		l.fail("more was set off than the bank gave the customer")
	}
	l.checkRefundsAtTill(s, refunds)
	l.checkPaid(&p, refunds)
}

// balance is what the provider holds for us, after its fees for chargebacks.
func (t *till) balance() int64 {
	left := t.captured - t.refunded
	for _, d := range t.disputes {
		left -= d.fee
		if d.status != "won" {
			left -= d.amount
		}
	}
	return left
}

// checkPaid: what the customer has paid, by whatever way, less what came back is the price of what stayed.
func (l *life) checkPaid(p *endedPayment, refunds []wantedRefund) {
	t, s := l.till, &p.State
	paid := t.captured - t.refunded - t.lost() + p.Bank
	due := l.basket.captured - s.Capture.WrittenOff - t.room(s)
	for _, r := range refunds {
		due -= r.Amount + r.Released
	}
	if paid != due {
		l.fail("the customer has paid %d (captured %d, refunded %d, lost to the bank %d, by other means %d), and is to have paid %d",
			paid, t.captured, t.refunded, t.lost(), p.Bank, due)
	}
}

// checkRefundsAtTill: what was wanted was done once, and nothing else.
func (l *life) checkRefundsAtTill(s *payments.State, refunds []wantedRefund) {
	done := map[string]int{} // by our key
	for _, made := range l.till.refunds {
		key, _, _ := strings.Cut(made.key, "#")
		if made.status == "pending" {
			l.fail("all is over, and refund %s is with the bank", made.key)
		}
		if made.status == "succeeded" {
			done[key]++
		}
	}
	var least, most int // letters about them
	for i := range s.Refunds {
		r := &s.Refunds[i]
		switch r.Standing {
		case payments.RefundElsewhere:
			done[r.Key]++
		case payments.RefundSetOff:
			done[r.Key]++
			least--
		}
		if strings.HasPrefix(r.Key, "overpaid/") {
			refunds = append(refunds, wantedRefund{Key: r.Key, Route: "held", State: "done", Amount: r.Amount})
		}
		l.seen["refund ended: "+string(r.Standing)]++
	}
	for _, r := range refunds {
		want := 0
		if r.Amount > 0 {
			l.seen["refund's way: "+r.Route]++
			want = 1
		}
		if r.Released > 0 {
			l.seen["refund's way: released"]++
		}
		if r.Forgiven > 0 {
			l.seen["refund's way: forgiven"]++
		}
		if r.State != "done" || done[r.Key] != want {
			l.fail("refund %s (%s) is %s and was made %d times", r.Key, r.Route, r.State, done[r.Key])
		}
		delete(done, r.Key)
		least, most = least+want, most+want
	}
	for key := range done {
		l.fail("refund %s was made, and nobody wanted it", key)
	}
	var told int
	for _, letter := range l.letters {
		if letter.milestone == notify.Refunded {
			told++
		}
	}
	if told < least || told > most {
		l.fail("the customer was told of %d refunds, %d to %d were made", told, least, most)
	}
}
