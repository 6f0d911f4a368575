// Package mutants breaks Dropline on purpose, one small edit at a time, and checks that a test notices
// each. A mutant stands for a defect that would cost somebody orders or money; one that no test
// catches is a hole in the tests.
//
// The table is the files below table/. Each mutant names the test that is to catch it, so that a run
// takes minutes, and the text that it replaces, so that it fails when that text has changed.
package mutants

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

//go:embed table/*.txt
var table embed.FS

// Mutant is one defect.
type Mutant struct {
	Name   string // like-this, unique
	Breaks string // what it breaks, in a sentence
	File   string // the file it changes, slash-separated from the root of the repository
	Edits  []Edit
	// Packages are the packages whose tests are run, as "./internal/order"; Run is the expression
	// that picks their tests by name.
	Packages []string
	Run      string
}

// Edit replaces a text by another. The old one stands in the file exactly once.
type Edit struct{ Was, Now string }

// Load reads the table and checks that it is well formed.
func Load() ([]Mutant, error) {
	names, err := fs.Glob(table, "table/*.txt")
	if err != nil {
		return nil, err
	}
	var all []Mutant
	known := map[string]bool{}
	for _, name := range names {
		text, err := table.ReadFile(name)
		if err != nil {
			return nil, err
		}
		list, err := parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path.Base(name), err)
		}
		for _, m := range list {
			if known[m.Name] {
				return nil, fmt.Errorf("%s: %s stands twice", path.Base(name), m.Name)
			}
			known[m.Name] = true
		}
		all = append(all, list...)
	}
	return all, nil
}

const (
	mark    = "=== "
	wasMark = "--- was"
	nowMark = "--- now"
)

// parse reads blocks of
//
//	=== name
//	What it breaks.
//	file: activities/refund.go
//	test: ./activities TestThis|TestThat
//	--- was
//	old text
//	--- now
//	new text
//
// with as many pairs of texts as it takes. Text before the first block is a comment. The line breaks
// around a text are not its own, so that it may be a part of a line.
func parse(text string) ([]Mutant, error) {
	_, blocks, found := strings.Cut("\n"+text, "\n"+mark)
	if !found {
		return nil, errors.New("no mutant: want a line '=== name'")
	}
	var list []Mutant
	for block := range strings.SplitSeq(blocks, "\n"+mark) {
		m, err := parseBlock(block)
		if err != nil {
			return nil, fmt.Errorf("mutant %s: %w", m.Name, err)
		}
		list = append(list, m)
	}
	return list, nil
}

var (
	nameShape = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)
	testShape = regexp.MustCompile(`^((?:\./\S+ )+)(\S+)$`)
)

func parseBlock(block string) (Mutant, error) {
	parts := strings.Split(block+"\n", "\n"+wasMark+"\n")
	lines := strings.Split(parts[0], "\n")
	m := Mutant{Name: lines[0]}
	for _, texts := range parts[1:] {
		was, now, found := strings.Cut(texts+"\n", "\n"+nowMark+"\n")
		if !found {
			return m, fmt.Errorf("want a line '%s' after each '%s'", nowMark, wasMark)
		}
		m.Edits = append(m.Edits, Edit{was, strings.TrimRight(now, "\n")})
	}
	for _, line := range lines[1:] {
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "file":
			m.File = value
		case "test":
			fields := testShape.FindStringSubmatch(value)
			if fields == nil {
				return m, errors.New("want 'test: ./package TestName'")
			}
			m.Packages, m.Run = strings.Fields(fields[1]), fields[2]
		default:
			m.Breaks = strings.TrimSpace(m.Breaks + " " + line)
		}
	}
	return m, m.validate()
}

func (m *Mutant) validate() error {
	if _, err := regexp.Compile(m.Run); err != nil {
		return fmt.Errorf("its tests: %w", err)
	}
	switch {
	case !nameShape.MatchString(m.Name):
		return errors.New("a name is like-this")
	case !strings.HasSuffix(m.Breaks, "."):
		return errors.New("say what it breaks in a sentence")
	case m.File == "" || !filepath.IsLocal(m.File):
		return errors.New("name the file")
	case m.Run == "":
		return errors.New("name the tests")
	case len(m.Edits) == 0:
		return errors.New("want an old text and a new one")
	}
	for _, e := range m.Edits {
		if e.Was == "" || e.Was == e.Now {
			return errors.New("an edit changes nothing")
		}
	}
	return nil
}

// Apply returns the file's text with the defect in it. It fails when an old text does not stand there
// exactly once.
func (m *Mutant) Apply(text string) (string, error) {
	for _, e := range m.Edits {
		if n := strings.Count(text, e.Was); n != 1 {
			return "", fmt.Errorf("mutant %s no longer applies: its old text %.60q stands %d times in %s, want once", m.Name, e.Was, n, m.File)
		}
		text = strings.Replace(text, e.Was, e.Now, 1)
	}
	return text, nil
}
