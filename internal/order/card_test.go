package order

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// TestCardReadsLikeAStory shows an order with a bit of everything, as its operator would meet it.
func TestCardReadsLikeAStory(t *testing.T) {
	t.Parallel()
	b := setup(t, func(v *Verdict) {
		v.Lines = append(v.Lines, Line{Line: 3, SKU: "CAP", Ordered: 4})
	})
	boston := time.FixedZone("", -5*60*60)
	b.routeTo(Terms{KeepOnSilence: true}, ShippedLine{1, 2}, ShippedLine{2, 2})
	b.s.Supply.TryAt = time.Time{} // the stock feed brought news
	b.route(ShippedLine{1, 1}, ShippedLine{3, 3})
	b.submit(1)
	b.begin(StepDispatch)
	d := b.result(DispatchSubmitted)
	d.AckDueAt, d.ShipDueAt = d.AckDueAt.In(boston), d.ShipDueAt.In(boston)
	b.s.Dispatched(b.number(2), d, b.now)
	b.pass(20 * time.Minute)
	b.ackLines(1, AckLine{Line: 1, Status: AckAccepted, Quantity: 2}, AckLine{Line: 2, Status: AckBackordered, Quantity: 2})
	b.ackLines(2, AckLine{Line: 1, Status: AckAccepted, Quantity: 1}, AckLine{Line: 3, Status: AckOnHold, Quantity: 1},
		AckLine{Line: 3, Status: AckAccepted, Quantity: 2})
	b.pass(time.Hour)
	b.ship(1, "1Z999AA10123456784", ShippedLine{1, 2}, ShippedLine{3, 1})
	b.scan("1Z999AA10123456784", ParcelInTransit)
	b.pass(time.Hour)
	b.cancel("r1", ShippedLine{3, 2})
	b.answer(AnswerPending)
	b.refund()
	b.pass(46 * time.Hour)
	b.begin(StepRecord)
	golden(t, "rich.golden.md", b.s.Card())
}

func TestCardOfAnOrderThatWaitsForNothingIsShort(t *testing.T) {
	t.Parallel()
	b := acknowledged(t)
	b.ship(1, "T1", ShippedLine{1, 3}, ShippedLine{2, 2})
	b.scan("T1", ParcelDelivered)
	b.settle()
	golden(t, "settled.golden.md", b.s.Card())
}

func TestStageIsTheWordForTheWholeOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, StageReceived, b.s.Stage())
	b.route(ShippedLine{1, 3}, ShippedLine{2, 2})
	require.Equal(t, StageReceived, b.s.Stage())
	b.submit(1)
	require.Equal(t, StageDispatched, b.s.Stage())
	b.ackWhole(1, AckAccepted)
	require.Equal(t, StageAcknowledged, b.s.Stage())
	b.ship(1, "T1", ShippedLine{1, 3})
	b.scan("T1", ParcelDelivered)
	require.Equal(t, StageAcknowledged, b.s.Stage(), "part of it is still to ship")
	b.ship(1, "T2", ShippedLine{2, 2})
	b.scan("T2", ParcelInTransit)
	require.Equal(t, StageShipped, b.s.Stage())
	b.scan("T2", ParcelReturning)
	require.Equal(t, StageDelivered, b.s.Stage())
	b.settle()
	require.Equal(t, StageSettled, b.s.Stage())
}
