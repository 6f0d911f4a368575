package workflows_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/workflows"
)

// site is a place where the workflows call an activity: how long one try may take, how long it is
// tried, and who learns that it could not be done. A try without a bound would lose the whole time
// with the worker that dies in it; trying without a bound would keep it from everybody.
type site struct {
	function, constant, activity string
	local                        bool
	try, all                     time.Duration
	// escalation is a golden history in which the step fails for good: the order then asks for a
	// person and rests before it tries again. A sentence: what happens instead.
	escalation string
}

const (
	databaseTry = 5 * time.Second
	partnerTry  = 45 * time.Second
	allTries    = 15 * time.Minute
)

var sites = []site{
	{"perform", "ActivityValidate", workflows.ActivityValidate, true, databaseTry, allTries, "stalled-validate"},
	{"perform", "ActivityFacts", workflows.ActivityFacts, true, databaseTry, allTries, "stalled-catch-up"},
	{"perform", "ActivityCancel", workflows.ActivityCancel, false, partnerTry, allTries, "stalled-repeat-cancel"},
	{"perform", "ActivityRecord", workflows.ActivityRecord, true, databaseTry, allTries, "stalled-record"},
	{"route", "ActivityRoute", workflows.ActivityRoute, true, databaseTry, allTries, "stalled-route"},
	{"dispatch", "ActivityDispatch", workflows.ActivityDispatch, false, partnerTry, allTries, "stalled-dispatch"},
	{"dispatch", "ActivityLookUp", workflows.ActivityLookUp, false, partnerTry, allTries, "stalled-look-up"},
	{"withdraw", "ActivityCancel", workflows.ActivityCancel, false, partnerTry, allTries, "stalled-withdraw"},
	{"intercept", "ActivityIntercept", workflows.ActivityIntercept, false, partnerTry, allTries, "stalled-intercept"},
	{"refund", "ActivityRefund", workflows.ActivityRefund, false, partnerTry, allTries, "stalled-refund"},
	{"settle", "ActivitySettle", workflows.ActivitySettle, true, databaseTry, allTries, "stalled-settle"},
	{"reopen", "ActivityLoad", workflows.ActivityLoad, true, databaseTry, allTries, "It is logged as an error, shown in the UI and tried again each minute: nothing of the order is known yet. One that cannot be read is marked for a person."},
	{"takeAddress", "ActivityAddress", workflows.ActivityAddress, true, databaseTry, allTries, "Whoever asked gets the error as the answer."},
	{"perform", "ActivityAuthoriseReturn", workflows.ActivityAuthoriseReturn, false, partnerTry, allTries, "return-stalled-authorise"},
	{"perform", "ActivityPayReturn", workflows.ActivityPayReturn, false, partnerTry, allTries, "return-stalled-pay"},
	{"perform", "ActivityRecordReturn", workflows.ActivityRecordReturn, true, databaseTry, allTries, "return-stalled-record"},
	{"perform", "ActivityCloseReturn", workflows.ActivityCloseReturn, true, databaseTry, allTries, "return-stalled-close"},
	{"perform", "ActivityReturnFacts", workflows.ActivityReturnFacts, true, databaseTry, allTries, "return-stalled-catch-up"},
	{"load", "ActivityLoadReturn", workflows.ActivityLoadReturn, true, databaseTry, allTries, "return-stalled-load"},
	{"perform", "ActivityLookUpPayment", workflows.ActivityLookUpPayment, false, partnerTry, allTries, "payment-stalled-look-up"},
	{"perform", "ActivityCapturePayment", workflows.ActivityCapturePayment, false, partnerTry, allTries, "payment-stalled-capture"},
	{"perform", "ActivityVoidPayment", workflows.ActivityVoidPayment, false, partnerTry, allTries, "payment-stalled-void"},
	{"perform", "ActivitySendEvidence", workflows.ActivitySendEvidence, false, partnerTry, allTries, "payment-stalled-evidence"},
	{"perform", "ActivityPaymentFacts", workflows.ActivityPaymentFacts, true, databaseTry, allTries, "payment-stalled-catch-up"},
	{"refund", "ActivityRefundAgain", workflows.ActivityRefundAgain, false, partnerTry, allTries, "payment-stalled-refund"},
	{"refund", "ActivityLookUpRefund", workflows.ActivityLookUpRefund, false, partnerTry, allTries, "payment-stalled-look-up-refund"},
	{"record", "ActivityRecordPayment", workflows.ActivityRecordPayment, true, databaseTry, allTries, "payment-stalled-record"},
	{"record", "ActivityClosePayment", workflows.ActivityClosePayment, true, databaseTry, allTries, "payment-stalled-close"},
	{"load", "ActivityLoadPayment", workflows.ActivityLoadPayment, true, databaseTry, allTries, "payment-stalled-load"},
	{"load", "ActivityLoadClaim", workflows.ActivityLoadClaim, true, databaseTry, allTries, "claim-stalled-load"},
	{"take", "ActivityPursueClaim", workflows.ActivityPursueClaim, true, databaseTry, allTries, "claim-stalled-pursue"},
	{"onSettle", "ActivitySettleClaim", workflows.ActivitySettleClaim, true, databaseTry, allTries, "Whoever settles gets the error as the answer."},
	{"CarrierPoll", "ActivityPollCarrier", workflows.ActivityPollCarrier, false, 2 * time.Minute, 5 * time.Minute, "The pass fails, and the next makes up for it."},
	{"Reconcile", "ActivityReconcile", workflows.ActivityReconcile, false, 10 * time.Minute, allTries, "The night fails, and the next makes up for it."},
}

func TestEveryCallOfAnActivityIsListed(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var found, listed []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, declaration := range parsed.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok {
				found = append(found, calls(f)...)
			}
		}
	}
	for _, s := range sites {
		listed = append(listed, s.function+" calls "+s.constant)
	}
	require.ElementsMatch(t, found, listed, "list the call with its timeouts and what happens when it fails for good")
}

// calls lists the activities that a function names, if it calls any.
func calls(f *ast.FuncDecl) []string {
	var named []string
	calling := 0
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			if strings.HasPrefix(n.Name, "Activity") && n.Name != "ActivityOptions" {
				named = append(named, f.Name.Name+" calls "+n.Name)
			}
		case *ast.SelectorExpr:
			if slices.Contains([]string{"ExecuteActivity", "ExecuteLocalActivity", "local"}, n.Sel.Name) {
				calling++
			}
		}
		return true
	})
	if calling > 0 && len(named) == 0 && f.Name.Name != "local" {
		return []string{f.Name.Name + " calls an activity without its name"}
	}
	if calling == 0 {
		return nil
	}
	return named
}

func TestEveryCallOfAnActivityIsBounded(t *testing.T) {
	t.Parallel()
	seen := &bounds{remote: map[string]workflow.ActivityOptions{}, local: map[string]workflow.LocalActivityOptions{}}
	for _, file := range goldens(t) {
		require.NoError(t, replayFile(file, code{order: workflows.Order, options: ours.options, interceptor: seen}))
	}
	for _, s := range sites {
		if s.local {
			o, called := seen.local[s.activity]
			require.True(t, called, "no golden history calls %s", s.activity)
			require.Equal(t, []time.Duration{s.try, s.all}, []time.Duration{o.StartToCloseTimeout, o.ScheduleToCloseTimeout}, s.activity)
			require.NotNil(t, o.RetryPolicy, s.activity)
			require.NotEmpty(t, o.Summary, s.activity)
			continue
		}
		o, called := seen.remote[s.activity]
		require.True(t, called, "no golden history calls %s", s.activity)
		require.Equal(t, []time.Duration{s.try, s.all}, []time.Duration{o.StartToCloseTimeout, o.ScheduleToCloseTimeout}, s.activity)
		require.Equal(t, 6*time.Second, o.HeartbeatTimeout, "%s: a worker that died is noticed", s.activity)
		require.NotNil(t, o.RetryPolicy, s.activity)
		require.Zero(t, o.RetryPolicy.MaximumAttempts, "%s: the time bounds it, not the number of tries", s.activity)
		require.NotEmpty(t, o.Summary, s.activity)
	}
	require.Len(t, seen.remote, 15)
	require.Len(t, seen.local, 18)
}

func TestAPersonIsAskedWhenAStepFailsForGood(t *testing.T) {
	t.Parallel()
	for _, s := range sites {
		if strings.Contains(s.escalation, " ") {
			continue
		}
		release := "v0.1"
		if strings.HasPrefix(s.escalation, "return-") || strings.HasPrefix(s.escalation, "payment-") || strings.HasPrefix(s.escalation, "claim-") {
			release = "v0.2"
		}
		h, err := readHistory(filepath.Join(release, s.escalation+".json"))
		require.NoError(t, err)
		rests := 0
		for _, e := range h.GetEvents() {
			var summary string
			if e.GetTimerStartedEventAttributes() == nil || e.GetUserMetadata() == nil {
				continue
			}
			require.NoError(t, converter.GetDefaultDataConverter().FromPayload(e.GetUserMetadata().GetSummary(), &summary))
			if strings.HasPrefix(summary, "Rest before ") {
				rests++
			}
		}
		require.Positive(t, rests, "%s: %s never rests", s.activity, s.escalation)
	}
}

// bounds notes the options of every activity that a replay calls.
type bounds struct {
	interceptor.WorkerInterceptorBase

	mu     sync.Mutex
	remote map[string]workflow.ActivityOptions
	local  map[string]workflow.LocalActivityOptions
}

func (b *bounds) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return within(next, func(out interceptor.WorkflowOutboundInterceptor) interceptor.WorkflowOutboundInterceptor {
		o := &boundedCalls{bounds: b}
		o.Next = out
		return o
	})
}

type boundedCalls struct {
	interceptor.WorkflowOutboundInterceptorBase

	bounds *bounds
}

func (o *boundedCalls) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	o.bounds.mu.Lock()
	o.bounds.remote[name] = workflow.GetActivityOptions(ctx)
	o.bounds.mu.Unlock()
	return o.Next.ExecuteActivity(ctx, name, args...)
}

func (o *boundedCalls) ExecuteLocalActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	o.bounds.mu.Lock()
	o.bounds.local[name] = workflow.GetLocalActivityOptions(ctx)
	o.bounds.mu.Unlock()
	return o.Next.ExecuteLocalActivity(ctx, name, args...)
}
