package catalog

import (
	"errors"
	"mime"
	"net/mail"
	"slices"
	"strings"
)

// Mail says from which mailboxes a supplier sends invoices and credit memos. Without any, nothing that comes by
// mail is taken for the supplier's.
type Mail struct {
	From []string `json:"from,omitempty"` // in lower case
	// Ignore are media types of attachments that say nothing more than the documents beside them.
	Ignore []string `json:"ignore,omitempty"`
}

// readMail reads what a contract says about mail.
func readMail(s *section, m *Mail) {
	v, ok := s.take("mail")
	if !ok {
		return
	}
	box := v.section()
	box.need("from")
	scanEach(box, "from", parseMailbox, &m.From)
	if box.has("from") && len(m.From) == 0 {
		box.at("from").problem("want at least one mail address")
	}
	scanEach(box, "ignore", parseMediaType, &m.Ignore)
	box.done()
}

// parseMailbox reads a plain address. How a domain writes the case of the part before the @ is not known, and
// makes no difference.
func parseMailbox(text string) (string, error) {
	address, err := mail.ParseAddress(text)
	if err != nil || address.Address != text || !strings.Contains(text, ".") {
		return "", errors.New("want a mail address by itself, such as billing@acme.example")
	}
	return strings.ToLower(text), nil
}

// documentTypes are what invoices and credit memos come as.
var documentTypes = []string{"text/csv", "application/json"}

func parseMediaType(text string) (string, error) {
	media, parameters, err := mime.ParseMediaType(text)
	if err != nil || len(parameters) > 0 || strings.Count(media, "/") != 1 {
		return "", errors.New("want a media type, such as application/pdf")
	}
	if slices.Contains(documentTypes, media) {
		return "", errors.New("documents come as this type: they cannot be ignored")
	}
	return media, nil
}

// mailboxes judges that a mailbox is one supplier's.
func (v *validation) mailboxes(file File, i int, supplier Supplier) {
	for _, address := range supplier.Contract.Mail.From {
		v.once(file, file.places.suppliers, i, "contract.mail.from "+address)
	}
}
