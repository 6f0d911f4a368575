package simulation

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tillHost is the payment provider's, whose customers some of the storefronts are.
const tillHost = "till"

// till is what the payment provider itself has written down about the order's payment. Amounts are minor
// units.
type till struct {
	reference  string
	currency   string // as the provider writes it
	status     string // requires_capture, succeeded, canceled
	lapsed     bool   // it ended by itself
	authorised int64  // or captured in the shop
	captured   int64
	refunded   int64 // less what came back
	expiresAt  time.Time
	refunds    []*moneyBack
	disputes   []*chargeback
	answers    map[string]*answered
	events     int

	// The temper of the customer's bank, and of the account's owners.
	declines int // captures that it declines before it agrees
	pends    int // percent of refunds that take their time
	failing  int // percent of those that it does not take
	quarrels bool
	hidden   bool // nobody says until when the authorisation lasts
	meddles  bool
	// short: somebody took less than was due, by hand.
	short bool
}

// moneyBack is a refund in the provider's books.
type moneyBack struct {
	reference, key, status, reason string // status: pending, succeeded, failed
	amount                         int64
	at                             time.Time
	silent                         bool // nobody tells of its end: who wants to know has to look
}

// chargeback is what the customer's bank took back.
type chargeback struct {
	reference, status string // needs_response, under_review, won, lost
	amount, fee       int64
	by                time.Time // zero: nobody says
	waits             bool      // the bank reads our answer before it decides
}

// answered is kept for the repeats of its key, as long as the provider knows keys.
type answered struct {
	asked  string
	status int
	body   map[string]any
	at     time.Time
}

// keysKept is how long the provider knows a key: a day at least, it says.
const keysKept = 26 * time.Hour

// tills are the storefronts whose payments a provider holds, by what is left of a seed. No choice is spent
// on it: the lives of all other seeds stay what they were.
var tills = map[uint64]string{1: "rowan", 7: "willow", 10: "willow"}

// exchanges are the storefronts that exchange goods, by what is left of a seed, for the same reason.
var exchanges = map[uint64]string{10: "laurel", 11: "fern", 14: "aspen", 20: "fern", 23: "aspen"}

// exchanges: the storefront sends other goods for those that come back.
func (l *life) exchanges() bool {
	shop := l.first().key.Storefront
	return shop == "laurel" || shop == "fern" || shop == "aspen"
}

// deals gives every third life a storefront and suppliers with whom money takes longer ways: three of four
// have a provider, and hazel gives store credit. A quarter of the others deal with one that exchanges goods.
func (l *life) deals() {
	if l.number%3 != 1 {
		if shop := exchanges[l.number%24]; shop != "" && !l.world.market.wide {
			l.key.Storefront = shop
		}
		return
	}
	l.pursued, l.hauls = true, haulage(l.number) && exchanges[l.number%24] == "" && !l.world.market.wide
	if l.number%12 == 4 {
		l.key.Storefront = "hazel"
		return
	}
	shop := tills[l.number%12]
	if shop == "" || l.world.currency == "KWD" { // the provider takes no thousandths
		return
	}
	if exchanges[l.number%24] != "" && !l.world.market.wide {
		shop = exchanges[l.number%24]
	}
	l.key.Storefront = shop
	l.till = &till{
		reference: fmt.Sprintf("pi_%d", l.number), currency: strings.ToLower(l.world.currency), answers: map[string]*answered{},
		pends: oneOf(l, []int{0, 30, 80}), failing: oneOf(l, []int{0, 20, 50}), quarrels: l.chance(50), meddles: l.chance(60), hidden: l.chance(20),
	}
	if l.chance(25) {
		l.till.declines = oneOf(l, []int{1, 2, 3, 1000})
	}
}

// checkOut is what the customer paid in the shop, before anybody here heard of the order; the document's
// word for it.
func (l *life) checkOut() map[string]any {
	t, b := l.till, &l.basket
	b.captured, t.authorised = b.total, b.total
	t.status = "requires_capture"
	if l.chance(90) {
		t.expiresAt = l.now.Add(l.between(4*24*time.Hour, 8*24*time.Hour, time.Hour)).Truncate(time.Second)
	}
	status, captured := "authorized", int64(0)
	if l.chance(30) {
		t.status, t.captured, t.expiresAt = "succeeded", b.total, time.Time{}
		status, captured = "paid", b.total
	}
	l.happened("sold at a provider: " + status)
	return map[string]any{"status": status, "captured": l.amount(captured), "reference": t.reference}
}

// refusal is a provider's answer that is no success.
func refusal(status int, kind, code string) (int, map[string]any) {
	return status, map[string]any{"error": map[string]any{"type": kind, "code": code, "message": "refused"}}
}

func invalidRequest(code string) (int, map[string]any) {
	return refusal(http.StatusBadRequest, "invalid_request_error", code)
}

// serveTill answers as the provider does.
func (l *life) serveTill(w http.ResponseWriter, r *http.Request, body []byte) {
	t := l.till
	if r.Header.Get("Authorization") != "Bearer "+secretOf(tillHost) {
		l.fail("the provider is called with another's key")
	}
	t.lapse(l)
	path, isAPI := strings.CutPrefix(r.URL.Path, "/v1/")
	if !isAPI {
		l.fail("the provider has no %s", r.URL.Path)
	}
	if r.Method == http.MethodGet {
		reply(w, l.showTill(path, r.URL.Query()))
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		l.fail("the provider cannot read %s: %v", r.URL.Path, err)
	}
	status, said, again := l.onceAtTill(path, r.Header.Get("Idempotency-Key"), form)
	if again {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	w.WriteHeader(status)
	reply(w, said)
}

// onceAtTill changes something once per key, as long as the key is known.
func (l *life) onceAtTill(path, key string, form url.Values) (status int, said map[string]any, again bool) {
	t, asked := l.till, path+"?"+form.Encode()
	if key == "" {
		l.fail("the provider is asked for %s without a key", path)
	}
	if known := t.answers[key]; known != nil && l.now.Sub(known.at) < keysKept {
		if known.asked != asked {
			l.fail("key %s was used for %s, and now for %s", key, known.asked, asked)
		}
		l.happened("provider asked again")
		return known.status, known.body, true
	}
	broken := ""
	if !l.quiet && l.chance(3) {
		broken = oneOf(l, []string{"provider failed, and did it", "provider failed, and did not"})
		l.happened(broken)
	}
	status, said = http.StatusInternalServerError, nil
	if broken != "provider failed, and did not" {
		status, said = l.changeTill(path, key, form)
	}
	if broken != "" {
		status, said = refusal(http.StatusInternalServerError, "api_error", "")
	}
	t.answers[key] = &answered{asked: asked, status: status, body: said, at: l.now}
	l.note("the provider answers %d to %s under %s", status, path, key)
	return status, said, false
}

func (l *life) changeTill(path, key string, form url.Values) (int, map[string]any) {
	t := l.till
	switch path {
	case "payment_intents/" + t.reference + "/capture":
		return l.takeCapture(form)
	case "payment_intents/" + t.reference + "/cancel":
		if t.status != "requires_capture" {
			return invalidRequest("payment_intent_unexpected_state")
		}
		l.happened("authorisation let go")
		l.release(false)
		return http.StatusOK, t.intent()
	case "refunds":
		return l.takeRefund(key, form)
	}
	for _, d := range t.disputes {
		if path == "disputes/"+d.reference {
			return l.takeEvidence(d, form)
		}
	}
	l.fail("the provider has no %s", path)
	return 0, nil
}

func (l *life) takeCapture(form url.Values) (int, map[string]any) {
	t := l.till
	amount, err := strconv.ParseInt(form.Get("amount_to_capture"), 10, 64)
	switch {
	case err != nil || amount <= 0 || amount > t.authorised:
		l.fail("the provider is asked to capture %q of %d", form.Get("amount_to_capture"), t.authorised)
	case t.status == "canceled" && t.lapsed:
		return invalidRequest("charge_expired_for_capture")
	case t.status != "requires_capture":
		return invalidRequest("payment_intent_unexpected_state")
	case t.declines > 0:
		t.declines--
		l.happened("capture declined")
		return refusal(http.StatusPaymentRequired, "card_error", "card_declined")
	}
	l.happened("captured")
	if amount < t.authorised {
		l.happened("captured in part")
	}
	l.capture(amount)
	return http.StatusOK, t.intent()
}

func (l *life) capture(amount int64) {
	t := l.till
	t.status, t.captured = "succeeded", amount
	l.tell("payment_intent.succeeded", t.intent(), nil)
}

// release ends the hold.
func (l *life) release(byItself bool) {
	t := l.till
	t.status, t.lapsed = "canceled", byItself
	l.tell("payment_intent.canceled", t.intent(), nil)
}

// lapse ends a hold whose time is over.
func (t *till) lapse(l *life) {
	if t.status == "requires_capture" && !t.expiresAt.IsZero() && !l.now.Before(t.expiresAt) {
		l.happened("authorisation expired")
		l.release(true)
	}
}

func (t *till) disputed() bool {
	for _, d := range t.disputes {
		if d.status != "won" {
			return true
		}
	}
	return false
}

func (l *life) takeRefund(key string, form url.Values) (int, map[string]any) {
	t := l.till
	amount, err := strconv.ParseInt(form.Get("amount"), 10, 64)
	if err != nil || amount <= 0 || form.Get("payment_intent") != t.reference || form.Get("metadata[dropline_key]") != key {
		l.fail("the provider cannot read a refund: %v", form)
	}
	for _, made := range t.refunds {
		if made.key == key {
			l.fail("refund %s is made twice", key)
		}
	}
	switch {
	case t.status != "succeeded":
		return invalidRequest("payment_intent_unexpected_state")
	case t.disputed():
		l.happened("refund refused: disputed")
		return invalidRequest("charge_disputed")
	case amount > t.captured-t.refunded && t.short:
		return invalidRequest("amount_too_large")
	case amount > t.captured-t.refunded:
		l.fail("refund %s of %d is asked for, %d was captured and %d refunded", key, amount, t.captured, t.refunded)
	case !l.quiet && l.chance(4):
		l.happened("refund refused")
		return invalidRequest("balance_insufficient")
	}
	made := &moneyBack{reference: fmt.Sprintf("re_%d_%d", l.number, len(t.refunds)+1), key: key, status: "succeeded", amount: amount, at: l.now}
	if l.chance(t.pends) {
		made.status, made.silent = "pending", l.chance(30)
	}
	t.refunds, t.refunded = append(t.refunds, made), t.refunded+amount
	l.happened("refund at the provider: " + made.status)
	l.tell("refund.created", t.refund(made), nil)
	return http.StatusOK, t.refund(made)
}

func (l *life) takeEvidence(d *chargeback, form url.Values) (int, map[string]any) {
	if d.status != "needs_response" {
		return invalidRequest("dispute_already_submitted")
	}
	if form.Get("submit") != "true" || form.Get("evidence[uncategorized_text]") == "" {
		l.fail("a chargeback is answered with nothing: %v", form)
	}
	l.happened("chargeback answered")
	d.status = "under_review"
	l.tell("charge.dispute.updated", l.till.dispute(d), map[string]any{"status": "needs_response"})
	return http.StatusOK, l.till.dispute(d)
}

// showTill answers who only looks.
func (l *life) showTill(path string, query url.Values) map[string]any {
	t := l.till
	if path == "payment_intents/"+t.reference {
		return t.intent()
	}
	if path == "refunds" && query.Get("payment_intent") == t.reference {
		data := []any{}
		for _, made := range slices.Backward(t.refunds) {
			data = append(data, t.refund(made))
		}
		return map[string]any{"object": "list", "data": data, "has_more": false}
	}
	for _, d := range t.disputes {
		if path == "disputes/"+d.reference {
			return t.dispute(d)
		}
	}
	for _, made := range t.refunds {
		if path == "refunds/"+made.reference {
			if made.status == "pending" && made.silent && (l.quiet || l.chance(50)) {
				l.happened("refund settled without a word")
				l.bringsRefund(made, l.chance(t.failing/2))
			}
			return t.refund(made)
		}
	}
	l.fail("the provider has no %s", path)
	return nil
}
