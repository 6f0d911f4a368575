package easypost_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/carrier/easypost"
)

// oneLine holds for text that may stand in a log line, on a card and in the database.
func oneLine(t *testing.T, text string) {
	t.Helper()
	require.True(t, utf8.ValidString(text), "%q", text)
	require.False(t, strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	}), "%q", text)
}

func soundScans(t *testing.T, scans []carrier.Scan) {
	t.Helper()
	require.LessOrEqual(t, len(scans), 1001)
	for _, s := range scans {
		require.True(t, s.At.Year() >= 2000 && s.At.Year() <= 2100, "%s", s.At)
		oneLine(t, s.Status)
		oneLine(t, s.Text)
		require.LessOrEqual(t, len(s.Status), 64)
		require.LessOrEqual(t, len(s.Text), 1000)
		require.Equal(t, carrier.NewScan(s.Carrier, s.Tracking, s.Status, s.Text, s.At), s)
	}
	text, err := json.Marshal(scans)
	require.NoError(t, err)
	var again []carrier.Scan
	require.NoError(t, json.Unmarshal(text, &again))
	require.Equal(t, carrier.Derive(scans), carrier.Derive(again))
}

// tracked are seeds: trackers as EasyPost writes them, and what it never would.
var tracked = []string{
	`{"carrier":"USPS","tracking_code":"9400110898825022579493","status":"in_transit","tracking_details":[
		{"message":"Pre-Shipment","status":"pre_transit","datetime":"2026-03-01T10:00:00Z"},
		{"message":"Departed","status":"in_transit","status_detail":"departed_facility","datetime":"2026-03-02T08:00:00Z"}]}`,
	`{"carrier":"x","tracking_code":"1","tracking_details":[{"datetime":"2026-03-02T08:00:00Z","status":"\\\"[","message":"é"}]}`,
	`{"carrier":"x","tracking_code":"1","tracking_details":[{"datetime":"2026-03-02T08:00:00Z","status":"lost\u001b[2J\u0000","message":"a\u0000\u2028b\ufffd"}]}`,
	`{"carrier":"x","tracking_code":"1","tracking_details":[{"datetime":"9999-12-31T23:59:59-12:00","status":"delivered"}]}`,
	`{"carrier":"ups","tracking_code":"1Z 9","status":"delivered","updated_at":"2026-03-02T08:00:00+14:00"}`,
	`null`, `{"tracking_code":7}`, `{"tracking_details":[null]}`,
}

func FuzzParsePush(f *testing.F) {
	f.Add(testdata(f, "delivered.json"))
	for _, tracker := range tracked {
		f.Add([]byte(`{"id":"e","description":"tracker.updated","result":` + tracker + `}`))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		push, err := easypost.ParsePush(body)
		if err != nil {
			require.Zero(t, push)
			require.Less(t, len(err.Error()), 200, "what is wrong, not what came")
			return
		}
		require.Regexp(t, `^[A-Za-z0-9_.:-]{1,128}$`, push.EventID)
		require.Regexp(t, `^[A-Z0-9]{1,64}$`, push.Tracking)
		require.Regexp(t, `^[a-z0-9]{0,64}$`, push.Carrier)
		soundScans(t, push.Scans)
	})
}

// answering gives every request one answer.
type answering struct {
	status int
	header http.Header
	body   []byte
}

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)), Request: r}, nil
}

func FuzzPollAnswer(f *testing.F) {
	f.Add(uint16(200), "", fmt.Appendf(nil, `{"trackers":[%s]}`, strings.Join(tracked, ",")))
	f.Add(uint16(200), "", []byte(`{"trackers":`+strings.Repeat("[", 40)+`}`))
	f.Add(uint16(429), "-9223372037", []byte(`{}`))
	f.Add(uint16(503), "Wed, 21 Oct 9999 07:28:00 GMT", []byte(``))
	f.Fuzz(func(t *testing.T, status uint16, retryAfter string, body []byte) {
		answer := answering{status: 200 + int(status)%400, header: http.Header{"Retry-After": {retryAfter}}, body: body}
		client, err := easypost.NewClient(easypost.Config{
			BaseURL: "https://tracker.example", APIKey: "key", HTTP: &http.Client{Transport: answer},
		})
		require.NoError(t, err)
		asked := []easypost.Parcel{{Carrier: "ups", Tracking: "1Z9"}, {Carrier: "dhl", Tracking: "1"}}
		batch, err := client.Track(t.Context(), asked)
		if err != nil {
			var failure *easypost.Error
			require.ErrorAs(t, err, &failure)
			require.Less(t, len(err.Error()), 250)
			require.NotContains(t, err.Error(), "1Z9")
			require.GreaterOrEqual(t, failure.RetryAfter, time.Duration(0))
			require.LessOrEqual(t, failure.RetryAfter, time.Hour)
			require.Empty(t, batch)
			return
		}
		require.Len(t, asked, len(batch.Tracked)+len(batch.Missing), "each parcel is told of once")
		for _, read := range batch.Tracked {
			require.Contains(t, []string{"1Z9", "1"}, read.Tracking)
			soundScans(t, read.Scans)
		}
	})
}
