package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/apikey"
	"github.com/dropline/dropline/internal/audit"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/engine"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/service"
)

// Scene is a Dropline in which stories are told one after the other, each as often as one likes. Its
// gateway takes in what comes and moves nothing, so that all work is that of the worker, which is
// somebody else's to run.
type Scene struct {
	world    *world
	settings config.Settings
	file     catalog.File
	stop     func() error
	told     int
}

// Stage is what a scene is set up on: a migrated database and a namespace that are its own.
type Stage struct {
	DatabaseURL string
	Namespace   string
	Temporal    client.Client
	// Polled: the carrier is asked for parcels all the time, which costs as much as a story itself.
	Polled bool
	// Secrets are those of the partners, by their environment variables, which this process has set.
	Secrets map[string]string
}

// Secrets are the partners' secrets in this process: the same at each call, because they go into the
// environment of every program that talks to them.
var Secrets = sync.OnceValue(newSecrets)

// Stories are the names of all stories.
func Stories() []string {
	var names []string
	for _, s := range allStories() {
		names = append(names, s.name)
	}
	return names
}

// Polled says whether a story is told only where the carrier is polled.
func Polled(name string) bool {
	return slices.ContainsFunc(allStories(), func(s *story) bool { return s.name == name && s.polled() })
}

// OpenScene sets a scene up: partners, catalogue, keys and the gateway.
func OpenScene(ctx context.Context, on Stage) (_ *Scene, err error) {
	w := &world{keys: map[string]string{}, temporal: on.Temporal, namespace: on.Namespace}
	s := &Scene{world: w}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if w.pool, err = postgres.Open(ctx, on.DatabaseURL, 4); err != nil {
		return nil, err
	}
	s.settings = config.Settings{
		DatabaseURL: on.DatabaseURL, DatabaseConnections: 6, TemporalNamespace: on.Namespace, ListenAddress: "127.0.0.1:0",
		LogLevel: "disabled", LogFormat: "text", AllowPrivatePartners: true, CustomerHashKey: "scene",
	}
	quiet := slog.New(slog.DiscardHandler)
	gateway, err := service.NewGateway(ctx, s.settings, quiet)
	if err != nil {
		return nil, err
	}
	s.stop = receives(gateway)
	w.gatewayURL = "http://" + gateway.Addr()
	if w.partners, err = startPartners(w.gatewayURL, maps.Clone(on.Secrets)); err != nil {
		return nil, err
	}
	for _, story := range allStories() {
		if err := w.partners.cast(unhasty(story.parts)); err != nil {
			return nil, err
		}
	}
	t := patiently
	if on.Polled {
		t.Polls = together.Polls
	}
	return s, s.equip(ctx, t)
}

// absent is longer than a worker that died is missed.
const absent = 20 * time.Second

// unhasty gives suppliers that act on what they gave back the patience to be heard before: a parcel
// that goes out while its cancellation is still unanswered is another story.
func unhasty(parts []part) []part {
	parts = slices.Clone(parts)
	for i := range parts {
		m := &parts[i].manner
		if m.Ship.AfterCancel {
			m.Ship.Delay = max(m.Ship.Delay, soon(absent))
		}
		if m.Ack.LateAfterCancel {
			m.Ack.Delay = max(m.Ack.Delay, soon(absent))
		}
	}
	return parts
}

// receives runs a gateway until what it returns is called.
func receives(g *service.Gateway) func() error {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Receive(ctx) }()
	return func() error {
		cancel()
		return <-ended
	}
}

// equip loads the catalogue and makes the keys.
func (s *Scene) equip(ctx context.Context, t times) error {
	folder, err := os.MkdirTemp("", "dropline-scene-")
	if err != nil {
		return fmt.Errorf("make a folder for the catalogue: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }() // it holds nothing that is needed again
	path, err := writeCatalog(folder, s.world.partners, t)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the demo's catalogue: %w", err)
	}
	if s.file, err = catalog.Parse(path, text); err != nil {
		return err
	}
	if err := postgres.SaveCatalog(ctx, s.world.pool, s.file); err != nil {
		return err
	}
	if err := s.schedule(ctx); err != nil {
		return err
	}
	keys := apikey.New(s.world.pool)
	for _, id := range storefrontIDs {
		if s.world.keys[id], _, err = keys.Create(ctx, apikey.Storefront, id); err != nil {
			return err
		}
	}
	s.world.keys[operatorKey], _, err = keys.Create(ctx, apikey.Operator, "")
	return err
}

// settleWithin is how long a busy server may take to run the schedules of a new namespace.
const settleWithin = 2 * time.Minute

func (s *Scene) schedule(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	for {
		err := engine.EnsureSchedules(ctx, s.world.temporal, s.file.Carriers)
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// Environment is what a worker of the scene needs beyond how to reach Temporal.
func (s *Scene) Environment() []string {
	return append(s.world.partners.environment(), "DATABASE_URL="+s.settings.DatabaseURL, "TEMPORAL_NAMESPACE="+s.settings.TemporalNamespace,
		fmt.Sprintf("DROPLINE_DATABASE_CONNECTIONS=%d", s.settings.DatabaseConnections),
		"DROPLINE_LOG_FORMAT=text", "DROPLINE_LOG_LEVEL=warn", "DROPLINE_CUSTOMER_HASH_KEY="+s.settings.CustomerHashKey)
}

// Telling is how a story was told once.
type Telling struct {
	// Order is "storefront/order".
	Order string
	// Differences are what was not as told; Broken is what the audit found.
	Differences, Broken []string
	// Books are what everybody holds of the order, line by line, without names and times: ours, the
	// suppliers', the storefront's, and the customer's mails.
	Books []string
	Took  time.Duration
}

// Rehearse makes ready for a story: everything is in stock again. What it returns tells it, once; a
// hear that is not nil hears a line for each thing that happens.
func (s *Scene) Rehearse(ctx context.Context, name string) (func(context.Context, func(string)) (Telling, error), error) {
	found := slices.IndexFunc(allStories(), func(story *story) bool { return story.name == name })
	if found < 0 {
		return nil, fmt.Errorf("there is no story %q: want one of %v", name, Stories())
	}
	told := allStories()[found]
	s.told++
	told.anew(s.told)
	if err := postgres.SaveCatalog(ctx, s.world.pool, s.file); err != nil {
		return nil, err
	}
	return func(ctx context.Context, hear func(string)) (Telling, error) { return s.tell(ctx, told, hear) }, nil
}

func (s *Scene) tell(ctx context.Context, told *story, hear func(string)) (Telling, error) {
	say := func(string, string) {}
	if hear != nil {
		say = func(_, text string) { hear(text) }
	}
	p := &play{story: told, world: s.world, say: say, ended: make(chan struct{})}
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	var listening sync.WaitGroup
	if hear != nil {
		listening.Go(func() { (&listener{play: p, told: map[string]bool{}}).follow(context.WithoutCancel(ctx)) })
	}
	p.perform(ctx)
	listening.Wait()
	t := Telling{Order: told.key.String(), Differences: p.differences, Took: p.took}
	looking, done := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer done()
	if err := p.quiet(looking); err != nil {
		return t, err
	}
	var err error
	if t.Books, err = p.books(looking); err != nil {
		return t, err
	}
	report, err := audit.Run(looking, audit.Options{Pool: s.world.pool})
	if err != nil {
		return t, err
	}
	for i := range report.Outcomes {
		for _, v := range report.Outcomes[i].Violations {
			if !report.Outcomes[i].Warning {
				t.Broken = append(t.Broken, fmt.Sprintf("invariant %d, %s: %s %s", v.Invariant, v.Check, v.Order, v.What))
			}
		}
	}
	return t, nil
}

// Close takes the scene down, the gateway first.
func (s *Scene) Close() (err error) {
	if s.stop != nil {
		err = s.stop()
	}
	if s.world.partners != nil {
		s.world.partners.close()
	}
	if s.world.pool != nil {
		s.world.pool.Close()
	}
	return err
}
