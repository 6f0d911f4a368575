package main

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/payments"
)

func (p *program) paymentRevive() *cobra.Command {
	return &cobra.Command{
		Use: "revive ORDER", Short: "Start the workflow of an order's payment again",
		Long: `revive starts the workflow of a payment that was terminated, or failed, from the state that it recorded
last, and has the facts delivered that came since. Nothing does this by itself, because somebody may
have ended it on purpose. A workflow that runs is left alone.`,
		Example: `  starter payment revive shop/1001`,
		Args:    exactly("ORDER"),
		RunE: func(c *cobra.Command, args []string) error {
			key, err := parseOrder(c, args[0])
			if err != nil {
				return err
			}
			local, err := p.local(c.Context())
			if err != nil {
				return err
			}
			defer local.Close()
			ctx, cancel := context.WithTimeout(c.Context(), answerWait)
			defer cancel()
			deliverer := intake.Deliverer{Pool: local.Pool, Temporal: local.Temporal, Log: slog.New(slog.DiscardHandler)}
			if err := deliverer.RevivePayment(ctx, key); err != nil {
				return err
			}
			if p.json {
				return p.writeJSON(map[string]string{"order": key.String(), "workflow": payments.WorkflowID(key)})
			}
			p.say("The workflow of the payment of %s runs; what it missed is being delivered.", plain(key.String()))
			return nil
		},
	}
}
