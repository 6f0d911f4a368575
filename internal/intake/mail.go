package intake

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/postgres"
	"github.com/dropline/dropline/internal/supplier/mailed"
	"github.com/dropline/dropline/internal/supplier/restapi"
)

// The kinds of what comes by mail: an event of the REST protocol, an attachment that is no document, and a
// message that is nobody's.
const (
	KindMailedEvent      = "mailed_event"
	KindMailedAttachment = "mailed_attachment"
	KindMessage          = "message"
)

// mailSource is that of messages that are no supplier's: nobody's signature was verified.
const mailSource = "mail"

// Mailroom takes in messages in which suppliers send invoices and credit memos.
type Mailroom struct {
	Pool *pgxpool.Pool
	// Server is the mail server whose word about a sender counts, by the name in its Authentication-Results.
	Server string
	// Wake, if set, tells the processor that there is work; it must not block.
	Wake func()
}

// Filed is what became of a message.
type Filed struct {
	Supplier string // empty: it is nobody's
	// Documents were stored to be read, Repeats were stored before, Quarantined wait for a person.
	Documents, Repeats, Quarantined int
}

// Receive stores what a message holds: each attachment as a document of the supplier, or, where it cannot be said
// whose it is and what it brings, the message itself in quarantine. When it returns without error the mail server
// may forget the message; otherwise it has to come again, and what was stored of it changes nothing then.
func (m *Mailroom) Receive(ctx context.Context, raw []byte) (Filed, error) {
	message, sender, wrong, err := m.open(ctx, m.Pool, raw)
	if err != nil {
		return Filed{}, err
	}
	if wrong.status == "" {
		return m.file(ctx, m.Pool, message, sender)
	}
	stored, err := m.setAside(ctx, raw, message, wrong)
	if err != nil {
		return Filed{}, err
	}
	if stored.Repeat {
		return Filed{Repeats: 1}, nil
	}
	return Filed{Quarantined: 1}, nil
}

// open reads a message and finds out whose it is, or what is wrong with it.
func (m *Mailroom) open(ctx context.Context, db postgres.Querier, raw []byte) (message mailed.Message, sender *catalog.Supplier, wrong verdict, err error) {
	message, err = readSafely(raw)
	if errors.Is(err, errPanicked) {
		return message, nil, quarantine(CodePanicked, "Reading this message hit an error in Dropline. Report it; retry after an update."), nil
	}
	if errors.Is(err, mailed.ErrTooLarge) {
		return message, nil, quarantine(CodeTooLarge, "%s. Only its header was kept: ask the sender for smaller files, or for several messages.", capital(err)), nil
	}
	if err != nil {
		return message, nil, quarantine(CodeMalformed, "%s. Look at it, and ask the sender for another.", capital(err)), nil
	}
	senders, err := sendersOf(ctx, db, message.From)
	switch {
	case err != nil:
		return message, nil, wrong, err
	case len(senders) == 0:
		return message, nil, quarantine(CodeUnknownSender, "Its sender is no supplier's mailbox. "+
			"If it is one, put it under mail.from in the contract and retry; dismiss it otherwise."), nil
	case len(senders) > 1:
		return message, nil, quarantine(CodeUnknownSender, "Its sender is the mailbox of several suppliers: %s and %s. Leave it to one of them and retry.",
			senders[0].ID, senders[1].ID), nil
	}
	if err := message.Vouched(m.Server); err != nil {
		return message, nil, quarantine(CodeNotAuthentic, "It names supplier %s as its sender, but %s. Ask the supplier whether it sent it, and to sign its mail; "+
			"what you trust all the same can be taken in with starter invoice import and starter credit import.", senders[0].ID, err), nil
	}
	message.Attachments = slices.DeleteFunc(message.Attachments, func(a mailed.Attachment) bool {
		return a.Form == mailed.Other && slices.Contains(senders[0].Contract.Mail.Ignore, a.Type)
	})
	if len(message.Attachments) == 0 {
		return message, nil, quarantine(CodeNoDocument, "Supplier %s sent it without an attachment that could be a document. Read it, and dismiss it.", senders[0].ID), nil
	}
	return message, &senders[0], wrong, nil
}

var errPanicked = errors.New("reading the message panicked")

// readSafely turns a panic into an error: a mail server would send the message back.
func readSafely(raw []byte) (message mailed.Message, err error) {
	defer func() {
		if recover() != nil {
			message, err = mailed.Message{}, errPanicked
		}
	}()
	return mailed.Read(raw)
}

func capital(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

func sendersOf(ctx context.Context, db postgres.Querier, address string) ([]catalog.Supplier, error) {
	rows, err := db.Query(ctx, `SELECT document FROM suppliers
		WHERE jsonb_typeof(document -> 'contract' -> 'mail' -> 'from') = 'array' AND document -> 'contract' -> 'mail' -> 'from' ? $1 ORDER BY id`, address)
	if err == nil {
		var list []catalog.Supplier
		if list, err = pgx.CollectRows(rows, pgx.RowTo[catalog.Supplier]); err == nil {
			return list, nil
		}
	}
	return nil, fmt.Errorf("find whose mailbox it is: %w", err)
}

// file stores each attachment as a document of its supplier, under a key by which the same mail is recognised.
func (m *Mailroom) file(ctx context.Context, db postgres.Querier, message mailed.Message, sender *catalog.Supplier) (Filed, error) {
	archive := &Archive{Pool: m.Pool, Wake: m.Wake}
	filed := Filed{Supplier: sender.ID}
	for i := range message.Attachments {
		a := &message.Attachments[i]
		d := Document{
			Source: "supplier/" + sender.ID, Kind: KindMailedAttachment, ContentType: a.Type, Body: a.Body,
			NaturalKey: "mail:" + message.Key + ":" + a.Digest(),
		}
		switch a.Form {
		case mailed.CSV:
			d.Kind = KindOfCSV(a.Body)
		case mailed.JSON:
			d.Kind = KindMailedEvent
		case mailed.Other:
		}
		stored, err := archive.storeOn(ctx, db, d)
		switch {
		case err != nil:
			return filed, err
		case stored.Repeat:
			filed.Repeats++
		case a.Form == mailed.Other:
			filed.Quarantined++
		default:
			filed.Documents++
		}
	}
	return filed, nil
}

// setAside keeps a message in quarantine, once however often it comes: what servers wrote on its way may differ,
// and makes no other message of it. One that is somebody else's, or wrong in another way, is.
func (m *Mailroom) setAside(ctx context.Context, raw []byte, message mailed.Message, why verdict) (Stored, error) {
	head := mailed.Header(raw)
	key := sha256.Sum256(slices.Concat([]byte(message.From+"\n"+why.code+"\n"), raw[len(head):]))
	if why.code == CodeTooLarge {
		raw = head
	}
	d := Document{
		Source: mailSource + "/inbox", Kind: KindMessage, ContentType: "message/rfc822", Body: raw,
		NaturalKey: fmt.Sprintf("mail:%s:%x", message.Key, key[:16]),
	}
	hash := sha256.Sum256(raw)
	stored, err := insert(ctx, m.Pool, d, d.NaturalKey, hash[:], why)
	if err != nil {
		return Stored{}, fmt.Errorf("set a message aside: %w", err)
	}
	return Stored{ID: stored.ID, Repeat: stored.Repeat || stored.Conflict}, nil
}

// applyMail judges a message anew that an operator gives back: its sender may be known by now.
func (p *Processor) applyMail(ctx context.Context, tx pgx.Tx, d received) (verdict, error) {
	if d.kind != KindMessage {
		return quarantine(CodeUnknownType, "It is no message."), nil
	}
	room := &Mailroom{Server: p.MailServer}
	message, sender, wrong, err := room.open(ctx, tx, d.body)
	if err != nil || wrong.status != "" {
		return wrong, err
	}
	if _, err := room.file(ctx, tx, message, sender); err != nil {
		return verdict{}, err
	}
	return verdict{status: statusApplied}, nil
}

// unreadAttachment is the end of an attachment that no program reads.
func unreadAttachment() verdict {
	return quarantine(CodeUnknownType, "An attachment that is neither CSV nor JSON came by mail. Look at it, and dismiss it. "+
		"Where such attachments only repeat the documents beside them, put their type under mail.ignore in the contract.")
}

// mayBeMailed: invoices and credit memos come by mail. What decides about goods does not: it is signed.
func mayBeMailed(d *restapi.Document) bool {
	return d.Invoice != nil || d.Return != nil && d.Return.Memo != nil || d.Claim != nil && d.Claim.Answer == ""
}
