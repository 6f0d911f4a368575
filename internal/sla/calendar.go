// Package sla holds the time rules of a supplier contract: the supplier's calendar, the terms
// that a contract promises, and the clocks that hold a supplier to them. It reads no clock:
// every instant is given by the caller.
//
// Zones come from the IANA database of the running program. Two programs with different
// editions of it may differ about a future deadline, so a deadline is computed once and kept.
package sla

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Calendar says when a supplier works, in the supplier's own zone. Windows are half open: at the
// closing minute the supplier is closed.
type Calendar struct {
	// Zone is an IANA name such as "America/New_York".
	Zone string `json:"zone"`
	// AlwaysOpen is a supplier that works 24/7; Days, CutOff and Holidays are then empty.
	AlwaysOpen bool `json:"always_open,omitempty"`
	// Days are the business days, each with its hours.
	Days []Day `json:"days,omitempty"`
	// CutOff is the last minute at which an order still counts as received that day; an order
	// after it counts as received at the opening of the next business day. Zero: closing time.
	CutOff TimeOfDay `json:"cut_off,omitzero"`
	// Holidays are closed, whatever the weekday.
	Holidays []Holiday `json:"holidays,omitempty"`
}

// Day is a business day of the week and its opening hours. Close may be "24:00"; hours that
// cross midnight are two days.
type Day struct {
	Weekday Weekday   `json:"day"`
	Open    TimeOfDay `json:"open"`
	Close   TimeOfDay `json:"close"`
}

// leastWeekdaysAYear is how often every weekday comes in any year: fewer yearly holidays than
// this per business weekday leave a business day in every year.
const leastWeekdaysAYear = 52

// Validate says everything that is wrong with the calendar, joined into one error.
func (c Calendar) Validate() error {
	var problems []error
	if _, err := loadZone(c.Zone); err != nil {
		problems = append(problems, err)
	}
	if c.AlwaysOpen {
		if len(c.Days) > 0 || c.CutOff != 0 || len(c.Holidays) > 0 {
			problems = append(problems, errors.New("an always open calendar has no business days, hours, cut-off or holidays: leave out either side"))
		}
		return errors.Join(problems...)
	}
	problems = append(problems, c.checkDays()...)
	problems = append(problems, c.checkHolidays()...)
	return errors.Join(problems...)
}

func (c Calendar) checkDays() (problems []error) {
	if len(c.Days) == 0 {
		return []error{errors.New("a calendar without a business day has no deadlines: name the business days and their hours, or always open")}
	}
	var seen [7]bool
	latest := midnight
	for _, day := range c.Days {
		if day.Weekday < 0 || int(day.Weekday) >= len(seen) {
			problems = append(problems, fmt.Errorf("%s is not a day of the week", day.Weekday))
			continue
		}
		if seen[day.Weekday] {
			problems = append(problems, fmt.Errorf("%s stands twice among the business days", day.Weekday))
		}
		seen[day.Weekday] = true
		if day.Open < midnight || day.Close > endOfDay || day.Open >= day.Close {
			problems = append(problems, fmt.Errorf("%s opens at %s and closes at %s: closing comes after opening, on the same day", day.Weekday, day.Open, day.Close))
		}
		latest = max(latest, day.Close)
	}
	if c.CutOff < midnight || c.CutOff > latest {
		problems = append(problems, fmt.Errorf("cut-off %s is after the latest closing %s: an order can only count for a day while it is open", c.CutOff, latest))
	}
	return problems
}

func (c Calendar) checkHolidays() (problems []error) {
	yearly := 0
	for _, holiday := range c.Holidays {
		if parsed, err := ParseHoliday(holiday.String()); err != nil || parsed != holiday {
			problems = append(problems, fmt.Errorf("holiday %s is not a day that exists", holiday))
		}
		if holiday.Yearly() {
			yearly++
		}
	}
	if len(c.Days) > 0 && yearly >= leastWeekdaysAYear*len(c.Days) {
		problems = append(problems, fmt.Errorf("%d yearly holidays can leave a year without a business day", yearly))
	}
	return problems
}

// Location is the zone of the calendar.
func (c Calendar) Location() (*time.Location, error) { return loadZone(c.Zone) }

// zones keeps what the zone database said, because the standard library reads it anew each time.
var zones sync.Map

func loadZone(name string) (*time.Location, error) {
	if known, ok := zones.Load(name); ok {
		return known.(*time.Location), nil //nolint:forcetypeassert // only loadZone stores here
	}
	// "" and "Local" would load, as UTC and as whatever the machine is set to.
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("%q is not a time zone: want an IANA name such as America/New_York", name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is not a time zone: want an IANA name such as America/New_York: %w", name, err)
	}
	zones.Store(name, zone)
	return zone, nil
}
