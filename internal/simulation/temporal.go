package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/workflows"
)

// temporalClient is the product's view of the engine: the workflows of the life under way.
// What the product does not call is not there.
type temporalClient struct {
	client.Client
	world *world
}

// outage is what the engine does wrong with the next call.
type outage int

const (
	engineWell outage = iota
	engineAway
	engineAnswerLost
)

// hurt carries out a call as the planned outage has it.
func (c *temporalClient) hurt(do func() error) error {
	l := c.world.life
	trouble := l.engineTrouble
	l.engineTrouble = engineWell
	if trouble == engineAway {
		l.happened("engine away")
		return serviceerror.NewUnavailable("simulated")
	}
	err := do()
	if trouble == engineAnswerLost {
		l.happened("engine's answer lost")
		return serviceerror.NewUnavailable("simulated")
	}
	return err
}

func (c *temporalClient) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	l := c.world.life
	return nil, c.hurt(func() error {
		if _, claim := args[0].(workflows.ClaimInput); claim && !l.pursued {
			return nil // a claim's workflow decides nothing about the order
		}
		f := l.flow(o.ID)
		if f.started {
			return serviceerror.NewWorkflowExecutionAlreadyStarted("exists", "", "")
		}
		l.start(f, args[0], l.now, nil)
		return nil
	})
}

func (c *temporalClient) SignalWorkflow(_ context.Context, id, _, name string, arg any) error {
	l := c.world.life
	return c.hurt(func() error {
		if _, claim := arg.(claims.Standing); claim && !l.pursued {
			return nil
		}
		r := l.flow(id).run
		if r == nil {
			return serviceerror.NewNotFound("closed")
		}
		r.signal(name, arg)
		return nil
	})
}

func (c *temporalClient) SignalWithStartWorkflow(_ context.Context, id, name string, arg any,
	_ client.StartWorkflowOptions, _ any, args ...any,
) (client.WorkflowRun, error) {
	l := c.world.life
	return nil, c.hurt(func() error {
		f := l.flow(id)
		switch {
		case f.running():
			f.run.signal(name, arg)
			return nil
		default:
			l.happened(openedAgain[f.kind])
		}
		l.start(f, args[0], l.now, &signal{name, arg})
		return nil
	})
}

func (c *temporalClient) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	l := c.world.life
	f := l.flow(id)
	if !f.started {
		return nil, serviceerror.NewNotFound("unknown")
	}
	status := f.ending
	if f.running() {
		status = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Status: status},
	}, nil
}

// UpdateWorkflow asks the order and stands still until it has answered.
func (c *temporalClient) UpdateWorkflow(_ context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	l := c.world.life
	if f := l.flow(o.WorkflowID); f.running() && f.run.active {
		r := f.run
		a := &answer{flow: f, name: o.UpdateName, asked: l.now, refused: func() { r.refusals[o.UpdateID]++ }}
		l.answers = append(l.answers, a)
		// A server forgets a request that was rejected; the test environment has to be helped.
		r.env.UpdateWorkflow(o.UpdateName, fmt.Sprintf("%s#%d", o.UpdateID, r.refusals[o.UpdateID]), a, o.Args...)
		for !a.settled && !l.closing {
			a.strand = l.current
			l.pause()
		}
		if a.settled {
			return &settledUpdate{answer: a}, a.late
		}
	}
	return nil, serviceerror.NewNotFound("closed")
}

// answer is an order's answer to an update, when it comes.
type answer struct {
	flow     *flow
	name     string
	strand   *strand
	accepted bool
	refused  func()
	settled  bool
	asked    time.Time
	value    any
	err      error
	late     error // the caller waited no longer
}

// Accept is called when the order's validator lets the request through.
func (a *answer) Accept() { a.accepted = true }

// Reject is called when it does not.
func (a *answer) Reject(err error) {
	a.refused()
	a.settle(nil, err)
}

// Complete is called with what the order's handler returned.
func (a *answer) Complete(success any, err error) { a.settle(success, err) }

func (a *answer) settle(value any, err error) {
	if !a.settled {
		a.settled, a.value, a.err = true, value, err
	}
}

// settledUpdate gives the caller the order's answer, as it would come over the network.
type settledUpdate struct {
	client.WorkflowUpdateHandle
	answer *answer
}

func (u *settledUpdate) Get(_ context.Context, into any) error {
	if err := u.answer.err; err != nil {
		return acrossTheWire(err)
	}
	text, err := json.Marshal(u.answer.value)
	if err != nil {
		return fmt.Errorf("encode an order's answer: %w", err)
	}
	return json.Unmarshal(text, into)
}

// acrossTheWire is an error as it is after its way through the server: what it was is in its words.
func acrossTheWire(err error) error {
	failures := temporal.GetDefaultFailureConverter()
	return failures.FailureToError(failures.ErrorToFailure(err))
}

// resumeAnswered lets those go on whose order has answered, or will not any more.
func (l *life) resumeAnswered() {
	waiting := l.answers
	l.answers = nil
	for _, a := range waiting {
		if !a.settled && !a.flow.running() {
			if a.accepted {
				a.settle(nil, temporal.NewApplicationError("gone", "AcceptedUpdateCompletedWorkflow"))
			} else {
				a.settled, a.late = true, serviceerror.NewNotFound("closed")
			}
		}
		if !a.settled {
			l.answers = append(l.answers, a)
			continue
		}
		l.resume(a.strand)
	}
}

var errWaitedLong = client.NewWorkflowUpdateServiceTimeoutOrCanceledError(errors.New("simulated"))
