package restapi

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

func BenchmarkParseWebhook(b *testing.B) {
	at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	for _, lines := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("%dlines", lines), func(b *testing.B) {
			var answers []wire.AckLine
			for n := range lines {
				answers = append(answers, wire.AckLine{Line: n + 1, Status: "accepted", Quantity: 2})
			}
			data, err := json.Marshal(wire.Acknowledgment{PO: "DLABCDEFGHIJKLM-1", At: at, Lines: answers})
			require.NoError(b, err)
			body, err := json.Marshal(wire.Event{ID: "e-1", Type: wire.TypeAcknowledged, CreatedAt: at, Data: data})
			require.NoError(b, err)
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				_, err := ParseWebhook(body)
				require.NoError(b, err)
			}
		})
	}
}
