package demo

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/engine"
	"github.com/dropline/dropline/internal/engine/enginetest"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/postgres/postgrestest"
	"github.com/dropline/dropline/internal/processes"
	"github.com/dropline/dropline/internal/service"
	"github.com/dropline/dropline/internal/sim/paymentsim"
)

// stage is a world whose gateway and worker run inside the test.
func stage(t *testing.T) *world {
	t.Helper()
	ctx := t.Context()
	w := &world{keys: map[string]string{}}
	url := postgrestest.URL(t)
	w.temporal, w.namespace = enginetest.Namespace(t)
	var err error
	w.pool, err = postgres.Open(ctx, url, 8)
	require.NoError(t, err)
	t.Cleanup(w.pool.Close)
	addresses, err := processes.FreeAddresses(ctx, 1)
	require.NoError(t, err)
	w.gatewayURL = "http://" + addresses[0]
	w.partners, err = startPartners(w.gatewayURL, newSecrets())
	require.NoError(t, err)
	t.Cleanup(w.partners.close)
	for name, value := range w.partners.secrets {
		require.NoError(t, os.Setenv(name, value)) //nolint:usetesting // t.Setenv and parallel tests exclude each other; this package has one stage
	}
	w.load(t)
	settings := config.Settings{
		DatabaseURL: url, DatabaseConnections: 16, TemporalNamespace: w.namespace, ListenAddress: addresses[0],
		LogLevel: "warn", LogFormat: "text", AllowPrivatePartners: true, CustomerHashKey: "test",
		Mail: config.Mail{Host: w.partners.mail.Host(), Port: w.partners.mail.Port(), From: "orders@shop.example", TLS: "none"},
	}
	quiet := slog.New(slog.DiscardHandler)
	gateway, err := service.NewGateway(ctx, settings, quiet)
	require.NoError(t, err)
	during(t, gateway.Run)
	worker, err := service.NewWorker(ctx, settings, quiet, 5*time.Second)
	require.NoError(t, err)
	during(t, worker.Run)
	return w
}

func (w *world) load(t *testing.T) {
	t.Helper()
	path, err := writeCatalog(t.TempDir(), w.partners, together)
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	file, err := catalog.Parse(path, text)
	require.NoError(t, err)
	require.NoError(t, catalog.Validate(file))
	require.NoError(t, postgres.SaveCatalog(t.Context(), w.pool, file))
	require.NoError(t, engine.EnsureSchedules(t.Context(), w.temporal, file.Carriers))
	keys := apikey.New(w.pool)
	for _, id := range storefrontIDs {
		w.keys[id], _, err = keys.Create(t.Context(), apikey.Storefront, id)
		require.NoError(t, err)
	}
	w.keys[operatorKey], _, err = keys.Create(t.Context(), apikey.Operator, "")
	require.NoError(t, err)
}

// during keeps something running until the test ends.
func during(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
}

func TestStoriesEndAsToldAndOthersAreSeenNotTo(t *testing.T) {
	t.Parallel()
	w := stage(t)
	stories := chosen(allStories(), "smooth,part-accepted,silent-supplier,ships-anyway,cancel-early,sent-back,empty-box,short-credit,dear-invoice,refund-comes-back,chargeback-lost")
	require.Len(t, stories, 12)
	plays, err := w.rehearse(stories, func(order, text string) { t.Log(order, text) })
	require.NoError(t, err)
	require.Empty(t, w.tell(t.Context(), plays, plays[0].say))
	for _, p := range plays {
		require.Empty(t, p.differences, p.story.name)
	}
	require.Empty(t, w.compareBooks(t.Context(), plays))

	// A comparison that finds nothing proves nothing unless it finds what is wrong.
	for what, spoil := range map[string]func(*ending){
		"returns":                      func(e *ending) { e.returns = append(e.returns, comeback{}) },
		"stage":                        func(e *ending) { e.stage = order.StageHeld },
		"SLA breached":                 func(e *ending) { e.breached = !e.breached },
		"line 1 delivered":             func(e *ending) { e.lines[0].delivered++ },
		"line 1 cancelled":             func(e *ending) { e.lines[0].cancelled++ },
		"line 1 lost":                  func(e *ending) { e.lines[0].lost++ },
		"refunded ":                    func(e *ending) { e.refunded++ },
		"cases":                        func(e *ending) { e.cases = append(e.cases, order.CaseAbsorbed) },
		"reminders":                    func(e *ending) { e.reminders++ },
		"the customer was told \"lost": func(e *ending) { e.mails += " lost" },
		"not part of the story":        func(e *ending) { e.mails = "" },
		"to the supplier":              func(e *ending) { e.toSupplier++ },
		"purchase orders":              func(e *ending) { e.orders = append(e.orders, bought{}) },
	} {
		for _, p := range plays {
			right := p.story.want
			p.story.want.lines = append([]fate(nil), right.lines...)
			spoil(&p.story.want)
			require.Contains(t, strings.Join(p.compare(t.Context()), "\n"), what, p.story.name)
			p.story.want = right
		}
	}
	for what, spoil := range map[string]func(*paid){
		"payment stage":                  func(w *paid) { w.stage = payments.StageVoided },
		"captured by our payment":        func(w *paid) { w.captured++ },
		"captured by the provider's":     func(w *paid) { w.captured++ },
		"refunded by the provider's":     func(w *paid) { w.refunded++ },
		"left at the provider":           func(w *paid) { w.left++ },
		"disputes at the provider":       func(w *paid) { w.disputes += " won" },
		"paid past the provider by our ": func(w *paid) { w.elsewhere++ },
	} {
		for _, p := range plays[len(plays)-2:] {
			right := *p.story.want.paid
			spoil(p.story.want.paid)
			require.Contains(t, strings.Join(p.compare(t.Context()), "\n"), what, p.story.name)
			*p.story.want.paid = right
		}
	}
	comesBack, lost := plays[10], plays[11]
	lost.world.partners.provider.Enter(paymentsim.Transaction{Kind: "refund", Payment: lost.payment, Currency: currency, Amount: -1})
	require.Contains(t, strings.Join(lost.compare(t.Context()), "\n"), "what the provider holds by our ledger")
	right := comesBack.story.want.paid
	comesBack.story.want.paid = nil
	require.Contains(t, strings.Join(comesBack.compare(t.Context()), "\n"), "not part of the story")
	comesBack.story.want.paid = right
	part, silent := plays[1], plays[2]
	require.Len(t, part.story.want.orders, 2)
	part.story.want.orders[0].gaveBack++
	require.Contains(t, strings.Join(part.compare(t.Context()), "\n"), "units that plover gave back")
	part.story.want.orders[0].gaveBack--
	require.Len(t, silent.story.want.orders, 2)
	for what, spoil := range map[string]func(*bought){
		"supplier":            func(b *bought) { b.supplier = "acme" },
		"live units":          func(b *bought) { b.live++ },
		"units that left":     func(b *bought) { b.sent++ },
		"cancelled at swift":  func(b *bought) { b.cancelled = !b.cancelled },
		"cancellations at sw": func(b *bought) { b.asked++ },
	} {
		right := silent.story.want.orders[0]
		spoil(&silent.story.want.orders[0])
		require.Contains(t, strings.Join(silent.compare(t.Context()), "\n"), what)
		silent.story.want.orders[0] = right
	}
}

func TestEveryStoryIsCastWithPartnersAndGoodsOfTheCatalogue(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	p, err := startPartners("http://"+listener.Addr().String(), newSecrets())
	require.NoError(t, err)
	t.Cleanup(p.close)
	path, err := writeCatalog(t.TempDir(), p, together)
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	file, err := catalog.Parse(path, text)
	require.NoError(t, err)
	require.NoError(t, catalog.Validate(file))
	offers := map[string]bool{}
	for _, o := range file.Offers {
		offers[o.Supplier+"/"+o.SKU] = true
		offers[o.SKU] = true
	}
	names := map[string]bool{}
	for _, s := range allStories() {
		require.False(t, names[s.name], "two stories are called %s", s.name)
		names[s.name] = true
		require.NoError(t, p.cast(s.parts))
		require.Len(t, s.want.lines, len(s.lines), s.name)
		for _, l := range s.lines {
			require.True(t, offers[l.sku], "%s: nobody offers %s", s.name, l.sku)
		}
		for _, part := range s.parts {
			require.True(t, offers[part.supplier+"/"+part.sku], "%s: %s does not offer %s", s.name, part.supplier, part.sku)
		}
	}
}
