package easypost_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/carrier/easypost"
	"github.com/dropline/dropline/internal/order"
)

func client(t *testing.T, handler http.HandlerFunc) *easypost.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := easypost.NewClient(easypost.Config{BaseURL: server.URL + "/v2/", APIKey: "key", HTTP: server.Client()})
	require.NoError(t, err)
	return c
}

func answerEach(calls *[]int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, _, _ := r.BasicAuth()
		if user != "key" || r.URL.Path != "/v2/trackers" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		codes := strings.Split(r.URL.Query().Get("tracking_codes"), ",")
		*calls = append(*calls, len(codes))
		var trackers []string
		for _, code := range codes {
			trackers = append(trackers, fmt.Sprintf(`{"carrier":"UPSDAP","tracking_code":%q,"status":"in_transit","tracking_details":[{"status":"in_transit","message":"Departed","datetime":"2026-03-02T08:00:00Z"}]}`, code))
		}
		fmt.Fprintf(w, `{"trackers":[%s],"has_more":false}`, strings.Join(trackers, ","))
	}
}

func TestTrackAsksForAHundredAtATime(t *testing.T) {
	t.Parallel()
	var calls []int
	c := client(t, answerEach(&calls))
	var parcels []easypost.Parcel
	for i := range 250 {
		parcels = append(parcels, easypost.Parcel{Carrier: "UPS", Tracking: fmt.Sprintf("1Z %03d", i)})
	}
	batch, err := c.Track(t.Context(), parcels)
	require.NoError(t, err)
	require.Equal(t, []int{100, 100, 50}, calls)
	require.Len(t, batch.Tracked, 250)
	require.Empty(t, batch.Missing)
	require.Equal(t, easypost.Parcel{Carrier: "ups", Tracking: "1Z007"}, batch.Tracked[7].Parcel, "named as it was asked for")
	require.Equal(t, order.ParcelInTransit, carrier.Derive(batch.Tracked[7].Scans).Milestone)
}

func TestNumberSharedByTwoCarriersIsToldApart(t *testing.T) {
	t.Parallel()
	c := client(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"trackers":[
			{"carrier":"DHL","tracking_code":"77","status":"delivered","updated_at":"2026-03-02T08:00:00Z"},
			{"carrier":"UPS","tracking_code":"77","status":"in_transit","updated_at":"2026-03-02T08:00:00Z"}]}`)
	})
	batch, err := c.Track(t.Context(), []easypost.Parcel{{Carrier: "ups", Tracking: "77"}, {Carrier: "dhl", Tracking: "77"}, {Carrier: "gls", Tracking: "78"}})
	require.NoError(t, err)
	require.Len(t, batch.Tracked, 2)
	require.Equal(t, order.ParcelInTransit, carrier.Derive(batch.Tracked[0].Scans).Milestone)
	require.Equal(t, order.ParcelDelivered, carrier.Derive(batch.Tracked[1].Scans).Milestone)
	require.Equal(t, []easypost.Parcel{{Carrier: "gls", Tracking: "78"}}, batch.Missing)
}

func TestFailedPollSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		kind    error
		wait    time.Duration
	}{
		"storm": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "17")
			w.WriteHeader(http.StatusTooManyRequests)
		}, easypost.ErrUnavailable, 17 * time.Second},
		"wait of a year": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", time.Now().AddDate(1, 0, 0).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusServiceUnavailable)
		}, easypost.ErrUnavailable, time.Hour},
		"wrong key": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, easypost.ErrRefused, 0},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}, easypost.ErrRefused, 0},
		"error body with 200": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"error":{}}`) }, easypost.ErrMalformed, 0},
		"web page":            {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `<html>`) }, easypost.ErrMalformed, 0},
		"too large": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, easypost.MaxBatch+1))
		}, easypost.ErrMalformed, 0},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"trackers"`)
		}, easypost.ErrUnavailable, 0},
		"hung up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, easypost.ErrUnavailable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := client(t, c.handler).Track(t.Context(), []easypost.Parcel{{Carrier: "ups", Tracking: "SECRET1"}})
			require.ErrorIs(t, err, c.kind)
			var failure *easypost.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, c.wait, failure.RetryAfter)
			require.NotContains(t, err.Error(), "SECRET1")
		})
	}
}

func TestTrackerThatNeverAnswersIsGivenUp(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	c, err := easypost.NewClient(easypost.Config{BaseURL: server.URL, Timeout: 30 * time.Millisecond})
	require.NoError(t, err)
	_, err = c.Track(t.Context(), []easypost.Parcel{{Carrier: "ups", Tracking: "1"}})
	require.ErrorIs(t, err, easypost.ErrUnavailable)
	require.ErrorContains(t, err, "in time")
}

func TestPartOfABatchIsKeptWhenALaterCallFails(t *testing.T) {
	t.Parallel()
	var calls []int
	answer := answerEach(&calls)
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		if len(calls) == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		answer(w, r)
	})
	batch, err := c.Track(t.Context(), make([]easypost.Parcel, 0, 1))
	require.NoError(t, err)
	require.Empty(t, batch.Tracked)
	var parcels []easypost.Parcel
	for i := range 150 {
		parcels = append(parcels, easypost.Parcel{Carrier: "UPS", Tracking: fmt.Sprint(i)})
	}
	batch, err = c.Track(t.Context(), parcels)
	require.ErrorIs(t, err, easypost.ErrUnavailable)
	require.Len(t, batch.Tracked, 100)
}

func TestClientNeedsAnAbsoluteURL(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "api.easypost.com", "ftp://x/", "http://"} {
		_, err := easypost.NewClient(easypost.Config{BaseURL: base})
		require.Error(t, err, base)
	}
}
