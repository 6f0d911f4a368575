package gateway

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"
)

const requestIDHeader = "X-Request-ID"

var requestIDShape = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// edge is what every request passes: a name, a log line, a net below panics, the key, the body.
func (g *gateway) edge() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{id: r.Header.Get(requestIDHeader)}
		if !requestIDShape.MatchString(v.id) {
			v.id = rand.Text()
		}
		r = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
		seen := &watched{ResponseWriter: w}
		head := seen.Header()
		head.Set(requestIDHeader, v.id)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Cache-Control", "no-store")
		head.Set("Referrer-Policy", "no-referrer")
		began := g.Now()
		defer func() {
			if cause := recover(); cause != nil {
				g.caught(seen, r, cause)
			}
			g.note(r, v, seen, g.Now().Sub(began))
		}()
		if err := g.pass(seen, r); err != nil {
			g.fail(seen, r, err)
		}
	})
}

// pass brings a request to its route; an error means that nothing was answered yet.
func (g *gateway) pass(w *watched, r *http.Request) error {
	handler, pattern := g.mux.Handler(r)
	visitOf(r.Context()).pattern = pattern
	if pattern == "" {
		probe := nowhere{}
		handler.ServeHTTP(probe, r)
		if allow := probe.Header().Get("Allow"); allow != "" {
			p := problem(methodNotAllowed, "")
			p.headers.Set("Allow", allow)
			return p
		}
		return problem(notFound, "")
	}
	_, route, _ := strings.Cut(pattern, " ")
	partner := signedByPartner(route)
	if strings.HasPrefix(route, "/v1/") && !partner {
		if err := g.authenticate(r); err != nil {
			return err
		}
	}
	if r.Method == http.MethodPost && !isReturnPage(pattern) {
		if err := takeBody(w, r, !partner); err != nil {
			return err
		}
	}
	g.mux.ServeHTTP(w, r)
	return nil
}

// signedByPartner is true for the routes that take a signature instead of a key.
func signedByPartner(route string) bool {
	for _, prefix := range []string{"/v1/shopify/", "/v1/carriers/", "/v1/webhooks/"} {
		if strings.HasPrefix(route, prefix) {
			return true
		}
	}
	// What a supplier is due and was paid is ours to see.
	return strings.HasPrefix(route, "/v1/suppliers/") && strings.HasSuffix(route, "/events")
}

// fail answers with a problem document, or to a customer with a page.
func (g *gateway) fail(w http.ResponseWriter, r *http.Request, err error) {
	if isReturnPage(visitOf(r.Context()).pattern) {
		g.failPage(w, r, err)
		return
	}
	p := g.answer(r.Context(), err)
	p.RequestID = visitOf(r.Context()).id
	maps.Copy(w.Header(), p.headers)
	writeJSON(w, p.Status, p.ContentType(""), p)
}

func writeJSON(w http.ResponseWriter, status int, contentType string, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("encode an answer: %v", err))
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the caller has gone, and nobody else wants the answer
}

// caught turns a panic into a plain 500; what it was goes to the log.
func (g *gateway) caught(w *watched, r *http.Request, cause any) {
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(cause)
	}
	v := visitOf(r.Context())
	if r.Context().Err() != nil {
		v.fault = errors.New("the caller went away before it was answered")
		return
	}
	v.fault = fmt.Errorf("panic: %v", cause)
	g.Log.Error().Str("request_id", v.id).Bytes("stack", debug.Stack()).Msg("a request panicked")
	if w.status == 0 {
		g.fail(w, r, problem(internal, ""))
	}
}

// note writes the access log: neither query nor body nor path, which may hold secrets and personal
// data; the route says enough.
func (g *gateway) note(r *http.Request, v *visit, w *watched, took time.Duration) {
	event := g.Log.Info()
	if v.fault != nil || w.status >= http.StatusInternalServerError {
		event = g.Log.Error()
	}
	event = event.Str("request_id", v.id).Str("route", v.pattern).Int("status", w.status).
		Int("bytes", w.bytes).Dur("took", took)
	if v.pattern == "" {
		event = event.Str("method", strings.ToUpper(r.Method[:min(len(r.Method), 10)]))
	}
	if v.key.ID != "" {
		event = event.Str("key", v.key.ID).Str("role", string(v.key.Role))
	}
	if v.partner != "" {
		event = event.Str("partner", v.partner)
	}
	if v.fault != nil {
		event = event.AnErr("fault", v.fault)
	}
	event.Msg("request")
}

// watched remembers what was answered.
type watched struct {
	http.ResponseWriter
	status int
	bytes  int
}

func (w *watched) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += n
	return n, err
}

// Unwrap lets http.ResponseController reach deadlines.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
