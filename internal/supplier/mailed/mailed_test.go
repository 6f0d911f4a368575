package mailed_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/supplier/mailed"
)

const (
	server = "mx.shop.example"
	csv    = "credit_memo,date,currency,amount,rma\nCM-1,2026-03-14,EUR,1.00,R1\n"
	top    = "From: Acme Billing <Billing@acme.example>\nMessage-ID: <1@acme.example>\nMIME-Version: 1.0\n"
)

// mixed is a message of several parts, each with its header.
func mixed(parts ...string) string {
	return top + "Content-Type: multipart/mixed; boundary=b\n\n--b\n" + strings.Join(parts, "\n--b\n") + "\n--b--\n"
}

func attached(header, body string) string { return header + "\n\n" + body }

func forms(m mailed.Message) (list []string) {
	for _, a := range m.Attachments {
		list = append(list, string(a.Form)+" "+a.Type)
	}
	return list
}

func TestAttachmentsAreReadHoweverTheirProgramWritesThem(t *testing.T) {
	t.Parallel()
	b64 := base64.StdEncoding.EncodeToString([]byte(csv))
	lines := b64[:40] + "\r\n" + b64[40:]
	for name, part := range map[string]string{
		"plain":                      attached("Content-Type: text/csv", csv),
		"base64":                     attached("Content-Type: text/csv; name=x\nContent-Transfer-Encoding: BASE64", lines),
		"quoted-printable":           attached("Content-Type: text/csv\nContent-Transfer-Encoding: quoted-printable", strings.ReplaceAll(csv, "CM-1", "CM=2D=\n1")),
		"a file of any kind":         attached("Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=\"a b.CSV\"", csv),
		"a table":                    attached("Content-Type: application/vnd.ms-excel; name=\"march.csv\"\nContent-Disposition: attachment", csv),
		"a text":                     attached("Content-Type: text/plain; charset=us-ascii; name=march.csv", csv),
		"a name in UTF-8":            attached("Content-Type: application/octet-stream\nContent-Disposition: attachment; filename*=utf-8''M%C3%A4rz.csv", csv),
		"a name in Latin-1":          attached("Content-Type: application/octet-stream\nContent-Disposition: attachment; filename*=iso-8859-1''M%E4rz.csv; size=9", csv),
		"a name as it was written":   attached("Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=\"M\xe4rz.csv\"", csv),
		"a name in an encoded word":  attached("Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=\"=?iso-8859-1?Q?M=E4rz=2Ecsv?=\"", csv),
		"a name that is a path":      attached("Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=\"../../etc/march.csv\"", csv),
		"inside of an alternative":   "Content-Type: multipart/related; boundary=i\n\n--i\nContent-Type: text/html\n\n<p>\n--i\nContent-Type: text/csv\n\n" + csv + "\n--i--",
		"beside text and a picture":  "Content-Type: text/html\n\n<p>\n--b\nContent-Type: image/png\nContent-ID: <l>\n\nx\n--b\n" + attached("Content-Type: text/csv", csv),
		"beside a signature":         attached("Content-Type: text/csv", csv) + "\n--b\nContent-Type: application/pkcs7-signature; name=smime.p7s\nContent-Disposition: attachment\n\nx",
		"with a type it cannot mean": attached("Content-Type: text/csv; charset", csv),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := mailed.Read([]byte(mixed("Content-Type: text/plain\n\nPlease find attached", part)))
			require.NoError(t, err)
			require.Equal(t, "billing@acme.example", m.From)
			require.Len(t, m.Attachments, 1)
			require.Equal(t, mailed.CSV, m.Attachments[0].Form)
			require.Equal(t, strings.TrimSuffix(csv, "\n"), strings.TrimSuffix(string(m.Attachments[0].Body), "\n"))
		})
	}
}

func TestWhatIsNoDocumentIsKeptForAPerson(t *testing.T) {
	t.Parallel()
	m, err := mailed.Read([]byte(mixed(
		"Content-Type: text/plain\n\nHello",
		"Content-Type: application/pdf; name=invoice.csv\n\n%PDF", // its type says what it is
		"Content-Type: text/plain; name=note.txt\nContent-Disposition: attachment\n\nx",
		"Content-Type: image/jpeg\nContent-Disposition: attachment; filename=scan.jpg\n\nx",
		"Content-Type: message/rfc822\n\nFrom: a@b.example\nContent-Type: text/csv\n\n"+csv,
		"Content-Type: application/json\n\n{}",
		"Content-Type: what is this\n\nx",
	)))
	require.NoError(t, err)
	require.Equal(t, []string{
		"other application/pdf", "other text/plain", "other image/jpeg", "other message/rfc822",
		"json application/json", "other application/octet-stream",
	}, forms(m))
	alone, err := mailed.Read([]byte(top + "Content-Type: text/csv\n\n" + csv))
	require.NoError(t, err)
	require.Equal(t, []string{"csv text/csv"}, forms(alone), "a message that is the file")
}

func TestAMessageThatCanBeReadInTwoWaysIsRefused(t *testing.T) {
	t.Parallel()
	deep := "Content-Type: text/csv\n\n" + csv
	for i := range 9 {
		deep = fmt.Sprintf("Content-Type: multipart/mixed; boundary=d%d\n\n--d%d\n%s\n--d%d--", i, i, deep, i)
	}
	for name, test := range map[string]struct {
		raw  string
		want error
	}{
		"two senders":            {strings.Replace(mixed(attached("Content-Type: text/csv", csv)), "From: ", "From: a@evil.example\nFrom: ", 1), mailed.ErrMalformed},
		"two senders in a line":  {strings.Replace(mixed(attached("Content-Type: text/csv", csv)), "From: ", "From: a@evil.example, ", 1), mailed.ErrMalformed},
		"no sender":              {"Message-ID: <1>\n\n" + csv, mailed.ErrMalformed},
		"no header":              {"no header\n\n", mailed.ErrMalformed},
		"nothing":                {"", mailed.ErrMalformed},
		"ends in a part":         {strings.TrimSuffix(mixed(attached("Content-Type: text/csv", csv)), "\n--b--\n"), mailed.ErrMalformed},
		"ends in a header":       {strings.TrimSuffix(mixed(attached("Content-Type: text/csv", csv)), "--\n") + "\nContent-Ty", mailed.ErrMalformed},
		"ends between parts":     {strings.TrimSuffix(mixed(attached("Content-Type: text/csv", csv)), "--\n"), mailed.ErrMalformed},
		"no boundary":            {top + "Content-Type: multipart/mixed\n\n" + csv, mailed.ErrMalformed},
		"base64 that is none":    {mixed(attached("Content-Type: text/csv\nContent-Transfer-Encoding: base64", "a*b=")), mailed.ErrMalformed},
		"base64 cut off":         {mixed(attached("Content-Type: text/csv\nContent-Transfer-Encoding: base64", "YWJjZ")), mailed.ErrMalformed},
		"an encoding of its own": {mixed(attached("Content-Type: text/csv\nContent-Transfer-Encoding: x-zip", "x")), mailed.ErrMalformed},
		"nested too deep":        {mixed(deep), mailed.ErrTooLarge},
		"too many parts":         {mixed(strings.Split(strings.Repeat("Content-Type: text/plain\n\nx|", 101), "|")...), mailed.ErrTooLarge},
		"too much":               {top + "\n" + strings.Repeat("x", mailed.MaxMessage), mailed.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := mailed.Read([]byte(test.raw))
			require.ErrorIs(t, err, test.want)
			require.NotEmpty(t, m.Key)
			require.Empty(t, m.Attachments, "whole or not at all")
			require.NotContains(t, err.Error(), "evil.example")
		})
	}
}

func TestOnlyTheReceivingServersWordCounts(t *testing.T) {
	t.Parallel()
	const mine = "Authentication-Results: " + server + "; "
	for name, test := range map[string]struct {
		headers string
		good    bool
	}{
		"signed by the domain":             {mine + "dkim=pass (2048-bit; a (nested) note) header.d=acme.example header.i=@acme.example header.b=x", true},
		"signed by the domain above":       {strings.ReplaceAll(mine+"dkim=pass header.d=example.org", "example.org", "Acme.Example."), true},
		"named by the identity":            {mine + "dkim=pass reason=\"ok; really\" header.i=billing@acme.example", true},
		"one of two signatures":            {mine + "dkim=fail header.d=list.example; dkim=pass header.d=acme.example", true},
		"sent by its machine":              {mine + "spf=pass smtp.mailfrom=bounce@acme.example; dkim=none", true},
		"a version and other cases":        {"authentication-results: MX.shop.example 1; DKIM=Pass HEADER.D=acme.example", true},
		"spf above, dkim in another line":  {mine + "spf=softfail smtp.mailfrom=acme.example\n" + mine + "dkim=pass header.d=acme.example", true},
		"nothing said":                     {"", false},
		"said by another server":           {"Authentication-Results: mx.evil.example; dkim=pass header.d=acme.example", false},
		"a longer name":                    {"Authentication-Results: " + server + ".evil.example; dkim=pass header.d=acme.example", false},
		"signed by another domain":         {mine + "dkim=pass header.d=evil.example", false},
		"signed by an alike domain":        {mine + "dkim=pass header.d=notacme.example; dkim=pass header.d=cme.example", false},
		"signed by a domain below":         {mine + "dkim=pass header.d=shop.acme.example", false},
		"signed by the top of all":         {mine + "dkim=pass header.d=example", false},
		"signed, and it failed":            {mine + "dkim=fail header.d=acme.example; spf=fail smtp.mailfrom=acme.example", false},
		"sent for another domain":          {mine + "spf=pass smtp.mailfrom=billing@evil.example", false},
		"sent by a machine of that name":   {mine + "spf=pass smtp.helo=acme.example", false},
		"forged below the server's own":    {mine + "dkim=none\nReceived: x\n" + mine + "dkim=pass header.d=acme.example", false},
		"inside of a comment":              {mine + "dkim=fail (; dkim=pass header.d=acme.example;)", false},
		"inside of quotes":                 {mine + "dkim=fail reason=\"; dkim=pass header.d=acme.example\"", false},
		"in the name of a property":        {mine + "spf=fail smtp.mailfrom=\"x dkim=pass header.d=acme.example\"", false},
		"a pass without a domain":          {mine + "dkim=pass; spf=pass", false},
		"as the server's name in a quote":  {"Authentication-Results: \"" + server + " x\"; dkim=pass header.d=acme.example", false},
		"of a method that says no sender":  {mine + "arc=pass header.d=acme.example; dmarc=pass header.from=acme.example", false},
		"an address that looks like ours":  {mine + "spf=pass smtp.mailfrom=acme.example@evil.example", false},
		"in the original of a forwarding":  {"X-Authentication-Results: " + server + "; dkim=pass header.d=acme.example", false},
		"with an outcome that starts well": {mine + "dkim=passed header.d=acme.example", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			head := test.headers
			if head != "" {
				head += "\n"
			}
			m, err := mailed.Read([]byte(head + mixed(attached("Content-Type: text/csv", csv))))
			require.NoError(t, err)
			if test.good {
				require.NoError(t, m.Vouched(server))
			} else {
				require.ErrorIs(t, m.Vouched(server), mailed.ErrNotAuthentic)
				require.NotContains(t, m.Vouched(server).Error(), "@")
			}
			require.ErrorIs(t, m.Vouched(""), mailed.ErrNotAuthentic, "no server was named")
		})
	}
	below, err := mailed.Read([]byte(mine + "dkim=pass header.d=acme.example\n" + strings.Replace(top, "@acme", "@eu.acme", 1) + "\n"))
	require.NoError(t, err)
	require.NoError(t, below.Vouched(server), "who speaks for a domain speaks for those below it")
}

func TestTheSameMailHasTheSameKey(t *testing.T) {
	t.Parallel()
	read := func(text string) mailed.Message {
		m, err := mailed.Read([]byte(text))
		require.NoError(t, err)
		return m
	}
	text := mixed(attached("Content-Type: text/csv", csv))
	first, again := read(text), read("From billing@acme.example Sat Mar 14\nReceived: by another way\n"+strings.ReplaceAll(text, "\n", "\r\n"))
	require.Equal(t, first.Key, again.Key)
	other := read(strings.Replace(text, "<1@", "<2@", 1))
	require.NotEqual(t, first.Key, other.Key)
	require.Equal(t, first.Attachments[0].Digest(), other.Attachments[0].Digest())
	require.NotContains(t, first.Key, "acme")
	require.Equal(t, top[:len(top)-1]+"\n\n", string(mailed.Header([]byte(top+"\nbody"))))
}

// No word of a sender's own makes a message authentic: whatever it writes stands below the server's line.
func TestNothingThatASenderWritesVouchesForIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SampledFrom([]string{
			"dkim=pass", "spf=pass", "header.d=acme.example", "smtp.mailfrom=acme.example", ";", " ", "\"", "(", ")", "\\", "=", server, "\n ",
		})
		text := strings.Join(rapid.SliceOfN(pieces, 0, 12).Draw(t, "text"), "")
		name := rapid.SampledFrom([]string{"Authentication-Results", "Subject", "ARC-Authentication-Results"}).Draw(t, "name")
		head := "Authentication-Results: " + server + "; dkim=none; spf=none smtp.mailfrom=evil.example\n" + name + ": " + server + "; " + text + "\n"
		m, err := mailed.Read([]byte(head + mixed(attached("Content-Type: text/csv", csv))))
		if err == nil {
			require.ErrorIs(t, m.Vouched(server), mailed.ErrNotAuthentic)
		}
	})
}

// FuzzRead: no message makes the reader panic, and what it holds is within bounds.
func FuzzRead(f *testing.F) {
	f.Add([]byte("Authentication-Results: " + server + "; dkim=pass header.d=acme.example\n" + mixed(attached("Content-Type: text/csv", csv))))
	f.Add([]byte(top + "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n"))
	f.Add([]byte("Authentication-Results: \"mx.shop.example(\\\";dkim=pass\nFrom: =?x?q?=\n\n"))
	f.Add([]byte(top + "Content-Type: application/octet-stream\nContent-Disposition: attachment; filename*0*=iso-8859-1''%; filename*1=.csv\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := mailed.Read(raw)
		if m.Key == "" {
			t.Fatal("a message without a key")
		}
		if err != nil && !errors.Is(err, mailed.ErrMalformed) && !errors.Is(err, mailed.ErrTooLarge) {
			t.Fatalf("an error of no kind: %v", err)
		}
		if len(m.Attachments) > 100 || err == nil && !strings.Contains(m.From, "@") {
			t.Fatalf("a message out of bounds: %d attachments", len(m.Attachments))
		}
		if vouched := m.Vouched("\x00"); vouched == nil {
			t.Fatal("vouched for by a server that said nothing")
		}
	})
}
