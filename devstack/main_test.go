//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	server "github.com/dropline/dropline/devstack/internal/temporal"
)

// The test binary plays three parts: the tests, devstack itself, and the command that
// devstack runs.
const (
	partVariable = "DEVSTACK_TEST_PART"
	partDevstack = "devstack"
	partVisitor  = "visitor"
	// visitorExit is a code nothing else here exits with.
	visitorExit = 7
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == server.ProcessVerb {
		main()
		return
	}
	switch os.Getenv(partVariable) {
	case partDevstack:
		if err := os.Setenv(partVariable, partVisitor); err != nil {
			panic(err)
		}
		main()
	case partVisitor:
		if err := visit(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "visitor:", err)
			os.Exit(1)
		}
		os.Exit(visitorExit)
	default:
		os.Exit(m.Run())
	}
}

func TestExecRunsACommandInsideTheStack(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real servers")
	}
	t.Parallel()
	dir := t.TempDir()
	attributes := filepath.Join(dir, "attributes")
	require.NoError(t, os.WriteFile(attributes, []byte("OrderStatus Keyword\nLines Int\n"), 0o600))
	visited := filepath.Join(dir, "visited")

	self, err := os.Executable()
	require.NoError(t, err)
	command := exec.Command(self, "exec", "--private", "--killable-temporal", "--namespace", "shop", "--search-attributes", attributes, "--", self)
	command.Env = append(os.Environ(), partVariable+"="+partDevstack, "DEVSTACK_TEST_VISITED="+visited)
	var said bytes.Buffer
	command.Stderr = &said
	err = command.Run()
	exit := (*exec.ExitError)(nil)
	require.ErrorAs(t, err, &exit, said.String())
	require.Equal(t, visitorExit, exit.ExitCode(), said.String())
	require.Contains(t, said.String(), "postgres died")
	require.Contains(t, said.String(), "temporal died")

	raw, err := os.ReadFile(visited)
	require.NoError(t, err)
	data, postmaster, _ := strings.Cut(string(raw), "\n")
	require.NoDirExists(t, data)
	pid, err := strconv.Atoi(postmaster)
	require.NoError(t, err)
	require.Error(t, syscall.Kill(pid, 0), "Postgres is gone")
}

// visit uses the stack as a program of ours would.
func visit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := visitTemporal(ctx); err != nil {
		return fmt.Errorf("temporal: %w", err)
	}
	if err := killTemporal(ctx); err != nil {
		return fmt.Errorf("temporal: %w", err)
	}
	if err := visitTemporal(ctx); err != nil {
		return fmt.Errorf("temporal, after it was killed: %w", err)
	}
	if err := surviveKill(ctx); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	pid, err := processIn("DROPLINE_PG_PID_FILE")
	if err != nil {
		return err
	}
	record := os.Getenv("DROPLINE_PG_DATA") + "\n" + strconv.Itoa(pid)
	return os.WriteFile(os.Getenv("DEVSTACK_TEST_VISITED"), []byte(record), 0o600)
}

func visitTemporal(ctx context.Context) error {
	c, err := client.DialContext(ctx, client.Options{
		HostPort: os.Getenv("TEMPORAL_ADDRESS"), Namespace: os.Getenv("TEMPORAL_NAMESPACE"),
	})
	if err != nil {
		return err
	}
	defer c.Close()
	const queue = "visit"
	w := worker.New(c, queue, worker.Options{})
	w.RegisterWorkflowWithOptions(brew, workflow.RegisterOptions{Name: "brew"})
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Stop()
	status := temporal.NewSearchAttributeKeyKeyword("OrderStatus")
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		TaskQueue: queue, TypedSearchAttributes: temporal.NewSearchAttributes(status.ValueSet("brewing")),
	}, "brew")
	if err != nil {
		return err
	}
	return run.Get(ctx, nil)
}

func brew(ctx workflow.Context) error { return workflow.Sleep(ctx, 10*time.Millisecond) }

// surviveKill kills Postgres the hard way and waits for it at the same address.
func surviveKill(ctx context.Context) error {
	if err := onDatabase(ctx, "CREATE TABLE visit (kept int)"); err != nil {
		return err
	}
	before, err := processIn("DROPLINE_PG_PID_FILE")
	if err != nil {
		return err
	}
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		return err
	}
	// Refused connections are all there is to tell that it is not back yet.
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		err := onDatabase(ctx, "SELECT kept FROM visit")
		if err == nil {
			break
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return fmt.Errorf("it did not come back with what was committed: %w", err)
		}
	}
	after, err := processIn("DROPLINE_PG_PID_FILE")
	if err == nil && after == before {
		err = errors.New("DROPLINE_PG_PID_FILE still names the killed process")
	}
	return err
}

// killTemporal kills the server the hard way and waits until another process is in its place, with the
// workflow that was run before.
func killTemporal(ctx context.Context) error {
	before, err := processIn("DROPLINE_TEMPORAL_PID_FILE")
	if err != nil {
		return err
	}
	c, err := client.DialContext(ctx, client.Options{HostPort: os.Getenv("TEMPORAL_ADDRESS"), Namespace: os.Getenv("TEMPORAL_NAMESPACE")})
	if err != nil {
		return err
	}
	defer c.Close()
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "kept", TaskQueue: "nobody"}, "brew")
	if err != nil {
		return err
	}
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		return err
	}
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		_, err := c.DescribeWorkflowExecution(ctx, "kept", run.GetRunID())
		if after, failed := processIn("DROPLINE_TEMPORAL_PID_FILE"); err == nil && failed == nil && after != before {
			return nil
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return fmt.Errorf("it did not come back with what it had taken: %w", errors.Join(err, ctx.Err()))
		}
	}
}

func processIn(variable string) (int, error) {
	raw, err := os.ReadFile(os.Getenv(variable))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(raw)))
}

func onDatabase(ctx context.Context, statement string) error {
	connection, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	_, err = connection.Exec(ctx, statement)
	return err
}
