package paymentsim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Event is one webhook, as it was written.
type Event struct {
	ID   string
	Type string
	Body []byte
}

// postbox holds what is to be delivered, and everything that ever was put into it.
type postbox struct {
	mu      sync.Mutex
	waiting []Event
	sent    []Event
	held    bool
	copies  int
	busy    bool
	wake    chan struct{}
}

// tell writes an event. The lock must be held.
func (s *Server) tell(kind string, object, previous map[string]any) {
	data := map[string]any{"object": object}
	if previous != nil {
		data["previous_attributes"] = previous
	}
	e := Event{ID: s.nextID("evt"), Type: kind}
	e.Body = encode(map[string]any{"id": e.ID, "object": "event", "type": kind, "created": s.now().Unix(), "livemode": false, "data": data})
	s.post.mu.Lock()
	defer s.post.mu.Unlock()
	s.post.sent = append(s.post.sent, e)
	for range max(1, s.post.copies) {
		s.post.waiting = append(s.post.waiting, e)
	}
	s.post.rouse()
}

func (p *postbox) rouse() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Events lists what happened so far, each once.
func (s *Server) Events() []Event {
	s.post.mu.Lock()
	defer s.post.mu.Unlock()
	return slices.Clone(s.post.sent)
}

// Double delivers every further webhook so many times.
func (s *Server) Double(copies int) {
	s.post.mu.Lock()
	defer s.post.mu.Unlock()
	s.post.copies = copies
}

// Hold keeps webhooks back until Release.
func (s *Server) Hold() {
	s.post.mu.Lock()
	defer s.post.mu.Unlock()
	s.post.held = true
}

// Release delivers what was held back; the last first when it is to come out of order.
func (s *Server) Release(outOfOrder bool) {
	s.post.mu.Lock()
	defer s.post.mu.Unlock()
	if outOfOrder {
		slices.Reverse(s.post.waiting)
	}
	s.post.held = false
	s.post.rouse()
}

// Delivered returns when no webhook is on its way, or with the context's error.
func (s *Server) Delivered(ctx context.Context) error {
	return s.Await(ctx, func() bool {
		s.post.mu.Lock()
		defer s.post.mu.Unlock()
		return len(s.post.waiting) == 0 && !s.post.busy
	})
}

func (s *Server) deliverAll() {
	for {
		e, found := s.post.next()
		if !found {
			s.mu.Lock()
			s.announce()
			s.mu.Unlock()
			select {
			case <-s.post.wake:
				continue
			case <-s.lifetime.Done():
				return
			}
		}
		// One that is never taken is lost, as with the provider: it is found when the books are compared.
		_ = s.deliver(s.lifetime, e)
	}
}

func (p *postbox) next() (Event, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = len(p.waiting) > 0 && !p.held
	if !p.busy {
		return Event{}, false
	}
	e := p.waiting[0]
	p.waiting = p.waiting[1:]
	return e, true
}

func (s *Server) deliver(ctx context.Context, e Event) error {
	if s.config.Gateway == "" {
		return nil
	}
	wait := s.config.Retry
	for range s.config.Attempts {
		if s.attempt(ctx, e) == nil {
			return nil
		}
		select {
		case <-time.After(wait):
			wait = min(2*wait, time.Second)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("event %s was not taken after %d attempts", e.ID, s.config.Attempts)
}

// Signature is the value of the Stripe-Signature header for a body sent at a time.
func Signature(secrets []string, body []byte, at time.Time) string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	header := "t=" + stamp
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(stamp + "."))
		mac.Write(body)
		header += ",v1=" + hex.EncodeToString(mac.Sum(nil))
	}
	return header
}

func (s *Server) attempt(ctx context.Context, e Event) error {
	address := s.config.Gateway + "/v1/webhooks/payments/" + s.config.Storefront
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(e.Body))
	if err != nil {
		return fmt.Errorf("build the webhook: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Stripe-Signature", Signature(s.config.WebhookSecrets, e.Body, s.config.Now()))
	response, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("deliver the webhook: %w", err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("the gateway answered %d", response.StatusCode)
	}
	return nil
}
