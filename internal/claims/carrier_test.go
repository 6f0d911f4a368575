package claims_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/claims"
	"github.com/dropline/dropline/internal/ledger"
)

func onCarrier() (claims.State, time.Time) {
	opened := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	return claims.State{
		Carrier: true, Name: "track", Currency: "EUR", OpenedAt: opened, FileBy: opened.AddDate(0, 0, 30), Reference: "C1",
		Terms: claims.Terms{ChaseAfter: []time.Duration{time.Hour}, EscalateAfter: 2 * time.Hour}, Standing: claims.Standing{News: 1, Open: 500},
	}, opened
}

func TestAClaimThatACarrierTakesNoMoreIsFiledAndShownToAPersonAtOnce(t *testing.T) {
	t.Parallel()
	s, now := onCarrier()
	require.Equal(t, claims.StepAsk, s.Due(now))
	s = s.Take(claims.StepAsk, now)
	require.Equal(t, claims.StepNone, s.Due(now))
	s.FileBy = now.Add(-time.Second)
	require.Equal(t, claims.StepEscalate, s.Due(now))
	require.Contains(t, s.Card(), "It was to be filed by 2 Mar 2026.")
	s.FileBy = time.Time{}
	require.Equal(t, claims.StepNone, s.Due(now), "without a scan nobody knows the day")
}

func TestMoneyForWhatCameAllTheSameKeepsAClaimOpenForAPerson(t *testing.T) {
	t.Parallel()
	s, now := onCarrier()
	s = s.Take(claims.StepAsk, now)
	s.Learn(claims.Standing{News: 2})
	require.Equal(t, claims.StepClose, s.Due(now))
	s = s.Take(claims.StepClose, now)
	require.Equal(t, claims.StageSettled, s.Stage())
	s.Learn(claims.Standing{News: 3, Found: 400})
	require.False(t, s.Closed)
	require.Equal(t, claims.StepEscalate, s.Due(now))
	s = s.Take(claims.StepEscalate, now)
	require.Equal(t, claims.StepNone, s.Due(now.AddDate(1, 0, 0)), "asked once")
	s.Learn(claims.Standing{News: 4, Found: 400})
	require.Equal(t, claims.StepNone, s.Due(now), "it is the same question")
	require.True(t, s.NeedsAttention())
	require.Equal(t, claims.StageEscalated, s.Stage())
	require.Contains(t, s.Card(), "**The parcel came, and 4.00 EUR was paid for it:** `starter claim settle C1 repaid|kept")
	d := claims.Settlement{ID: "s", Reason: "parcel_found", By: "k", Outcome: ledger.ClaimKept, Minor: 401}
	require.ErrorContains(t, s.CanSettle(d), "4.00 EUR was paid for what came all the same, not 4.01 EUR")
	d.Minor = 400
	require.NoError(t, s.CanSettle(d))
	d.Reason = ""
	require.ErrorContains(t, s.CanSettle(d), "needs an id, a reason and who decides it")
	s.Learn(claims.Standing{News: 5})
	require.Equal(t, claims.StepClose, s.Due(now))
}

func TestACarriersClaimIsNotSetOffAgainstInvoices(t *testing.T) {
	t.Parallel()
	s, _ := onCarrier()
	d := claims.Settlement{ID: "s", Reason: "agreed", By: "k", Outcome: ledger.ClaimCredited}
	require.ErrorContains(t, s.CanSettle(d), "what it credits to our account is paid")
	s.Carrier = false
	require.NoError(t, s.CanSettle(d))
	d.Outcome = ledger.ClaimWithdrawn
	require.ErrorContains(t, s.CanSettle(d), "a claim ends credited, paid, conceded or written_off")
}
