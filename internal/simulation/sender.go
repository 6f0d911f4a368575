package simulation

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/workflows"
)

// longs: an order that is over is not over for a customer who has the goods and does not like them.
func (l *life) longs() bool {
	if l.regrets < 0 { // drawn last, so that how an order went does not depend on it
		l.regrets = oneOf(l, []int{0, 1, 1, 2})
		switch {
		case l.exchanges():
			l.regrets = max(l.regrets, 2)
		case l.hauls:
			l.regrets = max(l.regrets, 1)
		}
	}
	if l.regrets == 0 {
		return false
	}
	p := l.holder()
	if p == nil {
		return false
	}
	l.regrets--
	l.quiet, l.back = false, true
	l.unrest = l.steps + 20 + l.pick(40)
	if l.chance(20) {
		l.setNow(l.now.Add(l.between(10*24*time.Hour, 90*24*time.Hour, 24*time.Hour)))
	}
	l.note("---- the customer does not like it")
	l.asksReturn(p)
	return true
}

// holds are the units of a purchase, by line, that have reached the customer and are not on their way back.
func (l *life) holds(p *purchase) map[int]int64 {
	held := map[int]int64{}
	count := func(x *box, sign int64) {
		for line, n := range x.lines {
			if held[line] += sign * n; held[line] <= 0 {
				delete(held, line)
			}
		}
	}
	for _, b := range l.sortedBooks() {
		for _, x := range b.boxes {
			if b.of == p && x.scanned("delivered") {
				count(x, 1)
			}
		}
	}
	for _, c := range l.sortedBacks() {
		if c.box != nil && c.book.of == p {
			count(c.box, -1)
		}
	}
	return held
}

// actBack lets one thing happen after the customer has asked to send goods back.
func (l *life) actBack() {
	if l.moneyActs() || l.asksAnew() || l.strays() {
		return
	}
	switch n := l.pick(100); {
	case n < 30:
		if due := l.dueCalls(); len(due) > 0 {
			l.perform(oneOf(l, due))
		}
	case n < 45:
		l.deliverDocument()
	case n < 58:
		l.customerReturns()
	case n < 66:
		l.carrierBrings()
	case n < 82:
		l.supplierReturns()
	case n < 87:
		l.staffReturns()
	case n < 89:
		l.repeatDocument()
	case n < 90:
		l.sendGarbage()
	case n < 92:
		l.arriveLate()
	case n < 94:
		l.thaw()
	case n < 96:
		l.outage()
	case n < 97:
		l.supplierActs()
	case n < 98:
		l.customerActs()
	default:
		l.oddReturn()
	}
	l.background(70, 60, 30)
}

// customerReturns: the customer asks, sends or takes it back, at any moment and again.
func (l *life) customerReturns() {
	list := l.sortedBacks()
	if len(list) == 0 || l.chance(20) {
		l.asksReturn(l.some())
		return
	}
	c := oneOf(l, list)
	if l.chance(18) {
		l.cancelsReturn(c)
		return
	}
	if c.box == nil && !c.never && l.chance(70) {
		l.sendsBack(c)
	}
}

// givenUp: the return was cancelled or has expired, or is over.
func (l *life) givenUp(c *comeback) bool {
	r := l.flow(returns.WorkflowID(c.book.of.key, c.rma)).run
	if r == nil {
		return true
	}
	s := r.returnState(l)
	return s == nil || s.Cancelled || s.Expired
}

// countsAsGivenUp: that is what was recorded last of a return, whatever its workflow knows by now.
func (l *life) countsAsGivenUp(c *comeback) (over bool) {
	err := l.world.admin.QueryRow(l.ctx, `SELECT coalesce((SELECT stage IN ('cancelled', 'expired') FROM returns WHERE rma = $1), false)`, c.rma).Scan(&over)
	if err != nil {
		l.fail("look whether a return was given up: %v", err)
	}
	return over
}

func (l *life) asksReturn(p *purchase) {
	defer l.about(p)()
	for _, c := range l.sortedBacks() {
		if c.box != nil && l.countsAsGivenUp(c) {
			return // what was opened again for it is not recorded yet, and would be granted anew
		}
		switch {
		case c.withdrawn && c.box != nil:
			return // somebody may yet say what was in it, and count its units again
		case c.book.of != p || !l.givenUp(c):
		case c.box != nil:
			return // what is on its way under a number that is over is what would be asked for anew
		default:
			c.never = true
		}
	}
	if l.onPage() {
		return
	}
	l.requests++
	body := map[string]any{"request_id": fmt.Sprintf("b%d", l.requests), "photos": l.pick(2), "lines": l.wishes()}
	if l.key.Storefront == "hazel" && l.chance(60) {
		body["resolution"] = "store_credit"
	}
	l.wantsInstead(body)
	what := "return asked"
	switch {
	case l.lastReturn != nil && l.chance(15):
		body, what = l.lastReturn, "return asked again"
	case l.lastReturn != nil && l.chance(10):
		body["request_id"], what = l.lastReturn["request_id"], "another return under one id"
	default:
		l.lastReturn = body
	}
	who := oneOf(l, []string{"support-", "storefront-" + l.key.Storefront, "operator-"})
	if who == "operator-" && l.chance(50) && what == "return asked" {
		body["override"], l.overrides = true, true
	}
	l.sendsReturn(p, who, what, body)
}

// sendsReturn asks for a return of a purchase, and takes the answer.
func (l *life) sendsReturn(p *purchase, who, what string, body map[string]any) {
	defer l.about(p)()
	l.remembers(body)
	l.request(who, "returns", body, func(status int, text string) {
		var said struct {
			Refusal *struct {
				Code    string `json:"code"`
				Missing string `json:"missing"`
			} `json:"refusal"`
			Returns []struct {
				RMA   string              `json:"rma"`
				Keep  bool                `json:"keep"`
				Lines []order.ShippedLine `json:"lines"`
			} `json:"returns"`
		}
		if err := json.Unmarshal([]byte(text), &said); err != nil && status < http.StatusInternalServerError {
			l.fail("the answer to a return cannot be read: %v", err)
		}
		if said.Refusal != nil {
			l.happened("return refused: " + said.Refusal.Code)
			l.isDearer(p, body, said.Refusal.Missing)
			l.refusedFor(said.Refusal.Code, text)
		}
		l.hearsOfPayment(body, status)
		switch status {
		case http.StatusConflict:
			l.happened(what + ", refused")
		case http.StatusCreated, http.StatusOK:
			l.happened(what)
		}
		for _, granted := range said.Returns {
			c := l.comeback(granted.RMA)
			c.keep = granted.Keep
			c.dear = body["payment"] != nil
			if c.keep {
				l.happened("return to be kept")
			}
			for _, u := range granted.Lines {
				c.granted[u.Line] = u.Quantity
			}
		}
	})
}

// wishes are the units that the customer would like to send back, if they have them or not.
func (l *life) wishes() []map[string]any {
	var lines []map[string]any
	add := func(line int, quantity int64) {
		reason := oneOf(l, returns.Reasons)
		if l.hauls && l.chance(30) {
			reason = returns.Damaged
		}
		lines = append(lines, map[string]any{"line": line, "quantity": quantity, "reason": string(reason)})
	}
	held, soundly, likes := l.holds(l.purchase), 80, 60
	if l.exchanges() { // mostly for what can be exchanged
		soundly, likes = 95, 85
	}
	for i := range l.basket.lines {
		n := l.basket.lines[i].quantity
		if l.chance(soundly) {
			n = held[i+1]
		}
		if n > 0 && l.chance(likes) {
			add(i+1, 1+int64(l.pick(int(n))))
		}
	}
	if len(lines) == 0 || l.chance(2) {
		add(len(l.basket.lines)+l.pick(2), 1+int64(l.pick(6)))
	}
	return lines
}

// sendsBack packs a box: mostly what was granted.
func (l *life) sendsBack(c *comeback) {
	x := &box{book: c.book, tracking: c.label, handed: true, lines: maps.Clone(c.granted)}
	lines := slices.Sorted(maps.Keys(x.lines))
	switch l.pick(12) {
	case 0:
		x.lines = map[int]int64{}
		l.happened("empty box sent back")
	case 1:
		x.lines[oneOf(l, lines)]++
		l.happened("too much sent back")
	case 2:
		x.lines[1+l.pick(5)]++
		l.happened("something else sent back")
	case 3, 4:
		x.lines[oneOf(l, lines)]--
		l.happened("too little sent back")
	}
	c.box = x
	l.happened("return sent")
	l.note("the customer sends %s back: %v", c.rma, x.lines)
	if c.label != "" {
		l.handsIn(c)
		l.scan(x, "in_transit")
	}
}

func (l *life) cancelsReturn(c *comeback) {
	if l.cancelsOnPage(c) {
		return
	}
	l.requests++
	body := map[string]any{"request_id": fmt.Sprintf("k%d", l.requests)}
	defer l.about(c.book.of)()
	l.request("storefront-"+l.key.Storefront, "returns/"+c.rma+"/cancel", body, func(status int, _ string) {
		switch status {
		case http.StatusOK:
			l.happened("return cancelled")
			c.withdrawn = true
			c.never = c.never || l.chance(70) // or it is sent all the same
		case http.StatusAccepted:
			l.happened("cancel of a return stored")
			c.withdrawn = true
		case http.StatusConflict:
			l.happened("cancel of a return refused")
		}
	})
}

// staffReturns: people decide, not always about what is theirs to decide.
func (l *life) staffReturns() {
	if l.chance(70) && l.decides() {
		return
	}
	list := l.sortedBacks()
	if len(list) == 0 {
		return
	}
	c := oneOf(l, list)
	l.decide(c, oneOf(l, []map[string]any{
		{"decision": "pay_share", "line": 1 + l.pick(3), "share_bp": 5000},
		{"decision": "refund_without_goods"},
		{"decision": "refuse"},
		{"decision": "write_off", "reason": "agreed"},
		{"decision": "noted", "matter": "surplus"},
		l.findings(c),
	}))
}

// findings are what somebody at the supplier has said on the telephone.
func (l *life) findings(c *comeback) map[string]any {
	var found []map[string]any
	for _, line := range slices.Sorted(maps.Keys(c.granted)) {
		found = append(found, map[string]any{"line": line, "quantity": c.granted[line], "condition": string(oneOf(l, conditions))})
	}
	return map[string]any{"decision": "record_findings", "findings": found}
}

// decides settles what waits for a person. It says whether anything did.
func (l *life) decides() bool {
	for _, r := range l.runs() {
		s := r.returnState(l)
		if s == nil {
			continue
		}
		for _, a := range s.Attention {
			if body := l.ruling(s, a.Key); body != nil {
				l.decide(l.comeback(s.RMA), body)
				return true
			}
		}
	}
	return false
}

// ruling is what a person decides about a matter; nil: nothing.
func (l *life) ruling(s *returns.State, matter string) map[string]any {
	kind, subject, _ := strings.Cut(matter, "/")
	switch kind {
	case "ruling":
		var line int
		_, _ = fmt.Sscan(subject, &line)
		return map[string]any{"decision": "pay_share", "line": line, "share_bp": oneOf(l, []int64{0, 2500, 10_000})}
	case "supplier-refused":
		return map[string]any{"decision": oneOf(l, []string{"refund_without_goods", "refuse"})}
	case "inspection":
		return l.findings(l.comeback(s.RMA))
	case "credit":
		return map[string]any{"decision": "write_off", "reason": "too_small"}
	case "credit-over", "surplus", "not-granted", "granted-anew":
		return map[string]any{"decision": "noted", "matter": kind}
	}
	return nil
}

func (l *life) decide(c *comeback, body map[string]any) {
	l.requests++
	body["request_id"] = fmt.Sprintf("d%d", l.requests)
	defer l.about(c.book.of)()
	what := body["decision"].(string) //nolint:forcetypeassert // ours
	l.request("operator-", "returns/"+c.rma+"/decide", body, func(status int, _ string) {
		switch status {
		case http.StatusOK:
			l.happened("decided: " + what)
			c.seen = c.seen || what == "record_findings"
			c.excused = c.excused || what == "refund_without_goods"
		case http.StatusConflict:
			l.happened("decision about a return refused")
		}
	})
}

// oddReturn is what people do to a return in the engine's own interface.
func (l *life) oddReturn() {
	for _, r := range l.runs() {
		if r.flow.kind != workflows.ReturnWorkflow || !r.active {
			continue
		}
		switch l.pick(3) {
		case 0:
			l.happened("return's workflow cancelled by hand")
			l.comeback(r.flow.rma).withdrawn = true
			r.env.CancelWorkflow()
		case 1:
			l.happened("unreadable signal to a return")
			r.env.SignalWorkflow("facts", []int{1})
		case 2:
			if !r.suggested {
				r.suggested = true
				l.note("the history of %s has grown long", r.flow.id)
				r.env.SetContinueAsNewSuggested(true)
			}
		}
		return
	}
}
