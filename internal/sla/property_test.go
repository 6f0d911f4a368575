package sla_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/sla"
)

// zoneNames include gaps and overlaps of an hour and of half an hour, at 02:00 and at midnight,
// a date that was skipped, and none at all.
var zoneNames = []string{
	"America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns",
	"Africa/Cairo", "Pacific/Apia", "America/Havana", "UTC",
}

func calendars() *rapid.Generator[sla.Calendar] {
	return rapid.Custom(func(t *rapid.T) sla.Calendar {
		cal := sla.Calendar{Zone: rapid.SampledFrom(zoneNames).Draw(t, "zone")}
		if rapid.IntRange(0, 9).Draw(t, "always") == 0 {
			cal.AlwaysOpen = true
			return cal
		}
		closing := sla.TimeOfDay(0)
		weekdays := rapid.SliceOfNDistinct(rapid.IntRange(0, 6), 1, 7, rapid.ID[int]).Draw(t, "weekdays")
		for _, weekday := range weekdays {
			open := rapid.IntRange(0, 23*60).Draw(t, "open")
			end := rapid.IntRange(open+60, 24*60).Draw(t, "close")
			cal.Days = append(cal.Days, sla.Day{Weekday: sla.Weekday(weekday), Open: sla.TimeOfDay(open), Close: sla.TimeOfDay(end)})
			closing = max(closing, sla.TimeOfDay(end))
		}
		cal.CutOff = sla.TimeOfDay(rapid.IntRange(0, int(closing)).Draw(t, "cut-off"))
		cal.Holidays = rapid.SliceOfN(holidayDays(), 0, 30).Draw(t, "holidays")
		return cal
	})
}

func holidayDays() *rapid.Generator[sla.Holiday] {
	return rapid.Custom(func(t *rapid.T) sla.Holiday {
		day := sla.Date{Year: 2009, Month: time.January, Day: 1}.AddDays(rapid.IntRange(0, 20*365).Draw(t, "day"))
		if rapid.Bool().Draw(t, "yearly") {
			day.Year = 0
		}
		return sla.Holiday(day)
	})
}

func instants() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		first := time.Date(2009, time.January, 1, 0, 0, 0, 0, time.UTC)
		return first.Add(time.Duration(rapid.Int64Range(0, 20*365*24*3600).Draw(t, "seconds")) * time.Second)
	})
}

func terms() *rapid.Generator[sla.Term] {
	return rapid.Custom(func(t *rapid.T) sla.Term {
		text := rapid.StringMatching(`[1-9][0-9]?([smhd]| business (hours|days)|( business days by ((0[1-9]|1[0-9]|2[0-3]):[0-5][0-9]|24:00)))`).Draw(t, "term")
		term, err := sla.ParseTerm(text)
		require.NoError(t, err)
		return term
	})
}

// inBusinessTime asks the question from the other side: closed instants lie between two opening
// moments, so at least one side of an instant in business time has opening time next to it.
func inBusinessTime(cal sla.Calendar, at time.Time) bool {
	return sla.BusinessDuration(cal, at.Add(-1), at.Add(1)) > 0
}

func TestDeadlineIsNeverBeforeItsStart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cal, from, term := calendars().Draw(t, "cal"), instants().Draw(t, "from"), terms().Draw(t, "term")
		require.NoError(t, cal.Validate())
		require.False(t, sla.Deadline(cal, from, term).Before(from))
	})
}

func TestDeadlineNeverRunsBackwardsInItsStart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cal, from, term := calendars().Draw(t, "cal"), instants().Draw(t, "from"), terms().Draw(t, "term")
		later := from.Add(time.Duration(rapid.Int64Range(0, int64(72*time.Hour)).Draw(t, "later")))
		require.False(t, sla.Deadline(cal, later, term).Before(sla.Deadline(cal, from, term)))
	})
}

func TestLongerTermIsNeverDueEarlier(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cal, from := calendars().Draw(t, "cal"), instants().Draw(t, "from")
		unit := rapid.SampledFrom([]string{"s", "m", "h", "d", " business hours", " business days", " business days by 12:00"}).Draw(t, "unit")
		short := rapid.IntRange(1, 40).Draw(t, "short")
		long := rapid.IntRange(short, 60).Draw(t, "long")
		term := func(count int) sla.Term { return sla.MustTerm(strconv.Itoa(count) + unit) }
		require.False(t, sla.Deadline(cal, from, term(long)).Before(sla.Deadline(cal, from, term(short))))
	})
}

func TestBusinessDeadlineLiesInBusinessTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cal, from := calendars().Draw(t, "cal"), instants().Draw(t, "from")
		term := terms().Filter(sla.Term.Business).Draw(t, "term")
		require.True(t, inBusinessTime(cal, sla.Deadline(cal, from, term)))
	})
}

func TestBusinessHoursTakeExactlyThatMuchOpeningTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cal, from := calendars().Draw(t, "cal"), instants().Draw(t, "from")
		cal.CutOff = 0
		hours := rapid.SampledFrom([]string{"1 business hour", "8 business hours", "40 business hours"}).Draw(t, "hours")
		want := map[string]time.Duration{"1 business hour": time.Hour, "8 business hours": 8 * time.Hour, "40 business hours": 40 * time.Hour}[hours]
		require.Equal(t, want, sla.BusinessDuration(cal, from, sla.Deadline(cal, from, sla.MustTerm(hours))))
	})
}

func TestBusinessDurationAddsUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cal, a := calendars().Draw(t, "cal"), instants().Draw(t, "from")
		b := a.Add(time.Duration(rapid.Int64Range(0, int64(400*time.Hour)).Draw(t, "b")))
		c := b.Add(time.Duration(rapid.Int64Range(0, int64(400*time.Hour)).Draw(t, "c")))
		ab, bc, ac := sla.BusinessDuration(cal, a, b), sla.BusinessDuration(cal, b, c), sla.BusinessDuration(cal, a, c)
		require.Equal(t, ac, ab+bc)
		require.GreaterOrEqual(t, ab, time.Duration(0))
		require.LessOrEqual(t, ac, c.Sub(a))
	})
}

func TestMoreHolidaysNeverBringADeadlineForward(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cal := calendars().Filter(func(cal sla.Calendar) bool { return !cal.AlwaysOpen }).Draw(t, "cal")
		from, term := instants().Draw(t, "from"), terms().Draw(t, "term")
		near := sla.DateIn(from, time.UTC).AddDays(rapid.IntRange(-2, 30).Draw(t, "near"))
		more := cal
		more.Holidays = append(append([]sla.Holiday{}, cal.Holidays...), sla.Holiday(near), holidayDays().Draw(t, "holiday"))
		require.False(t, sla.Deadline(more, from, term).Before(sla.Deadline(cal, from, term)))
	})
}

func TestTermSurvivesPrintAndParse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		term := terms().Draw(t, "term")
		again, err := sla.ParseTerm(term.String())
		require.NoError(t, err)
		require.Equal(t, term, again)
		require.Equal(t, term.String(), again.String())
	})
}

func TestRemindersStandBetweenStartAndDeadlineInOrder(t *testing.T) {
	t.Parallel()
	points := rapid.Custom(func(t *rapid.T) sla.Reminder {
		point, err := sla.ParseReminder(rapid.StringMatching(`[1-9][0-9]?(%|[smhd] before)`).Draw(t, "point"))
		require.NoError(t, err)
		return point
	})
	rapid.Check(t, func(t *rapid.T) {
		cal, from, term := calendars().Draw(t, "cal"), instants().Draw(t, "from"), terms().Draw(t, "term")
		due := sla.Deadline(cal, from, term)
		last := from
		for _, at := range sla.Reminders(cal, from, term, rapid.SliceOfN(points, 0, 5).Draw(t, "points")) {
			require.True(t, at.After(last))
			require.False(t, at.After(due))
			last = at
		}
	})
}
