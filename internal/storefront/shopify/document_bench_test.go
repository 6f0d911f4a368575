package shopify

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkParse(b *testing.B) {
	body, err := os.ReadFile("testdata/created.json")
	require.NoError(b, err)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		_, err := Parse("shop", body)
		require.NoError(b, err)
	}
}
