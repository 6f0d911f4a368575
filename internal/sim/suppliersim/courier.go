package suppliersim

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/dropline/dropline/internal/supplier/restapi/wire"
	"github.com/dropline/dropline/internal/webhook"
)

// delivery is one webhook on its way.
type delivery struct {
	party  *party
	manner WebhookManner
	hook   *Webhook
	body   []byte
	held   bool
	done   chan struct{} // closed once this one was taken or given up
	next   chan struct{} // the same of the purchase order's next event
}

// tell sends an event to the gateway, again and again until it is taken.
func (s *Server) tell(p *party, m Manner, kind, id, number string, data any) {
	content, err := json.Marshal(data)
	if err == nil {
		content, err = json.Marshal(wire.Event{ID: id, Type: kind, CreatedAt: m.now(), Data: content})
	}
	if err != nil {
		panic(fmt.Sprintf("supplier simulator: %s: %v", kind, err)) // plain structs always marshal
	}
	hook := &Webhook{ID: id, Type: kind, PO: number}
	s.Books.announce(p.name, hook)
	d := &delivery{party: p, manner: m.Webhooks, hook: hook, body: content}
	s.mu.Lock()
	position := p.serials["flow/"+number]
	p.serials["flow/"+number]++
	for len(p.flows[number]) < position+2 {
		p.flows[number] = append(p.flows[number], make(chan struct{}))
	}
	d.done, d.next = p.flows[number][position], p.flows[number][position+1]
	d.held = m.Webhooks.OutOfOrder && position%2 == 0
	s.mu.Unlock()
	s.after(m.Webhooks.Delay, func() { s.deliver(d) })
}

func (s *Server) deliver(d *delivery) {
	defer close(d.done)
	if d.held {
		s.hold(d)
	}
	wait := s.options.FirstWait
	for attempt := range s.options.Attempts {
		if s.try(d, attempt) {
			if d.manner.Twice {
				s.try(d, attempt+1)
			}
			return
		}
		if !s.pause(wait) {
			return
		}
		wait = min(2*wait, s.options.LongestWait)
	}
	s.Books.mark(d.hook, func(h *Webhook) { h.Abandoned = true })
}

func (s *Server) hold(d *delivery) {
	longest := d.manner.Hold.span()
	if longest == 0 {
		longest = 2 * time.Second
	}
	timer := time.NewTimer(longest)
	defer timer.Stop()
	select {
	case <-d.next:
	case <-timer.C:
	case <-s.ctx.Done():
	}
}

// try posts the event once and says whether it was taken.
func (s *Server) try(d *delivery, attempt int) bool {
	taken := s.post(d, attempt)
	if s.ctx.Err() != nil {
		return false
	}
	s.Books.mark(d.hook, func(h *Webhook) {
		h.Attempts++
		if taken {
			h.Delivered++
		}
	})
	return taken
}

func (s *Server) post(d *delivery, attempt int) bool {
	s.mu.Lock()
	gateway, secret := s.gateway, d.party.Secret
	s.mu.Unlock()
	if gateway == "" {
		return false
	}
	if s.chance(d.manner.WrongSignaturePercent, d.hook.ID, fmt.Sprint(attempt)) {
		secret = "not " + secret
	}
	to := gateway + "/v1/suppliers/" + url.PathEscape(d.party.name) + "/events"
	request, err := http.NewRequestWithContext(s.ctx, http.MethodPost, to, bytes.NewReader(d.body))
	if err != nil {
		return false
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(webhook.Header, webhook.Sign(secret, d.body, time.Now()))
	response, err := s.outgoing.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, maxBody))
	return err == nil && response.StatusCode/100 == 2
}

// chance is true for the given percentage of its arguments, always the same ones under one seed.
func (s *Server) chance(percent int, parts ...string) bool {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %q", s.options.Seed, parts))
	return binary.BigEndian.Uint64(sum[:8])%100 < uint64(max(0, percent))
}
