package gateway

import (
	"context"
	"net/http"
	"time"
)

// briefly is how long the state of a dependency may take to find out.
const briefly = 2 * time.Second

// health says that the process answers, whatever it depends on.
func (g *gateway) health(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, "application/json", map[string]string{"status": "ok", "version": g.Version})
}

// ready says whether requests can be taken. Temporal is told but not needed: without it orders are
// stored, and cancellations too.
func (g *gateway) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), briefly)
	defer cancel()
	temporal := make(chan error, 1)
	go func() { temporal <- g.Orders.Reachable(ctx) }()
	status, state := http.StatusOK, map[string]string{"postgres": "ok", "temporal": "ok"}
	if g.Database.Ping(ctx) != nil {
		status, state["postgres"] = http.StatusServiceUnavailable, "unreachable"
		w.Header().Set("Retry-After", "5")
	}
	if <-temporal != nil {
		state["temporal"] = "unreachable: orders are stored, and started when it is back"
	}
	writeJSON(w, status, "application/json", state)
}
