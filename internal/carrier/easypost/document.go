// Package easypost reads EasyPost's trackers: the tracker.updated event that it pushes, and the
// answer to a poll.
package easypost

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/carrier"
)

// Limits of a document. A tracker with a long life has some 60 scans of 400 bytes each.
const (
	MaxPush    = 1 << 20 // bytes of one event
	MaxBatch   = 16 << 20
	maxDepth   = 32
	maxScans   = 1000
	maxText    = 1000 // bytes of a carrier's message; the rest is cut off
	maxWord    = 64   // bytes of a status with its detail
	maxTracker = 200  // trackers in one answer
)

var (
	// ErrMalformed: the document cannot be read as a tracker event. It will not get better.
	ErrMalformed = errors.New("not an EasyPost tracker document")
	// ErrOtherEvent: a well-formed event about something else; acknowledge and ignore it.
	ErrOtherEvent = errors.New("not a tracker event")
)

// Push is one tracker event.
type Push struct {
	EventID  string // natural key of the event
	Carrier  string // as carrier.Name writes it
	Tracking string // as carrier.Number writes it
	Scans    []carrier.Scan
	// Unplaced counts scans left out because they carry no readable time.
	Unplaced int
}

type event struct {
	ID          string   `json:"id"`
	Description string   `json:"description"`
	Result      *tracker `json:"result"`
}

type tracker struct {
	Carrier      string   `json:"carrier"`
	TrackingCode string   `json:"tracking_code"`
	Status       string   `json:"status"`
	StatusDetail string   `json:"status_detail"`
	UpdatedAt    string   `json:"updated_at"`
	Details      []detail `json:"tracking_details"`
}

type detail struct {
	Message      string `json:"message"`
	Status       string `json:"status"`
	StatusDetail string `json:"status_detail"`
	Datetime     string `json:"datetime"`
}

var idShape = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,128}$`)

// ParsePush reads the body of a tracker event whose signature was verified. Errors are
// ErrMalformed or ErrOtherEvent and repeat nothing of the body.
func ParsePush(body []byte) (Push, error) {
	if len(body) > MaxPush {
		return Push{}, fmt.Errorf("%w: %d bytes, more than %d", ErrMalformed, len(body), MaxPush)
	}
	var e event
	if err := decode(body, &e); err != nil {
		return Push{}, err
	}
	if !strings.HasPrefix(e.Description, "tracker.") {
		return Push{}, ErrOtherEvent
	}
	if !idShape.MatchString(e.ID) {
		return Push{}, fmt.Errorf("%w: the event has no usable id", ErrMalformed)
	}
	if e.Result == nil {
		return Push{}, fmt.Errorf("%w: the event has no result", ErrMalformed)
	}
	read, err := e.Result.read()
	if err != nil {
		return Push{}, err
	}
	return Push{EventID: e.ID, Carrier: read.Carrier, Tracking: read.Tracking, Scans: read.Scans, Unplaced: read.Unplaced}, nil
}

// decode refuses deep nesting before decoding, and never repeats the body's content in an error.
func decode(body []byte, into any) error {
	if depth(body) > maxDepth {
		return fmt.Errorf("%w: nested deeper than %d", ErrMalformed, maxDepth)
	}
	err := json.Unmarshal(body, into)
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrongType):
		kind, _, _ := strings.Cut(wrongType.Value, " ") // "number 7": the number is the document's
		return fmt.Errorf("%w: field %.64q holds a %.32s", ErrMalformed, wrongType.Field, kind)
	case err != nil:
		return fmt.Errorf("%w: invalid JSON", ErrMalformed)
	}
	return nil
}

// depth is the deepest nesting of brackets outside strings.
func depth(body []byte) int {
	deepest, level, inString := 0, 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case !inString && (c == '{' || c == '['):
			level++
			deepest = max(deepest, level)
		case !inString && (c == '}' || c == ']'):
			level--
		}
	}
	return deepest
}

func (t tracker) read() (Tracked, error) {
	r := Tracked{Parcel: Parcel{Carrier: carrier.Name(t.Carrier), Tracking: carrier.Number(t.TrackingCode)}}
	if r.Tracking == "" || len(r.Tracking) > maxWord || len(r.Carrier) > maxWord {
		return Tracked{}, fmt.Errorf("%w: no usable tracking number or carrier", ErrMalformed)
	}
	if len(t.Details) > maxScans {
		return Tracked{}, fmt.Errorf("%w: %d scans, more than %d", ErrMalformed, len(t.Details), maxScans)
	}
	told := false
	for _, d := range t.Details {
		told = told || d.Status == t.Status
		r.add(d.Status, d.StatusDetail, d.Message, d.Datetime)
	}
	// Some carriers set the tracker's status without an event of their own; that is a scan too.
	if milestone, _ := carrier.Normalise(t.Status); !told && milestone != "" {
		r.add(t.Status, t.StatusDetail, "", t.UpdatedAt)
	}
	return r, nil
}

func (r *Tracked) add(status, qualifier, text, datetime string) {
	when, err := time.Parse(time.RFC3339, datetime)
	// Read in UTC: the last hours of year 9999 in the west are a year that no document can hold.
	if when = when.UTC(); err != nil || when.Year() < 2000 || when.Year() > 2100 {
		r.Unplaced++
		return
	}
	if qualifier != "" && qualifier != "unknown" && qualifier != status {
		status += "/" + qualifier
	}
	r.Scans = append(r.Scans, carrier.NewScan(r.Carrier, r.Tracking, cut(status, maxWord), cut(text, maxText), when))
}

func cut(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "")
}
