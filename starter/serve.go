package main

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/service"
	"github.com/dropline/dropline/internal/telemetry"
)

func (p *program) serve() *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Serve the API and the webhooks",
		Long: `serve takes orders and requests from storefronts and people, and webhooks from storefronts, suppliers
and carriers. What it acknowledges is committed to Postgres. It starts and goes on without Temporal:
what comes is stored and delivered later. Without Postgres it answers 503, and partners come again.

It is stateless: run as many as the load asks for. /docs describes the API, /healthz says that it is
alive, /readyz whether it takes requests.`,
		Example: `  starter serve
  DROPLINE_LISTEN_ADDRESS=:8080 starter serve`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			settings, err := p.settings()
			if err != nil {
				return badSettings(err)
			}
			logger := telemetry.Logger(os.Stderr, settings.LogLevel, settings.LogFormat, "gateway")
			slog.SetDefault(logger)
			g, err := service.NewGateway(c.Context(), settings, logger)
			if err != nil {
				return err
			}
			if p.json {
				err = p.writeJSON(map[string]string{"address": g.Addr()})
			} else {
				p.say("Listening on http://%s", g.Addr())
			}
			if err != nil {
				return err
			}
			return g.Run(c.Context())
		},
	}
}
