package notify

import (
	"bytes"
	"io"
	"mime"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/order"
)

// fields are the header fields that Dropline writes; any other was brought in from outside.
var fields = []string{
	"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", HeaderMilestone, HeaderNotification, "From", "Message-Id",
	"Mime-Version", "Subject", "To",
}

func mailer(t testing.TB) *Mailer {
	t.Helper()
	m, err := NewMailer(Config{Host: "mail.example", Port: 25, From: "Mug & Tee <hello@shop.example>"})
	require.NoError(t, err)
	return m
}

// written is a message as it goes over the line, held to what a header may be.
func written(t *testing.T, message *gomail.Msg) *mail.Message {
	t.Helper()
	var raw bytes.Buffer
	_, err := message.WriteTo(&raw)
	require.NoError(t, err)
	head, _, found := strings.Cut(raw.String(), "\r\n\r\n")
	require.True(t, found)
	for line := range strings.SplitSeq(head, "\r\n") {
		require.False(t, strings.ContainsAny(line, "\r\n\x00"), "%q", line)
		require.LessOrEqual(t, len(line), 998, "RFC 5322, 2.1.1")
	}
	read, err := mail.ReadMessage(&raw)
	require.NoError(t, err)
	for name, values := range read.Header {
		require.Contains(t, fields, name)
		require.Len(t, values, 1, name)
	}
	return read
}

func FuzzMessage(f *testing.F) {
	f.Add("Ann", "ann@customer.example", "#1001", "Mug & Tee", "1Z999", "https://track.example/1Z999", "12.34 EUR", "Blue mug", uint8(3))
	f.Add("Ann\r\nBcc: eve@evil.example", "ann@customer.example\r\nBcc: x@y.example", "#1\r\n\r\nHello", "S\x00\x1b[2J", "a\u2028b", "javascript:alert(1)", "{number}", "<script>", uint8(8))
	f.Add(strings.Repeat("é", 300), `"a b"@customer.example`, strings.Repeat("9", 2000), "=?utf-8?q?Bcc=3A?=", "", "//evil.example", "{amount}", "\xff", uint8(0))
	f.Fuzz(func(t *testing.T, customer, to, number, shop, tracking, link, amount, title string, milestone uint8) {
		n := Notification{
			Order: order.Key{Storefront: "shop", Order: "1001"}, Milestone: Milestones[int(milestone)%len(Milestones)], Subject: tracking,
			To: to, Customer: customer, Shop: shop, Number: number, Items: []Item{{Title: title, Quantity: 2}}, Carrier: shop,
			Tracking: tracking, TrackingURL: link, LabelURL: link, RMA: tracking, Amount: amount, ExpectedOn: time.Unix(1_760_000_000, 0), At: time.Unix(1_760_000_000, 0),
		}
		message, err := mailer(t).message(n)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalid)
			require.Less(t, len(err.Error()), 120, "what is wrong, not who")
			return
		}
		read := written(t, message)
		recipients, err := read.Header.AddressList("To")
		require.NoError(t, err)
		require.Len(t, recipients, 1)
		require.Equal(t, to, recipients[0].Address)
		content, err := Render(n)
		require.NoError(t, err)
		subject, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject"))
		require.NoError(t, err)
		require.Equal(t, content.Subject, subject)
		require.False(t, strings.ContainsFunc(strings.ReplaceAll(content.Text, "\n", ""), unicode.IsControl), "%q", content.Text)
		require.NotContains(t, content.HTML, "<script")
		if strings.Contains(content.HTML, "href=") {
			parsed, err := url.Parse(link)
			require.NoError(t, err)
			require.Contains(t, []string{"http", "https"}, parsed.Scheme)
		}
		again := n
		again.Customer, again.To = "", "else@customer.example"
		require.Equal(t, n.Key(), again.Key(), "the key is no personal data")
	})
}

func FuzzLetter(f *testing.F) {
	f.Add("reminder/DL1-1", "orders@acme.example", "Purchase order DL1-1", "Please answer.")
	f.Add("k\r\nBcc: a@b.example", "Acme <orders@acme.example>\r\nBcc: x@y.example", "a\r\n\r\nb", ".\r\n.\r\nRCPT TO:<a@b.example>")
	f.Add("k", `"a\r\nb" <a@b.example>`, strings.Repeat("é", 500), "\x00\x1b[2J")
	f.Fuzz(func(t *testing.T, key, to, subject, text string) {
		message, err := mailer(t).letter(Letter{Key: key, To: to, Subject: subject, Text: text})
		if err != nil {
			require.ErrorIs(t, err, ErrInvalid)
			return
		}
		read := written(t, message)
		recipients, err := read.Header.AddressList("To")
		require.NoError(t, err)
		require.Len(t, recipients, 1)
		given, err := mail.ParseAddress(to)
		require.NoError(t, err)
		require.Equal(t, given.Address, recipients[0].Address)
		_, err = io.ReadAll(read.Body)
		require.NoError(t, err)
		require.True(t, slices.IsSorted(fields))
	})
}
