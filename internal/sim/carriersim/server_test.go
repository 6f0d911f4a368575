package carriersim_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/carrier/easypost"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/sim/carriersim"
)

// gateway keeps the pushes it takes, and fails the first ones.
type gateway struct {
	mu     sync.Mutex
	fail   int
	pushes []easypost.Push
	faulty []string
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fail > 0 {
		g.fail--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	body, _ := io.ReadAll(r.Body)
	mac := hmac.New(sha256.New, []byte("secret"))
	mac.Write(body)
	if r.Header.Get("X-Hmac-Signature") != "hmac-sha256-hex="+hex.EncodeToString(mac.Sum(nil)) {
		g.faulty = append(g.faulty, "signature")
	}
	if r.URL.Path != "/v1/carriers/easypost/events" {
		g.faulty = append(g.faulty, r.URL.Path)
	}
	push, err := easypost.ParsePush(body)
	if err != nil {
		g.faulty = append(g.faulty, err.Error())
	}
	g.pushes = append(g.pushes, push)
}

func (g *gateway) heard() (scans []carrier.Scan, milestones []order.Milestone, events map[string]bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	events = map[string]bool{}
	for _, p := range g.pushes {
		scans = append(scans, p.Scans...)
		milestones = append(milestones, carrier.Derive(scans).Milestone)
		events[p.EventID] = true
	}
	return scans, milestones, events
}

func start(t *testing.T, g *gateway, silent ...string) *carriersim.Server {
	t.Helper()
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	s, err := carriersim.Start(carriersim.Config{
		Gateway: server.URL, Source: "easypost", Secret: "secret", APIKey: "key",
		Interval: time.Millisecond, Retry: time.Millisecond, Silent: silent,
		Now: func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) },
	})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func arrive(t *testing.T, s *carriersim.Server, manner string) {
	t.Helper()
	s.OnParcel("UPS", "1Z-1", manner)
	s.OnParcel("UPS", "1Z-1", manner)
	require.NoError(t, s.Await(t.Context(), func() bool { return s.Arrived("UPS", "1Z-1") }))
}

func TestEachMannerEndsWhereItsNameSays(t *testing.T) {
	t.Parallel()
	for manner, want := range map[string]struct {
		milestone     order.Milestone
		scanned       bool
		contradiction string
		pushes        int
		events        int
	}{
		carriersim.Prompt:              {order.ParcelDelivered, true, "", 5, 5},
		carriersim.LabelOnly:           {order.ParcelLabelled, false, "", 1, 1},
		carriersim.Lost:                {order.ParcelInTransit, true, "", 3, 3},
		carriersim.Delayed:             {order.ParcelDelivered, true, "", 5, 5},
		carriersim.ReturnsToSender:     {order.ParcelReturning, true, "", 5, 5},
		carriersim.Duplicates:          {order.ParcelDelivered, true, "", 15, 10},
		carriersim.OutOfOrder:          {order.ParcelDelivered, true, "", 5, 5},
		carriersim.DeliveredThenReturn: {order.ParcelReturning, true, carrier.DeliveredThenReturned, 6, 6},
		"never_heard_of":               {order.ParcelDelivered, true, "", 5, 5},
	} {
		t.Run(manner, func(t *testing.T) {
			t.Parallel()
			g := &gateway{}
			s := start(t, g)
			arrive(t, s, manner)
			scans, _, events := g.heard()
			standing := carrier.Derive(scans)
			require.Equal(t, want.milestone, standing.Milestone)
			require.Equal(t, want.scanned, !standing.FirstScanAt.IsZero())
			require.Equal(t, want.contradiction, standing.Contradiction)
			require.Empty(t, standing.Unread)
			require.Empty(t, g.faulty)
			require.Len(t, g.pushes, want.pushes)
			require.Len(t, events, want.events)
			require.Equal(t, want.pushes, s.Books().Pushed)
		})
	}
}

func TestOutOfOrderTellsTheEndFirst(t *testing.T) {
	t.Parallel()
	g := &gateway{}
	arrive(t, start(t, g), carriersim.OutOfOrder)
	_, milestones, _ := g.heard()
	require.Equal(t, []order.Milestone{"delivered", "delivered", "delivered", "delivered", "delivered"}, milestones)
}

func TestEventIsRedeliveredUntilTaken(t *testing.T) {
	t.Parallel()
	g := &gateway{fail: 7}
	s := start(t, g)
	arrive(t, s, carriersim.LabelOnly)
	require.Equal(t, carriersim.Books{Pushed: 1, Attempts: 8}, s.Books())
}

func TestSilentMannerIsFoundByPollingOnly(t *testing.T) {
	t.Parallel()
	g := &gateway{}
	s := start(t, g, carriersim.Prompt)
	arrive(t, s, carriersim.Prompt)
	require.Empty(t, g.pushes)

	client, err := easypost.NewClient(easypost.Config{BaseURL: s.URL(), APIKey: "key"})
	require.NoError(t, err)
	s.FailPolls(1)
	asked := []easypost.Parcel{{Carrier: "ups", Tracking: "1Z1"}, {Carrier: "ups", Tracking: "1Z2"}}
	_, err = client.Track(t.Context(), asked)
	require.ErrorIs(t, err, easypost.ErrUnavailable)
	batch, err := client.Track(t.Context(), asked)
	require.NoError(t, err)
	require.Len(t, batch.Tracked, 1)
	require.Equal(t, []easypost.Parcel{asked[1]}, batch.Missing)
	require.Equal(t, order.ParcelDelivered, carrier.Derive(batch.Tracked[0].Scans).Milestone)
	require.Equal(t, carriersim.Books{Polls: 1, Asked: 2}, s.Books())

	stranger, err := easypost.NewClient(easypost.Config{BaseURL: s.URL(), APIKey: "other"})
	require.NoError(t, err)
	_, err = stranger.Track(t.Context(), asked)
	require.ErrorIs(t, err, easypost.ErrRefused)
}

func TestCloseEndsJourneysUnderWay(t *testing.T) {
	t.Parallel()
	s, err := carriersim.Start(carriersim.Config{Gateway: "http://127.0.0.1:1", Interval: time.Hour, Retry: time.Hour})
	require.NoError(t, err)
	s.OnParcel("UPS", "1Z1", carriersim.Prompt)
	s.Close()
	s.OnParcel("UPS", "1Z2", carriersim.Prompt)
	require.False(t, s.Arrived("UPS", "1Z1"))
}
