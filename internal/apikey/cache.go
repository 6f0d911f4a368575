package apikey

import (
	"sync"
	"time"
)

const (
	// remember bounds how long a revoked key still opens a process that has seen it.
	remember = 20 * time.Second
	// most bounds the memory; above it the cache starts anew.
	most = 10_000
)

// cache holds keys that were found in force lately. Only real keys enter it, so that a flood of
// invented ones cannot push them out.
type cache struct {
	mu    *sync.Mutex
	now   func() time.Time
	known map[string]remembered
}

type remembered struct {
	entry
	until time.Time
}

func newCache(now func() time.Time) cache {
	return cache{mu: &sync.Mutex{}, now: now, known: map[string]remembered{}}
}

func (c *cache) get(id string) (entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.known[id]
	if !ok || !c.now().Before(found.until) {
		delete(c.known, id)
		return entry{}, false
	}
	return found.entry, true
}

func (c *cache) put(id string, e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= most {
		clear(c.known)
	}
	c.known[id] = remembered{entry: e, until: c.now().Add(remember)}
}

func (c *cache) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, id)
}
