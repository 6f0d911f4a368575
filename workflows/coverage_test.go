package workflows_test

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// notReplayed are the lines of the workflows that no history can lead to, and why. Everything else
// must be covered by a golden history: only then does its replay say that a change of the line is safe.
var notReplayed = map[string]string{
	`order.go: return OrderResult{}, err`:                                                                                 theSDK,
	`order.go: workflow.GetLogger(r.ctx).Error("search attributes were refused", "error", err)`:                           theSDK,
	`steps.go: panic("workflows: no such step: " + string(step.Kind))`:                                                    "there is no such step",
	`requests.go: { return r.state, nil },`:                                                                               "a query leaves no event",
	`requests.go: switch {`:                                                                                               aValidator,
	`requests.go: return nil`:                                                                                             aValidator,
	`requests.go: return refused(verdict)`:                                                                                aValidator,
	`requests.go: return judged(r.ready, r.facts, r.state.CanCancel(request))`:                                            aValidator,
	`requests.go: return judged(r.ready, r.facts, r.state.CanReview(request.Decision))`:                                   aValidator,
	`requests.go: return judged(r.ready, r.facts, r.state.CanChangeAddress(request.Country == r.state.Country))`:          aValidator,
	`requests.go: return judged(r.ready, r.facts, r.state.CanResolve(request.Withdrawal, request.Case, request.Outcome))`: aValidator,
	`return.go: return judged(r.ready, r.facts, r.state.CanCancel(request))`:                                              aValidator,
	`return.go: return judged(r.ready, r.facts, r.state.CanDecide(d))`:                                                    aValidator,
	`requests.go: return err`:                                                                                             aValidator,
	`requests.go: return errLoading`:                                                                                      aValidator,
	`requests.go: if request.Decision == order.ReviewAmend && request.AddressChange == "" {`:                              aValidator,
	`requests.go: return refused(&order.Refusal{Reason: "amend needs the corrected address"})`:                            aValidator,

	`claim.go: return ClaimResult{}, err`:                                                       theSDK,
	`claim.go: workflow.GetLogger(r.ctx).Error("search attributes were refused", "error", err)`: theSDK,
	`claim.go: { return r.state, nil },`:                                                        "a query leaves no event",
	`claim.go: return judged(r.ready, r.news, r.state.CanSettle(d))`:                            aValidator,

	`return.go: return ReturnResult{}, err`:                                                      theSDK,
	`return.go: workflow.GetLogger(r.ctx).Error("search attributes were refused", "error", err)`: theSDK,
	`return.go: panic("workflows: no such step: " + string(step))`:                               "there is no such step",
	`return.go: { return r.state, nil },`:                                                        "a query leaves no event",

	`payment.go: return PaymentResult{}, err`:                                                     theSDK,
	`payment.go: workflow.GetLogger(r.ctx).Error("search attributes were refused", "error", err)`: theSDK,
	`payment.go: { return r.state, nil },`:                                                        "a query leaves no event",
	`payment.go: return judged(r.ready, r.facts, r.state.CanDecide(d))`:                           aValidator,
}

const (
	theSDK = "only an error of the SDK itself leads there"
	// A validator may say something else in each release: the SDK does not run it again in a replay,
	// and a refused request leaves no event. The tale "refused-requests" (internal/e2e) asks them.
	aValidator = "validators are not replayed"
)

func TestEveryLineIsCoveredByAGoldenHistory(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("compiles the workflows with coverage")
	}
	profile := filepath.Join(t.TempDir(), "goldens.out")
	run := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-run=^TestGoldenHistoriesReplay$", "-coverprofile="+profile, ".")
	said, err := run.CombinedOutput()
	require.NoError(t, err, string(said))
	text, err := os.ReadFile(profile)
	require.NoError(t, err)
	blocks, missing := 0, map[string]bool{}
	for line := range strings.Lines(string(text)) {
		file, rest, found := strings.Cut(strings.TrimSpace(line), ":")
		if !found || file == "mode" {
			continue
		}
		blocks++
		var from, column, to, end, statements, count int
		_, err := fmt.Sscanf(rest, "%d.%d,%d.%d %d %d", &from, &column, &to, &end, &statements, &count)
		require.NoError(t, err, line)
		if count == 0 {
			missing[path.Base(file)+": "+source(t, path.Base(file), from, column)] = true
		}
	}
	require.Greater(t, blocks, 150, "the profile is not that of the workflows")
	for where := range missing {
		require.Contains(t, notReplayed, where, "no golden history leads to this line: record an order that takes it (workflows/testdata/README.md)")
	}
	for where, why := range notReplayed {
		require.True(t, missing[where], "%s is declared not to be replayed (%s), but it is, or it is gone", where, why)
	}
}

// source is the first line of a block of statements.
func source(t *testing.T, file string, line, column int) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	first := strings.TrimSpace(lines[line-1][column-1:])
	if first == "{" || first == "" || strings.HasSuffix(first, ":") {
		first = strings.TrimSpace(lines[line])
	}
	return first
}
