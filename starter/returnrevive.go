package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
)

func (p *program) returnRevive() *cobra.Command {
	return &cobra.Command{
		Use: "revive RMA", Short: "Start a return's workflow again",
		Long: `revive starts the workflow of a return that was terminated, or failed, from the state that it recorded
last, and has the facts delivered that came since. Nothing does this by itself, because somebody may
have ended it on purpose. A workflow that runs is left alone.`,
		Example: `  starter return revive DLABCDEFGHIJKLM-1-R1`,
		Args:    exactly("RMA"),
		RunE: func(c *cobra.Command, args []string) error {
			local, err := p.local(c.Context())
			if err != nil {
				return err
			}
			defer local.Close()
			standing, err := returndesk.Stand(c.Context(), local.Pool, args[0])
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), answerWait)
			defer cancel()
			deliverer := intake.Deliverer{Pool: local.Pool, Temporal: local.Temporal, Log: slog.New(slog.DiscardHandler)}
			if err := deliverer.ReviveReturn(ctx, args[0]); err != nil {
				return err
			}
			if p.json {
				return p.writeJSON(map[string]string{"rma": args[0], "workflow": returns.WorkflowID(standing.State.Key, args[0])})
			}
			p.say("The workflow of %s runs; what it missed is being delivered.", plain(args[0]))
			return nil
		},
	}
}
