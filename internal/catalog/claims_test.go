package catalog_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
)

// withTerms reads the demo's second supplier with further lines in its contract.
func withTerms(t *testing.T, terms string) (catalog.Contract, error) {
	t.Helper()
	text, err := os.ReadFile("testdata/demo.yaml")
	require.NoError(t, err)
	file, err := catalog.Parse("demo.yaml", []byte(strings.Replace(string(text), "      tolerances: {price_bp: 50, quantity: 0}\n", terms, 1)))
	if err != nil {
		return catalog.Contract{}, err
	}
	return file.Suppliers[0].Contract, nil
}

func TestWhatAContractSaysAboutClaimsIsRead(t *testing.T) {
	t.Parallel()
	c, err := withTerms(t, `      invoices: {freight_up_to: "6.00"}
      penalties: {late_acknowledgment: {amount: "5.00"}, late_shipment: {share_bp: 500, grace: 4h}, cap: "25.00"}
      claims: {chase_after: [2d, 4d], escalate_after: 5d}
`)
	require.NoError(t, err)
	require.EqualValues(t, 600, c.Invoices.FreightUpTo.Minor)
	require.EqualValues(t, 500, c.Penalties.LateAcknowledgment.Amount.Minor)
	require.EqualValues(t, 500, c.Penalties.LateShipment.ShareBP)
	require.Equal(t, 4*time.Hour, c.Penalties.LateShipment.Grace.Elapsed())
	require.EqualValues(t, 2500, c.Penalties.Cap.Minor)
	require.Len(t, c.Claims.ChaseAfter, 2)

	silent, err := withTerms(t, "")
	require.NoError(t, err)
	require.Zero(t, silent.Penalties.LateAcknowledgment.Amount.Minor+silent.Penalties.LateShipment.ShareBP, "no promise that was not made")
	require.Len(t, silent.Claims.ChaseAfter, 3)
	require.Equal(t, 28*24*time.Hour, silent.Claims.EscalateAfter.Elapsed())
	require.Equal(t, silent.Claims, catalog.Chasing{}.OrDefault())
}

func TestTermsAboutClaimsThatContradictThemselvesAreRefused(t *testing.T) {
	t.Parallel()
	for terms, want := range map[string]string{
		`invoices: {freight_up_to: "6.00", freight_bp: 100}`:               "one too many",
		`penalties: {late_shipment: {amount: "1.00", share_bp: 100}}`:      "one too many",
		`claims: {chase_after: [4d, 2d]}`:                                  "want ascending times",
		`claims: {chase_after: [4d], escalate_after: 4d}`:                  "is not after the last reminder",
		`claims: {chase_after: [2 business days]}`:                         "chase_after",
		`penalties: {late_acknowledgment: {amount: "1.00", grace: never}}`: "grace",
	} {
		_, err := withTerms(t, "      "+terms+"\n")
		require.ErrorContains(t, err, want, terms)
	}
}
