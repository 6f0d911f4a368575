package order

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// Lived is a life that is over, for tests that go on from there.
type Lived struct {
	State State
	Now   time.Time
	// Refunds are the units of each refund, in the order of their numbers.
	Refunds [][]ShippedLine
	// Shipped is what left the suppliers' houses by their own books, by purchase order and line.
	Shipped map[string]map[int]int64
	// Left are the parcels that did, by purchase order and tracking number.
	Left map[string]map[string]bool
	// Pick goes on choosing: 0 to n-1.
	Pick func(n int) int
}

// Live lives the life of a seed to its end.
func Live(seed uint64) (*Lived, error) {
	w := newWorld(seeded{rand.New(rand.NewPCG(seed, 3))}, false)
	w.trusting = true
	_, err := w.live()
	if err != nil {
		return nil, fmt.Errorf("seed %d: %w", seed, err)
	}
	l := &Lived{State: w.s, Now: w.now, Pick: w.pick, Shipped: map[string]map[int]int64{}, Left: map[string]map[string]bool{}}
	for _, n := range slices.Sorted(maps.Keys(w.refunds)) {
		l.Refunds = append(l.Refunds, w.refunds[n])
	}
	for number, b := range w.books {
		l.Shipped[number], l.Left[number] = map[int]int64{}, map[string]bool{}
		for _, x := range b.boxes {
			l.Left[number][x.tracking] = x.handed
			for line, n := range x.lines {
				if x.handed {
					l.Shipped[number][line] += n
				}
			}
		}
	}
	return l, nil
}
