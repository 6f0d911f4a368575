//go:build unix

package postgres

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/devstack/internal/failure"
)

// install makes a pretended installation that says it is the version.
func install(t *testing.T, dir string, major int) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + strconv.Itoa(major) + ".3'\n"
	for _, name := range []string{"postgres", "initdb"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755))
	}
}

func emptySearch(t *testing.T) (search, string) {
	t.Helper()
	root := t.TempDir()
	return search{cache: filepath.Join(root, "cache"), globs: []string{filepath.Join(root, "pg", "*", "bin")}}, root
}

func TestTheNewestInstallationIsChosenByNumber(t *testing.T) {
	t.Parallel()
	s, root := emptySearch(t)
	for _, major := range []int{9, 15, 16} {
		install(t, filepath.Join(root, "pg", strconv.Itoa(major), "bin"), major)
	}
	s.globs = []string{filepath.Join(root, "pg", "*", "bin")}
	require.Equal(t, 3, len(s.candidates())-1)
	found, err := s.find(context.Background(), func(string) {})
	require.NoError(t, err)
	require.Equal(t, 16, found.major)

	s.major = 15
	found, err = s.find(context.Background(), func(string) {})
	require.NoError(t, err)
	require.Equal(t, 15, found.major, "existing data decides the version")
}

func TestTheExplicitDirectoryIsUsedOrRefusedNeverSkipped(t *testing.T) {
	t.Parallel()
	s, root := emptySearch(t)
	install(t, filepath.Join(root, "pg", "16", "bin"), 16)
	install(t, filepath.Join(root, "mine"), 14)
	s.explicit = filepath.Join(root, "mine")
	found, err := s.find(context.Background(), func(string) {})
	require.NoError(t, err)
	require.Equal(t, 14, found.major)

	s.explicit = filepath.Join(root, "nothing")
	_, err = s.find(context.Background(), func(string) {})
	require.ErrorContains(t, err, BinariesVariable)
	require.NotEmpty(t, failure.Hint(err))
}

func TestAnInstallationThatDoesNotRunIsPassedOver(t *testing.T) {
	t.Parallel()
	s, root := emptySearch(t)
	install(t, filepath.Join(root, "pg", "15", "bin"), 15)
	broken := filepath.Join(root, "pg", "17", "bin")
	install(t, broken, 17)
	require.NoError(t, os.WriteFile(filepath.Join(broken, "postgres"), []byte("#!/bin/sh\nexit 1\n"), 0o755))
	found, err := s.find(context.Background(), func(string) {})
	require.NoError(t, err)
	require.Equal(t, 15, found.major)
}

func archive(t *testing.T, files map[string]string) string {
	t.Helper()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	writer := tar.NewWriter(zipped)
	for name, content := range files {
		require.NoError(t, writer.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}))
		_, err := writer.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, writer.Close())
	require.NoError(t, zipped.Close())
	path := filepath.Join(t.TempDir(), "package.tgz")
	require.NoError(t, os.WriteFile(path, packed.Bytes(), 0o600))
	return path
}

func TestUnpackingRestoresTheLibrariesSymlinks(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tree")
	require.NoError(t, unpack(archive(t, map[string]string{
		"package/package.json":             "{}",
		"package/native/lib/libpq.so.5.18": "library",
		"package/native/pg-symlinks.json":  `[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"}]`,
	}), dir))
	content, err := os.ReadFile(filepath.Join(dir, "lib", "libpq.so.5"))
	require.NoError(t, err)
	require.Equal(t, "library", string(content))
	require.NoFileExists(t, filepath.Join(dir, "package.json"))
}

func TestUnpackingNeverWritesOutsideItsFolder(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir := filepath.Join(parent, "tree")
	require.ErrorContains(t, unpack(archive(t, map[string]string{"package/native/../../escaped": "x"}), dir), "outside")
	require.ErrorContains(t, unpack(archive(t, map[string]string{
		"package/native/pg-symlinks.json": `[{"source":"../../etc/passwd","target":"native/lib/x"}]`,
	}), dir), "outside")
	require.NoFileExists(t, filepath.Join(parent, "escaped"))
}

func TestABorrowedSchemaKeepsTheOptionsOfTheURL(t *testing.T) {
	t.Parallel()
	server, err := parse("postgres://me:secret@db:5432/app?sslmode=require&options=-cstatement_timeout%3D5s")
	require.NoError(t, err)
	got, err := url.Parse(withSearchPath(*server, "dropline_1"))
	require.NoError(t, err)
	require.NotContains(t, got.RawQuery, "+")
	require.Equal(t, "-cstatement_timeout=5s -csearch_path=dropline_1", got.Query().Get("options"))
	require.Equal(t, "require", got.Query().Get("sslmode"))
	require.Equal(t, "postgres://me:secret@db:5432/dropline_1?sslmode=require&options=-cstatement_timeout%3D5s",
		withDatabase(*server, "dropline_1"))
}

func TestABadDatabaseURLIsNotRepeatedInTheError(t *testing.T) {
	t.Parallel()
	_, err := parse("host=db password=secret")
	require.ErrorContains(t, err, "DATABASE_URL")
	require.NotContains(t, err.Error(), "secret")
}
