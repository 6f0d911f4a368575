package notify_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/notify"
	"github.com/dropline/dropline/internal/sim/mailsim"
)

func setup(t *testing.T) (*mailsim.Server, *notify.Mailer) {
	t.Helper()
	server, err := mailsim.Start()
	require.NoError(t, err)
	t.Cleanup(server.Close)
	mailer, err := notify.NewMailer(notify.Config{Host: server.Host(), Port: server.Port(), From: "Mug & Tee <hello@shop.example>"})
	require.NoError(t, err)
	return server, mailer
}

func TestMessageArrivesInBothFormsUnderItsKey(t *testing.T) {
	t.Parallel()
	server, mailer := setup(t)
	n := shipped()
	require.NoError(t, mailer.Send(t.Context(), n))
	told := server.Told("shop/1001", "shipped")
	require.Len(t, told, 1)
	m := told[0]
	require.Equal(t, "<"+n.MessageID("shop.example")+">", m.ID)
	require.Equal(t, n.Key(), m.Notification)
	require.Equal(t, "ann@customer.example", m.To)
	require.Equal(t, "hello@shop.example", m.From)
	require.Equal(t, "Your order #1001 is on its way", m.Subject)
	require.Equal(t, "Mon, 02 Mar 2026 09:00:00 +0000", m.Header.Get("Date"))
	require.Contains(t, m.Text, "2 x Mug “Öland”")
	require.Contains(t, m.HTML, "Mug “Öland”")
	require.Contains(t, m.HTML, `href="https://track.example/1Z1?a=1&amp;b=2"`)
}

func TestMessageSentTwiceIsOneMessage(t *testing.T) {
	t.Parallel()
	server, mailer := setup(t)
	require.NoError(t, mailer.Send(t.Context(), shipped()))
	require.NoError(t, mailer.Send(t.Context(), shipped()))
	second := shipped()
	second.Subject = "1Z2"
	require.NoError(t, mailer.Send(t.Context(), second))
	require.Len(t, server.Messages(), 3)
	require.Equal(t, 2, server.Distinct())
	require.Len(t, server.To("ann@customer.example"), 2)
}

func TestFailuresSayWhatIsKnown(t *testing.T) {
	t.Parallel()
	for fault, c := range map[mailsim.Fault]struct {
		kind  error
		code  int
		taken int
	}{
		mailsim.Temporary:  {notify.ErrTemporary, 451, 0},
		mailsim.Permanent:  {notify.ErrPermanent, 550, 0},
		mailsim.AnswerLost: {notify.ErrUnknown, 0, 1},
	} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			server, mailer := setup(t)
			server.Script(fault, 1)
			err := mailer.Send(t.Context(), shipped())
			require.ErrorIs(t, err, c.kind)
			var failure *notify.DeliveryError
			require.ErrorAs(t, err, &failure)
			require.Equal(t, c.code, failure.Code)
			require.NotContains(t, err.Error(), "ann@")
			require.Len(t, server.Messages(), c.taken)
			require.NoError(t, mailer.Send(t.Context(), shipped()))
			require.Equal(t, 1, server.Distinct())
		})
	}
}

func TestMissingOrSilentServerIsTemporary(t *testing.T) {
	t.Parallel()
	server, mailer := setup(t)
	server.Close()
	require.ErrorIs(t, mailer.Send(t.Context(), shipped()), notify.ErrTemporary)

	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never greets
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	address := listener.Addr().(*net.TCPAddr)
	config := notify.Config{Host: "127.0.0.1", Port: address.Port, From: "hello@shop.example", Timeout: 50 * time.Millisecond}
	mailer, err = notify.NewMailer(config)
	require.NoError(t, err)
	require.ErrorIs(t, mailer.Send(t.Context(), shipped()), notify.ErrTemporary)

	config.Timeout = time.Hour
	mailer, err = notify.NewMailer(config)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, mailer.Send(ctx, shipped()), notify.ErrTemporary, "the caller's deadline ends the conversation")
}

func TestServerWithoutTLSIsRefusedWhereTLSIsDemanded(t *testing.T) {
	t.Parallel()
	server, _ := setup(t)
	mailer, err := notify.NewMailer(notify.Config{Host: server.Host(), Port: server.Port(), From: "a@b.example", TLS: notify.TLSMandatory})
	require.NoError(t, err)
	require.ErrorIs(t, mailer.Send(t.Context(), shipped()), notify.ErrTemporary)
	require.Empty(t, server.Messages())
}

func TestForeignTextCannotAddHeaders(t *testing.T) {
	t.Parallel()
	server, mailer := setup(t)
	n := shipped()
	n.Number = "#1\r\nBcc: eve@evil.example\r\n\r\nHello"
	n.Customer = "Ann\r\nX-Evil: 1"
	n.Shop = "Shop\nX-Evil: 2"
	n.Subject = "a\r\nX-Evil: 3"
	require.NoError(t, mailer.Send(t.Context(), n))
	m := server.Messages()[0]
	require.Empty(t, m.Header.Get("Bcc"))
	require.Empty(t, m.Header.Get("X-Evil"))
	require.Equal(t, "Your order #1 Bcc: eve@evil.example Hello is on its way", m.Subject)
	head, _, _ := strings.Cut(string(m.Raw), "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		require.NotContains(t, line, "\n")
	}

	for _, to := range []string{"", "ann", "Ann <ann@customer.example>", "a@b.example, c@d.example", "ann@customer.example\r\nBcc: x@y.example"} {
		n := shipped()
		n.To = to
		require.ErrorIs(t, mailer.Send(t.Context(), n), notify.ErrInvalid, to)
	}
	require.Len(t, server.Messages(), 1)
}

func TestMailerNeedsAWorkingConfiguration(t *testing.T) {
	t.Parallel()
	sound := notify.Config{Host: "mail.example", Port: 25, From: "a@b.example"}
	for name, spoil := range map[string]func(*notify.Config){
		"sender": func(c *notify.Config) { c.From = "nobody" },
		"host":   func(c *notify.Config) { c.Host = "" },
		"port":   func(c *notify.Config) { c.Port = 0 },
		"tls":    func(c *notify.Config) { c.TLS = "yes" },
	} {
		c := sound
		spoil(&c)
		_, err := notify.NewMailer(c)
		require.Error(t, err, name)
	}
}
