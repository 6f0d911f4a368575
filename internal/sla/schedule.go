package sla

import (
	"errors"
	"fmt"
	"time"
)

// Bounds of a search: the dates looked at for the next business day, and the business days that
// opening hours may be collected from. No supplier closes for ten years; a calendar that says so
// is a mistake in its holidays or hours.
const (
	longestClosure = 3660
	mostDays       = 3660
)

var (
	errClosed = errors.New("the calendar has no business day within ten years: check its holidays")
	errHours  = fmt.Errorf("the term takes more than %d business days: check the hours of the calendar", mostDays)
)

// schedule is a valid calendar made ready for search.
type schedule struct {
	zone     *time.Location
	always   bool
	hours    [7]Day
	cutOff   TimeOfDay
	holidays map[Holiday]bool
}

// window is the business time of one date: [open, close).
type window struct {
	date        Date
	open, close time.Time
	// byCutOff is the last instant at which an order still counts for this date; with none
	// stated that is anything before the close.
	byCutOff time.Time
}

func (c Calendar) schedule() (schedule, error) {
	if err := c.Validate(); err != nil {
		return schedule{}, fmt.Errorf("calendar: %w", err)
	}
	zone, err := c.Location()
	if err != nil {
		return schedule{}, err
	}
	s := schedule{zone: zone, always: c.AlwaysOpen, cutOff: c.CutOff}
	for _, day := range c.Days {
		s.hours[day.Weekday] = day
	}
	s.holidays = make(map[Holiday]bool, len(c.Holidays))
	for _, holiday := range c.Holidays {
		s.holidays[holiday] = true
	}
	return s, nil
}

// on is the window of a date; false if the supplier is closed, which includes hours that a
// clock change swallowed whole.
func (s schedule) on(date Date) (window, bool) {
	day := s.hours[date.Weekday()]
	if s.always {
		day = Day{Open: midnight, Close: endOfDay}
	}
	yearly := Holiday{Month: date.Month, Day: date.Day}
	if day.Close == 0 || s.holidays[Holiday(date)] || s.holidays[yearly] {
		return window{}, false
	}
	w := window{date: date, open: s.instant(date, day.Open), close: s.instant(date, day.Close)}
	w.byCutOff = w.close.Add(-1)
	if s.cutOff != 0 && s.cutOff <= day.Close {
		w.byCutOff = s.instant(date, s.cutOff)
	}
	return w, w.open.Before(w.close)
}

// after is the first window on a date later than the given one.
func (s schedule) after(date Date) (window, error) {
	for range longestClosure {
		date = date.AddDays(1)
		if w, open := s.on(date); open {
			return w, nil
		}
	}
	return window{}, errClosed
}

// first is the earliest window that passes, from the date of the instant on: every earlier date
// ended at its midnight, also where the clock is later set back across it.
func (s schedule) first(at time.Time, passes func(window) bool) (window, error) {
	w, err := s.after(DateIn(at, s.zone).AddDays(-1))
	for err == nil && !passes(w) {
		w, err = s.after(w.date)
	}
	return w, err
}

// received is the window for which an order counts, and the instant from which it does.
func (s schedule) received(at time.Time) (window, time.Time, error) {
	w, err := s.first(at, func(w window) bool { return !at.After(w.byCutOff) })
	return w, latest(at.In(s.zone), w.open), err
}

// add counts business time on from an instant inside or before a window. Time that runs out
// exactly at a closing is due at that closing, not at the next opening.
func (s schedule) add(w window, from time.Time, span time.Duration) (time.Time, error) {
	for range mostDays {
		start := latest(from, w.open)
		if left := w.close.Sub(start); span <= left {
			return start.Add(span), nil
		} else if left > 0 {
			span -= left
		}
		var err error
		if w, err = s.after(w.date); err != nil {
			return time.Time{}, err
		}
	}
	return time.Time{}, errHours
}

// between is the business time from a to b, for a not after b.
func (s schedule) between(a, b time.Time) time.Duration {
	var total time.Duration
	w, err := s.first(a, func(w window) bool { return a.Before(w.close) })
	for err == nil && w.open.Before(b) {
		total += earliest(b, w.close).Sub(latest(a, w.open))
		w, err = s.after(w.date)
	}
	return total
}

// zoneReach is more than any zone's offset from UTC, now or in history.
const zoneReach = 36 * time.Hour

// instant is the earliest moment at which the clock on the wall shows this reading or a later
// one: the end of the gap if the reading was skipped, the first of two if it came twice. Being
// the earliest of ever later readings, it never runs backwards, so windows never overlap.
func (s schedule) instant(date Date, reading TimeOfDay) time.Time {
	wall := date.utc(reading)
	at := wall.Add(-zoneReach).In(s.zone)
	for {
		_, offset := at.Zone()
		_, end := at.ZoneBounds()
		shown := latest(at, wall.Add(-time.Duration(offset)*time.Second).In(s.zone))
		if end.IsZero() || shown.Before(end) {
			return shown
		}
		at = end
	}
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
