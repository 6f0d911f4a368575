package catalog_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/sla"
)

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	return data
}

func demo(t *testing.T) catalog.File {
	t.Helper()
	file, err := catalog.Parse("demo.yaml", fixture(t, "demo.yaml"))
	require.NoError(t, err)
	require.NoError(t, catalog.Validate(file))
	return file
}

// change parses the demo with one text replaced, which must stand in it.
func change(t *testing.T, from, to string) (catalog.File, error) {
	t.Helper()
	text := string(fixture(t, "demo.yaml"))
	require.Contains(t, text, from)
	return catalog.Parse("demo.yaml", []byte(strings.Replace(text, from, to, 1)))
}

func TestDemoReadsAsWritten(t *testing.T) {
	t.Parallel()
	file := demo(t)
	require.Len(t, file.Suppliers, 2)
	require.Len(t, file.Offers, 4)
	acme := file.Suppliers[0].Contract
	require.Equal(t, "2h", acme.SLA.Acknowledge.String())
	require.Equal(t, money.Money{Minor: 650, Currency: "USD"}, acme.Shipping[0].Base)
	require.Equal(t, "14:00", acme.Calendar.CutOff.String())
	require.Equal(t, catalog.Cancel{Confirmation: catalog.ConfirmationPromised, Within: sla.MustTerm("4 business hours"), OnSilence: catalog.SilenceHold}, acme.Cancel)
	require.Equal(t, catalog.Offer{
		Supplier: "acme", SKU: "MUG-BLUE", SupplierSKU: "AC-1001", Cost: money.Money{Minor: 420, Currency: "USD"},
		OnHand: 240, LeadTimeDays: 1, Barcode: "4006381333931",
	}, file.Offers[0])
	friday := file.Suppliers[1].Contract.Calendar.Days[4]
	require.Equal(t, "fri 08:00 13:00", friday.Weekday.String()+" "+friday.Open.String()+" "+friday.Close.String())
	require.Equal(t, []money.Money{{Minor: 50000, Currency: "USD"}}, file.Storefronts[0].Policy.Review.MaxOrderValue)
}

func TestSilentContractHasCautiousDefaults(t *testing.T) {
	t.Parallel()
	c := demo(t).Suppliers[1].Contract
	require.Equal(t, catalog.Cancel{Confirmation: catalog.ConfirmationNone, OnSilence: catalog.SilenceHold}, c.Cancel)
	require.Equal(t, catalog.Returns{PaysShipping: catalog.PayerStorefront, CreditWithin: sla.MustTerm("30d"), Labels: catalog.ReturnLabels{By: catalog.LabelSupplier}}, c.Returns)
	require.Equal(t, catalog.Split{Orders: true, Lines: true, Penalty: money.Money{Currency: "USD"}}, c.Split)
	require.Equal(t, catalog.Risk{LateBP: 500, RejectBP: 200}, c.Risk)
	require.Equal(t, money.Money{Currency: "USD"}, c.Handling)
	require.Equal(t, money.Money{Currency: "USD"}, c.Shipping[0].PerItem)
	require.Equal(t, catalog.SubstitutionAsk, c.Substitution)
	require.Zero(t, c.Tolerances)
	require.Zero(t, c.PriceChange)
	require.Equal(t, "75%", c.SLA.Reminders[0].String())
}

func TestStorefrontWithoutPolicyAbsorbsNothingAndWaits(t *testing.T) {
	t.Parallel()
	file, err := catalog.Parse("s.yaml", []byte(`
storefronts:
  - {id: s, name: S, platform: shopify, currencies: [USD, JPY], url: "https://s.example", secret_env: S, webhook_secret_env: H, sender: a@s.example}
`))
	require.NoError(t, err)
	p := file.Storefronts[0].Policy
	require.Equal(t, []money.Money{{Currency: "USD"}, {Currency: "JPY"}}, p.DuplicateShipment.AbsorbUpTo)
	require.Equal(t, catalog.Backorder{Action: catalog.BackorderWait, WaitAtMost: sla.MustTerm("10d")}, p.Backorder)
	require.Equal(t, catalog.Review{}, p.Review)
	terms := []string{p.ReviewEscalateAfter.String(), p.ReviewCancelAfter.String(), p.DelayedAfter.String(), p.LostAfter.String()}
	require.Equal(t, []string{"4h", "72h", "72h", "10d"}, terms)
	_, found := catalog.AmountIn(p.DuplicateShipment.AbsorbUpTo, "JPY")
	require.True(t, found)
	_, found = catalog.AmountIn(p.DuplicateShipment.AbsorbUpTo, "EUR")
	require.False(t, found)
}

func TestBadFileReportsEveryProblemWithItsPlace(t *testing.T) {
	t.Parallel()
	_, err := catalog.Parse("bad.yaml", fixture(t, "bad.yaml"))
	var problems catalog.Problems
	require.ErrorAs(t, err, &problems)
	require.Equal(t, strings.TrimSpace(string(fixture(t, "bad.golden"))), err.Error())
	require.NotContains(t, err.Error(), "hunter2", "a misplaced secret is not repeated")
}

func TestWhatIsNoDocumentIsAProblemAtItsLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                             "x.yaml:1:1: the file is empty",
		"# only a remark\n":            "x.yaml:1:1: the file is empty",
		"suppliers:\n  - id: a\n b: 1": "x.yaml:2:1: not YAML: did not find expected key",
		"carriers: []\n---\na: 1\n":    "x.yaml:2:1: a second document starts here: a file holds one",
		"- a\n":                        "x.yaml:1:1: want a mapping of keys to values",
		"~\n":                          "x.yaml:1:1: is empty: want a mapping",
		"suppliers:\n":                 "x.yaml:1:11: suppliers: is empty: want a list",
		"? [a]\n: b\n":                 "x.yaml:1:3: a key must be a single word",
	} {
		_, err := catalog.Parse("x.yaml", []byte(text))
		require.ErrorContains(t, err, want, text)
	}
}

func TestFrozenFileReadsBackTheSame(t *testing.T) {
	t.Parallel()
	file := demo(t)
	kept, err := json.Marshal(file)
	require.NoError(t, err)
	var again catalog.File
	require.NoError(t, json.Unmarshal(kept, &again))
	require.Equal(t, file.Suppliers, again.Suppliers)
	require.Equal(t, file.Offers, again.Offers)
	require.Equal(t, file.Storefronts, again.Storefronts)
	require.Equal(t, file.Carriers, again.Carriers)
	require.NoError(t, catalog.Validate(again))
	twice, err := json.Marshal(again)
	require.NoError(t, err)
	require.Equal(t, string(kept), string(twice))
	require.Contains(t, string(kept), `"window":"until_shipped"`)
}

func TestContractIsInForceByTheDateAtTheSupplier(t *testing.T) {
	t.Parallel()
	acme := demo(t).Suppliers[0].Contract
	for text, want := range map[string]bool{
		"2026-01-01T04:59:59Z": false, // still 2025 in New York
		"2026-01-01T05:00:00Z": true,
		"2028-01-01T04:59:59Z": true, // the last day in force is a whole day
		"2028-01-01T05:00:00Z": false,
	} {
		at, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		require.Equal(t, want, acme.InForce(at), text)
	}
	require.False(t, catalog.Contract{}.InForce(time.Unix(0, 0)))
}

func TestReferencesAreJudgedAcrossFiles(t *testing.T) {
	t.Parallel()
	first := demo(t)
	second, err := catalog.Parse("more.yaml", []byte(`
offers:
  - {supplier: acme, sku: TEA-EARL, cost: "6.00", currency: USD, on_hand: 5}
  - {supplier: acme, sku: MUG-BLUE, cost: "6.00", currency: USD, on_hand: 5}
  - {supplier: nobody, sku: TEA-EARL, cost: "6.00", currency: USD, on_hand: 5}
  - {supplier: borealis, sku: LAMP-OAK, cost: "6.00", currency: EUR, on_hand: 5}
carriers:
  - {id: easypost, kind: easypost, url: "https://e.example", secret_env: E, webhook_secret_env: H}
`))
	require.NoError(t, err)
	err = catalog.Validate(first, second)
	require.EqualError(t, err, strings.Join([]string{
		"more.yaml:4:5: offers[1]: offer of MUG-BLUE by supplier acme stands already at demo.yaml:56",
		`more.yaml:5:5: offers[2]: there is no supplier "nobody"`,
		"more.yaml:6:5: offers[3]: costs EUR, but the contract of borealis is in USD: costs are compared in one currency",
		"more.yaml:8:5: carriers[easypost]: carrier easypost stands already at demo.yaml:132",
	}, "\n"))
}

func TestSingleMistakesAreNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ from, to, want string }{
		"term":                     {"acknowledge: 2h", "acknowledge: 2 busness days", `demo.yaml:22:22: suppliers[acme].contract.sla.acknowledge: "2 busness days" is not a term: want 2h`},
		"key":                      {"ships_to:", "shipsto:", "suppliers[acme].contract.shipsto: is not a known key: did you mean ships_to?"},
		"amounts for one currency": {"currencies: [USD]", "currencies: [USD, EUR]", `storefronts[demo].policy.review.max_order_value: want an amount for each currency`},
		"country by its old code":  {"[US, CA]", "[US, UK]", `"UK" is not a country: did you mean GB?`},
		"hours without days":       {"business_days: [mon, tue, wed, thu, fri]", "# none", "calendar: business_days is missing"},
		"days without hours":       {"hours: \"09:00-17:00\"\n", "\n", "calendar: hours is missing"},
		"business term in policy":  {"lost_after: 10d", "lost_after: 2 business days", "policy.lost_after: \"2 business days\" needs a calendar"},
		"order of terms":           {"lost_after: 10d", "lost_after: 72h", "policy.lost_after: 72h is not after delayed_after 72h"},
		"secret in the file":       {"secret_env: ACME_SECRET", "secret: ACME_SECRET", "channel.secret: a secret never stands in a file"},
		"always open and days":     {"zone: America/New_York", "always_open: true\n        zone: America/New_York", "contract.calendar: an always open calendar has no"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := change(t, c.from, c.to)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestTypedValuesAreTakenAsTheirText(t *testing.T) {
	t.Parallel()
	// YAML 1.1 would read these as a float, a false and an octal number.
	file, err := change(t, `cost: "4.20"`, `cost: 4.20`)
	require.NoError(t, err)
	require.Equal(t, int64(420), file.Offers[0].Cost.Minor)
	file, err = change(t, "[US, DE, AT]", "[US, DE, NO]")
	require.NoError(t, err)
	require.Equal(t, []string{"US", "DE", "NO"}, file.Suppliers[1].Contract.ShipsTo.Countries)
	file, err = change(t, `supplier_sku: "77120"`, `supplier_sku: 0077120`)
	require.NoError(t, err)
	require.Equal(t, "0077120", file.Offers[2].SupplierSKU)
}

func TestDocumentedExamplesParseAndShowTheDefaults(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/contracts.md")
	require.NoError(t, err)
	var example strings.Builder
	for i, block := range strings.Split(string(page), "```") {
		if yaml, found := strings.CutPrefix(block, "yaml\n"); found && i%2 == 1 {
			example.WriteString(yaml)
		}
	}
	file, err := catalog.Parse("contracts.md", []byte(example.String()))
	require.NoError(t, err)
	require.NoError(t, catalog.Validate(file))
	written, silent := file.Suppliers[0].Contract, demo(t).Suppliers[1].Contract
	require.Equal(t, silent.Cancel, written.Cancel)
	require.Equal(t, silent.Returns, written.Returns)
	require.Equal(t, silent.Split, written.Split)
	require.Equal(t, silent.Risk, written.Risk)
	require.Equal(t, silent.Substitution, written.Substitution)
	require.Equal(t, silent.SLA.Reminders, written.SLA.Reminders)
	require.Zero(t, written.Tolerances)
	require.Zero(t, written.PriceChange)
	require.Equal(t, "4h", file.Storefronts[0].Policy.ReviewEscalateAfter.String())
	require.Equal(t, "2h", file.Carriers[0].PollEvery.String())
}

func TestCarrierCodeIsFoundByEveryName(t *testing.T) {
	t.Parallel()
	carrier := demo(t).Carriers[0]
	for name, want := range map[string]string{"UPS": "UPS", " united parcel SERVICE ": "UPS", "fdeg": "FedEx", "DHL": ""} { //nolint:gocritic // white space as a supplier types it
		code, found := carrier.CodeOf(name)
		require.Equal(t, want, code)
		require.Equal(t, want != "", found)
	}
}

func TestStorefrontMayHaveAPaymentProvider(t *testing.T) {
	t.Parallel()
	require.False(t, demo(t).Storefronts[0].HasPayments())
	const payments = "payments: {provider: stripe, secret_env: DEMO_STRIPE_SECRET, webhook_secret_env: DEMO_STRIPE_WEBHOOK_SECRET}\n    policy:\n      capture: shipment"
	file, err := change(t, "policy:\n      capture: order", payments)
	require.NoError(t, err)
	shop := file.Storefronts[0]
	require.True(t, shop.HasPayments())
	require.Equal(t, catalog.CaptureShipment, shop.Policy.Capture)
	require.Equal(t, catalog.Payments{
		Provider: catalog.PaymentStripe, URL: "https://api.stripe.com", SecretEnv: "DEMO_STRIPE_SECRET", WebhookSecretEnv: "DEMO_STRIPE_WEBHOOK_SECRET",
	}, shop.Payments)
	kept, err := json.Marshal(shop)
	require.NoError(t, err)
	var again catalog.Storefront
	require.NoError(t, json.Unmarshal(kept, &again))
	require.Equal(t, shop, again)
}

func TestAStorefrontWithAProviderMayOfferMoreThanRefunds(t *testing.T) {
	t.Parallel()
	file, err := change(t, "policy:\n      capture: order", "payments: {provider: stripe, secret_env: DEMO_STRIPE_SECRET, webhook_secret_env: DEMO_STRIPE_WEBHOOK_SECRET}\n"+
		"    policy:\n      capture: shipment\n      returns: {outcomes: [refund, exchange, store_credit], exchange_waive_up_to: \"4.00\"}")
	require.NoError(t, err)
	r := file.Storefronts[0].Policy.Returns
	require.Equal(t, []catalog.Outcome{catalog.OutcomeRefund, catalog.OutcomeExchange, catalog.OutcomeStoreCredit}, r.Outcomes)
	up, named := catalog.AmountIn(r.ExchangeWaiveUpTo, file.Storefronts[0].Currencies[0])
	require.True(t, named)
	require.EqualValues(t, 400, up.Minor)
}

func TestStorefrontWithoutAProviderCannotCaptureAtShipment(t *testing.T) {
	t.Parallel()
	_, err := change(t, "capture: order", "capture: shipment")
	require.ErrorContains(t, err, "storefronts[demo].policy.capture: shipment needs payments")
}
