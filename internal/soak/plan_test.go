package soak

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var anyDay = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

func TestAPlanHasAsManyWebhooksAsItSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n, seed := rapid.IntRange(1, 2000).Draw(t, "webhooks"), rapid.Uint64().Draw(t, "seed")
		p := draw(n, seed, anyDay)
		sent := p.sent()
		require.Len(t, sent, n)

		keys, bad, again := map[string]*delivery{}, 0, 0
		for _, d := range sent {
			if len(d.refused) > 0 || d.story == nil {
				bad++
				continue
			}
			key := d.source + " " + d.key
			if before := keys[key]; before != nil {
				require.Equal(t, string(before.body), string(d.body), "the same document under one key")
				again++
			}
			keys[key] = d
		}
		require.Equal(t, n/100, bad)
		require.LessOrEqual(t, again, n/10, "the other duplicates bear other ids")
	})
}

func TestTheSeedDrawsThePlan(t *testing.T) {
	t.Parallel()
	bodies := func(seed uint64) (all []string) {
		for _, d := range draw(500, seed, anyDay).sent() {
			all = append(all, d.key+string(d.body))
		}
		return all
	}
	one, two := bodies(7), bodies(7)
	require.Equal(t, one, two)
	require.NotEqual(t, bodies(7), bodies(8))
}

func TestAPlanIsOutOfOrder(t *testing.T) {
	t.Parallel()
	cancelFirst, scanFirst := 0, 0
	for _, s := range ordersOf(draw(5000, 1, anyDay)) {
		for i, kind := range s {
			switch {
			case i == 0 && kind == "orders/cancelled":
				cancelFirst++
			case kind == "shipment.created" && i > 0 && s[i-1] == "tracker.updated":
				scanFirst++
			}
		}
	}
	require.Positive(t, cancelFirst, "cancellations before their orders")
	require.Positive(t, scanFirst, "scans before their ship notices")
}

// ordersOf lists the kinds of what is sent about each order, in the order of sending.
func ordersOf(p *plan) map[string][]string {
	kinds := map[string][]string{}
	for _, d := range p.sent() {
		if d.story != nil {
			kinds[d.story.key.String()] = append(kinds[d.story.key.String()], d.kind)
		}
	}
	return kinds
}
