package simulation

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/dropline/dropline/internal/payment/stripe"
	"github.com/dropline/dropline/internal/webhook"
)

// document is a partner's message on its way to the gateway.
type document struct {
	from, party, id, what string
	media                 string // empty: JSON
	body                  []byte
	aside                 bool   // a mail that is nobody's
	handed                int    // times, of what comes neither over the network nor signed
	taken                 func() // called when the gateway has it
}

func (l *life) post(d *document) {
	l.documents = append(l.documents, d)
	l.note("%s sends %s: %s", d.party, d.id, d.what)
}

// deliverDocument brings one document, in no order, to the gateway.
func (l *life) deliverDocument() {
	if len(l.documents) == 0 {
		return
	}
	i := l.pick(len(l.documents))
	d := l.documents[i]
	forged := 3 // percent
	if d.from == byMail {
		forged = 25 // an address is the easiest thing to forge
	}
	if !l.quiet && l.chance(forged) {
		l.hand(d, "forged", unharmed())
	}
	status := l.hand(d, secretOf(d.party), l.chooseCut())
	switch {
	case status == http.StatusAccepted:
		l.documents = append(l.documents[:i:i], l.documents[i+1:]...)
		l.delivered = append(l.delivered, d)
		if l.twice {
			if again := l.hand(d, secretOf(d.party), unharmed()); again != http.StatusAccepted {
				l.fail("the gateway answers %d to %s when it comes again", again, d.id)
			}
		}
		if d.taken != nil {
			d.taken()
		}
	case status < http.StatusInternalServerError:
		l.fail("the gateway refuses %s with %d", d.id, status)
	default:
		l.happened("webhook turned away")
	}
}

// repeatDocument brings a document again that was taken before.
func (l *life) repeatDocument() {
	if len(l.delivered) == 0 {
		return
	}
	l.happened("webhook repeated")
	d := oneOf(l, l.delivered)
	if status := l.hand(d, secretOf(d.party), l.chooseCut()); status != http.StatusAccepted && status < http.StatusInternalServerError {
		l.fail("the gateway refuses the repeat of %s with %d", d.id, status)
	}
}

// garbage sends what no reader understands.
func (l *life) sendGarbage() {
	l.garbage++
	id := "garbage-" + l.key.Order + "-" + string(rune('a'+l.garbage%26))
	body := oneOf(l, []string{
		`{"id":"` + id + `","type":"purchase_order.acknowledged","created_at":"2026-01-01T00:00:00Z","data":{"po":"DLNEVER-1","at":"2026-01-01T00:00:00Z","whole":"accepted"}}`,
		`{"id":"` + id + `","type":"purchase_order.acknowledged","data":{}}`,
		`{"id":"` + id + `","type":"weather.changed","created_at":"2026-01-01T00:00:00Z","data":{}}`,
	})
	l.happened("garbage")
	l.post(&document{from: "supplier", party: "alder", id: id, what: "garbage", body: []byte(body)})
	l.expected[id] = ""
}

// hand gives a document to the gateway and returns its answer's status.
func (l *life) hand(d *document, secret string, f *fault) int {
	if d.from == byMail || d.from == byClerk {
		return l.handIn(d, secret != secretOf(d.party), f)
	}
	path, header, signature := "/v1/suppliers/"+d.party+"/events", webhook.Header, webhook.Sign(secret, d.body, l.now)
	if d.from == "carrier" {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(d.body)
		path, header, signature = "/v1/carriers/"+d.party+"/events", "X-Hmac-Signature", "hmac-sha256-hex="+hex.EncodeToString(mac.Sum(nil))
	}
	if d.from == "payments" {
		path, header = "/v1/webhooks/payments/"+d.party, stripe.SignatureHeader
	}
	request := httptest.NewRequestWithContext(l.ctx, http.MethodPost, path, bytes.NewReader(d.body))
	request.Header.Set("Content-Type", cmp.Or(d.media, "application/json"))
	request.Header.Set(header, signature)
	if secret != secretOf(d.party) {
		status, _ := l.ask(request, f)
		if status != http.StatusUnauthorized {
			l.fail("the gateway answers %d to a forged signature", status)
		}
		l.happened("forged signature")
		return status
	}
	status, _ := l.ask(request, f)
	l.note("the gateway answers %d to %s", status, d.id)
	return status
}

// chooseCut is a fault for a call that talks to nobody but the database.
func (l *life) chooseCut() *fault {
	f := &fault{statement: -1}
	if l.quiet {
		return f
	}
	switch n := l.pick(100); {
	case n < 92:
	case n < 94:
		f.name, f.statement = "cut before a statement", l.pick(6)
	case n < 96:
		f.name, f.statement, f.after = "cut after a statement", l.pick(6), true
	case n < 98:
		f.name, f.statement, f.dies = "before a statement", l.pick(6), true
	default:
		f.name, f.statement, f.after, f.dies = "after a statement", l.pick(6), true, true
	}
	return f
}

// ask sends a request to the gateway, which must answer at once.
func (l *life) ask(request *http.Request, f *fault) (int, string) {
	recorder := httptest.NewRecorder()
	l.prepare(f)
	s := l.begin(func() { l.world.gateway.ServeHTTP(recorder, request) })
	l.clean(f)
	if !s.ended {
		l.fail("the gateway stands still at %s", request.URL.Path)
	}
	if f.lost {
		l.happened("gateway died")
		return http.StatusServiceUnavailable, ""
	}
	return recorder.Code, recorder.Body.String()
}

// askLater sends a request that may have to wait for the order's answer; then gets it.
func (l *life) askLater(request *http.Request, then func(status int, body string)) {
	recorder := httptest.NewRecorder()
	f := l.chooseCut()
	l.prepare(f)
	l.begin(func() {
		l.world.gateway.ServeHTTP(recorder, request)
		then(recorder.Code, strings.TrimSpace(recorder.Body.String()))
	})
	l.clean(f)
}
