package simulation

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/workflows"
)

// request asks the gateway something about the order, in somebody's name.
func (l *life) request(who, what string, body map[string]any, then func(status int, body string)) {
	l.requestAt("/v1/orders/"+l.key.String()+"/"+what, who, what, body, then)
}

func (l *life) requestAt(path, who, what string, body map[string]any, then func(status int, body string)) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequestWithContext(l.ctx, http.MethodPost, path, strings.NewReader(string(text)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+who)
	l.note("%s asks: %s %s", who, what, text)
	l.askLater(r, func(status int, body string) {
		if l.closing {
			return
		}
		l.note("%s is answered %d", what, status)
		if status >= 400 && status < 500 && status != http.StatusConflict && status != http.StatusNotFound &&
			(what != "resolve" && what != "returns" || status != http.StatusUnprocessableEntity) { // the person knows more than is recorded yet
			l.broken = fmt.Sprintf("%s of %s is answered %d: %s", what, text, status, body)
		}
		if status >= 400 {
			l.askAgain = l.now.Add(20 * time.Minute)
		}
		then(status, body)
	})
}

// customerActs: the customer changes their mind, at any moment and again.
func (l *life) customerActs() {
	if l.placed && l.paysLater() || l.chance(50) {
		return
	}
	defer l.about(l.some())()
	l.requests++
	body := map[string]any{"request_id": fmt.Sprintf("r%d", l.requests)}
	what := "cancel of the whole"
	if l.chance(65) {
		var lines []map[string]any
		for i := range l.basket.lines {
			if l.chance(45) {
				lines = append(lines, map[string]any{"line": i + 1, "quantity": 1 + l.pick(int(l.basket.lines[i].quantity))})
			}
		}
		if len(lines) > 0 {
			body["lines"] = lines
			what = "cancel of a part"
		}
	}
	if l.lastCancel != nil && l.chance(15) {
		body = l.lastCancel
		what = "cancel repeated"
	}
	l.lastCancel = body
	who := oneOf(l, []string{"support-", "storefront-" + l.key.Storefront})
	l.request(who, "cancel", body, func(status int, _ string) {
		switch status {
		case http.StatusOK:
			l.happened(what)
		case http.StatusAccepted:
			l.happened("cancel stored")
		case http.StatusConflict:
			l.happened("cancel refused")
		}
	})
}

// staffActs: people at their desks do what they may, not always at the right moment.
func (l *life) staffActs() {
	defer l.about(l.some())()
	s := l.state()
	if s == nil {
		return
	}
	switch l.pick(6) {
	case 0, 1:
		l.review(s, oneOf(l, []string{"approve", "amend", "reject", "approve"}))
	case 2:
		l.changeAddress()
	case 3, 4:
		l.resolves(s)
	case 5:
		l.odd()
	}
}

func (l *life) review(s *order.State, decision string) {
	if s.Hold == nil && l.chance(80) {
		return
	}
	l.requests++
	body := map[string]any{"decision": decision, "request_id": fmt.Sprintf("v%d", l.requests)}
	if decision == "amend" {
		body["address"] = address("6 Oak Ave", "US")
		l.moved = true
	}
	l.request("support-", "review", body, func(status int, _ string) {
		if status == http.StatusOK {
			l.happened("review " + decision)
		}
	})
}

func (l *life) changeAddress() {
	l.requests++
	country := oneOf(l, []string{"US", "US", "US", "CA"})
	l.moved = true
	body := map[string]any{"request_id": fmt.Sprintf("a%d", l.requests), "ship_to": address(fmt.Sprintf("%d Ash Rd", l.requests), country)}
	l.request("support-", "address", body, func(status int, _ string) {
		if status == http.StatusOK {
			l.happened("address changed")
		} else if status == http.StatusConflict {
			l.happened("address refused")
		}
	})
}

// odd is what people do in the engine's own interface.
func (l *life) odd() {
	switch l.pick(6) {
	case 0:
		l.happened("workflow cancelled by hand")
		l.note("somebody cancels the workflow")
		l.order.run.env.CancelWorkflow()
	case 1:
		l.happened("cancel signal by hand")
		l.note("somebody sends a cancel signal")
		l.order.run.env.SignalWorkflow(workflows.SignalCancel, order.CancelRequest{Lines: []order.ShippedLine{{Line: 1, Quantity: 1}}})
	case 2:
		l.happened("unreadable signal")
		l.note("somebody sends an unreadable signal")
		l.order.run.env.SignalWorkflow(oneOf(l, []string{workflows.SignalCancel, workflows.SignalFacts}), []int{1})
	case 3, 4, 5:
		if r := l.order.run; l.chance(40) && !r.suggested {
			r.suggested = true
			l.note("the history has grown long")
			r.env.SetContinueAsNewSuggested(true)
		}
	}
}

// resolves decides where only a person can, after a call to the supplier. It says whether there was
// something to decide.
func (l *life) resolves(s *order.State) bool {
	for _, a := range s.Attention {
		kind, subject, _ := strings.Cut(a.Key, "/")
		switch kind {
		case "answer":
			po := s.PO(subject)
			for i := range po.Withdrawals {
				if x := &po.Withdrawals[i]; s.CanResolve(x.Key, "", "") == nil {
					l.resolveWithdrawal(po, x)
					return true
				}
			}
		case "cancel":
			for i := range s.POs {
				if x := s.POs[i].Withdrawal(subject); x != nil && s.CanResolve(subject, "", "") == nil {
					l.resolveWithdrawal(&s.POs[i], x)
					return true
				}
			}
		case "case":
			if c := s.Case(subject); c != nil && c.Open() {
				l.resolveCase(c)
				return true
			}
		case "ship", "backorder", "hold", "conflict", "clock":
			if l.quiet {
				l.insists(s, subject)
				return true
			}
		}
	}
	return false
}

func (l *life) resolveWithdrawal(po *order.PurchaseOrder, x *order.Withdrawal) {
	b := l.book(l.parties[po.Supplier], po.Number)
	key := strings.ReplaceAll(x.Key, "/", "-")
	outcome := b.answers[key]
	if outcome != order.AnswerAccepted && outcome != order.AnswerRejected {
		if _, known := b.asked[key]; !known {
			b.asked[key] = wireLines(x.Lines())
		}
		outcome = l.giveBack(b, b.asked[key])
		b.answers[key] = outcome
	}
	l.note("an operator has called %s about %s: %s", b.party.id, x.Key, outcome)
	l.resolve(map[string]any{"withdrawal": x.Key, "confirmed": outcome == order.AnswerAccepted}, "withdrawal resolved by a person")
}

func (l *life) resolveCase(c *order.Case) {
	outcome := oneOf(l, []order.CaseStatus{order.CaseAbsorbed, order.CaseIntercepted})
	if outcome == order.CaseIntercepted {
		l.lastState = l.state()
		l.stopParcel(l.books[c.PO], c.Key)
	}
	l.resolve(map[string]any{"case": c.Key, "outcome": string(outcome)}, "case resolved by a person")
}

func (l *life) resolve(body map[string]any, what string) {
	l.requests++
	body["request_id"] = fmt.Sprintf("s%d", l.requests)
	l.request("operator-", "resolve", body, func(status int, _ string) {
		if status == http.StatusOK {
			l.happened(what)
		}
	})
}

// insists: an operator calls a supplier about units that are stuck with it. All that had left the
// house has been scanned by now, so a refusal is about units that it does not have.
func (l *life) insists(s *order.State, number string) {
	po := s.PO(number)
	if n := len(po.Withdrawals); n > 0 && s.CanResolve(po.Withdrawals[n-1].Key, "", "") == nil {
		l.resolve(map[string]any{"withdrawal": po.Withdrawals[n-1].Key, "confirmed": true}, "refused, then resolved by a person")
		return
	}
	l.requests++
	l.request("support-", "cancel", map[string]any{"request_id": fmt.Sprintf("op%d", l.requests)}, func(int, string) {})
}
