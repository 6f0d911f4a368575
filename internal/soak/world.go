package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/engine/enginetest"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/internal/processes"
	"github.com/dropline/dropline/internal/sim/storefrontsim"
	"github.com/dropline/dropline/internal/sim/suppliersim"
)

// ErrNoServer: there is no Postgres or no Temporal to run on.
var ErrNoServer = errors.New("the soak needs Postgres and Temporal: run it through make")

// world is one deployment with a schema and a namespace of its own: a gateway and two workers as
// processes, and partners that keep books.
type world struct {
	pool        *pgxpool.Pool
	temporal    client.Client
	namespace   string
	suppliers   *suppliersim.Server
	storefronts map[string]*storefrontsim.Server
	keys        map[string]string // API keys by shop
	gateway     string            // base URL
	chaos       *chaos

	atEnd []func()
}

func (w *world) finally(do func()) { w.atEnd = append(w.atEnd, do) }

func (w *world) close() {
	for _, do := range slices.Backward(w.atEnd) {
		do()
	}
	w.atEnd = nil
}

// open brings everything up. On an error it takes down what it had brought up.
func open(ctx context.Context, o Options, found *findings) (_ *world, err error) {
	w := &world{storefronts: map[string]*storefrontsim.Server{}, keys: map[string]string{}}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	programs := &processes.Programs{Folder: o.Bin}
	if err := programs.Check("starter", "worker"); err != nil {
		return nil, err
	}
	url, err := w.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.startPartners(); err != nil {
		return nil, err
	}
	if err := w.loadCatalog(ctx); err != nil {
		return nil, err
	}
	for _, shop := range slices.Concat(shopIDs, shopifyIDs) {
		if w.keys[shop], _, err = apikey.New(w.pool).Create(ctx, apikey.Storefront, shop); err != nil {
			return nil, err
		}
	}
	programs.Logs = o.Logs
	if programs.Logs == "" {
		if programs.Logs, err = os.MkdirTemp("", "dropline-soak-"); err != nil {
			return nil, fmt.Errorf("make a folder for logs: %w", err)
		}
	}
	programs.Env = append(os.Environ(),
		"DATABASE_URL="+url, "TEMPORAL_NAMESPACE="+w.namespace, secretName+"="+secret, "DROPLINE_ALLOW_PRIVATE_PARTNERS=true",
		"DROPLINE_LOG_FORMAT=text", "DROPLINE_LOG_LEVEL=warn", "DROPLINE_DATABASE_CONNECTIONS=12", "DROPLINE_SMTP_HOST=")
	return w, w.run(ctx, o, programs, found)
}

func (w *world) connect(ctx context.Context) (url string, err error) {
	url, drop, err := postgrestest.Create(ctx)
	if errors.Is(err, postgrestest.ErrNoServer) {
		return "", ErrNoServer
	}
	if err != nil {
		return "", err
	}
	// A schema that stays behind harms nobody: the server is one's own, or a test's.
	w.finally(func() { _ = drop(context.Background()) })
	w.temporal, w.namespace, err = enginetest.Register(ctx)
	if errors.Is(err, enginetest.ErrNoServer) {
		return "", ErrNoServer
	}
	if err != nil {
		return "", err
	}
	w.finally(w.temporal.Close)
	if w.pool, err = postgres.Open(ctx, url, 4); err != nil {
		return "", err
	}
	w.finally(w.pool.Close)
	return url, nil
}

// startPartners opens the ports of those that Dropline calls. The suppliers answer for nothing by
// themselves: the soak sends what they would say.
func (w *world) startPartners() (err error) {
	played := map[string]suppliersim.Supplier{}
	for _, id := range supplierIDs {
		played[id] = suppliersim.Supplier{
			Token: secret, Secret: secret,
			Manner: suppliersim.Manner{Ack: suppliersim.AckManner{When: suppliersim.AckNever}},
		}
	}
	if w.suppliers, err = suppliersim.Start(suppliersim.Options{Seed: 1, Suppliers: played}); err != nil {
		return err
	}
	w.finally(w.suppliers.Close)
	for _, id := range slices.Concat(shopIDs, shopifyIDs) {
		if w.storefronts[id], err = storefrontsim.Start(storefrontsim.Config{Token: secret, Storefront: id}); err != nil {
			return err
		}
		w.finally(w.storefronts[id].Close)
	}
	return nil
}

func (w *world) loadCatalog(ctx context.Context) error {
	var text strings.Builder
	text.WriteString("storefronts:\n")
	for _, id := range shopIDs {
		text.WriteString(w.storefrontText(id, "generic", "refund_url"))
	}
	for _, id := range shopifyIDs {
		text.WriteString(w.storefrontText(id, "shopify", "url"))
	}
	text.WriteString("carriers:\n")
	for _, id := range carrierIDs {
		fmt.Fprintf(&text, "  - {id: %s, kind: easypost, url: \"http://127.0.0.1:1\", secret_env: %[2]s, webhook_secret_env: %[2]s, poll_every: 24h}\n", id, secretName)
	}
	text.WriteString("suppliers:\n")
	for _, id := range supplierIDs {
		fmt.Fprintf(&text, `
  - id: %[1]s
    name: %[1]s
    contract:
      valid_from: 2020-01-01
      currency: EUR
      channel: {kind: rest, url: %[2]q, key_id: dropline, secret_env: %[3]s, webhook_secret_env: %[3]s}
      calendar: {zone: Europe/Berlin, always_open: true}
      sla: {acknowledge: 6h, ship: 12h}
      cancel: {confirmation: promised, within: 2h, on_silence: hold}
      ships_to: {countries: [DE]}
      shipping: {methods: [{name: parcel, base: "4.00", per_item: "0.50", transit_days: {min: 1, max: 2}}]}
    offers: [{sku: %[1]s-mug, supplier_sku: A-1, cost: "6.00", on_hand: 1000000}]
`, id, w.suppliers.BaseURL(id), secretName)
	}
	file, err := catalog.Parse("soak.yaml", []byte(text.String()))
	if err != nil {
		return err
	}
	if err := catalog.Validate(file); err != nil {
		return err
	}
	return postgres.SaveCatalog(ctx, w.pool, file)
}

func (w *world) storefrontText(id, platform, address string) string {
	return fmt.Sprintf("  - {id: %s, name: Shop, platform: %s, currencies: [EUR], %s: %q, secret_env: %[5]s, webhook_secret_env: %[5]s, sender: shop@shop.example}\n",
		id, platform, address, w.storefronts[id].URL(), secretName)
}

// run starts the programs.
func (w *world) run(ctx context.Context, o Options, programs *processes.Programs, found *findings) error {
	const workers = 2
	addresses, err := processes.FreeAddresses(ctx, 1+workers)
	if err != nil {
		return err
	}
	w.gateway = "http://" + addresses[0]
	w.chaos = &chaos{
		programs: programs, every: o.KillEvery, found: found, memory: &memory{},
		dice: rand.New(rand.NewPCG(o.Seed, 2)), //nolint:gosec // a repeatable draw
		members: []*member{{
			name: "gateway", program: "starter", args: []string{"serve"}, base: w.gateway, env: []string{"DROPLINE_LISTEN_ADDRESS=" + addresses[0]},
		}},
	}
	for i, address := range addresses[1:] {
		w.chaos.members = append(w.chaos.members, &member{
			name: fmt.Sprintf("worker-%d", i+1), program: "worker", base: "http://" + address, env: []string{"DROPLINE_HEALTH_ADDRESS=" + address},
		})
	}
	w.finally(w.chaos.stop)
	return w.chaos.start(ctx)
}
