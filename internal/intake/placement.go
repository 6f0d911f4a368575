package intake

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/paymentdesk"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/supplier"
)

// Placed is what became of an order that came in.
type Placed string

// An order is new, the same as one before, or another one under the same id.
const (
	Created     Placed = "created"
	Repeated    Placed = "repeated"
	Conflicting Placed = "conflicting"
)

// ErrNoStorefront: the order's storefront is not in the catalogue.
var ErrNoStorefront = errors.New("no such storefront")

// Orders places orders.
type Orders struct{ pepper []byte }

// NewOrders needs a secret of at least 16 bytes, under which customers are hashed: equal customers
// can be counted, and nobody can be found by trying addresses. It must not change, or velocity is
// counted anew.
func NewOrders(pepper []byte) (*Orders, error) {
	if len(pepper) < 16 {
		return nil, errors.New("the customer hash needs a secret of at least 16 bytes")
	}
	return &Orders{pepper: pepper}, nil
}

// PlaceOrder records an order that has no storefront.Problems, with its people apart, its payment
// in the ledger and the customer's confirmation in the outbox, and asks for its workflow to be
// started. bodyHash tells a repeat from another order of the same id; documentID is the document it
// came with, 0 for none. It fails with ErrNoStorefront, and with *order.Refusal when its payment has paid for something
// else; Conflicting and Repeated change nothing.
func (p *Orders) PlaceOrder(ctx context.Context, tx pgx.Tx, o storefront.Order, bodyHash []byte, documentID int64) (Placed, error) {
	placed, err := p.place(ctx, tx, o, bodyHash, documentID)
	if err != nil {
		return "", fmt.Errorf("place order %s: %w", o.Key, err)
	}
	return placed, nil
}

func (p *Orders) place(ctx context.Context, tx pgx.Tx, o storefront.Order, bodyHash []byte, documentID int64) (Placed, error) {
	if err := o.Key.Validate(); err != nil {
		return "", err
	}
	placed, err := p.insertOrder(ctx, tx, o, bodyHash)
	if err != nil || placed != Created {
		return placed, err
	}
	held, err := insertParts(ctx, tx, o, documentID)
	if err != nil {
		return "", err
	}
	if held > 0 {
		if err := postAuthorised(ctx, tx, o, held); err != nil {
			return "", err
		}
	}
	if o.Payment.Captured > 0 {
		capture, err := ledger.Captured(o.Key.Order, money.Money{Minor: o.Payment.Captured, Currency: o.Currency})
		if err != nil {
			return "", err
		}
		if err := ledgerbook.Post(ctx, tx, o.Key.String(), capture); err != nil {
			return "", err
		}
	}
	return Created, outbox.Add(ctx, tx, outbox.Message{
		Key: "placed/" + o.Key.String(), OrderKey: o.Key.String(), Channel: outbox.CustomerMail, Kind: string(notify.Placed),
	})
}

func (p *Orders) insertOrder(ctx context.Context, tx pgx.Tx, o storefront.Order, bodyHash []byte) (Placed, error) {
	document, err := json.Marshal(withoutPeople(o))
	if err != nil {
		return "", err
	}
	tag, err := tx.Exec(ctx, `
		INSERT INTO orders (key, storefront, order_id, placed_at, document, body_hash, currency, country,
			customer_hash, total_minor, captured_minor, deliver_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now())
		ON CONFLICT DO NOTHING`,
		o.Key.String(), o.Key.Storefront, o.Key.Order, o.PlacedAt, document, bodyHash, o.Currency, o.ShipTo.Country,
		p.customerHash(o), o.Total, o.Payment.Captured)
	if postgres.Violates(err) == "orders_storefront_fkey" {
		return "", ErrNoStorefront
	}
	if err != nil {
		return "", err
	}
	if tag.RowsAffected() == 1 {
		return Created, nil
	}
	var same bool
	err = tx.QueryRow(ctx, `SELECT body_hash = $2 FROM orders WHERE key = $1`, o.Key.String(), bodyHash).Scan(&same)
	if err != nil {
		return "", err
	}
	if same {
		return Repeated, nil
	}
	return Conflicting, nil
}

// postAuthorised books a sale whose money the customer's bank holds for us.
func postAuthorised(ctx context.Context, tx pgx.Tx, o storefront.Order, held int64) error {
	return ledgerbook.Change(ctx, tx, o.Key.String(), func(book *ledgerbook.Book) error {
		posting, err := ledger.Authorised(o.Key.Order, money.Money{Minor: held, Currency: o.Currency})
		if err == nil {
			err = book.Post(posting)
		}
		if err == nil {
			err = book.NamePayment(o.Currency)
		}
		return err
	})
}

// insertParts also wakes the documents that waited for the order. It returns what the customer's bank
// holds and we have to capture.
func insertParts(ctx context.Context, tx pgx.Tx, o storefront.Order, documentID int64) (held int64, err error) {
	shipTo, err := json.Marshal(o.ShipTo)
	if err != nil {
		return 0, err
	}
	var numbers []int32
	var skus []string
	var quantities []int64
	for _, l := range o.Lines {
		numbers, skus, quantities = append(numbers, int32(l.Line)), append(skus, l.SKU), append(quantities, l.Quantity)
	}
	key := o.Key.String()
	batch, spent := &pgx.Batch{}, false
	if o.Payment.Reference != "" && o.Payment.Captured > 0 {
		paymentdesk.QueueSpent(batch, paymentdesk.Use{Storefront: o.Key.Storefront, Reference: o.Payment.Reference, Order: key, Placing: true}, &spent)
	}
	batch.Queue(`INSERT INTO order_contacts (order_key, ship_to, email, locale) VALUES ($1, $2, $3, $4)`, key, shipTo, o.Email, o.Locale)
	batch.Queue(`
		INSERT INTO order_lines (order_key, line, sku, quantity)
		SELECT $1, l.* FROM unnest($2::int[], $3::text[], $4::bigint[]) AS l`, key, numbers, skus, quantities)
	batch.Queue(`UPDATE documents SET next_attempt_at = now() WHERE order_key = $1 AND status = 'received'`, key)
	batch.Queue(`UPDATE documents SET order_key = $2 WHERE id = $1`, documentID, key)
	if err := paymentdesk.Open(batch, o, func(authorised int64) { held = authorised }); err != nil {
		return 0, err
	}
	err = tx.SendBatch(ctx, batch).Close()
	if err == nil && spent {
		err = errSpent
	}
	return held, err
}

// withoutPeople is the order as it may be read by everyone who works on it.
func withoutPeople(o storefront.Order) storefront.Order {
	o.ShipTo, o.Email, o.Locale, o.CustomerRef = supplier.Address{}, "", "", ""
	return o
}

// customerHash tells customers apart within one storefront. One who left neither an id nor an
// address is nobody else's equal.
func (p *Orders) customerHash(o storefront.Order) []byte {
	who := "order\x00" + o.Key.Order
	if ref := strings.TrimSpace(o.CustomerRef); ref != "" {
		who = "ref\x00" + ref
	} else if email := strings.ToLower(strings.TrimSpace(o.Email)); email != "" {
		who = "email\x00" + email
	}
	mac := hmac.New(sha256.New, p.pepper)
	mac.Write([]byte(o.Key.Storefront + "\x00" + who))
	return mac.Sum(nil)
}
