package simulation

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/supplier/csvcredit"
	"github.com/dropline/dropline/internal/supplier/csvinvoice"
	"github.com/dropline/dropline/internal/supplier/csvtable"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// otherWays: in these lives suppliers send invoices and credit memos by file and mail, and customers ask on their
// return page, by what is left of a seed. No choice is spent on it: the lives of all other seeds stay what they were.
func (l *life) otherWays() bool {
	return (l.number%7 == 3 || l.number%7 == 6) && !l.exchanges() && !l.world.market.wide
}

// The ways of a paper. Of those that are no event, a file is posted by the supplier's program, or taken in by
// somebody of ours, and mail is handed over by the mail server.
const (
	byEvent = "event"
	byFile  = "file"
	byClerk = "clerk"
	byMail  = "mail"
)

// habits are how a supplier mostly sends its papers; the others post events, and do else what they like.
var habits = map[string][]string{"birch": {byMail, byMail, byMail, byFile}, "delta": {byFile, byFile, byClerk, byMail}}

var allWays = []string{byEvent, byEvent, byMail, byFile, byClerk}

// paper is an invoice or a credit memo as it stands in its supplier's books.
type paper struct {
	book   *book
	kind   string // of the event that says the same
	number string
	data   any
	rows   []map[string]string // the same in a file
}

func (l *life) paperOf(b *book, kind string, data any) *paper {
	p := &paper{book: b, kind: kind, data: data}
	switch said := data.(type) {
	case wire.Invoice:
		p.number = said.Number
		for i, line := range said.Lines {
			row := map[string]string{
				"invoice": said.Number, "line": strconv.Itoa(line.Line), "quantity": strconv.FormatInt(line.Quantity, 10), "unit_cost": line.UnitCost,
			}
			if i == 0 || l.chance(50) { // what stands for the whole may be left out after the first row
				row["po"], row["date"], row["currency"], row["total"] = said.PO, said.At.Format(time.DateOnly), said.Currency, said.Total
			}
			p.rows = append(p.rows, row)
		}
	case wire.CreditMemo:
		p.number = said.Number
		p.rows = []map[string]string{{
			"credit_memo": said.Number, "date": said.At.Format(time.DateOnly), "currency": said.Currency, "amount": said.Amount,
			"rma": said.RMA, "claim": said.Claim,
		}}
	default:
		panic("simulation: no paper is made of this")
	}
	return p
}

// noun is what a paper is called in the counters.
func (p *paper) noun() string {
	if p.kind == wire.TypeInvoice {
		return "invoice"
	}
	return "credit memo"
}

func (p *paper) event(l *life) []byte {
	text, err := json.Marshal(p.data)
	if err != nil {
		panic(err)
	}
	body, err := json.Marshal(wire.Event{ID: p.book.paper(), Type: p.kind, CreatedAt: l.now, Data: text})
	if err != nil {
		panic(err)
	}
	return body
}

// sendPaper sends an invoice or a credit memo by a way that its supplier has, and now and then by another one, too.
func (l *life) sendPaper(b *book, kind string, data any) {
	invoice, _ := data.(wire.Invoice)
	if !l.otherWays() || invoice.Freight != "" || invoice.Corrects != "" {
		l.postEvent(b, kind, data)
		return
	}
	p := l.paperOf(b, kind, data)
	l.goes(p, l.wayOf(b.party))
	if l.chance(25) {
		l.happened(p.noun() + " by a second way")
		l.goes(p, l.wayOf(b.party))
	}
	if !slices.ContainsFunc(l.papers, func(other *paper) bool { return other.number == p.number }) {
		l.papers = append(l.papers, p)
	}
}

func (l *life) wayOf(p *party) string {
	if ways := habits[p.id]; ways != nil && l.chance(80) {
		return oneOf(l, ways)
	}
	return oneOf(l, allWays)
}

func (l *life) goes(p *paper, way string) {
	l.happened(p.noun() + " by " + way)
	spoils := l.chance(20)
	switch way {
	case byEvent:
		l.postEvent(p.book, p.kind, p.data)
	case byFile, byClerk:
		file := l.file(l.withEarlier(p, 35))
		if spoils {
			l.spoilsFile(p, way, file)
		}
		l.postFile(p.book.party, way, p.book.paper(), file)
	case byMail:
		l.mails(p, spoils)
	}
}

// withEarlier is a paper with some that its supplier has sent before, as programs write all of a month anew.
func (l *life) withEarlier(p *paper, percent int) []*paper {
	list := []*paper{p}
	again := l.chance(percent)
	for _, other := range l.papers {
		if again && len(list) < 4 && other.number != p.number && other.kind == p.kind && other.book.party == p.book.party {
			list = append(list, other)
		}
	}
	if len(list) > 1 {
		l.happened("papers sent anew with another")
	}
	return list
}

// spoilsFile: what comes first is no whole file. A clerk is told so at once, and nothing is stored.
func (l *life) spoilsFile(p *paper, way string, file []byte) {
	spoiled, what := l.spoil(file)
	l.happened("file " + what)
	if way == byFile {
		l.postFile(p.book.party, way, p.book.paper(), spoiled)
		l.expected[hashKey(spoiled)] = intake.CodeMalformed
		return
	}
	if err := unreadableTo(p.kind, spoiled); err == nil {
		l.fail("a file that was %s is read by who takes it in", what)
	}
	l.happened("file refused to a clerk")
}

func unreadableTo(kind string, file []byte) error {
	var err error
	if kind == wire.TypeInvoice {
		_, err = csvinvoice.Parse(file, "")
	} else {
		_, err = csvcredit.Parse(file)
	}
	if where, placed := errors.AsType[*csvtable.Error](err); placed {
		return where
	}
	return nil
}

func (l *life) postFile(from *party, way, id string, file []byte) {
	d := &document{from: "supplier", party: from.id, id: id, what: "a file by " + way, body: file, media: "text/csv"}
	if way == byClerk {
		d.from = byClerk
	}
	l.post(d)
}

// handIn gives the product what comes neither over the network nor signed; it returns a gateway's status for it.
func (l *life) handIn(d *document, forged bool, f *fault) int {
	if forged && (d.from == byClerk || d.aside) {
		return http.StatusUnauthorized // nobody else has the way in, or it is nobody's already
	}
	body := d.body
	if forged {
		body = bytes.ReplaceAll(bytes.ReplaceAll(body, []byte("dkim=pass"), []byte("dkim=fail")), []byte("spf=pass"), []byte("spf=fail"))
		l.expectAside(body, intake.CodeNotAuthentic)
		l.happened("mail forged")
	}
	if d.handed++; d.handed > 1 {
		body = append([]byte("Received: from a server that keeps what was not taken\n"), body...)
	}
	var filed intake.Filed
	var err error
	l.prepare(f)
	s := l.begin(func() {
		if d.from == byMail {
			filed, err = l.world.mailroom.Receive(l.ctx, body)
			return
		}
		_, err = l.world.archive.Store(l.ctx, intake.Document{
			Source: "supplier/" + d.party, Kind: intake.KindOfCSV(d.body), ContentType: d.media, Body: d.body, NaturalKey: hashKey(d.body),
		})
	})
	l.clean(f)
	switch {
	case !s.ended:
		l.fail("who takes in %s stands still", d.id)
	case f.lost:
		l.happened("taking in by " + d.from + " died")
		return http.StatusServiceUnavailable
	case err != nil:
		l.judgeRefusal("taking in "+d.id, err)
		return http.StatusServiceUnavailable
	case d.from == byMail && (d.aside || forged) && (filed.Supplier != "" || filed.Documents > 0):
		l.fail("%d documents of %s, which is nobody's, are taken for those of %s", filed.Documents, d.id, filed.Supplier)
	case d.from == byMail && !d.aside && !forged && filed.Supplier != d.party:
		l.fail("%s is a mail of %s, and is taken for one of %q", d.id, d.party, filed.Supplier)
	}
	l.note("%s is taken in: %d stored, %d known, %d set aside", d.id, filed.Documents, filed.Repeats, filed.Quarantined)
	return http.StatusAccepted
}
