package mutants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Runner tries mutants. Root is the repository; what the tests need besides (DATABASE_URL,
// TEMPORAL_ADDRESS) they take from the environment.
type Runner struct {
	Root string
	Out  io.Writer
	// Workers is how many mutants are tried side by side.
	Workers int

	mu   sync.Mutex
	done int
}

// Result counts a run. The run was good when every mutant was caught.
type Result struct{ Mutants, Caught int }

const (
	// testsWithin bounds the tests of one mutant: several times what the slowest take unharmed. One
	// that makes them hang is caught by it.
	testsWithin = 40 * time.Second
	// buildWithin is what building them may take on top, and unharmedWithin all tests unharmed.
	buildWithin    = 5 * time.Minute
	unharmedWithin = 10 * time.Minute
)

// Run runs the tests that the mutants name unharmed, then once for each mutant, and prints a line for
// each. It fails at once when the unharmed tests do not pass, because then nothing that fails later
// would mean anything.
func (r *Runner) Run(ctx context.Context, list []Mutant) (Result, error) {
	result := Result{Mutants: len(list)}
	work, err := os.MkdirTemp("", "dropline-mutants-")
	if err != nil {
		return result, err
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := r.unharmed(ctx, list); err != nil {
		return result, err
	}
	var group sync.WaitGroup
	slots := make(chan struct{}, max(r.Workers, 1))
	for i := range list {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		group.Go(func() {
			defer func() { <-slots }()
			caught := r.try(ctx, work, &list[i], len(list))
			r.mu.Lock()
			defer r.mu.Unlock()
			if caught {
				result.Caught++
			}
		})
	}
	group.Wait()
	return result, ctx.Err()
}

// unharmed runs all tests of the mutants' packages without a defect.
func (r *Runner) unharmed(ctx context.Context, list []Mutant) error {
	patterns := map[string][]string{}
	for i := range list {
		for _, pkg := range list[i].Packages {
			if !slices.Contains(patterns[pkg], list[i].Run) {
				patterns[pkg] = append(patterns[pkg], list[i].Run)
			}
		}
	}
	ran := map[string][]string{}
	ctx, cancel := context.WithTimeout(ctx, unharmedWithin)
	defer cancel()
	for _, pkg := range slices.Sorted(mapKeys(patterns)) {
		start := time.Now()
		got := r.test(ctx, unharmedWithin, nil, []string{pkg}, strings.Join(patterns[pkg], "|"))
		if got.outcome != passed {
			return fmt.Errorf("the tests of %s fail without a mutant: mend them first\n%s", pkg, got.output)
		}
		ran[pkg] = got.ran
		r.say("unharmed %-36s %3d tests %5.1fs", pkg, len(got.ran), time.Since(start).Seconds())
	}
	return eachHasATest(list, ran)
}

func mapKeys(m map[string][]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}

// eachHasATest fails for a mutant none of whose tests ran: it was renamed, or skipped for want of a
// database.
func eachHasATest(list []Mutant, ran map[string][]string) error {
	var missing []error
	for i := range list {
		m := &list[i]
		for _, pkg := range m.Packages {
			if !slices.ContainsFunc(ran[pkg], regexp.MustCompile(m.Run).MatchString) {
				missing = append(missing, fmt.Errorf("mutant %s: no test of %s that matches %s ran: rename it in the table, or start a database and Temporal", m.Name, pkg, m.Run))
			}
		}
	}
	return errors.Join(missing...)
}

// try runs one mutant's tests with its defect and tells what came of it.
func (r *Runner) try(ctx context.Context, work string, m *Mutant, of int) (caught bool) {
	start := time.Now()
	overlay, err := m.overlay(r.Root, work)
	word, detail, output := "", "", ""
	if err != nil {
		word, detail = "stale", err.Error()
	} else {
		got := r.test(ctx, testsWithin, []string{"-overlay", overlay}, m.Packages, m.Run)
		if ctx.Err() != nil {
			return false
		}
		switch got.outcome {
		case failed:
			caught, word, detail = true, "caught", got.test
		case hung:
			caught, word, detail = true, "caught", got.test+" (it hangs)"
		case crashed:
			word, detail, output = "crashed", "the tests died and none is to blame", got.output
		case unbuilt:
			word, detail, output = "broken", "it does not compile", got.output
		case passed:
			word, detail = "SURVIVED", m.Breaks+" Nothing notices: "+m.Run
		}
	}
	r.mu.Lock()
	r.done++
	done := r.done
	r.mu.Unlock()
	r.say("[%2d/%d] %-8s %-46s %5.1fs  %s", done, of, word, m.Name, time.Since(start).Seconds(), detail)
	if output != "" {
		r.say("%s", output)
	}
	return caught
}

// overlay writes the changed file where go test finds it in place of the real one, which stays as it
// is.
func (m *Mutant) overlay(root, work string) (string, error) {
	source, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(m.File)))
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(source) //nolint:gosec // the table, which is ours, names the file
	if err != nil {
		return "", fmt.Errorf("mutant %s no longer applies: %w", m.Name, err)
	}
	changed, err := m.Apply(string(text))
	if err != nil {
		return "", err
	}
	mutant := filepath.Join(work, m.Name+filepath.Ext(m.File))
	if err := os.WriteFile(mutant, []byte(changed), 0o600); err != nil { //nolint:gosec // a name is like-this: it leads nowhere else
		return "", err
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {source: mutant}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(work, m.Name+".json")
	return overlay, os.WriteFile(overlay, replace, 0o600)
}

func (r *Runner) test(ctx context.Context, within time.Duration, flags, packages []string, run string) report {
	ctx, cancel := context.WithTimeout(ctx, within+buildWithin)
	defer cancel()
	args := append([]string{
		"test", "-json", "-count=1", "-failfast", "-vet=off", "-ldflags=-w", "-timeout=" + within.String(), "-run=" + run,
	}, flags...)
	command := exec.CommandContext(ctx, "go", append(args, packages...)...) //nolint:gosec // the table, which is ours, names packages and tests
	command.Dir = r.Root
	// Asked to stop, go test stops its children; killed, it would leave them behind.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 20 * time.Second
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	got := read(out.Bytes(), err == nil)
	if ctx.Err() != nil && got.outcome != failed {
		got.outcome = hung
	}
	return got
}

func (r *Runner) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.Out, format+"\n", args...)
}
