package simulation

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"syscall"
)

// network carries the product's calls to the partners of the life under way, without a socket, and
// does to them what the plan says.
type network struct{ world *world }

var errSilence = errors.New("simulated: no answer")

// RoundTrip is http.RoundTripper's.
func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	l := n.world.life
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
	}
	plan := l.planned(r)
	if plan != netWell {
		l.met = plan
	}
	asked := l.now
	switch {
	case l.dead || l.closing || plan == netUnsent:
		return nil, syscall.ECONNREFUSED
	case plan == netDies:
		l.die()
		return nil, syscall.ECONNREFUSED
	case plan == netFreezes:
		l.pause()
		if l.closing {
			return nil, syscall.ECONNREFUSED
		}
		if l.gaveUp(r, asked) {
			return nil, errSilence
		}
	}
	sent(r)
	serve := func() *httptest.ResponseRecorder {
		answer := httptest.NewRecorder()
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(bytes.NewReader(body))
		l.serve(answer, again, body)
		return answer
	}
	switch plan {
	case netUnavailable:
		return respond(r, http.StatusServiceUnavailable, `{"code":"unavailable"}`), nil
	case netBusy:
		answer := respond(r, http.StatusTooManyRequests, `{"code":"rate_limited"}`)
		answer.Header.Set("Retry-After", "90")
		return answer, nil
	case netBrokenPage:
		return respond(r, http.StatusOK, `{"error":"something went wrong"}`), nil
	case netLate:
		l.late = append(l.late, func() {
			if l.fades(r, asked) {
				return
			}
			l.note("a call arrives late: %s %s", r.Method, r.URL.Path)
			serve()
		})
		return nil, errSilence
	}
	answer := serve()
	switch plan {
	case netLost:
		return nil, errSilence
	case netGarbled:
		return respond(r, http.StatusOK, "<html>welcome"), nil
	case netDiesAfter:
		l.die()
		return nil, errSilence
	case netFreezesAfter:
		l.pause()
		if l.gaveUp(r, asked) {
			return nil, errSilence
		}
	}
	result := answer.Result()
	result.Request = r
	return result, nil
}

// die ends the process that is at work: nothing it does from here on reaches anybody.
func (l *life) die() {
	l.dead = true
	l.world.cable.fall()
}

// sent tells whoever listens that the request is on its way.
func sent(r *http.Request) {
	trace := httptrace.ContextClientTrace(r.Context())
	if trace == nil {
		return
	}
	if trace.WroteHeaderField != nil {
		trace.WroteHeaderField("Host", []string{r.URL.Host})
	}
	if trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	if trace.Got1xxResponse != nil {
		_ = trace.Got1xxResponse(http.StatusContinue, textproto.MIMEHeader{})
	}
}

func respond(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// serve brings a call to the partner whose address it bears.
func (l *life) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	id, _, _ := strings.Cut(r.URL.Host, ".")
	l.note("%s: %s %s", id, r.Method, r.URL.Path)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case l.parties[id] != nil:
		l.serveSupplier(l.parties[id], w, r, body)
	case l.key.Storefront == id:
		l.serveStorefront(w, r, body)
	case l.till != nil && id == tillHost:
		l.serveTill(w, r, body)
	case l.toSeller(r):
		l.serveSeller(w, r, body)
	case id == seller:
		l.serveTracker(w, r)
	default:
		l.fail("somebody was called who is nobody's partner: %s", r.URL.Host)
	}
}
