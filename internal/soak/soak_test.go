package soak

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testBundle is a small soak, with the programs built for it.
type testBundle struct {
	run *run
	ctx context.Context
}

func setup(t *testing.T, webhooks int) *testBundle {
	t.Helper()
	if os.Getenv("DATABASE_URL") == "" || os.Getenv("TEMPORAL_ADDRESS") == "" {
		t.Skip(ErrNoServer)
	}
	compiler, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the programs cannot be built here: ", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	bin := t.TempDir()
	said, err := exec.CommandContext(ctx, compiler, "build", "-o", bin, "../../starter", "../../worker").CombinedOutput()
	require.NoError(t, err, string(said))
	r, err := begin(ctx, Options{
		Webhooks: webhooks, Seed: 1, KillEvery: 500 * time.Millisecond, Bin: bin, Logs: t.TempDir(), Out: t.Output(),
	})
	require.NoError(t, err)
	t.Cleanup(r.world.close)
	return &testBundle{run: r, ctx: ctx}
}

// finds makes one check anew and returns what it finds.
func (b *testBundle) finds(t *testing.T, check func(*run, context.Context) error) string {
	t.Helper()
	b.run.found = &findings{}
	require.NoError(t, check(b.run, b.ctx))
	_, texts := b.run.found.all()
	return strings.Join(texts, "\n")
}

func TestKilledProgramsLoseNothingAndCountNothingTwice(t *testing.T) {
	t.Parallel()
	b := setup(t, 600)
	require.NoError(t, b.run.send(b.ctx))
	require.NoError(t, b.run.settle(b.ctx))
	require.NoError(t, b.run.verify(b.ctx))
	result := b.run.result()
	require.Empty(t, result.Texts)
	require.Zero(t, result.Violations)
	require.GreaterOrEqual(t, result.Kills, int64(2), "what nobody kills proves nothing")
	require.Regexp(t, `^soak: 600 webhooks, 60 duplicates, 6 garbage, \d+ kills, 0 violations, \d+ webhooks/s$`, result.String())

	b.seeEveryHarm(t)
}

// harms are done to a sound deployment, one after the other; each must be seen.
var harms = []struct {
	what, sql, seen string
	check           func(*run, context.Context) error
}{
	{"a scan is lost", `DELETE FROM tracking_events WHERE ctid = (SELECT ctid FROM tracking_events LIMIT 1)`, "lost: order", (*run).verifyParcels},
	{"a parcel is lost", `DELETE FROM parcels WHERE ctid = (SELECT ctid FROM parcels LIMIT 1)`, `its parcel is ""`, (*run).verifyParcels},
	{"a document is lost", `DELETE FROM documents WHERE id = (SELECT id FROM documents WHERE status = 'ignored' LIMIT 1)`, "lost: a", (*run).verifyDocuments},
	{
		"a document is put aside", `UPDATE documents SET status = 'quarantined', reason = '' WHERE id = (SELECT max(id) FROM documents WHERE status = 'applied')`,
		"without a reason", (*run).verifyDocuments,
	},
	{
		"a document nobody sent", `UPDATE documents SET natural_key = 'other' WHERE id = (SELECT max(id) FROM documents)`,
		"nobody was told so", (*run).verifyDocuments,
	},
	{
		"an effect is missing", `UPDATE facts SET document_id = NULL WHERE kind = 'acknowledgment'`,
		"added 0 facts of kind acknowledgment", (*run).verifyDocuments,
	},
	{
		"a fact counts twice", `INSERT INTO facts SELECT order_key, 1000, kind, body, urgent, document_id FROM facts WHERE kind = 'cancel_request' LIMIT 1`,
		"cancel_request, 2 times", (*run).verifyFacts,
	},
	{
		"an order was not started", `UPDATE orders SET started_at = NULL WHERE key = (SELECT max(key) FROM orders)`,
		"was never started", (*run).verifyOrders,
	},
	{"a payment is not booked", `UPDATE orders SET captured_minor = 1`, "0 captures booked", (*run).verifyOrders},
}

func (b *testBundle) seeEveryHarm(t *testing.T) {
	t.Helper()
	for _, harm := range harms {
		_, err := b.run.world.pool.Exec(b.ctx, harm.sql)
		require.NoError(t, err, harm.what)
		require.Contains(t, b.finds(t, harm.check), harm.seen, harm.what)
	}
	// Of an order that is taken out of the plan everything is one too much.
	stories := b.run.plan.stories
	gone := slices.IndexFunc(stories, func(s *story) bool { return s.road == delivered })
	b.run.plan.stories = slices.Delete(slices.Clone(stories), gone, gone+1)
	require.Contains(t, b.finds(t, (*run).verifyWorkflows), "runs for no order")
	require.Contains(t, b.finds(t, (*run).verifyPartners), "no order of ours asks it for anything")
	stories[gone].road, b.run.plan.stories = cancelled, stories
	require.Contains(t, b.finds(t, (*run).verifyPartners), "its customer got back 0, want 1928")
}
