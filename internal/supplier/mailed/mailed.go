// Package mailed reads the messages in which suppliers send documents (RFC 5322, MIME): who wrote one, whether
// the mail server that received it vouches for that (RFC 8601), and what is attached. Nothing in a message is
// trusted: names of files only tell a kind of document, and what cannot be read in one way is refused.
package mailed

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/mail"
	"strings"
)

// MaxMessage is the most bytes of a message: invoices of a megabyte with pictures of them beside.
const MaxMessage = 10 << 20

// Why a message is refused. Its errors say more, and repeat nothing of it.
var (
	ErrTooLarge  = errors.New("it is too large")
	ErrMalformed = errors.New("it is malformed")
)

// Form is what a document is written in.
type Form string

// The forms. Other is an attachment that is no document, and is looked at by a person.
const (
	CSV   Form = "csv"
	JSON  Form = "json"
	Other Form = "other"
)

// Attachment is what came with a message.
type Attachment struct {
	Form Form
	Type string // media type, in lower case
	Body []byte
}

// Message is a message that was read.
type Message struct {
	// Key names the message: a hash of its Message-ID, so that nothing of a person's is in it.
	Key string
	// From is the one address that it says it comes from, in lower case. Whether it does, Vouched says.
	From        string
	Attachments []Attachment

	results []string // the Authentication-Results, from the top
}

// Read reads a message. On an error the message holds what is known of it: its key always.
func Read(raw []byte) (Message, error) {
	raw = withoutEnvelope(raw)
	m := Message{Key: digest(raw)}
	if len(raw) > MaxMessage {
		// Of the rest only the header is looked at.
		m.Key = keyOf(Header(raw))
		return m, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, MaxMessage)
	}
	parsed, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return m, fmt.Errorf("%w: its header cannot be read", ErrMalformed)
	}
	if id := parsed.Header.Get("Message-Id"); id != "" {
		m.Key = digest([]byte(strings.TrimSpace(id)))
	}
	m.results = parsed.Header["Authentication-Results"]
	if m.From, err = author(parsed.Header); err != nil {
		return m, err
	}
	w := walk{}
	if err := w.entity(header(parsed.Header), parsed.Body, 0); err != nil {
		return m, err
	}
	m.Attachments = w.found
	return m, nil
}

// Header is the header of a message, with the empty line that ends it; 64 KiB of a message without one.
func Header(raw []byte) []byte {
	raw = raw[:min(len(raw), 64<<10)]
	for _, end := range []string{"\r\n\r\n", "\n\n"} {
		if head, _, found := bytes.Cut(raw, []byte(end)); found {
			return raw[:len(head)+len(end)]
		}
	}
	return raw
}

func keyOf(head []byte) string {
	parsed, err := mail.ReadMessage(bytes.NewReader(head))
	if err == nil && parsed.Header.Get("Message-Id") != "" {
		return digest([]byte(strings.TrimSpace(parsed.Header.Get("Message-Id"))))
	}
	return digest(head)
}

// withoutEnvelope drops the line that mailbox files and some mail servers put before a message.
func withoutEnvelope(raw []byte) []byte {
	if bytes.HasPrefix(raw, []byte("From ")) {
		_, raw, _ = bytes.Cut(raw, []byte("\n"))
	}
	return raw
}

// digest is half of a SHA-256, in hexadecimal: enough to tell documents of one supplier apart.
func digest(of []byte) string {
	sum := sha256.Sum256(of)
	return hex.EncodeToString(sum[:16])
}

// Digest names an attachment by its content.
func (a *Attachment) Digest() string { return digest(a.Body) }

// author is the one mailbox in the one From line: with several, readers differ in which of them they show.
func author(h mail.Header) (string, error) {
	if len(h["From"]) != 1 {
		return "", fmt.Errorf("%w: want one From line", ErrMalformed)
	}
	list, err := mail.ParseAddressList(h["From"][0])
	if err != nil || len(list) != 1 {
		return "", fmt.Errorf("%w: want one sender's address in From", ErrMalformed)
	}
	return strings.ToLower(list[0].Address), nil
}
