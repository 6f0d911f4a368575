package order_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
)

var happenings = []happening{
	{
		"units that never came are refunded", func(a *accounts) bool { return a.refunded < len(a.Refunds) },
		func(a *accounts) {
			a.refunded++
			p := &part{lines: a.Refunds[a.refunded-1]}
			a.price(p)
			a.pay(fmt.Sprintf("refund/%d", a.refunded), p, ledger.RefundCancelled)
		},
	},
	{
		"the order is settled", func(a *accounts) bool { return !a.settled && a.refunded == len(a.Refunds) },
		func(a *accounts) { a.settle() },
	},
	{
		"the customer asks to send goods back", func(a *accounts) bool { return a.settled && a.wishes > 0 },
		func(a *accounts) { a.asksBack() },
	},
	{
		"a return goes on", func(a *accounts) bool { return a.goingBack() != nil },
		func(a *accounts) { a.goingBack().turn() },
	},
	{
		"a supplier sends its invoice", func(a *accounts) bool { return a.bill(func(b *bill) bool { return !b.billed }) != nil },
		func(a *accounts) { a.invoiced(a.bill(func(b *bill) bool { return !b.billed })) },
	},
	{
		"a dispute ends", func(a *accounts) bool {
			return a.bill(func(b *bill) bool { return b.claim != nil && !b.disputed }) != nil
		},
		func(a *accounts) { a.ends(a.bill(func(b *bill) bool { return b.claim != nil && !b.disputed })) },
	},
	{
		"a supplier credits what did not arrive", func(a *accounts) bool { return len(a.claims) > 0 },
		func(a *accounts) {
			c := a.claims[0]
			a.claims = a.claims[1:]
			outcome := []ledger.ClaimOutcome{ledger.ClaimCredited, ledger.ClaimPaid, ledger.ClaimConceded, ledger.ClaimWrittenOff}[a.Pick(4)]
			half := c.Minor * int64(a.Pick(3)) / 2 // in one or two parts
			for n, minor := range []int64{half, c.Minor - half} {
				if minor > 0 {
					t, _, err := ledger.ClaimClosed(fmt.Sprint("CM-", n), *c, outcome, minor)
					a.post(t, err)
				}
			}
			if outcome == ledger.ClaimPaid {
				a.suppliers[c.Account.Partner()] -= c.Minor
			}
			a.seen["claim "+string(outcome)]++
		},
	},
	{
		"what is owed to a supplier is paid, and what it owes set off", func(a *accounts) bool { return a.settled && a.owed() != "" },
		func(a *accounts) { a.remits(a.owed()) },
	},
}

var truths = []truth{
	{"every account is square", func(a *accounts) string {
		var named []ledger.Claim // what nobody invoices: all else is paid and set off
		for _, supplier := range a.allSuppliers() {
			if a.missing[supplier] > 0 {
				named = append(named, ledger.Claim{
					Key: "missing/" + supplier, Kind: ledger.ClaimInvoiceMissing, Account: ledger.SupplierPayable(supplier), Currency: currency,
					Minor: -a.missing[supplier], Owner: "purchasing", Due: a.Now,
				})
			}
		}
		if square, problems := ledger.Closed(a.balances(), named); !square {
			return fmt.Sprint(problems)
		}
		return ""
	}},
	{"the customer has paid for what was delivered and kept, and for named fees", func(a *accounts) string {
		gone, came, kept := map[int]int64{}, map[int]int64{}, int64(0)
		for _, p := range a.parts {
			kept += p.kept
			for _, l := range p.lines {
				gone[l.Line] += l.Quantity
				if p.returned {
					came[l.Line] += l.Quantity
				}
			}
		}
		var rules int64 // by the final fates alone, whatever the steps
		for n, l := range a.lines {
			goods, tax, err := ledger.LineEarned(l, 0, l.Quantity-gone[n])
			if err != nil {
				return err.Error()
			}
			rules += goods + tax
		}
		shipping, tax, err := ledger.ShippingEarned(a.shipping, a.policy, a.fates(gone, came))
		if rules += shipping + tax + kept; err != nil || -a.customer != rules {
			return fmt.Sprintf("the customer has paid %d, the rules say %d (%v)", -a.customer, rules, err)
		}
		if clearing := a.balances().Of(ledger.ProcessorClearing, currency); clearing != rules {
			return fmt.Sprintf("the processor holds %d, the customer has paid %d", clearing, rules)
		}
		return ""
	}},
	{"no unit is paid back twice", func(a *accounts) string {
		for i := range a.State.Lines {
			l := &a.State.Lines[i]
			var gone int64
			for _, p := range a.parts {
				for _, u := range p.lines {
					if u.Line == l.Line {
						gone += u.Quantity
					}
				}
			}
			if gone > l.Ordered {
				return fmt.Sprintf("%d of %d units of line %d were paid back", gone, l.Ordered, l.Line)
			}
		}
		return ""
	}},
	{"suppliers were paid for what they shipped by their own books, less what they credited", func(a *accounts) string {
		want := map[string]int64{}
		for i := range a.State.POs {
			po := &a.State.POs[i]
			for line, n := range a.Shipped[po.Number] {
				want[po.Supplier] += n * a.unitCost(po, line) * a.bought(po, line)
			}
		}
		for i := range a.State.Cases { // what was stopped came home
			if c := &a.State.Cases[i]; c.Status == order.CaseIntercepted && a.handed(c) {
				want[a.State.PO(c.PO).Supplier] -= a.cost(a.State.PO(c.PO), c.Lines)
			}
		}
		for _, t := range a.posted {
			for _, e := range t.Entries {
				for _, supplier := range a.allSuppliers() {
					switch {
					case t.Kind == "claim_closed" && e.Account == ledger.SupplierPayable(supplier) && e.Minor > 0:
						want[supplier] -= e.Minor // credited
					case t.Kind == "claim_closed" && e.Account == ledger.Bank && t.Entries[0].Account == ledger.SupplierClaims(supplier),
						t.Kind == "claim_closed" && e.Account == ledger.Bank && t.Entries[1].Account == ledger.SupplierClaims(supplier):
						want[supplier] -= e.Minor // paid back
					case t.Kind == "invoice_adjusted" && e.Account == ledger.SupplierPayable(supplier):
						want[supplier] -= e.Minor
					}
				}
			}
		}
		for _, b := range a.bills {
			if b.claim != nil {
				want[b.supplier] += b.claim.Minor // asked too much: on paper until the dispute ended
			}
		}
		for _, supplier := range a.allSuppliers() {
			if got := a.suppliers[supplier]; got != want[supplier] {
				return fmt.Sprintf("supplier %s got %d, it shipped for %d", supplier, got, want[supplier])
			}
		}
		return ""
	}},
	{"each return ended, and was credited no more than its supplier gave", func(a *accounts) string {
		for _, c := range a.returns {
			if !c.s.Finished() || c.s.Claim.Open() != 0 || c.s.Claim.Got > c.given {
				return fmt.Sprintf("return %s is %s: %+v, given %d", c.s.RMA, c.s.Stage(), c.s.Claim, c.given)
			}
			for _, at := range c.s.Attention {
				if at.Key != "cancelled-and-sent" {
					return fmt.Sprintf("return %s is over, and a person is called: %s", c.s.RMA, at.Text)
				}
			}
			c.seen["return "+string(c.s.Stage())]++
		}
		return ""
	}},
}

// liveAccounts lets everything happen that can, in any order, with all amounts times scale, and says what is
// wrong at the end.
func liveAccounts(seed uint64, scale int64) (a *accounts, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			text, ours := cause.(broken)
			if !ours {
				panic(cause)
			}
			err = fmt.Errorf("seed %d: %s", seed, text)
		}
	}()
	l, err := order.Live(seed)
	if err != nil {
		return nil, err
	}
	a = newAccounts(l, scale)
	a.goOn()
	if wrong := a.wrong(); wrong != "" {
		return nil, fmt.Errorf("seed %d: %s", seed, wrong)
	}
	return a, nil
}

// goOn lets things happen until nothing can any more.
func (a *accounts) goOn() {
	for range 3000 {
		var able []*happening
		for i := range happenings {
			if happenings[i].can(a) {
				able = append(able, &happenings[i])
			}
		}
		if len(able) == 0 {
			break
		}
		h := able[a.Pick(len(able))]
		a.seen[h.name]++
		h.do(a)
	}
}

// wrong says which truth does not hold, if any.
func (a *accounts) wrong() string {
	for _, t := range truths {
		if wrong := t.wrong(a); wrong != "" {
			return fmt.Sprintf("not true that %s: %s", t.name, wrong)
		}
	}
	return ""
}

// accountLives is how many orders are lived with their money in each run of the tests.
const accountLives = 10_000

func TestEveryAccountClosesInTenThousandLives(t *testing.T) {
	t.Parallel()
	lives := uint64(accountLives)
	if testing.Short() {
		lives /= 10
	}
	const shares = 4
	seen := map[string]int{}
	var lock sync.Mutex
	var work sync.WaitGroup
	for share := range uint64(shares) {
		work.Go(func() {
			for seed := share; seed < lives; seed += shares {
				mine, err := liveAccounts(seed, 1)
				lock.Lock()
				if err != nil && !t.Failed() {
					t.Error(err)
				}
				if err == nil {
					for what, n := range mine.seen {
						seen[what] += n
					}
				}
				lock.Unlock()
			}
		})
	}
	work.Wait()
	t.Logf("%d lives: %v", lives, seen)
	for i := range happenings {
		require.NotZero(t, seen[happenings[i].name], "it never happened that %s", happenings[i].name)
	}
	if lives < accountLives {
		return // a tenth of them does not show everything
	}
	for _, what := range []string{
		"absorbed", "absorbed, and never shipped", "supplier paid", "credit set off", "return granted", "return refused", "return paid", "claim lost_parcel", "claim return_credit", "claim damage",
		"claim credited", "claim paid", "claim conceded", "claim written_off", "billed too much", "billed a little more",
		"return " + string(returns.StageClosed), "return " + string(returns.StageCancelled), "return " + string(returns.StageExpired),
	} {
		require.NotZero(t, seen[what], "%q never happened: %v", what, seen)
	}
}
