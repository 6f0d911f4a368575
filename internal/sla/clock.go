package sla

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ReminderForms names the forms of a reminder, for people.
const ReminderForms = "50% or 30m before"

// Reminder is a point between the start of a clock and its deadline: a percentage of the term
// ("50%") or an elapsed lead before the deadline ("30m before").
type Reminder struct {
	percent int
	lead    Term
}

var percentForm = regexp.MustCompile(`^([0-9]{1,2})\s*%$`)

// ParseReminder reads "1%" to "99%", or an elapsed term followed by "before".
func ParseReminder(text string) (Reminder, error) {
	plain := strings.ToLower(strings.TrimSpace(text))
	if found := percentForm.FindStringSubmatch(plain); found != nil {
		if percent, err := strconv.Atoi(found[1]); err == nil && percent > 0 {
			return Reminder{percent: percent}, nil
		}
	}
	if lead, ok := strings.CutSuffix(plain, " before"); ok {
		if term, err := ParseTerm(lead); err == nil && !term.Business() {
			return Reminder{lead: term}, nil
		}
	}
	return Reminder{}, fmt.Errorf("%q is not a reminder: want %s", text, ReminderForms)
}

func (r Reminder) String() string {
	if r.lead.IsZero() {
		return strconv.Itoa(r.percent) + "%"
	}
	return r.lead.String() + " before"
}

// MarshalText writes the text of String.
func (r Reminder) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (r *Reminder) UnmarshalText(text []byte) (err error) {
	*r, err = ParseReminder(string(text))
	return err
}

// Kind is what a clock waits for.
type Kind string

// The promises that a supplier contract puts a clock on.
const (
	Acknowledge        Kind = "acknowledge"
	Ship               Kind = "ship"
	CancelConfirmation Kind = "cancel_confirmation"
	Deliver            Kind = "deliver"
)

// Clock is a running promise. It holds instants and nothing to compute, so it can be kept and
// replayed whatever happens to the contract or the zone database later.
type Clock struct {
	Kind      Kind        `json:"kind"`
	StartedAt time.Time   `json:"started_at"`
	RemindAt  []time.Time `json:"remind_at,omitempty"`
	DueAt     time.Time   `json:"due_at"`
}

// Start puts a clock on a promise that began at `from`, in the supplier's zone. Errors: an
// unknown kind, an absent term, a calendar that does not Validate or never opens.
func Start(cal Calendar, kind Kind, term Term, reminders []Reminder, from time.Time) (Clock, error) {
	switch kind {
	case Acknowledge, Ship, CancelConfirmation, Deliver:
	default:
		return Clock{}, fmt.Errorf("start clock: %q is not a kind of clock", string(kind))
	}
	if term.IsZero() {
		return Clock{}, fmt.Errorf("start %s clock: %w", kind, errors.New("the contract states no term"))
	}
	due, err := deadline(cal, from, term)
	if err != nil {
		return Clock{}, fmt.Errorf("start %s clock for %q: %w", kind, term, err)
	}
	return Clock{
		Kind:      kind,
		StartedAt: from.In(due.Location()),
		RemindAt:  Reminders(cal, from, term, reminders),
		DueAt:     due,
	}, nil
}

// Late reports whether something that the supplier dates `at` broke the promise. Exactly at the
// deadline is in time. A clock that was never started makes nothing late.
func Late(clock Clock, at time.Time) bool {
	return !clock.DueAt.IsZero() && at.After(clock.DueAt)
}

// Reminders are the instants of the given points, ascending and without repeats, all after
// `from` and none after the deadline. A percentage of a business term counts opening time, so
// that half of eight business hours from Friday noon is not on Sunday. A lead longer than the
// window has no instant. A calendar without deadlines has no reminders.
func Reminders(cal Calendar, from time.Time, term Term, points []Reminder) []time.Time {
	s, err := cal.schedule()
	if err != nil || len(points) == 0 {
		return nil
	}
	due, err := deadline(cal, from, term)
	if err != nil {
		return nil
	}
	var at []time.Time
	for _, point := range points {
		instant, err := s.point(from.In(s.zone), due, term, point)
		if err == nil && instant.After(from) {
			at = append(at, instant)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	return slices.CompactFunc(at, time.Time.Equal)
}

func (s schedule) point(from, due time.Time, term Term, point Reminder) (time.Time, error) {
	if !point.lead.IsZero() {
		return due.Add(-point.lead.Elapsed()), nil
	}
	if !term.Business() {
		return from.Add(share(due.Sub(from), point.percent)), nil
	}
	w, start, err := s.received(from)
	if err != nil {
		return time.Time{}, err
	}
	return s.add(w, start, share(s.between(start, due), point.percent))
}

// share divides first: a year in nanoseconds times a percentage still fits, a century does not.
func share(whole time.Duration, percent int) time.Duration {
	return whole/100*time.Duration(percent) + whole%100*time.Duration(percent)/100
}
