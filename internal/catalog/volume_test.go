package catalog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/money"
)

func TestVolumeDiscountsAreRead(t *testing.T) {
	t.Parallel()
	c, err := withTerms(t, `      volume_discounts:
        period: quarter
        tiers:
          - {from: {USD: "1000.00", EUR: "900.00"}, discount_bp: 200}
          - {from: {EUR: "4500.00", USD: "5000.00"}, discount_bp: 500}
`)
	require.NoError(t, err)
	in := func(eur, usd int64) []money.Money {
		return []money.Money{{Minor: eur, Currency: "EUR"}, {Minor: usd, Currency: "USD"}}
	}
	require.Equal(t, catalog.Volume{Period: catalog.VolumeQuarter, Tiers: []catalog.VolumeTier{
		{From: in(90000, 100000), DiscountBP: 200}, {From: in(450000, 500000), DiscountBP: 500},
	}}, c.Volume)

	plain, err := withTerms(t, "      volume_discounts: {period: year, tiers: [{from: \"10.00\", discount_bp: 1}]}\n")
	require.NoError(t, err)
	require.Equal(t, []money.Money{{Minor: 1000, Currency: plain.Currency}}, plain.Volume.Tiers[0].From)
	none, err := withTerms(t, "")
	require.NoError(t, err)
	require.Zero(t, none.Volume)
}

func TestVolumeDiscountsThatContradictThemselvesAreRefused(t *testing.T) {
	t.Parallel()
	for terms, want := range map[string]string{
		`{period: week, tiers: [{from: "1.00", discount_bp: 1}]}`: "period",
		`{tiers: [{from: "1.00", discount_bp: 1}]}`:               "period is missing",
		`{period: year}`:                                          "tiers is missing",
		`{period: year, tiers: []}`:                               "want between 1 and 20 tiers",
		`{period: year, tiers: [{from: "1.00"}]}`:                 "discount_bp is missing",
		`{period: year, tiers: [{discount_bp: 5}]}`:               "from is missing",
		`{period: year, tiers: [{from: "1.00", discount_bp: 0}]}`: "want more than 0",
		`{period: year, tiers: [{from: "2.00", discount_bp: 1}, {from: "1.00", discount_bp: 2}]}`:            "want rising amounts",
		`{period: year, tiers: [{from: "1.00", discount_bp: 2}, {from: "2.00", discount_bp: 2}]}`:            "want rising discounts",
		`{period: year, tiers: [{from: {XXY: "1.00"}, discount_bp: 2}]}`:                                     "XXY",
		`{period: year, tiers: [{from: {USD: "1.00"}, discount_bp: 2}, {from: {EUR: "2"}, discount_bp: 3}]}`: "USD is missing",
		`{perod: year}`: "did you mean",
	} {
		_, err := withTerms(t, "      volume_discounts: "+terms+"\n")
		require.ErrorContains(t, err, want, terms)
	}
}
