package mailed

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
)

// Bounds of a message. Mail programs nest some four deep.
const (
	mostParts = 100
	mostDepth = 8
)

// header is that of a message or of one of its parts.
type header map[string][]string

func (h header) get(name string) string { return textproto.MIMEHeader(h).Get(name) }

// walk goes through the parts of a message and keeps what is attached.
type walk struct {
	parts int
	found []Attachment
}

func (w *walk) entity(h header, body io.Reader, depth int) error {
	media, parameters := mediaType(h.get("Content-Type"))
	if !strings.HasPrefix(media, "multipart/") {
		return w.leaf(h, media, parameters["name"], body)
	}
	if depth == mostDepth {
		return fmt.Errorf("%w: its parts are nested more than %d deep", ErrTooLarge, mostDepth)
	}
	if parameters["boundary"] == "" {
		return fmt.Errorf("%w: its parts have no boundary", ErrMalformed)
	}
	var came bytes.Buffer
	reader := multipart.NewReader(io.TeeReader(body, &came), parameters["boundary"])
	for {
		part, err := reader.NextRawPart()
		if err == io.EOF { // wrapped, it tells of a message that ends before its last boundary
			if !bytes.Contains(came.Bytes(), []byte("--"+parameters["boundary"]+"--")) { // it ends in a part's header
				return fmt.Errorf("%w: it ends early", ErrMalformed)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: it ends early, or a part cannot be read", ErrMalformed)
		}
		if w.parts++; w.parts > mostParts {
			return fmt.Errorf("%w: it has more than %d parts", ErrTooLarge, mostParts)
		}
		if err := w.entity(header(part.Header), part, depth+1); err != nil {
			return err
		}
	}
}

// mediaType reads a Content-Type; what cannot be read is a file of no known kind.
func mediaType(text string) (media string, parameters map[string]string) {
	if strings.TrimSpace(text) == "" {
		return "text/plain", nil
	}
	media, parameters, err := mime.ParseMediaType(text)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) || strings.Count(media, "/") != 1 || len(media) > 100 {
		return "application/octet-stream", nil
	}
	return media, parameters
}

// leaf keeps a part that is no text of the letter, and no picture in it.
func (w *walk) leaf(h header, media, name string, body io.Reader) error {
	disposition, named := disposition(h)
	names := []string{named, decoded(name), strings.ToLower(h.get("Content-Type"))}
	form := formOf(media, names)
	switch {
	case form != Other:
	case slices.Contains(signatures, media):
		return nil
	case strings.HasPrefix(media, "image/") && (disposition == "inline" || disposition == "" && h.get("Content-Id") != ""):
		return nil
	case strings.HasPrefix(media, "text/") && disposition != "attachment" && named == "" && name == "":
		return nil
	}
	content, err := decode(h.get("Content-Transfer-Encoding"), body)
	if err != nil {
		return err
	}
	w.found = append(w.found, Attachment{Form: form, Type: media, Body: content})
	return nil
}

// signatures are parts that only vouch for the others.
var signatures = []string{"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"}

// vague are types that mail programs give to files of any kind: the name's ending tells more.
var vague = []string{"application/octet-stream", "text/plain", "application/vnd.ms-excel", "application/x-msexcel"}

var types = map[string]Form{
	"text/csv": CSV, "application/csv": CSV, "text/x-csv": CSV, "text/comma-separated-values": CSV,
	"text/tab-separated-values": CSV, "application/json": JSON,
}

// endings are those of names, also where a name stands among other parameters.
var endings = regexp.MustCompile(`\.(csv|tsv|json)["']?\s*(?:;|$)`)

func formOf(media string, names []string) Form {
	if form, known := types[media]; known {
		return form
	}
	if slices.Contains(vague, media) {
		for _, name := range names {
			switch ending := endings.FindStringSubmatch(name); {
			case ending == nil:
			case ending[1] == "json":
				return JSON
			default:
				return CSV
			}
		}
	}
	return Other
}

// disposition says how a part is meant to be shown, and its name in lower case. A name that the library does not
// read (RFC 2231 in another alphabet than UTF-8) is taken as it stands: its ending is all that counts.
func disposition(h header) (how, name string) {
	text := h.get("Content-Disposition")
	how, parameters, err := mime.ParseMediaType(text)
	if err == nil && parameters["filename"] != "" {
		return how, decoded(parameters["filename"])
	}
	how, rest, _ := strings.Cut(strings.ToLower(text), ";")
	return strings.TrimSpace(how), strings.TrimSpace(rest)
}

// decoded reads a name as older programs write it (RFC 2047), in lower case.
func decoded(name string) string {
	if plain, err := new(mime.WordDecoder).DecodeHeader(name); err == nil {
		name = plain
	}
	return strings.ToLower(name)
}

func decode(encoding string, body io.Reader) ([]byte, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "7bit", "8bit", "binary":
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	default:
		return nil, fmt.Errorf("%w: an attachment is in an encoding that mail does not have", ErrMalformed)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("%w: an attachment ends early, or is not in the encoding that it names", ErrMalformed)
	}
	return content, nil
}
