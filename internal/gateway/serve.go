package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Times and sizes of the server. A slow or silent client holds a connection no longer than these.
const (
	headerTime = 5 * time.Second
	bodyTime   = 15 * time.Second
	// writeTime covers the longest wait for an order's answer and for Postgres after it.
	writeTime = 30 * time.Second
	idleTime  = 2 * time.Minute
	// maxHeader is in bytes; Shopify's deliveries have 2 KB of headers.
	maxHeader = 16 << 10
	// drainTime ends requests under way when the process is told to stop.
	drainTime = 20 * time.Second
)

// Serve answers on a listener until ctx ends; then it takes no more requests, lets those under way
// finish for 20 s, and returns nil. What was not finished by then was not acknowledged either.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTime, ReadTimeout: bodyTime, WriteTimeout: writeTime,
		IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	err := server.Shutdown(draining)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.Join(fmt.Errorf("requests were cut off after %s of draining", drainTime), server.Close())
	}
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
