package simulation

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
)

// ending is what a life came to, in our books and in those of its partners.
type ending struct {
	State    order.State
	Returns  []endedReturn
	PaidBack int64
	Entries  []string // keys of the storefront
	Letters  []string
	Credits  map[string]int64 // by RMA, by the suppliers' books
	story    []string
}

// ends lives the life of a seed in an empty schema, as change has it.
func ends(t *testing.T, w *world, seed uint64, change func(*life)) ending {
	t.Helper()
	require.NoError(t, w.empty(t.Context()))
	l := w.newLife(t.Context(), Seeded(seed), seed, true)
	change(l)
	require.NoError(t, l.live())
	e := ending{PaidBack: l.paidBack, Entries: slices.Sorted(maps.Keys(l.entries)), Letters: slices.Sorted(maps.Keys(l.letters)), Credits: map[string]int64{}}
	e.State, e.Returns, e.story = l.readEnd().state, l.readReturns(), l.trace
	for _, c := range l.sortedBacks() {
		e.Credits[c.rma] = c.given()
	}
	return e
}

func asJSON(t *testing.T, e ending) string {
	t.Helper()
	text, err := json.MarshalIndent(e, "", " ")
	require.NoError(t, err)
	return string(text)
}

func worldIn(t *testing.T, currency string) *world {
	t.Helper()
	w, err := newWorld(t.Context(), database(t), schemaName(0)+"_"+strings.ToLower(currency), currency)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.close(context.Background())) })
	return w
}

func unchanged(*life) {}

// metamorphicLives are compared; some of them come back.
const metamorphicLives = 12

func TestEveryDocumentTwiceEndsTheSame(t *testing.T) {
	t.Parallel()
	w := world1(t)
	cameBack := 0
	for seed := uint64(1); seed <= metamorphicLives; seed++ {
		once := ends(t, w, seed, unchanged)
		twice := ends(t, w, seed, func(l *life) { l.twice = true })
		require.Equal(t, asJSON(t, once), asJSON(t, twice), "seed %d", seed)
		cameBack += len(once.Returns)
	}
	require.NotZero(t, cameBack)
}

// A currency is a name: with as many decimals, everything is as in another.
func TestTheSameLifeInAnotherCurrencyIsTheSameStory(t *testing.T) {
	t.Parallel()
	dollars, euros := worldIn(t, "USD"), worldIn(t, "EUR")
	for seed := uint64(1); seed <= metamorphicLives; seed++ {
		one, other := ends(t, dollars, seed, unchanged), ends(t, euros, seed, unchanged)
		require.Equal(t, strings.Join(one.story, "\n"), strings.ReplaceAll(strings.Join(other.story, "\n"), "EUR", "USD"), "seed %d", seed)
		require.Equal(t, asJSON(t, one), strings.ReplaceAll(asJSON(t, other), "EUR", "USD"), "seed %d", seed)
	}
}

// Without decimals, or with three, as many minor units go the same ways.
func TestMinorUnitsGoTheSameWaysWhateverTheirNumberOfDecimals(t *testing.T) {
	t.Parallel()
	dollars, yen, dinars := worldIn(t, "USD"), worldIn(t, "JPY"), worldIn(t, "KWD")
	for seed := uint64(1); seed <= metamorphicLives; seed++ {
		one := ends(t, dollars, seed, unchanged)
		for _, w := range []*world{yen, dinars} {
			if w == dinars && tills[seed%12] != "" {
				continue // the provider takes no thousandths
			}
			other := ends(t, w, seed, unchanged)
			require.Equal(t, one.PaidBack, other.PaidBack, "seed %d in %s", seed, w.currency)
			require.Equal(t, one.Entries, other.Entries, "seed %d in %s", seed, w.currency)
			require.Equal(t, one.Letters, other.Letters, "seed %d in %s", seed, w.currency)
			require.Equal(t, one.Credits, other.Credits, "seed %d in %s", seed, w.currency)
			require.Equal(t, one.State.Money, other.State.Money, "seed %d in %s", seed, w.currency)
		}
	}
}
