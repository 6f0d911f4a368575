package stripe

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/dropline/dropline/internal/payment"
)

// The provider lists the newest first. So that the oldest come first, and a page stays small, a page
// of ours is all that happened in an hour.
const slice = time.Hour

// maxPages bounds the provider's pages of an hour: a million transactions.
const maxPages = 10_000

type transaction struct {
	ID                string `json:"id"`
	Amount            int64  `json:"amount"`
	Fee               int64  `json:"fee"`
	Currency          string `json:"currency"`
	Created           int64  `json:"created"`
	ReportingCategory string `json:"reporting_category"`
	Source            source `json:"source"`
}

// source is what moved the money: a charge, a refund or a dispute.
type source struct {
	ID             string `json:"id"`
	Amount         int64  `json:"amount"`
	AmountCaptured int64  `json:"amount_captured"`
	Currency       string `json:"currency"`
	PaymentIntent  ref    `json:"payment_intent"`
	Charge         ref    `json:"charge"`
}

// UnmarshalJSON reads the object, or its bare id.
func (s *source) UnmarshalJSON(data []byte) error {
	if !bytes.HasPrefix(data, []byte("{")) {
		return json.Unmarshal(data, &s.ID)
	}
	type whole source
	return json.Unmarshal(data, (*whole)(s))
}

// kinds are the reporting categories that concern orders. The others are the account's own business:
// payouts, transfers, fees by themselves.
var kinds = map[string]payment.MovementKind{
	"charge":                   payment.MovedCapture,
	"partial_capture_reversal": payment.MovedCaptureReduced,
	"charge_failure":           payment.MovedCaptureReduced,
	"refund":                   payment.MovedRefund,
	"refund_failure":           payment.MovedRefundFailed,
	"dispute":                  payment.MovedDispute,
	"dispute_reversal":         payment.MovedDisputeReversed,
}

// Movements reads the account's balance transactions. The cursor is the time at which the page begins.
// A dispute that was won may give its fee back: then the fee is below zero.
func (c *Client) Movements(ctx context.Context, from, until time.Time, cursor string) (page []payment.Movement, next string, err error) {
	start := from.Unix()
	if cursor != "" {
		if start, err = strconv.ParseInt(cursor, 10, 64); err != nil || start < from.Unix() {
			return nil, "", c.failure(payment.ErrRefused, "", "the cursor is none of ours")
		}
	}
	end := min(start+int64(slice/time.Second), until.Unix())
	if start >= end {
		return nil, "", nil
	}
	query := url.Values{
		"limit": {strconv.Itoa(perPage)}, "expand[]": {"data.source"},
		"created[gte]": {strconv.FormatInt(start, 10)}, "created[lt]": {strconv.FormatInt(end, 10)},
	}
	for range maxPages {
		more, err := c.transactions(ctx, query, &page)
		if err != nil {
			return nil, "", plain(err)
		}
		if more {
			continue
		}
		slices.Reverse(page)
		if end < until.Unix() {
			next = strconv.FormatInt(end, 10)
		}
		return page, next, nil
	}
	return nil, "", c.failure(payment.ErrRefused, "", "the provider's list has no end")
}

// transactions appends one page of the provider's, newest first, and turns the query to the next one.
func (c *Client) transactions(ctx context.Context, query url.Values, into *[]payment.Movement) (more bool, err error) {
	var list struct {
		Data    []transaction `json:"data"`
		HasMore bool          `json:"has_more"`
	}
	if err := c.get(ctx, "/v1/balance_transactions", query, maxList, &list); err != nil {
		return false, err
	}
	for i := range list.Data {
		kind, concerns := kinds[list.Data[i].ReportingCategory]
		if !concerns {
			continue
		}
		movement, err := list.Data[i].movement(kind)
		if err != nil {
			return false, c.failure(payment.ErrRefused, "", "the provider lists a transaction that cannot be read")
		}
		*into = append(*into, movement)
	}
	if !list.HasMore {
		return false, nil
	}
	last := ""
	if len(list.Data) > 0 {
		last = list.Data[len(list.Data)-1].ID
	}
	if last == "" || last == query.Get("starting_after") {
		return false, c.failure(payment.ErrRefused, "", "the provider's list does not go on")
	}
	query.Set("starting_after", last)
	return true, nil
}

func (t *transaction) movement(kind payment.MovementKind) (m payment.Movement, err error) {
	if !idForm.MatchString(t.ID) || t.Created <= 0 || t.Created > latest {
		return m, errIntent
	}
	m = payment.Movement{ID: t.ID, Kind: kind, Payment: t.payment(), Reference: t.Source.ID, At: time.Unix(t.Created, 0).UTC()}
	if kind == payment.MovedCapture || kind == payment.MovedCaptureReduced {
		m.Reference = m.Payment
	}
	if m.Amount, m.Currency, err = fromTheirs(t.Amount, t.Currency); err != nil {
		return m, err
	}
	if m.Fee, m.FeeCurrency, err = fromTheirs(t.Fee, t.Currency); err != nil {
		return m, err
	}
	if t.Source.Currency == "" || t.Source.Currency == t.Currency {
		return m, nil
	}
	// The account is kept in another currency than the customer paid in. What an order is about is the
	// latter; only the fee stays in the account's.
	m.Amount, m.Currency, err = fromTheirs(t.Source.signed(kind), t.Source.Currency)
	return m, err
}

// payment is the intent; of a charge that was made without one, the charge.
func (t *transaction) payment() string {
	switch {
	case t.Source.PaymentIntent != "":
		return string(t.Source.PaymentIntent)
	case t.Source.Charge != "":
		return string(t.Source.Charge)
	}
	return t.Source.ID
}

// signed is what the source's amount adds to the balance.
func (s *source) signed(kind payment.MovementKind) int64 {
	switch kind {
	case payment.MovedRefund, payment.MovedDispute:
		return -s.Amount
	case payment.MovedCaptureReduced:
		return s.AmountCaptured - s.Amount
	}
	return s.Amount
}
