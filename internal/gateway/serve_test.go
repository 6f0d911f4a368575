package gateway

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A body that does not come in time is not waited for; a request that has come may take longer to
// answer than it took to read, and so may those after it on the same connection.
func TestTheTimeForABodyEndsWithTheBody(t *testing.T) {
	t.Parallel()
	const limit = 100 * time.Millisecond
	read, live := make(chan error, 1), make(chan error, 1)
	server := httptest.NewServer(readWithin(limit, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		read <- err
		select {
		case <-r.Context().Done():
		case <-time.After(3 * limit): // nothing happens, and that is what is waited for
		}
		live <- r.Context().Err()
	})))
	t.Cleanup(server.Close)
	post := func(body io.Reader) error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
		require.NoError(t, err)
		response, err := server.Client().Do(request)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, response.Body.Close())
		return err
	}
	for range 2 {
		require.NoError(t, post(strings.NewReader("whole")))
		require.NoError(t, <-read)
		require.NoError(t, <-live)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	slow, write := io.Pipe()
	defer context.AfterFunc(ctx, func() { _ = write.Close() })()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_ = post(slow) // the server answers without having read it
	}()
	require.ErrorContains(t, <-read, "timeout")
	cancel()
	require.Error(t, <-live)
	_ = write.Close()
	<-answered
}
