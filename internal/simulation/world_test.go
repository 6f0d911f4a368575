package simulation

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// The clock is set in the client's own transaction, and undone with it.
func TestTheDatabaseKeepsTheWorldsTimeWhateverBecomesOfATransaction(t *testing.T) {
	t.Parallel()
	w := world1(t)
	w.at = time.Date(2026, 3, 4, 5, 6, 7, 890123000, time.UTC)
	fails := func(c *pgxpool.Conn) {
		_, err := c.Exec(t.Context(), "SELECT 1/$1::int", 0)
		require.ErrorContains(t, err, "division by zero")
	}
	says := func(c *pgxpool.Conn, sql string) {
		_, err := c.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	for what, happens := range map[string]func(*pgxpool.Conn){
		"nothing":                       func(*pgxpool.Conn) {},
		"a statement that fails":        fails,
		"a commit":                      func(c *pgxpool.Conn) { says(c, "BEGIN"); says(c, "COMMIT") },
		"a rollback":                    func(c *pgxpool.Conn) { says(c, "BEGIN"); says(c, "ROLLBACK") },
		"a failure in a transaction":    func(c *pgxpool.Conn) { says(c, "BEGIN"); fails(c); says(c, "ROLLBACK") },
		"a commit of what fell through": func(c *pgxpool.Conn) { says(c, "BEGIN"); fails(c); says(c, "COMMIT") },
	} {
		w.at = w.at.Add(time.Hour + time.Microsecond)
		err := w.pool.AcquireFunc(t.Context(), func(c *pgxpool.Conn) error {
			happens(c)
			var at time.Time
			require.NoError(t, c.QueryRow(t.Context(), "SELECT now()").Scan(&at))
			require.True(t, w.at.Equal(at), "after %s it is %s for the database, and %s for the world", what, at, w.at)
			return nil
		})
		require.NoError(t, err)
	}
}

func TestNoTableOfAWorldIsLogged(t *testing.T) {
	t.Parallel()
	w := world1(t)
	var logged []string
	require.NoError(t, w.admin.QueryRow(t.Context(), `SELECT array_agg(relname::text) FROM pg_class
		WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relpersistence <> 'u'`).Scan(&logged))
	require.Empty(t, logged)
}

// A client whose first message is slow to go reads at the same time: pgx does so after 15 ms.
func TestWhoReadsBeforeTheFirstMessageIsThroughHearsTheAnswer(t *testing.T) {
	t.Parallel()
	w := world1(t)
	config := w.pool.Config().ConnConfig
	dialled, err := w.cable.dial(t.Context(), "tcp", net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))))
	require.NoError(t, err)
	c := dialled.(*line)
	heard := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1024))
		heard <- err
	}()
	require.Eventually(t, func() bool {
		if free := c.reading.TryLock(); free {
			c.reading.Unlock()
			return len(heard) > 0
		}
		return true
	}, 5*time.Second, time.Millisecond)
	_, err = c.Write([]byte("\x00\x00\x00\x17\x00\x03\x00\x00user\x00nobody\x00\x00"))
	require.NoError(t, err)
	require.NoError(t, <-heard)
	require.NoError(t, c.Close())
}
