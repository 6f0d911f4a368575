package simulation

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"go.temporal.io/sdk/activity"

	"github.com/dropline/dropline/activities"
	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/partners"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returnlink"
)

//go:embed catalog.yaml
var catalogText []byte

// secretOf is what a partner signs and is addressed with. Nobody outside the simulation takes it.
func secretOf(partner string) string { return "secret-of-" + partner }

// world is one schema of the database with the product's parts on it. It lives one life at a time.
type world struct {
	schema string
	// admin is the simulation's own line to the database, which nothing cuts.
	admin *pgx.Conn
	pool  *pgxpool.Pool
	cable *cable
	at    time.Time // what now() says
	// tables are all but the partners'.
	tables string
	life   *life
	hauls  bool // the contracts are those of a life with hauls
	free   []*player

	market     *market
	currency   string // of the storefronts
	scale      int64  // what every amount is multiplied by
	before     string // SQL for what had been bought before any life began
	catalog    catalog.File
	directory  *partners.Directory
	activities map[string]reflect.Value
	gateway    http.Handler
	processor  *intake.Processor
	// newProcessor is one that remembers nothing of the lives before.
	newProcessor func() *intake.Processor
	deliverer    *intake.Deliverer
	courier      *outbox.Courier
	mailroom     *intake.Mailroom
	archive      *intake.Archive
	links        *returnlink.Links
}

// nowSQL puts the world's clock in the place of Postgres's own: search_path names the schema before
// pg_catalog. It is inlined, so that indexes are used as with the original.
const nowSQL = `CREATE FUNCTION now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS
	$$ SELECT coalesce(to_timestamp(nullif(current_setting('sim.now', true), '')::float8), pg_catalog.now()) $$;
	CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
	$$ SELECT coalesce(to_timestamp(nullif(current_setting('sim.now', true), '')::float8), pg_catalog.clock_timestamp()) $$`

// unloggedSQL takes the tables of the schema out of the write-ahead log: nobody waits for them after a crash
// of the server. A table that is logged may not refer to one that is not, so those go first that others
// do not refer to.
const unloggedSQL = `DO $$
	DECLARE next regclass;
	BEGIN
		LOOP
			SELECT oid INTO next FROM pg_class c WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relpersistence = 'p'
				AND NOT EXISTS (SELECT FROM pg_constraint f JOIN pg_class r ON r.oid = f.conrelid
					WHERE f.confrelid = c.oid AND f.contype = 'f' AND r.relpersistence = 'p' AND r.oid <> c.oid) LIMIT 1;
			EXIT WHEN NOT FOUND;
			EXECUTE 'ALTER TABLE ' || next || ' SET UNLOGGED, SET (autovacuum_enabled = off)';
		END LOOP;
	END $$`

// newWorld makes a schema of that name and all that stands on it, with the partners of a market.
func newWorld(ctx context.Context, url, schema string, m *market) (*world, error) {
	return newWorldAt(ctx, url, schema, m, 1)
}

// newWorldAt is a world in which everything costs scale times as much.
func newWorldAt(ctx context.Context, url, schema string, m *market, scale int64) (*world, error) {
	text, err := m.catalogue(scale)
	if err != nil {
		return nil, err
	}
	file, err := catalog.Parse("catalog.yaml", text)
	if err != nil {
		return nil, fmt.Errorf("read the simulation's catalogue: %w", err)
	}
	w := &world{schema: schema, market: m, currency: m.currency, scale: scale, cable: &cable{left: -1}, catalog: file, before: boughtBefore(file.Suppliers)}
	config, err := pgx.ParseConfig(inSchema(url, schema))
	if err != nil {
		return nil, errNoURL
	}
	maps.Copy(config.RuntimeParams, sessions)
	if w.admin, err = pgx.ConnectConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	for _, statement := range []string{"CREATE SCHEMA " + schema, nowSQL} {
		if _, err := w.admin.Exec(ctx, statement); err != nil {
			return nil, fmt.Errorf("make schema %s: %w", schema, err)
		}
	}
	if err := w.openPool(ctx, inSchema(url, schema)); err != nil {
		return nil, err
	}
	if _, err := postgres.Migrate(ctx, w.pool); err != nil {
		return nil, err
	}
	if _, err := w.admin.Exec(ctx, unloggedSQL); err != nil {
		return nil, fmt.Errorf("spare schema %s its log: %w", schema, err)
	}
	if err := postgres.SaveCatalog(ctx, w.pool, file); err != nil {
		return nil, fmt.Errorf("save the simulation's catalogue: %w", err)
	}
	if _, err := w.admin.Exec(ctx, w.before); err != nil {
		return nil, fmt.Errorf("record what was bought before: %w", err)
	}
	err = w.admin.QueryRow(ctx, `SELECT string_agg(quote_ident(tablename), ', ' ORDER BY tablename) FROM pg_tables
		WHERE schemaname = $1 AND tablename NOT IN ('storefronts', 'suppliers', 'carriers', 'offers', 'exchange_rates') AND tablename NOT LIKE 'goose%'`,
		schema).Scan(&w.tables)
	if err != nil {
		return nil, fmt.Errorf("list the tables of schema %s: %w", schema, err)
	}
	return w, w.assemble()
}

func inSchema(url, schema string) string {
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	return url + separator + "search_path=" + schema + ",pg_catalog"
}

var errNoURL = errors.New("DATABASE_URL is not a PostgreSQL connection string")

// sessions are the settings of a session. It lives as long as many lives: to plan once is enough, and to
// compile nothing. It plans while the tables are empty, and must not read them from end to end when they
// are full.
var sessions = map[string]string{
	"synchronous_commit": "off", "jit": "off",
	"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_bitmapscan": "off",
}

func (w *world) openPool(ctx context.Context, url string) error {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return errNoURL
	}
	config.MaxConns, config.MinConns = 6, 0
	config.MaxConnLifetime, config.HealthCheckPeriod = 24*time.Hour, time.Hour
	config.ConnConfig.DialFunc = w.cable.dial
	maps.Copy(config.ConnConfig.RuntimeParams, sessions)
	config.PrepareConn = func(_ context.Context, c *pgx.Conn) (bool, error) {
		c.PgConn().Conn().(*line).due = w.at //nolint:forcetypeassert // ours
		return true, nil
	}
	w.pool, err = pgxpool.NewWithConfig(ctx, config)
	return err
}

// assemble builds the product's parts as its services do, on this world's database, clock and network.
func (w *world) assemble() error {
	orders, err := intake.NewOrders([]byte("the simulation's own pepper"))
	if err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	now := func() time.Time { return w.life.now }
	w.directory = partners.NewVia(w.pool, true, func(http.RoundTripper) http.RoundTripper { return &network{w} })
	temporal := &temporalClient{world: w}
	if w.links, err = returnlink.New(pageHost, []string{pageSecret}); err != nil {
		return err
	}
	w.archive, w.mailroom = &intake.Archive{Pool: w.pool}, &intake.Mailroom{Pool: w.pool, Server: mailServer}
	w.gateway = gateway.New(gateway.Config{
		Database: w.pool, Keys: anybody{}, Secrets: secrets{}, Log: zerolog.Nop(), Now: now,
		Intake: gateway.CommitTo(w.pool, w.archive, orders), Links: w.links,
		Orders: gateway.AskTemporal(temporal),
		// The limits have tests of their own, and time stands still here while a burst is sent.
		AnswerWait: time.Hour, // by the machine's clock; the life's own decides
		KeyRate:    gateway.Rate{PerSecond: 1e6, Burst: 1e6}, PartnerRate: gateway.Rate{PerSecond: 1e6, Burst: 1e6},
		PageRate: gateway.Rate{PerSecond: 1e6, Burst: 1e6},
	})
	w.newProcessor = func() *intake.Processor {
		return &intake.Processor{
			Pool: w.pool, Orders: orders, Readers: map[string]intake.OrderReader{"api": gateway.ReadOrder}, Log: quiet, Batch: 1,
			MailServer: mailServer,
		}
	}
	w.deliverer = &intake.Deliverer{Pool: w.pool, Temporal: temporal, Log: quiet}
	w.courier = &outbox.Courier{
		Pool: w.pool, Mail: mailbox{w}, Supplier: supplierMail{w}, Storefront: w.directory.StorefrontByID, Log: quiet, Batch: 1,
		Pages: w.links,
	}
	found := registry{}
	(&activities.Orders{Pool: w.pool, Partners: w.directory, Now: now}).Register(found)
	(&activities.Carriers{Pool: w.pool, Tracker: w.directory.Tracker}).Register(found)
	w.activities = found
	return nil
}

// SetSecrets gives the simulated partners their secrets, which the product reads in the environment.
func SetSecrets() error {
	file, err := catalog.Parse("catalog.yaml", catalogText)
	if err != nil {
		return err
	}
	names := map[string]string{}
	for i := range file.Suppliers {
		s := &file.Suppliers[i]
		names[s.Contract.Channel.SecretEnv], names[s.Contract.Channel.WebhookSecretEnv] = s.ID, s.ID
	}
	for i := range file.Storefronts {
		s := &file.Storefronts[i]
		names[s.SecretEnv], names[s.WebhookSecretEnv] = s.ID, s.ID
		if s.HasPayments() {
			names[s.Payments.SecretEnv], names[s.Payments.WebhookSecretEnv] = tillHost, s.ID
		}
	}
	for i := range file.Carriers {
		c := &file.Carriers[i]
		names[c.SecretEnv], names[c.WebhookSecretEnv] = c.ID, c.ID
	}
	for name, partner := range names {
		if err := os.Setenv(name, secretOf(partner)); err != nil {
			return err
		}
	}
	return nil
}

// close drops the schema.
func (w *world) close(ctx context.Context) error {
	w.cable.calm()
	w.dismissPlayers()
	w.pool.Close()
	w.cable.close()
	_, err := w.admin.Exec(ctx, "DROP SCHEMA "+w.schema+" CASCADE")
	return errors.Join(err, w.admin.Close(ctx))
}

// empty removes what lives have left, partners apart. The guards of the books allow no such thing: they
// are there again before anybody sees it.
func (w *world) empty(ctx context.Context) error {
	guards := func(what string) string {
		var list strings.Builder
		for table := range strings.SplitSeq(w.tables, ", ") {
			list.WriteString("ALTER TABLE " + table + " " + what + " TRIGGER USER;\n")
		}
		return list.String()
	}
	_, err := w.admin.Exec(ctx, "BEGIN;\n"+guards("DISABLE")+"TRUNCATE "+w.tables+";\nUPDATE offers SET reserved = 0;\n"+w.before+guards("ENABLE")+"COMMIT")
	if err != nil {
		_, rollback := w.admin.Exec(ctx, "ROLLBACK")
		return fmt.Errorf("empty schema %s: %w", w.schema, errors.Join(err, rollback))
	}
	return nil
}

// registry collects activities by the names under which workers know them.
type registry map[string]reflect.Value

func (r registry) RegisterActivity(any) { panic("simulation: an activity without a name") }

func (r registry) RegisterActivityWithOptions(a any, options activity.RegisterOptions) {
	r[options.Name] = reflect.ValueOf(a)
}

func (r registry) RegisterDynamicActivity(any, activity.DynamicRegisterOptions) {
	panic("simulation: an activity without a name")
}

// anybody knows one operator, one support person and the storefronts by their names.
type anybody struct{}

func (anybody) Authenticate(_ context.Context, token string) (apikey.Key, error) {
	role, shop, _ := strings.Cut(token, "-")
	switch apikey.Role(role) {
	case apikey.Operator, apikey.Support, apikey.Storefront:
		return apikey.Key{ID: token, Role: apikey.Role(role), Storefront: shop}, nil
	}
	return apikey.Key{}, apikey.ErrInvalid
}

type secrets struct{}

func (secrets) Secrets(_, id string) []string { return []string{secretOf(id)} }
