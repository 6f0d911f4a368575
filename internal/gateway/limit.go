package gateway

import (
	"maps"
	"sync"
	"time"
)

// limiter holds a bucket per caller. Only callers that have proved who they are get one, so their
// number is that of the keys, the partners and the orders whose customers have come of late.
type limiter struct {
	rate    Rate
	now     func() time.Time
	mu      sync.Mutex
	buckets map[string]bucket
}

// bucket is what was left at a time, in thousandths of a request.
type bucket struct {
	left int64
	at   time.Time
}

func newLimiter(rate Rate, now func() time.Time) *limiter {
	return &limiter{rate: rate, now: now, buckets: map[string]bucket{}}
}

// allow takes one request out of a caller's bucket.
func (l *limiter) allow(caller string) bool {
	const whole = 1000
	l.mu.Lock()
	defer l.mu.Unlock()
	now, full := l.now(), int64(l.rate.Burst)*whole
	b, known := l.buckets[caller]
	if !known {
		l.tidy(now)
		b = bucket{left: full, at: now}
	}
	// A thousandth of a request a second is one millisecond at one request a second.
	if gained := now.Sub(b.at).Milliseconds() * int64(l.rate.PerSecond); gained > 0 {
		b = bucket{left: min(full, b.left+gained), at: now}
	}
	allowed := b.left >= whole
	if allowed {
		b.left -= whole
	}
	l.buckets[caller] = b
	return allowed
}

// mostBuckets is how many callers are remembered: some 100 bytes each.
const mostBuckets = 20_000

// tidy forgets callers whose buckets are full again, before there are too many. When none is, it forgets all:
// nobody is refused because others came.
func (l *limiter) tidy(now time.Time) {
	if len(l.buckets) < mostBuckets {
		return
	}
	fills := time.Duration(l.rate.Burst) * time.Second / time.Duration(max(l.rate.PerSecond, 1))
	maps.DeleteFunc(l.buckets, func(_ string, b bucket) bool { return now.Sub(b.at) >= fills })
	if len(l.buckets) >= mostBuckets {
		clear(l.buckets)
	}
}
