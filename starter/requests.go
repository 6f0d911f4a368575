package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/orderview"
)

// request is an order, and the id that makes asking twice harmless.
type request struct {
	remote
	id string
}

func (r *request) flags(c *cobra.Command) {
	c.Flags().StringVar(&r.id, "id", "", "the request's id, to ask again with after a time-out; default: a new one")
	r.remote.flags(c)
}

func (r *request) name() string {
	if r.id == "" {
		r.id = "cli-" + strings.ToLower(rand.Text()[:12])
	}
	return r.id
}

// put posts a request about an order and tells the answer.
func (p *program) put(c *cobra.Command, r *request, text, what string, body map[string]any) error {
	key, err := parseOrder(c, text)
	if err != nil {
		return err
	}
	a, err := p.api(c.Context(), &r.remote)
	if err != nil {
		return err
	}
	defer a.close()
	body["request_id"] = r.name()
	var answer map[string]any
	if err := a.post(c.Context(), orderPath(key)+"/"+what, body, &answer); err != nil {
		return err
	}
	if p.json {
		return p.writeJSON(answer)
	}
	p.say("%s", plain(fmt.Sprint(answer["message"])))
	p.say("%s", p.paint(dim, "Request "+r.id+"; asking again with --id "+r.id+" gives the same answer."))
	return nil
}

func (p *program) cancel() *cobra.Command {
	var r request
	var reason string
	var lines []string
	c := &cobra.Command{
		Use: "cancel ORDER", Short: "Cancel an order or some units of it",
		Long: `cancel asks the order, and says what is cancelled at once, what suppliers were asked to give back, or why
it cannot be cancelled and what can be done instead. When the order cannot be asked now the request is
stored and carried out later.`,
		Example: `  starter cancel shop/1001
  starter cancel shop/1001 --line 1=2 --reason customer`,
		Args: exactly("ORDER"),
		RunE: func(c *cobra.Command, args []string) error {
			units, err := parseLines(c, lines)
			if err != nil {
				return err
			}
			body := map[string]any{"reason": reason}
			if len(units) > 0 {
				body["lines"] = units
			}
			return p.put(c, &r, args[0], "cancel", body)
		},
	}
	c.Flags().StringArrayVar(&lines, "line", nil, "LINE=QUANTITY to cancel; may be repeated; default: everything that still can be")
	c.Flags().StringVar(&reason, "reason", "customer", "customer, duplicate, fraud, inventory, declined or other")
	r.flags(c)
	return c
}

func parseLines(c *cobra.Command, texts []string) ([]orderview.Units, error) {
	var units []orderview.Units
	for _, text := range texts {
		line, quantity, _ := strings.Cut(text, "=")
		n, err := strconv.Atoi(line)
		q, wrong := strconv.ParseInt(quantity, 10, 64)
		if err != nil || wrong != nil || n < 1 || q < 1 {
			return nil, usagef(c, "--line %q: want LINE=QUANTITY, such as 1=2", text)
		}
		units = append(units, orderview.Units{Line: n, Quantity: q})
	}
	return units, nil
}

func (p *program) review() *cobra.Command {
	var r request
	var address string
	c := &cobra.Command{
		Use: "review ORDER approve|amend|reject", Short: "Decide about an order that is held for review",
		Long: `review approves a held order, amends its address and approves it, or rejects it, which cancels it and gives
the customer's money back. starter show says why the order is held.`,
		Example: `  starter review shop/1001 approve
  starter review shop/1001 amend --address corrected.json`,
		Args: exactly("ORDER", "approve, amend or reject"),
		RunE: func(c *cobra.Command, args []string) error {
			body := map[string]any{"decision": args[1]}
			switch {
			case args[1] != "approve" && args[1] != "amend" && args[1] != "reject":
				return usagef(c, "decision %q: want approve, amend or reject", args[1])
			case (args[1] == "amend") != (address != ""):
				return usagef(c, "amend needs --address, approve and reject take none")
			case address != "":
				document, err := p.readInput(address)
				if err != nil {
					return fmt.Errorf("read the address: %w", err)
				}
				if !json.Valid(document) {
					return usagef(c, "%s is not JSON", address)
				}
				body["address"] = json.RawMessage(document)
			}
			return p.put(c, &r, args[0], "review", body)
		},
	}
	c.Flags().StringVar(&address, "address", "", "file with the corrected address, in the form of ship_to")
	r.flags(c)
	return c
}

func (p *program) resolve() *cobra.Command {
	var r request
	var withdrawal, caseKey, outcome string
	var confirmed bool
	c := &cobra.Command{
		Use: "resolve ORDER", Short: "Decide what only a person can decide",
		Long: `resolve decides about a withdrawal (units that a supplier was asked to give back, and never answered), or
about a case (a shipment that nobody waits for). starter show lists both with their keys.`,
		Example: `  starter resolve shop/1001 --withdrawal DLABCDEFGHIJKLM-1-c1 --confirmed=true
  starter resolve shop/1001 --case DLABCDEFGHIJKLM-1-s1 --outcome absorbed_as_loss`,
		Args: exactly("ORDER"),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case withdrawal != "" && caseKey == "" && outcome == "" && c.Flags().Changed("confirmed"):
				return p.put(c, &r, args[0], "resolve", map[string]any{"withdrawal": withdrawal, "confirmed": confirmed})
			case caseKey != "" && withdrawal == "" && outcome != "" && !c.Flags().Changed("confirmed"):
				return p.put(c, &r, args[0], "resolve", map[string]any{"case": caseKey, "outcome": outcome})
			}
			return usagef(c, "want either --withdrawal with --confirmed, or --case with --outcome")
		},
	}
	f := c.Flags()
	f.StringVar(&withdrawal, "withdrawal", "", "key of the withdrawal")
	f.BoolVar(&confirmed, "confirmed", false, "whether the supplier gave the units back")
	f.StringVar(&caseKey, "case", "", "key of the case")
	f.StringVar(&outcome, "outcome", "", "intercepted or absorbed_as_loss")
	r.flags(c)
	return c
}

func (p *program) revive() *cobra.Command {
	return &cobra.Command{
		Use: "revive ORDER", Short: "Start an order's workflow again",
		Long: `revive starts the workflow of an order that was terminated, or failed, from the state that it recorded
last, and has the facts delivered that came since. Nothing does this by itself, because somebody may
have ended it on purpose. A workflow that runs is left alone.`,
		Example: `  starter revive shop/1001`,
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
			if _, err := orderview.Stand(c.Context(), local.Pool, key); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), answerWait)
			defer cancel()
			deliverer := intake.Deliverer{Pool: local.Pool, Temporal: local.Temporal, Log: slog.New(slog.DiscardHandler)}
			if err := deliverer.Revive(ctx, key); err != nil {
				return err
			}
			if p.json {
				return p.writeJSON(map[string]string{"order": key.String(), "workflow": key.WorkflowID()})
			}
			p.say("The workflow of %s runs; what it missed is being delivered.", key)
			return nil
		},
	}
}
