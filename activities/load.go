package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/workflows"
)

// LoadOrder reads the recorded state of an order that was settled, with the facts that its workflow
// took after the snapshot folded in by the same rules.
func (o *Orders) LoadOrder(ctx context.Context, key order.Key) (order.State, error) {
	var recorded []byte
	var delivered int64
	err := o.Pool.QueryRow(ctx, `SELECT state, delivered_seq FROM orders WHERE key = $1`, key.String()).Scan(&recorded, &delivered)
	if err != nil {
		return order.State{}, fmt.Errorf("load order %s: %w", key, missing(err, "order", key.String()))
	}
	var state order.State
	if recorded == nil {
		err = errors.New("its workflow never recorded it")
	} else if err = json.Unmarshal(recorded, &state); err != nil {
		err = fmt.Errorf("what its workflow recorded cannot be read: %w", err)
	}
	if err != nil {
		return order.State{}, fmt.Errorf("load order %s: %w", key, errors.Join(err, o.askAbout(ctx, key)))
	}
	later, err := facts.After(ctx, o.Pool, key.String(), state.LastFact)
	if err != nil {
		return order.State{}, err
	}
	state.Recover()
	for _, fact := range later {
		if fact.Seq <= delivered {
			state.Apply(fact, o.Now())
		}
	}
	return state, nil
}

// askAbout puts an order before a person whose workflow cannot, because it does not know the order.
func (o *Orders) askAbout(ctx context.Context, key order.Key) error {
	if _, err := o.Pool.Exec(ctx, `UPDATE orders SET needs_attention = true WHERE key = $1 AND NOT needs_attention`, key.String()); err != nil {
		return fmt.Errorf("mark it as waiting for a person: %w", err)
	}
	return nil
}

// One statement, so that the address and the note that it was taken stand or fall together. One that
// was taken before is not taken again: another may have been since.
const changeAddressSQL = `
	WITH locked AS (
		SELECT key FROM orders WHERE key = $2 FOR NO KEY UPDATE
	), taken AS (
		UPDATE address_changes a SET applied_at = now() FROM locked
		WHERE a.id = $1 AND a.order_key = locked.key AND a.applied_at IS NULL RETURNING a.order_key, a.ship_to
	), contact AS (
		UPDATE order_contacts c SET ship_to = taken.ship_to FROM taken WHERE c.order_key = taken.order_key
	), redirected AS (
		UPDATE orders o SET country = taken.ship_to->>'country' FROM taken WHERE o.key = taken.order_key
	)
	SELECT ship_to->>'country' FROM address_changes WHERE id = $1 AND order_key = $2`

// ReadFacts reads the facts of an order after one it has: those whose delivery it could not read.
func (o *Orders) ReadFacts(ctx context.Context, in workflows.FactsInput) ([]order.Fact, error) {
	return facts.After(ctx, o.Pool, in.Key.String(), in.After)
}

// ChangeAddress puts an address that waits in place of the order's and returns its country.
func (o *Orders) ChangeAddress(ctx context.Context, in workflows.AddressInput) (string, error) {
	var country string
	err := o.Pool.QueryRow(ctx, changeAddressSQL, in.Change, in.Key.String()).Scan(&country)
	if err != nil {
		return "", fmt.Errorf("change the address of order %s: %w", in.Key, missing(err, "address change", in.Change))
	}
	return country, nil
}
