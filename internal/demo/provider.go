package demo

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/paymentdesk"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/sim/paymentsim"
)

// paid is how a payment at the provider must end: by our books, and by the provider's own. Amounts are
// minor units.
type paid struct {
	stage              payments.Stage
	captured, refunded int64
	// elsewhere is what the customer got back past the provider.
	elsewhere int64
	// disputes are the bank's decisions, oldest first: "lost won".
	disputes string
	// left is what the provider still holds of it, before its fees.
	left int64
}

// providerAccounts are those of the ledger that together hold what the provider's account does, before fees;
// openAccounts those where nothing may stay once a payment is over.
var (
	providerAccounts = []string{"processor_clearing", "payment_fees"}
	openAccounts     = []string{"customer_receivable", "refunds_payable", "chargebacks"}
)

// comparePayment holds our payment and our ledger against the provider's books, and all against the story.
func (p *play) comparePayment(ctx context.Context, d *differences) {
	want := p.story.want.paid
	standing, err := paymentdesk.Stand(ctx, p.world.pool, p.story.key)
	switch {
	case want == nil && errors.Is(err, paymentdesk.ErrNoPayment):
		return
	case err != nil:
		d.add("%v", err)
		return
	case want == nil:
		d.add("a payment at the provider, which is not part of the story")
		return
	case !standing.StartedAt.IsZero() && standing.ClosedAt.IsZero():
		d.add(stillOpen)
	}
	shown := orderview.ViewPayment(&standing)
	same(d, "payment stage", shown.Stage, string(want.stage))
	same(d, "payment needs attention", shown.NeedsAttention, false)
	same(d, "captured by our payment", shown.Captured, amount(want.captured))

	provider := p.world.partners.provider
	book := provider.Payment(p.payment)
	same(d, "captured by the provider's books", book.Captured, want.captured)
	same(d, "refunded by the provider's books", book.Refunded, want.refunded)
	var disputes []string
	for _, t := range p.transactions() {
		if t.Kind == "dispute" {
			disputes = append(disputes, provider.Dispute(t.Reference).Status)
		}
	}
	left := p.leftAtProvider()
	same(d, "left at the provider", left, want.left)
	told := p.world.partners.storefronts[p.story.key.Storefront].RefundedElsewhere(p.story.key.Order)[currency]
	same(d, "refunds that the storefront was told of", told, want.refunded+want.elsewhere)
	same(d, "disputes at the provider", strings.Join(disputes, " "), want.disputes)
	p.same(ctx, d, "what the provider holds by our ledger", providerAccounts, left)
	p.same(ctx, d, "paid past the provider by our ledger", []string{"bank"}, -want.elsewhere)
	for _, account := range openAccounts {
		p.same(ctx, d, account+" in our ledger", []string{account}, 0)
	}
}

// same holds the balance of some of the ledger's accounts, of this order, against what it must be.
func (p *play) same(ctx context.Context, d *differences, what string, accounts []string, want int64) {
	var held int64
	err := p.world.pool.QueryRow(ctx, `SELECT coalesce(sum(e.minor), 0) FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
		WHERE t.order_key = $1 AND e.account = ANY ($2)`, p.story.key.String(), accounts).Scan(&held)
	if err != nil {
		d.add("read the ledger: %v", err)
		return
	}
	same(d, what, held, want)
}

// transactions are the provider's about this payment, oldest first.
func (p *play) transactions() []paymentsim.Transaction {
	return slices.DeleteFunc(p.world.partners.provider.Book(), func(t paymentsim.Transaction) bool {
		return p.payment == "" || t.Payment != p.payment
	})
}

// provider writes down what the payment provider holds of the order.
func (b *ledgers) provider() {
	provider := b.play.world.partners.provider
	b.add("provider", "keys used for two things: %d", provider.Conflicts())
	if b.play.payment == "" {
		return
	}
	book := provider.Payment(b.play.payment)
	b.add("provider", "%s: authorised %d, captured %d, refunded %d", book.Status, book.Authorised, book.Captured, book.Refunded)
	for _, r := range provider.Refunds(b.play.payment) {
		b.add("provider", "%s: %d, %s %s", r.Key, r.Amount, r.Status, r.Reason)
	}
	for _, t := range b.play.transactions() {
		b.add("provider", "%s of %d, fee %d", t.Kind, t.Amount, t.Fee)
		if t.Kind == "dispute" {
			dispute := provider.Dispute(t.Reference)
			b.add("provider", "dispute %s, evidence %v", dispute.Status, slices.Sorted(maps.Keys(dispute.Evidence)))
		}
	}
}

// leftAtProvider is what the provider holds of the payment, before its fees, in minor units.
func (p *play) leftAtProvider() (left int64) {
	for _, t := range p.transactions() {
		left += t.Amount
	}
	return left
}

// tookBack is what the customer, or their bank, got back through the provider, in minor units.
func (p *play) tookBack() int64 {
	return p.world.partners.provider.Payment(p.payment).Captured - p.leftAtProvider()
}

// paymentJournal is the story of the order's payment, as far as it was recorded.
func (l *listener) paymentJournal(ctx context.Context) ([]order.Entry, error) {
	var recorded payments.State
	err := l.play.world.pool.QueryRow(ctx, `SELECT state FROM payments WHERE order_key = $1`, l.play.story.key.String()).Scan(&recorded)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return recorded.Journal, err
}
