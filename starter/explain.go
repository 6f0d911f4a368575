package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/routing"
	"github.com/dropline/dropline/internal/service"
)

// answerWait bounds how long a command waits for Temporal.
const answerWait = 20 * time.Second

func (p *program) explain() *cobra.Command {
	var n int
	c := &cobra.Command{
		Use: "explain ORDER", Short: "Show why these suppliers ship an order",
		Long: `explain shows each routing decision of an order: who ships what at which cost, each candidate, and the
rule that removed it. Then it decides anew from the inputs that were frozen with the decision. The
result must be the same to the byte; if it is not, the difference is shown and the exit code is 1.`,
		Example: `  starter explain shop/1001
  starter explain shop/1001 --decision 2`,
		Args: exactly("ORDER"),
		RunE: func(c *cobra.Command, args []string) error {
			key, err := parseOrder(c, args[0])
			if err != nil {
				return err
			}
			pool, err := p.database(c.Context())
			if err != nil {
				return err
			}
			defer pool.Close()
			if _, err := orderview.Stand(c.Context(), pool, key); err != nil {
				return err
			}
			decisions, err := readDecisions(c.Context(), pool, key.String(), n)
			if err != nil {
				return err
			}
			return p.tellDecisions(decisions)
		},
	}
	c.Flags().IntVar(&n, "decision", 0, "only the decision of this number, from 1")
	return c
}

// decision is a routing decision as it was stored, and what deciding anew gives.
type decision struct {
	N         int             `json:"n"`
	DecidedAt time.Time       `json:"decided_at"`
	Request   json.RawMessage `json:"request"`
	Decision  json.RawMessage `json:"decision"`
	Same      bool            `json:"same"`
	Diff      string          `json:"diff,omitempty"`
	// Incomparable: it was made under other rules, so there is nothing to compare with.
	Incomparable string `json:"incomparable,omitempty"`
}

func readDecisions(ctx context.Context, pool *pgxpool.Pool, key string, n int) ([]decision, error) {
	rows, err := pool.Query(ctx, `SELECT n, decided_at, request, decision FROM routing_decisions
		WHERE order_key = $1 AND ($2 = 0 OR n = $2) ORDER BY n`, key, n)
	if err != nil {
		return nil, fmt.Errorf("read the decisions of order %s: %w", key, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (decision, error) {
		var d decision
		var request, decided string
		err := row.Scan(&d.N, &d.DecidedAt, &request, &decided)
		d.Request, d.Decision = json.RawMessage(request), json.RawMessage(decided)
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the decisions of order %s: %w", key, err)
	}
	if len(list) == 0 {
		return nil, &service.Hinted{Err: fmt.Errorf("order %s has no such routing decision", key), Todo: "starter show " + key + " tells where it stands."}
	}
	for i := range list {
		if err := list[i].recompute(); err != nil {
			return nil, fmt.Errorf("decision %d of order %s: %w", list[i].N, key, err)
		}
	}
	return list, nil
}

func (d *decision) recompute() error {
	var err error
	d.Same, d.Diff, err = routing.Recompute(d.Request, d.Decision)
	if errors.Is(err, routing.ErrVersion) {
		d.Incomparable, err = err.Error(), nil
	}
	return err
}

func (p *program) tellDecisions(decisions []decision) error {
	differs := false
	for i := range decisions {
		d := &decisions[i]
		differs = differs || !d.Same && d.Incomparable == ""
		if p.json {
			continue
		}
		var stored routing.Decision
		if err := json.Unmarshal(d.Decision, &stored); err != nil {
			return fmt.Errorf("read decision %d: %w", d.N, err)
		}
		p.say("%s", p.paint(bold, fmt.Sprintf("Decision %d of %s", d.N, moment(d.DecidedAt))))
		p.say("%s", plain(routing.Explain(stored)))
		switch {
		case d.Incomparable != "":
			p.say("%s", p.paint(yellow, "not recomputed: "+d.Incomparable))
		case d.Same:
			p.say("%s", p.paint(green, "recomputed: the same byte for byte"))
		default:
			p.say("%s\n%s", p.paint(red, "recomputed: it differs (- stored, + recomputed)"), plain(d.Diff))
		}
	}
	if p.json {
		if err := p.writeJSON(decisions); err != nil {
			return err
		}
	}
	if differs {
		return errTold
	}
	return nil
}
