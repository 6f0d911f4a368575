// Package carrier turns carriers' scans into the standing of a parcel: which milestone the
// customer would be told, whether it was ever really handed over, and what to watch for next. It
// does no I/O; adapters below it read carriers' documents.
package carrier

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Scan is one event that a carrier reported for a parcel: evidence, kept as it came.
type Scan struct {
	Carrier  string `json:"carrier"`  // as Name writes it
	Tracking string `json:"tracking"` // as Number writes it
	// ID is the natural key: the same event told twice, in any document, has the same ID.
	ID string `json:"id"`
	// Status is the carrier's own word, with its qualifier after a slash where it gave one:
	// "in_transit", "in_transit/weather_delay".
	Status string `json:"status"`
	// Text is the carrier's message without the place. It may hold personal data ("signed for by
	// ..."), so it stays in Postgres.
	Text string    `json:"text,omitempty"`
	At   time.Time `json:"at"` // when the carrier says that it happened
}

// NewScan makes a scan with its natural key. The place is no part of the key, because carriers
// spell it differently in a push and in the answer to a poll.
func NewScan(carrier, tracking, status, text string, at time.Time) Scan {
	s := Scan{
		Carrier:  Name(carrier),
		Tracking: Number(tracking),
		Status:   oneLine(status),
		Text:     oneLine(text),
		At:       at.UTC().Round(0),
	}
	hash := sha256.New()
	for _, part := range []string{s.Carrier, s.Tracking, s.At.Format(time.RFC3339Nano), s.Status, s.Text} {
		hash.Write([]byte(strconv.Quote(part)))
	}
	s.ID = hex.EncodeToString(hash.Sum(nil)[:16])
	return s
}

// oneLine keeps out what Postgres does not store and what could break a log line or a terminal: a
// status never seen before is shown to people.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	}), " ")
}

// Name is a carrier's name as Dropline compares it: lower-case letters and digits, so that
// "FedEx", "FEDEX" and "Fed Ex" are one.
func Name(carrier string) string { return strings.ToLower(alphanumeric(carrier)) }

// Number is a tracking number as Dropline compares it: upper-case letters and digits, so that a
// number printed in groups equals the same number in one piece.
func Number(tracking string) string { return strings.ToUpper(alphanumeric(tracking)) }

func alphanumeric(s string) string {
	return strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return -1
	}, s)
}

// Since keeps the scans from a time on. Carriers recycle tracking numbers after months, so a
// parcel's standing is derived from the scans since shortly before its own label, not from those
// of the parcel that carried the number before.
func Since(scans []Scan, from time.Time) []Scan {
	kept := make([]Scan, 0, len(scans))
	for _, s := range scans {
		if !s.At.Before(from) {
			kept = append(kept, s)
		}
	}
	return kept
}

// byEventTime orders scans by when they happened; what happened at the same instant, by how far it
// takes the parcel, so that the order in which the scans came in never matters.
func byEventTime(a, b reading) int {
	return cmp.Or(
		a.at.Compare(b.at),
		cmp.Compare(rank[a.milestone], rank[b.milestone]),
		cmp.Compare(a.contradiction, b.contradiction),
	)
}
