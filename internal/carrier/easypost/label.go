package easypost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/money"
)

const (
	maxShipment = 1 << 20 // bytes of one answer
	maxRates    = 500
	maxLabelURL = 2000 // bytes
)

// shipment is what is read of a Shipment (docs.easypost.com/docs/shipments).
type shipment struct {
	ID           string `json:"id"`
	Reference    string `json:"reference"`
	TrackingCode string `json:"tracking_code"`
	Rates        []rate `json:"rates"`
	SelectedRate *rate  `json:"selected_rate"`
	RefundStatus string `json:"refund_status"`
	PostageLabel *struct {
		URL string `json:"label_url"`
	} `json:"postage_label"`
}

type rate struct {
	ID       string `json:"id"`
	Carrier  string `json:"carrier"`
	Service  string `json:"service"`
	Rate     string `json:"rate"`
	Currency string `json:"currency"`
}

type address struct {
	Name    string `json:"name"`
	Company string `json:"company,omitempty"`
	Street1 string `json:"street1"`
	Street2 string `json:"street2,omitempty"`
	City    string `json:"city"`
	State   string `json:"state,omitempty"`
	Zip     string `json:"zip,omitempty"`
	Country string `json:"country"`
	Phone   string `json:"phone,omitempty"`
	Email   string `json:"email,omitempty"`
}

var shipmentID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// OpenReturn creates a shipment under the reference. Of a return EasyPost wants the addresses of the way
// out, and turns them around itself (docs.easypost.com/docs/shipments/returns).
func (c *Client) OpenReturn(ctx context.Context, r carrier.LabelRequest) (string, error) {
	parcel := map[string]json.Number{"weight": tenths(r.WeightGrams, 10_000_000, 28_349_523)} // grams to ounces
	if r.LengthMM > 0 {
		for side, mm := range map[string]int64{"length": r.LengthMM, "width": r.WidthMM, "height": r.HeightMM} {
			parcel[side] = tenths(mm, 100, 254) // millimetres to inches
		}
	}
	s, err := c.shipment(ctx, http.MethodPost, "/shipments", map[string]any{"shipment": map[string]any{
		"is_return": true, "reference": r.Reference, "to_address": addressOf(r.From), "from_address": addressOf(r.To), "parcel": parcel,
	}})
	return s.ID, err
}

// tenths is n times factor over divisor in tenths, rounded up: a parcel is rather said to be too heavy.
func tenths(n, factor, divisor int64) json.Number {
	t := (n*factor + divisor - 1) / divisor
	return json.Number(fmt.Sprintf("%d.%d", t/10, t%10))
}

func addressOf(a carrier.Address) address {
	return address{a.Name, a.Company, a.Street1, a.Street2, a.City, a.Region, a.PostalCode, a.Country, a.Phone, a.Email}
}

// FindReturn reads a shipment by its reference, which EasyPost takes in place of its id.
func (c *Client) FindReturn(ctx context.Context, reference string) (string, error) {
	s, err := c.shipment(ctx, http.MethodGet, "/shipments/"+url.PathEscape(reference), nil)
	if err == nil && s.Reference != reference {
		return "", &carrier.LabelError{Kind: carrier.ErrLabelUnknown, Detail: "the answer is about another parcel"}
	}
	return s.ID, err
}

// BuyReturnLabel looks whether the label was bought, and buys it where it was not. EasyPost refuses to sell
// a second one for a shipment; a refusal is therefore looked behind once.
func (c *Client) BuyReturnLabel(ctx context.Context, id, service string) (carrier.Label, error) {
	path := "/shipments/" + url.PathEscape(id)
	s, err := c.shipment(ctx, http.MethodGet, path, nil)
	if err != nil || s.PostageLabel != nil {
		return s.label(unseen(err))
	}
	chosen, err := s.choose(service)
	if err != nil {
		return carrier.Label{}, err
	}
	bought, err := c.shipment(ctx, http.MethodPost, path+"/buy", map[string]any{"rate": map[string]string{"id": chosen.ID}})
	if !errors.Is(err, carrier.ErrLabelRefused) {
		return bought.label(err)
	}
	if s, look := c.shipment(ctx, http.MethodGet, path, nil); look != nil || s.PostageLabel != nil {
		return s.label(unseen(look))
	}
	return carrier.Label{}, err
}

// unseen is a look that was refused: it does not say that no label was bought.
func unseen(err error) error {
	var failure *carrier.LabelError
	if errors.As(err, &failure) && !errors.Is(err, carrier.ErrLabelUnavailable) {
		return &carrier.LabelError{Kind: carrier.ErrLabelUnknown, Detail: failure.Detail}
	}
	return err
}

// choose picks the cheapest rate, of one service when it is named.
func (s *shipment) choose(service string) (rate, error) {
	var best rate
	var least money.Money
	for _, r := range s.Rates {
		if service != "" && !strings.EqualFold(r.Service, service) {
			continue
		}
		cost, err := r.cost()
		switch {
		case err != nil || r.ID == "":
			return rate{}, &carrier.LabelError{Kind: carrier.ErrLabelRefused, Detail: "a rate cannot be read"}
		case best.ID != "" && cost.Currency != least.Currency:
			return rate{}, &carrier.LabelError{Kind: carrier.ErrLabelRefused, Detail: "its rates are in several currencies: name a service"}
		case best.ID == "" || cost.Minor < least.Minor:
			best, least = r, cost
		}
	}
	if best.ID == "" {
		return rate{}, &carrier.LabelError{Kind: carrier.ErrLabelRefused, Detail: "it has no such service between the two addresses"}
	}
	return best, nil
}

// cost reads an amount that may have more decimals than its currency, as long as those are zero.
func (r *rate) cost() (money.Money, error) {
	text := r.Rate
	if digits, err := money.Digits(r.Currency); err == nil {
		if whole, fraction, found := strings.Cut(text, "."); found && len(fraction) > digits && strings.Trim(fraction[digits:], "0") == "" {
			text = strings.TrimSuffix(whole+"."+fraction[:digits], ".")
		}
	}
	cost, err := money.Parse(text, r.Currency)
	if err == nil && cost.Minor < 0 {
		err = errors.New("a price below zero")
	}
	return cost, err
}

// label reads the label that was bought. What cannot be read may well have been bought.
func (s *shipment) label(err error) (carrier.Label, error) {
	if err != nil {
		return carrier.Label{}, err
	}
	if s.PostageLabel == nil || s.SelectedRate == nil {
		return carrier.Label{}, unreadable("the answer has no label")
	}
	l := carrier.Label{Carrier: carrier.Name(s.SelectedRate.Carrier), Tracking: carrier.Number(s.TrackingCode), URL: s.PostageLabel.URL}
	if l.Carrier == "" || l.Tracking == "" || len(l.Carrier) > maxWord || len(l.Tracking) > maxWord {
		return carrier.Label{}, unreadable("the label has no usable carrier or tracking number")
	}
	if u, err := url.Parse(l.URL); err != nil || u.Scheme != "https" || u.Host == "" || len(l.URL) > maxLabelURL {
		return carrier.Label{}, unreadable("the label has no https address")
	}
	if l.Cost, err = s.SelectedRate.cost(); err != nil {
		return carrier.Label{}, unreadable("the label's price cannot be read")
	}
	return l, nil
}

func unreadable(detail string) error {
	return &carrier.LabelError{Kind: carrier.ErrLabelUnknown, Detail: detail}
}

// shipment asks about one shipment. A reading that fails has changed nothing; a change that had no answer
// may have happened.
func (c *Client) shipment(ctx context.Context, method, path string, body any) (s shipment, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	var encoded io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return s, &carrier.LabelError{Kind: carrier.ErrLabelRefused, Detail: "the request could not be written"}
		}
		encoded = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.config.BaseURL+path, encoded)
	if err != nil {
		return s, &carrier.LabelError{Kind: carrier.ErrLabelRefused, Detail: "the request could not be built"}
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.config.APIKey != "" {
		request.SetBasicAuth(c.config.APIKey, "")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return s, &carrier.LabelError{Kind: carrier.ErrLabelUnknown, Detail: silenceOf(err)}
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusCreated {
		return s, labelStatus(response)
	}
	return readShipment(response.Body)
}

func labelStatus(response *http.Response) error {
	failure := statusError(response)
	e := &carrier.LabelError{Kind: carrier.ErrLabelRefused, Detail: failure.Detail, RetryAfter: failure.RetryAfter}
	switch {
	case response.StatusCode == http.StatusNotFound:
		e.Kind = carrier.ErrLabelNotFound
	case response.StatusCode == http.StatusTooManyRequests, response.StatusCode == http.StatusServiceUnavailable:
		e.Kind = carrier.ErrLabelUnavailable
	case errors.Is(failure, ErrUnavailable): // a gateway in between may answer 500 or 504 for what went through
		e.Kind = carrier.ErrLabelUnknown
	}
	return e
}

func readShipment(body io.Reader) (s shipment, err error) {
	raw, err := io.ReadAll(io.LimitReader(body, maxShipment+1))
	if err != nil {
		return s, unreadable("the answer broke off")
	}
	if len(raw) > maxShipment {
		return s, unreadable("the answer is too large")
	}
	if err := decode(raw, &s); err != nil {
		return shipment{}, unreadable(err.Error())
	}
	if !shipmentID.MatchString(s.ID) || len(s.Rates) > maxRates {
		return shipment{}, unreadable("no shipment that can be read")
	}
	return s, nil
}
