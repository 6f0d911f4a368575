package service

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// briefly is how long the state of a dependency may take to find out.
const briefly = 2 * time.Second

// health answers for the worker: alive on /healthz, on /readyz whether it takes work, and on /metrics what failed.
type health struct {
	pool    *pgxpool.Pool
	polling atomic.Bool // the worker asks Temporal for tasks
	server  *http.Server
}

func newHealth(pool *pgxpool.Pool, failures *counters) *health {
	h := &health{pool: pool}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok", "version": Version()})
	})
	mux.HandleFunc("GET /readyz", h.ready)
	mux.Handle("GET /metrics", failures)
	h.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 8 << 10}
	return h
}

func (h *health) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), briefly)
	defer cancel()
	status, state := http.StatusOK, map[string]string{"postgres": "ok", "temporal": "ok"}
	if h.pool.Ping(ctx) != nil {
		status, state["postgres"] = http.StatusServiceUnavailable, "unreachable"
	}
	if !h.polling.Load() {
		status, state["temporal"] = http.StatusServiceUnavailable, "not connected"
	}
	answer(w, status, state)
}

func answer(w http.ResponseWriter, status int, body map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // the caller has gone, and nobody else wants the answer
}

// serve answers until ctx ends.
func (h *health) serve(ctx context.Context, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = h.server.Close() })
	defer stop()
	if err := h.server.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}
