// Package enginetest gives each test a namespace of its own on a real Temporal server.
package enginetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/dropline/dropline/internal/engine"
	"github.com/dropline/dropline/internal/visibility"
)

// Namespace registers a namespace with Dropline's search attributes and returns a client for it.
// `make test` provides the server; without one the test is skipped.
func Namespace(t testing.TB) (client.Client, string) {
	t.Helper()
	if os.Getenv("TEMPORAL_ADDRESS") == "" {
		t.Skip("needs Temporal: run through `make test`, or set TEMPORAL_ADDRESS")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	random := make([]byte, 6)
	_, err := rand.Read(random)
	require.NoError(t, err)
	namespace := "test-" + hex.EncodeToString(random)

	options, err := engine.Options(slog.New(slog.DiscardHandler), namespace)
	require.NoError(t, err)
	namespaces, err := client.NewNamespaceClient(options)
	require.NoError(t, err)
	defer namespaces.Close()
	require.NoError(t, namespaces.Register(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	}))
	c, err := client.DialContext(ctx, options)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	// A new namespace reaches the parts of the server one after the other.
	require.EventuallyWithT(t, func(check *assert.CollectT) {
		require.NoError(check, visibility.Register(ctx, c, namespace))
		_, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: namespace, Query: `Stage = "received" AND NeedsAttention = false`,
		})
		require.NoError(check, err)
	}, time.Minute, 100*time.Millisecond)
	return c, namespace
}
