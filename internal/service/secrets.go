package service

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// secretsEvery is how long a catalogue change may take to reach the webhooks.
	secretsEvery = 15 * time.Second
	// secretsPause spares the database when somebody tries names of partners.
	secretsPause = 100 * time.Millisecond
	secretsTime  = 2 * time.Second
	// secretsWaiting bounds how many requests wait for the partners to be read again.
	secretsWaiting = 200
)

// webhookSecrets knows which environment variable holds each partner's webhook secret. They are kept
// in memory: verifying a signature asks no database, and goes on while the database is away.
type webhookSecrets struct {
	pool *pgxpool.Pool
	log  *slog.Logger

	mu      sync.Mutex
	names   map[string]string // "supplier/acme": the environment variable; nil: never read
	tried   time.Time
	next    chan struct{} // closed when the reading that is planned or under way is done; nil: none is
	waiting int
}

// Secrets are the secrets of a partner; several while one replaces another. For one that is not known
// the partners are read again, once for all who ask: they wait for it, little more
// than two seconds at most.
func (s *webhookSecrets) Secrets(kind, id string) []string {
	name, known := s.name(kind + "/" + id)
	if !known {
		s.readAgain(context.Background())
		name, _ = s.name(kind + "/" + id)
	}
	return strings.Fields(os.Getenv(name))
}

// readAgain returns when the partners were read, or could not be, or ctx has ended, or too many wait
// already.
func (s *webhookSecrets) readAgain(ctx context.Context) {
	done := s.join()
	if done == nil {
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
}

// join plans a reading, unless one is planned or under way, and counts who waits for it.
func (s *webhookSecrets) join() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting >= secretsWaiting {
		return nil
	}
	s.waiting++
	if s.next == nil {
		s.next = make(chan struct{})
		time.AfterFunc(time.Until(s.tried.Add(secretsPause)), s.readPlanned)
	}
	return s.next
}

func (s *webhookSecrets) readPlanned() {
	s.mu.Lock()
	s.tried = time.Now()
	s.mu.Unlock()
	s.refresh(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.next)
	s.next = nil
}

func (s *webhookSecrets) name(partner string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, known := s.names[partner]
	return name, known
}

func (s *webhookSecrets) loaded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names != nil
}

// Run keeps the secrets fresh until ctx ends.
func (s *webhookSecrets) Run(ctx context.Context) error {
	ticker := time.NewTicker(secretsEvery)
	defer ticker.Stop()
	for {
		s.refresh(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// refresh reads the partners anew. What was known stays when the database does not answer.
func (s *webhookSecrets) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, secretsTime)
	defer cancel()
	names, err := s.read(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.log.Warn("The partners cannot be read; those known so far stay", "error", err)
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names = names
}

func (s *webhookSecrets) read(ctx context.Context) (map[string]string, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT 'supplier/' || id, coalesce(document -> 'contract' -> 'channel' ->> 'webhook_secret_env', '') FROM suppliers
		UNION ALL SELECT 'shopify/' || id, coalesce(document ->> 'webhook_secret_env', '') FROM storefronts
		UNION ALL SELECT 'payments/' || id, document -> 'payments' ->> 'webhook_secret_env' FROM storefronts
			WHERE document -> 'payments' ? 'webhook_secret_env'
		UNION ALL SELECT 'carrier/' || id, coalesce(document ->> 'webhook_secret_env', '') FROM carriers`)
	if err != nil {
		return nil, fmt.Errorf("read the partners: %w", err)
	}
	names := map[string]string{}
	var partner, name string
	_, err = pgx.ForEachRow(rows, []any{&partner, &name}, func() error {
		names[partner] = name
		return nil
	})
	return names, err
}

// guard answers partners 503 as long as their secrets were never read: a signature that cannot be
// judged must not be called wrong, or the partner would give up.
func (s *webhookSecrets) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fromPartner(r.URL.Path) && !s.loaded() {
			s.readAgain(r.Context())
			if !s.loaded() {
				notYet(w)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func fromPartner(path string) bool {
	return strings.HasPrefix(path, "/v1/shopify/") || strings.HasPrefix(path, "/v1/suppliers/") || strings.HasPrefix(path, "/v1/carriers/") ||
		strings.HasPrefix(path, "/v1/webhooks/")
}

func notYet(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", "5")
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(w, `{"type":"/docs#problem-unavailable","title":"Not able to store this now","status":503,"code":"unavailable",`+
		`"action":"Nothing was done. Repeat the same request after Retry-After."}`)
}
