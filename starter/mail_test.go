package main

import (
	"context"
	"net"
	"net/smtp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/sim/mailsim"
)

const creditMail = "From: billing@acme.example\r\nMessage-ID: <1@acme.example>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n" +
	"--b\r\nContent-Type: text/csv; name=credits.csv\r\n\r\ncredit_memo,date,currency,amount,rma\r\nCM-1,2026-03-14,EUR,12.34,R1\r\n\r\n--b--\r\n"

const vouched = "Authentication-Results: mx.shop.example; dkim=pass header.d=acme.example\r\n"

func newMailConsole(t *testing.T) *console {
	t.Helper()
	c := newConsole(t)
	c.settings.MailServer = "mx.shop.example"
	c.exec(`INSERT INTO suppliers (id, document) VALUES ('acme', '{"id": "acme", "contract": {"mail": {"from": ["billing@acme.example"]}}}')`)
	return c
}

func (c *console) count(sql string) (n int) {
	c.t.Helper()
	require.NoError(c.t, c.pool.QueryRow(c.t.Context(), sql).Scan(&n))
	return n
}

func TestAMessageIsTakenFromAMailServerOnce(t *testing.T) {
	t.Parallel()
	c := newMailConsole(t)
	server, err := mailsim.Start()
	require.NoError(t, err)
	t.Cleanup(server.Close)
	address := net.JoinHostPort(server.Host(), strconv.Itoa(server.Port()))
	require.NoError(t, smtp.SendMail(address, nil, "billing@acme.example", []string{"invoices@shop.example"}, []byte(creditMail)))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, server.Await(ctx, func() bool { return len(server.Messages()) == 1 }))
	came := vouched + string(server.Messages()[0].Raw)

	first := c.pipe(came, "mail", "receive")
	require.Zero(t, first.code, first.errors)
	require.Contains(t, first.out, "1 documents stored")
	require.Contains(t, c.pipe("Received: by another way\r\n"+came, "mail", "receive").out, "1 known already")
	require.Equal(t, 1, c.count(`SELECT count(*) FROM documents WHERE source = 'supplier/acme' AND kind = 'credits_csv'`))
}

func TestAMessageThatIsSetAsideIsListedWithoutItsContent(t *testing.T) {
	t.Parallel()
	c := newMailConsole(t)
	r := c.pipe(creditMail, "mail", "receive")
	require.Zero(t, r.code, "the mail server is done with it")
	require.Contains(t, r.out, "1 set aside")
	list := c.done("inbox", "list")
	require.Contains(t, list, "mail/inbox")
	require.Contains(t, list, "not authentic")
	require.NotContains(t, list, "billing")
}

// Whatever keeps a message from being stored, the mail server is told to come again, and not to send it back.
func TestAMessageThatCannotBeStoredComesAgain(t *testing.T) {
	t.Parallel()
	c := newMailConsole(t)
	unset := *c
	unset.settings.MailServer = ""
	away := *c
	away.settings.DatabaseURL = "postgres://dropline@127.0.0.1:1/dropline?sslmode=disable&connect_timeout=1"
	empty := *c
	empty.settings.DatabaseURL += "&search_path=nothing_is_here"
	for name, at := range map[string]*console{"no server is named": &unset, "Postgres is away": &away, "it is not set up": &empty} {
		r := at.pipe(vouched+creditMail, "mail", "receive")
		require.Equal(t, exitMailLater, r.code, "%s: %s", name, r.errors)
		require.NotContains(t, r.errors, "acme.example", name)
	}
	require.Equal(t, exitMailUsage, c.pipe(creditMail, "mail", "receive", "message.eml").code)
	require.Equal(t, exitMailUsage, c.pipe(creditMail, "mail", "receive", "--form").code)
	require.Zero(t, c.count(`SELECT count(*) FROM documents`))
	require.Zero(t, c.pipe(vouched+creditMail, "mail", "receive").code, "and then it is stored")
	require.Equal(t, 1, c.count(`SELECT count(*) FROM documents`))
}

func TestAMessageOfAnySizeIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	c := newMailConsole(t)
	r := c.pipe(vouched+creditMail+strings.Repeat("x", 12<<20), "mail", "receive")
	require.Zero(t, r.code, r.errors)
	require.Equal(t, 1, c.count(`SELECT count(*) FROM documents WHERE reason_code = 'too_large'`))
}
