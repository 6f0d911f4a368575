// Package enginetest gives each test a namespace of its own on a real Temporal server.
package enginetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/dropline/dropline/internal/engine"
	"github.com/dropline/dropline/internal/visibility"
)

// ErrNoServer: nothing says where a Temporal server is.
var ErrNoServer = errors.New("needs Temporal: run it through make, or set TEMPORAL_ADDRESS")

// Register makes a namespace with Dropline's search attributes on the server of TEMPORAL_ADDRESS and
// returns a client for it.
func Register(ctx context.Context) (_ client.Client, namespace string, err error) {
	if os.Getenv("TEMPORAL_ADDRESS") == "" {
		return nil, "", ErrNoServer
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	random := make([]byte, 6)
	if _, err := rand.Read(random); err != nil {
		return nil, "", fmt.Errorf("name a namespace: %w", err)
	}
	namespace = "test-" + hex.EncodeToString(random)
	options, err := engine.Options(slog.New(slog.DiscardHandler), namespace)
	if err != nil {
		return nil, "", err
	}
	namespaces, err := client.NewNamespaceClient(options)
	if err != nil {
		return nil, "", fmt.Errorf("connect to Temporal: %w", err)
	}
	defer namespaces.Close()
	err = namespaces.Register(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	if err != nil {
		return nil, "", fmt.Errorf("register namespace %s: %w", namespace, err)
	}
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, "", fmt.Errorf("connect to Temporal: %w", err)
	}
	if err := settled(ctx, c, namespace); err != nil {
		c.Close()
		return nil, "", err
	}
	return c, namespace, nil
}

// settled waits until the whole server knows the namespace: it reaches its parts one after the other.
func settled(ctx context.Context, c client.Client, namespace string) error {
	for {
		err := visibility.Register(ctx, c, namespace)
		if err == nil {
			_, err = c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
				Namespace: namespace, Query: `Stage = "received" AND NeedsAttention = false`,
			})
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until Temporal knows namespace %s: %w", namespace, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Namespace is Register for a test. `make test` provides the server; without one the test is skipped.
func Namespace(t testing.TB) (client.Client, string) {
	t.Helper()
	c, namespace, err := Register(context.Background())
	if errors.Is(err, ErrNoServer) {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c, namespace
}
