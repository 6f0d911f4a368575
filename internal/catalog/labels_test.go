package catalog_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
)

// labelled reads the demo with its first supplier's returns replaced.
func labelled(t *testing.T, returns string) (catalog.File, error) {
	t.Helper()
	text, err := os.ReadFile("testdata/demo.yaml")
	require.NoError(t, err)
	const was = "      returns:\n        window_days: 30\n        restocking_bp: 1500\n        pays_shipping: storefront\n        credit_within: 14d\n"
	require.Contains(t, string(text), was)
	return catalog.Parse("demo.yaml", []byte(strings.Replace(string(text), was, "      returns: "+returns+"\n", 1)))
}

const (
	dock   = `address: {name: Acme Returns, street1: 9 Dock Road, city: Utica, region: NY, postal_code: "13501", country: US}`
	weight = `label_parcel: {weight_grams: 900}`
)

func TestLabelsMayBeBoughtOfACarrier(t *testing.T) {
	t.Parallel()
	file, err := labelled(t, `{window_days: 30, label: carrier, label_carrier: easypost, label_service: Ground, `+dock+
		`, label_parcel: {weight_grams: 900, length_mm: 300, width_mm: 200, height_mm: 100}}`)
	require.NoError(t, err)
	require.NoError(t, catalog.Validate(file))
	require.Equal(t, catalog.ReturnLabels{
		By: catalog.LabelCarrier, Carrier: "easypost", Service: "Ground",
		Address: catalog.Address{Name: "Acme Returns", Street1: "9 Dock Road", City: "Utica", Region: "NY", PostalCode: "13501", Country: "US"},
		Parcel:  catalog.LabelParcel{WeightGrams: 900, LengthMM: 300, WidthMM: 200, HeightMM: 100},
	}, file.Suppliers[0].Contract.Returns.Labels)
	silent, err := labelled(t, `{window_days: 30}`)
	require.NoError(t, err)
	require.Equal(t, catalog.ReturnLabels{By: catalog.LabelSupplier}, silent.Suppliers[0].Contract.Returns.Labels)
	require.False(t, silent.Suppliers[0].Contract.Returns.Labels.Bought())
}

func TestALabelOfNobodyIsRefused(t *testing.T) {
	t.Parallel()
	file, err := labelled(t, `{label: carrier, label_carrier: nobody, `+dock+`, `+weight+`}`)
	require.NoError(t, err)
	require.ErrorContains(t, catalog.Validate(file), `returns.label_carrier: there is no carrier "nobody"`)
}

func TestTermsOfLabelsThatContradictThemselvesAreRefused(t *testing.T) {
	t.Parallel()
	for terms, want := range map[string]string{
		`label: carrier, ` + dock + `, ` + weight:            "carrier needs label_carrier",
		`label: carrier, label_carrier: easypost, ` + weight: "carrier needs address",
		`label: carrier, label_carrier: easypost, ` + dock:   "carrier needs label_parcel",
		`label_carrier: easypost`:                            "is one too many: it needs label: carrier",
		`label: supplier, ` + weight:                         "is one too many: it needs label: carrier",
		`label: nobody`:                                      "want supplier or carrier",
		`label: carrier, label_carrier: easypost, ` + weight + `, address: {name: A, street1: B}`: "city is missing",
		`label: carrier, label_carrier: easypost, ` + dock + `, label_parcel: {weight_grams: 0}`:  "want a whole number from 1",
		`label: carrier, label_carrier: easypost, ` + dock + `, label_parcel: {length_mm: 1}`:     "weight_grams is missing",
		`label_parcel: {weight_grams: 1, length_mm: 10, width_mm: 10}`:                            "or none of them",
		`address: {name: A, street1: B, city: C, country: Utopia}`:                                "is not a country",
	} {
		_, err := labelled(t, "{"+terms+"}")
		require.ErrorContains(t, err, want, terms)
	}
}
