package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returnlink"
)

// A customer's return page: what can be sent back, a form, and where earlier returns stand. The token in
// its address is all that a customer needs to have; nothing is kept in the browser, so nobody else's page
// can send the form. It needs no script and nothing from any other address.

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

var (
	pageShape = template.Must(template.New("page").Parse(pageText))
	// pagePolicy allows the one style sheet, known by its hash, and forms that lead back here.
	pagePolicy = "default-src 'none'; style-src 'sha256-" + hashOf(pageStyle) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

const pagePrefix = returnlink.Path + "{token}"

func (g *gateway) registerReturnPages() {
	if g.Links == nil {
		return
	}
	g.mux.HandleFunc("GET "+pagePrefix, g.page(g.showReturnPage))
	g.mux.HandleFunc("POST "+pagePrefix, g.page(g.askOnPage))
	g.mux.HandleFunc("GET "+pagePrefix+"/asked/{id}", g.page(g.showAsked))
	g.mux.HandleFunc("POST "+pagePrefix+"/returns/{rma}/cancel", g.page(g.cancelOnPage))
}

// isReturnPage: the route's caller is a customer with a browser.
func isReturnPage(pattern string) bool {
	_, route, _ := strings.Cut(pattern, " ")
	return strings.HasPrefix(route, pagePrefix)
}

// guest is a customer whose token was believed.
type guest struct {
	key  order.Key
	path string // of the page, as the browser sees it
}

// page lets a request with a genuine token in, as often as one order's page may be asked for.
func (g *gateway) page(serve func(http.ResponseWriter, *http.Request, guest) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token := r.PathValue("token")
		key, err := g.Links.Read(token, g.Now())
		switch {
		case err == nil && !g.pages.allow(key.String()):
			err = problem(rateLimited, "")
		case err == nil:
			err = serve(w, r, guest{key: key, path: g.Links.PathOf(token)})
		}
		if err != nil {
			g.fail(w, r, err)
		}
	}
}

// stop is why a customer gets no page of the order, in the customer's words.
type stop struct {
	status      int
	title, text string
}

func (s *stop) Error() string { return s.title }

// stops are the customer's words for the kinds of failure. What is not here is the fault of ours.
var stops = map[kind]stop{
	notFound: {http.StatusNotFound, "This link leads nowhere", "Check that you have copied all of it, or use the one in the newest message from the shop."},
	rateLimited: {
		http.StatusTooManyRequests, "One moment, please", "This page was asked for very often just now. Wait a few seconds and load it again.",
	},
	unavailable: {
		http.StatusServiceUnavailable, "We cannot look this up right now",
		"Nothing was changed and nothing is lost. Wait a few seconds and load this page again; if your browser asks, let it send the form again.",
	},
	internal: {
		http.StatusInternalServerError, "Something went wrong on our side",
		"Nothing was changed. Please try once more; if that does not help, reply to the message that you have the link from.",
	},
}

var expired = &stop{
	http.StatusGone, "This link has expired",
	"Links are good for half a year. Use the one in the newest message from the shop, or reply to that message and ask for a new one.",
}

// stopFor is what a customer may know of an error; the rest is for the log.
func (g *gateway) stopFor(ctx context.Context, err error) *stop {
	var said *stop
	switch {
	case errors.As(err, &said):
		return said
	case errors.Is(err, returnlink.ErrExpired):
		return expired
	case errors.Is(err, returnlink.ErrForged):
		err = problem(notFound, "")
	}
	p := g.answer(ctx, err)
	why := kind(p.Code)
	if why == orderBusy {
		why = unavailable
	}
	s, known := stops[why]
	if !known {
		s = stops[internal]
	}
	return &s
}

// failPage answers with a page that says what happened and what to do.
func (g *gateway) failPage(w http.ResponseWriter, r *http.Request, err error) {
	s := g.stopFor(r.Context(), err)
	if s.status == http.StatusServiceUnavailable || s.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", strconv.Itoa(max(means(unavailable).retryAfter, 1)))
	}
	writePage(w, s.status, pageView{Heading: s.title, Lead: s.text})
}

// writePage renders a page whole before it is sent.
func writePage(w http.ResponseWriter, status int, v pageView) {
	v.Style = template.CSS(pageStyle) //nolint:gosec // our own
	var page bytes.Buffer
	if err := pageShape.Execute(&page, v); err != nil {
		panic(fmt.Sprintf("render a return page: %v", err))
	}
	head := w.Header()
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("Content-Security-Policy", pagePolicy)
	head.Set("X-Frame-Options", "DENY")
	head.Set("X-Robots-Tag", "noindex, nofollow")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // the reader has gone
}
