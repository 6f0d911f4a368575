package architecture

import (
	"bytes"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// longest is the number of lines above which a file is two files.
const longest = 500

// emptyNames say nothing about what is inside.
var emptyNames = []string{"util", "utils", "common", "helper", "helpers", "manager", "impl", "misc", "base"}

func TestNoFileIsTooLongToRead(t *testing.T) {
	t.Parallel()
	eachText(t, []string{".go", ".sh"}, func(name string, text []byte) {
		require.LessOrEqual(t, bytes.Count(text, []byte("\n")), longest, "%s: split it by subject", name)
	})
}

func TestNothingIsLeftForLater(t *testing.T) {
	t.Parallel()
	later := []string{"TO" + "DO", "FIX" + "ME", "X" + "XX:"}
	eachText(t, []string{".go", ".sh", ".sql", ".yml", ".yaml", "Makefile", "Dockerfile"}, func(name string, text []byte) {
		for _, mark := range later {
			require.NotContains(t, string(text), mark, name)
		}
	})
}

func TestNamesSayWhatIsInside(t *testing.T) {
	t.Parallel()
	eachText(t, []string{".go"}, func(name string, _ []byte) {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			require.NotContains(t, emptyNames, path.Base(dir), name)
		}
		file := strings.TrimSuffix(strings.TrimSuffix(path.Base(name), ".go"), "_test")
		require.NotContains(t, emptyNames, file, name)
	})
}

// eachText visits the files of the repository whose names end in one of the suffixes, all modules
// included.
func eachText(t *testing.T, suffixes []string, visit func(name string, text []byte)) {
	t.Helper()
	visited := 0
	require.NoError(t, walk(repository(), func(name string) error {
		if !slices.ContainsFunc(suffixes, func(suffix string) bool { return strings.HasSuffix(name, suffix) }) {
			return nil
		}
		text, err := fs.ReadFile(repository(), name)
		visit(name, text)
		visited++
		return err
	}))
	require.NotZero(t, visited)
}
