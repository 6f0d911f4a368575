package easypost_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/carrier/easypost"
	"github.com/dropline/dropline/internal/order"
)

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return body
}

// fixture reads a document that nobody here wrote.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	folder := os.Getenv("DROPLINE_FIXTURES")
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "..", "shared", "fixtures")
	}
	body, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Skip("sample documents are absent; set DROPLINE_FIXTURES to their folder")
	}
	return body
}

func TestPushIsReadWithItsScans(t *testing.T) {
	t.Parallel()
	push, err := easypost.ParsePush(testdata(t, "delivered.json"))
	require.NoError(t, err)
	require.Equal(t, "evt_5f1c", push.EventID)
	require.Equal(t, "ups", push.Carrier)
	require.Equal(t, "1Z999AA10123456784", push.Tracking)
	require.Equal(t, 1, push.Unplaced)
	require.Len(t, push.Scans, 5, "the tracker's own status, told by no event, is a scan too")
	require.Equal(t, "in_transit/weather_delay", push.Scans[2].Status)

	s := carrier.Derive(push.Scans)
	require.Equal(t, order.ParcelDelivered, s.Milestone)
	require.Equal(t, time.Date(2026, 3, 2, 19, 31, 0, 0, time.UTC), s.FirstScanAt)
	require.Equal(t, time.Date(2026, 3, 4, 16, 2, 11, 0, time.UTC), s.DeliveredAt)
	require.Empty(t, s.Contradiction)
	require.Empty(t, s.Unread)
}

func TestForeignFedExPushIsInTransitSinceItsPickUp(t *testing.T) {
	t.Parallel()
	push, err := easypost.ParsePush(fixture(t, "easypost/tracker-updated-event.json"))
	require.NoError(t, err)
	require.Equal(t, "evt_1", push.EventID)
	require.Equal(t, "fedex", push.Carrier)
	require.Equal(t, "1", push.Tracking)
	require.Len(t, push.Scans, 7)
	require.Equal(t, carrier.Standing{
		Milestone:   order.ParcelInTransit,
		At:          time.Date(2024, 7, 31, 19, 27, 0, 0, time.UTC),
		FirstScanAt: time.Date(2024, 7, 31, 19, 27, 0, 0, time.UTC),
		LastScanAt:  time.Date(2024, 8, 2, 18, 50, 0, 0, time.UTC),
	}, carrier.Derive(push.Scans))
}

func TestPushOutsideTheLimitsIsRefused(t *testing.T) {
	t.Parallel()
	valid := string(testdata(t, "delivered.json"))
	for name, body := range map[string]string{
		"empty":           "",
		"not JSON":        "<html>",
		"two documents":   valid + valid,
		"array":           "[]",
		"no id":           strings.Replace(valid, `"evt_5f1c"`, `""`, 1),
		"line break id":   strings.Replace(valid, `"evt_5f1c"`, `"evt\n"`, 1),
		"numeric id":      strings.Replace(valid, `"evt_5f1c"`, `7`, 1),
		"no number":       strings.Replace(valid, `1Z 999 AA1 01 2345 6784`, ` , `, 1),
		"no result":       `{"id":"e","description":"tracker.updated"}`,
		"huge":            strings.Repeat(" ", easypost.MaxPush) + valid,
		"deep":            `{"id":"e","description":"tracker.updated","x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
		"number too long": strings.Replace(valid, `1Z 999`, strings.Repeat("9", 70), 1),
		"too many scans": strings.Replace(valid, `"tracking_details": [`,
			`"tracking_details": [`+strings.Repeat(`{"status":"in_transit","datetime":"2026-03-02T08:00:00Z"},`, 1001), 1),
	} {
		_, err := easypost.ParsePush([]byte(body))
		require.ErrorIs(t, err, easypost.ErrMalformed, name)
	}
	_, err := easypost.ParsePush([]byte(`{"id":"evt_2","description":"batch.created","result":{}}`))
	require.ErrorIs(t, err, easypost.ErrOtherEvent)
}

func TestErrorRepeatsNothingOfTheBody(t *testing.T) {
	t.Parallel()
	_, err := easypost.ParsePush([]byte(`{"id":"evt_2","description":"tracker.updated","result":{"carrier":"UPS","tracking_code":"","x":"Ann Example"}}`))
	require.ErrorIs(t, err, easypost.ErrMalformed)
	require.NotContains(t, err.Error(), "Ann")
	_, err = easypost.ParsePush([]byte(`{"id":"evt_2","description":"tracker.updated","result":"Ann Example"}`))
	require.ErrorIs(t, err, easypost.ErrMalformed)
	require.NotContains(t, err.Error(), "Ann")
}
