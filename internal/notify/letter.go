package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/mail"

	gomail "github.com/wneessen/go-mail"
)

// Letter is a plain message to a partner. Key is its identity: a letter that is sent again carries
// the same Message-ID.
type Letter struct {
	Key     string
	To      string
	Subject string
	Text    string
}

// SendLetter hands a letter to the mail server. Errors are ErrInvalid or a *DeliveryError.
func (m *Mailer) SendLetter(ctx context.Context, l Letter) error {
	message, err := m.letter(l)
	if err != nil {
		return err
	}
	return m.deliver(ctx, l.Key, message)
}

func (m *Mailer) letter(l Letter) (*gomail.Msg, error) {
	to, err := mail.ParseAddress(l.To)
	if err != nil {
		return nil, fmt.Errorf("letter %s: %w: the recipient is no e-mail address", l.Key, ErrInvalid)
	}
	hash := sha256.Sum256([]byte(l.Key))
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	message.FromMailAddress(&mail.Address{Name: oneLine(m.from.Name), Address: m.from.Address})
	message.ToMailAddress(to)
	message.Subject(oneLine(l.Subject))
	message.SetDate()
	message.SetMessageIDWithValue(hex.EncodeToString(hash[:16]) + "@" + m.domain)
	message.SetGenHeader(HeaderNotification, l.Key)
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	message.SetBodyString(gomail.TypeTextPlain, l.Text)
	return message, nil
}
