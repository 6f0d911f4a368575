package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// verdicts are the decisions about a return, with the flags that each needs.
var verdicts = map[string][]string{
	"pay_share": {"line", "share"}, "refund_without_goods": nil, "refuse": nil, "record_findings": {"found"}, "write_off": {"reason"}, "noted": {"matter"},
}

func (p *program) returnDecide() *cobra.Command {
	var r request
	var line int
	var share, reason, matter string
	var found []string
	c := &cobra.Command{
		Use: "decide RMA DECISION", Short: "Decide about a return where only a person can",
		Long: `decide puts a decision to a return. starter return show says what waits for one.

  pay_share             units came back wrong or not at all: --share 50 pays half of the price of
                        those of --line, 0 nothing, 100 all
  refund_without_goods  the supplier refuses the return: the customer keeps the goods and is paid
  refuse                the supplier refuses the return, and so do you
  record_findings       somebody told you what was in the parcel: --found LINE=QUANTITY:CONDITION for
                        each; what is not named is missing
  write_off             the supplier's credit will never come: --reason names why (operators only)
  noted                 you have seen to a --matter: surplus, not-granted, credit-over, granted-anew or unknown-fact`,
		Example: `  starter return decide DLABCDEFGHIJKLM-1-R1 pay_share --line 1 --share 50
  starter return decide DLABCDEFGHIJKLM-1-R1 record_findings --found 1=2:as_new
  starter return decide DLABCDEFGHIJKLM-1-R1 write_off --reason too_small`,
		Args: exactly("RMA", "the decision"),
		RunE: func(c *cobra.Command, args []string) error {
			needed, known := verdicts[args[1]]
			if !known {
				return usagef(c, "decision %q: want pay_share, refund_without_goods, refuse, record_findings, write_off or noted", args[1])
			}
			for _, flag := range needed {
				if !c.Flags().Changed(flag) {
					return usagef(c, "%s needs --%s", args[1], flag)
				}
			}
			body := map[string]any{"decision": args[1]}
			switch args[1] {
			case "pay_share":
				bp, err := basisPoints(share)
				if err != nil {
					return usagef(c, "--share %q: want percent, such as 50 or 12.5", share)
				}
				body["line"], body["share_bp"] = line, bp
			case "record_findings":
				findings, err := parseFindings(c, found)
				if err != nil {
					return err
				}
				body["findings"] = findings
			case "write_off":
				body["reason"] = reason
			case "noted":
				body["matter"] = matter
			}
			return p.putReturn(c, &r, args[0], "decide", body)
		},
	}
	f := c.Flags()
	f.IntVar(&line, "line", 0, "with pay_share: the line")
	f.StringVar(&share, "share", "", "with pay_share: percent of the price that goes back, at most two decimals")
	f.StringArrayVar(&found, "found", nil, "with record_findings: LINE=QUANTITY:CONDITION; as_new, opened, damaged, wrong_item, missing or not_ours")
	f.StringVar(&reason, "reason", "", "with write_off: too_small, supplier_insolvent, supplier_refuses, agreed or other")
	f.StringVar(&matter, "matter", "", "with noted: surplus, not-granted, credit-over, granted-anew or unknown-fact")
	r.flags(c)
	return c
}

// basisPoints reads percent with at most two decimals, exactly.
func basisPoints(text string) (int64, error) {
	whole, part, _ := strings.Cut(text, ".")
	if len(part) > 2 {
		return 0, strconv.ErrSyntax
	}
	bp, err := strconv.ParseUint(whole+(part + "00")[:2], 10, 31)
	return int64(bp), err
}

func parseFindings(c *cobra.Command, texts []string) ([]map[string]any, error) {
	var findings []map[string]any
	for _, text := range texts {
		units, condition, _ := strings.Cut(text, ":")
		lines, err := parseLines(c, []string{units})
		if err != nil || condition == "" {
			return nil, usagef(c, "--found %q: want LINE=QUANTITY:CONDITION, such as 1=2:as_new", text)
		}
		findings = append(findings, map[string]any{"line": lines[0].Line, "quantity": lines[0].Quantity, "condition": condition})
	}
	return findings, nil
}
