package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/postgres"
)

const (
	// giveBackBatch is how many labels one poll gives back.
	giveBackBatch = 50
	// giveBackAgain is when a carrier is asked again that has not decided, or did not answer.
	giveBackAgain = time.Hour
)

// unusedLabel is a label of a return that is over, which no carrier ever scanned.
type unusedLabel struct {
	rma, order, carrier, tracking, id string
	cost                              money.Money
}

// claimUnusedSQL takes the labels whose time has come, and leaves them alone for an hour.
const claimUnusedSQL = `
	UPDATE return_parcels p SET give_back_due = now() + $3::interval
	FROM returns r JOIN effects e ON e.key = 'return_label/' || r.rma
	WHERE r.rma = p.rma AND (p.carrier, p.tracking) IN (
		SELECT x.carrier, x.tracking FROM return_parcels x JOIN returns y USING (rma)
		WHERE x.bought_of = $1 AND x.give_back IN ('', 'asked') AND x.milestone = 'labelled' AND x.first_scan_at IS NULL
			AND y.closed_at IS NOT NULL AND (y.stage IN ('cancelled', 'expired') OR y.state ->> 'keep' = 'true')
			AND coalesce(x.give_back_due, now()) <= now()
		ORDER BY x.give_back_due NULLS FIRST LIMIT $2 FOR UPDATE OF x SKIP LOCKED)
	RETURNING p.rma, r.order_key, p.carrier, p.tracking, coalesce(e.result ->> 'id', ''), p.cost_minor, p.cost_currency`

// giveBackLabels gives the labels back that nobody will use, to the carrier that sold them. What the carrier does
// not answer is asked again with a later poll; a failure of one label is noted with it.
func (c *Carriers) giveBackLabels(ctx context.Context, service string, seller carrier.Labeller) error {
	rows, err := c.Pool.Query(ctx, claimUnusedSQL, service, giveBackBatch, giveBackAgain)
	if err != nil {
		return err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l unusedLabel, err error) {
		err = row.Scan(&l.rma, &l.order, &l.carrier, &l.tracking, &l.id, &l.cost.Minor, &l.cost.Currency)
		return l, err
	})
	if err != nil {
		return err
	}
	for _, l := range list {
		if err := c.giveBackLabel(ctx, service, seller, l); err != nil {
			return fmt.Errorf("give back the label of return %s: %w", l.rma, err)
		}
	}
	return nil
}

func (c *Carriers) giveBackLabel(ctx context.Context, service string, seller carrier.Labeller, l unusedLabel) error {
	answer, failure := seller.GiveBackLabel(ctx, l.id)
	note := ""
	switch {
	case errors.Is(failure, carrier.ErrLabelRefused), errors.Is(failure, carrier.ErrLabelNotFound):
		answer, note = carrier.GiveBackRefused, failure.Error()
	case failure != nil:
		return c.noteGiveBack(ctx, l, "", failure.Error())
	}
	if answer != carrier.GiveBackAccepted {
		return c.noteGiveBack(ctx, l, answer, note)
	}
	return postgres.InTx(ctx, c.Pool, func(tx pgx.Tx) error {
		return ledgerbook.Change(ctx, tx, l.order, func(b *ledgerbook.Book) error {
			posting, err := ledger.ReturnLabelGivenBack(l.rma, service, l.cost)
			switch {
			case errors.Is(err, ledger.ErrNothingToPost): // it is charged when it is used, or not at all
			case err != nil:
				return err
			default:
				if err := b.Post(posting); err != nil {
					return err
				}
			}
			_, err = tx.Exec(ctx, noteGiveBackSQL, l.carrier, l.tracking, string(answer), "")
			return err
		})
	})
}

// noteGiveBackSQL keeps an answer; an empty one leaves what is known.
const noteGiveBackSQL = `UPDATE return_parcels SET give_back = coalesce(nullif($3, ''), give_back), give_back_note = $4
	WHERE carrier = $1 AND tracking = $2 AND give_back IN ('', 'asked')`

func (c *Carriers) noteGiveBack(ctx context.Context, l unusedLabel, answer carrier.GiveBack, note string) error {
	_, err := c.Pool.Exec(ctx, noteGiveBackSQL, l.carrier, l.tracking, string(answer), strings.ToValidUTF8(note, ""))
	return err
}
