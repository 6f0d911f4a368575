// Package mailsim is a mail server as a real SMTP server that keeps every message in its books and
// fails as scripted.
package mailsim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Fault is how the taking of a message goes wrong.
type Fault string

// The faults that can be scripted.
const (
	// Temporary answers 451 to the message and keeps nothing.
	Temporary Fault = "temporary"
	// Permanent answers 550 to the recipient.
	Permanent Fault = "permanent"
	// AnswerLost keeps the message and hangs up without an answer.
	AnswerLost Fault = "answer_lost"
)

// Message is one message as it was taken, copies included.
type Message struct {
	ID           string // Message-ID with its brackets
	Notification string // the Dropline-Notification header
	Milestone    string // the Dropline-Milestone header
	From         string // envelope
	To           string // envelope
	Subject      string // decoded
	Text         string
	HTML         string
	Header       mail.Header
	Raw          []byte
}

// Server is a running mail server.
type Server struct {
	server   *smtp.Server
	listener net.Listener
	host     string
	port     int
	running  sync.WaitGroup

	mu       sync.Mutex
	faults   []Fault
	messages []Message
	changed  chan struct{}
}

const maxMessage = 4 << 20

// Start listens on a free port of the loopback interface.
func Start() (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the mail server: %w", err)
	}
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return nil, fmt.Errorf("start the mail server: %v is no TCP address", listener.Addr())
	}
	s := &Server{listener: listener, host: address.IP.String(), port: address.Port, changed: make(chan struct{})}
	s.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{server: s, connection: c}, nil
	}))
	s.server.Domain = "mail.example"
	s.server.MaxMessageBytes = maxMessage
	s.server.MaxRecipients = 10
	s.server.ReadTimeout = time.Minute
	s.server.WriteTimeout = time.Minute
	s.server.ErrorLog = log.New(io.Discard, "", 0)
	s.running.Go(func() { _ = s.server.Serve(listener) })
	return s, nil
}

// Host is where the server listens.
func (s *Server) Host() string { return s.host }

// Port is where the server listens.
func (s *Server) Port() int { return s.port }

// Close hangs up on everyone and returns when the server takes no more connections.
func (s *Server) Close() {
	_ = s.server.Close()
	_ = s.listener.Close() // Serve may not have taken it over yet
	s.running.Wait()
}

// Script makes the next messages go wrong.
func (s *Server) Script(fault Fault, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, slices.Repeat([]Fault{fault}, times)...)
}

// take uses up the next fault if it is one of those that show at this point of the conversation.
func (s *Server) take(here ...Fault) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) == 0 || !slices.Contains(here, s.faults[0]) {
		return ""
	}
	fault := s.faults[0]
	s.faults = s.faults[1:]
	return fault
}

type session struct {
	server     *Server
	connection *smtp.Conn
	from, to   string
}

func (s *session) Reset()        { s.from, s.to = "", "" }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.server.take(Permanent) == Permanent {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no mailbox of that name: " + to}
	}
	s.to = to
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(io.LimitReader(r, maxMessage))
	if err != nil {
		return fmt.Errorf("read the message: %w", err)
	}
	fault := s.server.take(Temporary, AnswerLost)
	if fault == Temporary {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "try again later"}
	}
	message, err := read(raw)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "unreadable message"}
	}
	message.From, message.To = s.from, s.to
	s.server.keep(message)
	if fault == AnswerLost {
		_ = s.connection.Conn().Close()
	}
	return nil
}

func (s *Server) keep(m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, m)
	close(s.changed)
	s.changed = make(chan struct{})
}

func read(raw []byte) (Message, error) {
	parsed, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Message{}, fmt.Errorf("read the header: %w", err)
	}
	m := Message{
		ID:           parsed.Header.Get("Message-Id"),
		Notification: parsed.Header.Get("Dropline-Notification"),
		Milestone:    parsed.Header.Get("Dropline-Milestone"),
		Header:       parsed.Header,
		Raw:          raw,
	}
	if m.Subject, err = new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject")); err != nil {
		return Message{}, fmt.Errorf("read the subject: %w", err)
	}
	kind, parameters, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil {
		return Message{}, fmt.Errorf("read the content type: %w", err)
	}
	if !strings.HasPrefix(kind, "multipart/") {
		m.Text, err = decode(parsed.Body, parsed.Header.Get("Content-Transfer-Encoding"))
		return m, err
	}
	return m, m.parts(multipart.NewReader(parsed.Body, parameters["boundary"]))
}

func (m *Message) parts(reader *multipart.Reader) error {
	for {
		part, err := reader.NextPart() // decodes quoted-printable itself
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a part: %w", err)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			return fmt.Errorf("read a part: %w", err)
		}
		switch content := string(body); {
		case strings.HasPrefix(part.Header.Get("Content-Type"), "text/plain"):
			m.Text = content
		case strings.HasPrefix(part.Header.Get("Content-Type"), "text/html"):
			m.HTML = content
		}
	}
}

func decode(body io.Reader, encoding string) (string, error) {
	if strings.EqualFold(encoding, "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	content, err := io.ReadAll(body)
	return string(content), err
}

// Messages lists every message taken, copies included, in the order of arrival.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// To lists the messages taken for a recipient, each Message-ID once.
func (s *Server) To(recipient string) []Message {
	return s.distinct(func(m Message) bool { return m.To == recipient })
}

// Told lists the messages about an order ("storefront/order"), each Message-ID once, only those of
// one milestone when it is named.
func (s *Server) Told(order, milestone string) []Message {
	return s.distinct(func(m Message) bool {
		return strings.HasPrefix(m.Notification, order+"/") && (milestone == "" || m.Milestone == milestone)
	})
}

// Distinct counts the messages by Message-ID: what a customer's mail program shows.
func (s *Server) Distinct() int { return len(s.distinct(func(Message) bool { return true })) }

func (s *Server) distinct(wanted func(Message) bool) []Message {
	seen := map[string]bool{}
	var list []Message
	for _, m := range s.Messages() {
		if wanted(m) && !seen[m.ID] {
			seen[m.ID] = true
			list = append(list, m)
		}
	}
	return list
}

// Await returns when the books satisfy a condition, or with the context's error. The condition is
// asked again after each message.
func (s *Server) Await(ctx context.Context, condition func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if condition() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
