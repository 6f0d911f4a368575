package orderview_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
)

func FuzzParseCursor(f *testing.F) {
	f.Add(orderview.Cursor{ReceivedAt: time.Unix(1_760_000_000, 123_000).UTC(), Order: "shop/1001"}.String())
	for _, text := range []string{"", "MCBzaG9wLzE", "LTEgc2hvcC8x", "enp6enp6enp6enogc2hvcC8x", "MCAnOyBEUk9QIFRBQkxFIG9yZGVyczsgLS0", "!!!"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cursor, ok := orderview.ParseCursor(text)
		if !ok {
			require.Zero(t, cursor)
			return
		}
		_, err := order.ParseKey(cursor.Order)
		require.NoError(t, err)
		require.True(t, cursor.ReceivedAt.Year() >= 1970 && cursor.ReceivedAt.Year() < 10_000, "Postgres knows the time")
		again, ok := orderview.ParseCursor(cursor.String())
		require.True(t, ok)
		require.Equal(t, cursor, again)
	})
}
