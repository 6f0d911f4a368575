package soak

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dropline/dropline/internal/processes"
)

const (
	measureEvery = 500 * time.Millisecond
	// The gateway holds no documents: whatever comes, it stays below peakMost. A body may have 1 MiB,
	// and the garbage collector lets the heap double.
	peakMost = 256 << 20
	// A life that is not cut short is judged by its last third against its first, both long after the
	// start; growth beyond both bounds is a leak.
	warmUp        = 5 * time.Second
	fewestSamples = 24
	growthMost    = 16 << 20
)

// memory watches what the gateway holds, life after life.
type memory struct {
	mu      sync.Mutex
	process *processes.Process
	since   time.Time
	life    []int64 // of the present process, after its warm-up
	peak    int64   // of all lives
}

// watch begins a new life.
func (m *memory) watch(p *processes.Process) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.process, m.since, m.life = p, time.Now(), nil
}

// run measures until ctx ends.
func (m *memory) run(ctx context.Context) {
	ticker := time.NewTicker(measureEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			m.measure()
		}
	}
}

func (m *memory) measure() {
	m.mu.Lock()
	defer m.mu.Unlock()
	held, err := m.process.Memory()
	if err != nil || held == 0 {
		return // it is being killed, or this system does not tell
	}
	m.peak = max(m.peak, held)
	if time.Since(m.since) > warmUp {
		m.life = append(m.life, held)
	}
}

// judge says how the last life went, and whether the gateway kept its memory.
func (m *memory) judge(found *findings) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.peak > peakMost {
		found.add("the gateway held %s, want at most %s", mib(m.peak), mib(peakMost))
	}
	if len(m.life) < fewestSamples {
		return fmt.Sprintf("gateway memory: at most %s; its last life was too short to tell whether it grows", mib(m.peak))
	}
	third := len(m.life) / 3
	first, last := median(m.life[:third]), median(m.life[len(m.life)-third:])
	if last > first+growthMost && last > first+first/2 {
		found.add("the gateway's memory grew from %s to %s in its last life", mib(first), mib(last))
	}
	return fmt.Sprintf("gateway memory: at most %s; in its last life %s, then %s", mib(m.peak), mib(first), mib(last))
}

func median(list []int64) int64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

func mib(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }
