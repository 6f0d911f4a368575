package mutants

import (
	"bufio"
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// outcome is how a run of go test ended.
type outcome int

const (
	passed  outcome = iota
	failed          // a test failed
	hung            // a test did not end in time
	crashed         // the tests died without naming a test
	unbuilt         // it does not compile
)

// report is what a run of go test said.
type report struct {
	outcome outcome
	test    string   // "package.TestName" of the first test that failed or hung
	ran     []string // the tests that passed, without subtests
	output  string   // of the failure
}

// event is a line of go test -json (see go doc test2json).
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

var runningTest = regexp.MustCompile(`^\s+(Test\w+)`)

// read makes a report of the lines of go test -json. A run that was not ok failed, also when no line
// says so.
func read(lines []byte, ok bool) report {
	r := report{outcome: passed}
	var said strings.Builder
	lists := false // the running tests are being listed
	scanner := bufio.NewScanner(bytes.NewReader(lines))
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var e event
		if json.Unmarshal(scanner.Bytes(), &e) != nil {
			said.WriteString(scanner.Text() + "\n")
			continue
		}
		said.WriteString(e.Output)
		switch {
		case e.Action == "build-fail":
			r.outcome = unbuilt
		case strings.HasPrefix(e.Output, "panic: test timed out"):
			r.outcome, lists = hung, true
		case lists && runningTest.MatchString(e.Output):
			r.test, lists = named(e.Package, runningTest.FindStringSubmatch(e.Output)[1]), false
		case e.Action == "pass" && e.Test != "" && !strings.Contains(e.Test, "/"):
			r.ran = append(r.ran, e.Test)
		case e.Action == "fail" && e.Test != "" && r.outcome != hung:
			// A subtest fails before its parent: the first to fail says most.
			if r.outcome != failed {
				r.outcome, r.test = failed, named(e.Package, e.Test)
			}
		}
	}
	if !ok && r.outcome == passed {
		r.outcome = crashed
	}
	r.output = tail(said.String())
	return r
}

func named(pkg, test string) string { return pkg[strings.LastIndexByte(pkg, '/')+1:] + "." + test }

// tail keeps the end of a long output.
func tail(text string) string {
	const most = 3000
	if len(text) > most {
		return "…" + text[len(text)-most:]
	}
	return text
}
