package soak

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// sender brings deliveries as partners do: one that gets no answer, or is told to come again, is
// repeated until it is taken or refused.
type sender struct {
	gateway string
	keys    map[string]string // API keys by shop
	client  *http.Client
	queue   *queue
	found   *findings

	done      atomic.Int64 // taken or refused for good
	repeated  atomic.Int64 // attempts that were told to come again
	broken    atomic.Int64 // attempts without an answer
	throttled atomic.Int64 // attempts that were too fast for the gateway
	finished  atomic.Int64 // nanoseconds from the start until the last one was done
}

// sideBySide is how many deliveries are under way at once.
const sideBySide = 16

func newSender(gateway string, keys map[string]string, q *queue, found *findings) *sender {
	return &sender{
		gateway: gateway, keys: keys, queue: q, found: found,
		// Shopify waits five seconds for an answer.
		client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: sideBySide}},
	}
}

// run sends everything, or until ctx ends.
func (s *sender) run(ctx context.Context) {
	began := time.Now()
	var group sync.WaitGroup
	for range sideBySide {
		group.Go(func() {
			for {
				d, more := s.queue.next(ctx)
				if !more {
					return
				}
				s.bring(ctx, d)
			}
		})
	}
	group.Wait()
	s.client.CloseIdleConnections()
	s.finished.Store(int64(time.Since(began)))
}

// bring repeats a delivery until it has its answer.
func (s *sender) bring(ctx context.Context, d *delivery) {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		status := s.attempt(ctx, d)
		switch {
		case status == 0:
			s.broken.Add(1)
		case status == http.StatusTooManyRequests:
			s.throttled.Add(1)
		case status >= http.StatusInternalServerError:
			s.repeated.Add(1)
		default:
			s.judge(d, status)
			s.done.Add(1)
			return
		}
		select {
		case <-ctx.Done():
			s.found.add("a %s (%s) got no answer until the soak was over; the last was %d", d.kind, d.key, status)
			return
		case <-time.After(wait):
		}
	}
}

func (s *sender) judge(d *delivery, status int) {
	taken := status >= 200 && status <= 299
	switch {
	case len(d.refused) == 0 && !taken:
		s.found.add("a %s (%s) was answered %d, want 2xx", d.kind, d.key, status)
	case len(d.refused) > 0 && !slices.Contains(d.refused, status):
		s.found.add("garbage (%s to %s, beginning %.40q) was answered %d, want one of %d", d.kind, d.path, d.body, status, d.refused)
	}
}

// attempt makes one request; 0 means that there was no answer.
func (s *sender) attempt(ctx context.Context, d *delivery) (status int) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.gateway+d.path, bytes.NewReader(d.body))
	if err != nil {
		return 0
	}
	request.Header.Set("Content-Type", "application/json")
	for _, headers := range []map[string]string{d.headers, d.signed(time.Now(), s.keys[d.shop])} {
		for name, value := range headers {
			request.Header.Set(name, value)
		}
	}
	response, err := s.client.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20)); err != nil {
		return 0 // an answer that breaks off is none
	}
	return response.StatusCode
}
