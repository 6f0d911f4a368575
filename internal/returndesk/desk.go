// Package returndesk is where returns are asked for and kept: it judges a request against what was
// delivered, in one transaction, and keeps each RMA's facts and snapshots. It answers without Temporal;
// the deliverer starts the workflows.
package returndesk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/storefront"
)

// Errors of the desk.
var (
	// ErrNoReturn: there is no RMA of that number.
	ErrNoReturn = errors.New("no such return")
	// ErrOtherRequest: the id was used before for something else.
	ErrOtherRequest = errors.New("a request of that id asked for something else")
)

// ByCustomer is who asks on a return page, with nobody in between.
const ByCustomer = "customer"

// Desk takes requests.
type Desk struct {
	Pool *pgxpool.Pool
	Now  func() time.Time
	// Wake is called after a return was granted, so that it starts at once; nil: it is found by itself.
	Wake func()
}

// Answer is what a request came to: either the returns that were granted, or why none was.
type Answer struct {
	Returns []Granted `json:"returns,omitempty"`
	Refused *Refused  `json:"refused,omitempty"`
	// Repeated: the request was answered before, and this is the same answer.
	Repeated bool `json:"-"`
}

// Granted is one RMA.
type Granted struct {
	RMA    string              `json:"rma"`
	Lines  []order.ShippedLine `json:"lines"`
	Keep   bool                `json:"keep,omitempty"` // the goods need not come back
	SendBy time.Time           `json:"send_by"`
}

// Refused says why.
type Refused struct {
	Code  returns.RefusalCode `json:"code"`
	Line  int                 `json:"line,omitempty"`
	Until *time.Time          `json:"until,omitempty"`
	// Missing is what the payment for an exchange lacks, in minor units of the order's Currency.
	Missing  int64  `json:"missing,omitempty"`
	Currency string `json:"currency,omitempty"`
	Text     string `json:"text"`
}

// Request judges a request and stores the answer with what follows from it. The order stays locked
// meanwhile, so that two requests never take the same units. A repeat gets the answer of the first;
// ErrOtherRequest when it asks for something else under the same id, orderview.ErrNoOrder when there is
// no such order.
func (d *Desk) Request(ctx context.Context, key order.Key, r returns.Request) (Answer, error) {
	return d.RequestWith(ctx, key, r, Enclosed{})
}

// RequestWith is Request with what the customer enclosed: a repeat encloses the same. It is kept only when the
// request is granted. A customer's fails with ErrTooMuch, and leaves nothing, when the order has had too many.
func (d *Desk) RequestWith(ctx context.Context, key order.Key, r returns.Request, with Enclosed) (Answer, error) {
	var answer Answer
	body, err := json.Marshal(r)
	if err != nil {
		return answer, fmt.Errorf("ask for a return of order %s: %w", key, err)
	}
	hash := sha256.Sum256(with.after(body))
	err = postgres.InTx(ctx, d.Pool, func(tx pgx.Tx) error {
		c, err := open(ctx, tx, key)
		if err != nil {
			return err
		}
		if found, err := c.before(ctx, tx, r.ID, hash[:], &answer); found || err != nil {
			return err
		}
		if r.By == ByCustomer {
			if err := with.within(ctx, tx, key); err != nil {
				return err
			}
		}
		if err := c.judge(ctx, tx, r, hash[:], d.Now().UTC().Truncate(time.Millisecond), &answer); err != nil || answer.Refused != nil {
			return err
		}
		return with.store(ctx, tx, key, r.ID)
	})
	if err != nil {
		return Answer{}, fmt.Errorf("ask for a return of order %s: %w", key, err)
	}
	if len(answer.Returns) > 0 && d.Wake != nil {
		d.Wake()
	}
	return answer, nil
}

// counter is an order at the desk: locked, with all that a request is judged by.
type counter struct {
	key        order.Key
	standing   orderview.Standing
	document   storefront.Order
	shop       catalog.Storefront
	suppliers  map[string]catalog.Supplier
	transit    map[string]*catalog.Carrier // by supplier: the carrier that answers for what it damages on the way; nil: the supplier does
	categories map[int]string              // by line; empty: of none
	arrived    map[unit]time.Time          // when the newest units were delivered
	taken      map[unit]int64
	trusted    map[int]trusted // by line
	returns    map[string]int  // RMAs by purchase order
	refunded   map[int]int64   // units of a line that were refunded, whatever for
	sold       map[string]bool
}

// unit names the units of a purchase order line.
type unit struct {
	po   string
	line int
}

func open(ctx context.Context, tx pgx.Tx, key order.Key) (*counter, error) {
	return enter(ctx, tx, key, `SELECT o.document, s.document FROM orders o JOIN storefronts s ON s.id = o.storefront
		WHERE o.key = $1 FOR NO KEY UPDATE OF o`)
}

func enter(ctx context.Context, tx pgx.Tx, key order.Key, statement string) (*counter, error) {
	c := &counter{
		key: key, suppliers: map[string]catalog.Supplier{}, transit: map[string]*catalog.Carrier{}, categories: map[int]string{},
		arrived: map[unit]time.Time{}, taken: map[unit]int64{}, trusted: map[int]trusted{}, returns: map[string]int{},
		refunded: map[int]int64{}, sold: map[string]bool{},
	}
	err := tx.QueryRow(ctx, statement, key.String()).Scan(&c.document, &c.shop)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, orderview.ErrNoOrder
	}
	if err != nil {
		return nil, err
	}
	if c.standing, err = orderview.Stand(ctx, tx, key); err != nil {
		return nil, err
	}
	b := &pgx.Batch{}
	c.queueTerms(b)
	c.queueCategories(b)
	c.queueArrivals(b)
	c.queueReturns(b)
	return c, tx.SendBatch(ctx, b).Close()
}

// before finds the answer to an earlier request of the same id.
func (c *counter) before(ctx context.Context, tx pgx.Tx, id string, hash []byte, answer *Answer) (found bool, err error) {
	var known []byte
	err = tx.QueryRow(ctx, `SELECT body_hash, answer FROM return_requests WHERE order_key = $1 AND id = $2`, c.key.String(), id).Scan(&known, answer)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	case !bytes.Equal(known, hash):
		return true, ErrOtherRequest
	}
	answer.Repeated = true
	return true, nil
}

func (c *counter) judge(ctx context.Context, tx pgx.Tx, r returns.Request, hash []byte, now time.Time, answer *Answer) error {
	prices, err := c.prices()
	if err != nil {
		return err
	}
	policy := c.policy()
	if policy.Before, err = c.trust(prices); err != nil {
		return err
	}
	grants, refusal := returns.Judge(r, policy, c.delivered(), prices, now)
	if refusal == nil && r.Resolution == returns.Exchange {
		if refusal, err = c.priceExchange(ctx, tx, r, grants); err != nil {
			return err
		}
	}
	if refusal != nil {
		grants = nil
	}
	var states []returns.State
	if refusal != nil {
		answer.Refused = &Refused{Code: refusal.Code, Line: refusal.Line, Text: refusal.Text}
		if refusal.Missing > 0 {
			answer.Refused.Missing, answer.Refused.Currency = refusal.Missing, c.document.Currency
		}
		if !refusal.Until.IsZero() {
			answer.Refused.Until = &refusal.Until
		}
	}
	for _, g := range grants {
		c.returns[g.PO]++
		value, err := g.Value(prices)
		if err != nil {
			return fmt.Errorf("value what comes back of %s: %w", g.PO, err)
		}
		s := returns.New(c.key, returns.Number(g.PO, c.returns[g.PO]), c.document.Currency, g, policy, r, value, now)
		states = append(states, s)
		granted := Granted{RMA: s.RMA, Keep: s.Keep, SendBy: s.SendBy}
		for i := range s.Lines {
			granted.Lines = append(granted.Lines, order.ShippedLine{Line: s.Lines[i].Line, Quantity: s.Lines[i].Quantity})
		}
		answer.Returns = append(answer.Returns, granted)
	}
	if err := c.store(ctx, tx, r, hash, answer, states); err != nil {
		return err
	}
	return c.takeSupplements(ctx, tx, states)
}

func (c *counter) store(ctx context.Context, tx pgx.Tx, r returns.Request, hash []byte, answer *Answer, states []returns.State) error {
	b := &pgx.Batch{}
	photos := append([]string{}, r.PhotoURLs...)
	b.Queue(`INSERT INTO return_requests (order_key, id, body_hash, answer, photos) VALUES ($1, $2, $3, $4, $5)`, c.key.String(), r.ID, hash, answer, photos)
	for i := range states {
		s := &states[i]
		b.Queue(`INSERT INTO returns (rma, order_key, request, po_number, supplier, stage, state) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			s.RMA, c.key.String(), r.ID, s.PO, s.Terms.Supplier, string(s.Stage()), s)
		for j := range s.Lines {
			b.Queue(`INSERT INTO return_lines (rma, po_number, line, quantity) VALUES ($1, $2, $3, $4)`,
				s.RMA, s.PO, s.Lines[j].Line, s.Lines[j].Quantity)
		}
	}
	return tx.SendBatch(ctx, b).Close()
}
