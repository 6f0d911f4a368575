package simulation

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// account is what a supplier itself has written down about money between it and us; minor units.
type account struct {
	billed   map[string]int64 // by invoice
	credited map[string]int64 // by credit memo
	// got is what payments brought for an invoice; less than nothing: what they took off for a memo or a claim.
	got map[string]int64
}

func newAccount() account {
	return account{billed: map[string]int64{}, credited: map[string]int64{}, got: map[string]int64{}}
}

// paidLine is what one payment brings for an invoice, or takes off for a credit.
type paidLine struct {
	invoice, credit string
	minor           int64
	reversed        bool
}

func (p *paidLine) number() string { return p.invoice + p.credit }

// receives is money that came for a line of a payment; less than nothing: that went back when it was reversed.
func (l *life) receives(p *party, about *paidLine, minor int64) {
	a, number := &p.account, about.number()
	a.got[number] += minor
	sum := a.got[number]
	given, known := a.credited[number]
	switch {
	case about.invoice != "" && (sum < 0 || sum > a.billed[number]):
		l.fail("%s asks for %d by invoice %s, and has got %d", p.id, a.billed[number], number, sum)
	case about.credit != "" && (sum > 0 || known && -sum > given):
		l.fail("%s has given %d by credit %s, and is paid %d less", p.id, given, number, -sum)
	}
}

// position is what our books say about one document of a supplier: what is open of it, which is less than nothing
// for what we owe, and what was paid for it, where a credit's payments are less than nothing. Of a credit that was given for a
// claim, noted is all of it, and taken what a claim could take.
type position struct{ open, paid, taken, noted int64 }

var (
	dueOf      = regexp.MustCompile(`^due(?:#\d+)?/[^/]+/(.+)$`)
	memoOf     = regexp.MustCompile(`^credit/[^/]+/memo/(.+):\d+(?:#\d+)?$`)
	settledOf  = regexp.MustCompile(`^credit/[^/]+/settle/([^/]+)/`)
	returnedOf = regexp.MustCompile(`^return/(.+)/credit(?:#\d+)?$`)
)

// documentOf is what a claim's key stands for: an invoice, a memo, a claim that was settled, or a return.
func documentOf(key string) string {
	for _, shape := range []*regexp.Regexp{dueOf, memoOf, settledOf, returnedOf} {
		if found := shape.FindStringSubmatch(key); found != nil {
			return found[1]
		}
	}
	return key
}

// payables reads what our books say about suppliers' documents, by supplier and document.
func (l *life) payables() map[[2]string]*position {
	list := map[[2]string]*position{}
	rows, err := l.world.admin.Query(l.ctx, `
		SELECT 0, split_part(account, ':', 2), key, minor FROM claims
			WHERE order_key = ANY ($1) AND closed_at IS NULL AND kind IN ('invoice_due', 'credit_memo')
		UNION ALL
		SELECT 1, split_part(k.key, '|', 2), split_part(k.key, '|', 4), -e.minor
			FROM ledger_transactions t CROSS JOIN LATERAL (SELECT regexp_replace(t.key, '^reversal[|]', '') AS key) k
			JOIN ledger_entries e ON e.transaction_id = t.id AND e.account = 'bank'
			WHERE t.order_key = ANY ($1) AND k.key ~ '^supplier_(paid|set_off)[|]'
		UNION ALL
		SELECT 2, supplier, 'credit/' || supplier || '/memo/' || number || ':0', applied + beyond FROM claim_credits WHERE order_key = ANY ($1)
		UNION ALL
		SELECT 2, split_part(e.account, ':', 2), 'credit/' || split_part(e.account, ':', 2) || '/' || split_part(t.key, '|', 3), e.minor
			FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id AND starts_with(e.account, 'supplier_payable:')
			WHERE t.order_key = ANY ($1) AND t.kind = 'claim_closed' AND t.key ~ '[|]settle/'
		UNION ALL
		SELECT 3, supplier, 'credit/' || supplier || '/memo/' || number || ':0', minor FROM claim_credits WHERE order_key = ANY ($1)
		UNION ALL
		SELECT 2, supplier, 'return/' || rma || '/credit', (state -> 'claim' ->> 'got')::bigint FROM returns
			WHERE order_key = ANY ($1) AND state -> 'claim' ->> 'got' IS NOT NULL`, l.orders())
	if err != nil {
		l.fail("read what suppliers are due: %v", err)
	}
	defer rows.Close()
	for rows.Next() {
		var what int
		var supplier, key string
		var minor int64
		if err := rows.Scan(&what, &supplier, &key, &minor); err != nil {
			l.fail("read what suppliers are due: %v", err)
		}
		about := [2]string{supplier, documentOf(key)}
		if list[about] == nil {
			list[about] = &position{}
		}
		s := list[about]
		*[]*int64{&s.open, &s.paid, &s.taken, &s.noted}[what] += minor
	}
	if rows.Err() != nil {
		l.fail("read what suppliers are due: %v", rows.Err())
	}
	return list
}

// checkPayables: what we say that we have paid is what suppliers say that they have got; what we owe them is what they
// have billed and not got; and what they owe us is what we took of their credits and no payment has taken into account.
func (l *life) checkPayables() {
	if l.world.market.wide || !l.billed() {
		return
	}
	ours := l.payables()
	for _, p := range l.sortedParties() {
		theirs := map[string]int64{} // what they got, by what our books call the document
		for number, minor := range p.account.got {
			theirs[l.asReturn(number)] += minor
		}
		for number := range p.account.billed {
			theirs[number] += 0
		}
		for number := range p.account.credited {
			theirs[l.asReturn(number)] += 0
		}
		for about := range ours {
			if about[0] == p.id {
				theirs[about[1]] += 0
			}
		}
		var owed, credits int64
		for _, document := range slices.Sorted(maps.Keys(theirs)) {
			s := ours[[2]string{p.id, document}]
			if s == nil {
				s = &position{}
			}
			l.checkDocument(p, document, theirs[document], s)
			owed, credits = owed+max(-s.open, 0), credits+max(s.open, 0)
		}
		l.judgeAccount(p, owed, credits)
	}
}

// checkDocument compares what a supplier has written down about a document, and got for it, with our books. A claim
// that people settled as credited between them has no document.
func (l *life) checkDocument(p *party, document string, got int64, ours *position) {
	billed, invoice := p.account.billed[document]
	given, memo := p.account.credited[document]
	back := l.backs[document]
	if back != nil {
		given = back.given()
	}
	switch {
	case ours.paid != got:
		l.fail("%s has got %d for %s, our books say %d", p.id, got, document, ours.paid)
	case invoice && -ours.open != billed-got:
		l.fail("%s asks for %d by %s and has got %d; %d of it stands as due", p.id, billed, document, got, -ours.open)
	case memo && ours.noted != given:
		l.fail("%s has given %d by credit %s, our books have noted %d", p.id, given, document, ours.noted)
	case (memo || back != nil) && ours.taken > given:
		l.fail("%s has given %d by credit %s, our books have taken %d", p.id, given, document, ours.taken)
	case !invoice && ours.open != ours.taken+got:
		l.fail("%d of credit %s of %s were taken, and %d set off; %d stand as credit", ours.taken, document, p.id, -got, ours.open)
	}
}

// judgeAccount: where claims are pursued to their end, and payments with them, nothing is left between us.
func (l *life) judgeAccount(p *party, owed, credits int64) {
	switch {
	case len(p.account.billed) == 0:
	case owed == 0 && credits == 0:
		l.happened("supplier's account is square")
	case l.pursued:
		l.fail("all is over, %s is still owed %d, and owes %d", p.id, owed, credits)
	case owed == 0:
		l.happened("supplier owes a credit at the end")
	default:
		l.happened("supplier is owed something at the end")
	}
}

// asReturn is the return that a memo is for, which is what our books know its credit by; other numbers stay.
func (l *life) asReturn(number string) string {
	for rma, c := range l.backs {
		if _, given := c.memos[number]; given {
			return rma
		}
	}
	return number
}

// billed: some supplier has asked for money.
func (l *life) billed() bool {
	for _, p := range l.parties {
		if len(p.account.billed) > 0 {
			return true
		}
	}
	return false
}

func (l *life) sortedParties() []*party {
	return slices.SortedFunc(maps.Values(l.parties), func(x, y *party) int { return strings.Compare(x.id, y.id) })
}
