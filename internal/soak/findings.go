package soak

import (
	"fmt"
	"sync"
)

// findings collects violations: all are counted, the first of them are kept for people.
type findings struct {
	mu    sync.Mutex
	count int
	texts []string
}

const findingsShown = 40

func (f *findings) add(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	if len(f.texts) < findingsShown {
		f.texts = append(f.texts, fmt.Sprintf(format, args...))
	}
}

func (f *findings) all() (count int, texts []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count, f.texts
}
