package matrix

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/dropline/dropline/faults/rig"
	"github.com/dropline/dropline/faults/rig/rigtest"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/outbox"
	"github.com/dropline/dropline/internal/payments"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/stage"
	"github.com/dropline/dropline/workflows"
)

// sideBySide is how many cells are played at once: they mostly wait. Each takes up to 15 of the 200
// connections that the stack's Postgres gives.
const sideBySide = "10"

var shared rig.Rig

func TestMain(m *testing.M) {
	rig.Main()
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "dropline-matrix-")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		shared.Names, err = rig.StartNames()
	}
	if err == nil {
		defer shared.Names.Close()
		shared.Certs, err = rig.NewCertificates(dir)
	}
	if err == nil {
		// Partners trust it too: they are played in this process.
		err = os.Setenv("SSL_CERT_FILE", shared.Certs.Authority)
	}
	if err == nil {
		err = flag.Set("test.parallel", sideBySide)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	rig.UseNames(shared.Names.Address())
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxiproxy's toxics have no logger of their own
	return m.Run()
}

func TestWorkerToTemporal(t *testing.T) {
	t.Parallel()
	playRow(t, rig.WorkerToTemporal)
}

func TestGatewayToTemporal(t *testing.T) {
	t.Parallel()
	playRow(t, rig.GatewayToTemporal)
}

func TestWorkerToPostgres(t *testing.T) {
	t.Parallel()
	playRow(t, rig.WorkerToPostgres)
}

func TestGatewayToPostgres(t *testing.T) {
	t.Parallel()
	playRow(t, rig.GatewayToPostgres)
}

func TestWorkerToSupplier(t *testing.T) {
	t.Parallel()
	playRow(t, rig.ToSupplier)
}

func TestWorkerToStorefront(t *testing.T) {
	t.Parallel()
	playRow(t, rig.ToStorefront)
}

func TestWorkerToCarrier(t *testing.T) {
	t.Parallel()
	playRow(t, rig.ToCarrier)
}

func TestWorkerToPaymentProvider(t *testing.T) {
	t.Parallel()
	playRow(t, rig.ToPayments)
}

func TestCourierToMailServer(t *testing.T) {
	t.Parallel()
	playRow(t, rig.ToMail)
}

func TestPartnerToGateway(t *testing.T) {
	t.Parallel()
	playRow(t, rig.ToGateway)
}

// rowTests names the test function of each row.
var rowTests = map[rig.Dependency]string{
	rig.WorkerToTemporal: "TestWorkerToTemporal", rig.GatewayToTemporal: "TestGatewayToTemporal",
	rig.WorkerToPostgres: "TestWorkerToPostgres", rig.GatewayToPostgres: "TestGatewayToPostgres",
	rig.ToSupplier: "TestWorkerToSupplier", rig.ToStorefront: "TestWorkerToStorefront", rig.ToCarrier: "TestWorkerToCarrier",
	rig.ToPayments: "TestWorkerToPaymentProvider", rig.ToMail: "TestCourierToMailServer", rig.ToGateway: "TestPartnerToGateway",
}

// testName is the name of a fault as Go writes it in a subtest's name.
func testName(f rig.Fault) string { return strings.NewReplacer(" ", "_", ",", "").Replace(string(f)) }

func playRow(t *testing.T, dependency rig.Dependency) {
	for i := range cells {
		c := &cells[i]
		if c.dependency != dependency || !c.played() || testing.Short() && !c.telling {
			continue
		}
		t.Run(testName(c.fault), func(t *testing.T) {
			t.Parallel()
			play(t, c)
		})
	}
}

// patience bounds one cell; the slowest waits for keep-alives and second tries.
const patience = 150 * time.Second

// play lets three orders go through while the fault holds: one that is under way when it begins, one that
// is placed meanwhile, and one that is cancelled meanwhile. What the partners' books and the audit say in
// the end decides.
func play(t *testing.T, c *cell) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	w := rigtest.Open(ctx, t, &shared, rig.Wishes{
		Through: c.dependency, Secured: c.fault == rig.TLSFailure, Named: c.fault == rig.DNSFailure, Suppliers: c.players(),
	})
	s := &scene{t: t, ctx: ctx, World: w, cell: c}
	if c.dependency == rig.ToCarrier {
		defer s.pollTheCarrier()()
	}
	w.Pay("before", false, 1)
	w.Pay("during", false, 1)
	w.Pay("cancelled", true, 1)
	before, cancelled := s.place("before", "acme-mug"), s.place("cancelled", "tardy-mug")
	require.NoError(t, w.Suppliers.Books.Await(ctx, func(snapshot suppliersim.Snapshot) bool { return len(snapshot["tardy"].Orders) == 1 }))

	if c.dependency == rig.ToPayments && c.fault == rig.DNSFailure {
		// A connection that is being made would outlive the fault, and serve everyone.
		_, err := w.PaymentBecomes(ctx, before, func(v *orderview.Payment) bool { return !v.ExpiresAt.IsZero() })
		require.NoError(t, err)
	}
	mend, err := w.Link.Break(c.fault)
	require.NoError(t, err)
	during := s.place("during", "acme-mug")
	s.cancel(cancelled)
	s.holdOut(during, cancelled)
	require.NoError(t, mend())
	s.join()
	if c.givesUp() {
		s.retryWhatWasGivenUp()
	}
	wrong, err := w.Judge(ctx, rig.Ending{Key: before}, rig.Ending{Key: during}, rig.Ending{Key: cancelled, Cancelled: true})
	require.NoError(t, err)
	require.Empty(t, wrong)
	attention, err := w.Attention(ctx)
	require.NoError(t, err)
	// What a person has retried may keep its mark until the order has news.
	require.True(t, attention == 0 || c.givesUp(), "what goes on by itself asks for nobody")
	s.repeat(before)
}

// scene is a cell being played.
type scene struct {
	*rig.World

	t    *testing.T
	ctx  context.Context // its life
	cell *cell
	// waiting are requests of customers that go on side by side with the fault.
	waiting []<-chan error
}

// severs says whether the fault keeps everything back for as long as it holds.
func (c *cell) severs() bool {
	switch c.fault {
	case rig.Latency, rig.Slow, rig.Flapping, rig.HalfOpen:
		return false
	case rig.DNSFailure:
		return c.dependency != rig.WorkerToTemporal && c.dependency != rig.GatewayToTemporal // gRPC remembers addresses
	}
	return true
}

// deliberation is how long a supplier thinks about a cancellation whose taking the gateway does not hear
// of: longer than the gateway's 10 s for an answer and 4 s to store the request. The order would be closed
// by then otherwise, and the gateway would answer 200 from what Postgres says of it.
const deliberation = 15 * time.Second

// players are the suppliers of the cell; nil: the usual ones.
func (c *cell) players() []stage.Supplier {
	if c.dependency != rig.GatewayToTemporal || c.fault != rig.ResetMiddle && c.fault != rig.ReplyLost {
		return nil
	}
	players := rig.Players()
	for i := range players {
		players[i].ConfirmWithin = "1m"
		players[i].Manner.Cancel = suppliersim.CancelManner{
			Mode: suppliersim.CancelPending, Answer: suppliersim.CancelAccept, Delay: suppliersim.Duration(deliberation),
		}
	}
	return players
}

// givesUp says whether a message is given up, and waits for a person.
func (c *cell) givesUp() bool { return c.dependency == rig.ToStorefront && c.fault == rig.ErrorBody }

// place places an order. Where the gateway itself is cut off, the customer waits while the fault goes on.
func (s *scene) place(id string, skus ...string) order.Key {
	if s.cell.dependency == rig.GatewayToPostgres && id == "during" {
		return s.placeLater(id, skus...)
	}
	key, answers, err := s.Order(s.ctx, id, skus...)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusCreated, answers.Last())
	return key
}

func (s *scene) placeLater(id string, skus ...string) order.Key {
	done := make(chan error, 1)
	go func() {
		_, answers, err := s.Order(s.ctx, id, skus...)
		if err == nil && s.cell.severs() && answers.Statuses[0] != http.StatusServiceUnavailable {
			err = fmt.Errorf("while its database is away the gateway answers %v, not 503", answers.Statuses)
		}
		done <- err
	}()
	s.waiting = append(s.waiting, done)
	return order.Key{Storefront: "shop", Order: id}
}

func (s *scene) cancel(key order.Key) {
	done := make(chan error, 1)
	go func() {
		answers, err := s.CancelOrder(s.ctx, key)
		if err == nil && s.cell.dependency == rig.GatewayToTemporal && s.cell.severs() && answers.Last() != http.StatusAccepted {
			err = fmt.Errorf("while Temporal is away a cancellation is answered %v, not 202", answers.Statuses)
		}
		done <- err
	}()
	s.waiting = append(s.waiting, done)
}

// retryWhatWasGivenUp does what a person does about refused messages.
func (s *scene) retryWhatWasGivenUp() {
	failures, err := outbox.Failed(s.ctx, s.Pool, 100)
	require.NoError(s.t, err)
	require.NotEmpty(s.t, failures)
	attention, err := s.Attention(s.ctx)
	require.NoError(s.t, err)
	require.NotZero(s.t, attention)
	for s.retryFailures(failures) {
		s.pause(answersWithin)
		failures, err = outbox.Failed(s.ctx, s.Pool, 100)
		require.NoError(s.t, err)
	}
}

// retryFailures says whether there may be more: what was under way when the fault ended is given up afterwards.
func (s *scene) retryFailures(failures []outbox.Failure) bool {
	for i := range failures {
		require.NoError(s.t, outbox.Retry(s.ctx, s.Pool, failures[i].ID))
	}
	underway := 0
	require.NoError(s.t, s.Pool.QueryRow(s.ctx, `SELECT count(*) FROM outbox WHERE state = 'pending' AND attempts > 0`).Scan(&underway))
	return len(failures) > 0 || underway > 0
}

// repeat places an order once more, which changes nothing.
func (s *scene) repeat(key order.Key) {
	_, answers, err := s.Order(s.ctx, key.Order, "acme-mug")
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, answers.Last())
}

const (
	// answersWithin is how long a storefront that is well takes to answer, at most.
	answersWithin = 200 * time.Millisecond
	// flapping lasts for about ten ups and downs.
	flapping = 5 * time.Second
	// stuckFor is how long an order that would be through in two seconds is watched not to get through.
	stuckFor = 4 * time.Second
)

// holdOut returns when the fault has shown: what it severs was tried in vain, what it slows down got
// through all the same.
func (s *scene) holdOut(during, cancelled order.Key) {
	switch {
	case s.cell.fault == rig.Flapping:
		s.pause(flapping)
	case !s.cell.severs():
		s.join()
		_, err := s.Settled(s.ctx, during)
		require.NoError(s.t, err)
		require.NoError(s.t, s.Captured(s.ctx, rig.Ending{Key: during}))
		return
	default:
		s.felt(during, cancelled)
	}
	if s.cell.dependency == rig.GatewayToTemporal {
		s.join() // they are answered while the fault holds
	}
}

// join waits for the customers' requests.
func (s *scene) join() {
	for _, done := range s.waiting {
		require.NoError(s.t, <-done)
	}
	s.waiting = nil
}

func (s *scene) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.ctx.Done():
	}
}

// felt waits until somebody has tried in vain.
func (s *scene) felt(during, cancelled order.Key) {
	const message = `SELECT EXISTS (SELECT FROM outbox WHERE channel = $1 AND (attempts > 1 OR last_error <> ''))`
	switch s.cell.dependency {
	case rig.WorkerToTemporal, rig.WorkerToPostgres:
		s.pause(stuckFor)
		var closed bool
		require.NoError(s.t, s.Pool.QueryRow(s.ctx, `SELECT closed_at IS NOT NULL FROM orders WHERE key = $1`, during.String()).Scan(&closed))
		require.False(s.t, closed, "it got through in spite of the fault")
	case rig.GatewayToTemporal:
		// The answer to the cancellation tells.
	case rig.GatewayToPostgres:
		s.pause(stuckFor)
	case rig.ToSupplier:
		require.NoError(s.t, s.Await(s.ctx, `SELECT EXISTS (SELECT FROM effects WHERE kind = 'submit' AND (attempts > 1 OR state IN ('unknown', 'not_sent')))`))
	case rig.ToStorefront:
		require.NoError(s.t, s.Await(s.ctx, message, outbox.Storefront))
	case rig.ToMail:
		require.NoError(s.t, s.Await(s.ctx, message, outbox.CustomerMail))
	case rig.ToCarrier:
		s.triedInVain(pollID)
	case rig.ToPayments:
		s.triedInVain(payments.WorkflowID(during))
		s.triedInVain(cancelled.WorkflowID())
	case rig.ToGateway:
		require.NoError(s.t, s.Suppliers.Books.Await(s.ctx, func(snapshot suppliersim.Snapshot) bool {
			for _, hook := range snapshot["acme"].Webhooks {
				if hook.Attempts > 0 && hook.Delivered == 0 {
					return true
				}
			}
			return false
		}))
	}
}

// pollEvery is the pause between two polls, where a schedule would have hours.
const pollEvery = 300 * time.Millisecond

// pollTheCarrier plays the schedule in the time of a test: parcels are due at once, and polled all the time.
func (s *scene) pollTheCarrier() (stop func()) {
	ctx, cancel := context.WithCancel(s.ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			// A parcel that a poll has claimed is due again within minutes; the others, in hours.
			_, _ = s.Pool.Exec(ctx, `UPDATE parcels SET next_check_at = now() WHERE next_check_at > now() + interval '6 minutes'`)
			_, _ = s.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
				ID: pollID, TaskQueue: workflows.TaskQueue, WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
			}, workflows.CarrierPollWorkflow, workflows.CarrierPollInput{Carrier: "track"})
			select {
			case <-ctx.Done():
			case <-time.After(pollEvery):
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

const pollID = "carrier-poll/in-test-time"

// triedInVain waits until a workflow's call of a partner is being tried again.
func (s *scene) triedInVain(workflow string) {
	for {
		d, err := s.Temporal.DescribeWorkflowExecution(s.ctx, workflow, "")
		if err == nil {
			for _, a := range d.GetPendingActivities() {
				if a.GetAttempt() > 1 {
					return
				}
			}
		}
		require.NoError(s.t, s.ctx.Err(), "nothing that %s called failed", workflow)
		s.pause(pollEvery)
	}
}
