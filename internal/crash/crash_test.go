package crash

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the stories' suppliers live in many zones

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/service"
)

// forgetful has a worker whose suppliers know no purchase order when they are asked for one: it
// sends again what it does not know to have been sent.
const forgetful = "DROPLINE_CRASH_TEST_FORGETFUL"

// The test's own program is the worker, too.
func TestMain(m *testing.M) {
	if !IsWorker() {
		os.Exit(m.Run())
	}
	spoil := func(*service.Links) {}
	if os.Getenv(forgetful) != "" {
		spoil = func(l *service.Links) {
			honest := l.Partners
			l.Partners = func(way http.RoundTripper) http.RoundTripper { return elsewhere{honest(way)} }
		}
	}
	if err := runWorker(context.Background(), spoil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// elsewhere asks suppliers for another purchase order than the one that was meant.
type elsewhere struct{ http.RoundTripper }

func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/purchase-orders/") {
		r = r.Clone(r.Context())
		r.URL.Path = path.Dir(r.URL.Path) + "/DLNONE-1"
	}
	return e.RoundTripper.RoundTrip(r)
}

func needsServers(t *testing.T) {
	t.Helper()
	if os.Getenv("DATABASE_URL") == "" || os.Getenv("TEMPORAL_ADDRESS") == "" {
		t.Skip("needs PostgreSQL and Temporal: run through `make test`")
	}
}

func TestWorkersDieAndNobodyIsWorseOff(t *testing.T) {
	t.Parallel()
	needsServers(t)
	result, err := Run(t.Context(), Options{
		Out: t.Output(), Seed: uint64(time.Now().UnixNano()), Points: 24, Only: "smooth,no-stock,rejected,cancel-early", Houses: 8, Undisturbed: 1,
	})
	require.NoError(t, err)
	require.Empty(t, result.Violations)
	require.Equal(t, 24, result.Points)
}

// A run that finds nothing proves nothing unless it finds what is wrong.
func TestAWorkerThatSendsBlindlyTwiceIsFoundOut(t *testing.T) {
	t.Parallel()
	needsServers(t)
	const point = "smooth:supplier.POST-purchase-orders:1:applied"
	result, err := Run(t.Context(), Options{Out: t.Output(), At: point, Undisturbed: 1, environment: []string{forgetful + "=yes"}})
	require.NoError(t, err)
	require.Equal(t, 1, result.Points)
	require.Contains(t, strings.Join(result.Violations, "\n"), point+": not as told: purchase order")
	require.Contains(t, strings.Join(result.Violations, "\n"), "reached acme times: 2, told was 1")
}

func TestPointsAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for _, p := range []Point{{"smooth", "sql.update-outbox+commit", 3, Applied}, {"a", "mail.DATA", 1, Before}, {"b", "temporal.X-Order", 12, After}} {
		read, err := ParsePoint(p.String())
		require.NoError(t, err)
		require.Equal(t, p, read)
	}
	for _, wrong := range []string{"", "smooth", "smooth:x:0:after", "smooth:x:one:after", "smooth:x:1:during", "a:b:c:1:after"} {
		_, err := ParsePoint(wrong)
		require.Error(t, err, wrong)
	}
}

func TestStatementsAreNamedByWhatTheyDo(t *testing.T) {
	t.Parallel()
	for statement, want := range map[string]string{
		"BEGIN": "begin", "commit": "commit", "-- ping": "", "": "",
		"UPDATE documents SET x = 1 WHERE id IN (SELECT id FROM documents FOR UPDATE SKIP LOCKED)": "update-documents",
		"INSERT INTO effects AS e (key) VALUES ($1) ON CONFLICT (key) DO UPDATE SET x = 1":         "insert-effects",
		"WITH done AS (UPDATE outbox SET state = $1) UPDATE orders SET x = true":                   "update-outbox",
		"SELECT a FROM orders WHERE key = $1 FOR NO KEY UPDATE":                                    "select-orders",
		"DELETE FROM address_changes WHERE id = $1":                                                "delete-address_changes",
		"SELECT 1": "select",
	} {
		require.Equal(t, want, wordOf(statement), statement)
	}
	c := &pgConn{}
	require.Empty(t, c.nameOf([]string{"begin"}))
	require.Equal(t, "sql.insert-facts", c.nameOf([]string{"INSERT INTO facts VALUES (1)"}))
	require.Equal(t, "sql.insert-facts+commit", c.nameOf([]string{"commit"}), "a COMMIT is named by what it commits")
	require.Empty(t, c.nameOf([]string{"begin"}))
	require.Equal(t, "sql.commit", c.nameOf([]string{"commit"}))
}

func TestRequestsAreNamedWithoutIds(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"http://x/suppliers/acme/purchase-orders":                      "supplier.POST-purchase-orders",
		"http://x/suppliers/acme/purchase-orders/DLA2-1/cancellations": "supplier.POST-purchase-orders-cancellations",
		"http://x/orders/smooth-7/fulfillments":                        "storefront.POST-fulfillments",
		"http://x/trackers?tracking_codes=1":                           "carrier.POST-trackers",
		"http://x/":                                                    "partner.POST-",
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
		require.NoError(t, err)
		require.Equal(t, want, nameOfRequest(request), url)
	}
}

func TestALifeEndsAtItsPointAndNoCallFollows(t *testing.T) {
	t.Parallel()
	for when, want := range map[When]string{
		Before:  "begin a, applied a, begin a, dies",
		Applied: "begin a, applied a, begin a, applied a, dies",
		After:   "begin a, applied a, begin a, applied a, heard, dies",
	} {
		var seen []string
		died := make(chan struct{})
		l := newLife(Point{"story", "a", 2, when}, io.Discard, func() {
			seen = append(seen, "dies")
			close(died)
		})
		go func() {
			for range 2 {
				seen = append(seen, "begin a")
				l.begins("a")
				l.applied("a", false) // found nothing: it does not count
				seen = append(seen, "applied a")
				l.applied("a", true)
			}
			seen = append(seen, "heard")
			l.begins("b")
			seen = append(seen, "called after its death")
		}()
		<-died
		require.Equal(t, want, strings.Join(seen, ", "), when)
	}
}

func TestBooksThatDifferAreSeen(t *testing.T) {
	t.Parallel()
	require.Empty(t, compareBooks([]string{"a", "b", "b"}, []string{"b", "a", "b"}))
	require.Len(t, compareBooks([]string{"a", "b"}, []string{"a", "b", "b"}), 1)
	require.Len(t, compareBooks([]string{"a", "b"}, []string{"a", "c"}), 2)
}
