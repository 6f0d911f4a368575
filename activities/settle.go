package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/paymentdesk"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/storefront"
)

// claimTerm is how long a claim on a supplier may stay open before it is overdue.
const claimTerm = 30 * 24 * time.Hour

// SettleOrder closes an order's accounts: what was delivered is earned, what was shipped is owed to
// its supplier, what was lost is claimed, invoices are matched, and the snapshot is recorded as
// settled. Accounts that do not come to zero or to named claims are an error: the order stays open
// and a person is told. A second run posts only what is new. It takes two round trips, however large
// the order.
func (o *Orders) SettleOrder(ctx context.Context, s order.State) (string, error) {
	var text string
	err := postgres.Do(ctx, o.Pool, func(ctx context.Context, w *postgres.Work) error {
		c, err := readClosing(ctx, w, &s)
		if err != nil {
			return err
		}
		if text, err = c.close(o.Now()); err != nil {
			return err
		}
		if err := c.book.Write(w); err != nil {
			return err
		}
		if c.payment.reference != "" {
			if err := paymentdesk.Ended(w, s.Key.String(), o.Now()); err != nil {
				return err
			}
		}
		return record(w, &s, s.Notices)
	})
	if err != nil {
		return "", fmt.Errorf("settle order %s: %w", s.Key, err)
	}
	return text, nil
}

// closing is an order on its way to square accounts.
type closing struct {
	state    *order.State
	document storefront.Order
	shop     catalog.Storefront
	captured int64
	payment  *paymentRow                  // reference is empty when the money is not at a provider
	refunded ledger.Sale                  // goods and tax of what never came, as it was refunded
	late     map[string]catalog.Penalties // of the suppliers that broke their SLA
	transit  map[string]*transit          // by purchase order
	// currencies of purchase orders. The state lacks them where an older version routed the order.
	currencies map[string]string
	book       *ledgerbook.Book
}

func readClosing(ctx context.Context, w *postgres.Work, s *order.State) (*closing, error) {
	c := &closing{state: s, book: ledgerbook.Open(w, s.Key.String()), payment: queuePayment(w, s.Key.String())}
	w.Queue(`SELECT o.document, o.captured_minor, s.document FROM orders o
		JOIN storefronts s ON s.id = o.storefront WHERE o.key = $1`, s.Key.String()).QueryRow(func(row pgx.Row) error {
		return missing(row.Scan(&c.document, &c.captured, &c.shop), "order", s.Key.String())
	})
	w.Queue(`SELECT coalesce(sum(goods_minor), 0)::bigint, coalesce(sum(tax_minor), 0)::bigint FROM refunds
		WHERE order_key = $1 AND rma IS NULL`, s.Key.String()).QueryRow(func(row pgx.Row) error {
		return row.Scan(&c.refunded.Goods, &c.refunded.Tax)
	})
	w.Queue(`SELECT coalesce(jsonb_object_agg(number, currency), '{}') FROM purchase_orders WHERE order_key = $1`, s.Key.String()).
		QueryRow(func(row pgx.Row) error { return row.Scan(&c.currencies) })
	c.queuePenalties(w)
	c.queueTransit(w)
	return c, w.Flush(ctx)
}

// close posts what the order's end posts, and proves that the order is square. It says in words how.
func (c *closing) close(now time.Time) (string, error) {
	sale, err := c.sale()
	if err != nil {
		return "", err
	}
	p := &settlement{book: c.book, currency: c.document.Currency, currencies: c.currencies, due: now.UTC().Truncate(time.Second).Add(claimTerm)}
	p.giveAway(c.state, sale)
	p.post(ledger.Earned("order", sale))
	for i := range c.state.POs {
		p.purchaseOrder(&c.state.POs[i], c.transit[c.state.POs[i].Number], now)
		p.penalties(&c.state.POs[i], c.late[c.state.POs[i].Supplier], now)
	}
	for i := range c.state.Cases {
		p.absorbed(c.state, &c.state.Cases[i])
	}
	if p.err != nil {
		return "", p.err
	}
	if err := c.book.MatchInvoices(); err != nil {
		return "", err
	}
	if c.payment.reference != "" {
		if err := c.book.NamePayment(c.document.Currency); err != nil {
			return "", err
		}
	}
	return c.prove()
}

func (c *closing) prove() (string, error) {
	balances, err := ledger.BalanceOf(c.book.Transactions())
	if err != nil {
		return "", err
	}
	claims := c.book.Claims()
	if ok, problems := ledger.Closed(balances, claims); !ok {
		return "", errors.New("the accounts do not close: " + strings.Join(problems, "; "))
	}
	currency := c.document.Currency
	kept := money.Money{Minor: balances.Of(ledger.ProcessorClearing, currency), Currency: currency}
	paid := money.Money{Minor: c.captured + c.payment.captured, Currency: currency}
	text := fmt.Sprintf("Settled: %s captured, %s kept", paid, kept)
	if len(claims) > 0 {
		text += fmt.Sprintf(", claims open: %d", len(claims))
	}
	return text, nil
}

// sale is the price of what the customer was delivered and keeps, or sends back later: all that was
// bought less what was refunded before it came. Returns take theirs out of it by postings of their own.
func (c *closing) sale() (ledger.Sale, error) {
	sale := ledger.Sale{Currency: c.document.Currency, Goods: c.document.Unshipped - c.refunded.Goods, Tax: -c.refunded.Tax}
	fates := make([]ledger.LineFate, 0, len(c.state.Lines))
	for i := range c.state.Lines {
		l := &c.state.Lines[i]
		priced := c.document.PricedLine(l.Line)
		sale.Goods, sale.Tax = sale.Goods+priced.Net(), sale.Tax+priced.Tax
		fates = append(fates, ledger.LineFate{Line: priced, Undelivered: l.Refunded})
	}
	var err error
	sale.Shipping, sale.ShippingTax, err = ledger.ShippingEarned(c.document.PricedShipping(), shippingPolicy(c.shop), fates)
	return sale, err
}

// settlement posts an order's end to its book. The first failure ends it.
type settlement struct {
	book       *ledgerbook.Book
	currency   string
	currencies map[string]string // of purchase orders
	due        time.Time
	err        error
}

func (p *settlement) post(t ledger.Transaction, err error) {
	if p.err != nil || errors.Is(err, ledger.ErrNothingToPost) {
		return
	}
	if err == nil {
		err = p.book.Post(t)
	}
	p.err = err
}

// giveAway names what was delivered without having been paid for, because a person let the order
// pass: goodwill. Refunds were never more than was captured. What is paid afterwards is no goodwill any more.
func (p *settlement) giveAway(s *order.State, sale ledger.Sale) {
	var deposit, given int64 // what the customer's payments less refunds left, and what was given away: credit positive
	key, memo, times := "unpaid_given_away|order", "Delivered without payment ", 0
	for _, t := range p.book.Transactions() {
		if t.Kind == "earned" {
			continue
		}
		var credited int64
		for _, e := range t.Entries {
			if e.Account == ledger.CustomerDeposits {
				credited -= e.Minor
			}
		}
		if t.Kind == "unpaid_given_away" {
			given, times = given+credited, times+1
		} else {
			deposit += credited
		}
	}
	if times > 0 {
		key, memo = key+"|"+strconv.Itoa(times+1), "Paid after it was delivered without payment "
	}
	if short := max(sale.Goods+sale.Tax+sale.Shipping+sale.ShippingTax-deposit, 0) - given; short != 0 {
		p.post(ledger.Transaction{
			Key: key, Kind: "unpaid_given_away", Memo: memo + s.Key.String(),
			Entries: []ledger.Entry{
				{Account: ledger.Goodwill, Currency: p.currency, Minor: short},
				{Account: ledger.CustomerDeposits, Currency: p.currency, Minor: -short},
			},
		}, nil)
	}
}

// purchaseOrder owes a supplier the cost of what it shipped, and claims back what did not arrive: until
// delivery the goods are at the supplier's risk, or at a carrier's where they go under our account. A shipment is accrued once, at the cost that
// was agreed then; if the supplier changes it afterwards, its invoice brings the difference.
func (p *settlement) purchaseOrder(po *order.PurchaseOrder, t *transit, now time.Time) {
	for i := range po.Parcels {
		parcel := &po.Parcels[i]
		cost := p.cost(po, parcel.Lines)
		if cost.Minor == 0 {
			continue
		}
		shipment := shipmentOf(po, i)
		accrual, err := ledger.SupplierAccrued(po.Number, shipment, po.Supplier, cost)
		if p.book.Has(accrual.Key) {
			p.found(po, i, t)
			continue
		}
		p.post(accrual, err)
		switch {
		case parcel.Milestone == order.ParcelLost && t != nil && t.carrier != nil:
			p.lost(po, i, cost, t, now)
		case parcel.Milestone == order.ParcelLost:
			p.claim(po, shipment, ledger.ClaimLostParcel, cost)
		case parcel.Milestone == order.ParcelReturning:
			p.claim(po, shipment, ledger.ClaimReturnCredit, cost)
		}
	}
}

// shipmentOf names a parcel among those of its purchase order. Two carriers may give out one number.
func shipmentOf(po *order.PurchaseOrder, i int) string {
	name, alike := po.Parcels[i].Tracking, 1
	for j := range i {
		if po.Parcels[j].Tracking == name {
			alike++
		}
	}
	if alike > 1 {
		return name + "#" + strconv.Itoa(alike)
	}
	return name
}

// currencyOf is what a purchase order's costs are in: its supplier's currency.
func (p *settlement) currencyOf(po *order.PurchaseOrder) string {
	return cmp.Or(p.currencies[po.Number], p.currency)
}

func (p *settlement) cost(po *order.PurchaseOrder, lines []order.ShippedLine) money.Money {
	cost := money.Money{Currency: p.currencyOf(po)}
	for _, l := range lines {
		for i := range po.Lines {
			if po.Lines[i].Line == l.Line {
				cost.Minor += l.Quantity * po.Lines[i].UnitCost
			}
		}
	}
	return cost
}

func (p *settlement) claim(po *order.PurchaseOrder, shipment string, kind ledger.ClaimKind, cost money.Money) {
	claim := ledger.Claim{
		Key: po.Number + "/" + shipment, Kind: kind, Account: ledger.SupplierClaims(po.Supplier),
		Currency: cost.Currency, Minor: cost.Minor, Owner: "purchasing", Due: p.due,
	}
	p.post(ledger.ClaimOpened(claim))
	if p.err == nil {
		p.err = p.book.OpenClaim(claim)
	}
}

func (p *settlement) absorbed(s *order.State, c *order.Case) {
	if c.Status != order.CaseAbsorbed || c.Value == 0 {
		return
	}
	po := s.PO(c.PO)
	// A parcel may have several cases, one after the other.
	p.post(ledger.DuplicateShipmentAbsorbed(c.PO, c.Key, po.Supplier, money.Money{Minor: c.Value, Currency: p.currencyOf(po)}))
}
