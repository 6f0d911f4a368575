package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
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
	w, err := newWorld(t.Context(), database(t), schemaName(0)+"_"+strings.ToLower(currency), in(currency))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.close(context.Background())) })
	return w
}

// worldAt is a world in which everything costs so many times as much.
func worldAt(t *testing.T, scale int64) *world {
	t.Helper()
	w, err := newWorldAt(t.Context(), database(t), fmt.Sprintf("%s_%d", schemaName(0), scale), in("USD"), scale)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.close(context.Background())) })
	return w
}

func unchanged(*life) {}

// posted is one entry of the ledger.
type posted struct {
	Transaction, Account string
	Minor                int64
}

// books reads the ledger of the last life, in the order of posting, without the amounts in its keys.
func books(t *testing.T, w *world) (list []posted) {
	t.Helper()
	rows, err := w.admin.Query(t.Context(), `SELECT t.kind || ' ' || regexp_replace(t.key, ':\d+$', ''), e.account, e.minor
		FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id ORDER BY t.id, e.n`)
	require.NoError(t, err)
	list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[posted])
	require.NoError(t, err)
	return list
}

// spoken are amounts as they stand in a story.
var spoken = regexp.MustCompile(`\b\d+\.\d\d\b`)

func (e *ending) withoutAmounts() string {
	return spoken.ReplaceAllString(strings.Join(e.story, "\n"), "#")
}

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

// Where everything costs a hundred times as much, the limits in money too, the same happens, and each entry
// of the ledger is a hundred times as large: to a few minor units of the cheap life, where shares were rounded.
// Even that one is dear: what routing adds for a further parcel or a day is a fixed sum, and decides nothing
// where goods cost thousands.
func TestALifeThatCostsAHundredTimesAsMuchIsTheSameStory(t *testing.T) {
	t.Parallel()
	const dear, times, rounded = 1000, 100, 20
	small, large := worldAt(t, dear), worldAt(t, dear*times)
	entries := 0
	for seed := uint64(1); seed <= metamorphicLives; seed++ {
		one := ends(t, small, seed, unchanged)
		cheap := books(t, small)
		other := ends(t, large, seed, unchanged)
		costly := books(t, large)
		require.Equal(t, one.withoutAmounts(), other.withoutAmounts(), "seed %d", seed)
		require.Equal(t, one.Entries, other.Entries, "seed %d", seed)
		require.Equal(t, one.Letters, other.Letters, "seed %d", seed)
		require.InDelta(t, one.PaidBack*times, other.PaidBack, float64(times*rounded*len(one.Entries)), "seed %d", seed)
		require.Len(t, costly, len(cheap), "seed %d", seed)
		for i, e := range cheap {
			require.Equal(t, [2]string{e.Transaction, e.Account}, [2]string{costly[i].Transaction, costly[i].Account}, "seed %d", seed)
			require.InDelta(t, e.Minor*times, costly[i].Minor, times*rounded, "seed %d: %s %s", seed, e.Transaction, e.Account)
		}
		entries += len(cheap)
	}
	require.Greater(t, entries, 100)
}
