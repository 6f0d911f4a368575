package simulation

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/workflows"
)

// haulClaim is a claim in the books of the carrier that it is on. Amounts are minor units.
type haulClaim struct {
	reference string
	asked     int64
	letters   int
	withdrawn bool
	never     bool // it pays nothing any more
	paid      int64
	back      int64 // of that: what we have paid back
	keeps     bool  // we may keep what it has paid for a parcel that came
	transfers []*haulTransfer
}

// haulTransfer is money on its way between the carrier and us, that a person notes with its claim until that is
// answered: "paid" by the carrier, or "repaid" to it.
type haulTransfer struct {
	request, outcome string
	amount           int64
	noted            bool
}

// hearsFromUs is a letter about a claim on the carrier.
func (l *life) hearsFromUs(id string, about outbox.Message) bool {
	said, is := about.Payload.(outbox.Payload)
	if !is || id != seller || said.Claim == "" || said.Amount <= 0 {
		l.fail("carrier %s is written to about %v", id, about.Payload)
	}
	c := l.haulClaims[said.Claim]
	if c == nil {
		if about.Kind != outbox.KindClaimAsked && about.Kind != outbox.KindClaimChased {
			l.fail("the carrier is told %s of claim %s, of which it has never heard", about.Kind, said.Claim)
		}
		c = &haulClaim{reference: said.Claim, asked: said.Amount, keeps: l.chance(30)}
		l.haulClaims[c.reference] = c
	}
	c.letters++
	c.withdrawn = c.withdrawn || about.Kind == outbox.KindClaimWithdrawn
	l.happened("carrier's letter: " + about.Kind)
	l.note("the carrier is told %s of claim %s: %s", about.Kind, said.Claim, money.Money{Minor: said.Amount, Currency: l.world.currency})
	return true
}

// haulsAct lets something happen about labels or claims on the carrier.
func (l *life) haulsAct() {
	switch l.pick(10) {
	case 0, 1:
		l.poll()
	case 2, 3:
		l.finds(40)
	case 4, 5:
		if c := l.someHaulClaim(); c != nil && !c.never {
			l.carrierPays(c, oneOf(l, []int64{100, 100, 50, 120}))
		}
	case 6, 7:
		l.takesLabelBack()
	default:
		l.settlesHaul()
	}
}

func (l *life) someHaulClaim() *haulClaim {
	list := slices.Sorted(maps.Keys(l.haulClaims))
	if len(list) == 0 {
		return nil
	}
	return l.haulClaims[oneOf(l, list)]
}

// takesLabelBack: a customer who has a bought label sends nothing after all.
func (l *life) takesLabelBack() {
	for _, c := range l.sortedBacks() {
		if buysLabels(c.book.party.id) && c.label != "" && c.box == nil && !c.never {
			l.cancelsReturn(c)
			return
		}
	}
}

// finds: the carrier delivers what it had lost, with so many percent, and thinks of it once.
func (l *life) finds(percent int) bool {
	found := func(x *box) bool {
		if x == nil || x.sought || x.tracking == "" || !x.scanned("in_transit") || x.scanned("delivered") || !x.lost() {
			return false
		}
		x.sought = true
		if !l.chance(percent) {
			return false
		}
		l.scan(x, "delivered")
		return true
	}
	for _, b := range l.sortedBooks() {
		if slices.ContainsFunc(b.boxes, found) {
			l.happened("lost parcel found")
			return true
		}
	}
	for _, c := range l.sortedBacks() {
		if found(c.box) {
			l.happened("lost return found")
			return true
		}
	}
	return false
}

// lost: the carrier has said that it has lost it.
func (x *box) lost() bool {
	return slices.ContainsFunc(x.scans, func(s scan) bool { return s.StatusDetail == "lost" })
}

// carrierPays so many percent of what was asked for first, whatever it has paid before.
func (l *life) carrierPays(c *haulClaim, percent int64) {
	amount := c.asked * percent / 100
	if amount <= 0 {
		return
	}
	c.paid += amount
	l.transfers(c, "paid", amount)
	l.happened("carrier pays a claim")
	l.note("the carrier pays %s for claim %s", money.Money{Minor: amount, Currency: l.world.currency}, c.reference)
}

func (l *life) transfers(c *haulClaim, outcome string, amount int64) {
	l.requests++
	c.transfers = append(c.transfers, &haulTransfer{request: fmt.Sprintf("h%d", l.requests), outcome: outcome, amount: amount})
}

// haulsFinish lets the carrier, or a person who has to do with it, do the next thing that they owe.
func (l *life) haulsFinish() bool {
	if len(l.haulClaims) > 0 && l.chance(15) && l.finds(60) { // later than it was claimed
		return true
	}
	for _, reference := range slices.Sorted(maps.Keys(l.haulClaims)) {
		c := l.haulClaims[reference]
		if c.never || c.letters < 2 && l.chance(70) {
			continue
		}
		c.never = true
		if percent := oneOf(l, []int64{0, 60, 100}); percent > 0 && !c.withdrawn && c.paid == 0 {
			l.carrierPays(c, percent)
			return true
		}
		l.happened("carrier pays no more")
	}
	return false
}

// settlesHaul is a person's decision about a claim on the carrier: of money that has come, or once a person is
// asked. It says whether one was made.
func (l *life) settlesHaul() bool {
	for _, f := range l.flows {
		if f.kind != workflows.ClaimWorkflow || !f.running() {
			continue
		}
		if s := f.run.claimState(l); s != nil && s.Carrier && l.settlesOne(s) {
			return true
		}
	}
	return l.notesTransfer("")
}

func (l *life) settlesOne(s *claims.State) bool {
	c := l.haulClaims[s.Reference]
	if c != nil && l.notesTransfer(s.Reference) {
		return true
	}
	switch {
	case s.Found > 0:
		return l.answersFound(s, c)
	case s.Open == 0 || l.quiet && !s.Escalated:
		return false
	case !l.quiet && l.chance(20): // no invoice of a carrier waits to be set off
		l.decideHaul(s.Reference, "credited", 0)
	case l.quiet:
		l.decideHaul(s.Reference, oneOf(l, []string{"conceded", "written_off"}), 0)
	case l.chance(30):
		l.decideHaul(s.Reference, oneOf(l, []string{"conceded", "written_off"}), 1+int64(l.pick(int(s.Open))))
	}
	return true
}

// answersFound is a person's answer to money that was paid for a parcel that came all the same.
func (l *life) answersFound(s *claims.State, c *haulClaim) bool {
	if c == nil || c.paid == c.back {
		l.fail("%d was paid for what came, says claim %s; the carrier has paid nothing", s.Found, s.Reference)
	}
	amount := s.Found
	if !l.quiet {
		amount = 1 + int64(l.pick(int(amount)))
	}
	if c.keeps {
		l.decideHaul(s.Reference, "kept", amount)
		return true
	}
	l.transfers(c, "repaid", amount)
	return l.notesTransfer(s.Reference)
}

// notesTransfer notes money with its claim, or with any when none is named. What the carrier has paid beyond it is
// sent back.
func (l *life) notesTransfer(reference string) bool {
	for _, name := range slices.Sorted(maps.Keys(l.haulClaims)) {
		c := l.haulClaims[name]
		for _, t := range c.transfers {
			if t.noted || reference != "" && reference != name {
				continue
			}
			l.settleHaul(name, t.request, t.outcome, t.amount, func(status int) { l.noted(c, t, status) })
			return true
		}
	}
	return false
}

// toNote: money of the carrier is not noted yet.
func (l *life) toNote() bool {
	for _, c := range l.haulClaims {
		if slices.ContainsFunc(c.transfers, func(t *haulTransfer) bool { return !t.noted }) {
			return true
		}
	}
	return false
}

// noted takes the answer to a note; without a clear one it is made again.
func (l *life) noted(c *haulClaim, t *haulTransfer, status int) {
	if t.noted || status != http.StatusOK && status != http.StatusConflict {
		return
	}
	t.noted = true
	switch {
	case status == http.StatusOK && t.outcome == "repaid":
		c.back += t.amount
	case status == http.StatusConflict && t.outcome == "paid":
		c.paid -= t.amount
		l.happened("carrier's payment sent back")
	}
}

func (l *life) decideHaul(reference, outcome string, amount int64) {
	l.requests++
	l.settleHaul(reference, fmt.Sprintf("h%d", l.requests), outcome, amount, func(int) {})
}

// settleHaul settles a part of a claim on the carrier; amount 0: all that is open.
func (l *life) settleHaul(reference, request, outcome string, amount int64, then func(status int)) {
	body := map[string]any{"request_id": request, "outcome": outcome, "reason": "agreed"}
	if amount > 0 {
		body["amount"] = l.amount(amount)
	}
	l.requestAt("/v1/claims/"+reference+"/settle", "operator-", "settle", body, func(status int, _ string) {
		if status == http.StatusOK {
			l.happened("carrier's claim settled: " + outcome)
		} else {
			l.happened("settlement of a carrier's claim not taken")
		}
		then(status)
	})
}
