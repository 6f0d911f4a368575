package simulation

import (
	"bytes"
	"encoding/base32"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returnlink"
	"github.com/dropline/dropline/internal/returns"
)

const (
	pageHost = "https://returns.example"
	// pageSecret signs the links of the simulated world. Nobody outside the simulation takes it.
	pageSecret = "signs the simulated links" //nolint:gosec // a simulated one
)

// visits are what a customer knows of the return page of their order.
type visits struct {
	link   string // as the newest letter has it; empty: none came yet
	marks  int
	forms  []*form // that were filled in on a page of a genuine link
	closed []*form // that were filled in otherwise, and must have no effect
}

// form is what a customer has filled in, as their browser keeps it.
type form struct {
	path       string // of the page
	mark       string
	lines      []map[string]any
	resolution string
	note       string
	pictures   [][]byte
	wrong      bool   // it holds what the page does not offer
	sent       bool   // at least once
	answer     string // as it was first heard; empty: not yet
}

// picture is one that every browser sends as it is.
var picture = func() []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewPaletted(image.Rect(0, 0, 2, 2), color.Palette{color.Black, color.White})); err != nil {
		panic(err)
	}
	return b.Bytes()
}()

// onPage lets the customer do the next thing on the return page. It says whether it did: else they ask by another way.
func (l *life) onPage() bool {
	if !l.otherWays() || l.page.link == "" || !l.chance(70) {
		return false
	}
	for _, f := range l.page.forms {
		switch {
		case f.sent && f.answer == "" && !f.wrong: // nobody answered: the browser sends it again
			l.happened("form sent again")
			l.sends(f)
			return true
		case !f.sent && l.chance(50):
			l.happened("old form sent")
			l.sends(f)
			return true
		}
	}
	if l.chance(20) && l.linkError(strings.TrimPrefix(l.page.link, pageHost)) == nil {
		l.wrongLink()
		return true
	}
	path := strings.TrimPrefix(l.page.link, pageHost)
	page := l.browse(http.MethodGet, path, nil, l.chooseCut())
	l.checkPage(page, path)
	f := l.fillsIn(path)
	l.page.forms = append(l.page.forms, f)
	if l.chance(15) {
		l.happened("form left open")
		return true
	}
	l.sends(f)
	return true
}

// pageCut is a fault for a page, which asks the database more often than others do.
func (l *life) pageCut() *fault {
	f := l.chooseCut()
	if !l.quiet && f.statement < 0 && l.chance(20) {
		f.name, f.statement, f.after = "cut before a statement", l.pick(16), false
		if l.chance(50) {
			f.name, f.after = "cut after a statement", true
		}
	}
	return f
}

// browse asks for a page, and gives what a browser hears; nothing heard is a 503 that nobody wrote.
func (l *life) browse(method, path string, f *form, cut *fault) *httptest.ResponseRecorder {
	heard := httptest.NewRecorder()
	r := l.visit(method, path, f)
	l.prepare(cut)
	s := l.begin(func() { l.world.gateway.ServeHTTP(heard, r) })
	l.clean(cut)
	if !s.ended {
		l.fail("the gateway stands still at the return page")
	}
	if cut.lost {
		l.happened("gateway died")
		heard = httptest.NewRecorder()
		heard.Code = http.StatusServiceUnavailable
	}
	return heard
}

func (l *life) visit(method, path string, f *form) *http.Request {
	var body bytes.Buffer
	r := httptest.NewRequestWithContext(l.ctx, method, path, &body)
	if f != nil {
		r.Header.Set("Content-Type", f.write(&body))
		r.ContentLength = int64(body.Len())
	}
	return r
}

// write fills a browser's message, and returns its type.
func (f *form) write(into *bytes.Buffer) string {
	w := multipart.NewWriter(into)
	put := func(name, value string) {
		if err := w.WriteField(name, value); err != nil {
			panic(err)
		}
	}
	put("request", f.mark)
	for _, line := range f.lines {
		put(fmt.Sprintf("quantity-%d", line["line"]), fmt.Sprint(line["quantity"]))
		put(fmt.Sprintf("reason-%d", line["line"]), fmt.Sprint(line["reason"]))
	}
	put("resolution", f.resolution)
	put("note", f.note)
	for i, body := range f.pictures {
		part, err := w.CreateFormFile("photos", strconv.Itoa(i)+".png")
		if err != nil {
			panic(err)
		}
		_, _ = part.Write(body)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return w.FormDataContentType()
}

// mark is a form's own, as a page of the gateway gives one by chance.
func (l *life) mark() string {
	l.page.marks++
	text := base32.StdEncoding.EncodeToString(fmt.Appendf(nil, "form %09d", l.page.marks)) // of 14 bytes: 23 letters
	return "page-" + (text[:23] + "AAA")
}

// fillsIn is what the customer would like to send back, sometimes more than the page offers.
func (l *life) fillsIn(path string) *form {
	f := &form{path: path, mark: l.mark(), lines: l.wishes(), resolution: string(returns.Refund), note: oneOf(l, []string{"", "It is broken."})}
	slices.SortFunc(f.lines, func(x, y map[string]any) int { return x["line"].(int) - y["line"].(int) })    //nolint:forcetypeassert // ours
	f.lines = slices.CompactFunc(f.lines, func(x, y map[string]any) bool { return x["line"] == y["line"] }) // a page has one field for each
	for range l.pick(3) {
		f.pictures = append(f.pictures, picture)
	}
	if l.key.Storefront == "hazel" && l.chance(60) {
		f.resolution = string(returns.StoreCredit)
	}
	for _, wish := range f.lines {
		line, quantity := wish["line"].(int), wish["quantity"].(int64) //nolint:forcetypeassert // ours
		f.wrong = f.wrong || line > len(l.basket.lines) || quantity > l.basket.lines[line-1].quantity
	}
	switch l.pick(16) {
	case 0:
		f.wrong, f.lines[0]["reason"] = true, ""
	case 1:
		f.wrong, f.lines[0]["quantity"] = true, int64(99)
	case 2:
		f.wrong, f.pictures = true, append(f.pictures, []byte("no picture"))
	case 3:
		f.wrong, f.resolution = true, "a new car"
	}
	return f
}

// sends brings a form to the gateway, mostly once.
func (l *life) sends(f *form) {
	first := l.sendForm(f, l.pageCut())
	if click := l.chance(20); first == http.StatusSeeOther && (l.twice || click) {
		if click {
			l.happened("form sent twice")
		}
		if again := l.sendForm(f, unharmed()); again != http.StatusSeeOther {
			l.fail("a form is answered %d when it comes again", again)
		}
	}
	if first == http.StatusSeeOther && l.chance(15) {
		l.changesForm(f)
	}
}

// sendForm sends a form, and looks what came of it. It returns the status that was heard.
func (l *life) sendForm(f *form, cut *fault) int {
	expired := l.linkError(f.path) != nil
	f.sent = true
	l.note("the customer sends form %s of %v", f.mark, f.lines)
	said := l.browse(http.MethodPost, f.path, f, cut)
	l.note("the form is answered %d", said.Code)
	switch {
	case said.Code >= http.StatusInternalServerError:
		l.happened("form turned away")
	case expired:
		if said.Code != http.StatusGone {
			l.fail("a form under a link that has expired is answered %d", said.Code)
		}
		f.answer = "expired"
		l.happened("form came after its link had expired")
	case f.wrong:
		if said.Code != http.StatusUnprocessableEntity {
			l.fail("a form that asks for what is not offered is answered %d", said.Code)
		}
		l.happened("form not understood")
	case said.Code == http.StatusConflict && strings.Contains(said.Body.String(), "Please write to us"):
		f.answer = "too much"
		l.happened("form was one too many")
	case said.Code != http.StatusSeeOther || said.Header().Get("Location") != f.path+"/asked/"+f.mark:
		l.fail("a form is answered %d, and leads to %q: %s", said.Code, said.Header().Get("Location"), said.Body)
	default:
		l.hears(f)
	}
	return said.Code
}

// hears reads what came of a form, and learns of its returns. It is the same each time.
func (l *life) hears(f *form) {
	answer, known, err := returndesk.Answered(l.ctx, l.world.admin, l.key, f.mark)
	if err != nil || !known {
		l.fail("a form was taken, and nobody knows of it: %v", err)
	}
	text, outcome := "granted", "granted"
	if answer.Refused != nil {
		outcome = "refused"
		text = "refused: " + string(answer.Refused.Code)
	}
	for i := range answer.Returns {
		text += " " + answer.Returns[i].RMA
	}
	looks := unharmed()
	if f.answer == "" {
		looks = l.chooseCut()
		f.answer = text
		l.happened("return on the page " + outcome)
		l.note("the form came to: %s", text)
		l.learns(&answer)
	}
	if f.answer != text {
		l.fail("form %s came to %q, and now to %q", f.mark, f.answer, text)
	}
	page := l.browse(http.MethodGet, f.path+"/asked/"+f.mark, nil, looks)
	if page.Code >= http.StatusInternalServerError {
		return
	}
	shown := page.Body.String()
	if page.Code != http.StatusOK || answer.Refused != nil != strings.Contains(shown, "We cannot take this back") {
		l.fail("form %s came to %q, and its page says %d: %s", f.mark, text, page.Code, shown)
	}
	for i := range answer.Returns {
		if !strings.Contains(shown, answer.Returns[i].RMA) {
			l.fail("the page of form %s does not show return %s", f.mark, answer.Returns[i].RMA)
		}
	}
}

func (l *life) learns(answer *returndesk.Answer) {
	for i := range answer.Returns {
		granted := &answer.Returns[i]
		c := l.comeback(granted.RMA)
		if c.keep = granted.Keep; c.keep {
			l.happened("return to be kept")
		}
		for _, u := range granted.Lines {
			c.granted[u.Line] = u.Quantity
		}
	}
}

// changesForm goes back in the browser, and sends the same form with other content.
func (l *life) changesForm(f *form) {
	other := *f
	other.note = f.note + " And late."
	if l.chance(50) {
		other.lines = slices.Clone(f.lines)
		other.lines[0] = map[string]any{"line": f.lines[0]["line"], "quantity": f.lines[0]["quantity"], "reason": f.lines[0]["reason"]}
		for _, n := range []int64{1, 2} {
			if line := f.lines[0]["line"].(int); n != f.lines[0]["quantity"] && n <= l.basket.lines[line-1].quantity { //nolint:forcetypeassert // ours
				other.lines[0]["quantity"] = n
			}
		}
	}
	said := l.browse(http.MethodPost, f.path, &other, unharmed())
	if said.Code != http.StatusConflict || !strings.Contains(said.Body.String(), "You have sent this form before") {
		l.fail("a form that was sent before is answered %d when it asks for something else", said.Code)
	}
	l.happened("form changed and sent again, refused")
	l.hears(f)
}

// linkError says what is wrong with a link, by the one who made it.
func (l *life) linkError(path string) error {
	_, err := l.world.links.Read(strings.TrimPrefix(path, returnlink.Path), l.now)
	return err
}

// wrongLink: somebody comes with a link that is nobody's, that is over, or that leads to another order.
func (l *life) wrongLink() {
	genuine := strings.TrimPrefix(l.page.link, pageHost)
	want, path := http.StatusNotFound, ""
	switch l.pick(4) {
	case 0:
		token := []byte(strings.TrimPrefix(genuine, returnlink.Path))
		at := l.pick(len(token) - 1) // the last letter holds bits that count for nothing
		token[at] = map[bool]byte{true: 'B', false: 'A'}[token[at] == 'A']
		path = returnlink.Path + string(token)
		l.happened("forged link refused")
	case 1:
		path = strings.TrimPrefix(l.world.links.For(l.key, l.now.Add(-returnlink.Valid-24*time.Hour)), pageHost)
		want = http.StatusGone
		l.happened("expired link refused")
	case 2:
		other := order.Key{Storefront: l.key.Storefront, Order: l.key.Order + "-other"}
		path = strings.TrimPrefix(l.world.links.For(other, l.now), pageHost)
		l.happened("another order's link refused")
	case 3:
		path = genuine + "/asked/" + l.mark()
		l.happened("form that nobody sent not found")
	}
	if said := l.browse(http.MethodGet, path, nil, unharmed()); said.Code != want {
		l.fail("a wrong link is answered %d", said.Code)
	}
	if strings.Contains(path, "/asked/") {
		return
	}
	f := l.fillsIn(path)
	f.wrong = false
	l.page.closed = append(l.page.closed, f)
	if said := l.browse(http.MethodPost, path, f, unharmed()); said.Code != want {
		l.fail("a form under a wrong link is answered %d", said.Code)
	}
	if list := l.sortedBacks(); len(list) > 0 {
		if said := l.browse(http.MethodPost, path+"/returns/"+list[0].rma+"/cancel", nil, unharmed()); said.Code != want {
			l.fail("return %s is cancelled under a wrong link: %d", list[0].rma, said.Code)
		}
	}
}

// cancelsOnPage takes a return back on its page. It says whether the customer went there.
func (l *life) cancelsOnPage(c *comeback) bool {
	if !l.otherWays() || l.page.link == "" || !l.chance(60) {
		return false
	}
	path := strings.TrimPrefix(l.page.link, pageHost)
	if l.linkError(path) != nil {
		return false
	}
	heard, f := httptest.NewRecorder(), l.chooseCut()
	r := l.visit(http.MethodPost, path+"/returns/"+c.rma+"/cancel", nil)
	l.note("the customer takes %s back on the page", c.rma)
	l.prepare(f)
	l.begin(func() {
		l.world.gateway.ServeHTTP(heard, r)
		if l.closing {
			return
		}
		_, notice, _ := strings.Cut(heard.Header().Get("Location"), "?said=")
		l.note("which is answered %d %s", heard.Code, notice)
		switch {
		case heard.Code == http.StatusSeeOther && notice == "cancelled":
			l.happened("return cancelled on the page")
			c.never = c.never || l.chance(70) // or it is sent all the same
		case heard.Code == http.StatusSeeOther && notice == "stored":
			l.happened("cancel on the page stored")
		case heard.Code == http.StatusConflict:
			l.happened("cancel on the page refused")
		case heard.Code < http.StatusInternalServerError:
			l.broken = fmt.Sprintf("the cancel of %s on the page is answered %d: %s", c.rma, heard.Code, heard.Body)
		}
	})
	l.clean(f)
	return true
}

// checkPage: the page of a genuine link shows the order, and all its returns that the customer knows of.
func (l *life) checkPage(page *httptest.ResponseRecorder, path string) {
	if page.Code >= http.StatusInternalServerError {
		return
	}
	if err := l.linkError(path); err != nil {
		if page.Code != http.StatusGone {
			l.fail("a link that has expired is answered %d", page.Code)
		}
		return
	}
	text := page.Body.String()
	if page.Code != http.StatusOK || !strings.Contains(text, "#"+l.key.Order) {
		l.fail("the return page is answered %d: %s", page.Code, text)
	}
	for _, f := range l.page.forms {
		rmas, granted := strings.CutPrefix(f.answer, "granted ")
		for rma := range strings.FieldsSeq(rmas) {
			if granted && !strings.Contains(text, rma) {
				l.fail("the return page does not show return %s", rma)
			}
		}
	}
	l.happened("return page seen")
}
