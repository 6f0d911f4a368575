package orderview_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
)

func TestEachFactIsToldInASentence(t *testing.T) {
	t.Parallel()
	pool := placed(t)
	lines := []order.ShippedLine{{Line: 1, Quantity: 2}}
	for want, fact := range map[string]order.Fact{
		"Supplier answers DL-1: all rejected":                              {Acknowledge: &order.Acknowledgment{PO: "DL-1", Whole: order.AckRejected, Reason: "Pat Miller said so"}},
		"Supplier answers DL-1: 2 of line 1 accepted, 1 of line 1 on hold": {Acknowledge: &order.Acknowledgment{PO: "DL-1", Lines: []order.AckLine{{Line: 1, Status: order.AckAccepted, Quantity: 2}, {Line: 1, Status: order.AckOnHold, Quantity: 1}}}},
		"Supplier announces a parcel for DL-1: 1Z with ups, 2 of line 1":   {Ship: &order.ShipNotice{PO: "DL-1", Carrier: "ups", Tracking: "1Z", Lines: lines}},
		"Parcel 1Z is out for delivery":                                    {Milestone: &order.ParcelNews{Tracking: "1Z", Milestone: order.ParcelOutForDelivery, Detail: "door of Pat Miller"}},
		"Supplier gives units of DL-1 back":                                {CancelReply: &order.CancelAnswer{PO: "DL-1", Accepted: true}},
		"Supplier keeps DL-1":                                              {CancelReply: &order.CancelAnswer{PO: "DL-1", Reason: "Pat Miller said so"}},
		"Cancellation of everything asked for by the customer":             {Cancel: &order.CancelRequest{ID: "1"}},
		"Cancellation of 2 of line 1 asked for by support":                 {Cancel: &order.CancelRequest{ID: "2", Lines: lines, By: "support"}},
		"A fact of an unknown kind":                                        {},
	} {
		learn(t, pool, fact)
		events, err := orderview.Timeline(t.Context(), pool, key)
		require.NoError(t, err)
		var told []string
		for _, e := range events {
			if e.Kind == "fact" {
				told = append(told, e.Text)
			}
		}
		require.Contains(t, told, want)
		for _, text := range told {
			require.NotContains(t, text, "Pat")
		}
	}
}

func TestCursorIsReadBackExactlyAndNothingElseIs(t *testing.T) {
	t.Parallel()
	want := orderview.Cursor{ReceivedAt: noon.Add(123456000), Order: "shop/1001"}
	got, ok := orderview.ParseCursor(want.String())
	require.True(t, ok)
	require.Equal(t, want, got)
	for _, text := range []string{"", "x", "====", want.String() + "A", "LTEgc2hvcC8x", "enp6enp6enp6enp6IHNob3AvMQ", "MSBhIGI"} {
		_, ok := orderview.ParseCursor(text)
		require.False(t, ok, text)
	}
}
