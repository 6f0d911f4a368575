package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/postgres"
)

// One link opens as many forms as it likes and sends none of them: others are served, and what it holds ends soon.
func TestOneLinkShutsTheFormsOfNobodyElse(t *testing.T) {
	t.Parallel()
	f, path := customers(t)
	other := f.another()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- gateway.Serve(ctx, listener, f.handler) }()
	began := time.Now()
	const opened = 8
	answers := make(chan *http.Response, opened)
	for range opened {
		connection, err := net.Dial("tcp", listener.Addr().String())
		require.NoError(t, err)
		defer func() { _ = connection.Close() }()
		// The server asks for the body when it begins to read it.
		_, err = fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n", path)
		require.NoError(t, err)
		go func() {
			lines := bufio.NewReader(connection)
			for {
				response, err := http.ReadResponse(lines, nil)
				if err != nil {
					return
				}
				response.Body.Close()
				answers <- response
				if response.StatusCode != http.StatusContinue {
					return
				}
			}
		}()
	}
	require.Equal(t, http.StatusContinue, (<-answers).StatusCode, "one form is read")
	got := f.sent(other, field{name: "request", value: firstMark}, field{name: "quantity-1", value: "0"})
	require.Equal(t, http.StatusUnprocessableEntity, got.StatusCode, "another customer's form is read meanwhile: %s", got.body)
	statuses := map[int]int{}
	for range opened {
		statuses[(<-answers).StatusCode]++
	}
	require.Equal(t, map[int]int{http.StatusTooManyRequests: opened - 1, http.StatusBadRequest: 1}, statuses)
	require.Less(t, time.Since(began), 30*time.Second, "nothing came of it: it is not waited for as long as for pictures")
	require.Equal(t, http.StatusSeeOther, f.sent(path, oneMugBack()...).StatusCode, "the place is free again")
	stop()
	require.NoError(t, <-served)
}

// A form takes its memory until it is answered, not until it is read.
func TestAFormHoldsItsPlaceUntilItIsAnswered(t *testing.T) {
	t.Parallel()
	f, path := customers(t)
	statuses := make(chan int, 2)
	require.NoError(t, postgres.InTx(t.Context(), f.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `SELECT FROM orders WHERE key = 'shop/1001' FOR UPDATE`)
		if err != nil {
			return err
		}
		for _, mark := range []string{firstMark, strings.Replace(firstMark, "A", "B", 1)} {
			form := oneMugBack()
			form[0].value = mark
			body, contentType := multipartForm(t, form)
			go func() { statuses <- f.do(http.MethodPost, path, "", body, "Content-Type", contentType).StatusCode }()
		}
		require.Equal(t, http.StatusTooManyRequests, <-statuses, "the first is being judged")
		return nil
	}))
	require.Equal(t, http.StatusSeeOther, <-statuses)
	require.Equal(t, 1, f.count(`SELECT count(*) FROM returns`))
}
