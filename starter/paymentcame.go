package main

import "github.com/spf13/cobra"

func (p *program) paymentCame() *cobra.Command {
	var r request
	var amount, currency, reference string
	c := &cobra.Command{
		Use: "came ORDER", Short: "Note what a customer paid for an order after it was placed",
		Long: `came notes money that has come, by a transfer for example, for an order of any storefront; storefronts say so
themselves. Nothing is taken from the customer. An order that was held for want of payment alone goes on when all
that is due is paid; what is more, or was paid for a cancelled order, is refunded.

The reference names the payment: it pays for one order, once.`,
		Example: `  starter payment came shop/1001 --amount 29.90 --currency USD --reference wire-2026-117`,
		Args:    exactly("ORDER"),
		RunE: func(c *cobra.Command, args []string) error {
			if amount == "" || currency == "" || reference == "" {
				return usagef(c, "came needs --amount, --currency and --reference")
			}
			return p.put(c, &r, args[0], "payment", map[string]any{"amount": amount, "currency": currency, "reference": reference})
		},
	}
	f := c.Flags()
	f.StringVar(&amount, "amount", "", "what the payment brought, as 29.90")
	f.StringVar(&currency, "currency", "", "the order's currency, as USD")
	f.StringVar(&reference, "reference", "", "the payment's id, or the transfer's number; no names")
	r.flags(c)
	return c
}
