package sla_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/sla"
)

func FuzzParseTermPrintsBack(f *testing.F) {
	for _, text := range []string{"1 business day by 12:00", "72h", "8 Business  Hours", "99999999d", "0h", "1 business day by 24:00", "1٢h"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		term, err := sla.ParseTerm(text)
		if err != nil {
			require.Zero(t, term)
			return
		}
		again, err := sla.ParseTerm(term.String())
		require.NoError(t, err)
		require.Equal(t, term, again)
		require.GreaterOrEqual(t, term.Elapsed(), time.Duration(0))
		require.LessOrEqual(t, term.Elapsed(), 366*24*time.Hour)
	})
}

func FuzzParseReminderPrintsBack(f *testing.F) {
	for _, text := range []string{"50%", "1h before", "100%", "0%", "1 business hour before", "%"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		reminder, err := sla.ParseReminder(text)
		if err != nil {
			require.Zero(t, reminder)
			return
		}
		again, err := sla.ParseReminder(reminder.String())
		require.NoError(t, err)
		require.Equal(t, reminder, again)
	})
}

func FuzzDaysAndTimesPrintBack(f *testing.F) {
	for _, text := range []string{"2026-12-25", "12-25", "02-29", "0000-01-01", "09:00", "24:00", "mon", "Sunday", "ſun", "9999-12-31"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if date, err := sla.ParseDate(text); err == nil {
			again, err := sla.ParseDate(date.String())
			require.NoError(t, err)
			require.Equal(t, date, again)
			require.Equal(t, text, date.String())
		}
		if holiday, err := sla.ParseHoliday(text); err == nil {
			again, err := sla.ParseHoliday(holiday.String())
			require.NoError(t, err)
			require.Equal(t, holiday, again)
		}
		if at, err := sla.ParseTimeOfDay(text); err == nil {
			require.Equal(t, text, at.String())
		}
		if day, err := sla.ParseWeekday(text); err == nil {
			again, err := sla.ParseWeekday(day.String())
			require.NoError(t, err)
			require.Equal(t, day, again)
		}
	})
}

const workWeek = `{"zone":"America/New_York","days":[{"day":"mon","open":"09:00","close":"17:00"},{"day":"fri","open":"09:00","close":"24:00"}],"cut_off":"14:00","holidays":["12-25","2026-07-03"]}`

func FuzzCalendar(f *testing.F) {
	f.Add([]byte(workWeek), "2 business days", int64(1_772_000_000))
	f.Add([]byte(`{"zone":"Asia/Kolkata","always_open":true}`), "10d", int64(0))
	f.Add([]byte(`{"zone":"Pacific/Apia","days":[{"day":"fri","open":"00:00","close":"24:00"}]}`), "366 business days", int64(1_325_200_000))
	f.Add([]byte(`{"zone":"../../etc/passwd","days":[{"day":"sun","open":"00:00","close":"00:01"}]}`), "8784 business hours", int64(1))
	f.Fuzz(func(t *testing.T, text []byte, length string, seconds int64) {
		var calendar sla.Calendar
		if len(text) > 4<<10 || json.Unmarshal(text, &calendar) != nil {
			return
		}
		term, err := sla.ParseTerm(length)
		if err != nil {
			return
		}
		// Times of day beyond a year 9999 have no text.
		from := time.Unix(seconds%4_000_000_000, 0)
		due := sla.Deadline(calendar, from, term)
		if calendar.Validate() != nil {
			require.Zero(t, due, "a calendar that is none has no deadlines")
			return
		}
		if !due.IsZero() {
			require.False(t, due.Before(from))
			require.Less(t, due.Sub(from), 40*366*24*time.Hour)
		}
		written, err := json.Marshal(calendar)
		require.NoError(t, err)
		var again sla.Calendar
		require.NoError(t, json.Unmarshal(written, &again))
		require.True(t, due.Equal(sla.Deadline(again, from, term)), "what is stored decides the same")
	})
}

// 107,000 days are more than 64 bits of nanoseconds: the term was taken, and its deadline lay in 1980.
func TestTermLongerThanADurationIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"107000d", "99999999d", "367d", "99999999h", "8785h", "99999999m", "99999999s"} {
		_, err := sla.ParseTerm(text)
		require.ErrorContains(t, err, "no longer than a year", text)
	}
	for _, text := range []string{"366d", "8784h", "1s"} {
		_, err := sla.ParseTerm(text)
		require.NoError(t, err, text)
	}
}
