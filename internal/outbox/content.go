package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/storefront"
)

// addressee is what a message is put together from, besides its payload.
type addressee struct {
	key       order.Key
	order     storefront.Order
	shop      string
	email     string
	customer  string
	createdAt time.Time
}

func (c *Courier) addressee(ctx context.Context, p parcel) (addressee, error) {
	var a addressee
	var document, shop, shipTo []byte
	err := c.Pool.QueryRow(ctx, `
		SELECT o.storefront, o.order_id, o.document, s.document, coalesce(c.email, ''), c.ship_to, m.created_at
		FROM outbox m JOIN orders o ON o.key = m.order_key
		JOIN storefronts s ON s.id = o.storefront
		LEFT JOIN order_contacts c ON c.order_key = o.key
		WHERE m.id = $1`, p.id).
		Scan(&a.key.Storefront, &a.key.Order, &document, &shop, &a.email, &shipTo, &a.createdAt)
	if err != nil {
		return a, err
	}
	var front catalog.Storefront
	var to struct{ Name string }
	for _, part := range []struct {
		body []byte
		into any
	}{{document, &a.order}, {shop, &front}, {shipTo, &to}} {
		if part.body == nil {
			continue
		}
		if err := json.Unmarshal(part.body, part.into); err != nil {
			return a, errUnreadable
		}
	}
	a.shop, a.customer = front.Name, to.Name
	return a, nil
}

// errUnreadable stands in for a decoding error, which may repeat what it could not decode.
var errUnreadable = errors.New("the stored order cannot be read")

func lookUpVerdict(err error) verdict {
	if errors.Is(err, errUnreadable) || errors.Is(err, pgx.ErrNoRows) {
		return verdict{state: "failed", reason: errUnreadable.Error()}
	}
	return again("the database did not answer", 0)
}

func (c *Courier) mailCustomer(ctx context.Context, p parcel) verdict {
	milestone := notify.Milestone(p.message.Kind)
	switch {
	case c.Mail == nil:
		return verdict{state: "skipped", reason: "no mail server is configured"}
	case !slices.Contains(notify.Milestones, milestone):
		return verdict{state: "skipped", reason: "no message is written for this milestone"}
	}
	a, err := c.addressee(ctx, p)
	if err != nil {
		return lookUpVerdict(err)
	}
	if a.email == "" {
		return verdict{state: "skipped", reason: "the order has no e-mail address"}
	}
	n := notify.Notification{
		Order: a.key, Milestone: milestone, Subject: p.message.Key,
		To: a.email, Customer: a.customer, Shop: a.shop, Number: a.order.Number,
		Items:   a.items(p.payload.Lines),
		Carrier: p.payload.Carrier, Tracking: p.payload.Tracking,
		ExpectedOn: p.payload.ExpectedOn, At: a.createdAt, RMA: p.payload.RMA,
		ReturnPage: c.Pages.For(a.key, a.createdAt),
	}
	if milestone == notify.ReturnAuthorised {
		if err := c.label(ctx, &n); err != nil {
			return lookUpVerdict(err)
		}
	}
	if p.payload.Amount > 0 && (milestone == notify.Refunded || milestone == notify.StoreCredited) {
		amount, err := money.Format(p.payload.Amount, p.payload.Currency)
		if err != nil {
			return verdict{state: "failed", reason: "the amount cannot be written"}
		}
		n.Amount = amount + " " + p.payload.Currency
	}
	return mailVerdict(c.Mail.Send(ctx, n))
}

// label adds what the goods are sent with, if the supplier made a label.
func (c *Courier) label(ctx context.Context, n *notify.Notification) error {
	err := c.Pool.QueryRow(ctx, `SELECT carrier, tracking, label_url FROM return_parcels WHERE rma = $1 ORDER BY tracking LIMIT 1`, n.RMA).
		Scan(&n.Carrier, &n.Tracking, &n.LabelURL)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}

// items are the articles of the lines, or of the whole order when there are none.
func (a addressee) items(lines []order.ShippedLine) []notify.Item {
	quantities := map[int]int64{}
	for _, l := range lines {
		quantities[l.Line] += l.Quantity
	}
	var items []notify.Item
	for _, l := range a.order.Lines {
		quantity := quantities[l.Line]
		if len(lines) == 0 {
			quantity = l.Quantity
		}
		title := l.Title
		if title == "" {
			title = l.SKU
		}
		if quantity > 0 {
			items = append(items, notify.Item{Title: title, Quantity: quantity})
		}
	}
	return items
}

// refundNotice adds what a refund is for, which was fixed with it.
func (c *Courier) refundNotice(ctx context.Context, p parcel, key order.Key) (storefront.RefundNotice, error) {
	n := storefront.RefundNotice{
		Key: p.message.Key, Order: key, Refund: p.payload.Refund, Try: p.payload.Try, CameBack: p.message.Kind == KindRefundCameBack,
		Amount: p.payload.Amount, Currency: p.payload.Currency,
	}
	err := c.Pool.QueryRow(ctx, `SELECT reason, coalesce(rma, ''), lines FROM refunds WHERE key = $1`, n.Refund).Scan(&n.Reason, &n.RMA, &n.Lines)
	return n, err
}

func (c *Courier) tellStorefront(ctx context.Context, p parcel) verdict {
	a, err := c.addressee(ctx, p)
	if err != nil {
		return lookUpVerdict(err)
	}
	channel, err := c.Storefront(ctx, a.key.Storefront)
	if err != nil {
		return again("the storefront's channel could not be opened", 0)
	}
	switch p.message.Kind {
	case KindFulfilled:
		err = channel.Fulfilled(ctx, storefront.Fulfilment{
			Key: p.message.Key, Order: a.key, Number: a.order.Number,
			Carrier: p.payload.Carrier, Tracking: p.payload.Tracking, Lines: p.payload.Lines,
		})
	case KindCancelled:
		err = channel.Cancelled(ctx, storefront.Cancellation{
			Key: p.message.Key, Order: a.key, Reason: p.payload.Reason, Lines: p.payload.Lines,
		})
	case KindRefundMade, KindRefundCameBack:
		listener, listens := channel.(storefront.RefundListener)
		if !listens {
			return verdict{state: "skipped", reason: "the storefront's channel has no notices of refunds"}
		}
		n, lookUp := c.refundNotice(ctx, p, a.key)
		if lookUp != nil {
			return lookUpVerdict(lookUp)
		}
		err = listener.RefundTold(ctx, n)
	default:
		return leave(unknownKind, p.attempts)
	}
	var failure *storefront.Error
	switch {
	case err == nil:
		return verdict{state: "sent"}
	case errors.As(err, &failure) && errors.Is(failure.Kind, storefront.ErrRefused):
		return verdict{state: "failed", reason: failure.Error()}
	case errors.As(err, &failure):
		return again(failure.Error(), failure.RetryAfter)
	}
	return again("the storefront could not be reached", 0)
}
