package ports

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestATakenPreferredPortIsReplacedByAFreeOne(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", Loopback+":0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })
	preferred := taken.Addr().(*net.TCPAddr).Port

	got, err := (&Picker{}).Pick(preferred)
	require.NoError(t, err)
	require.NotEqual(t, preferred, got)
}

func TestAPickerNeverHandsOutAPortTwice(t *testing.T) {
	t.Parallel()
	picker := &Picker{}
	first, err := picker.Pick(0)
	require.NoError(t, err)
	second, err := picker.Pick(first)
	require.NoError(t, err)
	require.NotEqual(t, first, second)
}
