//go:build unix

package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/devstack/internal/failure"
)

func noEnvironment(string) string { return "" }

func TestExecTakesItsCommandAfterTheFlags(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"exec", "--no-ui", "--", "psql", "--help"}, noEnvironment)
	require.NoError(t, err)
	require.Equal(t, []string{"psql", "--help"}, o.command)
	require.False(t, o.stack.WithUI)
	require.True(t, o.stack.Isolate)
	require.False(t, o.stack.UsualPorts)
	require.Equal(t, "memory", o.stack.Temporal)
	require.False(t, o.stack.Durable)
}

func TestAStateDirectoryMakesBothServersDurable(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"up", "--state", "somewhere"}, noEnvironment)
	require.NoError(t, err)
	require.Equal(t, "file", o.stack.Temporal)
	require.True(t, o.stack.Durable)
	require.True(t, o.stack.UsualPorts)
}

func TestMistakesInTheFlagsAreUsageErrorsWithAHint(t *testing.T) {
	t.Parallel()
	for _, arguments := range [][]string{
		{},
		{"start"},
		{"exec"},
		{"exec", "--nope", "--", "true"},
		{"exec", "--env-file", "x", "--", "true"},
		{"up", "stray"},
		{"up", "--temporal-db", "postgres"},
		{"up", "--namespace", "two words"},
		{"up", "--postgres-setting", "fsync"},
		{"up", "--temporal-setting", "frontend.namespaceRPS"},
		{"up", "--search-attributes", filepath.Join(t.TempDir(), "missing")},
	} {
		_, err := parse(arguments, noEnvironment)
		require.Error(t, err, arguments)
		require.NotErrorIs(t, err, flag.ErrHelp)
		require.NotEmpty(t, failure.Hint(err), arguments)
	}
}

func TestSettingsAndMetricsAreAskedFor(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{
		"exec", "--temporal-metrics", "--postgres-setting", "shared_preload_libraries=pg_stat_statements",
		"--postgres-setting", "pg_stat_statements.track=all", "--temporal-setting", "frontend.namespaceRPS=40", "--", "true",
	}, noEnvironment)
	require.NoError(t, err)
	require.True(t, o.stack.Metrics)
	require.Equal(t, []string{"shared_preload_libraries=pg_stat_statements", "pg_stat_statements.track=all"}, o.stack.Settings)
	require.Equal(t, []string{"frontend.namespaceRPS=40"}, o.stack.TemporalSettings)
}

func TestHelpIsAskedForInEveryUsualWay(t *testing.T) {
	t.Parallel()
	for _, arguments := range [][]string{{"--help"}, {"help"}, {"-h"}, {"up", "--help"}, {"exec", "-h"}} {
		_, err := parse(arguments, noEnvironment)
		require.ErrorIs(t, err, flag.ErrHelp)
	}
}

func TestExportLinesSurviveTheShell(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "env")
	awkward := `postgres://u:it's $HOME "x"@h/db?a=1&b=2`
	require.NoError(t, writeFile(file, exportLines(map[string]string{"DATABASE_URL": awkward, "EMPTY": ""})))
	said, err := exec.Command("/bin/sh", "-c", `. "$1"; printf %s "$DATABASE_URL|$EMPTY"`, "sh", file).Output()
	require.NoError(t, err)
	require.Equal(t, awkward+"|", string(said))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}
