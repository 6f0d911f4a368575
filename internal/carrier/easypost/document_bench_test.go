package easypost

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkParsePush(b *testing.B) {
	body, err := os.ReadFile("testdata/delivered.json")
	require.NoError(b, err)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		_, err := ParsePush(body)
		require.NoError(b, err)
	}
}
