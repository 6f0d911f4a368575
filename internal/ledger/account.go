// Package ledger holds the rules of the double-entry record kept per order: its accounts,
// the balanced transactions that business facts post to them, the prices of parts of a
// line, and the test whether an order's accounts are square.
//
// Everything here is pure and deterministic. Ids reach it only as restricted tokens
// (letters, digits and -_.:/#), so that no posting can carry a name, an address or an
// e-mail, and free text is not accepted anywhere.
package ledger

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that the functions of this package wrap.
var (
	// ErrToken: an id is empty, longer than 120 characters or has a forbidden character.
	ErrToken = errors.New("id must be 1 to 120 of letters, digits and -_.:/#")
	// ErrUnknownAccount: the name is not in the chart of accounts.
	ErrUnknownAccount = errors.New("account is not in the chart")
)

// AccountType tells on which side an account grows.
type AccountType string

// Assets and expenses grow by debits (positive), liabilities and income by credits
// (negative).
const (
	Asset     AccountType = "asset"
	Liability AccountType = "liability"
	Income    AccountType = "income"
	Expense   AccountType = "expense"
)

// Account names an account of the chart: a fixed name, or a name and the partner it
// stands for, "supplier_payable:acme".
type Account string

// Accounts without a partner.
const (
	// ProcessorClearing is money at the payment processor or storefront.
	ProcessorClearing Account = "processor_clearing"
	// Bank is money paid to or received from suppliers and carriers.
	Bank Account = "bank"
	// CustomerDeposits is what the customer paid and is neither earned nor refunded.
	CustomerDeposits Account = "customer_deposits"
	// TaxPayable is tax on earned sales, owed to the state.
	TaxPayable Account = "tax_payable"
	// Revenue is the price of goods delivered and kept, without tax.
	Revenue Account = "revenue"
	// ShippingRevenue is what the customer paid for shipping, without tax.
	ShippingRevenue Account = "shipping_revenue"
	// FeesRetained is what is kept of a refund by name, such as a restocking fee.
	FeesRetained Account = "fees_retained"
	// CostOfGoods is what suppliers charge for what they shipped, less their credits.
	CostOfGoods Account = "cost_of_goods"
	// CustomerReceivable is what was sold on an authorisation and has not been captured.
	CustomerReceivable Account = "customer_receivable"
	// RefundsPayable is what customers are owed whose refund came back, or is held.
	RefundsPayable Account = "refunds_payable"
	// Chargebacks is what customers' banks have taken and not decided about.
	Chargebacks Account = "chargebacks"
	// PaymentFees is what the payment provider keeps.
	PaymentFees Account = "payment_fees"
	// ReturnShipping is what carriers charge for the labels of return parcels.
	ReturnShipping Account = "return_shipping"
	// Losses is what nobody will make good: absorbed shipments, written-off claims, chargebacks.
	Losses Account = "losses"
	// Goodwill is what a customer got back while keeping the goods.
	Goodwill Account = "goodwill"
	// StoreCredit is what customers hold as credit at the storefront instead of their money.
	StoreCredit Account = "store_credit"
	// CurrencyConversion is what stands in one currency for what was converted from another: at the recorded
	// rate, its balances in all currencies come to nothing.
	CurrencyConversion Account = "currency_conversion"
	// ExchangeCredit is value on its way from a returned order to the order that replaces it.
	ExchangeCredit Account = "exchange_credit"
)

// SupplierPayable is what we owe a supplier.
func SupplierPayable(supplierID string) Account {
	return Account(supplierPayable + ":" + supplierID)
}

// SupplierClaims is what a supplier owes us: credits, disputed charges, penalties.
func SupplierClaims(supplierID string) Account {
	return Account(supplierClaims + ":" + supplierID)
}

// CarrierClaims is what a carrier owes us for a lost or damaged parcel.
func CarrierClaims(carrierID string) Account {
	return Account(carrierClaims + ":" + carrierID)
}

const (
	supplierPayable = "supplier_payable"
	supplierClaims  = "supplier_claims"
	carrierClaims   = "carrier_claims"
)

type description struct {
	kind    AccountType
	title   string
	partner bool // the account is kept per supplier or carrier
	claimed bool // whatever it holds when an order closes needs a named open claim
}

func (a Account) describe() (description, bool) {
	name, partner, hasPartner := strings.Cut(string(a), ":")
	d, known := chart(name)
	if !known || d.partner != hasPartner || d.partner && checkToken(partner) != nil {
		return description{}, false
	}
	return d, true
}

func chart(name string) (description, bool) {
	switch name {
	case string(ProcessorClearing):
		return description{kind: Asset, title: "Payment processor clearing"}, true
	case string(Bank):
		return description{kind: Asset, title: "Bank"}, true
	case string(CustomerDeposits):
		return description{kind: Liability, title: "Customer deposits"}, true
	case string(TaxPayable):
		return description{kind: Liability, title: "Tax payable"}, true
	case string(Revenue):
		return description{kind: Income, title: "Revenue"}, true
	case string(ShippingRevenue):
		return description{kind: Income, title: "Shipping revenue"}, true
	case string(FeesRetained):
		return description{kind: Income, title: "Fees retained"}, true
	case string(CostOfGoods):
		return description{kind: Expense, title: "Cost of goods"}, true
	case string(CustomerReceivable):
		return description{kind: Asset, title: "Customer receivable", claimed: true}, true
	case string(RefundsPayable):
		return description{kind: Liability, title: "Refunds payable", claimed: true}, true
	case string(Chargebacks):
		return description{kind: Asset, title: "Chargebacks", claimed: true}, true
	case string(PaymentFees):
		return description{kind: Expense, title: "Payment fees"}, true
	case string(ReturnShipping):
		return description{kind: Expense, title: "Return shipping"}, true
	case string(Losses):
		return description{kind: Expense, title: "Losses"}, true
	case string(Goodwill):
		return description{kind: Expense, title: "Goodwill"}, true
	case string(StoreCredit):
		return description{kind: Liability, title: "Store credit"}, true
	case string(CurrencyConversion):
		return description{kind: Asset, title: "Currency conversion"}, true
	case string(ExchangeCredit):
		return description{kind: Liability, title: "Exchange credit"}, true
	case supplierPayable:
		return description{kind: Liability, title: "Payable to supplier", partner: true, claimed: true}, true
	case supplierClaims:
		return description{kind: Asset, title: "Claims on supplier", partner: true, claimed: true}, true
	case carrierClaims:
		return description{kind: Asset, title: "Claims on carrier", partner: true, claimed: true}, true
	}
	return description{}, false
}

// Validate returns ErrUnknownAccount unless the account is in the chart, with a partner id
// if and only if it is kept per partner.
func (a Account) Validate() error {
	if _, ok := a.describe(); !ok {
		return fmt.Errorf("account %.60q: %w", string(a), ErrUnknownAccount)
	}
	return nil
}

// Type returns the account's type, "" for an account outside the chart.
func (a Account) Type() AccountType {
	d, _ := a.describe()
	return d.kind
}

// Title returns the account's name for people, "Payable to supplier acme", and "" for an
// account outside the chart.
func (a Account) Title() string {
	d, _ := a.describe()
	if d.partner {
		return d.title + " " + a.Partner()
	}
	return d.title
}

// Partner returns the supplier or carrier id of an account kept per partner, else "".
func (a Account) Partner() string {
	_, partner, _ := strings.Cut(string(a), ":")
	return partner
}

// NeedsClaim reports whether a balance left on the account when an order closes must be
// covered by a named open claim.
func (a Account) NeedsClaim() bool {
	d, _ := a.describe()
	return d.claimed
}

// IsClaims reports whether the account holds what a supplier or carrier owes us.
func (a Account) IsClaims() bool { return a.NeedsClaim() && a.Type() == Asset && a.Partner() != "" }

// maxToken bounds ids so that a derived key stays within an index entry.
const maxToken = 120

func checkToken(token string) error {
	if token == "" || len(token) > maxToken {
		return ErrToken
	}
	for i := range len(token) {
		c := token[i]
		letterOrDigit := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letterOrDigit && strings.IndexByte("-_.:/#", c) < 0 {
			return ErrToken
		}
	}
	return nil
}
