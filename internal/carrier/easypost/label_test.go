package easypost_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/carrier/easypost"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/sim/carriersim"
)

var _ carrier.Labeller = (*easypost.Client)(nil)

// counter starts a carrier that sells labels, and a client of it.
func counter(t *testing.T, m carriersim.LabelManner) (*carriersim.Server, *easypost.Client) {
	t.Helper()
	s, err := carriersim.Start(carriersim.Config{APIKey: "key"})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	s.SetLabelManner(m)
	client, err := easypost.NewClient(easypost.Config{BaseURL: s.URL(), APIKey: "key", Timeout: 5 * time.Second})
	require.NoError(t, err)
	return s, client
}

func comingBack(reference string) carrier.LabelRequest {
	return carrier.LabelRequest{
		Reference: reference, WeightGrams: 1000, LengthMM: 300, WidthMM: 200, HeightMM: 100,
		From: carrier.Address{Name: "Ann Example", Street1: "1 Oak Street", City: "Troy", Region: "NY", PostalCode: "12180", Country: "US"},
		To:   carrier.Address{Name: "Acme Returns", Street1: "9 Dock Road", City: "Utica", Region: "NY", PostalCode: "13501", Country: "US"},
	}
}

func TestTheCheapestLabelIsBoughtFromTheCustomerToTheSupplier(t *testing.T) {
	t.Parallel()
	s, client := counter(t, carriersim.LabelManner{})
	id, err := client.OpenReturn(t.Context(), comingBack("R-1"))
	require.NoError(t, err)
	label, err := client.BuyReturnLabel(t.Context(), id, "")
	require.NoError(t, err)
	require.Equal(t, carrier.Label{
		Carrier: "dropex", Tracking: "EZ00000001", URL: "https://labels.example/EZ00000001.png", Cost: money.Money{Minor: 595, Currency: "USD"},
	}, label)
	again, err := client.BuyReturnLabel(t.Context(), id, "")
	require.NoError(t, err)
	require.Equal(t, label, again)
	entry := s.Shipments()
	require.Len(t, entry, 1)
	require.Equal(t, 1, entry[0].Bought)
	require.Equal(t, "1 Oak Street", entry[0].From)
	require.Equal(t, "9 Dock Road", entry[0].To)
	require.Equal(t, "35.3", entry[0].Ounces, "a kilogram is 35.27 ounces, rounded up")
}

func TestANamedServiceIsBoughtAndOneThatIsNotThereIsRefused(t *testing.T) {
	t.Parallel()
	s, client := counter(t, carriersim.LabelManner{})
	id, err := client.OpenReturn(t.Context(), comingBack("R-1"))
	require.NoError(t, err)
	_, err = client.BuyReturnLabel(t.Context(), id, "Pigeon")
	require.ErrorIs(t, err, carrier.ErrLabelRefused)
	require.Zero(t, s.Shipments()[0].Bought)
	label, err := client.BuyReturnLabel(t.Context(), id, "priority")
	require.NoError(t, err)
	require.EqualValues(t, 840, label.Cost.Minor)
}

func TestALostAnswerIsUnknownAndTheLabelIsFoundNotBoughtAgain(t *testing.T) {
	t.Parallel()
	s, client := counter(t, carriersim.LabelManner{LoseOpened: 1, LoseBought: 1})
	_, err := client.OpenReturn(t.Context(), comingBack("R-1"))
	require.ErrorIs(t, err, carrier.ErrLabelUnknown)
	id, err := client.FindReturn(t.Context(), "R-1")
	require.NoError(t, err)
	_, err = client.BuyReturnLabel(t.Context(), id, "")
	require.ErrorIs(t, err, carrier.ErrLabelUnknown)
	label, err := client.BuyReturnLabel(t.Context(), id, "")
	require.NoError(t, err)
	require.Equal(t, s.Shipments()[0].Tracking, label.Tracking)
	require.Len(t, s.Shipments(), 1)
	require.Equal(t, 1, s.Shipments()[0].Bought)
	_, err = client.FindReturn(t.Context(), "R-2")
	require.ErrorIs(t, err, carrier.ErrLabelNotFound)
}

func TestWhatIsKnownOfAFailureIsItsKind(t *testing.T) {
	t.Parallel()
	s, client := counter(t, carriersim.LabelManner{Busy: 1})
	_, err := client.OpenReturn(t.Context(), comingBack("R-1"))
	require.ErrorIs(t, err, carrier.ErrLabelUnavailable)
	var failure *carrier.LabelError
	require.ErrorAs(t, err, &failure)
	require.Equal(t, time.Second, failure.RetryAfter)
	s.SetLabelManner(carriersim.LabelManner{RefuseAddress: true})
	_, err = client.OpenReturn(t.Context(), comingBack("R-1"))
	require.ErrorIs(t, err, carrier.ErrLabelRefused)
	require.NotContains(t, err.Error(), "Oak")
	s.SetLabelManner(carriersim.LabelManner{RefuseSale: true})
	id, err := client.OpenReturn(t.Context(), comingBack("R-1"))
	require.NoError(t, err)
	_, err = client.BuyReturnLabel(t.Context(), id, "")
	require.ErrorIs(t, err, carrier.ErrLabelRefused)
	s.SetLabelManner(carriersim.LabelManner{Delay: time.Minute})
	slow, err := easypost.NewClient(easypost.Config{BaseURL: s.URL(), APIKey: "key", Timeout: 50 * time.Millisecond})
	require.NoError(t, err)
	_, err = slow.BuyReturnLabel(t.Context(), id, "")
	require.ErrorIs(t, err, carrier.ErrLabelUnknown)
}

// TestAServerErrorMayHideASale: only 429 and 503 say that nothing happened.
func TestAServerErrorMayHideASale(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]error{
		400: carrier.ErrLabelRefused, 401: carrier.ErrLabelRefused, 404: carrier.ErrLabelNotFound, 422: carrier.ErrLabelRefused, 302: carrier.ErrLabelRefused,
		429: carrier.ErrLabelUnavailable, 503: carrier.ErrLabelUnavailable, 500: carrier.ErrLabelUnknown, 502: carrier.ErrLabelUnknown, 504: carrier.ErrLabelUnknown,
	} {
		_, err := answered(t, status, `{}`).OpenReturn(t.Context(), comingBack("R-1"))
		require.ErrorIs(t, err, want, "%d", status)
	}
}

func answered(t *testing.T, status int, body string) *easypost.Client {
	t.Helper()
	client, err := easypost.NewClient(easypost.Config{
		BaseURL: "https://tracker.example", APIKey: "key", HTTP: &http.Client{Transport: answering{status: status, header: http.Header{}, body: []byte(body)}},
	})
	require.NoError(t, err)
	return client
}

const soldShipment = `{"id":"shp_1","reference":"R-1","tracking_code":"EZ 1","selected_rate":{"id":"r","carrier":"USPS","service":"Ground","rate":"5.9500","currency":"USD"},` +
	`"postage_label":{"label_url":"https://l.example/1.png"}}`

func TestALabelThatCannotBeReadMayHaveBeenBought(t *testing.T) {
	t.Parallel()
	label, err := answered(t, 200, soldShipment).BuyReturnLabel(t.Context(), "shp_1", "")
	require.NoError(t, err)
	require.EqualValues(t, 595, label.Cost.Minor)
	for was, now := range map[string]string{
		`"EZ 1"`: `""`, `"USPS"`: `"!"`, `"5.9500"`: `"5.951"`, `"5.95`: `"-5.95`, `"USD"`: `"XXXX"`, `https://l`: `http://l`, `"shp_1"`: `"../x"`, `"reference"`: `[`,
	} {
		_, err := answered(t, 200, strings.Replace(soldShipment, was, now, 1)).BuyReturnLabel(t.Context(), "shp_1", "")
		require.ErrorIs(t, err, carrier.ErrLabelUnknown, now)
	}
	_, err = answered(t, 200, soldShipment).FindReturn(t.Context(), "R-2")
	require.ErrorIs(t, err, carrier.ErrLabelUnknown)
	unsold := `{"id":"shp_1","rates":[{"id":"a","service":"x","rate":"5.00","currency":"USD"},{"id":"b","service":"y","rate":"4.00","currency":"EUR"}]}`
	_, err = answered(t, 200, unsold).BuyReturnLabel(t.Context(), "shp_1", "")
	require.ErrorIs(t, err, carrier.ErrLabelRefused)
	require.ErrorContains(t, err, "several currencies")
}

func FuzzLabelAnswer(f *testing.F) {
	f.Add(uint16(0), []byte(soldShipment))
	f.Add(uint16(0), []byte(`{"id":"shp_1","rates":[{"id":"a","rate":"5.00","currency":"USD"}]}`))
	f.Add(uint16(222), []byte(`{"error":{"code":"SHIPMENT.POSTAGE.EXISTS","message":"1 Oak Street"}}`))
	f.Add(uint16(1), fmt.Appendf(nil, `{"id":"shp_1","rates":%s}`, strings.Repeat("[", 40)))
	f.Fuzz(func(t *testing.T, status uint16, body []byte) {
		client := answered(t, 200+int(status)%400, string(body))
		label, err := client.BuyReturnLabel(t.Context(), "shp_1", "")
		if err != nil {
			var failure *carrier.LabelError
			require.ErrorAs(t, err, &failure)
			require.Less(t, len(err.Error()), 250)
			oneLine(t, err.Error())
			require.Zero(t, label)
			return
		}
		require.Regexp(t, `^[a-z0-9]{1,64}$`, label.Carrier)
		require.Regexp(t, `^[A-Z0-9]{1,64}$`, label.Tracking)
		require.True(t, strings.HasPrefix(strings.ToLower(label.URL), "https://"))
		require.GreaterOrEqual(t, label.Cost.Minor, int64(0))
	})
}
