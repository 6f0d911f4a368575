package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
)

// serverActions is how many billable actions the Temporal server has counted in a namespace, all kinds
// together. known is false where the stack shows no metrics (devstack --temporal-metrics).
func serverActions(ctx context.Context, namespace string) (actions float64, known bool, err error) {
	address := os.Getenv("DROPLINE_TEMPORAL_METRICS")
	if address == "" {
		return 0, false, nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, false, fmt.Errorf("read the Temporal server's metrics: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, false, fmt.Errorf("read the Temporal server's metrics: %w", err)
	}
	defer answer.Body.Close()
	actions, err = actionsIn(answer.Body, namespace)
	if err != nil {
		return 0, false, fmt.Errorf("read the Temporal server's metrics: %w", err)
	}
	return actions, true, nil
}

// actionsIn adds up the counters of a namespace. Metrics know it by a name without hyphens.
func actionsIn(metrics io.Reader, namespace string) (actions float64, err error) {
	within := `namespace="` + strings.ReplaceAll(namespace, "-", "_") + `"`
	lines := bufio.NewScanner(metrics)
	for lines.Scan() {
		name, value, found := strings.Cut(lines.Text(), "} ")
		if !found || !strings.HasPrefix(name, "action{") || !strings.Contains(name, within) {
			continue
		}
		count, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("read %q: %w", lines.Text(), err)
		}
		actions += count
	}
	return actions, lines.Err()
}
