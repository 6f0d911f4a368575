package e2e

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/engine/enginetest"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/workflows"
)

// pursued plays one claim's workflow on a real server, with a script in place of its activities.
type pursued struct {
	*player

	claim    string       // its id
	recorded claims.State // what Postgres holds
	letters  int
}

func newPursued(t *testing.T, c client.Client, namespace, name string) *pursued {
	t.Helper()
	p := &pursued{player: newPlayer(t, c, namespace, "claim", name)}
	id := claims.ID(p.key.String(), "acme/INV-1")
	p.claim, p.workflow = id, claims.WorkflowID(id)
	p.recorded = claims.State{
		ID: id, Reference: claims.Reference(id), Key: p.key, Kind: ledger.ClaimInvoiceDispute, PO: p.po(1), Supplier: "acme", Name: "Acme",
		Currency: "EUR", OpenedAt: time.Now().UTC(), Standing: claims.Standing{News: 1, Open: 500},
		Terms: claims.Terms{ChaseAfter: []time.Duration{time.Hour}, EscalateAfter: 2 * time.Hour},
	}
	return p
}

func (p *pursued) start(watchers ...interceptor.WorkerInterceptor) {
	p.t.Helper()
	p.work(p.script, watchers)
	p.begin(workflows.ClaimWorkflow, workflows.ClaimInput{ID: p.claim})
}

func (p *pursued) script(w worker.Worker) {
	w.RegisterWorkflowWithOptions(workflows.Claim, workflow.RegisterOptions{Name: workflows.ClaimWorkflow})
	serve(p.desk, w, workflows.ActivityLoadClaim, func(string) any { return p.recorded })
	serve(p.desk, w, workflows.ActivityPursueClaim, func(in workflows.PursueClaimInput) any {
		if p.recorded.Open > 0 || in.Step == claims.StepClose {
			now := p.recorded.Standing
			p.recorded = in.State
			p.recorded.Standing = now
			if in.Step == claims.StepAsk || in.Step == claims.StepChase {
				p.letters++
			}
		}
		return p.recorded.Standing
	})
	serve(p.desk, w, workflows.ActivitySettleClaim, func(in workflows.SettleClaimInput) any {
		minor := in.Settlement.Minor
		if minor == 0 {
			minor = p.recorded.Open
		}
		p.recorded.Open -= minor
		p.recorded.News++
		return workflows.ClaimAnswer{Settled: minor, Standing: p.recorded.Standing}
	})
}

// hear changes what Postgres holds and tells the workflow.
func (p *pursued) hear(change func(*claims.Standing)) {
	p.t.Helper()
	p.mu.Lock()
	p.recorded.News++
	change(&p.recorded.Standing)
	now := p.recorded.Standing
	p.mu.Unlock()
	p.signal(now)
}

func (p *pursued) settle(d claims.Settlement) error { return p.ask(workflows.UpdateSettle, d) }

func (p *pursued) until(stage claims.Stage) {
	p.t.Helper()
	untilState(p.player, string(stage), func(s *claims.State) bool { return s.Stage() == stage })
}

type claimTale struct {
	set     func(*pursued)
	tell    func(*pursued)
	letters int
}

func decision(outcome ledger.ClaimOutcome, minor int64) claims.Settlement {
	return claims.Settlement{ID: "api/s-" + string(outcome), Outcome: outcome, Minor: minor, Reason: "agreed", By: "operator key k"}
}

func claimTales() map[string]claimTale {
	credited := func(p *pursued) {
		p.until(claims.StageAsked)
		p.hear(func(s *claims.Standing) { s.Open = 0 })
	}
	return map[string]claimTale{
		// The supplier is written to twice, a person lets a part go, and the credit for the rest comes late.
		"claim": {letters: 2, set: func(p *pursued) {
			p.recorded.Terms = claims.Terms{ChaseAfter: []time.Duration{2 * time.Second}, EscalateAfter: 4 * time.Second}
		}, tell: func(p *pursued) {
			p.until(claims.StageChased)
			p.until(claims.StageEscalated)
			require.ErrorContains(p.t, p.settle(decision(ledger.ClaimPaid, 501)), "5.00 EUR of the claim is open")
			require.NoError(p.t, p.settle(decision(ledger.ClaimConceded, 200)))
			p.signal("no news")
			p.signal(claims.Standing{News: 1, Open: 500})
			p.hear(func(s *claims.Standing) { s.Open = 0 })
		}},
		"claim-credited":        {letters: 1, tell: credited},
		"claim-settled-already": {set: func(p *pursued) { p.recorded.Open = 0 }, tell: func(*pursued) {}},
		"claim-refused": {letters: 1, tell: func(p *pursued) {
			p.until(claims.StageAsked)
			p.hear(func(s *claims.Standing) { s.Answer = claims.Refused })
			p.until(claims.StageEscalated)
			require.NoError(p.t, p.settle(decision(ledger.ClaimWrittenOff, 0)))
		}},
		"claim-request-refused": {letters: 1, set: func(p *pursued) {
			p.before[workflows.ActivitySettleClaim] = func(_ context.Context, call int) error {
				if call > 1 {
					return nil
				}
				return temporal.NewNonRetryableApplicationError("nothing of the claim is open any more", workflows.RefusedType, nil)
			}
		}, tell: func(p *pursued) {
			p.until(claims.StageAsked)
			require.ErrorContains(p.t, p.settle(decision(ledger.ClaimPaid, 0)), "open any more")
			credited(p)
		}},
		"claim-cancelled-in-ui": {letters: 1, tell: func(p *pursued) {
			p.until(claims.StageAsked)
			require.NoError(p.t, p.temporal.CancelWorkflow(p.t.Context(), p.workflow, ""))
			credited(p)
		}},
		"claim-stalled-load":   {letters: 1, set: func(p *pursued) { p.before[workflows.ActivityLoadClaim] = refuses(1) }, tell: credited},
		"claim-stalled-pursue": {letters: 1, set: func(p *pursued) { p.before[workflows.ActivityPursueClaim] = refuses(1) }, tell: credited},
	}
}

// TestClaimTalesAreTold records them for a release as TestTalesAreTold does.
func TestClaimTalesAreTold(t *testing.T) {
	t.Parallel()
	forget()
	c, namespace := enginetest.Namespace(t)
	all := claimTales()
	sideBySide(slices.Sorted(maps.Keys(all)), func(name string) {
		t.Run(name, func(t *testing.T) {
			story, p := all[name], newPursued(t, c, namespace, name)
			if story.set != nil {
				story.set(p)
			}
			p.start(&hasty{})
			story.tell(p)
			var result workflows.ClaimResult
			p.told(name, &result)
			require.Equal(t, claims.StageSettled, result.Stage)
			p.mu.Lock()
			require.Equal(t, story.letters, p.letters)
			require.True(t, p.recorded.Closed)
			p.mu.Unlock()
		})
	})
}
