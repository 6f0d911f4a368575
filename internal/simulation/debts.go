package simulation

import (
	"fmt"
	"maps"
	"slices"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
	"github.com/dropline/dropline/workflows"
)

// debt is a claim as the supplier knows it, who was written to about it.
type debt struct {
	reference string
	book      *book
	amount    int64 // as it was first asked for
	letters   int
	credits   map[string]int64 // by number
	never     bool             // it gives nothing any more
}

// hearsOfClaim is a letter about a claim. Birch and delta have nobody to write to.
func (l *life) hearsOfClaim(supplier, kind string, said *outbox.Payload) (heard bool) {
	b := l.books[said.PO]
	if l.joint && said.PO == "" {
		b = l.book(l.parties[supplier], said.Claim) // for what several orders have bought
	}
	if b == nil || b.party.id != supplier || b.party.currency != said.Currency {
		l.fail("%s is written to about a claim of %q in %s", supplier, said.PO, said.Currency)
	}
	if supplier != "alder" && supplier != "cedar" {
		return false
	}
	d := l.dues[said.Claim]
	if d == nil {
		d = &debt{reference: said.Claim, book: b, amount: said.Amount, credits: map[string]int64{}}
		l.dues[d.reference] = d
	}
	d.letters++
	l.happened("letter: " + kind)
	l.note("%s is asked for %s by claim %s", supplier, money.Money{Minor: said.Amount, Currency: said.Currency}, d.reference)
	return true
}

// debtsAct lets a supplier do something about a claim, at any moment and again.
func (l *life) debtsAct() {
	d := l.someDebt()
	if d == nil {
		return
	}
	switch l.pick(6) {
	case 0:
		l.answersClaim(d, "accepted")
	case 1:
		l.answersClaim(d, "rejected")
	case 2, 3:
		l.creditsClaim(d, oneOf(l, []int64{100, 100, 50, 25, 120}))
	}
}

func (l *life) someDebt() *debt {
	list := slices.Sorted(maps.Keys(l.dues))
	if len(list) == 0 {
		return nil
	}
	return l.dues[oneOf(l, list)]
}

func (l *life) answersClaim(d *debt, outcome string) {
	l.happened("claim answered: " + outcome)
	l.postEvent(d.book, wire.TypeClaimAnswered, wire.ClaimAnswered{Claim: d.reference, At: l.now, Outcome: outcome})
}

// creditsClaim gives so many percent of what was asked for first.
func (l *life) creditsClaim(d *debt, percent int64) {
	amount := d.amount * percent / 100
	if amount <= 0 {
		return
	}
	number := fmt.Sprintf("CC-%s-%d", d.reference, len(d.credits)+1)
	p := d.book.party
	d.credits[number], p.account.credited[number] = amount, amount
	memo := wire.CreditMemo{Claim: d.reference, Number: number, At: l.now, Currency: p.currency, Amount: p.spells(amount)}
	l.happened("claim credited")
	l.sendPaper(d.book, wire.TypeCreditMemo, memo)
	if !l.quiet && l.chance(15) {
		l.happened("claim's credit told twice")
		l.sendPaper(d.book, wire.TypeCreditMemo, memo)
	}
}

// debtsFinish lets a supplier that owes do so, late, or in part, or never.
func (l *life) debtsFinish() bool {
	for _, reference := range slices.Sorted(maps.Keys(l.dues)) {
		d := l.dues[reference]
		if d.never || d.letters < 2 && l.chance(70) && len(d.credits) == 0 {
			continue // it waits for a reminder, or for more
		}
		d.never = true
		switch l.pick(4) {
		case 0:
			l.happened("claim never paid")
			continue
		case 1:
			l.answersClaim(d, "rejected")
		case 2:
			l.creditsClaim(d, 60)
		case 3:
			l.creditsClaim(d, 100)
		}
		return true
	}
	return false
}

// settlesClaim is a person's decision about a claim: at any moment, and once a person is asked, of all that
// is open. It says whether one was made.
func (l *life) settlesClaim() bool {
	for _, f := range l.flows {
		if f.kind != workflows.ClaimWorkflow {
			continue
		}
		if f.running() {
			s := f.run.claimState(l)
			if s == nil || s.Carrier || s.Open == 0 || l.quiet && !s.Escalated {
				continue
			}
			amount := s.Open
			if !l.quiet {
				amount = 1 + int64(l.pick(int(amount)))
			}
			l.settle(s.Reference, money.Money{Minor: amount, Currency: s.Currency})
			return true
		}
		switch reference, onCarrier := l.openClaim(f.id); {
		case reference == "":
			continue
		case onCarrier:
			l.decideHaul(reference, "conceded", 0)
		default:
			l.settle(reference, money.Money{})
		}
		l.happened("claim awakened")
		return true
	}
	return false
}

// openClaim is the reference of a claim of which something is open, by its workflow; empty: nothing is.
func (l *life) openClaim(workflow string) (reference string, onCarrier bool) {
	err := l.world.admin.QueryRow(l.ctx, `SELECT coalesce(min(reference), ''), coalesce(bool_or(carrier IS NOT NULL), false)
		FROM pursuits p WHERE 'claim/' || id = $1 AND deliver_at IS NULL
			AND EXISTS (SELECT FROM claims c WHERE c.pursuit = p.id AND c.closed_at IS NULL)`, workflow).Scan(&reference, &onCarrier)
	if err != nil {
		l.fail("look for an open claim: %v", err)
	}
	return reference, onCarrier
}

// settle settles a part of a claim; no amount: all that is open.
func (l *life) settle(reference string, part money.Money) {
	l.requests++
	outcome := oneOf(l, []string{"credited", "paid", "conceded", "written_off"})
	body := map[string]any{"request_id": fmt.Sprintf("c%d", l.requests), "outcome": outcome, "reason": "agreed"}
	if part.Minor > 0 {
		text, err := money.Format(part.Minor, part.Currency)
		if err != nil {
			panic(err)
		}
		body["amount"] = text
	}
	l.requestAt("/v1/claims/"+reference+"/settle", "operator-", "settle", body, func(status int, _ string) {
		if status == 200 {
			l.happened("claim settled: " + outcome)
		} else {
			l.happened("settlement of a claim not taken")
		}
	})
}

// checkDebts: what suppliers say that they have credited for claims is what we have.
func (l *life) checkDebts() {
	for _, reference := range slices.Sorted(maps.Keys(l.dues)) {
		d := l.dues[reference]
		var theirs, ours int64
		for _, amount := range d.credits {
			theirs += amount
		}
		err := l.world.admin.QueryRow(l.ctx, `SELECT coalesce(sum(minor), 0)::bigint FROM claim_credits c JOIN pursuits p ON p.id = c.pursuit
			WHERE p.reference = $1 AND c.corrects = '' AND starts_with(c.number, 'CC-')`, reference).Scan(&ours)
		if err != nil {
			l.fail("read the credits of claim %s: %v", reference, err)
		}
		if theirs != ours {
			l.fail("%s has credited %d for claim %s, we have credits of %d", d.book.party.id, theirs, reference, ours)
		}
	}
	if !l.pursued {
		return
	}
	var open int
	err := l.world.admin.QueryRow(l.ctx, `SELECT count(*) FROM pursuits p WHERE order_key = ANY ($1) AND (closed_at IS NULL OR stage <> 'settled'
		OR needs_attention OR EXISTS (SELECT FROM claims c WHERE c.pursuit = p.id AND c.closed_at IS NULL))`, l.keys()).Scan(&open)
	if err != nil {
		l.fail("look for open claims: %v", err)
	}
	if open > 0 {
		l.fail("all is over, and %d claims are not settled", open)
	}
}
