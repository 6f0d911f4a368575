package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/internal/routing"
	"github.com/dropline/dropline/internal/service"
)

// Nothing listens on port 1: these tests show what works while Temporal is away.
func TestMain(m *testing.M) {
	_ = os.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	os.Exit(m.Run())
}

// console runs command lines on a database of its own.
type console struct {
	t        *testing.T
	settings config.Settings
	pool     *pgxpool.Pool
}

func newConsole(t *testing.T) *console {
	t.Helper()
	c := &console{t: t, settings: config.Settings{
		DatabaseURL: postgrestest.URL(t), DatabaseConnections: 4, ListenAddress: "127.0.0.1:0", LogLevel: "error", LogFormat: "json",
		CustomerHashKey: "dropline", PublicURL: "https://returns.example", ReturnLinkKeys: []string{"sixteen characters"},
	}}
	var err error
	c.pool, err = postgres.Open(t.Context(), c.settings.DatabaseURL, 2)
	require.NoError(t, err)
	t.Cleanup(c.pool.Close)
	return c
}

// result is what a command line wrote and returned.
type result struct {
	out, errors string
	code        int
}

func (c *console) run(args ...string) result { return c.pipe("", args...) }

func (c *console) pipe(in string, args ...string) result {
	c.t.Helper()
	var out, errors bytes.Buffer
	p := &program{in: strings.NewReader(in), out: &out, errors: &errors, settings: func() (config.Settings, error) { return c.settings, nil }}
	code := p.run(c.t.Context(), args)
	return result{out.String(), errors.String(), code}
}

// done runs a command line that must succeed.
func (c *console) done(args ...string) string {
	c.t.Helper()
	r := c.run(args...)
	require.Zero(c.t, r.code, "%v: %s%s", args, r.out, r.errors)
	return r.out
}

func (c *console) exec(sql string) {
	c.t.Helper()
	_, err := c.pool.Exec(c.t.Context(), sql)
	require.NoError(c.t, err, sql)
}

const demo = "../internal/catalog/testdata/demo.yaml"

// load stores the catalogue; Temporal's schedules have to wait.
func (c *console) load() {
	c.t.Helper()
	c.exec(`INSERT INTO storefronts (id, document) VALUES ('demo', '{"platform": "generic"}')`)
}

const order1001 = `{"id": "1001", "storefront": "demo", "number": "#1001", "placed_at": "2026-03-02T15:04:05Z", "currency": "USD",
	"lines": [{"sku": "MUG-BLUE", "title": "Blue mug", "quantity": 2, "unit_price": "12.50"}], "shipping": "4.90", "total": "29.90",
	"payment": {"status": "paid", "captured": "29.90"}, "email": "pat@example.com",
	"ship_to": {"name": "Pat Miller", "street1": "5 Elm St", "city": "Dover", "region": "DE", "postal_code": "19901", "country": "US"}}`

func TestMistakesInTheCommandLineExitTwoAndSayWhereToRead(t *testing.T) {
	t.Parallel()
	c := &console{t: t}
	for _, args := range [][]string{
		{"shwo"},
		{"show"},
		{"show", "shop/1", "more"},
		{"show", "no-slash"},
		{"list", "--colour"},
		{"catalog", "sort"},
		{"catalog", "load"},
		{"cancel", "shop/1", "--line", "1:2"},
		{"review", "shop/1", "maybe"},
		{"review", "shop/1", "amend"},
		{"resolve", "shop/1"},
		{"resolve", "shop/1", "--case", "x", "--confirmed"},
		{"return", "request", "shop/1"},
		{"return", "request", "shop", "--line", "1", "--reason", "damaged"},
		{"return", "show"},
		{"return", "decide", "RMA-1"},
		{"return", "decide", "RMA-1", "burn"},
		{"return", "decide", "RMA-1", "pay_share", "--line", "1"},
		{"return", "decide", "RMA-1", "pay_share", "--line", "1", "--share", "1.234"},
		{"return", "decide", "RMA-1", "record_findings", "--found", "1=2"},
		{"inbox", "show", "x"},
		{"audit", "--grace", "soon"},
	} {
		r := c.run(args...)
		require.Equal(t, exitUsage, r.code, "%v: %s", args, r.errors)
		require.Regexp(t, `(?s)^error: .+\nhint: .*--help`, r.errors, args)
		require.Empty(t, r.out, args)
	}
}

func TestEveryCommandTeaches(t *testing.T) {
	t.Parallel()
	c := &console{t: t}
	var walk func(at *cobra.Command)
	walk = func(at *cobra.Command) {
		require.NotEmpty(t, at.Short, at.CommandPath())
		path := strings.Fields(at.CommandPath())[1:]
		help := c.run(append(path, "--help")...)
		require.Zero(t, help.code, path)
		require.Contains(t, help.out, "--json", path)
		for _, sub := range at.Commands() {
			walk(sub)
		}
	}
	p := &program{}
	walk(p.root())
}

func TestCatalogProblemsAreListedWithTheirLines(t *testing.T) {
	t.Parallel()
	c := &console{t: t}
	require.Contains(t, c.done("catalog", "check", demo), "Nothing is wrong with 2 suppliers")
	bad := c.run("catalog", "check", "../internal/catalog/testdata/bad.yaml")
	require.Equal(t, exitFailed, bad.code)
	require.Regexp(t, `bad\.yaml:\d+:\d+: `, bad.errors)
	require.Contains(t, bad.errors, "hint: docs/contracts.md")

	var told struct{ Problems []struct{ Line int } }
	r := c.run("--json", "catalog", "check", "../internal/catalog/testdata/bad.yaml")
	require.Equal(t, exitFailed, r.code)
	require.NoError(t, json.Unmarshal([]byte(r.out), &told))
	require.Greater(t, len(told.Problems), 5)
}

func TestCatalogIsLoadedWhileTemporalIsAway(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	r := c.run("catalog", "load", demo)
	require.Equal(t, exitFailed, r.code, "its schedules are missing, and that is no success")
	require.Contains(t, r.out, "Loaded 2 suppliers")
	require.Contains(t, r.errors, "the catalogue is loaded, but its schedules are not")
	require.Contains(t, r.errors, "hint: ")
	var suppliers int
	require.NoError(t, c.pool.QueryRow(t.Context(), `SELECT count(*) FROM suppliers`).Scan(&suppliers))
	require.Equal(t, 2, suppliers)
}

func TestOrderIsPlacedShownListedAndCancelledWithoutTemporal(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	c.load()
	file := filepath.Join(t.TempDir(), "order.json")
	require.NoError(t, os.WriteFile(file, []byte(order1001), 0o600))
	require.Contains(t, c.done("submit", file), "Placed demo/1001")
	again := c.pipe(order1001, "submit", "-")
	require.Zero(t, again.code)
	require.Contains(t, again.out, "was placed before")

	other := c.pipe(strings.Replace(order1001, "Blue mug", "Red mug", 1), "submit", "-")
	require.Equal(t, exitFailed, other.code)
	require.Contains(t, other.errors, "error: The id is taken by other content")
	require.Contains(t, other.errors, "hint: ")

	shown := c.done("show", "demo/1001")
	for _, part := range []string{"Order demo/1001 (#1001)", "RECEIVED", "MUG-BLUE", "not looked at yet", "captured 29.90", "The order was taken in"} {
		require.Contains(t, shown, part)
	}
	require.NotContains(t, shown, "pat@example.com")
	require.NotContains(t, shown, "\x1b", "no colours when nobody watches")
	require.Contains(t, c.done("list", "--stage", "received", "--storefront", "demo"), "demo/1001")
	require.Contains(t, c.done("list", "--attention"), "No orders.")

	cancelled := c.done("cancel", "demo/1001", "--line", "1=1", "--id", "c-1")
	require.Contains(t, cancelled, "stored")
	require.Contains(t, cancelled, "--id c-1")
	require.Contains(t, c.done("ledger", "demo/1001"), "Customer deposits")

	gone := c.run("show", "demo/2002")
	require.Equal(t, exitFailed, gone.code)
	require.Contains(t, gone.errors, "error: Nothing is here")
}

func TestInvalidOrderNamesItsFields(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	c.load()
	r := c.pipe(strings.Replace(order1001, `"12.50"`, `"12.505"`, 1), "submit", "-")
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.errors, "lines[0].unit_price: more decimals than USD has")
}

func TestJSONIsWrittenForPrograms(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	c.load()
	require.Zero(t, c.pipe(order1001, "submit", "-").code)
	for _, args := range [][]string{
		{"show", "demo/1001"},
		{"list"},
		{"ledger", "demo/1001"},
		{"inbox", "list"},
		{"outbox", "list"},
		{"keys", "list"},
		{"config"},
		{"audit", "--offline"},
		{"cancel", "demo/1001"},
		{"keys", "create", "--role", "operator"},
	} {
		out := c.done(append(args, "--json")...)
		require.True(t, json.Valid([]byte(out)), "%v: %s", args, out)
	}
}

func TestGatewayFarAwayIsAskedWithAKey(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	c.load()
	g, err := service.NewGateway(t.Context(), c.settings, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, stop := contextOf(t)
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	defer func() { stop(); require.NoError(t, <-ended) }()

	key := filepath.Join(t.TempDir(), "shop.key")
	require.NoError(t, os.WriteFile(key, []byte(c.done("keys", "create", "--role", "storefront", "--storefront", "demo")), 0o600))
	at := []string{"--url", "http://" + g.Addr(), "--key", "@" + key}
	placed := c.pipe(order1001, append([]string{"submit", "-"}, at...)...)
	require.Zero(t, placed.code, placed.errors)
	require.Contains(t, c.done(append([]string{"show", "demo/1001"}, at...)...), "MUG-BLUE")

	unknown := c.run("show", "demo/1001", "--url", "http://"+g.Addr(), "--key", "dl_x")
	require.Equal(t, exitFailed, unknown.code)
	require.Contains(t, unknown.errors, "error: No valid API key")
	nowhere := c.run("show", "demo/1001", "--url", "http://127.0.0.1:1")
	require.Contains(t, nowhere.errors, "hint: Check --url")
}

func TestKeysAreRevokedByIdOrByToken(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	token := strings.TrimSpace(c.done("keys", "create", "--role", "support"))
	require.Regexp(t, `^dl_[a-z2-7]{16}_[a-z2-7]{52}$`, token)
	require.Contains(t, c.done("keys", "revoke", token), "is revoked")
	require.NotContains(t, c.done("keys", "list"), strings.Split(token, "_")[2], "the secret is never shown again")
	require.Equal(t, exitFailed, c.run("keys", "revoke", "nobody").code)
	require.Equal(t, exitFailed, c.run("keys", "create", "--role", "storefront").code)
}

func TestQuarantineIsListedShownRetriedAndDismissed(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	for _, key := range []string{"a", "b"} {
		c.exec(`INSERT INTO documents (source, kind, natural_key, content_type, body, body_hash, status, reason_code, reason)
			VALUES ('supplier/acme', 'event', '` + key + `', 'application/json', E'{"to": "\\033[2J"}', '', 'quarantined', 'malformed', 'It cannot be read.')`)
	}
	require.Contains(t, c.done("inbox", "list", "--source", "supplier/acme"), "malformed")
	shown := c.done("inbox", "show", "1")
	require.Contains(t, shown, "It cannot be read.")
	require.NotContains(t, shown, `{"to"`)
	body := c.done("inbox", "show", "1", "--body")
	require.Contains(t, body, `{"to"`)
	require.NotContains(t, body, "\x1b", "a document must not steer the terminal")
	require.Contains(t, c.done("inbox", "retry", "1"), "1 will be read again")
	require.Contains(t, c.done("inbox", "dismiss", "2"), "2 is dismissed")
	require.Contains(t, c.done("inbox", "list"), "Nothing is in quarantine.")
	require.Equal(t, exitFailed, c.run("inbox", "retry", "1").code)
}

func TestMessagesThatWereGivenUpAreSentAgain(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	c.load()
	require.Zero(t, c.pipe(order1001, "submit", "-").code)
	require.Contains(t, c.done("outbox", "list"), "No message was given up.")
	c.exec(`UPDATE outbox SET state = 'failed', last_error = 'refused'`)
	require.Contains(t, c.done("outbox", "list"), "refused")
	require.Contains(t, c.done("outbox", "retry", "1"), "1 is sent again")
}

func TestDecisionIsExplainedAndRecomputedToTheByte(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	c.load()
	require.Zero(t, c.pipe(order1001, "submit", "-").code)
	none := c.run("explain", "demo/1001")
	require.Equal(t, exitFailed, none.code)
	require.Contains(t, none.errors, "no such routing decision")

	request := routing.Request{
		Currency: "USD", Destination: routing.Destination{Country: "US"}, At: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC),
		Lines: []routing.Line{{Line: 1, SKU: "MUG-BLUE", Quantity: 2}},
		Candidates: []routing.Candidate{{
			Supplier: "acme", ContractFrom: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), ShipsTo: []string{"US"},
			Shipping: []routing.Method{{Name: "ground", Currency: "USD", BaseCost: 500, TransitDaysMax: 3}},
			Offers:   []routing.Offer{{SKU: "MUG-BLUE", SupplierSKU: "A-1", UnitCost: 420, Currency: "USD", Available: 9}},
		}},
	}
	decision, err := routing.Decide(request)
	require.NoError(t, err)
	asked, err := request.Canonical()
	require.NoError(t, err)
	decided, err := decision.Canonical()
	require.NoError(t, err)
	_, err = c.pool.Exec(t.Context(), `INSERT INTO routing_decisions (order_key, n, request, decision) VALUES ('demo/1001', 1, $1, $2)`, string(asked), string(decided))
	require.NoError(t, err)
	explained := c.done("explain", "demo/1001")
	require.Contains(t, explained, "acme by ground")
	require.Contains(t, explained, "recomputed: the same byte for byte")

	c.exec(`UPDATE routing_decisions SET decision = replace(decision, '"unit_cost":420', '"unit_cost":42')`)
	tampered := c.run("explain", "demo/1001", "--decision", "1")
	require.Equal(t, exitFailed, tampered.code)
	require.Contains(t, tampered.out, "recomputed: it differs")
	require.Regexp(t, `(?m)^\+.*420`, tampered.out)

	c.exec(`UPDATE routing_decisions SET decision = replace(decision, '` + routing.Version + `', 'routing/0')`)
	require.Contains(t, c.done("explain", "demo/1001"), "not recomputed: ", "older rules are no defect")
}

func TestSettingsAreShownWithoutSecrets(t *testing.T) {
	t.Parallel()
	c := &console{t: t, settings: config.Settings{DatabaseURL: "postgres://nobody"}}
	out := c.done("config")
	for _, v := range config.Variables() {
		require.Contains(t, out, v.Name)
		if set := os.Getenv(v.Name); v.Secret && set != "" {
			require.NotContains(t, out, set)
		}
	}
}

func TestAuditExitsOneWhenAnInvariantIsBroken(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	c.load()
	require.Zero(t, c.pipe(order1001, "submit", "-").code)
	whole := c.done("audit", "--offline")
	require.Contains(t, whole, "Every invariant holds")
	require.Contains(t, whole, "not checked (offline")

	c.exec(`UPDATE orders SET captured_minor = 1`)
	broken := c.run("audit", "--offline")
	require.Equal(t, exitFailed, broken.code)
	require.Contains(t, broken.out, "1 BROKEN")
	require.Contains(t, broken.out, "demo/1001: 1 captured less 0 refunded, the ledger holds 2990")
	require.Contains(t, broken.out, "do: ")
	require.Empty(t, broken.errors, "what is wrong stands in the table")
}

func TestUnreachableDatabaseIsSaidToBeSo(t *testing.T) {
	t.Parallel()
	c := &console{t: t, settings: config.Settings{DatabaseURL: "postgres://dropline@127.0.0.1:1/dropline", DatabaseConnections: 2, CustomerHashKey: "k"}}
	for _, args := range [][]string{{"inbox", "list"}, {"migrate"}, {"audit", "--offline"}, {"explain", "shop/1"}} {
		r := c.run(args...)
		require.Equal(t, exitFailed, r.code, args)
		require.Contains(t, r.errors, "hint: Is Postgres up", "%v: %s", args, r.errors)
	}
	require.Contains(t, c.run("show", "shop/1").errors, "Is Postgres up")
}

func TestDatabaseOfAnotherVersionIsSaidToBeSo(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	c.exec(`DROP TABLE outbox`)
	require.Contains(t, c.run("outbox", "list").errors, "hint: The database is not set up for this version: run starter migrate.")
}

func TestTableAlignsWhatPeopleRead(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &program{out: &out}
	p.table([]string{"A", "B"}, [][]string{{"größe", "x\x1b[2Jy"}, {"ab", "c\nd"}})
	require.Equal(t, "A      B\ngröße  x [2Jy\nab     c d\n", out.String())
}

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}

func TestReturnsAreAskedForListedShownAndCancelledWithoutTemporal(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	c.load()
	require.Equal(t, "No returns.\n", c.done("return", "list"))
	require.Equal(t, exitFailed, c.run("return", "show", "RMA-9").code)
	c.exec(deliveredOrder)
	granted := c.done("return", "request", "demo/1001", "--line", "1", "--quantity", "1", "--reason", "changed_mind", "--id", "r-1")
	require.Contains(t, granted, "Granted DLDEMO-1-R1: 1 of line 1. Send the goods back until ")
	require.Contains(t, c.done("return", "list"), "DLDEMO-1-R1")
	require.Regexp(t, `^https://returns\.example/r/[A-Za-z0-9_-]{40,}\n$`, c.done("return", "link", "demo/1001"))
	require.Equal(t, "No returns.\n", c.done("return", "list", "--attention"))
	shown := c.done("return", "show", "DLDEMO-1-R1")
	require.Contains(t, shown, "AUTHORISING")
	require.Contains(t, shown, "changed mind")
	require.Contains(t, c.done("return", "cancel", "DLDEMO-1-R1"), "is stored and will be carried out")
	refused := c.run("return", "request", "demo/1001", "--line", "1", "--quantity", "2", "--reason", "changed_mind")
	require.Equal(t, exitFailed, refused.code)
	require.Contains(t, refused.errors, "1 of it can still come back")
}

// deliveredOrder is order demo/1001 with two mugs that came a moment ago.
const deliveredOrder = `
	UPDATE storefronts SET document = '{"id": "demo", "platform": "generic", "policy": {"returns": {"window_days": 30, "send_within": "14d", "inspect_within": "3d"}}}';
	INSERT INTO suppliers (id, document) VALUES ('acme', '{"id": "acme", "name": "Acme"}');
	INSERT INTO orders (key, storefront, order_id, placed_at, document, body_hash, currency, country, customer_hash, total_minor, captured_minor, started_at, state)
		VALUES ('demo/1001', 'demo', '1001', now(), '{"key": {"storefront": "demo", "order": "1001"}, "currency": "USD",
			"lines": [{"line": 1, "sku": "MUG-BLUE", "quantity": 2, "unit_price": 1250}], "total": 2500}', '', 'USD', 'US', '', 2500, 2500, now(), '{"key": {"storefront": "demo", "order": "1001"}, "validated": true,
			"lines": [{"line": 1, "sku": "MUG-BLUE", "ordered": 2}], "purchaseOrders": [{"number": "DLDEMO-1", "supplier": "acme",
			"lines": [{"line": 1, "sku": "MUG-BLUE", "quantity": 2, "unitCost": 420, "units": {"delivered": 2}}]}]}');
	INSERT INTO order_lines (order_key, line, sku, quantity) VALUES ('demo/1001', 1, 'MUG-BLUE', 2);
	INSERT INTO routing_decisions (order_key, n, request, decision) VALUES ('demo/1001', 1, '{}', '{}');
	INSERT INTO purchase_orders (number, order_key, decision, supplier, status, currency, terms) VALUES ('DLDEMO-1', 'demo/1001', 1, 'acme', 'shipped', 'USD', '{}');
	INSERT INTO purchase_order_lines (number, order_key, line, sku, supplier_sku, quantity, live, reserved, unit_cost)
		VALUES ('DLDEMO-1', 'demo/1001', 1, 'MUG-BLUE', 'A-1', 2, 2, 0, 420);
	INSERT INTO parcels (po_number, carrier, tracking, order_key, lines, noticed_at, milestone, milestone_at)
		VALUES ('DLDEMO-1', 'ups', '1Z', 'demo/1001', '[{"line": 1, "quantity": 2}]', now(), 'delivered', now())`
