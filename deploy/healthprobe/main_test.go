package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExitCodeTellsHealth(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("/well", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/unwell", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "postgres: connection refused")
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	for name, test := range map[string]struct {
		args   []string
		code   int
		stderr string
	}{
		"well":         {[]string{server.URL + "/well"}, 0, ""},
		"unwell":       {[]string{server.URL + "/unwell"}, 1, "postgres: connection refused"},
		"nobody there": {[]string{"http://127.0.0.1:1/"}, 1, "connection refused"},
		"no url":       {nil, 2, "usage: healthprobe URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stderr bytes.Buffer
			require.Equal(t, test.code, run(test.args, &stderr))
			require.Contains(t, stderr.String(), test.stderr)
		})
	}
}
