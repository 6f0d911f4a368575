package returndesk

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
)

// Sight is an order as a customer sees it who means to send something back.
type Sight struct {
	// Shop and Number are the storefront's name and the order's number, as the customer knows them.
	Shop, Number string
	Lines        []SightLine
	// Outcomes are what the storefront gives for goods that come back; a fault is refunded whatever they say.
	Outcomes []returns.Resolution
	// ReturnShipping, in minor units of Currency, is kept of a refund when nothing was wrong with any of the goods, beside
	// what each line's rules say; CreditBonusBP, in basis points, is added to a store credit.
	ReturnShipping, CreditBonusBP int64
	Currency                      string
	// Exchanged: the order is an exchange itself, and is not exchanged again.
	Exchanged bool
}

// SightLine is a line of the order with what may be asked for.
type SightLine struct {
	returns.Choice
	SKU, Title string
	Quantity   int64
}

// Look reads what may be asked for about an order at this moment. It locks nothing: a request is judged anew.
// Fails with orderview.ErrNoOrder.
func (d *Desk) Look(ctx context.Context, key order.Key) (Sight, error) {
	var c *counter
	err := readOnly(ctx, d.Pool, func(tx pgx.Tx) (err error) {
		c, err = enter(ctx, tx, key, `SELECT o.document, s.document FROM orders o JOIN storefronts s ON s.id = o.storefront WHERE o.key = $1`)
		return err
	})
	if err != nil {
		return Sight{}, fmt.Errorf("look at order %s: %w", key, err)
	}
	policy := c.policy()
	s := Sight{
		Shop: c.shop.Name, Number: c.document.Number, Outcomes: policy.Outcomes, CreditBonusBP: policy.CreditBonusBP,
		Currency: c.document.Currency, Exchanged: c.document.Exchange != nil,
	}
	if policy.CustomerPaysShipping {
		s.ReturnShipping = policy.ReturnShipping
	}
	if len(s.Outcomes) == 0 {
		s.Outcomes = []returns.Resolution{returns.Refund}
	}
	lines := make([]int, 0, len(c.document.Lines))
	for i := range c.document.Lines {
		lines = append(lines, c.document.Lines[i].Line)
	}
	for i, choice := range returns.Choices(policy, c.delivered(), lines, d.Now()) {
		l := &c.document.Lines[i]
		s.Lines = append(s.Lines, SightLine{Choice: choice, SKU: l.SKU, Title: l.Title, Quantity: l.Quantity})
	}
	return s, nil
}

// readOnly reads at one moment.
func readOnly(ctx context.Context, pool *pgxpool.Pool, read func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, read)
}
