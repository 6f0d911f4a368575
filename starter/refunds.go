package main

import "github.com/spf13/cobra"

func (p *program) refunds() *cobra.Command {
	c := group("refund", "Decide about refunds that a storefront does not make",
		`refund notes what became of a refund that its storefront refuses for good. What goes through a payment provider
is decided about with starter payment.`,
		`  starter refund elsewhere shop/1001 --refund refund/shop/1001/1 --reference wire-2026-117 --reason refused`)
	c.AddCommand(p.refundElsewhere())
	return c
}

func (p *program) refundElsewhere() *cobra.Command {
	var r request
	var refund, reference, reason string
	var notMade bool
	c := &cobra.Command{
		Use: "elsewhere ORDER", Short: "Note that a refund was paid past its storefront",
		Long: `elsewhere notes that a refund, which its storefront refuses or cannot make, was paid by other means. The
storefront is not asked for it any more, and is told of it for its books; it is booked as paid from the bank, and
the order goes on, within a minute. A store credit that the storefront refuses is paid so as money, without its bonus.

Transfer the money once this is granted, never before: it is refused while the storefront is being asked. It is
refused too when an answer of the storefront was lost: ask there whether the refund was made, and say --not-made
if it was not. starter show has the refund's key.`,
		Example: `  starter refund elsewhere shop/1001 --refund refund/shop/1001/1 --reference wire-2026-117 --reason refused
  starter refund elsewhere shop/1001 --refund return/DLABCDEFGHIJKLM-1-R1/1 --reference wire-2026-118 --reason too_late --not-made`,
		Args: exactly("ORDER"),
		RunE: func(c *cobra.Command, args []string) error {
			if refund == "" || reference == "" || reason == "" {
				return usagef(c, "elsewhere needs --refund, --reference and --reason")
			}
			body := map[string]any{"refund": refund, "reference": reference, "reason": reason}
			if notMade {
				body["not_made"] = true
			}
			return p.put(c, &r, args[0], "refunds/elsewhere", body)
		},
	}
	f := c.Flags()
	f.StringVar(&refund, "refund", "", "the refund's key")
	f.StringVar(&reference, "reference", "", "the transfer's number")
	f.StringVar(&reason, "reason", "", "why the storefront does not make it: refused, too_late, unreachable, agreed or other")
	f.BoolVar(&notMade, "not-made", false, "the storefront was asked, and has not made it")
	r.flags(c)
	return c
}
