package e2e

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/intake"
	"github.com/dropline/dropline/internal/ledgerbook"
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/orderview"
	"github.com/dropline/dropline/internal/sim/suppliersim"
)

// offersMore has the storefront offer exchanges and store credit, with more of its return policy in JSON.
func (w *world) offersMore(t *testing.T, more string) {
	t.Helper()
	_, err := w.Pool.Exec(t.Context(), `UPDATE storefronts SET document = jsonb_set(document, '{policy,returns}',
		(document #> '{policy,returns}') || '{"outcomes": ["refund", "exchange", "store_credit"]}' || $1::jsonb)`, more)
	require.NoError(t, err)
}

// wish asks for more than a refund for the first line's unit.
func (w *world) wish(t *testing.T, key order.Key, body map[string]any) (status int, rma, missing string) {
	t.Helper()
	var said struct {
		Returns []struct {
			RMA string `json:"rma"`
		} `json:"returns"`
		Refusal struct {
			Missing string `json:"missing"`
		} `json:"refusal"`
	}
	status, err := w.Call(t.Context(), http.MethodPost, "/v1/orders/"+key.String()+"/returns", body, &said)
	require.NoError(t, err)
	if len(said.Returns) == 1 {
		rma = said.Returns[0].RMA
	}
	return status, rma, said.Refusal.Missing
}

// followed requires that every cent of an order can be named.
func (w *world) followed(t *testing.T, key order.Key) *ledgerbook.Trail {
	t.Helper()
	trail, err := ledgerbook.Follow(t.Context(), w.Pool, key.String())
	require.NoError(t, err)
	require.Zero(t, trail.Off, "%+v", trail.Money)
	return trail
}

func TestAnExchangeIsSentByAnOrderOfItsOwnAndEveryCentCanBeFollowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prompt("acme", suppliersim.AckInResponse))
	w.offersMore(t, `{}`)
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "swap", "acme-mug")
	w.settled(t, key)
	wanted := func(id, paid string) map[string]any {
		return map[string]any{
			"request_id": id, "resolution": "exchange", "currency": "EUR", "payment": map[string]any{"reference": "more-1", "captured": paid},
			"lines": []map[string]any{{"line": 1, "quantity": 1, "reason": "wrong_size", "exchange": map[string]any{"sku": "acme-jar", "unit_price": "40.00"}}},
		}
	}
	status, _, missing := w.wish(t, key, wanted("x-1", "0.00"))
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.Equal(t, "25.72", missing, "40.00 less 14.28")
	_, rma, _ := w.wish(t, key, wanted("x-2", missing))
	require.NoError(t, w.SendBack(patience(t), key, rma))
	v := w.closed(t, key, rma)
	require.Equal(t, key.String()+"-X1", v.ExchangeOrder)
	require.Equal(t, "0.00", v.Refunded)
	require.Equal(t, orderview.Credit{Currency: "EUR", Expected: "6.00", Received: "6.00", WrittenOff: "0.00"}, v.Credit)
	x := order.Key{Storefront: key.Storefront, Order: key.Order + "-X1"}
	w.settled(t, x)
	require.Empty(t, w.Storefront.Refunded(key.Order), "no money moves back")
	require.EqualValues(t, 4000, w.followed(t, x).Received)
	require.Equal(t, []string{x.String()}, w.followed(t, key).Exchanges)
	require.Zero(t, w.balance(t, key, "exchange_credit")+w.balance(t, x, "exchange_credit"))
	w.requireSound(t)
}

func TestAReplacementForDamagedGoodsNeedsNoParcelBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prompt("acme", suppliersim.AckInResponse))
	w.offersMore(t, `{"keep_up_to": [{"amount": "50.00", "currency": "EUR"}]}`)
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "broken", "acme-mug")
	w.settled(t, key)
	_, rma, _ := w.wish(t, key, map[string]any{
		"request_id": "x-1", "resolution": "exchange", "lines": []map[string]any{{"line": 1, "quantity": 1, "reason": "damaged"}},
	})
	v, err := w.ReturnBecomes(patience(t), key, rma, func(v *orderview.Return) bool { return v.ExchangeOrder != "" })
	require.NoError(t, err)
	require.True(t, v.Keep)
	w.settled(t, order.Key{Storefront: key.Storefront, Order: key.Order + "-X1"})
	require.Empty(t, w.Storefront.Refunded(key.Order))
	w.followed(t, key)
	w.requireSound(t)
}

func TestStoreCreditIsGivenAtTheStorefrontAndNoMoneyMoves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prompt("acme", suppliersim.AckInResponse))
	w.offersMore(t, `{"credit_bonus_bp": 1000}`)
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "credit", "acme-mug", "acme-jar")
	w.settled(t, key)
	_, rma, _ := w.wish(t, key, map[string]any{
		"request_id": "c-1", "resolution": "store_credit", "lines": []map[string]any{{"line": 1, "quantity": 1, "reason": "changed_mind"}},
	})
	require.NoError(t, w.SendBack(patience(t), key, rma))
	v := w.closed(t, key, rma)
	require.Equal(t, "15.71", v.StoreCredit, "14.28 and a tenth")
	require.Equal(t, "0.00", v.Refunded)
	require.EqualValues(t, 1571, w.Storefront.Credited(key.Order)["EUR"])
	require.Empty(t, w.Storefront.Refunded(key.Order))
	w.followed(t, key)
	w.requireSound(t)
}

func TestATerminatedReturnGoesOnWhenItIsRevived(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prompt("acme", suppliersim.AckInResponse))
	w.startWorker(t, 5*time.Second)
	key := w.place(t, "revived", "acme-mug")
	w.settled(t, key)
	rma, err := w.Return(t.Context(), key, "r-1", "changed_mind", 1)
	require.NoError(t, err)
	w.becomes(t, key, rma, "awaiting_parcel")
	require.NoError(t, w.Temporal.TerminateWorkflow(t.Context(), "return/"+key.String()+"/"+rma, "", "a mistake"))
	deliverer := intake.Deliverer{Pool: w.Pool, Temporal: w.Temporal, Log: slog.New(slog.DiscardHandler)}
	require.NoError(t, deliverer.ReviveReturn(t.Context(), rma))
	require.NoError(t, w.SendBack(patience(t), key, rma))
	require.Equal(t, "14.28", w.closed(t, key, rma).Refunded)
	w.requireSound(t)
}
