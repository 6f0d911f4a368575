package activities_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/activities"
	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/carrier/easypost"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/returns"
	"github.com/dropline/dropline/internal/sim/carriersim"
	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/workflows"
)

// counter is a return whose label is bought of a carrier.
type counter struct {
	*comeback

	tracker *carriersim.Server
}

func atCounter(t *testing.T, m carriersim.LabelManner, answer suppliersim.ReturnManner) *counter {
	t.Helper()
	b := setup(t)
	tracker, err := carriersim.Start(carriersim.Config{APIKey: token})
	require.NoError(t, err)
	t.Cleanup(tracker.Close)
	tracker.SetLabelManner(m)
	b.load(strings.Replace(catalogue, "credit_within: 14d}", `credit_within: 14d, label: carrier, label_carrier: easy-post, label_parcel: {weight_grams: 900},
      address: {name: Acme Returns, street1: 9 Dock Road, city: Utica, region: NY, postal_code: "13501", country: US}}`, 1) +
		"carriers:\n  - {id: easy-post, kind: easypost, url: \"" + tracker.URL() + "\", secret_env: TEST_TOKEN, webhook_secret_env: TEST_TOKEN,\n" +
		"     aliases: [{code: DRX, names: [DropEx]}]}\n")
	said := quiet
	said.Return = answer
	b.manner("acme", said)
	return &counter{b.kept(sale("1", line(1, "MUG", 3))).ask("r-1", returns.ChangedMind, 1, 1), tracker}
}

var noLabel = suppliersim.ReturnManner{NoLabel: true}

// again tries until the step is done, as Temporal does, and at most five times.
func (c *counter) again() workflows.ReturnAuthorised {
	c.t.Helper()
	var failure error
	for range 5 {
		var result workflows.ReturnAuthorised
		if result, failure = c.desk.AuthoriseReturn(c.ctx, c.input()); failure == nil {
			return result
		}
	}
	require.NoError(c.t, failure)
	return workflows.ReturnAuthorised{}
}

// requireBoughtOnce holds the carrier's books against ours.
func (c *counter) requireBoughtOnce(result workflows.ReturnAuthorised) {
	c.t.Helper()
	require.NotNil(c.t, result.Label)
	sold := 0
	for _, s := range c.tracker.Shipments() {
		sold += s.Bought
		if s.Bought > 0 {
			require.Equal(c.t, result.Label.Tracking, s.Tracking)
			require.Equal(c.t, c.rma, s.Reference)
			require.Equal(c.t, "1 Oak Street", s.From)
			require.Equal(c.t, "9 Dock Road", s.To)
		}
	}
	require.Equal(c.t, 1, sold)
	require.EqualValues(c.t, 595, c.balance(ledger.ReturnShipping))
	require.EqualValues(c.t, -595, c.balance(ledger.Bank))
	require.Equal(c.t, "drx "+result.Label.Tracking+" easy-post 595 USD https://labels.example/"+result.Label.Tracking+".png", c.text(
		`SELECT concat_ws(' ', carrier, tracking, bought_of, cost_minor, cost_currency, label_url) FROM return_parcels WHERE rma = $1`, c.rma))
	require.Len(c.t, c.entry(1).Returns, 1)
	require.Equal(c.t, "done", c.effect("return_label/"+c.rma))
}

func TestALabelIsBoughtOnceAndItsPriceIsPosted(t *testing.T) {
	t.Parallel()
	c := atCounter(t, carriersim.LabelManner{}, noLabel)
	result := c.authorise()
	require.Equal(t, returns.SupplierAccepted, result.Answer.Kind)
	require.Equal(t, "drx", result.Label.Carrier, "the name under which its scans come")
	require.Equal(t, result, c.again(), "what is known is not asked for again")
	c.requireBoughtOnce(result)
	require.Equal(t, 1, c.entry(1).Returns[0].Received)
	require.Zero(t, c.number(`SELECT count(*) FROM effects WHERE result::text LIKE '%Oak%' OR result::text LIKE '%Ann%'`))
	c.record(returns.StepRecord)
	c.inspected(1, 1, returns.AsNew)
	require.EqualValues(t, 972, c.pay().Amount, "the label is the shop's expense")
	c.hear(returns.Fact{Memo: &returns.CreditMemo{Document: "m", Number: "CM-1", At: c.now, Amount: 378}})
	c.record(returns.StepClose)
	require.Zero(t, c.balance(ledger.CustomerDeposits))
}

func TestALostAnswerAboutALabelIsLookedUp(t *testing.T) {
	t.Parallel()
	c := atCounter(t, carriersim.LabelManner{LoseOpened: 1, LoseBought: 1, Busy: 1}, noLabel)
	_, err := c.desk.AuthoriseReturn(c.ctx, c.input())
	requireRetry(t, err, time.Second)
	require.Equal(t, "not_sent", c.effect("return_label/"+c.rma), "it was turned away")
	_, err = c.desk.AuthoriseReturn(c.ctx, c.input())
	requireRetry(t, err, 0)
	require.Equal(t, "unknown", c.effect("return_label/"+c.rma))
	_, err = c.desk.AuthoriseReturn(c.ctx, c.input())
	requireRetry(t, err, 0)
	require.Equal(t, 1, c.tracker.Shipments()[0].Bought, "bought, and nobody said so")
	c.requireBoughtOnce(c.again())
	require.Len(t, c.tracker.Shipments(), 1, "what was opened is found under the RMA")
}

// late is a seller of labels that takes its time to say what it has opened.
type late struct {
	carrier.Labeller

	meanwhile func()
}

func (l late) OpenReturn(ctx context.Context, r carrier.LabelRequest) (string, error) {
	id, err := l.Labeller.OpenReturn(ctx, r)
	l.meanwhile()
	return id, err
}

// selling are the partners, with the seller of labels in the test's hands.
type selling struct {
	activities.Partners

	wrap func(carrier.Labeller) carrier.Labeller
}

func (p selling) Labeller(c catalog.Carrier) (carrier.Labeller, error) {
	labeller, err := p.Partners.Labeller(c)
	return p.wrap(labeller), err
}

func TestAttemptsThatOverlapBuyOneLabel(t *testing.T) {
	t.Parallel()
	c := atCounter(t, carriersim.LabelManner{}, noLabel)
	direct := c.desk.Partners
	c.desk.Partners = selling{direct, func(l carrier.Labeller) carrier.Labeller {
		return late{l, func() { // another attempt, which finds no parcel under the RMA and opens one of its own
			c.desk.Partners = selling{direct, func(l carrier.Labeller) carrier.Labeller { return blind{l} }}
			_, err := c.desk.AuthoriseReturn(c.ctx, c.input())
			require.NoError(t, err)
		}}
	}}
	result, err := c.desk.AuthoriseReturn(c.ctx, c.input())
	require.NoError(t, err)
	c.requireBoughtOnce(result)
	require.Len(t, c.tracker.Shipments(), 2, "both have opened a parcel")
}

// blind has not heard yet of what was opened a moment ago.
type blind struct{ carrier.Labeller }

func (blind) FindReturn(context.Context, string) (string, error) {
	return "", &carrier.LabelError{Kind: carrier.ErrLabelNotFound}
}

func TestALabelThatTheCarrierRefusesWaitsForAPersonAndIsBoughtAfterwards(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]carriersim.LabelManner{"address": {RefuseAddress: true}, "sale": {RefuseSale: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := atCounter(t, m, noLabel)
			_, err := c.desk.AuthoriseReturn(c.ctx, c.input())
			var failure *temporal.ApplicationError
			require.ErrorAs(t, err, &failure)
			require.True(t, failure.NonRetryable(), "a person is asked at once")
			require.Contains(t, failure.Message(), "carrier easy-post sells no label: check the customer's address")
			require.NotContains(t, failure.Message(), "Oak")
			require.Zero(t, c.number(`SELECT count(*) FROM return_parcels`))
			c.tracker.SetLabelManner(carriersim.LabelManner{})
			c.requireBoughtOnce(c.again())
			require.Equal(t, 1, c.entry(1).Returns[0].Received, "the supplier's answer stands")
		})
	}
}

func TestAKeyThatIsRevokedAfterASaleBuysNoSecondLabel(t *testing.T) {
	t.Parallel()
	c := atCounter(t, carriersim.LabelManner{LoseBought: 1}, noLabel)
	_, err := c.desk.AuthoriseReturn(c.ctx, c.input())
	requireRetry(t, err, 0)
	direct := c.desk.Partners
	revoked, err := easypost.NewClient(easypost.Config{BaseURL: c.tracker.URL(), APIKey: "revoked"})
	require.NoError(t, err)
	c.desk.Partners = selling{direct, func(carrier.Labeller) carrier.Labeller { return revoked }}
	_, err = c.desk.AuthoriseReturn(c.ctx, c.input())
	requireRetry(t, err, 0)
	c.desk.Partners = direct
	c.requireBoughtOnce(c.again())
}

func TestALabelIsBoughtOnlyWhereItIsWanted(t *testing.T) {
	t.Parallel()
	t.Run("the supplier refuses the return", func(t *testing.T) {
		t.Parallel()
		c := atCounter(t, carriersim.LabelManner{}, suppliersim.ReturnManner{Answer: suppliersim.CancelReject})
		require.Nil(t, c.authorise().Label)
		require.Empty(t, c.tracker.Shipments())
	})
	t.Run("the supplier gives one all the same", func(t *testing.T) {
		t.Parallel()
		c := atCounter(t, carriersim.LabelManner{}, suppliersim.ReturnManner{})
		require.NotNil(t, c.authorise().Label)
		require.Empty(t, c.tracker.Shipments())
	})
	t.Run("the supplier is told by letter", func(t *testing.T) {
		t.Parallel()
		c := atCounter(t, carriersim.LabelManner{}, noLabel)
		c.desk.Partners = through{c.desk.Partners, func(channel supplier.Channel) supplier.Channel {
			return deaf{channel, func(context.Context, supplier.ReturnAuthorization) (supplier.ReturnReceipt, error) {
				return supplier.ReturnReceipt{}, &supplier.Error{Kind: supplier.ErrNotFound}
			}}
		}}
		require.NotNil(t, c.authorise().Label, "there it is wanted")
		require.Equal(t, 1, c.tracker.Shipments()[0].Bought)
	})
	t.Run("the customer's address is gone", func(t *testing.T) {
		t.Parallel()
		c := atCounter(t, carriersim.LabelManner{}, noLabel)
		c.exec(`DELETE FROM order_contacts`)
		_, err := c.desk.AuthoriseReturn(c.ctx, c.input())
		var failure *temporal.ApplicationError
		require.True(t, errors.As(err, &failure) && failure.NonRetryable())
		require.Contains(t, failure.Message(), "address is not kept any more")
		require.Empty(t, c.tracker.Shipments())
	})
}
