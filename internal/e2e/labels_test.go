package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sim/carriersim"
	"github.com/dropline/dropline/internal/sim/suppliersim"
)

// boughtLabels are terms under which labels of returns are bought of the stage's carrier.
const boughtLabels = ", label: carrier, label_carrier: track, label_parcel: {weight_grams: 900}, " +
	"address: {name: Acme, street1: Kai 9, city: Hamburg, postal_code: \"20457\", country: DE}"

// TestALabelIsBoughtOfTheCarrierAndBringsTheGoodsBack: the carrier loses its answers and refuses for a
// while; the label is bought once all the same, and the parcel is followed under it.
func TestALabelIsBoughtOfTheCarrierAndBringsTheGoodsBack(t *testing.T) {
	t.Parallel()
	acme := prompt("acme", suppliersim.AckInResponse)
	acme.Manner.Return = suppliersim.ReturnManner{NoLabel: true}
	acme.Returns = boughtLabels
	w := newWorld(t, acme)
	w.Carrier.SetLabelManner(carriersim.LabelManner{LoseOpened: 1, LoseBought: 1})
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "labelled", "acme-mug")
	w.settled(t, key)
	rma, err := w.Return(t.Context(), key, "r-1", returns.ChangedMind, 1)
	require.NoError(t, err)
	require.NoError(t, w.SendBack(patience(t), key, rma))
	v := w.closed(t, key, rma)
	require.Equal(t, "closed", v.Stage)
	require.Equal(t, "delivered", v.Parcel)
	require.Equal(t, "6.00", v.Credit.Received)

	books := w.Carrier.Shipments()
	require.Len(t, books, 1)
	require.Equal(t, 1, books[0].Bought)
	require.Equal(t, rma, books[0].Reference)
	require.Equal(t, "Kai 9", books[0].To)
	require.Equal(t, &orderview.ReturnLabel{Carrier: "dropex", Tracking: books[0].Tracking, URL: "https://labels.example/" + books[0].Tracking + ".png"}, v.Label)
	require.EqualValues(t, 595, w.balance(t, key, "return_shipping"))
	require.EqualValues(t, -595, w.balance(t, key, "bank"))
	require.Zero(t, w.balance(t, key, "customer_deposits"))
	w.requireSound(t)
}
