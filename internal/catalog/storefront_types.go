package catalog

import (
	"strings"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/sla"
)

// Platform is the software that a storefront runs on.
type Platform string

// PlatformGeneric is any client of our API.
const (
	PlatformGeneric Platform = "generic"
	PlatformShopify Platform = "shopify"
)

// Storefront is the shop that sold the goods.
type Storefront struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Platform   Platform `json:"platform"`
	Currencies []string `json:"currencies"`
	// URL is the base of the platform's API, required for Shopify; RefundURL takes refunds,
	// required for the generic platform.
	URL       string `json:"url,omitempty"`
	RefundURL string `json:"refund_url,omitempty"`
	// SecretEnv authenticates what we send, WebhookSecretEnv what we receive.
	SecretEnv        string `json:"secret_env"`
	WebhookSecretEnv string `json:"webhook_secret_env"`
	// Sender is the address that notifications to customers come from.
	Sender string `json:"sender"`
	// Payments is zero for a storefront that keeps its customers' payments to itself: see HasPayments.
	Payments Payments `json:"payments,omitzero"`
	Policy   Policy   `json:"policy"`
}

// Policy is what a storefront wants done without being asked. Its terms are elapsed ones,
// because a storefront has no calendar. Lists of amounts hold one for every currency.
type Policy struct {
	Capture   Capture   `json:"capture"`
	Backorder Backorder `json:"backorder"`
	Review    Review    `json:"review"`
	// A held order escalates, and later is cancelled, after these terms.
	ReviewEscalateAfter sla.Term `json:"review_escalate_after"`
	ReviewCancelAfter   sla.Term `json:"review_cancel_after"`
	// A parcel is delayed, and later lost, after these terms without a scan.
	DelayedAfter      sla.Term          `json:"delayed_after"`
	LostAfter         sla.Term          `json:"lost_after"`
	ShipLateness      ShipLateness      `json:"ship_lateness"`
	RefundShipping    RefundShipping    `json:"refund_shipping"`
	DuplicateShipment DuplicateShipment `json:"duplicate_shipment"`
	Returns           ReturnPolicy      `json:"returns"`
}

// ReturnPolicy says what customers may send back, and what they get for it. A fault is goods that are
// damaged, defective, wrong or not as described.
type ReturnPolicy struct {
	// Outcomes are what customers may ask for; a fault is refunded whatever they say. ExchangeAt is when the
	// goods of an exchange are sent; dearer goods are sent for the price of what comes back when they cost up to
	// ExchangeWaiveUpTo more. CreditBonusBP is added to a store credit.
	Outcomes          []Outcome      `json:"outcomes,omitempty"`
	ExchangeAt        ExchangeMoment `json:"exchange_at,omitempty"`
	ExchangeWaiveUpTo []money.Money  `json:"exchange_waive_up_to,omitempty"`
	CreditBonusBP     int64          `json:"credit_bonus_bp,omitempty"`
	// WindowDays from the delivery; 0: nothing comes back but for a fault. FaultDays is the window for
	// those; 0: the same.
	WindowDays int `json:"window_days"`
	FaultDays  int `json:"fault_days,omitempty"`
	// FinalSale are SKUs that come back only for a fault.
	FinalSale []string `json:"final_sale,omitempty"`
	// Categories are what is otherwise about goods of a category, by CategoryKey.
	Categories map[string]CategoryPolicy `json:"categories,omitempty"`
	// RestockingBP and OpenedBP of the price are kept when nothing was wrong.
	RestockingBP int64 `json:"restocking_bp,omitempty"`
	OpenedBP     int64 `json:"opened_bp,omitempty"`
	// PaysShipping is who pays for the label when nothing was wrong; ReturnShipping is its price.
	PaysShipping   Payer         `json:"pays_shipping"`
	ReturnShipping []money.Money `json:"return_shipping,omitempty"`
	// InstantUpTo: refunds up to this are made when the carrier has the parcel. KeepUpTo: faulty goods
	// up to this value need not come back.
	InstantUpTo    []money.Money `json:"instant_up_to,omitempty"`
	KeepUpTo       []money.Money `json:"keep_up_to,omitempty"`
	PhotosForFault bool          `json:"photos_for_fault,omitempty"`
	// LostUpTo: a parcel that the carrier lost is paid for up to this without a person; absent: always.
	LostUpTo []money.Money `json:"lost_up_to,omitempty"`
	// The customer hands the parcel in, and whoever receives it looks at it, within these terms.
	SendWithin    sla.Term `json:"send_within"`
	InspectWithin sla.Term `json:"inspect_within"`
}

// Outcome is what a customer gets for goods that come back.
type Outcome string

// Money, other goods, or a credit at the storefront.
const (
	OutcomeRefund      Outcome = "refund"
	OutcomeExchange    Outcome = "exchange"
	OutcomeStoreCredit Outcome = "store_credit"
)

// ExchangeMoment is when the goods of an exchange are sent.
type ExchangeMoment string

// When the carrier has the parcel that comes back, or when it was looked at.
const (
	ExchangeAtScan       ExchangeMoment = "scan"
	ExchangeAtInspection ExchangeMoment = "inspection"
)

// Capture is when the customer's payment is captured.
type Capture string

// When the order is placed, or when its goods leave. The second needs a payment provider.
const (
	CaptureOrder    Capture = "order"
	CaptureShipment Capture = "shipment"
)

// BackorderAction is what becomes of a backordered quantity.
type BackorderAction string

// Wait for the same supplier, move to another, or cancel.
const (
	BackorderWait   BackorderAction = "wait"
	BackorderMove   BackorderAction = "move"
	BackorderCancel BackorderAction = "cancel"
)

// Backorder says what to do and, for a wait, how long at most.
type Backorder struct {
	Action     BackorderAction `json:"action"`
	WaitAtMost sla.Term        `json:"wait_at_most,omitzero"`
}

// Review names the doubts that hold an order for a person. Absent ones hold nothing.
type Review struct {
	MaxOrderValue    []money.Money `json:"max_order_value,omitempty"`
	Velocity         Velocity      `json:"velocity,omitzero"`
	CountriesBlocked []string      `json:"countries_blocked,omitempty"`
	HoldPOBoxes      bool          `json:"hold_po_boxes,omitempty"`
}

// Velocity holds a customer's order once there are more than Orders in a term.
type Velocity struct {
	Orders int      `json:"orders"`
	Per    sla.Term `json:"per"`
}

// LateAction is what follows a ship clock that ran out.
type LateAction string

// Move the goods to another supplier, or wait for a person.
const (
	LateReroute LateAction = "reroute"
	LateHold    LateAction = "hold"
)

// ShipLateness says what follows a missed ship deadline: when Grace is over too, the action.
type ShipLateness struct {
	Grace  sla.Term   `json:"grace"`
	Action LateAction `json:"action"`
}

// RefundShipping is how much of the shipping price a cancelled or lost quantity gives back.
type RefundShipping string

// All of it if nothing of the order was delivered, or in proportion to the goods.
const (
	RefundShippingNoneDelivered RefundShipping = "none_delivered"
	RefundShippingProportional  RefundShipping = "proportional"
)

// DuplicateShipment says up to which amounts of goods cost a duplicate is absorbed as loss.
type DuplicateShipment struct {
	AbsorbUpTo []money.Money `json:"absorb_up_to"`
}

// AmountIn picks the amount of a currency from a list that holds one for each.
func AmountIn(amounts []money.Money, currency string) (money.Money, bool) {
	for _, amount := range amounts {
		if amount.Currency == currency {
			return amount, true
		}
	}
	return money.Money{}, false
}

// CarrierKind is the service that tells us about parcels.
type CarrierKind string

// CarrierEasyPost tracks parcels of many carriers.
const CarrierEasyPost CarrierKind = "easypost"

// Carrier is a tracking service.
type Carrier struct {
	ID               string      `json:"id"`
	Kind             CarrierKind `json:"kind"`
	URL              string      `json:"url"`
	SecretEnv        string      `json:"secret_env"`
	WebhookSecretEnv string      `json:"webhook_secret_env"`
	PollEvery        sla.Term    `json:"poll_every"`
	Aliases          []Alias     `json:"aliases,omitempty"`
	// Claims are read in carrierclaims.go.
	Claims CarrierClaims `json:"claims,omitzero"`
}

// Alias are the names that suppliers write for the carrier which the service calls Code.
type Alias struct {
	Code  string   `json:"code"`
	Names []string `json:"names"`
}

// CodeOf is the service's code for a carrier name as a supplier wrote it; case and surrounding
// space do not matter. False if the file names no such carrier.
func (c Carrier) CodeOf(name string) (string, bool) {
	name = strings.TrimSpace(name)
	for _, alias := range c.Aliases {
		for _, known := range append([]string{alias.Code}, alias.Names...) {
			if strings.EqualFold(name, known) {
				return alias.Code, true
			}
		}
	}
	return "", false
}
