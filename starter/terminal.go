package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dropline/dropline/internal/order"
)

// The voice: one fact a line, the most important one first; words before numbers; what to do stands
// where the problem stands. Colour repeats what the words say, and only on a terminal.

// isTerminal: a person is watching. NO_COLOR (no-color.org) is respected.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (p *program) paint(code, text string) string {
	if !p.colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *program) say(format string, args ...any) { fmt.Fprintf(p.out, format+"\n", args...) }

func (p *program) heading(text string) { p.say("\n%s", p.paint(bold, text)) }

// plain keeps what partners wrote from steering the terminal.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r):
			return ' '
		}
		return r
	}, text)
}

// writeJSON writes a document for programs.
func (p *program) writeJSON(document any) error {
	encoder := json.NewEncoder(p.out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(document)
}

// table aligns rows under a head. The last column is not padded.
func (p *program) table(head []string, rows [][]string) {
	widths := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(plain(cell)))
		}
	}
	line := func(row []string) string {
		var b strings.Builder
		for i, cell := range row {
			cell = strings.ReplaceAll(plain(cell), "\n", " ")
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		return strings.TrimRight(b.String(), " ")
	}
	p.say("%s", p.paint(dim, line(head)))
	for _, row := range rows {
		p.say("%s", line(row))
	}
}

// moment prints a time in UTC; empty when there is none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// deadline prints a time in the zone it carries: a supplier's in the supplier's own.
func deadline(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return order.Clock(t)
}

// words makes a code readable.
func words(code string) string { return strings.ReplaceAll(code, "_", " ") }

// readInput reads a file, or the standard input for "-".
func (p *program) readInput(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(p.in)
	}
	return os.ReadFile(name) //nolint:gosec // the operator names the file
}
