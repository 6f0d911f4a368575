package intake_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/internal/facts"
	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/visibility"
	"github.com/dropline/dropline/workflows"
)

// run is one run of a workflow on the fake server.
type run struct {
	options client.StartWorkflowOptions
	input   workflows.OrderInput
	status  enums.WorkflowExecutionStatus
	signals []workflows.FactsSignal
}

func (r *run) seqs() (list []int64) {
	for _, s := range r.signals {
		for _, f := range s.Facts {
			list = append(list, f.Seq)
		}
	}
	return list
}

// server does what a Temporal server does with starts and signals.
type server struct {
	mu   sync.Mutex
	runs map[string][]*run
	// refuse fails calls before they have an effect, loseReply after.
	refuse, loseReply error
	calls             int
	// during runs once, within the first signal.
	during func()
}

func (s *server) call() error {
	s.calls++
	return s.refuse
}

func (s *server) current(id string) *run {
	if list := s.runs[id]; len(list) > 0 {
		return list[len(list)-1]
	}
	return nil
}

func (s *server) begin(options client.StartWorkflowOptions, args []any) *run {
	if s.runs == nil {
		s.runs = map[string][]*run{}
	}
	r := &run{options: options, input: args[0].(workflows.OrderInput), status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING}
	s.runs[options.ID] = append(s.runs[options.ID], r)
	return r
}

func (s *server) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.call(); err != nil {
		return nil, err
	}
	if workflow != workflows.OrderWorkflow || o.TaskQueue != workflows.TaskQueue {
		return nil, errors.New("not the order's workflow")
	}
	if s.current(o.ID) != nil && o.WorkflowIDReusePolicy == enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("already started", "", "")
	}
	s.begin(o, args)
	return nil, s.loseReply
}

func (s *server) SignalWorkflow(_ context.Context, id, _, name string, arg any) error {
	s.mu.Lock()
	during := s.during
	s.during = nil
	s.mu.Unlock()
	if during != nil {
		during()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.call(); err != nil {
		return err
	}
	r := s.current(id)
	if r == nil || r.status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING || name != workflows.SignalFacts {
		return serviceerror.NewNotFound("workflow execution already completed")
	}
	r.signals = append(r.signals, arg.(workflows.FactsSignal))
	return s.loseReply
}

func (s *server) SignalWithStartWorkflow(_ context.Context, id, _ string, arg any, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.call(); err != nil {
		return nil, err
	}
	r := s.current(id)
	if r == nil || r.status != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		if r != nil && o.WorkflowIDReusePolicy == enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE {
			return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("already started", "", "")
		}
		r = s.begin(o, args)
	}
	r.signals = append(r.signals, arg.(workflows.FactsSignal))
	return nil, s.loseReply
}

func (s *server) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.current(id)
	if r == nil {
		return nil, serviceerror.NewNotFound("not found")
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Status: r.status}}, nil
}

// deliveries is a placed order with a deliverer and a server.
type deliveries struct {
	*bundle
	server
	deliverer *intake.Deliverer
	log       *strings.Builder
}

func delivery(t *testing.T) *deliveries {
	t.Helper()
	d := &deliveries{bundle: setup(t), log: &strings.Builder{}}
	d.deliverer = &intake.Deliverer{Pool: d.pool, Temporal: &d.server, Log: slog.New(slog.NewTextHandler(d.log, nil))}
	require.Equal(t, intake.Created, d.place(t, sample("1"), "x"))
	return d
}

func (d *deliveries) append(t *testing.T, urgent bool) {
	t.Helper()
	require.NoError(t, postgres.InTx(context.Background(), d.pool, func(tx pgx.Tx) error {
		_, err := facts.Append(context.Background(), tx, "shop/1", order.Fact{Cancel: &order.CancelRequest{ID: "c"}}, urgent, 0)
		return err
	}))
}

func (d *deliveries) deliver(t *testing.T) bool {
	t.Helper()
	found, err := d.deliverer.Deliver(context.Background())
	require.NoError(t, err)
	return found
}

func (d *deliveries) due(t *testing.T) string {
	t.Helper()
	var due *float64
	require.NoError(t, d.pool.QueryRow(context.Background(), `SELECT extract(epoch FROM deliver_at - now())::float8 FROM orders`).Scan(&due))
	switch {
	case due == nil:
		return "never"
	case *due <= 0:
		return "now"
	case *due < 60:
		return "soon"
	}
	return "later"
}

func (d *deliveries) last() *run { return d.current("order/shop/1") }

func TestAnOrderIsStartedOnceAndReadableInTheList(t *testing.T) {
	t.Parallel()
	d := delivery(t)
	require.True(t, d.deliver(t))
	require.False(t, d.deliver(t))
	require.Equal(t, "never", d.due(t))
	require.Len(t, d.runs, 1)
	options := d.last().options
	require.Equal(t, "1 line · 2 units · DE", options.StaticSummary)
	require.True(t, options.WorkflowExecutionErrorWhenAlreadyStarted)
	require.Equal(t, enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, options.WorkflowIDReusePolicy)
	stage, found := options.TypedSearchAttributes.GetKeyword(visibility.Stage)
	require.True(t, found)
	require.Equal(t, "received", stage)
	require.Equal(t, workflows.OrderInput{Key: sample("1").Key}, d.last().input)
	require.Equal(t, 1, d.number(t, `SELECT count(*) FROM orders WHERE started_at IS NOT NULL`))
	for _, personal := range []string{"Ann", "Secret", "xample"} {
		require.NotContains(t, fmt.Sprint(options), personal)
	}
}

func TestADelivererThatDiedBeforeItRecordedTheStartIsFollowedByOneThatCountsIt(t *testing.T) {
	t.Parallel()
	d := delivery(t)
	d.loseReply = serviceerror.NewUnavailable("reply lost")
	_, err := d.deliverer.Deliver(context.Background())
	require.Error(t, err)
	require.Equal(t, "soon", d.due(t))
	d.append(t, true)
	d.loseReply = nil
	d.exec(t, `UPDATE orders SET deliver_at = now()`)
	require.True(t, d.deliver(t))
	require.Len(t, d.runs["order/shop/1"], 1)
	require.Equal(t, []int64{1}, d.last().seqs())
	require.Equal(t, "never", d.due(t))
}

func TestFactsAreDeliveredInOrderAndAgainWhenTheReplyWasLost(t *testing.T) {
	t.Parallel()
	d := delivery(t)
	d.deliver(t)
	d.append(t, false)
	require.False(t, d.deliver(t), "nothing urgent")
	d.append(t, true)
	d.loseReply = serviceerror.NewDeadlineExceeded("reply lost")
	_, err := d.deliverer.Deliver(context.Background())
	require.Error(t, err)
	d.loseReply = nil
	d.exec(t, `UPDATE orders SET deliver_at = now()`)
	d.deliver(t)
	require.Equal(t, []int64{1, 2, 1, 2}, d.last().seqs(), "the order ignores what it has seen")
	require.Equal(t, 2, d.number(t, `SELECT delivered_seq::int FROM orders`))
}

func TestAFactThatComesDuringADeliveryIsNotForgotten(t *testing.T) {
	t.Parallel()
	for urgent, due := range map[bool]string{true: "now", false: "later"} {
		d := delivery(t)
		d.deliver(t)
		d.append(t, true)
		d.during = func() { d.append(t, urgent) }
		require.True(t, d.deliver(t))
		require.Equal(t, []int64{1}, d.last().seqs())
		require.Equal(t, due, d.due(t))
		d.exec(t, `UPDATE orders SET deliver_at = now()`)
		require.True(t, d.deliver(t))
		require.Equal(t, []int64{1, 2}, d.last().seqs())
		require.Equal(t, "never", d.due(t))
	}
}

func TestManyFactsAreSentInBoundedBatches(t *testing.T) {
	t.Parallel()
	d := delivery(t)
	d.deliver(t)
	d.exec(t, `INSERT INTO facts (order_key, seq, kind, urgent, body) SELECT 'shop/1', n, 'cancel_request', true,
		jsonb_build_object('seq', n, 'cancel', jsonb_build_object('id', 'c', 'reason', repeat('x', CASE WHEN n <= 10 THEN 20000 ELSE 10 END)))
		FROM generate_series(1, 240) n`)
	d.exec(t, `UPDATE orders SET fact_seq = 240, deliver_at = now()`)
	d.deliver(t)
	sizes := []int{}
	for _, s := range d.last().signals {
		sizes = append(sizes, len(s.Facts))
	}
	require.Equal(t, []int{3, 3, 3, 100, 100, 31}, sizes)
	list := d.last().seqs()
	for i, seq := range list {
		require.EqualValues(t, i+1, seq)
	}
}

func TestACompletedOrderIsReopenedAndATerminatedOneIsNot(t *testing.T) {
	t.Parallel()
	for status, reopened := range map[enums.WorkflowExecutionStatus]bool{
		enums.WORKFLOW_EXECUTION_STATUS_COMPLETED:  true,
		enums.WORKFLOW_EXECUTION_STATUS_TERMINATED: false,
		enums.WORKFLOW_EXECUTION_STATUS_FAILED:     false,
		enums.WORKFLOW_EXECUTION_STATUS_CANCELED:   false,
		enums.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:  false,
	} {
		d := delivery(t)
		d.deliver(t)
		d.last().status = status
		d.append(t, true)
		found, err := d.deliverer.Deliver(context.Background())
		require.True(t, found)
		require.Equal(t, "never", d.due(t))
		if reopened {
			require.NoError(t, err)
			require.Equal(t, workflows.OrderInput{Key: sample("1").Key, Reopen: true}, d.last().input)
			require.Equal(t, []int64{1}, d.last().seqs())
			continue
		}
		require.Error(t, err)
		require.Len(t, d.runs["order/shop/1"], 1, status)
		require.Equal(t, 1, d.number(t, `SELECT count(*) FROM orders WHERE needs_attention AND delivered_seq = 0`))

		d.exec(t, `UPDATE orders SET state = '{}'`)
		require.NoError(t, d.deliverer.Revive(context.Background(), sample("1").Key))
		require.True(t, d.deliver(t))
		require.True(t, d.last().input.Reopen)
		require.Equal(t, []int64{1}, d.last().seqs())
	}
}

func TestAnOrderWhoseHistoryIsGoneGoesOnFromWhatWasRecorded(t *testing.T) {
	t.Parallel()
	for state, reopen := range map[string]bool{`'{}'`: true, `NULL`: false} {
		d := delivery(t)
		d.exec(t, `UPDATE orders SET started_at = now(), state = `+state)
		d.append(t, true)
		require.True(t, d.deliver(t))
		require.Equal(t, reopen, d.last().input.Reopen)
		require.Equal(t, []int64{1}, d.last().seqs())
	}
}

func TestManyDeliverersStartEachOrderOnceAndDeliverEachFact(t *testing.T) {
	t.Parallel()
	d := delivery(t)
	const orders = 40
	for i := 2; i <= orders; i++ {
		d.place(t, sample(fmt.Sprint(i)), "x")
	}
	other := &intake.Deliverer{Pool: d.pool, Temporal: &d.server, Log: d.deliverer.Log}
	ctx, stop := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	for _, deliverer := range []*intake.Deliverer{d.deliverer, other} {
		loops.Go(func() { _ = deliverer.Run(ctx) })
	}
	for range 20 {
		d.append(t, true)
		other.Nudge()
	}
	require.Eventually(t, func() bool {
		return d.number(t, `SELECT count(*) FROM orders WHERE deliver_at IS NOT NULL`) == 0
	}, 30*time.Second, 10*time.Millisecond)
	stop()
	loops.Wait()
	require.Len(t, d.runs, orders)
	for id, runs := range d.runs {
		require.Len(t, runs, 1, id)
	}
	var newest int64
	for _, seq := range d.last().seqs() {
		require.LessOrEqual(t, seq, newest+1, "no fact may come before one that precedes it")
		newest = max(newest, seq)
	}
	require.EqualValues(t, 20, newest)
}

func TestTwoDeliverersThatReopenOneOrderStartOneRun(t *testing.T) {
	t.Parallel()
	d := delivery(t)
	d.deliver(t)
	d.last().status = enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
	d.append(t, true)
	// The second delivers the whole while the first is about to signal.
	d.during = func() {
		d.exec(t, `UPDATE orders SET deliver_at = now()`)
		require.True(t, d.deliver(t))
	}
	require.True(t, d.deliver(t))
	require.Len(t, d.runs["order/shop/1"], 2)
	require.Equal(t, []int64{1, 1}, d.last().seqs())
	require.Equal(t, "never", d.due(t))
}

func TestAnOutageIsLoggedOnceAndDelaysEachOrderALittle(t *testing.T) {
	t.Parallel()
	d := delivery(t)
	d.refuse = serviceerror.NewUnavailable("connection refused")
	for i := range 12 {
		found, err := d.deliverer.Deliver(context.Background())
		require.True(t, found)
		require.Error(t, err)
		require.Equal(t, i+1, d.number(t, `SELECT deliver_tries FROM orders`))
		require.LessOrEqual(t, d.number(t, `SELECT extract(epoch FROM deliver_at - now())::int FROM orders`), 30)
		d.exec(t, `UPDATE orders SET deliver_at = now()`)
	}
	require.Equal(t, 1, strings.Count(d.log.String(), "Temporal does not answer"))
	require.Zero(t, d.number(t, `SELECT count(*) FROM orders WHERE needs_attention`))
	d.refuse = nil
	require.True(t, d.deliver(t))
	require.Equal(t, 1, strings.Count(d.log.String(), "delivered again"))
	require.Zero(t, d.number(t, `SELECT deliver_tries FROM orders`))
}

func TestAnOrderThatTemporalKeepsRefusingAsksForAPerson(t *testing.T) {
	t.Parallel()
	d := delivery(t)
	d.refuse = serviceerror.NewInvalidArgument("no such search attribute")
	for range 10 {
		require.Zero(t, d.number(t, `SELECT count(*) FROM orders WHERE needs_attention`))
		_, err := d.deliverer.Deliver(context.Background())
		require.Error(t, err)
		d.exec(t, `UPDATE orders SET deliver_at = now()`)
	}
	require.Equal(t, 1, d.number(t, `SELECT count(*) FROM orders WHERE needs_attention`))
}
