// Package notify writes to customers: one message per order, milestone and subject, rendered as
// plain text and HTML, and handed to a mail server.
package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
)

// Milestone is what a customer is told.
type Milestone string

// The milestones, in the order in which an order may pass them.
const (
	Placed         Milestone = "placed"
	Backordered    Milestone = "backordered"
	Delayed        Milestone = "delayed"
	Shipped        Milestone = "shipped"
	OutForDelivery Milestone = "out_for_delivery"
	Delivered      Milestone = "delivered"
	Lost           Milestone = "lost"
	Cancelled      Milestone = "cancelled"
	Refunded       Milestone = "refunded"

	StoreCredited Milestone = "store_credited"
	Exchanged     Milestone = "exchanged"

	ReturnAuthorised Milestone = "return_authorised"
	ReturnKeep       Milestone = "return_keep"
	ReturnReceived   Milestone = "return_received"
	ReturnExpired    Milestone = "return_expired"
	ReturnNotPaid    Milestone = "return_not_paid"
)

// Milestones lists every milestone that has a message.
var Milestones = []Milestone{
	Placed, Backordered, Delayed, Shipped, OutForDelivery, Delivered, Lost, Cancelled, Refunded, StoreCredited, Exchanged,
	ReturnAuthorised, ReturnKeep, ReturnReceived, ReturnExpired, ReturnNotPaid,
}

// Item is a quantity of one article, as the customer knows it.
type Item struct {
	Title    string
	Quantity int64
}

// Notification is one message to one customer. It holds personal data and lives only as long as it
// takes to send it.
type Notification struct {
	Order     order.Key
	Milestone Milestone
	// Subject tells apart several messages of one milestone: the tracking number of a parcel, the
	// key of a refund. It is hashed into the key, never shown.
	Subject string

	To       string // a bare e-mail address
	Customer string // the name to greet; may be empty
	Shop     string // the storefront's name as customers know it
	Number   string // the order number as the customer knows it; empty: the order id
	Items    []Item // what the message is about

	Carrier     string    // as customers know it: "FedEx"
	Tracking    string    // tracking number
	TrackingURL string    // http or https; anything else is left out
	RMA         string    // of a return: to be written on the parcel
	LabelURL    string    // return_authorised: where the label can be printed; http or https
	ReturnPage  string    // the customer's own page for returns of the order; http or https, empty: there is none
	Amount      string    // refunded, store_credited: formatted with its currency, "12.34 EUR"
	ExpectedOn  time.Time // backordered, delayed: the new date; return_authorised: the last day; zero when there is none
	At          time.Time // when the milestone was reached; dates the message
}

// ErrInvalid: the notification cannot become a message. It will not get better.
var ErrInvalid = errors.New("not a notification that could be sent")

// Key names the message for ever: the same order, milestone and subject is the same message.
func (n Notification) Key() string {
	return n.Order.String() + "/" + string(n.Milestone) + "/" + n.hash()[:12]
}

// MessageID is the key as an RFC 5322 message id, without angle brackets. A message sent twice has
// the same one, so that mail programs show it once.
func (n Notification) MessageID(domain string) string {
	return string(n.Milestone) + "." + n.hash() + "@" + domain
}

func (n Notification) hash() string {
	parts := fmt.Sprintf("%q %q %q", n.Order.String(), n.Milestone, n.Subject)
	sum := sha256.Sum256([]byte(parts))
	return hex.EncodeToString(sum[:16])
}

// validate repeats nothing of the notification in its errors.
func (n Notification) validate() error {
	parsed, err := mail.ParseAddress(n.To)
	switch {
	case n.Order.Validate() != nil:
		return fmt.Errorf("%w: it names no order", ErrInvalid)
	case !slices.Contains(Milestones, n.Milestone):
		return fmt.Errorf("%w: there is no message for the milestone", ErrInvalid)
	case err != nil || parsed.Address != n.To || strings.ContainsAny(n.To, "\r\n"):
		return fmt.Errorf("%w: the recipient is no bare e-mail address", ErrInvalid)
	case n.At.IsZero():
		return fmt.Errorf("%w: it has no time", ErrInvalid)
	case strings.HasPrefix(string(n.Milestone), "return_") && n.RMA == "":
		return fmt.Errorf("%w: it names no return", ErrInvalid)
	case (n.Milestone == Refunded || n.Milestone == StoreCredited) && n.Amount == "":
		return fmt.Errorf("%w: it names no amount", ErrInvalid)
	}
	return nil
}

// link keeps a tracking link that a customer may safely click.
func link(s string) string {
	parsed, err := url.Parse(s)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return ""
	}
	return parsed.String()
}
