package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/config"
	"github.com/dropline/dropline/internal/engine"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/service"
	"github.com/dropline/dropline/internal/visibility"
)

func (p *program) migrate() *cobra.Command {
	var wait time.Duration
	c := &cobra.Command{
		Use: "migrate", Short: "Set up or upgrade the database and Temporal's search attributes",
		Long: `migrate brings the database's schema up to this version, and adds to Temporal's namespace the search
attributes by which operators filter orders. Running it again changes nothing. Run it once before the
first worker or gateway of a new version starts; several at once take turns.`,
		Example: `  starter migrate --wait 60s`,
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			settings, err := p.settings()
			if err != nil {
				return badSettings(err)
			}
			pool, err := p.database(c.Context())
			if err != nil {
				return err
			}
			defer pool.Close()
			ctx, cancel := context.WithTimeout(c.Context(), max(wait, 30*time.Second))
			defer cancel()
			version, err := migrateWithin(ctx, pool, time.Now().Add(wait))
			if err != nil {
				return err
			}
			namespace, err := registerAttributes(ctx, settings)
			if err != nil {
				return err
			}
			if p.json {
				return p.writeJSON(map[string]any{"schema": version, "namespace": namespace})
			}
			p.say("The database is at schema version %d; namespace %q has the search attributes.", version, namespace)
			return nil
		},
	}
	c.Flags().DurationVar(&wait, "wait", 0, "how long to wait for Postgres and Temporal to be up")
	return c
}

// migrateWithin tries until a time as long as nothing is wrong but that the database is away.
func migrateWithin(ctx context.Context, pool *pgxpool.Pool, until time.Time) (int64, error) {
	for {
		version, err := postgres.Migrate(ctx, pool)
		if err == nil || !postgres.Unavailable(err) || time.Now().After(until) {
			return version, err
		}
		select {
		case <-ctx.Done():
			return 0, err
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func registerAttributes(ctx context.Context, settings config.Settings) (string, error) {
	temporal, options, err := awaitTemporal(ctx, settings)
	if err != nil {
		return "", err
	}
	defer temporal.Close()
	namespace := options.Namespace
	if namespace == "" {
		namespace = client.DefaultNamespace
	}
	return namespace, visibility.Register(ctx, temporal, namespace)
}

func awaitTemporal(ctx context.Context, settings config.Settings) (client.Client, client.Options, error) {
	temporal, options, err := engine.Await(ctx, slog.New(slog.DiscardHandler), settings.TemporalNamespace)
	if err != nil {
		err = &service.Hinted{Err: err, Todo: "Is Temporal up, and do TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE lead to it?"}
	}
	return temporal, options, err
}

func (p *program) catalog() *cobra.Command {
	c := group("catalog", "Check and load suppliers, offers, storefronts and carriers",
		"The catalogue is files under version control; docs/contracts.md describes them by an example.",
		`  starter catalog check suppliers/*.yaml shop.yaml
  starter catalog load suppliers/*.yaml shop.yaml`)
	c.AddCommand(p.catalogCheck(), p.catalogLoad())
	return c
}

func (p *program) catalogCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check FILE...", Short: "Find everything that is wrong with catalogue files",
		Long: "check reads the files together and lists every problem with its file, line and column. It needs no database.",
		Args: exactly("FILE..."),
		RunE: func(_ *cobra.Command, args []string) error {
			whole, err := p.readCatalog(args)
			if err != nil {
				return err
			}
			return p.tellCatalog("Nothing is wrong with", &whole)
		},
	}
}

func (p *program) catalogLoad() *cobra.Command {
	return &cobra.Command{
		Use: "load FILE...", Short: "Load catalogue files into the database",
		Long: `load checks the files and stores what they describe, all or nothing. Partners that are not in the files
stay as they are; orders under way keep the terms that were in force when they were routed. Then it
sets up Temporal's schedule for each carrier.`,
		Args: exactly("FILE..."),
		RunE: func(c *cobra.Command, args []string) error {
			whole, err := p.readCatalog(args)
			if err != nil {
				return err
			}
			pool, err := p.database(c.Context())
			if err != nil {
				return err
			}
			defer pool.Close()
			if err := postgres.SaveCatalog(c.Context(), pool, whole); err != nil {
				return fmt.Errorf("load the catalogue: %w", err)
			}
			if err := p.tellCatalog("Loaded", &whole); err != nil {
				return err
			}
			settings, err := p.settings()
			if err != nil {
				return badSettings(err)
			}
			return setSchedules(c.Context(), settings, pool)
		},
	}
}

// setSchedules waits for Temporal for a moment only: workers set the schedules up too when they start.
func setSchedules(ctx context.Context, settings config.Settings, pool *pgxpool.Pool) error {
	carriers, err := postgres.Carriers(ctx, pool)
	if err != nil || len(carriers) == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	temporal, _, err := awaitTemporal(ctx, settings)
	if err == nil {
		defer temporal.Close()
		err = engine.EnsureSchedules(ctx, temporal, carriers)
	}
	if err != nil {
		return &service.Hinted{
			Err:  fmt.Errorf("the catalogue is loaded, but its schedules are not: %w", err),
			Todo: "Load it again when Temporal is up, or restart a worker.",
		}
	}
	return nil
}

// readCatalog reads the files as one.
func (p *program) readCatalog(names []string) (catalog.File, error) {
	var files []catalog.File
	var problems catalog.Problems
	var whole catalog.File
	for _, name := range names {
		text, err := os.ReadFile(name) //nolint:gosec // the operator names the files
		if err != nil {
			return whole, err
		}
		file, err := catalog.Parse(name, text)
		if wrong, found := errors.AsType[catalog.Problems](err); found {
			problems = append(problems, wrong...)
			continue
		}
		files = append(files, file)
		whole.Suppliers, whole.Offers = append(whole.Suppliers, file.Suppliers...), append(whole.Offers, file.Offers...)
		whole.Storefronts, whole.Carriers = append(whole.Storefronts, file.Storefronts...), append(whole.Carriers, file.Carriers...)
		whole.Rates = append(whole.Rates, file.Rates...)
	}
	if len(problems) == 0 {
		problems, _ = errors.AsType[catalog.Problems](catalog.Validate(files...))
	}
	if len(problems) == 0 {
		return whole, nil
	}
	if p.json {
		return whole, errors.Join(p.writeJSON(map[string]any{"problems": problems}), errTold)
	}
	return whole, &service.Hinted{
		Err:  fmt.Errorf("%s in the catalogue; nothing was loaded:\n%w", count(len(problems), "problem"), problems),
		Todo: "docs/contracts.md describes every member.",
	}
}

func (p *program) tellCatalog(what string, f *catalog.File) error {
	if p.json {
		return p.writeJSON(map[string]int{
			"suppliers": len(f.Suppliers), "offers": len(f.Offers), "storefronts": len(f.Storefronts), "carriers": len(f.Carriers),
			"rates": len(f.Rates),
		})
	}
	p.say("%s %s, %s, %s, %s and %s.", what, count(len(f.Suppliers), "supplier"), count(len(f.Offers), "offer"),
		count(len(f.Storefronts), "storefront"), count(len(f.Carriers), "carrier"), count(len(f.Rates), "exchange rate"))
	return nil
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
