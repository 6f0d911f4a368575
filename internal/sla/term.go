package sla

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// TermForms names the forms of a term, for people.
const TermForms = "2h, 45m, 30s, 10d, 8 business hours, 2 business days or 1 business day by 12:00"

// Term is how long a contract gives. Two families:
//
//   - elapsed: "72h", "45m", "4s", "10d" (a day is 24 hours); the clock on the wall runs
//     through nights and holidays, and neither cut-off nor opening hours matter;
//   - business: "8 business hours" counts opening hours; "2 business days" is the end of the
//     second business day after the day of receipt; "1 business day by 12:00" is noon of the
//     next business day. The day of receipt follows the cut-off.
//
// The zero Term is absent. Terms compare with ==.
type Term struct {
	count int
	unit  unit
	// by is the time of day at which the last business day is due; zero: its close.
	by TimeOfDay
}

type unit string

const (
	second       unit = "s"
	minute       unit = "m"
	hour         unit = "h"
	day          unit = "d"
	businessHour unit = "business hour"
	businessDay  unit = "business day"
)

// span is the length of one unit; a business day has none, because days differ.
func (u unit) span() time.Duration {
	switch u {
	case second:
		return time.Second
	case minute:
		return time.Minute
	case hour, businessHour:
		return time.Hour
	case day:
		return 24 * time.Hour
	default:
		return 0
	}
}

// The longest terms: a leap year of time, of opening hours around the clock, or of business days.
const (
	longestElapsed       = 366 * 24 * time.Hour
	longestBusinessHours = 366 * 24
	longestBusinessDays  = 366
)

var (
	elapsedForm  = regexp.MustCompile(`^([0-9]{1,8})\s*([smhd])$`)
	businessForm = regexp.MustCompile(`^([0-9]{1,8}) (business (?:hour|day))s?(?: by ([0-9:]{5}))?$`)
)

// ParseTerm reads a term; case and repeated spaces do not matter. The error names the forms.
func ParseTerm(text string) (Term, error) {
	plain := strings.ToLower(strings.Join(strings.Fields(text), " "))
	term, ok := matchTerm(plain)
	if !ok {
		return Term{}, fmt.Errorf("%q is not a term: want %s", text, TermForms)
	}
	if term.count < 1 || term.tooLong() {
		return Term{}, fmt.Errorf("%q is not a term: it must be longer than nothing and no longer than a year", text)
	}
	return term, nil
}

func matchTerm(plain string) (Term, bool) {
	if found := elapsedForm.FindStringSubmatch(plain); found != nil {
		count, err := strconv.Atoi(found[1])
		return Term{count: count, unit: unit(found[2])}, err == nil
	}
	found := businessForm.FindStringSubmatch(plain)
	if found == nil {
		return Term{}, false
	}
	count, err := strconv.Atoi(found[1])
	term := Term{count: count, unit: unit(found[2])}
	if found[3] == "" || err != nil {
		return term, err == nil
	}
	term.by, err = ParseTimeOfDay(found[3])
	return term, err == nil && term.unit == businessDay && term.by > midnight
}

func (t Term) tooLong() bool {
	switch t.unit {
	case businessHour:
		return t.count > longestBusinessHours
	case businessDay:
		return t.count > longestBusinessDays
	default:
		// Counted in units: a large count of days is more than a Duration holds, and would be negative.
		return t.count > int(longestElapsed/t.unit.span())
	}
}

// MustTerm is ParseTerm for terms written in the program; it panics on a bad one.
func MustTerm(text string) Term {
	term, err := ParseTerm(text)
	if err != nil {
		panic(err)
	}
	return term
}

// IsZero reports an absent term.
func (t Term) IsZero() bool { return t == Term{} }

// Business reports a term that needs a calendar.
func (t Term) Business() bool { return t.unit == businessHour || t.unit == businessDay }

// Elapsed is the length of an elapsed term; zero for a business term, which has no length
// without a calendar, and for an absent one.
func (t Term) Elapsed() time.Duration {
	if t.Business() {
		return 0
	}
	return time.Duration(t.count) * t.unit.span()
}

func (t Term) String() string {
	if t.IsZero() {
		return ""
	}
	if !t.Business() {
		return strconv.Itoa(t.count) + string(t.unit)
	}
	text := fmt.Sprintf("%d %s", t.count, t.unit)
	if t.count != 1 {
		text += "s"
	}
	if t.by != 0 {
		text += " by " + t.by.String()
	}
	return text
}

// MarshalText writes the text of String; an absent term is empty.
func (t Term) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (t *Term) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*t = Term{}
		return nil
	}
	*t, err = ParseTerm(string(text))
	return err
}

// Deadline is the last instant at which a term that started at `from` is kept, in the
// supplier's zone. A calendar that does not Validate, or that is closed for ten years on
// end, has no deadlines: the result is then the zero time (Start says why).
func Deadline(cal Calendar, from time.Time, term Term) time.Time {
	due, err := deadline(cal, from, term)
	if err != nil {
		return time.Time{}
	}
	return due
}

func deadline(cal Calendar, from time.Time, term Term) (time.Time, error) {
	s, err := cal.schedule()
	if err != nil {
		return time.Time{}, err
	}
	if !term.Business() {
		return from.In(s.zone).Add(term.Elapsed()), nil
	}
	w, start, err := s.received(from)
	if err != nil {
		return time.Time{}, err
	}
	if term.unit == businessHour {
		return s.add(w, start, time.Duration(term.count)*time.Hour)
	}
	for range term.count {
		if w, err = s.after(w.date); err != nil {
			return time.Time{}, err
		}
	}
	if term.by == 0 {
		return w.close, nil
	}
	// A day that opens later or closes earlier than the stated time is due within its hours.
	return latest(w.open, earliest(w.close, s.instant(w.date, term.by))), nil
}

// BusinessDuration is the opening time between two instants, negative if b is before a, and
// zero on a calendar that does not Validate.
func BusinessDuration(cal Calendar, a, b time.Time) time.Duration {
	s, err := cal.schedule()
	switch {
	case err != nil:
		return 0
	case s.always:
		return b.Sub(a)
	case b.Before(a):
		return -s.between(b, a)
	default:
		return s.between(a, b)
	}
}
