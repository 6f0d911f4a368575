package claims_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/order"
)

const day = 24 * time.Hour

var opened = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func open() claims.State {
	return claims.State{
		ID: "shop/1/acme/I1", Reference: claims.Reference("shop/1/acme/I1"), Key: order.Key{Storefront: "shop", Order: "1"}, Name: "Acme", Currency: "EUR",
		OpenedAt: opened, Terms: claims.Terms{ChaseAfter: []time.Duration{7 * day, 14 * day}, EscalateAfter: 21 * day},
		Standing: claims.Standing{News: 1, Open: 500},
	}
}

// until does every step that is due by the days.
func until(s claims.State, days ...int) (claims.State, []claims.Step) {
	var done []claims.Step
	for _, d := range days {
		now := opened.Add(time.Duration(d) * day)
		for step := s.Due(now); step != claims.StepNone; step = s.Due(now) {
			done = append(done, step)
			s = s.Take(step, now)
		}
	}
	return s, done
}

func TestASupplierIsToldRemindedAndThenAPersonIsAsked(t *testing.T) {
	t.Parallel()
	s := open()
	stages := []claims.Stage{}
	for _, d := range []int{0, 7, 14, 21, 300} {
		s, _ = until(s, d)
		stages = append(stages, s.Stage())
	}
	require.Equal(t, []claims.Stage{claims.StageAsked, claims.StageChased, claims.StageChased, claims.StageEscalated, claims.StageEscalated}, stages)
	require.Equal(t, 3, s.Letters)
	require.True(t, s.NeedsAttention())
	require.Empty(t, s.Deadlines(), "a person decides now")
	require.Contains(t, s.Card(), "starter claim settle "+s.Reference)
	s.Learn(claims.Standing{News: 2})
	s, done := until(s, 301)
	require.Equal(t, []claims.Step{claims.StepClose}, done)
	require.False(t, s.NeedsAttention())
}

func TestRemindersThatNobodySentInTimeAreNotMadeUpFor(t *testing.T) {
	t.Parallel()
	_, done := until(open(), 0, 15)
	require.Equal(t, []claims.Step{claims.StepAsk, claims.StepChase}, done, "one letter stands for both")
	_, done = until(open(), 0, 100)
	require.Equal(t, []claims.Step{claims.StepAsk, claims.StepEscalate}, done)
}

func TestARefusalIsAPersonsToDecideAtOnce(t *testing.T) {
	t.Parallel()
	s := open()
	s.Answer = claims.Refused
	_, done := until(s, 0)
	require.Equal(t, []claims.Step{claims.StepAsk, claims.StepEscalate}, done)
	s.Answer = claims.Accepted
	s, done = until(s, 0)
	require.Equal(t, []claims.Step{claims.StepAsk}, done, "a promise is no credit")
	require.Equal(t, opened.Add(7*day), s.Deadlines()[0].At)
}

func TestWhatIsSettledAlreadyEndsQuietly(t *testing.T) {
	t.Parallel()
	s := open()
	s.Open = 0
	s, done := until(s, 0, 400)
	require.Equal(t, []claims.Step{claims.StepClose}, done)
	require.Zero(t, s.Letters)
}

// News come in any order and more than once: the newest counts.
func TestOldNewsChangeNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		news := []claims.Standing{{News: 2, Open: 300}, {News: 3, Open: 300, Answer: claims.Refused}, {News: 4, Open: 100, Answer: claims.Refused}, {News: 5, Answer: claims.Refused}}
		s := open()
		for range rapid.IntRange(0, 8).Draw(t, "early") {
			s.Learn(rapid.SampledFrom(news).Draw(t, "news"))
		}
		s.Learn(news[3])
		for range rapid.IntRange(0, 8).Draw(t, "late") {
			s.Learn(rapid.SampledFrom(news).Draw(t, "news"))
		}
		require.Equal(t, news[3], s.Standing)
	})
}

func TestASettlementIsRefusedWhenItCannotBe(t *testing.T) {
	t.Parallel()
	good := claims.Settlement{ID: "1", Outcome: ledger.ClaimPaid, Minor: 500, Reason: "agreed", By: "operator key k"}
	s := open()
	require.NoError(t, s.CanSettle(good))
	for name, change := range map[string]func(*claims.Settlement, *claims.State){
		"more than is open": func(d *claims.Settlement, _ *claims.State) { d.Minor = 501 },
		"less than nothing": func(d *claims.Settlement, _ *claims.State) { d.Minor = -1 },
		"no reason":         func(d *claims.Settlement, _ *claims.State) { d.Reason = "" },
		"nobody":            func(d *claims.Settlement, _ *claims.State) { d.By = "" },
		"another outcome":   func(d *claims.Settlement, _ *claims.State) { d.Outcome = "forgiven" },
		"nothing open":      func(d *claims.Settlement, s *claims.State) { d.Minor, s.Open = 0, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, s := good, open()
			change(&d, &s)
			var refusal *order.Refusal
			require.ErrorAs(t, s.CanSettle(d), &refusal)
		})
	}
}

func TestReturnsAndPayablesAreNotPursuedHere(t *testing.T) {
	t.Parallel()
	claim := ledger.Claim{Key: "sla/P-1", Account: ledger.SupplierClaims("acme")}
	require.True(t, claims.Pursued(&claim))
	claim.Key = "return/P-1-R1"
	require.False(t, claims.Pursued(&claim))
	claim = ledger.Claim{Key: "due/acme/I1", Account: ledger.SupplierPayable("acme")}
	require.False(t, claims.Pursued(&claim))
}

func TestAReferenceSaysNothingOfTheOrder(t *testing.T) {
	t.Parallel()
	r := claims.Reference("shop/1/acme/I1")
	require.Regexp(t, `^C[0-9A-F]{14}$`, r)
	require.NotEqual(t, r, claims.Reference("shop/1/acme/I2"))
	require.NotContains(t, r, "shop")
}
