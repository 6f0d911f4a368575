package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/returndesk"
	"github.com/dropline/dropline/internal/returns"
)

// twoCategories delivers two mugs, which are electronics, and two tees, which are toys, under rules of their own.
func (f *fixture) twoCategories() {
	f.t.Helper()
	f.exec(`UPDATE order_lines SET quantity = 2 WHERE order_key = 'shop/1001' AND line = 2`)
	f.exec(`UPDATE orders SET
		document = jsonb_set(jsonb_set(jsonb_set(document, '{lines,0,category}', '"electronics"'), '{lines,1,category}', '"toys"'), '{lines,1,quantity}', '2'),
		state = jsonb_set(jsonb_insert(state, '{purchaseOrders,0,lines,1}', (state #> '{purchaseOrders,0,lines,0}') || '{"line": 2, "sku": "TEE"}'),
			'{lines,1}', '{"line": 2, "sku": "TEE", "ordered": 2}') WHERE key = 'shop/1001'`)
	f.exec(`INSERT INTO purchase_order_lines (number, order_key, line, sku, supplier_sku, quantity, live, reserved, unit_cost)
		VALUES ('` + mugs.PurchaseOrderNumber(1) + `', 'shop/1001', 2, 'TEE', 'A-2', 2, 2, 0, 400)`)
	f.exec(`UPDATE parcels SET lines = '[{"line": 1, "quantity": 2}, {"line": 2, "quantity": 2}]'`)
	f.exec(`UPDATE storefronts SET document = jsonb_set(document, '{policy,returns}', document #> '{policy,returns}' ||
		'{"restocking_bp": 5500, "opened_bp": 6600, "pays_shipping": "customer", "return_shipping": [{"amount": "4.90", "currency": "USD"}], "categories": {
			"electronics": {"restocking_bp": 0, "opened_bp": 3000, "photos_for_fault": true}, "toys": {"restocking_bp": 1550, "opened_bp": 1000}}}') WHERE id = 'shop'`)
}

// fieldsets are those of a page by what their legends say, without the rest of the page.
func fieldsets(page string) map[string]string {
	list := map[string]string{}
	for _, one := range strings.Split(page, "<fieldset")[1:] {
		_, from, _ := strings.Cut(one, "<legend>")
		legend, rest, _ := strings.Cut(from, "</legend>")
		list[legend], _, _ = strings.Cut(rest, "</fieldset>")
	}
	return list
}

// keptOf says, by line, what is kept of a unit that came back as new and of one that was opened, in basis points, and
// what for the label, in minor units.
func (f *fixture) keptOf() (lines map[int][2]int64, label int64) {
	f.t.Helper()
	list, err := returndesk.OfOrder(f.t.Context(), f.pool, mugs)
	require.NoError(f.t, err)
	require.Len(f.t, list, 1)
	s, now := list[0].State, time.Now()
	found := returns.Inspection{Document: "found", At: now, Final: true}
	for i := range s.Lines {
		found.Lines = append(found.Lines, returns.InspectedLine{Line: s.Lines[i].Line, Quantity: 1, Condition: returns.AsNew},
			returns.InspectedLine{Line: s.Lines[i].Line, Quantity: 1, Condition: returns.Opened})
	}
	s.AuthorisedWith(nil, nil, now)
	s.Apply(returns.Fact{Seq: 1, Inspection: &found}, now)
	require.Contains(f.t, s.Steps(), returns.StepPay)
	s.Begin(returns.StepPay)
	lines = map[int][2]int64{}
	for i, part := range s.Paying.Parts {
		require.EqualValues(f.t, 1, part.Quantity)
		kept := lines[part.Line]
		kept[i%2] = part.KeptBP
		lines[part.Line] = kept
	}
	return lines, s.Paying.Fee
}

func TestEachLineShowsWhatIsKeptOfItAndThatIsKept(t *testing.T) {
	t.Parallel()
	f, path := customers(t)
	f.twoCategories()
	page := f.get(path, "")
	isPage(t, http.StatusOK, page)
	shown := fieldsets(page.body)
	require.Contains(t, shown["Blue mug"], "If nothing is wrong with it and it was opened, the shop keeps 30% of its price.")
	require.Contains(t, shown["TEE"], "If nothing is wrong with it, the shop keeps 15.5% of its price.", "what was opened costs no less")
	require.Equal(t, 2, strings.Count(page.body, "% of its price"), "what is kept of other goods, 55 and 66 %, is not shown")
	require.Contains(t, shown["What would you like for it?"], "If nothing is wrong with the goods, the shop keeps 4.90 USD of a refund for the label.<")

	const needed = "If something is wrong with it, we need a picture that shows it."
	require.Contains(t, shown["Blue mug"], needed)
	require.NotContains(t, shown["TEE"], needed)
	require.Contains(t, shown["Is something wrong with it?"], "We need a picture of what is wrong where it is said above; elsewhere it helps us.")

	require.Equal(t, http.StatusSeeOther, f.sent(path, field{name: "request", value: firstMark}, field{name: "quantity-1", value: "2"},
		field{name: "reason-1", value: "changed_mind"}, field{name: "quantity-2", value: "2"}, field{name: "reason-2", value: "wrong_size"}).StatusCode)
	lines, label := f.keptOf()
	require.Equal(t, map[int][2]int64{1: {0, 3000}, 2: {1550, 1550}}, lines, "as new, and opened")
	require.EqualValues(t, 490, label)
}

// What comes back only for a fault costs nothing, and no fee is shown with it.
func TestNoFeeIsShownWhereOnlyAFaultBringsGoodsBack(t *testing.T) {
	t.Parallel()
	f, path := customers(t)
	f.twoCategories()
	f.exec(`UPDATE storefronts SET document = jsonb_set(document, '{policy,returns,final_sale}', '["MUG"]') WHERE id = 'shop'`)
	shown := fieldsets(f.get(path, "").body)
	require.Contains(t, shown["Blue mug"], "sold without a right to return it")
	require.NotContains(t, shown["Blue mug"], "the shop keeps")
	require.Contains(t, shown["TEE"], "the shop keeps 15.5% of its price.")
	require.Contains(t, shown["What would you like for it?"], "for the label")

	f.exec(`UPDATE storefronts SET document = jsonb_set(document, '{policy,returns,final_sale}', '["MUG", "TEE"]') WHERE id = 'shop'`)
	page := f.get(path, "").body
	require.Len(t, fieldsets(page), 4)
	require.NotContains(t, page, "the shop keeps")
}

func TestAPictureIsAskedForOnlyByTheLinesThatNeedOne(t *testing.T) {
	t.Parallel()
	f, path := customers(t)
	f.twoCategories()
	f.exec(`UPDATE storefronts SET document = document #- '{policy,returns,categories,electronics,photos_for_fault}' WHERE id = 'shop'`)
	page := f.get(path, "").body
	require.NotContains(t, page, "need a picture")
	require.Contains(t, fieldsets(page)["Is something wrong with it?"], "A picture helps us.")
}
