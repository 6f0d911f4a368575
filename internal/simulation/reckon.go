package simulation

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/intake"
)

// reckoning keeps the choices of a reckoning apart from those of the life that bears the seed.
const reckoning = 1 << 40

// Purchases of the years 2026 and 2027 are looked at before the first of them is over, and when all are.
var (
	earlier = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	later   = time.Date(2029, 1, 5, 12, 0, 0, 0, time.UTC)
)

// reckon lives what the orders of a schema have come to together: the discounts of the volumes that they have bought
// are claimed, from suppliers who pay late, short or never, until all is settled.
func (w *world) reckon(ctx context.Context, seed uint64) (*life, error) {
	l := w.newLife(ctx, Seeded(seed+reckoning), 0, true)
	l.joint, l.pursued, l.placed, l.regrets = true, true, true, 0
	l.note("---- what the orders have bought together")
	return l, l.live()
}

// actJointly lets one thing happen.
func (l *life) actJointly() {
	switch n := l.pick(100); {
	case n < 30:
		if due := l.dueCalls(); len(due) > 0 {
			l.perform(oneOf(l, due))
		}
	case n < 55:
		l.deliverDocument()
	case n < 80:
		l.debtsAct()
	case n < 90:
		l.settlesClaim()
	case n < 92:
		l.repeatDocument()
	case n < 94:
		l.arriveLate()
	case n < 96:
		l.thaw()
	case n < 98:
		l.outage()
	default:
		l.oddMoney()
	}
	l.background(70, 60, 30)
}

// discounts looks at what was bought: in the middle of the quarters, when they are over, and again, which must
// change nothing.
func (l *life) discounts() {
	l.setNow(earlier)
	l.claimsDiscounts()
	inTime := l.jointPostings()
	l.setNow(later)
	l.claimsDiscounts()
	rest := l.jointPostings()
	if rest > inTime {
		l.happened("what rounding left over was claimed")
	}
	l.claimsDiscounts()
	if again := l.jointPostings(); again != rest {
		l.fail("volume discounts that were claimed are claimed again: %d jointPostings became %d", rest, again)
	}
	l.checkPeriods()
}

func (l *life) claimsDiscounts() {
	for {
		if l.turn("look at discounts", l.chooseCut(), func() (bool, error) { return true, intake.ClaimDiscounts(l.ctx, l.world.pool) }) {
			return
		}
	}
}

func (l *life) jointPostings() (n int) {
	if err := l.world.admin.QueryRow(l.ctx, `SELECT count(*) FROM ledger_transactions`).Scan(&n); err != nil {
		l.fail("count the jointPostings: %v", err)
	}
	return n
}

// bought is a quarter with one supplier: what it came to, less what was credited, the discounts that the invoices were
// expected with, and those that the ledger claims; minor units of the currency.
type bought struct {
	Supplier, Period, Currency      string
	Goods, Granted, Reached, Posted int64
	Orders                          int
}

// checkPeriods: with what the invoices were expected with, the claims of a quarter are exactly the discount of the tier
// that all of it reaches, or nothing where that was expected already.
func (l *life) checkPeriods() {
	rows, err := l.world.admin.Query(l.ctx, `SELECT v.supplier, v.period, v.currency, sum(v.goods - v.credited)::bigint, sum(v.granted)::bigint,
			(SELECT p.reached_bp FROM volume_periods p WHERE p.supplier = v.supplier AND p.period = v.period AND p.currency = v.currency),
			(SELECT coalesce(sum(e.minor), 0)::bigint FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
				WHERE starts_with(t.key, 'claim_opened|volume/' || v.supplier || '/' || v.period || '/' || v.currency || '/')
				AND e.account = 'supplier_claims:' || v.supplier AND e.currency = v.currency), count(DISTINCT v.order_key)
		FROM volume_purchases v GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`)
	if err != nil {
		l.fail("read what was bought: %v", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[bought])
	if err != nil {
		l.fail("read what was bought: %v", err)
	}
	for _, b := range list {
		l.checkPeriod(&b)
	}
}

func (l *life) checkPeriod(b *bought) {
	bp, p := int64(0), l.parties[b.Supplier]
	for _, tier := range p.volume.Tiers {
		if b.Goods >= tier.From[0].Minor {
			bp = tier.DiscountBP
		}
	}
	if quarter := b.Period[len(b.Period)-1]; quarter == '1' || quarter == '3' {
		bp = max(bp, before)
	}
	what := fmt.Sprintf("%s in %s", b.Supplier, b.Period)
	// The discount is whole to half a minor unit.
	off := new(big.Rat).Sub(big.NewRat(b.Granted+b.Posted, 1), new(big.Rat).Mul(big.NewRat(b.Goods, 1), big.NewRat(bp, 10_000)))
	half := big.NewRat(1, 2)
	switch {
	case b.Reached != bp:
		l.fail("%s came to %d %s: that reaches %d basis points, not %d", what, b.Goods, b.Currency, bp, b.Reached)
	case b.Currency != p.currency:
		l.fail("%s is in %s, and the contract in %s", what, b.Currency, p.currency)
	case b.Posted < 0 || off.Cmp(new(big.Rat).Neg(half)) < 0 || b.Posted > 0 && off.Cmp(half) > 0:
		l.fail("%s came to %d %s at %d basis points: %d were expected of invoices and %d claimed", what, b.Goods, b.Currency, bp, b.Granted, b.Posted)
	}
	if b.Posted > 0 {
		l.happened("volume discount claimed")
	}
	if b.Posted > 0 && b.Orders > 1 {
		l.happened("volume discount claimed for several orders")
	}
	if bp > before {
		l.happened("higher tier reached")
	}
}

// jointlyOwed: a claim for several orders is not settled.
func (l *life) jointlyOwed() (owed bool) {
	err := l.world.admin.QueryRow(l.ctx, `SELECT EXISTS (SELECT FROM pursuits WHERE starts_with(id, 'volume:') AND closed_at IS NULL)`).Scan(&owed)
	if err != nil {
		l.fail("look for joint claims: %v", err)
	}
	return owed
}

// checkReckoned: each joint claim is settled to its last part, and what suppliers gave for it is what we have.
func (l *life) checkReckoned() {
	var open int
	err := l.world.admin.QueryRow(l.ctx, `SELECT count(*) FROM claims c JOIN pursuits p ON p.id = c.pursuit WHERE starts_with(p.id, 'volume:')
		AND (c.closed_at IS NULL OR p.stage <> 'settled' OR p.needs_attention)`).Scan(&open)
	if err != nil {
		l.fail("look for joint claims: %v", err)
	}
	if open > 0 {
		l.fail("all is settled, and %d parts of joint claims are not", open)
	}
	l.checkDebts()
}
