package stripe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/payment"
)

// intent is a payment intent. Its charge comes as an id unless it was asked for whole.
type intent struct {
	ID             string `json:"id"`
	Status         string `json:"status"`
	Amount         int64  `json:"amount"`
	AmountReceived int64  `json:"amount_received"`
	Currency       string `json:"currency"`
	LatestCharge   charge `json:"latest_charge"`
}

type charge struct {
	ID                   string `json:"id"`
	Amount               int64  `json:"amount"`
	AmountCaptured       int64  `json:"amount_captured"`
	AmountRefunded       int64  `json:"amount_refunded"`
	Currency             string `json:"currency"`
	PaymentIntent        ref    `json:"payment_intent"`
	PaymentMethodDetails struct {
		Card struct {
			CaptureBefore int64 `json:"capture_before"`
		} `json:"card"`
	} `json:"payment_method_details"`
}

// UnmarshalJSON reads the object, or its bare id.
func (c *charge) UnmarshalJSON(data []byte) error {
	if !bytes.HasPrefix(data, []byte("{")) {
		return json.Unmarshal(data, &c.ID)
	}
	type whole charge
	return json.Unmarshal(data, (*whole)(c))
}

// ref is the id of an object that comes as its id or whole.
type ref string

// UnmarshalJSON reads either.
func (r *ref) UnmarshalJSON(data []byte) error {
	if !bytes.HasPrefix(data, []byte("{")) {
		return json.Unmarshal(data, (*string)(r))
	}
	var object struct {
		ID string `json:"id"`
	}
	err := json.Unmarshal(data, &object)
	*r = ref(object.ID)
	return err
}

var errIntent = errors.New("not a payment intent that could be read")

// standings are the intent's words for a status. One that waits for the customer to do something
// is of no use to us: nobody sits before it any more.
var standings = map[string]payment.Status{
	"requires_capture":        payment.Authorised,
	"succeeded":               payment.Captured,
	"canceled":                payment.Voided,
	"requires_payment_method": payment.Declined,
	"requires_confirmation":   payment.Declined,
	"requires_action":         payment.Declined,
}

func (i *intent) payment() (p payment.Payment, err error) {
	status, known := standings[i.Status]
	if !known || !idForm.MatchString(i.ID) {
		return p, errIntent
	}
	p = payment.Payment{Reference: i.ID, Status: status}
	if p.Authorised, p.Currency, err = fromTheirs(i.Amount, i.Currency); err != nil {
		return p, err
	}
	if p.Captured, _, err = fromTheirs(i.AmountReceived, i.Currency); err != nil {
		return p, err
	}
	if p.Refunded, _, err = fromTheirs(i.LatestCharge.AmountRefunded, i.Currency); err != nil {
		return p, err
	}
	if min(p.Authorised, p.Captured, p.Refunded) < 0 {
		return p, errIntent
	}
	if until := i.LatestCharge.PaymentMethodDetails.Card.CaptureBefore; status == payment.Authorised && until > 0 {
		p.ExpiresAt = time.Unix(until, 0).UTC()
	}
	return p, nil
}

// read judges an intent that was answered. One that is still being processed is nothing yet.
func (c *Client) read(i *intent, err error) (payment.Payment, error) {
	if err != nil {
		return payment.Payment{}, err
	}
	if i.Status == "processing" {
		return payment.Payment{}, c.failure(payment.ErrUnknown, "", "the provider is still at work on the payment")
	}
	p, err := i.payment()
	if err != nil {
		return payment.Payment{}, c.unreadable()
	}
	return p, nil
}

// form starts a request that wants the charge with its intent.
func form(pairs ...string) url.Values {
	values := url.Values{"expand[]": {"latest_charge"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return values
}

func (c *Client) theirs(amount int64, currency string) (string, error) {
	theirs, err := toTheirs(amount, currency)
	if err != nil || amount <= 0 {
		return "", c.failure(payment.ErrRefused, "", "not an amount that the provider could take in "+strconv.Quote(currency))
	}
	return strconv.FormatInt(theirs, 10), nil
}

// Authorise holds an amount on a payment method that the customer left behind. A decline is answered
// twice over: as a Payment that is Declined, with the reference to it, and as ErrRefused with the bank's
// code. The provider knows the key for a day: a repeat after that is another hold.
func (c *Client) Authorise(ctx context.Context, a payment.Authorisation) (payment.Payment, error) {
	amount, err := c.theirs(a.Amount, a.Currency)
	if err != nil {
		return payment.Payment{}, err
	}
	values := form("amount", amount, "currency", strings.ToLower(a.Currency), "capture_method", "manual", "confirm", "true",
		"off_session", "true", "payment_method", a.Method)
	if a.Customer != "" {
		values.Set("customer", a.Customer)
	}
	var made intent
	p, err := c.read(&made, c.post(ctx, "/v1/payment_intents", a.Key, values, &made))
	var refusal *declined
	switch {
	case errors.As(err, &refusal):
		return payment.Payment{Reference: refusal.intent, Status: payment.Declined, Currency: a.Currency, Authorised: a.Amount}, refusal.failure
	case err != nil:
		return payment.Payment{}, plain(err)
	case p.Status == payment.Declined:
		return p, c.failure(payment.ErrRefused, made.Status, "the customer would have to confirm the payment, and is not there")
	case p.Authorised != a.Amount || p.Currency != a.Currency:
		return p, c.failure(payment.ErrRefused, "", "its answer names another amount than was asked for")
	}
	return p, nil
}

// Capture takes the amount and releases the rest.
func (c *Client) Capture(ctx context.Context, t payment.Capture) (payment.Payment, error) {
	amount, err := c.theirs(t.Amount, t.Currency)
	if err != nil {
		return payment.Payment{}, err
	}
	p, err := c.change(ctx, t.Key, t.Reference, "capture", form("amount_to_capture", amount), payment.Captured)
	if err == nil && (p.Captured != t.Amount || p.Currency != t.Currency) {
		return p, c.failure(payment.ErrRefused, "", "another amount was captured than was asked for")
	}
	return p, err
}

// Void releases an authorisation.
func (c *Client) Void(ctx context.Context, key, reference string) (payment.Payment, error) {
	return c.change(ctx, key, reference, "cancel", form(), payment.Voided)
}

// change brings a payment into a status that it can only come to once.
func (c *Client) change(ctx context.Context, key, reference, verb string, values url.Values, want payment.Status) (payment.Payment, error) {
	if !idForm.MatchString(reference) {
		return payment.Payment{}, c.failure(payment.ErrRefused, "", "not the reference of a payment")
	}
	var changed intent
	p, err := c.read(&changed, c.post(ctx, "/v1/payment_intents/"+reference+"/"+verb, key, values, &changed))
	if settledOtherwise(err) {
		if now, lookErr := c.LookUp(ctx, reference); lookErr == nil && now.Status == want {
			return now, nil
		}
	}
	if err != nil {
		return payment.Payment{}, plain(err)
	}
	if p.Status != want || p.Reference != reference {
		return p, c.failure(payment.ErrRefused, "", "the payment is "+string(p.Status)+" after it was to be "+string(want))
	}
	return p, nil
}

// LookUp asks how a payment stands.
func (c *Client) LookUp(ctx context.Context, reference string) (payment.Payment, error) {
	if !idForm.MatchString(reference) {
		return payment.Payment{}, c.failure(payment.ErrRefused, "", "not the reference of a payment")
	}
	var found intent
	return c.read(&found, c.get(ctx, "/v1/payment_intents/"+reference, form(), maxAnswer, &found))
}

// plain is the failure without what only this package makes of it: errors are *payment.Error.
func plain(err error) error {
	var failure *payment.Error
	if errors.As(err, &failure) {
		return failure
	}
	return err
}
