package simulation

import (
	"fmt"
	"strings"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/workflows"
)

// purchase is one order of a life: what the customer bought, or what replaces goods of it that came back.
type purchase struct {
	key        order.Key
	rma        string // of the return that it was placed for; empty: it is what the customer bought first
	order      *flow
	basket     basket
	placed     bool
	later      laterPay
	moved      bool // somebody may have sent it elsewhere
	lastState  *order.State
	lastCancel map[string]any
	lastReturn map[string]any
	dearer     map[string]any // a return that was refused because something is to be paid in addition; nil: none was
}

// first is what the customer bought.
func (l *life) first() *purchase { return l.purchases[0] }

// about makes the life about one of its purchases, until what it returns is called.
func (l *life) about(p *purchase) (back func()) {
	before := l.purchase
	l.purchase = p
	return func() { l.purchase = before }
}

// some picks one of the purchases. A life that has one spends no choice on it.
func (l *life) some() *purchase {
	if len(l.purchases) == 1 {
		return l.first()
	}
	return oneOf(l, l.purchases)
}

// holder picks one of the purchases of which the customer has something; nil: there is none.
func (l *life) holder() *purchase {
	var list []*purchase
	for _, p := range l.purchases {
		if len(l.holds(p)) > 0 {
			list = append(list, p)
		}
	}
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return oneOf(l, list)
}

// keys are those of the purchases, and the one that the next of them would have.
func (l *life) keys() []string {
	list := l.orders()
	if l.exchanges() {
		list = append(list, fmt.Sprintf("%s-X%d", l.first().key, len(l.purchases)))
	}
	return list
}

// orders are the keys of the purchases.
func (l *life) orders() []string {
	var list []string
	for _, p := range l.purchases {
		list = append(list, p.key.String())
	}
	return list
}

// newFlow is the workflow of an id, if it has to do with the purchase.
func (p *purchase) newFlow(id string) *flow {
	if _, rma, is := strings.Cut(id, "return/"+p.key.String()+"/"); is {
		return &flow{id: id, kind: workflows.ReturnWorkflow, rma: rma}
	}
	switch {
	case id == p.key.WorkflowID():
		return p.order
	case id == payments.WorkflowID(p.key):
		return &flow{id: id, kind: workflows.PaymentWorkflow}
	case strings.HasPrefix(id, claims.WorkflowID(p.key.String()+"/")):
		return &flow{id: id, kind: workflows.ClaimWorkflow}
	}
	return nil
}

// of finds the purchase that a purchase order is for. What several orders have come to together is none's.
func (l *life) of(number string) *purchase {
	if l.joint {
		return l.first()
	}
	for _, p := range l.purchases {
		if one := p.key.PurchaseOrderNumber(1); strings.HasPrefix(number, one[:len(one)-1]) {
			return p
		}
	}
	l.fail("purchase order %s is of no order that anybody knows", number)
	return nil
}

// ordersBusy: some order's workflow had a step under way when it was last asked.
func (l *life) ordersBusy() bool {
	for _, p := range l.purchases {
		if p.lastState != nil && len(p.lastState.Busy) > 0 {
			return true
		}
	}
	return false
}

// ordersRest: some order is being loaded, or has a step under way, which may rest.
func (l *life) ordersRest() bool {
	for _, p := range l.purchases {
		if s := p.state(l); s != nil && (len(s.Busy) > 0 || !s.Validated) {
			return true
		}
	}
	return false
}
