package main

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/outbox"
)

func (p *program) inbox() *cobra.Command {
	c := group("inbox", "Look after documents that could not be read or matched",
		`Inbound documents that cannot be read or matched wait in quarantine, with the reason and what to do. A
retry gives them back to be read; dismissing ends them without an effect. Nothing is deleted.`,
		`  starter inbox list
  starter inbox show 4711
  starter inbox retry 4711 4712`)
	c.AddCommand(p.inboxList(), p.inboxShow(),
		p.inboxChange("retry", "Give documents back to be read again", "will be read again", (*intake.Quarantine).Retry),
		p.inboxChange("dismiss", "End documents that need no effect", "is dismissed", (*intake.Quarantine).Dismiss))
	return c
}

// withDatabase runs fn with the database.
func (p *program) withDatabase(ctx context.Context, fn func(*pgxpool.Pool) error) error {
	pool, err := p.database(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	return fn(pool)
}

func (p *program) inboxList() *cobra.Command {
	var filter intake.Filter
	c := &cobra.Command{
		Use: "list", Short: "List quarantined documents, the newest first", Args: exactly(),
		Example: `  starter inbox list --source supplier/acme`,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				list, err := (&intake.Quarantine{Pool: pool}).List(c.Context(), filter)
				if err != nil {
					return err
				}
				if p.json {
					return p.writeJSON(append([]intake.Entry{}, list...))
				}
				if len(list) == 0 {
					p.say("Nothing is in quarantine.")
					return nil
				}
				var rows [][]string
				for i := range list {
					e := &list[i]
					rows = append(rows, []string{strconv.FormatInt(e.ID, 10), moment(e.ReceivedAt), e.Source, e.Kind, e.OrderKey, words(e.Code)})
				}
				p.table([]string{"NUMBER", "RECEIVED (UTC)", "SOURCE", "KIND", "ORDER", "REASON"}, rows)
				return nil
			})
		},
	}
	f := c.Flags()
	f.StringVar(&filter.Source, "source", "", "only of this source, such as supplier/acme")
	f.StringVar(&filter.Code, "reason", "", "only with this reason code")
	f.Int64Var(&filter.Before, "before", 0, "only numbers below this one, to go on after an earlier list")
	f.IntVar(&filter.Limit, "limit", 50, "how many at most")
	return c
}

func (p *program) inboxShow() *cobra.Command {
	var body bool
	c := &cobra.Command{
		Use: "show NUMBER", Short: "Show a quarantined document: what is wrong, and what to do",
		Long:    "show tells what is wrong with a document and what to do. --body adds its content, which may hold personal data.",
		Example: `  starter inbox show 4711 --body`,
		Args:    exactly("NUMBER"),
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := numbers(c, args)
			if err != nil {
				return err
			}
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				w, err := (&intake.Quarantine{Pool: pool}).Show(c.Context(), ids[0])
				if err != nil {
					return err
				}
				if p.json {
					if !body {
						w.Body = nil
					}
					return p.writeJSON(w)
				}
				p.say("%s", p.paint(bold, "Document "+args[0]+": "+words(w.Code)))
				p.say("%s", plain(w.Reason))
				p.table([]string{"SOURCE", "KIND", "KEY", "ORDER", "RECEIVED (UTC)", "ATTEMPTS", "TYPE"},
					[][]string{{w.Source, w.Kind, w.NaturalKey, w.OrderKey, moment(w.ReceivedAt), strconv.Itoa(w.Attempts), w.ContentType}})
				if body {
					p.say("\n%s", plain(string(w.Body)))
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&body, "body", false, "show the document itself")
	return c
}

func (p *program) inboxChange(verb, short, done string, change func(*intake.Quarantine, context.Context, ...int64) error) *cobra.Command {
	return &cobra.Command{
		Use: verb + " NUMBER...", Short: short, Args: exactly("NUMBER..."),
		Long:    short + ". All of them, or, if one is not in quarantine, none.",
		Example: "  starter inbox " + verb + " 4711",
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := numbers(c, args)
			if err != nil {
				return err
			}
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				if err := change(&intake.Quarantine{Pool: pool}, c.Context(), ids...); err != nil {
					return err
				}
				return p.tellDone(ids, done)
			})
		},
	}
}

func (p *program) tellDone(ids []int64, done string) error {
	if p.json {
		return p.writeJSON(map[string][]int64{"numbers": ids})
	}
	for _, id := range ids {
		p.say("%d %s.", id, done)
	}
	return nil
}

func numbers(c *cobra.Command, args []string) ([]int64, error) {
	var ids []int64
	for _, arg := range args {
		id, err := strconv.ParseInt(arg, 10, 64)
		if err != nil || id < 1 {
			return nil, usagef(c, "%q is no number of an entry", arg)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (p *program) outbox() *cobra.Command {
	c := group("outbox", "Look after messages that could not be delivered",
		"Messages to customers, storefronts and suppliers are tried for some eleven hours and then given up.",
		`  starter outbox list
  starter outbox retry 12`)
	var limit int
	list := &cobra.Command{
		Use: "list", Short: "List messages that were given up, the newest first", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				failed, err := outbox.Failed(c.Context(), pool, limit)
				if err != nil {
					return err
				}
				if p.json {
					return p.writeJSON(append([]outbox.Failure{}, failed...))
				}
				if len(failed) == 0 {
					p.say("No message was given up.")
					return nil
				}
				var rows [][]string
				for i := range failed {
					f := &failed[i]
					rows = append(rows, []string{strconv.FormatInt(f.ID, 10), moment(f.CreatedAt), f.OrderKey, words(string(f.Channel)), words(f.Kind), f.Reason})
				}
				p.table([]string{"NUMBER", "WRITTEN (UTC)", "ORDER", "TO", "ABOUT", "WHY"}, rows)
				return nil
			})
		},
	}
	list.Flags().IntVar(&limit, "limit", 50, "how many at most")
	c.AddCommand(list, &cobra.Command{
		Use: "retry NUMBER...", Short: "Send messages again", Args: exactly("NUMBER..."), Example: "  starter outbox retry 12",
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := numbers(c, args)
			if err != nil {
				return err
			}
			return p.withDatabase(c.Context(), func(pool *pgxpool.Pool) error {
				if err := outbox.Retry(c.Context(), pool, ids...); err != nil {
					return err
				}
				return p.tellDone(ids, "is sent again")
			})
		},
	})
	return c
}
