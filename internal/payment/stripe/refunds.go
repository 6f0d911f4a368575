package stripe

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dropline/dropline/internal/payment"
)

// keyOfRefund is where a refund carries our key, so that it is known again when the provider has
// forgotten the key itself.
const keyOfRefund = "dropline_key"

type refund struct {
	ID            string            `json:"id"`
	Status        string            `json:"status"`
	Amount        int64             `json:"amount"`
	Currency      string            `json:"currency"`
	Created       int64             `json:"created"`
	FailureReason string            `json:"failure_reason"`
	PaymentIntent ref               `json:"payment_intent"`
	Charge        ref               `json:"charge"`
	Metadata      map[string]string `json:"metadata"`
}

// refundStandings: a refund that was cancelled has failed as well, the money is with us.
var refundStandings = map[string]payment.RefundStatus{
	"pending":         payment.RefundPending,
	"requires_action": payment.RefundPending,
	"succeeded":       payment.RefundSucceeded,
	"failed":          payment.RefundFailed,
	"canceled":        payment.RefundFailed,
}

var errRefund = errors.New("not a refund that could be read")

func (r *refund) receipt() (payment.RefundReceipt, error) {
	status, known := refundStandings[r.Status]
	if !known || !idForm.MatchString(r.ID) || r.Created <= 0 || r.Created > latest {
		return payment.RefundReceipt{}, errRefund
	}
	receipt := payment.RefundReceipt{Reference: r.ID, Status: status, At: time.Unix(r.Created, 0).UTC()}
	if status == payment.RefundFailed {
		receipt.Reason = r.Status
		if codeForm.MatchString(r.FailureReason) {
			receipt.Reason = r.FailureReason
		}
	}
	return receipt, nil
}

// latest is the end of the year 9999: a later time cannot be written.
var latest = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()

// Refund gives money back. The provider knows a key for a day only, and a repeat after that would pay
// twice: so the payment's refunds are looked through for the key first.
func (c *Client) Refund(ctx context.Context, r payment.Refund) (payment.RefundReceipt, error) {
	amount, err := c.theirs(r.Amount, r.Currency)
	if err != nil {
		return payment.RefundReceipt{}, err
	}
	if !idForm.MatchString(r.Reference) || r.Key == "" {
		return payment.RefundReceipt{}, c.failure(payment.ErrRefused, "", "not the reference of a payment, or no key")
	}
	made, found, err := c.refundByKey(ctx, r)
	if err != nil {
		return payment.RefundReceipt{}, plain(err)
	}
	if !found {
		values := url.Values{"payment_intent": {r.Reference}, "amount": {amount}, "metadata[" + keyOfRefund + "]": {r.Key}}
		if err := c.post(ctx, "/v1/refunds", r.Key, values, &made); err != nil {
			return payment.RefundReceipt{}, plain(err)
		}
	}
	receipt, err := made.receipt()
	if err != nil {
		return payment.RefundReceipt{}, c.unreadable()
	}
	if given, currency, err := fromTheirs(made.Amount, made.Currency); err != nil || given != r.Amount || currency != r.Currency {
		return payment.RefundReceipt{}, c.failure(payment.ErrRefused, "", "its receipt names another amount than was asked for")
	}
	return receipt, nil
}

// perPage is the most that the provider lists at once.
const perPage = 100

func (c *Client) refundByKey(ctx context.Context, r payment.Refund) (made refund, found bool, err error) {
	after := ""
	for {
		var page struct {
			Data    []refund `json:"data"`
			HasMore bool     `json:"has_more"`
		}
		query := url.Values{"payment_intent": {r.Reference}, "limit": {strconv.Itoa(perPage)}}
		if after != "" {
			query.Set("starting_after", after)
		}
		if err := c.get(ctx, "/v1/refunds", query, maxList, &page); err != nil {
			return refund{}, false, err
		}
		for _, known := range page.Data {
			if known.Metadata[keyOfRefund] == r.Key {
				return known, true, nil
			}
		}
		if !page.HasMore || len(page.Data) == 0 || page.Data[len(page.Data)-1].ID == after {
			return refund{}, false, nil
		}
		after = page.Data[len(page.Data)-1].ID
	}
}

// LookUpRefund asks how a refund stands.
func (c *Client) LookUpRefund(ctx context.Context, reference string) (payment.RefundReceipt, error) {
	if !idForm.MatchString(reference) {
		return payment.RefundReceipt{}, c.failure(payment.ErrRefused, "", "not the reference of a refund")
	}
	var found refund
	if err := c.get(ctx, "/v1/refunds/"+reference, nil, maxAnswer, &found); err != nil {
		return payment.RefundReceipt{}, plain(err)
	}
	receipt, err := found.receipt()
	if err != nil {
		return payment.RefundReceipt{}, c.unreadable()
	}
	return receipt, nil
}

// maxText is how many characters of free text a dispute takes.
const maxText = 20_000

// SubmitEvidence answers a dispute, for good: the provider passes it on to the bank. Text beyond what
// the provider takes is cut off at its end.
func (c *Client) SubmitEvidence(ctx context.Context, e payment.Evidence) error {
	if !idForm.MatchString(e.Dispute) {
		return c.failure(payment.ErrRefused, "", "not the reference of a dispute")
	}
	values := url.Values{"submit": {"true"}}
	set := func(name, value string) {
		if value != "" {
			values.Set("evidence["+name+"]", value)
		}
	}
	set("shipping_carrier", e.Carrier)
	set("shipping_tracking_number", e.Tracking)
	if !e.ShippedAt.IsZero() {
		set("shipping_date", e.ShippedAt.UTC().Format(time.DateOnly))
	}
	set("uncategorized_text", shortened(e.Document))
	var answer struct {
		ID string `json:"id"`
	}
	err := c.post(ctx, "/v1/disputes/"+e.Dispute, e.Key, values, &answer)
	if errors.Is(err, payment.ErrRefused) && c.answered(ctx, e.Dispute) {
		return nil
	}
	if err != nil {
		return plain(err)
	}
	if answer.ID != e.Dispute {
		return c.unreadable()
	}
	return nil
}

// answered: the bank has our answer already, one whose receipt was lost, or it has decided.
func (c *Client) answered(ctx context.Context, reference string) bool {
	var found dispute
	err := c.get(ctx, "/v1/disputes/"+reference, nil, maxAnswer, &found)
	return err == nil && found.ID == reference && !strings.HasSuffix(found.Status, "needs_response")
}

func shortened(text string) string {
	if utf8.RuneCountInString(text) <= maxText {
		return text
	}
	return string([]rune(text)[:maxText])
}
