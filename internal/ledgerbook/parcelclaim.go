package ledgerbook

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/ledger"
)

// ParcelClaim is what a carrier answers for of one matter: a parcel that it lost, or goods that it damaged. Minor
// is all of it, in minor units; it becomes 0 when the parcel came all the same.
type ParcelClaim struct {
	Matter                   string
	Kind                     ledger.ClaimKind
	Carrier, Currency, Owner string
	Minor                    int64
	Due                      time.Time
}

// LostMatter names the claim for a shipment of a purchase order that a carrier lost. Its #, which tells two
// parcels of one number apart, would be taken for the number of a claim's part.
func LostMatter(po, shipment string) string {
	return "lost/" + po + "/" + strings.ReplaceAll(shipment, "#", ":")
}

// DamageMatter names the claim for goods of a return that a carrier damaged on their way to the customer, and
// LostReturnMatter that for a return parcel which it lost.
func DamageMatter(po, rma string) string { return "damage/" + po + "/" + rma }

// LostReturnMatter is described at DamageMatter.
func LostReturnMatter(po, rma string) string { return "lost-return/" + po + "/" + rma }

// purchaseOrderIn is the purchase order in a matter's name.
func purchaseOrderIn(matter string) string {
	_, rest, _ := strings.Cut(matter, "/")
	number, _, _ := strings.Cut(rest, "/")
	return number
}

// foundClosure begins the keys by which claims are withdrawn.
const foundClosure = "found:"

// resolvedWithdrawn: the parcel came all the same.
const resolvedWithdrawn = string(ledger.ClaimWithdrawn)

func (c *claimRow) onCarrier() bool { return c.Account == ledger.CarrierClaims(c.Account.Partner()) }

// FollowParcel brings the book up to what a carrier answers for. More than was claimed so far is claimed; less is
// withdrawn, as far as it is open. What the carrier has paid by then is for a person to answer: it stands as found
// with the matter's pursuit. Running it again changes nothing.
func (b *Book) FollowParcel(c ParcelClaim) error {
	so := b.claimedOf(c.Matter)
	if so.account != "" {
		c.Carrier = so.account.Partner() // whatever the catalogue names by now
	}
	var err error
	switch more := c.Minor - so.asked; {
	case more > 0:
		err = b.claimParcel(c, more)
	case more < 0:
		err = b.withdraw(c.Matter, so, -more)
	}
	if err != nil {
		return fmt.Errorf("follow claim %s of order %s: %w", c.Matter, b.order, err)
	}
	so = b.claimedOf(c.Matter)
	if so.paid > 0 {
		if b.found == nil {
			b.found = map[string]int64{}
		}
		b.found[c.Matter] = min(max(so.asked-c.Minor, 0), so.paid)
	}
	return nil
}

// Claimed reports whether anything was ever claimed of a carrier under a matter.
func (b *Book) Claimed(matter string) bool { return b.claimedOf(matter).account != "" }

// DamageClaimed is what carriers were asked for damage to goods of some returns of a purchase order and have not been
// let off, in minor units.
func (b *Book) DamageClaimed(po string, rmas []string) (sum int64) {
	for _, rma := range rmas {
		sum += b.claimedOf(DamageMatter(po, rma)).asked
	}
	return sum
}

func (b *Book) claimParcel(c ParcelClaim, minor int64) error {
	_, key := b.openRow(c.Matter)
	claim := ledger.Claim{
		Key: key, Kind: c.Kind, Account: ledger.CarrierClaims(c.Carrier), Currency: c.Currency, Minor: minor, Owner: c.Owner, Due: c.Due.UTC(),
	}
	posting, err := ledger.ClaimOpened(claim)
	if err == nil {
		err = b.Post(posting)
	}
	if err != nil {
		return err
	}
	return b.OpenClaimIn(c.Matter, claim)
}

// withdraw ends as much as is open of what is not owed.
func (b *Book) withdraw(matter string, so claimedSoFar, minor int64) error {
	rest := min(minor, b.openOf(matter))
	for i := 0; i < len(b.claims) && rest > 0; i++ {
		row := b.claims[i]
		if row.matter != matter || !row.open {
			continue
		}
		part := min(rest, row.Minor)
		closure := fmt.Sprintf("%s%d", foundClosure, so.withdrawn)
		if err := b.closePart(row, closure, ledger.ClaimWithdrawn, part, resolvedWithdrawn); err != nil {
			return err
		}
		rest -= part
		so.withdrawn += part
	}
	return nil
}

// claimedSoFar is what the postings of a matter say, in minor units: asked is what was claimed and not withdrawn,
// paid what came for it and did not go back.
type claimedSoFar struct {
	account                ledger.Account
	asked, withdrawn, paid int64
}

func (b *Book) claimedOf(matter string) (so claimedSoFar) {
	for i := range b.claims {
		row := &b.claims[i]
		if row.matter != matter || !row.onCarrier() {
			continue
		}
		so.account = row.Account
		for _, t := range b.transactions {
			opened, closing := t.Key == "claim_opened|"+row.Key, strings.HasPrefix(t.Key, "claim_closed|"+row.Key+"|")
			if !opened && !closing {
				continue
			}
			found := strings.HasPrefix(t.Key, "claim_closed|"+row.Key+"|"+foundClosure)
			for _, e := range t.Entries {
				switch {
				case e.Account == row.Account && (opened || found):
					so.asked += e.Minor
				case e.Account == ledger.Bank:
					so.paid += e.Minor
				}
				if e.Account == row.Account && found {
					so.withdrawn -= e.Minor
				}
			}
		}
	}
	return so
}

// ErrNothingFound: nothing was paid for a parcel that came all the same.
var ErrNothingFound = errors.New("nothing was paid for a parcel that came all the same")

// AnswerFound posts a person's decision about money that a carrier paid for a parcel that came all the same, and
// lets the matter's pursuit know.
func (b *Book) AnswerFound(matter, closure string, outcome ledger.ClaimOutcome, minor int64) error {
	for i := range b.claims {
		row := &b.claims[i]
		if row.matter != matter || !row.onCarrier() {
			continue
		}
		b.answered = append(b.answered, b.pursuit(row))
		if outcome == ledger.ClaimKept {
			return nil
		}
		posting, err := ledger.ClaimRepayment(closure, matter, row.Currency, minor)
		if err != nil {
			return fmt.Errorf("answer claim %s of order %s: %w", matter, b.order, err)
		}
		return b.Post(posting)
	}
	return fmt.Errorf("answer claim %s of order %s: %w", matter, b.order, ErrNothingFound)
}

// writeFound records what was paid for parcels that came all the same. A pursuit that was over goes on: a person
// has to answer.
func (b *Book) writeFound(q Queue) {
	if len(b.answered) > 0 {
		q.Queue(`UPDATE pursuits SET fact_seq = fact_seq + 1, deliver_at = least(deliver_at, now()) WHERE id = ANY ($1)`, b.answered)
	}
	if len(b.found) == 0 {
		return
	}
	var ids []string
	var found []int64
	for i := range b.claims {
		if minor, paid := b.found[b.claims[i].matter]; paid {
			ids, found = append(ids, b.pursuit(&b.claims[i])), append(found, minor)
		}
	}
	q.Queue(`UPDATE pursuits p SET found = n.found, fact_seq = p.fact_seq + 1, deliver_at = least(p.deliver_at, now()),
			closed_at = CASE WHEN n.found <= p.found THEN p.closed_at END
		FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::bigint[]) AS u (id, found)) n WHERE p.id = n.id AND p.found <> n.found`, ids, found)
}
