package carriersim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// travel lives through a parcel's script.
func (s *Server) travel(p *parcel) {
	if p.manner == OutOfOrder {
		s.travelBackwards(p)
	} else {
		for i := range p.script {
			if i > 0 && !s.wait(s.config.Interval) {
				return
			}
			s.enter(func() { p.scanned = i + 1 })
			s.tell(p, p.script[:i+1])
		}
	}
	s.enter(func() { p.done = true })
}

// Find lets the carrier deliver, long after its script has ended, a parcel that it had lost.
func (s *Server) Find(carrier, tracking string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(carrier, tracking)
	if p == nil || !p.done || s.lifetime.Err() != nil {
		return
	}
	found := append(slices.Clone(p.script), scan{"delivered", "arrived_at_destination", "Found and delivered", 200 * time.Hour})
	p.script, p.scanned = found, len(found)
	s.running.Go(func() { s.tell(p, found) })
}

// travelBackwards scans the parcel all the way and then pushes one event a scan, the last first,
// none of them with the history that would give the order away.
func (s *Server) travelBackwards(p *parcel) {
	for i := range p.script {
		if i > 0 && !s.wait(s.config.Interval) {
			return
		}
		s.enter(func() { p.scanned = i + 1 })
	}
	for i := range slices.Backward(p.script) {
		s.tell(p, p.script[i:i+1])
	}
}

// tell pushes one event. A parcel of duplicates pushes it twice under one event id, as a
// redelivery does, and once more under another.
func (s *Server) tell(p *parcel, history []scan) {
	if s.config.Gateway == "" || slices.Contains(s.config.Silent, p.manner) {
		return
	}
	body := s.event(p, history)
	s.push(p, body)
	if p.manner == Duplicates {
		s.push(p, body)
		s.push(p, s.event(p, history))
	}
}

// push delivers an event until it is taken, given up, or the server closed.
func (s *Server) push(p *parcel, body []byte) {
	wait := s.config.Retry
	for range s.config.Attempts {
		s.enter(func() { s.books.Attempts++ })
		if s.attempt(p, body) {
			s.enter(func() { s.books.Pushed++ })
			return
		}
		if !s.wait(wait) {
			return
		}
		wait = min(2*wait, time.Second)
	}
	s.enter(func() { s.books.Abandoned++ })
}

func (s *Server) attempt(p *parcel, body []byte) bool {
	source := s.config.Source
	if source == "" {
		source = p.carrier
	}
	ctx, cancel := context.WithTimeout(s.lifetime, 10*time.Second)
	defer cancel()
	address := s.config.Gateway + "/v1/carriers/" + source + "/events"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(s.config.Secret))
	mac.Write(body)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Hmac-Signature", "hmac-sha256-hex="+hex.EncodeToString(mac.Sum(nil)))
	response, err := s.client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	return response.StatusCode >= 200 && response.StatusCode <= 299
}

// wait returns false when the server was closed.
func (s *Server) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.lifetime.Done():
		return false
	}
}

func (s *Server) event(p *parcel, history []scan) []byte {
	s.mu.Lock()
	s.events++
	id := fmt.Sprintf("evt_%06d", s.events)
	s.mu.Unlock()
	body, err := json.Marshal(map[string]any{
		"id": id, "object": "Event", "description": "tracker.updated", "mode": "production",
		"created_at": p.at(history[len(history)-1]), "result": p.tracker(history),
	})
	if err != nil {
		panic(err) // maps of strings always marshal
	}
	return body
}

func (p *parcel) at(sc scan) string { return p.labelled.Add(sc.after).Format(time.RFC3339) }

// tracker is EasyPost's object for what has happened so far.
func (p *parcel) tracker(history []scan) map[string]any {
	details := make([]any, 0, len(history))
	for _, sc := range history {
		details = append(details, map[string]any{
			"object": "TrackingDetail", "message": sc.message, "status": sc.status, "status_detail": sc.detail,
			"datetime": p.at(sc), "source": p.carrier,
		})
	}
	last := history[len(history)-1]
	return map[string]any{
		"id": "trk_" + p.tracking, "object": "Tracker", "mode": "production", "carrier": p.carrier,
		"tracking_code": p.tracking, "status": last.status, "status_detail": last.detail,
		"updated_at": p.at(last), "tracking_details": details,
	}
}
