package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
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
		Handler: readWithin(bodyTime, handler), ReadHeaderTimeout: headerTime, WriteTimeout: writeTime,
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

// readWithin bounds the time in which a request's body comes, and nothing after that. The server's own
// ReadTimeout goes on while the request is being answered: when it runs out, the server takes the client
// for gone, and cancels this request and every later one on the same connection.
func readWithin(limit time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			connection := http.NewResponseController(w)
			if err := connection.SetReadDeadline(time.Now().Add(limit)); err == nil {
				r.Body = &boundedBody{ReadCloser: r.Body, connection: connection}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// boundedBody takes the connection's deadline off as soon as the body has come.
type boundedBody struct {
	io.ReadCloser
	connection *http.ResponseController
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.connection.SetReadDeadline(time.Time{}) // one that is gone needs no deadline
	}
	return n, err
}
