package catalog_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
)

const (
	wasFault  = "        window_days: 30\n        restocking_bp: 1500\n"
	wasSKU    = "      - sku: LAMP-OAK\n        supplier_sku: AC-2040\n"
	wasPolicy = "capture: order\n"
)

func TestCategoriesHaveTheirOwnRules(t *testing.T) {
	t.Parallel()
	file, err := change(t, wasPolicy, wasPolicy+`      returns:
        window_days: 30
        opened_bp: 2000
        categories: {Underwear: {final_sale: true, fault_days: 60}, "Home  Electronics": {window_days: 14, opened_bp: 3000, photos_for_fault: true}}
`)
	require.NoError(t, err)
	require.NoError(t, catalog.Validate(file))
	kept, err := json.Marshal(file.Storefronts[0])
	require.NoError(t, err)
	var shop catalog.Storefront
	require.NoError(t, json.Unmarshal(kept, &shop))
	r := shop.Policy.Returns
	require.True(t, r.Categories["underwear"].FinalSale)
	require.Equal(t, 60, r.Of("UNDERWEAR").FaultDays)
	own := r.Of(" home electronics ")
	require.Equal(t, []any{14, int64(3000), true, int64(0)}, []any{own.WindowDays, own.OpenedBP, own.PhotosForFault, own.RestockingBP})
	require.Equal(t, 30, r.Of("toys").WindowDays, "all other goods are as before")
	require.Equal(t, 30, r.Of("").WindowDays)
	require.Equal(t, 30, r.WindowDays)
}

func TestAContractHasTermsByCategory(t *testing.T) {
	t.Parallel()
	file, err := change(t, wasFault, wasFault+"        categories: {underwear: {final_sale: true}, electronics: {window_days: 14, restocking_bp: 2500}, toys: {}}\n")
	require.NoError(t, err)
	r := file.Suppliers[0].Contract.Returns
	for category, want := range map[string][2]int64{"underwear": {0, 1500}, "Electronics": {14, 2500}, "toys": {30, 1500}, "": {30, 1500}} {
		got := r.Of(category)
		require.Equal(t, want, [2]int64{int64(got.WindowDays), got.RestockingBP}, category)
	}
	file, err = change(t, wasSKU, wasSKU+"        category: Home Lighting\n")
	require.NoError(t, err)
	require.Equal(t, "Home Lighting", file.Offers[1].Category)
}

func TestCategoriesThatCanBeReadInTwoWaysAreRefused(t *testing.T) {
	t.Parallel()
	for rules, want := range map[string]string{
		"{a: {final_sale: true, window_days: 14}}": "window_days: is one too many",
		"{a b: {}, A  B: {}}":                      "is the same category as one before",
		"{a: {window: 14}}":                        "is not a known key",
		"{a: {window_days: -1}}":                   "window_days",
		"{a: {restocking_bp: 10001}}":              "restocking_bp",
		"{a: final_sale}":                          "want a mapping",
		"[underwear]":                              "want a mapping",
		"{' ': {}}":                                "want the name of a category",
		"{a: {window_days: }}":                     "is empty",
	} {
		_, err := change(t, wasFault, wasFault+"        categories: "+rules+"\n")
		require.ErrorContains(t, err, want, rules)
		_, err = change(t, wasPolicy, wasPolicy+"      returns: {categories: "+rules+"}\n")
		require.ErrorContains(t, err, want, rules)
	}
	_, err := change(t, wasFault, wasFault+"        categories: {a: {opened_bp: 1}}\n")
	require.ErrorContains(t, err, "opened_bp: is not a known key", "a supplier has no such fee")
}

func TestASKUIsOfOneCategoryWhoeverOffersIt(t *testing.T) {
	t.Parallel()
	file := demo(t)
	sku := file.Offers[0].SKU
	file.Offers = append([]catalog.Offer{}, file.Offers...)
	file.Offers[0].Category = "Kitchen"
	for i := range file.Offers {
		if i > 0 && file.Offers[i].SKU == sku {
			file.Offers[i].Category = "kitchen"
			require.NoError(t, catalog.Validate(file))
			file.Offers[i].Category = "toys"
			require.ErrorContains(t, catalog.Validate(file), `is of category "kitchen" in another offer`)
			return
		}
	}
	t.Fatal("the demo has no SKU that two suppliers offer")
}
