package catalog_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
)

// answering reads a carrier with what it says about claims.
func answering(t *testing.T, claims string) (catalog.CarrierClaims, error) {
	t.Helper()
	file, err := catalog.Parse("c.yaml", []byte("carriers:\n  - {id: track, kind: easypost, url: \"https://t.example\", secret_env: A, webhook_secret_env: B"+claims+"}\n"))
	if err != nil {
		return catalog.CarrierClaims{}, err
	}
	return file.Carriers[0].Claims, nil
}

func TestWhatACarrierAnswersForIsRead(t *testing.T) {
	t.Parallel()
	c, err := answering(t, `, claims: {contact: c@t.example, owner: logistics, file_within: 20d, answer_within: 5d, chase_after: [2d], escalate_after: 4d,
     max_liability: {USD: "100.00", JPY: "9000"}}`)
	require.NoError(t, err)
	require.Equal(t, []any{"c@t.example", "logistics", 5 * 24 * time.Hour, 1}, []any{c.Contact, c.Owner, c.AnswerWithin.Elapsed(), len(c.ChaseAfter)})
	require.EqualValues(t, 10_000, c.Liable(10_001, "USD", 1))
	require.EqualValues(t, 10_001, c.Liable(10_001, "USD", 2))
	require.EqualValues(t, 9_000, c.Liable(10_001, "JPY", 0), "a claim is about one parcel at least")
	require.EqualValues(t, 10_001, c.Liable(10_001, "EUR", 1), "a currency that is not named has no bound")
	scanned := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	require.Equal(t, scanned.AddDate(0, 0, 20), c.FileBy(scanned))
	require.Zero(t, c.FileBy(time.Time{}))

	silent, err := answering(t, "")
	require.NoError(t, err)
	require.Equal(t, silent, catalog.CarrierClaims{}.OrDefault())
	require.Equal(t, []any{"purchasing", 60 * 24 * time.Hour, 3}, []any{silent.Owner, silent.FileWithin.Elapsed(), len(silent.ChaseAfter)})

	for terms, want := range map[string]string{
		"max_liability: {XXY: \"1.00\"}":        "XXY",
		"max_liability: {USD: \"-1.00\"}":       "max_liability",
		"owner: Logistics":                      "is not an id",
		"chase_after: [4d], escalate_after: 4d": "is not after the last reminder",
		"answer_within: 2 business days":        "answer_within",
		"contact: nobody":                       "want a mail address",
	} {
		_, err := answering(t, ", claims: {"+terms+"}")
		require.ErrorContains(t, err, want, terms)
	}
}

func TestTheCarrierThatBearsTheRiskOfTheWayIsInTheCatalogue(t *testing.T) {
	t.Parallel()
	file, err := change(t, "      returns:\n        window_days: 30", "      transit_carrier: easypost\n      returns:\n        window_days: 30")
	require.NoError(t, err)
	require.NoError(t, catalog.Validate(file))
	require.Equal(t, "easypost", file.Suppliers[0].Contract.TransitCarrier)
	file.Suppliers[0].Contract.TransitCarrier = "nobody"
	require.ErrorContains(t, catalog.Validate(file), `transit_carrier: there is no carrier "nobody"`)
}
