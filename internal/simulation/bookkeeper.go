package simulation

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/postgres"
)

// bookkeeper pays suppliers for the life's own order: what other lives of the same schema left is none of it. The
// money leaves when a payment is answered as booked, and comes back when a line of it is reversed.
type bookkeeper struct {
	chooser Chooser // of its own: how an order goes does not depend on when it is paid
	next    time.Time
	numbers int
	open    []*payment // asked for, and not answered
	made    []*payment // answered, and paid
	old     *payment   // written from a list that may be out of date by now
	taking  *takenBack
	done    map[string]bool // suppliers with whom nothing is left to do at the end
	ending  bool            // pays what is due to the last, and no more
	looked  bool            // has looked through all payments at the end
}

// payment is one payment to a supplier as the bookkeeper has written it down.
type payment struct {
	party     *party
	reference string
	day       string
	lines     []*paidLine
	// doubtful: it need not fit what is due by the time that it is booked.
	doubtful bool
}

// takenBack is a line of a payment that was booked in error, while it is being reversed.
type takenBack struct {
	from *payment
	line *paidLine
}

func newBookkeeper(number uint64) bookkeeper {
	return bookkeeper{chooser: Seeded(number ^ 0xb00c), done: map[string]bool{}}
}

// asBookkeeper lets the bookkeeper make the choices for a while.
func (l *life) asBookkeeper(do func()) {
	before := l.chooser
	l.chooser = l.bookkeeper.chooser
	defer func() { l.chooser = before }()
	do()
}

// keepsBooks lets the bookkeeper do one thing, every few hours or days. Before an order is over nothing is due, and
// hardly anybody looks.
func (l *life) keepsBooks() {
	if k := &l.bookkeeper; l.world.market.wide || k.ending || l.now.Before(k.next) || !l.billed() {
		return
	}
	l.asBookkeeper(func() {
		l.bookkeeper.next = l.now.Add(oneOf(l, []time.Duration{20 * time.Minute, 7 * time.Hour, 30 * time.Hour, 5 * 24 * time.Hour, 9 * 24 * time.Hour}))
		if l.quiet || l.back || l.chance(15) {
			l.keepsBooksNow()
		}
	})
}

func (l *life) keepsBooksNow() {
	k := &l.bookkeeper
	switch {
	case len(k.open) > 0 && l.chance(60):
		l.bookPayment(oneOf(l, k.open))
	case k.taking != nil && l.chance(60):
		l.reversesLine()
	case k.old != nil && l.chance(35):
		l.bookOld()
	case len(k.made) > 0 && l.chance(15):
		l.repeatsPayment(oneOf(l, k.made))
	case len(k.made) > 0 && k.taking == nil && l.chance(25):
		l.regretsPayment(oneOf(l, k.made))
	case l.chance(8):
		l.paysByPaper()
	case l.chance(4):
		l.regretsOther()
	default:
		l.paysDue(oneOf(l, l.creditors()))
	}
}

// creditors are the suppliers who have asked for money.
func (l *life) creditors() []*party {
	return slices.DeleteFunc(l.sortedParties(), func(p *party) bool { return len(p.account.billed) == 0 })
}

// payable is a line of the list of what is due.
type payable struct {
	paidLine

	disputed int64
}

// looksUpDue asks what a supplier is due for this order; false: there was no answer.
func (l *life) looksUpDue(p *party) (list []payable, answered bool) {
	var said struct {
		Due []struct {
			Invoice  string `json:"invoice"`
			Credit   string `json:"credit_memo"`
			Currency string `json:"currency"`
			Amount   string `json:"amount"`
			Disputed string `json:"disputed"`
			Order    string `json:"order"`
		} `json:"due"`
	}
	if !l.bookkeeperAsks(http.MethodGet, "/v1/suppliers/"+p.id+"/due", nil, http.StatusOK, &said) {
		return nil, false
	}
	for _, d := range said.Due {
		if !slices.Contains(l.orders(), d.Order) {
			continue
		}
		amount, err := money.Parse(d.Amount, l.world.currency)
		disputed, errDisputed := money.Parse(d.Disputed, l.world.currency)
		if errors.Join(err, errDisputed) != nil || d.Currency != l.world.currency {
			l.fail("%s of %s%s is due to %s in %s, %s disputed", d.Amount, d.Invoice, d.Credit, p.id, d.Currency, d.Disputed)
		}
		list = append(list, payable{paidLine{invoice: d.Invoice, credit: d.Credit, minor: amount.Minor}, disputed.Minor})
	}
	for i := range list {
		l.checkDue(p, &list[i])
	}
	return list, true
}

// checkDue: what is due of an invoice is what the supplier has billed and not got, at any moment.
func (l *life) checkDue(p *party, d *payable) {
	k := &l.bookkeeper
	number := d.number()
	left := p.account.billed[number] - p.account.got[number]
	given, memo := p.account.credited[number]
	unsure := k.taking != nil || len(k.open) > 0
	switch {
	case number == "":
		l.fail("%d is due to %s for nothing that has a number", d.minor, p.id)
	case d.disputed < 0 || d.disputed > max(d.minor, 0):
		l.fail("%d of %s is due to %s, and %d of it disputed", d.minor, number, p.id, d.disputed)
	case d.invoice != "" && d.minor != left && !unsure:
		l.fail("%s has billed %d by %s and got %d, and %d is due", p.id, p.account.billed[number], number, p.account.got[number], d.minor)
	case memo && -d.minor > given+p.account.got[number] && !unsure:
		l.fail("%s has given %d by %s, %d is set off, and %d can be", p.id, given, number, -p.account.got[number], -d.minor)
	}
}

// paysDue looks at what a supplier is due, and pays some of it, at once or from the list some other day. It says
// whether it could be seen.
func (l *life) paysDue(p *party) (answered bool) {
	list, answered := l.looksUpDue(p)
	pay := l.writes(p)
	for i := range list {
		d := &list[i]
		line := &paidLine{invoice: d.invoice, credit: d.credit, minor: d.minor - d.disputed}
		if !l.bookkeeper.ending {
			line.minor = l.share(d)
		}
		if line.minor != 0 {
			pay.lines = append(pay.lines, line)
		}
	}
	if len(pay.lines) == 0 {
		return answered
	}
	if k := &l.bookkeeper; !k.ending && k.old == nil && l.chance(30) {
		pay.doubtful, k.old = true, pay
		if l.chance(50) {
			return true // and pays by it later
		}
		pay = l.writes(p) // and pays, and has the list still
		for _, line := range k.old.lines {
			pay.lines = append(pay.lines, new(*line))
		}
	}
	l.bookPayment(pay)
	return true
}

// share is how much of what is due the bookkeeper pays.
func (l *life) share(d *payable) int64 {
	undisputed := d.minor - d.disputed
	switch l.pick(10) {
	case 0:
		if d.disputed > 0 {
			l.happened("paid what is disputed")
		}
		return d.minor
	case 1, 2:
		return undisputed * oneOf(l, []int64{25, 50, 90}) / 100
	case 3:
		return 0
	}
	return undisputed
}

// writes begins the next payment.
func (l *life) writes(p *party) *payment {
	l.bookkeeper.numbers++
	return &payment{party: p, reference: fmt.Sprintf("REM-%s-%d", l.key.Order, l.bookkeeper.numbers), day: l.now.Format(time.DateOnly)}
}

// paysByPaper pays an invoice by its paper, whatever the list says.
func (l *life) paysByPaper() {
	p := oneOf(l, l.creditors())
	numbers := make([]string, 0, len(p.account.billed))
	for number := range p.account.billed {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	number := oneOf(l, numbers)
	pay := l.writes(p)
	pay.doubtful, pay.lines = true, []*paidLine{{invoice: number, minor: p.account.billed[number]}}
	l.happened("payment by the paper")
	l.bookPayment(pay)
}

func (l *life) bookOld() {
	pay := l.bookkeeper.old
	l.bookkeeper.old = nil
	l.happened("payment by an old list")
	l.bookPayment(pay)
}

// body is the payment as the gateway is told of it, with so much added to its first line.
func (pay *payment) body(l *life, more int64) map[string]any {
	lines, total := []map[string]any{}, int64(0)
	for i, line := range pay.lines {
		minor := line.minor
		if i == 0 {
			minor += more
		}
		said := map[string]any{"amount": l.amount(minor)}
		if line.invoice != "" {
			said["invoice"] = line.invoice
		} else {
			said["credit_memo"] = line.credit
		}
		lines, total = append(lines, said), total+minor
	}
	return map[string]any{"reference": pay.reference, "date": pay.day, "currency": l.world.currency, "total": l.amount(total), "lines": lines}
}

// bookPayment has a payment booked, again if that was not answered. Once it is, the money leaves.
func (l *life) bookPayment(pay *payment) {
	k := &l.bookkeeper
	var said struct{ Result string }
	status := l.askBook(pay, 0, &said)
	again := slices.Contains(k.open, pay)
	if again {
		k.open = slices.DeleteFunc(k.open, func(x *payment) bool { return x == pay })
	}
	switch {
	case status == http.StatusOK && said.Result == "repeat" && !again:
		l.fail("payment %s to %s is answered as a repeat, and is none", pay.reference, pay.party.id)
	case status == http.StatusOK:
		l.happened("payment to a supplier " + said.Result)
		k.made = append(k.made, pay)
		l.pays(pay)
	case status >= http.StatusInternalServerError:
		pay.doubtful = true // by the time that it is asked for again
		k.open = append(k.open, pay)
		l.happened("payment to a supplier not answered")
	case status == http.StatusUnprocessableEntity && pay.doubtful:
		l.happened("payment to a supplier refused")
	default:
		l.fail("payment %s to %s of what is due is answered %d", pay.reference, pay.party.id, status)
	}
}

func (l *life) pays(pay *payment) {
	var total int64
	for _, line := range pay.lines {
		total += line.minor
		if line.credit != "" {
			l.happened("credit set off")
		}
		l.receives(pay.party, line, line.minor)
	}
	if total < 0 {
		l.happened("supplier paid back")
	}
}

// repeatsPayment has a payment booked that was booked before: to the letter, or with another amount.
func (l *life) repeatsPayment(pay *payment) {
	more := int64(0)
	if l.chance(40) {
		more = pay.lines[0].minor
	}
	var said struct{ Result string }
	switch status := l.askBook(pay, more, &said); {
	case status >= http.StatusInternalServerError:
	case more == 0 && status == http.StatusOK && said.Result == "repeat":
		l.happened("payment to a supplier repeated")
	case more != 0 && status == http.StatusConflict:
		l.happened("another payment of one reference")
	default:
		l.fail("payment %s to %s was booked, and is answered %d %s when it comes again, %d more in its first line", pay.reference, pay.party.id, status, said.Result, more)
	}
}

func (l *life) askBook(pay *payment, more int64, said any) int {
	return l.bookkeeperStatus(http.MethodPost, "/v1/suppliers/"+pay.party.id+"/payments", pay.body(l, more), said)
}

func (l *life) bookkeeperAsks(method, path string, body map[string]any, want int, said any) bool {
	status := l.bookkeeperStatus(method, path, body, said)
	if status != want && status < http.StatusInternalServerError {
		l.fail("%s %s of the bookkeeper is answered %d", method, path, status)
	}
	return status == want
}

// bookkeeperStatus asks the gateway, and reads its answer into said if it has one.
func (l *life) bookkeeperStatus(method, path string, body map[string]any, said any) int {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequestWithContext(l.ctx, method, path, strings.NewReader(string(text)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer operator-")
	l.note("the bookkeeper asks: %s %s", path, text)
	status, answer := l.ask(r, l.chooseCut())
	l.note("the bookkeeper is answered %d", status)
	if status == http.StatusOK {
		if err := json.Unmarshal([]byte(answer), said); err != nil {
			l.fail("the answer to %s cannot be read: %v", path, err)
		}
	}
	return status
}

// regretsPayment finds that a line of a payment was wrong.
func (l *life) regretsPayment(pay *payment) {
	if line := oneOf(l, pay.lines); !line.reversed {
		l.bookkeeper.taking = &takenBack{pay, line}
		l.reversesLine()
	}
}

// reversesLine reverses what was posted for a line. Once all of it is known to be, the money comes back.
func (l *life) reversesLine() {
	t := l.bookkeeper.taking
	at := slices.Index(t.from.lines, t.line) + 1
	found := 0
	for _, key := range l.postings() {
		parts := strings.Split(key, "|")
		if len(parts) != 4 || parts[1] != t.from.party.id || parts[2] != fmt.Sprintf("%s:%d", t.from.reference, at) {
			continue
		}
		found++
		err, answered := l.reverses(key)
		switch {
		case !answered:
			l.happened("reversal not answered")
			return
		case err != nil:
			l.fail("%s cannot be reversed: %v", key, err)
		}
	}
	if found == 0 {
		l.fail("nothing is posted for line %d of payment %s to %s", at, t.from.reference, t.from.party.id)
	}
	l.bookkeeper.taking, t.line.reversed = nil, true
	l.happened("payment to a supplier reversed")
	l.receives(t.from.party, t.line, -t.line.minor)
}

// regretsOther tries to reverse what was not posted for a payment.
func (l *life) regretsOther() {
	keys := slices.DeleteFunc(l.postings(), func(key string) bool {
		return strings.HasPrefix(key, ledger.KindSupplierPaid+"|") || strings.HasPrefix(key, ledger.KindSupplierOff+"|")
	})
	if len(keys) == 0 {
		return
	}
	key := oneOf(l, keys)
	switch err, answered := l.reverses(key); {
	case !answered:
	case !errors.Is(err, ledgerbook.ErrNotReversible):
		l.fail("%s may not be reversed by itself, and: %v", key, err)
	default:
		l.happened("reversal refused")
	}
}

// postings are the keys of the orders' ledger, as the bookkeeper reads them.
func (l *life) postings() []string {
	rows, err := l.world.admin.Query(l.ctx, `SELECT key FROM ledger_transactions WHERE order_key = ANY ($1) ORDER BY id`, l.orders())
	if err == nil {
		var keys []string
		if keys, err = pgx.CollectRows(rows, pgx.RowTo[string]); err == nil {
			return keys
		}
	}
	l.fail("read the ledger: %v", err)
	return nil
}

// reverses is the ledger command's work on one posting, and what came of it; not answered: nobody knows.
func (l *life) reverses(key string) (err error, answered bool) { //nolint:revive // the answer may be an error
	l.note("the bookkeeper reverses %s", key)
	var of string
	if err := l.world.admin.QueryRow(l.ctx, `SELECT order_key FROM ledger_transactions WHERE key = $1`, key).Scan(&of); err != nil {
		l.fail("read of which order posting %s is: %v", key, err)
	}
	f := l.chooseCut()
	l.prepare(f)
	s := l.begin(func() {
		err = postgres.InTx(l.ctx, l.world.pool, func(tx pgx.Tx) error {
			_, err := ledgerbook.Reverse(l.ctx, tx, of, key, "typed_wrong", "bookkeeping")
			return err
		})
	})
	l.clean(f)
	switch {
	case !s.ended:
		l.fail("the reversal of %s stands still", key)
	case f.lost:
		return nil, false
	case err == nil, errors.Is(err, ledgerbook.ErrNotReversible):
		return err, true
	}
	l.judgeRefusal("the reversal of "+key, err)
	if errors.Is(err, ledgerbook.ErrNoPosting) || errors.Is(err, ledgerbook.ErrNoClaim) {
		return err, true
	}
	return err, false
}

// booksFinish lets the bookkeeper do the next thing at the end of a life: what is not answered is asked again, and,
// mostly, what is due is paid, and what suppliers owe taken off or paid back. It says whether there was anything to do.
func (l *life) booksFinish() (did bool) {
	if l.world.market.wide || !l.billed() {
		return false
	}
	l.asBookkeeper(func() { did = l.finishesBooks() })
	return did
}

func (l *life) finishesBooks() bool {
	k := &l.bookkeeper
	if !k.ending {
		k.ending = true
		if leaves := !l.pursued && l.chance(30); leaves {
			for _, p := range l.creditors() {
				k.done[p.id] = true
			}
		}
		if len(k.made) > 0 && k.taking == nil && l.chance(40) {
			l.regretsPayment(oneOf(l, k.made))
			return true
		}
	}
	switch {
	case len(k.open) > 0:
		l.bookPayment(k.open[0])
		return true
	case k.taking != nil:
		l.reversesLine()
		return true
	}
	for _, p := range l.creditors() {
		if !k.done[p.id] {
			k.done[p.id] = l.paysDue(p)
			return true
		}
	}
	if k.old != nil {
		l.bookOld()
		return true
	}
	if k.looked || len(k.made) == 0 {
		return false
	}
	if k.looked = true; l.chance(40) {
		l.repeatsPayment(oneOf(l, k.made))
	}
	return true
}
