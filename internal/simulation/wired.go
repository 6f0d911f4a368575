package simulation

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// unwilling: the shop makes no refunds, and says so for good. No choice is spent on it.
func (l *life) unwilling() bool { return l.number%16 == 7 && l.till == nil && !l.exchanges() }

// transfer is a refund that a person pays past the shop.
type transfer struct {
	request string
	amount  int64
	noted   bool // the product has it
}

// refusesRefund is an unwilling shop's answer.
func (l *life) refusesRefund(w http.ResponseWriter, refund string, amount int64) bool {
	if !l.unwilling() {
		return false
	}
	if l.wired[refund] == nil {
		l.wired[refund] = &transfer{request: fmt.Sprintf("wire-%d", len(l.wired)+1), amount: amount}
		l.happened("refund refused for good by the shop")
	}
	http.Error(w, "we make no refunds", http.StatusUnprocessableEntity)
	return true
}

// paysElsewhere lets a person pay a refund that the shop has refused, and say so until it is noted.
func (l *life) paysElsewhere() bool {
	defer l.about(l.first())()
	for _, refund := range slices.Sorted(maps.Keys(l.wired)) {
		t := l.wired[refund]
		if t.noted {
			continue
		}
		body := map[string]any{"request_id": t.request, "refund": refund, "reference": t.request, "reason": "refused", "not_made": true}
		l.request("operator-", "refunds/elsewhere", body, func(status int, _ string) {
			switch {
			case status != http.StatusOK:
				l.happened("payment elsewhere not noted")
			case !t.noted:
				t.noted = true
				l.paidBack += t.amount
				l.happened("refund paid elsewhere")
				if l.paidBack > l.captured() {
					l.fail("%d is paid back, %d was captured", l.paidBack, l.captured())
				}
			}
		})
		return true
	}
	return false
}

// paidPast is what was paid back past the shop.
func (l *life) paidPast() (sum int64) {
	for _, t := range l.wired {
		if t.noted {
			sum += t.amount
		}
	}
	return sum
}
