package mutants

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// A mutant whose old text has changed proves nothing any more: this finds it without running any.
func TestEveryMutantStillApplies(t *testing.T) {
	t.Parallel()
	list, err := Load()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(list), 45)
	for i := range list {
		m := &list[i]
		text, err := os.ReadFile(filepath.Join(root, m.File))
		require.NoError(t, err, m.Name)
		changed, err := m.Apply(string(text))
		require.NoError(t, err)
		if filepath.Ext(m.File) == ".go" {
			_, err = parser.ParseFile(token.NewFileSet(), m.File, changed, parser.SkipObjectResolution)
			require.NoError(t, err, m.Name)
		}
	}
}

var testName = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)

// A mutant that names a test which is not there would be caught by none.
func TestEveryMutantNamesTestsThatAreThere(t *testing.T) {
	t.Parallel()
	list, err := Load()
	require.NoError(t, err)
	for i := range list {
		m := &list[i]
		for _, pkg := range m.Packages {
			names := testsOf(t, filepath.Join(root, pkg))
			for wanted := range strings.SplitSeq(m.Run, "|") {
				require.Contains(t, names, wanted, "%s: %s", m.Name, pkg)
			}
		}
	}
}

func testsOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, found := range testName.FindAllStringSubmatch(string(text), -1) {
			names = append(names, found[1])
		}
	}
	return names
}

func TestAnOldTextThatStandsNeverOrTwiceNoLongerApplies(t *testing.T) {
	t.Parallel()
	m := Mutant{Name: "a-b", File: "f.go", Edits: []Edit{{"old", "new"}, {"x", "y"}}}
	changed, err := m.Apply("an old x")
	require.NoError(t, err)
	require.Equal(t, "an new y", changed)
	for _, text := range []string{"nothing x", "old and old x", "old"} {
		_, err := m.Apply(text)
		require.ErrorContains(t, err, "no longer applies", text)
	}
}

const block = "A comment.\n\n=== one-two\nIt breaks\nthis.\nfile: a/b.go\ntest: ./a ./b TestA|TestB\n" +
	"--- was\n\told {\n--- now\n\tnew {\n\tmore\n\n"

func TestTableIsReadWithItsWhiteSpace(t *testing.T) {
	t.Parallel()
	list, err := parse(block + "=== three-four\nThat.\nfile: c.go\ntest: ./c TestC\n--- was\nx\n--- now\n--- was\ny\n--- now\nz\n")
	require.NoError(t, err)
	require.Equal(t, []Mutant{
		{
			Name: "one-two", Breaks: "It breaks this.", File: "a/b.go", Edits: []Edit{{"\told {", "\tnew {\n\tmore"}},
			Packages: []string{"./a", "./b"}, Run: "TestA|TestB",
		},
		{Name: "three-four", Breaks: "That.", File: "c.go", Edits: []Edit{{"x", ""}, {"y", "z"}}, Packages: []string{"./c"}, Run: "TestC"},
	}, list)
}

func TestMistakesInTheTableAreNamed(t *testing.T) {
	t.Parallel()
	for was, problem := range map[string]string{
		"=== one-two":          "no mutant",
		"one-two":              "a name is like-this",
		"this.":                "in a sentence",
		"file: a/b.go":         "name the file",
		"./a ./b TestA|TestB":  "want 'test:",
		"TestA|TestB":          "its tests",
		"--- was\n\told {\n":   "in a sentence",
		"--- now\n":            "want a line '--- now'",
		"\told {":              "changes nothing",
		"\tnew {\n\tmore\n":    "",
		"It breaks\nthis.":     "in a sentence",
		"test: ./a ./b TestA|": "its tests",
	} {
		instead := map[string]string{"TestA|TestB": "Test(", "one-two": "One", "test: ./a ./b TestA|": "test: ./a ("}[was]
		_, err := parse(strings.Replace(block, was, instead, 1))
		if problem == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, problem, was)
	}
}

func TestWhatGoTestSaysIsRead(t *testing.T) {
	t.Parallel()
	const pkg = `"Package":"github.com/dropline/dropline/internal/order"`
	for name, c := range map[string]struct {
		lines   string
		ok      bool
		outcome outcome
		test    string
	}{
		"all pass": {`{"Action":"pass",` + pkg + `,"Test":"TestA"}` + "\n" + `{"Action":"pass",` + pkg + `}`, true, passed, ""},
		"the first that fails is named": {
			`{"Action":"fail",` + pkg + `,"Test":"TestB/sub"}` + "\n" + `{"Action":"fail",` + pkg + `,"Test":"TestB"}`, false, failed, "order.TestB/sub",
		},
		"it does not compile": {`{"ImportPath":"x","Action":"build-fail"}` + "\n" + `{"Action":"fail",` + pkg + `}`, false, unbuilt, ""},
		"a test hangs": {
			`{"Action":"output",` + pkg + `,"Test":"TestC","Output":"panic: test timed out after 1s\n"}` + "\n" +
				`{"Action":"output",` + pkg + `,"Test":"TestC","Output":"\trunning tests:\n"}` + "\n" +
				`{"Action":"output",` + pkg + `,"Test":"TestC","Output":"\t\tTestD (1s)\n"}` + "\n" +
				`{"Action":"fail",` + pkg + `,"Test":"TestC"}`, false, hung, "order.TestD",
		},
		"the tests die": {`{"Action":"fail",` + pkg + `}`, false, crashed, ""},
	} {
		got := read([]byte(c.lines), c.ok)
		require.Equal(t, c.outcome, got.outcome, name)
		require.Equal(t, c.test, got.test, name)
	}
	require.Equal(t, []string{"TestA"}, read([]byte(`{"Action":"pass","Package":"p","Test":"TestA"}`), true).ran)
}

func TestAMutantNoneOfWhoseTestsRanIsNoted(t *testing.T) {
	t.Parallel()
	list := []Mutant{{Name: "a-b", Packages: []string{"./p"}, Run: "TestA"}, {Name: "c-d", Packages: []string{"./p"}, Run: "TestGone"}}
	err := eachHasATest(list, map[string][]string{"./p": {"TestAll", "TestB"}})
	require.ErrorContains(t, err, "mutant c-d")
	require.NotContains(t, err.Error(), "mutant a-b")
}
