package sla_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/sla"
)

const stamp = "2006-01-02T15:04:05Z07:00"

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(stamp, text)
	require.NoError(t, err)
	return at
}

func timeOfDay(t *testing.T, text string) sla.TimeOfDay {
	t.Helper()
	at, err := sla.ParseTimeOfDay(text)
	require.NoError(t, err)
	return at
}

func holidays(t *testing.T, texts ...string) []sla.Holiday {
	t.Helper()
	var all []sla.Holiday
	for _, text := range texts {
		holiday, err := sla.ParseHoliday(text)
		require.NoError(t, err)
		all = append(all, holiday)
	}
	return all
}

func week(t *testing.T, open, closing string, days ...time.Weekday) []sla.Day {
	t.Helper()
	var all []sla.Day
	for _, day := range days {
		all = append(all, sla.Day{Weekday: sla.Weekday(day), Open: timeOfDay(t, open), Close: timeOfDay(t, closing)})
	}
	return all
}

// office is open Monday to Friday, 09:00 to 17:00, with a cut-off at 14:00.
func office(t *testing.T, zone string, closed ...string) sla.Calendar {
	t.Helper()
	return sla.Calendar{
		Zone:     zone,
		Days:     week(t, "09:00", "17:00", time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday),
		CutOff:   timeOfDay(t, "14:00"),
		Holidays: holidays(t, closed...),
	}
}

func everyDay(t *testing.T, zone, open, closing string) sla.Calendar {
	t.Helper()
	return sla.Calendar{Zone: zone, Days: week(t, open, closing, 0, 1, 2, 3, 4, 5, 6)}
}

func TestDeadlineFollowsTheSuppliersCalendar(t *testing.T) {
	t.Parallel()
	newYork := office(t, "America/New_York", "2026-12-24", "12-25", "01-01", "2026-07-03")
	berlin := everyDay(t, "Europe/Berlin", "00:00", "06:00")
	lordHowe := everyDay(t, "Australia/Lord_Howe", "00:00", "06:00")
	shortFriday := office(t, "America/New_York")
	shortFriday.Days[4].Close = timeOfDay(t, "13:00")
	always := func(zone string) sla.Calendar { return sla.Calendar{Zone: zone, AlwaysOpen: true} }
	for name, c := range map[string]struct {
		cal              sla.Calendar
		from, term, want string
	}{
		"hours within a day":                  {newYork, "2026-06-03T10:00:00-04:00", "2 business hours", "2026-06-03T12:00:00-04:00"},
		"hours that end at closing":           {newYork, "2026-06-05T13:00:00-04:00", "4 business hours", "2026-06-05T17:00:00-04:00"},
		"hours over a weekend":                {newYork, "2026-06-05T13:00:00-04:00", "8 business hours", "2026-06-08T13:00:00-04:00"},
		"received before opening":             {newYork, "2026-06-03T05:00:00-04:00", "8 business hours", "2026-06-03T17:00:00-04:00"},
		"exactly at the cut-off is in time":   {newYork, "2026-06-05T14:00:00-04:00", "1 business day", "2026-06-08T17:00:00-04:00"},
		"friday after the cut-off is monday":  {newYork, "2026-06-05T14:00:01-04:00", "1 business day by 12:00", "2026-06-09T12:00:00-04:00"},
		"hours from friday after cut-off":     {newYork, "2026-06-05T14:00:01-04:00", "2 business hours", "2026-06-08T11:00:00-04:00"},
		"closed before the cut-off is monday": {shortFriday, "2026-06-05T13:30:00-04:00", "1 business day", "2026-06-09T17:00:00-04:00"},
		"saturday is monday":                  {newYork, "2026-06-06T10:00:00-04:00", "1 business day by 12:00", "2026-06-09T12:00:00-04:00"},
		"noon of the next business day":       {newYork, "2026-06-03T10:00:00-04:00", "1 business day by 12:00", "2026-06-04T12:00:00-04:00"},
		"by a time after closing":             {newYork, "2026-06-03T10:00:00-04:00", "1 business day by 20:00", "2026-06-04T17:00:00-04:00"},
		"by a time before opening":            {newYork, "2026-06-03T10:00:00-04:00", "1 business day by 06:00", "2026-06-04T09:00:00-04:00"},
		"asked in another zone":               {newYork, "2026-06-04T01:00:00+09:00", "1 business day", "2026-06-04T17:00:00-04:00"},
		"year end with two holidays":          {newYork, "2026-12-23T15:00:00-05:00", "1 business day", "2026-12-29T17:00:00-05:00"},
		"yearly holiday in another year":      {newYork, "2027-12-31T10:00:00-05:00", "1 business day", "2028-01-03T17:00:00-05:00"},
		"leap day is a business day":          {newYork, "2028-02-28T10:00:00-05:00", "1 business day", "2028-02-29T17:00:00-05:00"},
		"elapsed ignores the calendar":        {newYork, "2026-06-05T16:59:59-04:00", "72h", "2026-06-08T16:59:59-04:00"},
		"elapsed over spring forward":         {newYork, "2026-03-07T12:00:00-05:00", "24h", "2026-03-08T13:00:00-04:00"},
		"elapsed over fall back":              {newYork, "2026-10-31T12:00:00-04:00", "1d", "2026-11-01T11:00:00-05:00"},
		"business days over spring forward":   {newYork, "2026-03-06T10:00:00-05:00", "1 business day by 12:00", "2026-03-09T12:00:00-04:00"},
		"four seconds":                        {newYork, "2026-06-05T16:59:59-04:00", "4s", "2026-06-05T17:00:03-04:00"},

		"berlin night loses an hour":     {berlin, "2026-03-29T00:00:00+01:00", "5 business hours", "2026-03-29T06:00:00+02:00"},
		"berlin night gains an hour":     {berlin, "2026-10-25T00:00:00+02:00", "7 business hours", "2026-10-25T06:00:00+01:00"},
		"berlin due in the gap":          {berlin, "2026-03-28T01:00:00+01:00", "1 business day by 02:30", "2026-03-29T03:00:00+02:00"},
		"berlin due in the overlap":      {berlin, "2026-10-24T01:00:00+02:00", "1 business day by 02:30", "2026-10-25T02:30:00+02:00"},
		"hours swallowed by the gap":     {everyDay(t, "Europe/Berlin", "02:00", "03:00"), "2026-03-28T02:00:00+01:00", "1 business day", "2026-03-30T03:00:00+02:00"},
		"kolkata keeps its half hour":    {office(t, "Asia/Kolkata"), "2026-03-06T08:30:01Z", "1 business day by 12:00", "2026-03-10T12:00:00+05:30"},
		"lord howe loses half an hour":   {lordHowe, "2026-10-04T00:00:00+10:30", "330m", "2026-10-04T06:00:00+11:00"},
		"lord howe night is 5.5 hours":   {lordHowe, "2026-10-04T00:00:00+10:30", "6 business hours", "2026-10-05T00:30:00+11:00"},
		"lord howe night is 6.5 hours":   {lordHowe, "2026-04-05T00:00:00+11:00", "6 business hours", "2026-04-05T05:30:00+10:30"},
		"a date that never was in apia":  {always("Pacific/Apia"), "2011-12-29T12:00:00-10:00", "1 business day", "2012-01-01T00:00:00+14:00"},
		"always open days end midnight":  {always("America/New_York"), "2026-06-06T10:00:00-04:00", "2 business days", "2026-06-09T00:00:00-04:00"},
		"always open hours just elapse":  {always("America/New_York"), "2026-03-07T22:00:00-05:00", "8 business hours", "2026-03-08T07:00:00-04:00"},
		"midnight skipped in cairo":      {always("Africa/Cairo"), "2026-04-23T10:00:00+02:00", "1 business day", "2026-04-25T00:00:00+03:00"},
		"day set back over midnight":     {always("America/St_Johns"), "2010-11-05T12:00:00-02:30", "1 business day", "2010-11-07T00:00:00-02:30"},
		"hours set back over midnight":   {always("America/St_Johns"), "2010-11-06T23:30:00-02:30", "2 business hours", "2010-11-07T00:30:00-03:30"},
		"received at midnight is a date": {always("Asia/Kolkata"), "2026-06-06T00:00:00+05:30", "1 business day", "2026-06-08T00:00:00+05:30"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			due := sla.Deadline(c.cal, instant(t, c.from), sla.MustTerm(c.term))
			require.Equal(t, c.want, due.Format(stamp))
			require.Equal(t, c.cal.Zone, due.Location().String())
		})
	}
}

func TestLongHolidayRunIsCrossed(t *testing.T) {
	t.Parallel()
	cal := office(t, "Asia/Kolkata")
	day := sla.Date{Year: 2026, Month: time.June, Day: 2}
	for range 400 {
		cal.Holidays = append(cal.Holidays, sla.Holiday(day))
		day = day.AddDays(1)
	}
	due := sla.Deadline(cal, instant(t, "2026-06-01T10:00:00+05:30"), sla.MustTerm("1 business day"))
	require.Equal(t, "2027-07-07T17:00:00+05:30", due.Format(stamp))
}

func TestTenYearClosureIsAnErrorNotALoop(t *testing.T) {
	t.Parallel()
	cal := office(t, "UTC")
	day := sla.Date{Year: 2026, Month: time.January, Day: 1}
	for range 4000 {
		cal.Holidays = append(cal.Holidays, sla.Holiday(day))
		day = day.AddDays(1)
	}
	from := instant(t, "2026-02-01T10:00:00Z")
	_, err := sla.Start(cal, sla.Ship, sla.MustTerm("1 business day"), nil, from)
	require.ErrorContains(t, err, "no business day within ten years")
	require.True(t, sla.Deadline(cal, from, sla.MustTerm("1 business day")).IsZero())
}

func TestTermThatOutlastsItsOpeningMinutesIsAnError(t *testing.T) {
	t.Parallel()
	cal := sla.Calendar{Zone: "UTC", Days: week(t, "09:00", "09:01", time.Monday)}
	_, err := sla.Start(cal, sla.Ship, sla.MustTerm("100 business hours"), nil, instant(t, "2026-02-01T10:00:00Z"))
	require.ErrorContains(t, err, "more than 3660 business days")
}

func TestBusinessDurationCountsOpeningTimeOnly(t *testing.T) {
	t.Parallel()
	cal := office(t, "America/New_York", "2026-06-08")
	friday, tuesday := instant(t, "2026-06-05T16:00:00-04:00"), instant(t, "2026-06-09T10:30:00-04:00")
	require.Equal(t, 150*time.Minute, sla.BusinessDuration(cal, friday, tuesday))
	require.Equal(t, -150*time.Minute, sla.BusinessDuration(cal, tuesday, friday))
	require.Zero(t, sla.BusinessDuration(cal, instant(t, "2026-06-06T00:00:00-04:00"), instant(t, "2026-06-09T09:00:00-04:00")))
	always := sla.Calendar{Zone: "America/New_York", AlwaysOpen: true}
	require.Equal(t, tuesday.Sub(friday), sla.BusinessDuration(always, friday, tuesday))
}

func TestTermPrintsAsWritten(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"2h", "45m", "4s", "90m", "72h", "10d",
		"1 business hour", "8 business hours", "1 business day", "2 business days", "1 business day by 12:00", "3 business days by 09:30",
	} {
		term, err := sla.ParseTerm(text)
		require.NoError(t, err)
		require.Equal(t, text, term.String())
	}
	loose, err := sla.ParseTerm("  2  Business Day BY 12:00 ")
	require.NoError(t, err)
	require.Equal(t, "2 business days by 12:00", loose.String())
}

func TestBadTermNamesTheAcceptedForms(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "2", "h", "-2h", "1.5h", "2 busness days", "1h30m", "999999999999999999999h",
		"2 days by 12:00", "8 business hours by 12:00", "1 business day by 25:00", "1 business day by 00:00", "1 business day by 9:00",
	} {
		_, err := sla.ParseTerm(text)
		require.ErrorContains(t, err, sla.TermForms, text)
	}
	for _, text := range []string{"0h", "0 business days", "367d", "367 business days", "99999999s"} {
		_, err := sla.ParseTerm(text)
		require.ErrorContains(t, err, "no longer than a year", text)
	}
}

func TestElapsedLengthOfATerm(t *testing.T) {
	t.Parallel()
	require.Equal(t, 240*time.Hour, sla.MustTerm("10d").Elapsed())
	require.Zero(t, sla.MustTerm("2 business days").Elapsed())
	require.True(t, sla.MustTerm("8 business hours").Business())
	require.False(t, sla.MustTerm("8h").Business())
}

func TestRemindersAreOrderedOnceAndInsideTheWindow(t *testing.T) {
	t.Parallel()
	cal := office(t, "America/New_York")
	points := func(texts ...string) (all []sla.Reminder) {
		for _, text := range texts {
			point, err := sla.ParseReminder(text)
			require.NoError(t, err)
			require.Equal(t, text, point.String())
			all = append(all, point)
		}
		return all
	}
	for name, c := range map[string]struct {
		term string
		at   []sla.Reminder
		want []string
	}{
		"elapsed":                      {"2h", points("30m before", "50%", "75%"), []string{"2026-06-05T14:00:00-04:00", "2026-06-05T14:30:00-04:00"}},
		"half of opening time":         {"8 business hours", points("50%"), []string{"2026-06-05T17:00:00-04:00"}},
		"three quarters after weekend": {"8 business hours", points("75%"), []string{"2026-06-08T11:00:00-04:00"}},
		"lead longer than the window":  {"2h", points("2h before", "5h before"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, at := range sla.Reminders(cal, instant(t, "2026-06-05T13:00:00-04:00"), sla.MustTerm(c.term), c.at) {
				got = append(got, at.Format(stamp))
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestBadReminderNamesTheAcceptedForms(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "0%", "100%", "0.5", "50", "1 business day before", "30m", "before"} {
		_, err := sla.ParseReminder(text)
		require.ErrorContains(t, err, sla.ReminderForms, text)
	}
}

func TestClockJudgesByTheSuppliersTimestamp(t *testing.T) {
	t.Parallel()
	half, err := sla.ParseReminder("50%")
	require.NoError(t, err)
	from := instant(t, "2026-06-03T14:00:00Z")
	clock, err := sla.Start(office(t, "America/New_York"), sla.Acknowledge, sla.MustTerm("2h"), []sla.Reminder{half}, from)
	require.NoError(t, err)
	require.Equal(t, "2026-06-03T10:00:00-04:00", clock.StartedAt.Format(stamp))
	require.Equal(t, "2026-06-03T12:00:00-04:00", clock.DueAt.Format(stamp))
	require.Len(t, clock.RemindAt, 1)
	require.False(t, sla.Late(clock, instant(t, "2026-06-03T16:00:00Z")))
	require.True(t, sla.Late(clock, instant(t, "2026-06-03T16:00:00Z").Add(1)))
	require.False(t, sla.Late(sla.Clock{}, from))

	kept, err := json.Marshal(clock)
	require.NoError(t, err)
	var again sla.Clock
	require.NoError(t, json.Unmarshal(kept, &again))
	require.Equal(t, clock.DueAt.UnixNano(), again.DueAt.UnixNano())
}

func TestStartSaysWhyItCannot(t *testing.T) {
	t.Parallel()
	good, from, term := office(t, "UTC"), instant(t, "2026-06-03T14:00:00Z"), sla.MustTerm("2h")
	_, err := sla.Start(good, "lunch", term, nil, from)
	require.ErrorContains(t, err, `"lunch" is not a kind`)
	_, err = sla.Start(good, sla.Ship, sla.Term{}, nil, from)
	require.ErrorContains(t, err, "states no term")
	_, err = sla.Start(sla.Calendar{Zone: "UTC"}, sla.Ship, term, nil, from)
	require.ErrorContains(t, err, "without a business day")
}

func TestCalendarReportsEverythingWrongAtOnce(t *testing.T) {
	t.Parallel()
	cal := office(t, "Mars/Olympus")
	cal.Days = append(cal.Days, week(t, "17:00", "09:00", time.Monday)...)
	cal.CutOff = timeOfDay(t, "18:00")
	cal.Holidays = []sla.Holiday{{Month: time.February, Day: 30}}
	err := cal.Validate()
	for _, part := range []string{"Mars/Olympus", "mon stands twice", "opens at 17:00 and closes at 09:00", "cut-off 18:00 is after", "02-30 is not a day"} {
		require.ErrorContains(t, err, part)
	}
	for _, zone := range []string{"", "Local"} {
		require.ErrorContains(t, sla.Calendar{Zone: zone, AlwaysOpen: true}.Validate(), "not a time zone")
	}
	mixed := office(t, "UTC")
	mixed.AlwaysOpen = true
	require.ErrorContains(t, mixed.Validate(), "always open")
}

func TestCalendarWithEveryDayAYearlyHolidayIsRefused(t *testing.T) {
	t.Parallel()
	cal := office(t, "UTC")
	day := sla.Date{Year: 2028, Month: time.January, Day: 1}
	for range 366 {
		cal.Holidays = append(cal.Holidays, sla.Holiday{Month: day.Month, Day: day.Day})
		day = day.AddDays(1)
	}
	require.ErrorContains(t, cal.Validate(), "without a business day")
}

func TestCalendarSurvivesJSON(t *testing.T) {
	t.Parallel()
	cal := office(t, "Europe/Berlin", "12-25", "02-29", "2026-05-14")
	kept, err := json.Marshal(cal)
	require.NoError(t, err)
	require.Contains(t, string(kept), `{"day":"mon","open":"09:00","close":"17:00"}`)
	require.Contains(t, string(kept), `"holidays":["12-25","02-29","2026-05-14"]`)
	var again sla.Calendar
	require.NoError(t, json.Unmarshal(kept, &again))
	require.Equal(t, cal, again)
}
