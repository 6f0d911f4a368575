package architecture

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// moduleFile is the part of "go mod edit -json" that matters here.
type moduleFile struct {
	Require []dependency
	Tool    []struct{ Path string }
}

type dependency struct {
	Path     string
	Indirect bool
}

func TestEveryDependencyHasItsReason(t *testing.T) {
	t.Parallel()
	document, err := fs.ReadFile(repository(), "docs/dependencies.md")
	require.NoError(t, err)
	sections := dependencySections(document)

	modules := 0
	require.NoError(t, walk(repository(), func(name string) error {
		if path.Base(name) != "go.mod" {
			return nil
		}
		modules++
		require.Contains(t, sections, name, "docs/dependencies.md has no section for %s", name)
		file := readModule(t, name)
		for _, required := range direct(file) {
			require.Contains(t, sections[name], required,
				"%s requires it; say in docs/dependencies.md why, and what we would do without it", name)
		}
		for _, listed := range sections[name] {
			require.True(t, slices.ContainsFunc(file.Require, func(d dependency) bool { return d.Path == listed }),
				"docs/dependencies.md lists %s, which %s does not require", listed, name)
		}
		return nil
	}))
	require.Len(t, sections, modules, "docs/dependencies.md describes a module that is not there")
}

func TestDependencySectionsAreRead(t *testing.T) {
	t.Parallel()
	const document = "## One (`a/go.mod`)\n| `x.org/y` | `z` |\n## Two (`go.mod`)\n| `v.org/w/v2` | |\n"
	require.Equal(t,
		map[string][]string{"a/go.mod": {"x.org/y"}, "go.mod": {"v.org/w/v2"}},
		dependencySections([]byte(document)))
}

func TestToolsCountAsDirect(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"a.org/used", "a.org/tool"}, direct(moduleFile{
		Require: []dependency{{"a.org/used", false}, {"a.org/tool", true}, {"a.org/tooling", true}},
		Tool:    []struct{ Path string }{{"a.org/tool/cmd/x"}},
	}))
}

// dependencySections reads the document: a heading names a go.mod, and the first cell of each row
// of the table below it names a module.
func dependencySections(document []byte) map[string][]string {
	heading := regexp.MustCompile("^## .*\\(`([^`]*go\\.mod)`\\)")
	row := regexp.MustCompile("^\\| `([^`]+)` ")
	sections := map[string][]string{}
	current := ""
	for line := range bytes.Lines(document) {
		if match := heading.FindSubmatch(line); match != nil {
			current = string(match[1])
			sections[current] = nil
		} else if match := row.FindSubmatch(line); match != nil {
			sections[current] = append(sections[current], string(match[1]))
		}
	}
	return sections
}

func readModule(t *testing.T, name string) moduleFile {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json",
		filepath.Join("../..", filepath.FromSlash(name))).Output()
	require.NoError(t, err, name)
	var file moduleFile
	require.NoError(t, json.Unmarshal(output, &file))
	return file
}

// direct are the modules that a module's own code names, and those that provide its tools.
func direct(file moduleFile) []string {
	var paths []string
	for _, required := range file.Require {
		provides := func(tool struct{ Path string }) bool { return within(tool.Path, required.Path) }
		if !required.Indirect || slices.ContainsFunc(file.Tool, provides) {
			paths = append(paths, required.Path)
		}
	}
	return paths
}
