package simulation

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"mime/quotedprintable"
	"slices"
	"strings"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/supplier/mailed"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// headings are the names that suppliers' programs give to the columns of their files.
var headings = map[string][]string{
	"po": {"po", "PO Number", "purchase_order"}, "invoice": {"invoice", "Invoice Number", "number"}, "date": {"date"}, "currency": {"currency", "Currency"},
	"line": {"line", "PO Line"}, "quantity": {"quantity", "Qty"}, "unit_cost": {"unit_cost", "Unit Price", "price"}, "total": {"total", "Invoice Total"},
	"credit_memo": {"credit_memo", "Credit Note Number", "memo"}, "amount": {"amount", "Credit Amount"},
	"rma": {"rma", "RMA Number", "return"}, "claim": {"claim", "Claim Reference"}, "remark": {"remark", "Bemerkung"},
}

var (
	invoiceColumns = []string{"po", "invoice", "date", "currency", "line", "quantity", "unit_cost", "total", "remark"}
	creditColumns  = []string{"credit_memo", "date", "currency", "amount", "rma", "claim", "remark"}
)

// hand is how a supplier's program writes its files.
type hand struct {
	delimiter       rune
	decimal, groups string
	windows, mark   bool // Windows-1252; with a byte order mark
	crlf            bool
	naming          int
}

// file writes papers of one kind, as some program would.
func (l *life) file(list []*paper) []byte {
	h := hand{
		delimiter: oneOf(l, []rune{',', ';', '\t', '|'}), windows: l.chance(30), mark: l.chance(30), crlf: l.chance(50), naming: l.pick(3),
	}
	style := oneOf(l, [][2]string{{".", ""}, {",", ""}, {".", ","}, {",", "."}, {".", "'"}, {",", " "}})
	h.decimal, h.groups = style[0], style[1]
	columns := slices.Clone(invoiceColumns)
	if list[0].kind == wire.TypeCreditMemo {
		columns = slices.Clone(creditColumns)
	}
	for i := range columns {
		j := i + l.pick(len(columns)-i)
		columns[i], columns[j] = columns[j], columns[i]
	}
	return h.write(columns, list)
}

func (h *hand) write(columns []string, list []*paper) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Comma, w.UseCRLF = h.delimiter, h.crlf
	record := make([]string, len(columns))
	put := func(field func(column string) string) {
		for i, column := range columns {
			record[i] = field(column)
		}
		if err := w.Write(record); err != nil {
			panic(err)
		}
	}
	put(func(column string) string { return headings[column][h.naming%len(headings[column])] })
	for _, p := range list {
		for _, row := range p.rows {
			put(func(column string) string {
				switch column {
				case "unit_cost", "total", "amount":
					return h.amount(row[column])
				case "remark":
					return "Grüße von Ærø"
				}
				return row[column]
			})
		}
	}
	w.Flush()
	text := b.String()
	if h.windows {
		text = strings.NewReplacer("ü", "\xfc", "ß", "\xdf", "Æ", "\xc6", "ø", "\xf8").Replace(text)
	}
	if h.mark {
		text = "\ufeff" + text
	}
	return []byte(text)
}

// amount writes an amount of the protocol. Three decimals could be a group: leading zeros say that they are none.
func (h *hand) amount(text string) string {
	whole, fraction, decimals := strings.Cut(text, ".")
	if !decimals {
		return whole
	}
	if len(fraction) == 3 {
		return strings.Repeat("0", max(0, 4-len(whole))) + whole + h.decimal + fraction
	}
	for at := len(whole) - 3; at > 0 && h.groups != ""; at -= 3 {
		whole = whole[:at] + h.groups + whole[at:]
	}
	return whole + h.decimal + fraction
}

// spoil makes of a file what no reader takes for a whole one.
func (l *life) spoil(file []byte) (spoiled []byte, what string) {
	switch l.pick(3) {
	case 0:
		return append([]byte{0xff, 0xfe}, file...), "in another alphabet"
	case 1:
		_, rows, _ := bytes.Cut(file, []byte("\n"))
		return rows, "without a header"
	}
	header, _, _ := bytes.Cut(file, []byte("\n"))
	divides := header[bytes.IndexAny(header, ",;\t|")]
	file = bytes.TrimRight(file, "\r\n")
	return file[:bytes.LastIndexByte(file, divides)], "cut in a row"
}

func hashKey(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// mailServer is the name under which our mail server says what it thinks of a message's sender.
const mailServer = "mx.dropline.example"

// enclosure is an attachment as its sender's program writes it.
type enclosure struct {
	head string // its Content-Type, and more
	body []byte
}

// encloses takes a paper as an attachment.
func (l *life) encloses(list []*paper) enclosure {
	if l.chance(40) {
		return l.packs(enclosure{"application/json", list[0].event(l)})
	}
	head := oneOf(l, []string{"text/csv", "text/csv; charset=windows-1252; name=\"a b.CSV\"", "application/vnd.ms-excel; name=march.csv", "application/octet-stream; name=march.csv"})
	return l.packs(enclosure{head, l.file(list)})
}

// packs encodes an attachment for its way.
func (l *life) packs(e enclosure) enclosure {
	var b bytes.Buffer
	switch l.pick(3) {
	case 0:
		return enclosure{e.head + "\nContent-Disposition: attachment", e.body}
	case 1:
		e.head += "\nContent-Disposition: attachment\nContent-Transfer-Encoding: quoted-printable"
		w := quotedprintable.NewWriter(&b)
		w.Binary = true
		_, _ = w.Write(e.body)
		_ = w.Close()
	default:
		e.head += "\nContent-Disposition: attachment\nContent-Transfer-Encoding: BASE64"
		text := base64.StdEncoding.EncodeToString(e.body)
		for ; len(text) > 76; text = text[76:] {
			b.WriteString(text[:76] + "\r\n")
		}
		b.WriteString(text)
	}
	return enclosure{e.head, b.Bytes()}
}

// message is a mail as our mail server hands it over, with its word about the sender on top.
func (l *life) message(id, from, word string, enclosed ...enclosure) []byte {
	end := oneOf(l, []string{"\n", "\r\n"})
	var b bytes.Buffer
	write := func(text string) { b.WriteString(strings.ReplaceAll(text, "\n", end)) }
	write("Authentication-Results: " + mailServer + "; " + word + "\n")
	write(fmt.Sprintf("From: Billing <%s>\nMessage-ID: <%s@mail.example>\nSubject: Your order\nMIME-Version: 1.0\n", from, id))
	write("Content-Type: multipart/mixed; boundary=\"=_part\"\n\n--=_part\nContent-Type: text/plain\n\nPlease find attached.\n")
	for _, e := range enclosed {
		write("--=_part\nContent-Type: " + e.head + "\n\n")
		b.Write(e.body)
		write("\n")
	}
	write("--=_part--\n")
	return b.Bytes()
}

// vouches is what our mail server says of a mail that is from a domain.
func (l *life) vouches(domain string) string {
	return oneOf(l, []string{
		"dkim=pass header.d=" + domain, "spf=pass smtp.mailfrom=bounces@" + domain, "dkim=none; spf=pass smtp.mailfrom=" + domain,
		"spf=softfail smtp.mailfrom=lists.example; dkim=pass (1024-bit key) header.i=@" + domain,
	})
}

func (l *life) mailbox(supplier string) string {
	if supplier == "birch" && l.chance(50) {
		return "Rechnung@birch.example"
	}
	return "billing@" + supplier + ".example"
}

// mails sends a paper, and sometimes others with it. What is spoiled came first, and is sent once more as it should be.
func (l *life) mails(p *paper, spoils bool) {
	from, id := p.book.party, p.book.paper()
	enclosed := []enclosure{l.encloses(l.withEarlier(p, 25))}
	for _, other := range l.papers {
		if other.book.party == from && other.number != p.number && l.chance(20) {
			enclosed = append(enclosed, l.encloses([]*paper{other}))
			l.happened("mail of several documents")
			break
		}
	}
	picture := l.chance(20)
	if picture {
		enclosed = append(enclosed, l.packs(enclosure{"application/pdf; name=invoice.csv", []byte("%PDF-1.7 of " + p.number)}))
	}
	box, word := l.mailbox(from.id), l.vouches(from.id+".example")
	whole := l.message(id, box, word, enclosed...)
	if spoils && l.chance(50) {
		l.happened("mail without a signature")
		l.postAside(from, id+"-unsigned", l.message(id+"-unsigned", box, "dkim=none; spf=softfail smtp.mailfrom="+from.id+".example", enclosed...), intake.CodeNotAuthentic)
	} else if spoils {
		l.happened("mail cut off")
		head := len(mailed.Header(whole))
		l.postAside(from, id, whole[:head+(len(whole)-head)*(1+l.pick(9))/10], intake.CodeMalformed)
	}
	if picture && from.id == "alder" {
		l.happened("picture of a paper ignored")
	} else if picture {
		l.happened("picture of a paper set aside")
		l.expectAttachment(whole, len(enclosed)-1, intake.CodeUnknownType)
	}
	l.post(&document{from: byMail, party: from.id, id: id, what: "a mail", body: whole})
}

// postAside sends a mail that is nobody's, or that cannot be read.
func (l *life) postAside(from *party, id string, message []byte, code string) {
	l.expectAside(message, code)
	l.post(&document{from: byMail, party: from.id, id: id, what: "a mail, " + code, body: message, aside: true})
}

// expectAside: the message itself has to stand in quarantine.
func (l *life) expectAside(message []byte, code string) {
	m, _ := mailed.Read(message)
	key := sha256.Sum256(slices.Concat([]byte(m.From+"\n"+code+"\n"), message[len(mailed.Header(message)):]))
	l.expected[fmt.Sprintf("mail:%s:%x", m.Key, key[:16])] = code
}

// expectAttachment: what is attached has to stand in quarantine.
func (l *life) expectAttachment(message []byte, n int, code string) {
	m, err := mailed.Read(message)
	if err != nil || len(m.Attachments) <= n {
		l.fail("a whole message cannot be read: %v", err)
	}
	l.expected["mail:"+m.Key+":"+m.Attachments[n].Digest()] = code
}
