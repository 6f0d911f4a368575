package temporal

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	schema "go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/dropline/dropline/devstack/internal/failure"
	"github.com/dropline/dropline/devstack/internal/namespace"
	"github.com/dropline/dropline/devstack/internal/ports"
)

const (
	storeName   = "sqlite"
	clusterName = "active"
	// clusterID is arbitrary but constant: a database file remembers it.
	clusterID = "5f2a1d2e-6d0b-4c57-9d0e-1f1b7c1d7a10"
	// failoverVersion is what a cluster that never fails over starts and stays with.
	failoverVersion = 1
)

// serverPorts are the listening ports of one server.
type serverPorts struct {
	frontend, http, history, matching, worker int
}

func pickPorts(picker *ports.Picker, preferredFrontend int) (serverPorts, error) {
	var chosen serverPorts
	var err error
	if chosen.frontend, err = picker.Pick(preferredFrontend); err != nil {
		return chosen, err
	}
	for _, port := range []*int{&chosen.http, &chosen.history, &chosen.matching, &chosen.worker} {
		if *port, err = picker.Pick(0); err != nil {
			return chosen, err
		}
	}
	return chosen, nil
}

func (p serverPorts) byService() map[primitives.ServiceName]int {
	return map[primitives.ServiceName]int{
		primitives.FrontendService: p.frontend,
		primitives.HistoryService:  p.history,
		primitives.MatchingService: p.matching,
		primitives.WorkerService:   p.worker,
	}
}

// hosts tells each service where the others are: there is no membership to discover.
func (p serverPorts) hosts() map[primitives.ServiceName]static.Hosts {
	hosts := map[primitives.ServiceName]static.Hosts{}
	for service, port := range p.byService() {
		hosts[service] = static.SingleLocalHost(ports.Address(port))
	}
	return hosts
}

func configuration(at serverPorts, store *config.SQL, metricsPort int) *config.Config {
	const disabled = "disabled"
	c := &config.Config{
		Services: map[string]config.Service{},
		Persistence: config.Persistence{
			DefaultStore:     storeName,
			VisibilityStore:  storeName,
			NumHistoryShards: 1,
			DataStores:       map[string]config.DataStore{storeName: {SQL: store}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{clusterName: {
				Enabled:                true,
				InitialFailoverVersion: failoverVersion,
				RPCAddress:             ports.Address(at.frontend),
				HTTPAddress:            ports.Address(at.http),
				ClusterID:              clusterID,
			}},
		},
		PublicClient: config.PublicClient{HostPort: ports.Address(at.frontend)},
	}
	c.Global.Membership = config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: ports.Loopback}
	if metricsPort != 0 {
		c.Global.Metrics = &metrics.Config{Prometheus: &metrics.PrometheusConfig{ListenAddress: ports.Address(metricsPort)}}
	}
	c.DCRedirectionPolicy.Policy = "noop"
	c.Archival.History.State = disabled
	c.Archival.Visibility.State = disabled
	c.NamespaceDefaults.Archival.History.State = disabled
	c.NamespaceDefaults.Archival.Visibility.State = disabled
	for service, port := range at.byService() {
		rpc := config.RPC{GRPCPort: port, BindOnIP: ports.Loopback}
		if service == primitives.FrontendService {
			rpc.HTTPPort = at.http
		}
		c.Services[string(service)] = config.Service{RPC: rpc}
	}
	return c
}

// memoryStore is a database that ends with the process.
func memoryStore() *config.SQL {
	return &config.SQL{
		PluginName:        sqlite.PluginName,
		DatabaseName:      "dropline",
		ConnectAttributes: map[string]string{"mode": "memory", "cache": "shared"},
	}
}

// fileStore opens the database at path, making it if it is missing. The schema is laid into
// a file beside it that is then renamed: a start cut short leaves no half-made database.
func fileStore(path string) (*config.SQL, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		fresh := path + ".new"
		if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err := schema.SetupSchema(sqliteFile(fresh, nil)); err != nil {
			return nil, fmt.Errorf("set up the Temporal schema: %w", err)
		}
		if err := os.Rename(fresh, path); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	// The defaults (rollback journal, synchronous=full) cost three to five times the speed.
	// With these a killed process loses nothing, a power cut at most the last moments.
	return sqliteFile(path, map[string]string{"journal_mode": "wal", "synchronous": "normal"}), nil
}

func sqliteFile(path string, pragmas map[string]string) *config.SQL {
	attributes := map[string]string{"mode": "rwc"}
	maps.Copy(attributes, pragmas)
	return &config.SQL{
		PluginName:        sqlite.PluginName,
		DatabaseName:      (&url.URL{Path: path}).EscapedPath(), // it becomes part of a file: URI
		ConnectAttributes: attributes,
	}
}

// registerNamespace writes the namespace into the database before the server reads it, so
// that it is known from the first request on. One that exists is left as it is.
func registerNamespace(store *config.SQL, name string, attributes namespace.Attributes) error {
	entry, err := schema.NewNamespaceConfig(clusterName, name, false, map[string]enums.IndexedValueType(attributes))
	if err != nil {
		return failure.WithHint(fmt.Errorf("namespace %s: %w", name, err),
			"Temporal on SQL has a fixed number of search attributes of each type: merge some, or drop unused ones.")
	}
	entry.Detail.Config.Retention = durationpb.New(namespace.Retention)
	return schema.CreateNamespaces(store, entry)
}
