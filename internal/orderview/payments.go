package orderview

import (
	"time"

	"github.com/dropline/dropline/internal/paymentdesk"
	"github.com/dropline/dropline/internal/payments"
)

// Payment is an order's money at its payment provider. Amounts are decimal text in Currency.
type Payment struct {
	Order          string          `json:"order" example:"shop/1001"`
	Reference      string          `json:"reference" doc:"The payment's id at the provider." example:"pi_3MtwBwLkdIwHu7ix28a3tqPa"`
	Stage          string          `json:"stage" doc:"authorised, payment_due, refund_due, disputed, payment_done, payment_void, …; taken: nothing is open." example:"authorised"`
	NeedsAttention bool            `json:"needs_attention" doc:"A person has to decide something."`
	Attention      []Attention     `json:"attention" doc:"What waits for a person."`
	Currency       string          `json:"currency" example:"USD"`
	Authorised     string          `json:"authorised" doc:"What the customer's bank held when the order was placed." example:"29.90"`
	ExpiresAt      time.Time       `json:"expires_at,omitzero" doc:"When the authorisation ends by itself."`
	Released       string          `json:"released" doc:"What was cancelled before the capture, and is not taken." example:"0.00"`
	Captured       string          `json:"captured" example:"29.90"`
	Due            string          `json:"due" doc:"What is still to be taken, or to be paid by other means." example:"0.00"`
	Refunds        []PaymentRefund `json:"refunds" doc:"Refunds that did not go through at once."`
	Disputes       []Dispute       `json:"disputes" doc:"Chargebacks."`
	ClosedAt       time.Time       `json:"closed_at,omitzero"`
	WaitsFor       []Wait          `json:"waits_for" doc:"What has to happen next, and until when."`
	Story          []Event         `json:"story"`
}

// PaymentRefund is a refund that needed a next step.
type PaymentRefund struct {
	Key      string `json:"key" doc:"Names it in decisions, with refund/ before it." example:"refund/shop/1001/1"`
	Amount   string `json:"amount" example:"10.80"`
	Standing string `json:"standing" doc:"pending, held, failed, again, done, elsewhere or set_off." example:"failed"`
	Reason   string `json:"reason,omitempty" doc:"The provider's code." example:"expired_or_canceled_card"`
}

// Dispute is a chargeback.
type Dispute struct {
	Reference  string    `json:"reference" example:"dp_1MtJUT2eZvKYlo2CNaw2HvEv"`
	Amount     string    `json:"amount" example:"29.90"`
	Fee        string    `json:"fee" example:"15.00"`
	Reason     string    `json:"reason,omitempty" example:"product_not_received"`
	Standing   string    `json:"standing" doc:"open, answered, won or lost." example:"open"`
	OpenedAt   time.Time `json:"opened_at"`
	EvidenceBy time.Time `json:"evidence_by,omitzero" doc:"When the bank stops reading our evidence."`
}

// ViewPayment shows a payment as it stands.
func ViewPayment(p *paymentdesk.Standing) Payment {
	s := &p.State
	sum := func(minor int64) string { return amount(minor, s.Currency) }
	v := Payment{
		Order: s.Key.String(), Reference: s.Reference, Stage: string(s.Stage()), NeedsAttention: len(s.Attention) > 0, Attention: []Attention{},
		Currency: s.Currency, Authorised: sum(s.Authorised), ExpiresAt: s.ExpiresAt, Released: sum(s.Released), Captured: sum(p.Captured),
		Due: sum(s.Due()), Refunds: []PaymentRefund{}, Disputes: []Dispute{}, ClosedAt: p.ClosedAt.UTC(), WaitsFor: []Wait{}, Story: []Event{},
	}
	if p.Row == paymentdesk.StandingCaptured && s.Stage() == payments.StageSettling {
		v.Stage = "taken"
	}
	if p.ClosedAt.IsZero() {
		v.ClosedAt = time.Time{}
		for _, d := range s.Deadlines() {
			v.WaitsFor = append(v.WaitsFor, Wait{For: d.Text, Until: d.At})
		}
	}
	for _, a := range s.Attention {
		v.Attention = append(v.Attention, Attention{Text: oneLine(a.Text), Since: a.Since})
	}
	for i := range s.Refunds {
		r := &s.Refunds[i]
		v.Refunds = append(v.Refunds, PaymentRefund{Key: r.Key, Amount: sum(r.Amount), Standing: string(r.Standing), Reason: r.Reason})
	}
	for i := range s.Disputes {
		d := &s.Disputes[i]
		v.Disputes = append(v.Disputes, Dispute{
			Reference: d.Reference, Amount: sum(d.Amount), Fee: sum(d.Fee), Reason: d.Reason, Standing: d.Standing(), OpenedAt: d.OpenedAt, EvidenceBy: d.EvidenceBy,
		})
	}
	for _, e := range s.Journal {
		v.Story = append(v.Story, Event{At: e.At, Kind: "story", Text: oneLine(e.Text)})
	}
	return v
}
