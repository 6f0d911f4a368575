package carrier_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/order"
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func at(hours int) time.Time { return start.Add(time.Duration(hours) * time.Hour) }

func scan(hours int, status, text string) carrier.Scan {
	return carrier.NewScan("FedEx", "7700 1234", status, text, at(hours))
}

func TestCarriersWordsBecomeMilestones(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]order.Milestone{
		"unknown": "", "pre_transit": "labelled", "in_transit": "in_transit",
		"out_for_delivery": "out_for_delivery", "delivered": "delivered",
		"available_for_pickup": "at_pickup_point", "return_to_sender": "returning",
		"failure": "exception", "cancelled": "exception", "error": "",
		"Pending": "", "InfoReceived": "labelled", "InTransit": "in_transit",
		"OutForDelivery": "out_for_delivery", "AttemptFail": "exception", "Delivered": "delivered",
		"AvailableForPickup": "at_pickup_point", "Exception": "exception", "Expired": "",
		"in_transit/weather_delay": "delayed", "failure/lost": "lost", "in_transit/return": "returning",
		"in_transit/arrived_at_facility": "in_transit", "delivered/delayed": "delivered",
		"in_transit/never_heard_of": "in_transit",
	} {
		got, known := carrier.Normalise(status)
		require.True(t, known, status)
		require.Equal(t, want, got, status)
	}
	_, known := carrier.Normalise("teleported")
	require.False(t, known)
}

func TestLabelIsNoShipment(t *testing.T) {
	t.Parallel()
	s := carrier.Derive([]carrier.Scan{scan(0, "unknown", ""), scan(1, "pre_transit/label_created", "Shipment information sent")})
	require.Equal(t, carrier.Standing{Milestone: order.ParcelLabelled, At: at(1)}, s)
	s = carrier.Derive([]carrier.Scan{scan(2, "in_transit", "Label created, not yet in our hands")})
	require.True(t, s.FirstScanAt.IsZero(), "the text says that only a label exists")
	require.Equal(t, order.ParcelLabelled, s.Milestone)
	require.Equal(t, carrier.TextSaysLabelOnly, s.Contradiction)
}

func TestSmoothParcelReachesDelivered(t *testing.T) {
	t.Parallel()
	s := carrier.Derive([]carrier.Scan{
		scan(0, "pre_transit", "Shipment information sent to FedEx"),
		scan(4, "in_transit/arrived_at_facility", "Picked up"),
		scan(9, "in_transit/departed_facility", "Departed FedEx location"),
		scan(30, "out_for_delivery", "On vehicle for delivery"),
		scan(34, "delivered", "Delivered, left at front door"),
	})
	require.Equal(t, carrier.Standing{
		Milestone: order.ParcelDelivered, At: at(34), FirstScanAt: at(4), LastScanAt: at(34), DeliveredAt: at(34),
	}, s)
}

func TestLateLabelEventDoesNotStepBack(t *testing.T) {
	t.Parallel()
	s := carrier.Derive([]carrier.Scan{scan(4, "in_transit", "Picked up"), scan(5, "pre_transit", "Label created"), scan(6, "cancelled", "")})
	require.Equal(t, order.ParcelInTransit, s.Milestone)
	require.Equal(t, at(4), s.At)
	require.Equal(t, at(4), s.LastScanAt)
}

func TestDeliveredNeverStepsBackButAReturnIsFlagged(t *testing.T) {
	t.Parallel()
	moved := carrier.Derive([]carrier.Scan{scan(1, "delivered", ""), scan(2, "in_transit", "")})
	require.Equal(t, order.ParcelDelivered, moved.Milestone)
	require.Equal(t, at(1), moved.At)
	require.Equal(t, carrier.MovedAfterDelivery, moved.Contradiction)

	back := carrier.Derive([]carrier.Scan{scan(1, "delivered", ""), scan(2, "in_transit", ""), scan(3, "return_to_sender", "")})
	require.Equal(t, order.ParcelReturning, back.Milestone)
	require.Equal(t, at(3), back.At)
	require.Equal(t, at(1), back.DeliveredAt)
	require.Equal(t, carrier.DeliveredThenReturned, back.Contradiction)
}

func TestDeliveryToTheSenderIsNotADeliveryToTheCustomer(t *testing.T) {
	t.Parallel()
	s := carrier.Derive([]carrier.Scan{scan(1, "in_transit", ""), scan(2, "return_to_sender", ""), scan(9, "delivered", "")})
	require.Equal(t, order.ParcelReturning, s.Milestone)
	require.True(t, s.DeliveredAt.IsZero())
	require.Equal(t, carrier.DeliveredAfterReturn, s.Contradiction)
}

func TestTextThatContradictsItsCodeIsFlagged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status, text string
		milestone    order.Milestone
		want         string
	}{
		{"delivered", "Returned to sender", order.ParcelReturning, carrier.TextSaysReturned},
		{"delivered", "Delivery attempted, no access", order.ParcelException, carrier.TextSaysNotDelivered},
		{"in_transit", "Delivered, front porch", order.ParcelInTransit, carrier.TextSaysDelivered},
		{"in_transit", "Your package was delivered", order.ParcelInTransit, carrier.TextSaysDelivered},
		{"out_for_delivery", "Being returned", order.ParcelOutForDelivery, carrier.TextSaysReturned},
		{"pre_transit", "Picked up", order.ParcelLabelled, carrier.TextSaysMoving},
		{"in_transit/label_created", "", order.ParcelLabelled, carrier.QualifierSaysLabelOnly},
		{"in_transit", "Scheduled to be delivered tomorrow", order.ParcelInTransit, ""},
		{"out_for_delivery", "Out for delivery", order.ParcelOutForDelivery, ""},
		{"delivered", "Delivered", order.ParcelDelivered, ""},
		{"failure", "Not delivered, customer absent", order.ParcelException, ""},
		{"return_to_sender", "Returned to sender", order.ParcelReturning, ""},
	} {
		s := carrier.Derive([]carrier.Scan{scan(1, c.status, c.text)})
		require.Equal(t, c.milestone, s.Milestone, "%s: %s", c.status, c.text)
		require.Equal(t, c.want, s.Contradiction, "%s: %s", c.status, c.text)
	}
}

func TestStatusNeverSeenBeforeIsKeptAndFlagged(t *testing.T) {
	t.Parallel()
	s := carrier.Derive([]carrier.Scan{scan(1, "in_transit", ""), scan(5, "teleported", ""), scan(6, "beamed", ""), scan(7, "beamed", "")})
	require.Equal(t, order.ParcelInTransit, s.Milestone)
	require.Equal(t, "beamed,teleported", s.Unread)
	require.Equal(t, at(7), s.LastScanAt, "it is a sign of life")
	require.Equal(t, at(1), s.FirstScanAt)
	alone := carrier.Derive([]carrier.Scan{scan(5, "teleported", "")})
	require.Empty(t, alone.Milestone)
	require.True(t, alone.FirstScanAt.IsZero(), "no proof that the carrier has it")
}

func TestRecycledNumberIsNotBelieved(t *testing.T) {
	t.Parallel()
	old, young := scan(0, "delivered", ""), scan(24*120, "in_transit", "")
	s := carrier.Derive([]carrier.Scan{old, young})
	require.Equal(t, order.ParcelDelivered, s.Milestone)
	require.Equal(t, at(0), s.LastScanAt)
	require.Equal(t, carrier.NumberReused, s.Contradiction)
	s = carrier.Derive(carrier.Since([]carrier.Scan{old, young}, at(24*119)))
	require.Equal(t, order.ParcelInTransit, s.Milestone)
	require.Empty(t, s.Contradiction)
}

func TestSameEventHasTheSameIDHoweverSpelled(t *testing.T) {
	t.Parallel()
	a := carrier.NewScan("FedEx", "77-00 12 34", "delivered", "Left  at door", at(1))
	b := carrier.NewScan("FEDEX", "77001234", "delivered", " Left at door ", at(1).In(time.FixedZone("EST", -5*3600)))
	require.Equal(t, a, b)
	require.NotEqual(t, a.ID, carrier.NewScan("FedEx", "77001234", "delivered", "Left at door", at(2)).ID)
	require.NotEqual(t, a.ID, carrier.NewScan("FedEx", "77001234", "delivere", "dLeft at door", at(1)).ID)
}

func TestScanWithoutATimeIsLeftOut(t *testing.T) {
	t.Parallel()
	require.Equal(t, carrier.Standing{}, carrier.Derive([]carrier.Scan{{Status: "delivered"}}))
}

var scans = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) carrier.Scan {
	status := rapid.SampledFrom([]string{
		"pre_transit", "in_transit", "in_transit/delayed", "in_transit/label_created", "out_for_delivery", "delivered",
		"return_to_sender", "failure", "available_for_pickup", "unknown", "teleported", "cancelled", "failure/lost",
	}).Draw(t, "status")
	text := rapid.SampledFrom([]string{"", "Delivered, porch", "Label created", "Returned to sender", "Delivery attempt", "Picked up"}).Draw(t, "text")
	hours := rapid.IntRange(0, 12).Draw(t, "hours")
	if rapid.IntRange(0, 19).Draw(t, "late") == 0 {
		hours += 24 * 100
	}
	return scan(hours, status, text)
}), 0, 14)

func TestStandingDependsOnTheSetOfScansAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		set := scans.Draw(t, "scans")
		want := carrier.Derive(set)
		shuffled := rapid.Permutation(set).Draw(t, "shuffled")
		for range rapid.IntRange(0, 5).Draw(t, "copies") {
			if len(set) > 0 {
				again := rapid.SampledFrom(set).Draw(t, "again")
				again.At = again.At.In(time.FixedZone("elsewhere", 3600))
				shuffled = append(shuffled, again)
			}
		}
		require.Equal(t, want, carrier.Derive(shuffled))
	})
}

func TestMoreEvidenceNeverTakesAParcelBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		set := scans.Draw(t, "scans")
		before := carrier.Derive(set)
		// Whatever happens later, in event time, than all that is known.
		hours := 0
		for _, s := range set {
			hours = max(hours, int(s.At.Sub(start).Hours()))
		}
		later := scan(hours+1, rapid.SampledFrom([]string{"pre_transit", "in_transit", "out_for_delivery", "failure", "delivered", "return_to_sender", "teleported"}).Draw(t, "later"), "")
		after := carrier.Derive(append(set, later))
		require.False(t, after.LastScanAt.Before(before.LastScanAt))
		if !before.FirstScanAt.IsZero() {
			require.False(t, after.FirstScanAt.After(before.FirstScanAt))
			require.NotEqual(t, order.ParcelLabelled, after.Milestone)
		}
		switch before.Milestone {
		case order.ParcelDelivered:
			require.Contains(t, []order.Milestone{order.ParcelDelivered, order.ParcelReturning}, after.Milestone)
			if after.Milestone == order.ParcelReturning {
				require.NotEmpty(t, after.Contradiction)
			}
		case order.ParcelReturning:
			require.Equal(t, order.ParcelReturning, after.Milestone)
		}
		if after.Milestone == order.ParcelDelivered {
			require.False(t, after.DeliveredAt.IsZero())
		}
	})
}
