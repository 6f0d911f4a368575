package paymentsim

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/money"
)

// Payment is one payment as it stands in the provider's books. Amounts are minor units of ISO 4217
// currencies that the provider counts the same; it takes no others.
type Payment struct {
	Reference  string
	Method     string
	Status     string // requires_capture, succeeded, canceled, requires_payment_method
	Currency   string
	Authorised int64
	Captured   int64
	Refunded   int64
	ExpiresAt  time.Time
}

type pay struct {
	Payment
	charge string
	reason string // of its cancellation
}

// Checkout is a payment that a customer made in the shop, before Dropline hears of the order.
type Checkout struct {
	Method   string // zero: pm_good
	Amount   int64
	Currency string
	Captured bool // at once; else it is held
}

// Pay enters a customer's payment, and answers with its reference.
func (s *Server) Pay(c Checkout) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.announce()
	if c.Method == "" {
		c.Method = "pm_good"
	}
	p := s.hold(c.Method, c.Amount, c.Currency)
	if c.Captured {
		s.take(p, c.Amount)
	}
	return p.Reference
}

func (s *Server) hold(method string, amount int64, currency string) *pay {
	p := &pay{Payment: Payment{
		Reference: s.nextID("pi"), Method: method, Status: "requires_capture", Currency: currency, Authorised: amount,
		ExpiresAt: s.now().Add(s.config.HoldFor),
	}}
	p.charge = s.nextID("ch")
	s.payments[p.Reference] = p
	s.order = append(s.order, p.Reference)
	return p
}

// take books the whole authorisation and then what was not captured of it, as Stripe does.
func (s *Server) take(p *pay, amount int64) {
	p.Status, p.Captured = "succeeded", amount
	kept, err := money.BasisPoints(amount, s.config.FeeBP)
	if err != nil {
		panic(err)
	}
	s.book(Transaction{Kind: "charge", Payment: p.Reference, Reference: p.charge, Currency: p.Currency, Amount: p.Authorised, Fee: kept + s.config.FeeFixed})
	if amount < p.Authorised {
		s.book(Transaction{Kind: "partial_capture_reversal", Payment: p.Reference, Reference: p.charge, Currency: p.Currency, Amount: amount - p.Authorised})
	}
	s.tell("payment_intent.succeeded", s.paymentObject(p, false), nil)
}

func (s *Server) authorise(r request) (any, *refusal) {
	amount, err := strconv.ParseInt(r.form.Get("amount"), 10, 64)
	currency := strings.ToUpper(r.form.Get("currency"))
	if _, unknown := money.Digits(currency); err != nil || amount <= 0 || unknown != nil {
		return nil, invalid("parameter_invalid_integer")
	}
	if r.form.Get("capture_method") != "manual" || r.form.Get("confirm") != "true" || r.form.Get("payment_method") == "" {
		return nil, invalid("parameter_missing")
	}
	p := s.hold(r.form.Get("payment_method"), amount, currency)
	if code := s.manners[p.Method].Decline; code != "" {
		p.Status = "requires_payment_method"
		object := s.paymentObject(p, false)
		s.tell("payment_intent.payment_failed", object, nil)
		return nil, &refusal{http.StatusPaymentRequired, "card_error", "card_declined", code, object}
	}
	s.tell("payment_intent.amount_capturable_updated", s.paymentObject(p, false), nil)
	return s.paymentObject(p, true), nil
}

func (s *Server) capture(r request) (any, *refusal) {
	p, found := s.payments[r.id]
	if !found {
		return nil, notFound
	}
	s.lapse(p)
	amount := p.Authorised
	if text := r.form.Get("amount_to_capture"); text != "" {
		asked, err := strconv.ParseInt(text, 10, 64)
		if err != nil || asked <= 0 {
			return nil, invalid("parameter_invalid_integer")
		}
		amount = asked
	}
	switch {
	case p.Status == "canceled" && p.reason == "automatic":
		return nil, invalid("charge_expired_for_capture")
	case p.Status != "requires_capture":
		return nil, invalid("payment_intent_unexpected_state")
	case amount > p.Authorised:
		return nil, invalid("amount_too_large")
	}
	if code := s.manners[p.Method].DeclineCapture; code != "" {
		return nil, &refusal{status: http.StatusPaymentRequired, kind: "card_error", code: "card_declined", decline: code}
	}
	s.take(p, amount)
	return s.paymentObject(p, true), nil
}

func (s *Server) void(r request) (any, *refusal) {
	p, found := s.payments[r.id]
	if !found {
		return nil, notFound
	}
	s.lapse(p)
	if p.Status == "succeeded" || p.Status == "canceled" {
		return nil, invalid("payment_intent_unexpected_state")
	}
	s.release(p, "requested_by_customer")
	return s.paymentObject(p, true), nil
}

func (s *Server) release(p *pay, reason string) {
	p.Status, p.reason = "canceled", reason
	s.tell("payment_intent.canceled", s.paymentObject(p, false), nil)
}

// lapse ends a hold whose time is over.
func (s *Server) lapse(p *pay) {
	if p.Status == "requires_capture" && !s.now().Before(p.ExpiresAt) {
		s.release(p, "automatic")
	}
}

// Expire ends a hold now, as the bank does after its time. False when there is none.
func (s *Server) Expire(payment string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.announce()
	p, found := s.payments[payment]
	if !found || p.Status != "requires_capture" {
		return false
	}
	p.ExpiresAt = s.now()
	s.release(p, "automatic")
	return true
}

func (s *Server) showPayment(r request) (any, *refusal) {
	p, found := s.payments[r.id]
	if !found {
		return nil, notFound
	}
	s.lapse(p)
	return s.paymentObject(p, true), nil
}

// paymentObject is the payment as the provider writes it, with its charge whole or as an id.
func (s *Server) paymentObject(p *pay, whole bool) map[string]any {
	var latest any = p.charge
	if whole {
		latest = s.chargeObject(p)
	}
	capturable := int64(0)
	if p.Status == "requires_capture" {
		capturable = p.Authorised
	}
	return map[string]any{
		"id": p.Reference, "object": "payment_intent", "status": p.Status, "currency": strings.ToLower(p.Currency),
		"amount": p.Authorised, "amount_capturable": capturable, "amount_received": p.Captured, "capture_method": "manual",
		"payment_method": p.Method, "latest_charge": latest, "cancellation_reason": p.reason,
	}
}

func (s *Server) chargeObject(p *pay) map[string]any {
	return map[string]any{
		"id": p.charge, "object": "charge", "payment_intent": p.Reference, "currency": strings.ToLower(p.Currency),
		"amount": p.Authorised, "amount_captured": p.Captured, "amount_refunded": p.Refunded, "captured": p.Status == "succeeded",
		"payment_method_details": map[string]any{"type": "card", "card": map[string]any{"capture_before": p.ExpiresAt.Unix()}},
	}
}
