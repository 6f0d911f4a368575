package tracking

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/catalog"
)

// querier is a pool, a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// names maps every name of a carrier to the one under which its parcels are kept. Suppliers and
// tracking services name the same carrier differently, and a parcel has to meet its scans.
type names struct {
	byName map[string]string
	// services lists, by tracking service, the carriers that its aliases name.
	services map[string][]string
}

// Names remembers for a while under which names carriers are known, for whoever applies many scans and notices.
// A name that the catalogue gives to a carrier counts for what comes afterwards, so that it does not matter
// whether that is a few seconds sooner or later. The zero Names is ready for use.
type Names struct {
	mu    sync.Mutex
	read  time.Time
	known names
}

// namesFor is how long they are remembered.
const namesFor = 5 * time.Second

func (n *Names) current(ctx context.Context, q querier) (names, error) {
	n.mu.Lock()
	known, fresh := n.known, time.Since(n.read) < namesFor
	n.mu.Unlock()
	if fresh {
		return known, nil
	}
	known, err := readNames(ctx, q)
	if err == nil {
		n.mu.Lock()
		n.known, n.read = known, time.Now()
		n.mu.Unlock()
	}
	return known, err
}

func readNames(ctx context.Context, q querier) (names, error) {
	n := names{byName: map[string]string{}, services: map[string][]string{}}
	rows, err := q.Query(ctx, `SELECT id, document FROM carriers ORDER BY id`)
	if err != nil {
		return n, fmt.Errorf("read the carriers: %w", err)
	}
	var id string
	var document []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &document}, func() error {
		var service catalog.Carrier
		if err := json.Unmarshal(document, &service); err != nil {
			return fmt.Errorf("carrier %s: its document cannot be read", id)
		}
		n.services[id] = nil
		for _, alias := range service.Aliases {
			code := carrier.Name(alias.Code)
			n.services[id] = append(n.services[id], code)
			for _, name := range append(alias.Names, alias.Code) {
				if _, taken := n.byName[carrier.Name(name)]; !taken {
					n.byName[carrier.Name(name)] = code
				}
			}
		}
		return nil
	})
	if err != nil {
		return n, fmt.Errorf("read the carriers: %w", err)
	}
	return n, nil
}

// of is the name under which a carrier's parcels are kept.
func (n names) of(name string) string {
	plain := carrier.Name(name)
	if code, known := n.byName[plain]; known {
		return code
	}
	return plain
}

// canonical renames a scan's carrier, and with it the scan's natural key, so that a push and a poll
// tell of one event.
func (n names) canonical(scans []carrier.Scan) []carrier.Scan {
	renamed := make([]carrier.Scan, 0, len(scans))
	for _, s := range scans {
		if name := n.of(s.Carrier); name != s.Carrier {
			s = carrier.NewScan(name, s.Tracking, s.Status, s.Text, s.At)
		}
		renamed = append(renamed, s)
	}
	return renamed
}

// polledBy picks, from the carriers that have parcels to look after, those that a tracking service
// is asked about: what its aliases name, and what no service's aliases name.
func (n names) polledBy(service string, watched []string) []string {
	owner := map[string]string{}
	for id, codes := range n.services {
		for _, code := range codes {
			if id == service || owner[code] == "" {
				owner[code] = id
			}
		}
	}
	var polled []string
	for _, name := range watched {
		if id, named := owner[name]; !named || id == service {
			polled = append(polled, name)
		}
	}
	return polled
}
