package matrix

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/faults/rig"
)

var update = flag.Bool("update", false, "write docs/reliability.md anew")

const (
	root     = "../.."
	document = root + "/docs/reliability.md"
	// expectedFaults is how long the list is.
	expectedFaults = 67
	// expectedProductions is how many failures users of Temporal meet in production.
	expectedProductions = 8
)

func TestReliabilityIsWrittenDownAsItIsTested(t *testing.T) {
	t.Parallel()
	tests, err := testsBelow(root)
	require.NoError(t, err)
	text, err := write(tests)
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile(document, []byte(text), 0o644))
		return
	}
	have, err := os.ReadFile(document)
	require.NoError(t, err)
	require.Equal(t, text, string(have), "write it anew: go test ./matrix -run Reliability -update")
}

func TestEveryCellIsFilled(t *testing.T) {
	t.Parallel()
	for _, dependency := range rows {
		require.NotEmpty(t, rowTests[dependency], dependency)
		for _, fault := range columns {
			c := find(dependency, fault)
			require.NotNil(t, c, "%s × %s", dependency, fault)
			require.NotEqual(t, c.never == "", c.expect == "", "%s × %s: either what is expected, or why it cannot be", dependency, fault)
		}
	}
	require.Len(t, cells, len(rows)*len(columns))
	count := 0
	for _, chapter := range chapters {
		count += len(chapter.faults)
	}
	require.Equal(t, expectedFaults, count)
	require.Len(t, productions, expectedProductions)
	for i := range productions {
		require.NotEmpty(t, productions[i].tests, productions[i].failure)
	}
}

// place is where a test stands.
type place struct{ path string }

var testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)

// testsBelow finds all tests by "folder.TestName".
func testsBelow(dir string) (map[string]place, error) {
	found := map[string]place{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != dir && strings.HasPrefix(entry.Name(), ".") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		at, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		for _, match := range testFunction.FindAllSubmatch(text, -1) {
			found[filepath.Base(filepath.Dir(path))+"."+string(match[1])] = place{filepath.ToSlash(at)}
		}
		return nil
	})
	return found, err
}

// page is the document being written.
type page struct {
	strings.Builder

	tests   map[string]place
	missing []string
}

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// link leads to a test; one that is not there is noted.
func (p *page) link(test, shown string) string {
	at, found := p.tests[test]
	if !found {
		p.missing = append(p.missing, test)
	}
	return "[" + shown + "](../" + at.path + ")"
}

const head = `# What Dropline survives

This page is written by the tests it names: ` + "`go test ./matrix -run Reliability -update`" + ` in ` + "`faults/`" + `.

The matrix says what happens when something that Dropline depends on fails. Most cells are played: real
gateway and worker processes on a real Temporal and Postgres, partners that are real servers, and a proxy
on the link that fails. Of three orders one is under way when the fault begins, one is placed and one is
cancelled while it holds. In the end the partners' own books and the audit must show nothing lost and
nothing doubled. “—” marks a cell that cannot exist, and says why.
`

func write(tests map[string]place) (string, error) {
	p := &page{tests: tests}
	p.line("%s", head)
	p.overview()
	for _, dependency := range rows {
		p.row(dependency)
	}
	p.line("## The list of faults\n")
	p.line("| | fault | shown by |\n|---|---|---|")
	n, open := 0, 0
	for _, c := range chapters {
		p.line("| | **%s** | |", c.title)
		for _, f := range c.faults {
			n++
			if len(f.tests) == 0 {
				open++
			}
			p.line("| %d | %s | %s |", n, f.what, p.shown(f.tests))
		}
	}
	p.line("\n%d of %d are shown by tests.", n-open, n)
	p.inProduction()
	if len(p.missing) > 0 {
		return "", fmt.Errorf("there are no tests of these names: %v", p.missing)
	}
	return p.String(), nil
}

// overview is the matrix itself: every cell is filled.
func (p *page) overview() {
	var names, rule strings.Builder
	for _, dependency := range rows {
		names.WriteString(" " + string(dependency) + " |")
		rule.WriteString("---|")
	}
	p.line("| |%s\n|---|%s", names.String(), rule.String())
	for _, fault := range columns {
		var marks strings.Builder
		for _, dependency := range rows {
			mark := "—"
			if c := find(dependency, fault); c.never == "" {
				mark = "[survived](" + anchor(dependency) + ")"
			}
			marks.WriteString(" " + mark + " |")
		}
		p.line("| **%s** |%s", fault, marks.String())
	}
	p.line("")
}

// anchor is the place of a row's section, as Markdown renderers name it.
func anchor(d rig.Dependency) string {
	return "#" + strings.NewReplacer(" ", "-", "→", "").Replace(strings.ToLower(string(d)))
}

func (p *page) row(dependency rig.Dependency) {
	p.line("## %s\n", capital(string(dependency)))
	p.line("| fault | what Dropline does | test |\n|---|---|---|")
	for _, fault := range columns {
		c := find(dependency, fault)
		switch {
		case c.never != "":
			p.line("| %s | — %s | |", fault, c.never)
		case c.test != "":
			_, name, _ := strings.Cut(c.test, ".")
			p.line("| %s | %s | %s |", fault, c.expect, p.link(c.test, name))
		default:
			p.line("| %s | %s | %s |", fault, c.expect, p.link("matrix."+rowTests[dependency], rowTests[dependency]+"/"+testName(fault)))
		}
	}
	p.line("")
}

func (p *page) shown(tests []string) string {
	if len(tests) == 0 {
		return "not yet"
	}
	var links []string
	for _, test := range tests {
		_, name, _ := strings.Cut(test, ".")
		links = append(links, p.link(test, name))
	}
	return strings.Join(links, ", ")
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
