package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// Headers that let mail servers, tests and support find a message again. They hold no personal data.
const (
	HeaderNotification = "Dropline-Notification" // Notification.Key
	HeaderMilestone    = "Dropline-Milestone"
)

// Kinds of failure of a delivery, by what is known about it.
var (
	// ErrTemporary: the message was certainly not taken; try again later.
	ErrTemporary = errors.New("the mail server did not take the message now")
	// ErrUnknown: the whole message was handed over and no answer came. Sending again may show it
	// twice, though under one Message-ID, which most mail programs fold into one.
	ErrUnknown = errors.New("the mail server took the message without answering")
	// ErrPermanent: the server will never take it.
	ErrPermanent = errors.New("the mail server refused the message")
)

// DeliveryError is a failed delivery. It never holds an address or the server's own text, which
// repeats addresses.
type DeliveryError struct {
	Kind error // ErrTemporary, ErrUnknown or ErrPermanent
	Key  string
	Code int // SMTP reply code; zero when the server did not answer
}

func (e *DeliveryError) Error() string {
	if e.Code == 0 {
		return fmt.Sprintf("notification %s: %v", e.Key, e.Kind)
	}
	return fmt.Sprintf("notification %s: %v: SMTP %d", e.Key, e.Kind, e.Code)
}

// Unwrap lets errors.Is find the kind.
func (e *DeliveryError) Unwrap() error { return e.Kind }

// TLS says whether the connection to the mail server is encrypted.
type TLS string

// The choices: with STARTTLS when offered, always, or never.
const (
	TLSOpportunistic TLS = "opportunistic"
	TLSMandatory     TLS = "mandatory"
	TLSNone          TLS = "none"
)

var policies = map[TLS]gomail.TLSPolicy{
	"":               gomail.TLSOpportunistic,
	TLSOpportunistic: gomail.TLSOpportunistic,
	TLSMandatory:     gomail.TLSMandatory,
	TLSNone:          gomail.NoTLS,
}

// Config says which mail server takes the messages.
type Config struct {
	Host     string
	Port     int
	From     string // address, or "Name <address>"; its domain stands in message ids
	Username string // empty: without authentication
	Password string
	TLS      TLS // empty: opportunistic
	// Timeout bounds the connection and each step on it; zero means 20 seconds.
	Timeout time.Duration
	// Dial opens the connection; nil: a plain dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Mailer sends notifications. It is safe for concurrent use.
type Mailer struct {
	config Config
	from   *mail.Address
	domain string
}

// NewMailer checks the configuration; it does not connect.
func NewMailer(c Config) (*Mailer, error) {
	from, err := mail.ParseAddress(c.From)
	if err != nil {
		return nil, errors.New("mail: the sender is no e-mail address")
	}
	if c.Host == "" || c.Port < 1 || c.Port > 65535 {
		return nil, errors.New("mail: host and port of the mail server are needed")
	}
	if _, known := policies[c.TLS]; !known {
		return nil, fmt.Errorf("mail: TLS is %q: want opportunistic, mandatory or none", c.TLS)
	}
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	return &Mailer{config: c, from: from, domain: from.Address[strings.LastIndexByte(from.Address, '@')+1:]}, nil
}

// Send renders a notification and hands it to the mail server. Errors are ErrInvalid or a
// *DeliveryError.
func (m *Mailer) Send(ctx context.Context, n Notification) error {
	message, err := m.message(n)
	if err != nil {
		return err
	}
	return m.deliver(ctx, n.Key(), message)
}

// deliver hands a message to the mail server; key names it in errors.
func (m *Mailer) deliver(ctx context.Context, key string, message *gomail.Msg) error {
	// Nothing but the deadline of a connection ends an SMTP conversation, so a cancelled caller
	// closes it.
	var watched func() bool
	client, err := gomail.NewClient(m.config.Host, append(m.options(),
		gomail.WithDialContextFunc(func(dialCtx context.Context, network, address string) (net.Conn, error) {
			connection, err := m.config.Dial(dialCtx, network, address)
			if err == nil {
				watched = context.AfterFunc(ctx, func() { _ = connection.Close() })
			}
			return connection, err
		}))...)
	if err != nil {
		return fmt.Errorf("mail client: %w", err)
	}
	err = client.DialAndSendWithContext(ctx, message)
	if watched != nil {
		watched()
	}
	// Once the server has answered for the message, a failure to say goodbye changes nothing.
	if err == nil || message.IsDelivered() {
		return nil
	}
	return classify(key, err)
}

func (m *Mailer) options() []gomail.Option {
	options := []gomail.Option{
		gomail.WithPort(m.config.Port),
		gomail.WithTimeout(m.config.Timeout),
		gomail.WithTLSPolicy(policies[m.config.TLS]),
		gomail.WithHELO(m.domain),
		gomail.WithoutNoop(),
	}
	if m.config.Username != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(m.config.Username), gomail.WithPassword(m.config.Password))
	}
	return options
}

func (m *Mailer) message(n Notification) (*gomail.Msg, error) {
	content, err := Render(n)
	if err != nil {
		return nil, err
	}
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	message.FromMailAddress(&mail.Address{Name: oneLine(m.from.Name), Address: m.from.Address})
	message.ToMailAddress(&mail.Address{Name: oneLine(n.Customer), Address: n.To})
	message.Subject(content.Subject)
	message.SetDateWithValue(n.At)
	message.SetMessageIDWithValue(n.MessageID(m.domain))
	message.SetGenHeader(HeaderNotification, n.Key())
	message.SetGenHeader(HeaderMilestone, string(n.Milestone))
	// RFC 3834: keeps out-of-office replies away.
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	message.SetBodyString(gomail.TypeTextPlain, content.Text)
	message.AddAlternativeString(gomail.TypeTextHTML, content.HTML)
	return message, nil
}

// classify judges a failure by the server's reply code, and without one by how far the
// conversation had come.
func classify(key string, err error) *DeliveryError {
	failure := &DeliveryError{Kind: ErrTemporary, Key: key, Code: replyCode(err)}
	var send *gomail.SendError
	switch {
	case failure.Code >= 500:
		failure.Kind = ErrPermanent
	case failure.Code >= 400:
	case errors.As(err, &send) && send.Reason == gomail.ErrSMTPDataClose:
		failure.Kind = ErrUnknown
	case errors.As(err, &send) && (send.Reason == gomail.ErrGetSender || send.Reason == gomail.ErrGetRcpts):
		failure.Kind = ErrPermanent
	}
	return failure
}

// replyCode finds the SMTP reply code; zero when there was none. A failed log-in (535) is the
// configuration's fault, not the message's: it is reported as no code, so that the message waits.
func replyCode(err error) int {
	var reply *textproto.Error
	var send *gomail.SendError
	switch {
	case errors.As(err, &send):
		return send.ErrorCode()
	case errors.As(err, &reply) && reply.Code < 500:
		return reply.Code
	}
	return 0
}
