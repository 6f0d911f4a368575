package activities

import (
	"strconv"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/order"
)

// fixOverpaid fixes what the customer has paid beyond what is due as a part of its own, which is for no units. It is
// worked out anew from what was paid and given back, so that a second run finds nothing more. A number that finds
// nothing, as the one before it has given back a payment that came just then, is made all the same: the order counts it.
func (r *refund) fixOverpaid(w ledgerbook.Queue, number int) error {
	over := r.dues.Over()
	if over == 0 && number > 1 {
		return nil
	}
	part := &refundPart{
		key: r.partKey(number), n: r.in.N, lines: []order.ShippedLine{}, amount: over, reason: string(ledger.RefundOverpaid),
	}
	if err := r.chooseRoute(part); err != nil {
		return err
	}
	if err := r.insert(w, part, number); err != nil {
		return err
	}
	r.parts = append(r.parts, *part)
	r.open = part
	return nil
}

// partKey names a part of a refund number.
func (r *refund) partKey(number int) string {
	key := "refund/" + r.in.Key.String() + "/" + strconv.Itoa(r.in.N)
	if number > 1 {
		key += "." + strconv.Itoa(number)
	}
	return key
}
