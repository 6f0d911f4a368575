package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/config"
)

func operating(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/operating.md")
	require.NoError(t, err)
	return string(text)
}

func TestOperatingGuideListsEverySetting(t *testing.T) {
	t.Parallel()
	var want strings.Builder
	for _, v := range config.Variables() {
		value := ""
		if v.Default != "" {
			value = "`" + v.Default + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", v.Name, value, v.Meaning)
	}
	require.Contains(t, operating(t), "| variable | default | meaning |\n|---|---|---|\n"+want.String()+"\n",
		"put this table into docs/operating.md:\n%s", want.String())
}

func TestOperatingGuideNamesEveryCommand(t *testing.T) {
	t.Parallel()
	guide := operating(t)
	var walk func(at *cobra.Command)
	walk = func(at *cobra.Command) {
		if !at.HasSubCommands() {
			require.Contains(t, guide, at.CommandPath())
		}
		for _, sub := range at.Commands() {
			walk(sub)
		}
	}
	for _, c := range (&program{}).root().Commands() {
		walk(c)
	}
	require.LessOrEqual(t, strings.Count(guide, "\n"), 250)
}
