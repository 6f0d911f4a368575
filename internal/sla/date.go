package sla

import (
	"fmt"
	"strings"
	"time"
)

// Date is a day on a supplier's wall calendar, in the supplier's own zone. Its text is
// "2026-12-25".
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// ParseDate reads "2026-12-25"; a day that does not exist (2026-02-30) is an error.
func ParseDate(text string) (Date, error) {
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return Date{}, fmt.Errorf("%q is not a date: want a day that exists, written 2026-12-25", text)
	}
	return dateOf(day), nil
}

// DateIn is the day that the clock on the wall shows at an instant in a zone.
func DateIn(at time.Time, zone *time.Location) Date { return dateOf(at.In(zone)) }

func dateOf(at time.Time) Date {
	year, month, day := at.Date()
	return Date{Year: year, Month: month, Day: day}
}

func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

// IsZero reports an absent date.
func (d Date) IsZero() bool { return d == Date{} }

// Before reports whether d is an earlier day than other.
func (d Date) Before(other Date) bool { return d.utc(0).Before(other.utc(0)) }

// Weekday is the day of the week.
func (d Date) Weekday() time.Weekday { return d.utc(0).Weekday() }

// AddDays counts calendar days on, or back with a negative number.
func (d Date) AddDays(days int) Date {
	return dateOf(time.Date(d.Year, d.Month, d.Day+days, 0, 0, 0, 0, time.UTC))
}

// utc reads the wall time as if it were UTC: a zone-free way to compare and count.
func (d Date) utc(at TimeOfDay) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, int(at), 0, 0, time.UTC)
}

// MarshalText writes the text of String; an absent date is empty.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Date) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	*d, err = ParseDate(string(text))
	return err
}

// Holiday is a day on which a supplier is closed: one date ("2026-12-25") or, with year 0, the
// same day every year ("12-25").
type Holiday Date

// ParseHoliday reads "2026-12-25" or "12-25".
func ParseHoliday(text string) (Holiday, error) {
	if len(text) == len("12-25") {
		// 2000 was a leap year, so that a yearly 02-29 is a day that exists.
		if day, err := time.Parse(time.DateOnly, "2000-"+text); err == nil {
			return Holiday{Month: day.Month(), Day: day.Day()}, nil
		}
	}
	day, err := ParseDate(text)
	if err != nil {
		return Holiday{}, fmt.Errorf("%q is not a holiday: want a day that exists, written 2026-12-25, or 12-25 for every year", text)
	}
	return Holiday(day), nil
}

// Yearly reports a holiday that recurs every year.
func (h Holiday) Yearly() bool { return h.Year == 0 }

func (h Holiday) String() string {
	if h.Yearly() {
		return fmt.Sprintf("%02d-%02d", h.Month, h.Day)
	}
	return Date(h).String()
}

// MarshalText writes the text of String.
func (h Holiday) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (h *Holiday) UnmarshalText(text []byte) (err error) {
	*h, err = ParseHoliday(string(text))
	return err
}

// TimeOfDay is a reading of the clock on the wall, in minutes since midnight: 0 to 1440, where
// 1440 ("24:00") is the end of the day. Its text is "09:00".
type TimeOfDay int

const (
	midnight  TimeOfDay = 0
	endOfDay  TimeOfDay = 24 * 60
	clockForm           = "15:04"
)

// ParseTimeOfDay reads "09:00" to "24:00".
func ParseTimeOfDay(text string) (TimeOfDay, error) {
	if text == "24:00" {
		return endOfDay, nil
	}
	at, err := time.Parse(clockForm, text)
	if err != nil || len(text) != len(clockForm) {
		return 0, fmt.Errorf("%q is not a time of day: want 00:00 to 24:00, with two digits each", text)
	}
	return TimeOfDay(at.Hour()*60 + at.Minute()), nil
}

func (t TimeOfDay) String() string { return fmt.Sprintf("%02d:%02d", int(t)/60, int(t)%60) }

// MarshalText writes the text of String.
func (t TimeOfDay) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (t *TimeOfDay) UnmarshalText(text []byte) (err error) {
	*t, err = ParseTimeOfDay(string(text))
	return err
}

// Weekday is a day of the week whose text is its first three letters: "mon".
type Weekday time.Weekday

var weekdayNames = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// ParseWeekday reads "mon" to "sun", and the full English name.
func ParseWeekday(text string) (Weekday, error) {
	lower := strings.ToLower(text)
	for day, name := range weekdayNames {
		if lower == name || lower == strings.ToLower(time.Weekday(day).String()) {
			return Weekday(day), nil
		}
	}
	return 0, fmt.Errorf("%q is not a day of the week: want mon, tue, wed, thu, fri, sat or sun", text)
}

func (w Weekday) String() string {
	if w < 0 || int(w) >= len(weekdayNames) {
		return fmt.Sprintf("weekday %d", int(w))
	}
	return weekdayNames[w]
}

// MarshalText writes the text of String.
func (w Weekday) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (w *Weekday) UnmarshalText(text []byte) (err error) {
	*w, err = ParseWeekday(string(text))
	return err
}
