package gateway

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // the kinds of pictures that are taken
	_ "image/png"
	"io"
	"mime/multipart"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
)

// What a customer may send with one form.
const (
	maxPictures = 4
	maxPicture  = 6 << 20  // bytes; phones make 2 to 5 MB
	maxForm     = 20 << 20 // bytes, pictures and all
	maxField    = 8 << 10  // bytes of one field that is no picture
	maxParts    = 1100     // parts: two for each of 500 lines, and the others
	maxNote     = 1000     // characters
	maxSide     = 20_000   // pixels
	// formTime is how long the form may take to come: pictures over a phone's network. formWrite is until
	// when the answer has to be out.
	formTime  = 60 * time.Second
	formWrite = formTime + writeTime
	// formIdle is how long it may take with nothing come, and formPace, in bytes a second, what buys it more: who
	// opens a form and sends nothing takes a place for a short time only.
	formIdle = 10 * time.Second
	formPace = 16 << 10
)

// pageForm is a customer's form as it came.
type pageForm struct {
	request    string
	quantities map[int]string
	reasons    map[int]string
	resolution string
	enclosed   returndesk.Enclosed
	// pictureProblem is what is wrong with the pictures, in the customer's words.
	pictureProblem string
}

// requestMark makes a form's request its own: a form that is sent twice asks once.
var requestMark = regexp.MustCompile(`^page-[A-Z2-7]{26}$`)

func newRequestMark() string { return "page-" + rand.Text() }

var (
	errFormLarge   = &stop{http.StatusRequestEntityTooLarge, "That was too much at once", "Go back, and send at most 4 pictures of at most 6 MB each."}
	errFormUnclear = &stop{http.StatusBadRequest, "We could not read that", "Nothing was sent. Go back, load the page again, and fill the form in once more."}
	errFormTwice   = &stop{
		http.StatusTooManyRequests, "One form at a time, please",
		"Another form for this order is still being sent. Wait a few seconds and load this page again; if your browser asks, let it send the form again.",
	}
	errAskedTooMuch = &stop{
		http.StatusConflict, "Please write to us about this one",
		"Many returns or pictures of this order have come already, and nothing was sent this time. Reply to our message, and a person looks at it.",
	}
	errFormBusy = &stop{
		http.StatusServiceUnavailable, "Many people are sending pictures right now",
		"Nothing was sent and nothing is lost. Wait a few seconds and load this page again; if your browser asks, let it send the form again.",
	}
)

// paced reads a form, whose time runs out sooner the less of it has come.
type paced struct {
	from       io.ReadCloser
	began      time.Time
	came       int64
	connection *http.ResponseController
}

func (p *paced) Read(into []byte) (int, error) {
	_ = p.connection.SetReadDeadline(p.began.Add(allowance(p.came))) // only a test's connection has no deadline
	n, err := p.from.Read(into)
	p.came += int64(n)
	return n, err
}

func (p *paced) Close() error { return p.from.Close() }

// allowance is how long a form may take of which so many bytes have come.
func allowance(came int64) time.Duration {
	return min(formIdle+time.Duration(came)*time.Second/formPace, formTime)
}

// readForm takes a form in, within limits of time and size.
func readForm(w http.ResponseWriter, r *http.Request) (*pageForm, error) {
	if r.Header.Get("Content-Encoding") != "" {
		return nil, errFormUnclear
	}
	connection, now := http.NewResponseController(w), time.Now()
	_ = connection.SetWriteDeadline(now.Add(formWrite))
	body := &paced{from: r.Body, began: now, connection: connection}
	limited := &io.LimitedReader{R: body, N: maxForm + 1}
	r.Body = struct {
		io.Reader
		io.Closer
	}{limited, r.Body}
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, errFormUnclear
	}
	f := &pageForm{quantities: map[int]string{}, reasons: map[int]string{}}
	err = f.read(parts)
	if limited.N <= 0 {
		// A browser shows the answer only when it could send the rest.
		_, _ = io.CopyN(io.Discard, limited.R, 2*maxForm)
		return nil, errFormLarge
	}
	if err == nil {
		// A deadline that passes while the form is judged would end the request.
		_ = connection.SetReadDeadline(now.Add(formWrite))
	}
	return f, err
}

func (f *pageForm) read(parts *multipart.Reader) error {
	for range maxParts {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errFormUnclear
		}
		if part.FormName() == "photos" {
			err = f.takePicture(part)
		} else {
			err = f.takeField(part)
		}
		if err != nil {
			return err
		}
	}
	return errFormUnclear
}

func (f *pageForm) takeField(part *multipart.Part) error {
	text, err := io.ReadAll(io.LimitReader(part, maxField+1))
	if err != nil || len(text) > maxField || !utf8.Valid(text) {
		return errFormUnclear
	}
	name, value := part.FormName(), string(text)
	switch name {
	case "request":
		f.request = value
	case "resolution":
		f.resolution = value
	case "note":
		f.enclosed.Note = plainNote(value)
	}
	if line, found := strings.CutPrefix(name, "quantity-"); found {
		return takeLine(f.quantities, line, value)
	}
	if line, found := strings.CutPrefix(name, "reason-"); found {
		return takeLine(f.reasons, line, value)
	}
	return nil
}

func takeLine(into map[int]string, line, value string) error {
	n, err := strconv.Atoi(line)
	if _, twice := into[n]; err != nil || twice || n < 1 {
		return errFormUnclear
	}
	into[n] = value
	return nil
}

// plainNote is the customer's words without what does not belong into text.
func plainNote(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.Map(func(r rune) rune {
		if r != '\n' && unicode.IsControl(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// takePicture keeps a picture that is one. A field without a file is no picture.
func (f *pageForm) takePicture(part *multipart.Part) error {
	body, err := io.ReadAll(io.LimitReader(part, maxPicture+1))
	switch {
	case err != nil:
		return errFormUnclear
	case len(body) == 0:
		return nil
	case len(f.enclosed.Pictures) == maxPictures:
		f.pictureProblem = fmt.Sprintf("Add at most %d pictures.", maxPictures)
	case len(body) > maxPicture:
		f.pictureProblem = "One of the pictures is larger than 6 MB. Add a smaller one."
	default:
		mediaType := pictureType(body)
		if mediaType == "" {
			f.pictureProblem = "One of the files is no picture that we can read. Add JPEG or PNG pictures."
			break
		}
		f.enclosed.Pictures = append(f.enclosed.Pictures, returndesk.Picture{MediaType: mediaType, Body: body})
		return nil
	}
	_, err = io.Copy(io.Discard, part)
	if err != nil {
		return errFormUnclear
	}
	return nil
}

// pictureType reads from the content, whatever its name says, what kind of picture it is; "" for anything else.
// The picture is not unpacked.
func pictureType(body []byte) string {
	sniffed := http.DetectContentType(body)
	if sniffed != "image/jpeg" && sniffed != "image/png" {
		return "" // whatever else this program can read
	}
	size, format, err := image.DecodeConfig(bytes.NewReader(body))
	if err != nil || sniffed != "image/"+format || size.Width < 1 || size.Height < 1 || size.Width > maxSide || size.Height > maxSide {
		return ""
	}
	return sniffed
}

// wishes is a form that was understood, or what is wrong with it by field.
type wishes struct {
	request  returns.Request
	problems map[string]string
}

// understand checks a form against what may be asked for. Whether it is granted is judged later.
func (f *pageForm) understand(s *returndesk.Sight) wishes {
	u := wishes{
		request:  returns.Request{ID: f.request, Resolution: returns.Resolution(f.resolution), Photos: len(f.enclosed.Pictures), By: returndesk.ByCustomer},
		problems: map[string]string{},
	}
	for i := range s.Lines {
		u.takeLine(f, &s.Lines[i])
	}
	for line := range f.quantities {
		if !hasLine(s, line) {
			u.problems["form"] = "The form was for another order. Please fill it in once more."
		}
	}
	switch {
	case len(u.request.Lines) == 0 && len(u.problems) == 0:
		u.problems["form"] = "Choose how many of at least one article you send back."
	case u.request.Resolution == "":
		u.request.Resolution = returns.Refund
	}
	if !offered(s, u.request.Resolution) {
		u.problems["resolution"] = "Choose one of these."
	}
	if f.pictureProblem != "" {
		u.problems["photos"] = f.pictureProblem
	}
	if utf8.RuneCountInString(f.enclosed.Note) > maxNote {
		u.problems["note"] = fmt.Sprintf("Write at most %d characters.", maxNote)
	}
	return u
}

func hasLine(s *returndesk.Sight, line int) bool {
	for i := range s.Lines {
		if s.Lines[i].Line == line {
			return true
		}
	}
	return false
}

func (u *wishes) takeLine(f *pageForm, l *returndesk.SightLine) {
	at := strconv.Itoa(l.Line)
	value := strings.TrimSpace(f.quantities[l.Line])
	if value == "" || value == "0" {
		return
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 1 || n > max(l.Quantity, 1) {
		u.problems["quantity-"+at] = "Choose a number from this list."
		return
	}
	reason := returns.Reason(f.reasons[l.Line])
	if _, known := reasonWords[reason]; !known {
		u.problems["reason-"+at] = "Say why you send it back."
		return
	}
	u.request.Lines = append(u.request.Lines, returns.RequestedLine{Line: l.Line, Quantity: n, Reason: reason})
}
