package failure

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheMostSpecificHintIsShown(t *testing.T) {
	t.Parallel()
	inner := WithHint(errors.New("port taken"), "Free the port.")
	outer := WithHint(fmt.Errorf("start: %w", inner), "Look at the log.")
	require.Equal(t, "Free the port.", Hint(fmt.Errorf("up: %w", outer)))
	require.Equal(t, "up: start: port taken", fmt.Errorf("up: %w", outer).Error())
	require.Empty(t, Hint(errors.New("plain")))
}

func TestALogIsReadBeforeItIsGoneAndCutToSize(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postgres.log")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("early\n", 50)+strings.Repeat("x", 1000)+"\nlast\n"), 0o600))
	err := fmt.Errorf("start: %w", WithLog(errors.New("gone"), path))
	require.NoError(t, os.Remove(path))
	name, tail := Log(err)
	require.Equal(t, "postgres.log", name)
	require.True(t, strings.HasSuffix(tail, "\nlast"))
	require.Less(t, len(tail), 400)
}
