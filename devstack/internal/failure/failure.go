// Package failure joins an error to what its reader needs besides: the one thing to do
// about it, and the last lines of the log that explains it.
package failure

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

// WithHint attaches advice, a sentence or two in the imperative, to err.
func WithHint(err error, hint string) error { return &hinted{error: err, hint: hint} }

// Hint returns the innermost advice attached to err, the most specific there is, or "".
func Hint(err error) string {
	advice := ""
	for h := (*hinted)(nil); errors.As(err, &h); err = h.error {
		advice = h.hint
	}
	return advice
}

type logged struct {
	error
	name, tail string
}

func (l *logged) Unwrap() error { return l.error }

// WithLog attaches the last lines of a log file, read now: the file may be gone later.
func WithLog(err error, path string) error {
	raw, readError := os.ReadFile(path)
	if readError != nil || len(raw) == 0 {
		return err
	}
	return &logged{error: err, name: filepath.Base(path), tail: LastLines(string(raw))}
}

// Log returns the name and last lines of the log attached to err, or "".
func Log(err error) (name, tail string) {
	if l := (*logged)(nil); errors.As(err, &l) {
		return l.name, l.tail
	}
	return "", ""
}

// LastLines cuts text down to what is worth showing after an error: a few lines of a width
// that fits a screen.
func LastLines(text string) string {
	const shown, width = 8, 240
	lines := strings.Split(strings.TrimSpace(text), "\n")
	lines = lines[max(0, len(lines)-shown):]
	for i, line := range lines {
		if len(line) > width {
			lines[i] = strings.ToValidUTF8(line[:width], "") + " ..."
		}
	}
	return strings.Join(lines, "\n")
}
