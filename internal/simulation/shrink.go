package simulation

import (
	"context"
	"errors"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"
)

// tape is the choices of a life, one after the other: those given, and then any.
type tape struct {
	given []int
	then  *rand.Rand
	made  []int
}

func newTape(given []int, seed uint64) *tape {
	return &tape{given: given, then: rand.New(rand.NewPCG(seed, 0x5eed))} //nolint:gosec // to be repeated, not to be secret
}

// Pick takes what was given. A choice that came to stand where less can be chosen is the last there is.
func (t *tape) Pick(n int) int {
	var choice int
	if i := len(t.made); i < len(t.given) {
		choice = min(t.given[i], n-1)
	} else {
		choice = t.then.IntN(n)
	}
	t.made = append(t.made, choice)
	return choice
}

// shrinker looks for fewer and smaller choices that go wrong in the same way.
type shrinker struct {
	// try makes the choices of a tape and says what was violated; empty: nothing. The tape knows then what it made.
	try  func(*tape) (violation string, err error)
	seed uint64
	kind string // of the violation
	best []int
	// enough: no more is tried.
	enough func() bool
	err    error
}

// shrink returns the shortest choices found that violate the same as those of the seed, which violated something.
func (s *shrinker) shrink() ([]int, error) {
	for before := len(s.best) + 1; len(s.best) < before && !s.done(); {
		before = len(s.best)
		for size := max(len(s.best)/2, 1); size > 0 && !s.done(); size /= 2 {
			s.leaveOut(size)
		}
	}
	s.lower()
	return s.best, s.err
}

func (s *shrinker) done() bool { return s.err != nil || s.enough() }

// leaveOut tries to do without so many choices in a row, the last first.
func (s *shrinker) leaveOut(size int) {
	for at := len(s.best) - size; at >= 0 && !s.done(); at -= size {
		if at+size > len(s.best) {
			continue // what came after was not needed
		}
		shorter := append(append([]int{}, s.best[:at]...), s.best[at+size:]...)
		s.accept(shorter)
	}
}

// lower tries smaller numbers for each choice: the first of what can be chosen, then by halves.
func (s *shrinker) lower() {
	for i := range s.best {
		for least, at := 0, 0; i < len(s.best) && least < s.best[i] && !s.done(); at = s.between(least, i) {
			smaller := append([]int{}, s.best...)
			if smaller[i] = at; !s.accept(smaller) {
				least = at + 1
			}
		}
	}
}

// between is the middle of least and of what a choice is, if it is still made.
func (s *shrinker) between(least, choice int) int {
	if choice >= len(s.best) {
		return least
	}
	return (least + s.best[choice]) / 2
}

// accept keeps choices that go wrong in the same way and are not more than the best so far.
func (s *shrinker) accept(given []int) bool {
	t := newTape(given, s.seed)
	violation, err := s.try(t)
	if err != nil {
		s.err = err
		return false
	}
	if violation == "" || kindOf(violation) != s.kind || len(t.made) > len(s.best) {
		return false
	}
	s.best = t.made
	return true
}

var particulars = regexp.MustCompile(`[A-Za-z]*[0-9][-A-Za-z0-9/.:]*`)

// kindOf is a violation without its numbers and names: the same in a shorter story. Of what the audit found it is
// the first.
func kindOf(violation string) string {
	lines := strings.SplitN(violation, "\n", 3)
	what := lines[0]
	if strings.HasPrefix(what, "the audit found") && len(lines) > 1 {
		what, _, _ = strings.Cut(lines[1], ": ")
	}
	return particulars.ReplaceAllString(what, "#")
}

// Shrunk is the shortest life found that goes wrong as the life of a seed did.
type Shrunk struct {
	Story    *Story // nil: nothing went wrong
	From, To int    // choices
	Tried    int    // lives
}

// Shrink lives the life of a seed again with fewer choices, as long as it goes wrong in the same way and there is
// time. With the same source code and enough time it finds the same life each time.
func Shrink(ctx context.Context, url string, seed uint64, within time.Duration) (shrunk *Shrunk, err error) {
	if err := SetSecrets(); err != nil {
		return nil, err
	}
	w, err := newWorld(ctx, url, schemaName(0), marketOf(seed))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close(context.WithoutCancel(ctx))) }()
	return w.shrink(seed, time.Now().Add(within), func(t *tape) (*Story, error) { return w.replay(ctx, t, seed) })
}

func (w *world) shrink(seed uint64, until time.Time, live func(*tape) (*Story, error)) (*Shrunk, error) {
	first := newTape(nil, seed)
	story, err := live(first)
	if err != nil || story.Violation == "" {
		return &Shrunk{}, err
	}
	found := &Shrunk{From: len(first.made), Tried: 1}
	s := &shrinker{
		seed: seed, kind: kindOf(story.Violation), best: first.made,
		enough: func() bool { return time.Now().After(until) },
		try: func(t *tape) (string, error) {
			found.Tried++
			story, err := live(t)
			if err != nil {
				return "", err
			}
			return story.Violation, nil
		},
	}
	best, err := s.shrink()
	if err != nil {
		return nil, err
	}
	found.To = len(best)
	found.Story, err = live(newTape(best, seed))
	return found, err
}
