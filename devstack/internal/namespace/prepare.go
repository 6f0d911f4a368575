package namespace

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/dropline/dropline/devstack/internal/failure"
)

const (
	// Retention is how long closed workflows stay readable in a namespace made here.
	Retention = 7 * 24 * time.Hour
	// visibleWithin bounds the wait until a server's caches know a new namespace.
	visibleWithin = 30 * time.Second
	probeEvery    = 50 * time.Millisecond
)

// Fresh is a name no other run uses.
func Fresh() string {
	var raw [4]byte
	_, _ = rand.Read(raw[:]) // documented never to fail
	return "dropline-" + hex.EncodeToString(raw[:])
}

// silent drops the SDK's log lines: what goes wrong comes back as an error.
type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

var _ log.Logger = silent{}

// DialEnvironment connects with the settings of the environment (TEMPORAL_ADDRESS,
// TEMPORAL_TLS, TEMPORAL_API_KEY and so on, as the Temporal CLI reads them).
func DialEnvironment(ctx context.Context) (client.Client, error) {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return nil, fmt.Errorf("read the Temporal settings of the environment: %w", err)
	}
	return dial(ctx, options)
}

// Dial connects to a server without any credentials.
func Dial(ctx context.Context, address string) (client.Client, error) {
	return dial(ctx, client.Options{HostPort: address})
}

func dial(ctx context.Context, options client.Options) (client.Client, error) {
	options.Logger = silent{}
	connected, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, failure.WithHint(fmt.Errorf("connect to Temporal at %s: %w", options.HostPort, err),
			"Start that server, or unset TEMPORAL_ADDRESS (or pass --private) to have one started.")
	}
	return connected, nil
}

// Prepare makes sure that a namespace exists with the attributes, and waits until
// the server answers questions about all of them.
func Prepare(ctx context.Context, server client.Client, name string, attributes Attributes) error {
	ctx, cancel := context.WithTimeout(ctx, visibleWithin)
	defer cancel()
	_, err := server.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace:                        name,
		Description:                      "Dropline development",
		WorkflowExecutionRetentionPeriod: durationpb.New(Retention),
	})
	if exists := (*serviceerror.NamespaceAlreadyExists)(nil); err != nil && !errors.As(err, &exists) {
		return failure.WithHint(fmt.Errorf("register namespace %s: %w", name, err),
			"The server of TEMPORAL_ADDRESS must let us register namespaces; --private uses a server of our own.")
	}
	if err := AddAttributes(ctx, server, name, attributes); err != nil {
		return err
	}
	return AwaitQueryable(ctx, server, name, attributes)
}

// AddAttributes registers the attributes the namespace lacks.
func AddAttributes(ctx context.Context, server client.Client, name string, attributes Attributes) error {
	if len(attributes) == 0 {
		return nil
	}
	// A namespace registered a moment ago is unknown to the server's caches for a few
	// seconds; asking again is the only way to learn when that is over.
	return eventually(ctx, func() error {
		known, err := server.OperatorService().ListSearchAttributes(ctx,
			&operatorservice.ListSearchAttributesRequest{Namespace: name})
		if err != nil {
			return fmt.Errorf("list the search attributes of %s: %w", name, err)
		}
		missing := Attributes{}
		for attribute, kind := range attributes {
			existing, there := known.GetCustomAttributes()[attribute]
			if there && existing != kind {
				return final{fmt.Errorf("search attribute %s of namespace %s is %s, not %s", attribute, name, existing, kind)}
			}
			if !there {
				missing[attribute] = kind
			}
		}
		if len(missing) == 0 {
			return nil
		}
		_, err = server.OperatorService().AddSearchAttributes(ctx,
			&operatorservice.AddSearchAttributesRequest{Namespace: name, SearchAttributes: missing})
		return err
	})
}

// AwaitQueryable waits until a visibility query may name every attribute.
func AwaitQueryable(ctx context.Context, server client.Client, name string, attributes Attributes) error {
	conditions := []string{"WorkflowId = 'none'"}
	for _, attribute := range attributes.names() {
		// Quoted: a name such as Lines is a word of the query language otherwise.
		conditions = append(conditions, "`"+attribute+"` IS NULL")
	}
	return eventually(ctx, func() error {
		_, err := server.WorkflowService().CountWorkflowExecutions(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: name, Query: strings.Join(conditions, " AND "),
		})
		return err
	})
}

// final marks an error that time does not heal.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// eventually repeats try until it succeeds, fails for good or ctx ends.
func eventually(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil || errors.As(err, new(final)) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(probeEvery):
		}
	}
}

// Delete removes a namespace and, in time, all that is in it.
func Delete(ctx context.Context, server client.Client, name string) error {
	_, err := server.OperatorService().DeleteNamespace(ctx, &operatorservice.DeleteNamespaceRequest{Namespace: name})
	if err != nil {
		return fmt.Errorf("delete namespace %s: %w", name, err)
	}
	return nil
}
