// Command healthprobe asks a service in its own container whether it is well. The image has no
// shell and no curl, so that the container's health check needs a program of its own.
//
//	healthprobe http://127.0.0.1:8080/readyz
//
// It exits 0 on a 2xx answer within the time limit, 1 on any other outcome and 2 on wrong usage.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// The container's own time-out (5 s in docker-compose.yml) must not come first, or the reason is lost.
const limit = 4 * time.Second

func main() {
	os.Exit(run(os.Args[1:], os.Stderr))
}

func run(args []string, stderr io.Writer) int {
	if len(args) != 1 {
		fmt.Fprintln(stderr, "usage: healthprobe URL")
		return 2
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := probe(ctx, args[0]); err != nil {
		fmt.Fprintln(stderr, "error:", err)
		return 1
	}
	return 0
}

func probe(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode/100 != 2 {
		// The body names the part that is not ready; operators see it in the container's health log.
		reason, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
		return fmt.Errorf("probe %s: %s: %s", url, response.Status, reason)
	}
	return nil
}
