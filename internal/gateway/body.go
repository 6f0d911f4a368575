package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxBody is far above any real order: 500 lines with all texts at their limits are 600 KB. huma
	// takes its own limit as the first size that is too large.
	maxBody = 1 << 20
	// maxDepth is far above any partner's documents, which nest some 10 deep.
	maxDepth = 64
	// maxTokens of our own documents: an order of 500 lines has 9,000. Each of a million empty members
	// would be a finding of its own, and the list of them some fifty times as long as the body.
	maxTokens = 20_000
)

// takeBody reads the body within limits and puts it back. strict: it is one of our own documents,
// so it is checked to be JSON that every reader understands alike. Partners' bodies are looked into
// only after their signature.
func takeBody(w http.ResponseWriter, r *http.Request, strict bool) error {
	if r.Header.Get("Content-Encoding") != "" {
		// Not even unpacked: a small body could become a huge one.
		return problem(unsupportedMedia, "Content-Encoding is not taken")
	}
	if err := checkType(r.Header.Values("Content-Type")); err != nil && (strict || !isCSV(r.Header.Values("Content-Type"))) {
		return err
	}
	if r.ContentLength > maxBody {
		return problem(tooLarge, "")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return problem(tooLarge, "")
	}
	if err != nil {
		return problem(malformed, "the body ended early")
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if !strict {
		return nil
	}
	_, err = scan(body, true)
	return err
}

func checkType(values []string) error {
	if len(values) == 1 {
		media, params, err := mime.ParseMediaType(values[0])
		charset, given := params["charset"]
		if err == nil && media == "application/json" && (!given || strings.EqualFold(charset, "utf-8")) {
			return nil
		}
	}
	return problem(unsupportedMedia, "")
}

// isCSV: a supplier's invoices may come as a file. What encoding it has is read from the file itself.
func isCSV(values []string) bool {
	if len(values) != 1 {
		return false
	}
	media, _, err := mime.ParseMediaType(values[0])
	return err == nil && media == "text/csv"
}

// frame is an object or array that the scan is inside of.
type frame struct {
	object  bool
	wantKey bool
	members map[string]bool
}

// walk is a scan under way.
type walk struct {
	strict bool
	open   []frame
	member string   // the name before the current value
	found  []string // the top-level values under "id", in any case of its letters
	values int      // documents that ended
}

// scan checks that a body is one JSON document and not nested too deep, without building it, and
// picks out the top-level text member "id". strict refuses what different readers understand
// differently: bytes that are no UTF-8, and members that stand twice. Its error is a *Problem.
func scan(body []byte, strict bool) (id string, err error) {
	if strict && !utf8.Valid(body) {
		return "", problem(malformed, "the body is not valid UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	w := walk{strict: strict}
	for count := 0; ; count++ {
		if strict && count > maxTokens {
			return "", problem(tooLarge, "the body holds more values than any order: at most "+strconv.Itoa(maxTokens))
		}
		token, err := decoder.Token()
		ended := len(w.open) == 0 && w.values == 1
		if ended && errors.Is(err, io.EOF) {
			break
		}
		if ended || err != nil {
			return "", problem(malformed, "the body is not one JSON document")
		}
		if err := w.take(token); err != nil {
			return "", err
		}
	}
	if len(w.found) == 1 {
		id = w.found[0]
	}
	return id, nil
}

func (w *walk) take(token json.Token) error {
	var top *frame
	if len(w.open) > 0 {
		top = &w.open[len(w.open)-1]
	}
	delim, isDelim := token.(json.Delim)
	switch {
	case isDelim && (delim == '}' || delim == ']'):
		w.open = w.open[:len(w.open)-1]
	case top != nil && top.wantKey:
		return w.name(top, token)
	case isDelim && len(w.open) == maxDepth:
		return problem(malformed, "the body is nested too deep")
	case isDelim:
		w.open = append(w.open, frame{object: delim == '{', wantKey: delim == '{', members: map[string]bool{}})
		return nil
	case len(w.open) == 1 && top.object && strings.EqualFold(w.member, "id"):
		text, _ := token.(string)
		if w.member != "id" {
			text = ""
		}
		w.found = append(w.found, text)
	}
	// A value ended: the next token of its object is a name.
	if len(w.open) == 0 {
		w.values++
	} else if top = &w.open[len(w.open)-1]; top.object {
		top.wantKey = true
	}
	return nil
}

func (w *walk) name(top *frame, token json.Token) error {
	w.member, _ = token.(string)
	top.wantKey = false
	if !w.strict {
		return nil
	}
	// As encoding/json compares them: "ſku" is "sku", too.
	folded := strings.ToLower(strings.ToUpper(w.member))
	if top.members[folded] {
		return problem(malformed, "a member stands twice in one object")
	}
	top.members[folded] = true
	return nil
}

// nowhere is an answer of which only the headers are of interest.
type nowhere http.Header

func (n nowhere) Header() http.Header         { return http.Header(n) }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}
