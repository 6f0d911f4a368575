package order

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// sameInTheEnd is the state without what only tells in which order things were heard.
func sameInTheEnd(s *State) string {
	c := s.Clone()
	c.Journal, c.LastFact, c.Unrecorded = nil, 0, false
	slices.SortFunc(c.Exclusions, func(a, b Exclusion) int {
		return cmp.Or(cmp.Compare(a.Supplier, b.Supplier), cmp.Compare(a.SKU, b.SKU))
	})
	slices.SortFunc(c.Notices, func(a, b Notice) int { return cmp.Compare(a.Key, b.Key) })
	slices.SortFunc(c.Attention, func(a, b Attention) int { return cmp.Compare(a.Key, b.Key) })
	return encode(&c)
}

// independent picks documents on their way that are about different purchase orders and do not
// compete for the same units.
func (w *world) independent() []Fact {
	var facts []Fact
	about := map[string]bool{}
	for _, d := range w.docs {
		var po string
		switch {
		case d.fact.Acknowledge != nil:
			po = d.fact.Acknowledge.PO
		case d.fact.CancelReply != nil:
			po = d.fact.CancelReply.PO
		case d.fact.Milestone != nil && d.box.announced && d.box.scanned:
			po = d.box.book.po
		}
		if po != "" && !about[po] {
			about[po] = true
			facts = append(facts, d.fact)
		}
	}
	return facts
}

func TestOrderOfIndependentFactsDoesNotMatter(t *testing.T) {
	t.Parallel()
	compared := 0
	for seed := range uint64(1500) {
		w := newWorld(seeded{rand.New(rand.NewPCG(seed, 7))}, false)
		w.round()
		for range 40 {
			w.act()
			w.round()
		}
		for _, number := range slices.Sorted(maps.Keys(w.books)) {
			if w.books[number].arrived {
				w.acknowledge(w.books[number])
			}
		}
		slices.Reverse(w.docs)
		facts := w.independent()
		if len(facts) < 2 {
			continue
		}
		compared++
		hear := func(list []Fact) string {
			s := w.s.Clone()
			for i, f := range list {
				f.Seq = w.seq + int64(i) + 1
				s.Apply(f, w.now)
			}
			s.Tick(w.now)
			require.NoError(t, s.Check())
			return sameInTheEnd(&s)
		}
		want := hear(facts)
		rand.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
		require.JSONEq(t, want, hear(facts), "seed %d", seed)
		slices.Reverse(facts)
		require.JSONEq(t, want, hear(facts), "seed %d", seed)
	}
	require.Greater(t, compared, 100)
}

func TestTheSameDocumentUnderAnotherNumberChangesNothing(t *testing.T) {
	t.Parallel()
	compared := 0
	for seed := range uint64(1500) {
		w := newWorld(seeded{rand.New(rand.NewPCG(seed, 8))}, false)
		w.round()
		for range 40 {
			w.act()
			w.round()
		}
		for _, d := range w.docs {
			if d.fact.Milestone != nil && !d.box.announced {
				continue
			}
			once := w.s.Clone()
			f := d.fact
			f.Seq = w.seq + 1
			once.Apply(f, w.now)
			twice := once.Clone()
			f.Seq++
			twice.Apply(f, w.now)
			once.Tick(w.now)
			twice.Tick(w.now)
			require.JSONEq(t, sameInTheEnd(&once), sameInTheEnd(&twice), "seed %d: %s", seed, brief(f))
			compared++
		}
	}
	require.Greater(t, compared, 300)
}
