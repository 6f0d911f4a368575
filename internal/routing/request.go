package routing

import (
	"time"

	"github.com/dropline/dropline/internal/money"
)

// Request is the frozen input of one decision. It carries no personal data: of the address
// only country and region matter to a rule.
type Request struct {
	Currency    string      `json:"currency"` // ISO 4217; every Policy amount and every cost in the decision
	Destination Destination `json:"destination"`
	At          time.Time   `json:"at"` // the moment contracts are judged at
	Lines       []Line      `json:"lines"`
	Candidates  []Candidate `json:"candidates"`
	Policy      Policy      `json:"policy"`
	Excluded    []Exclusion `json:"excluded"`
	Rates       []Rate      `json:"rates"`
}

// Destination is where the goods go: ISO 3166-1 alpha-2 country and the region code within it.
type Destination struct {
	Country string `json:"country"`
	Region  string `json:"region,omitempty"`
}

// Area is a country, or one region of it; an empty Region means the whole country.
type Area struct {
	Country string `json:"country"`
	Region  string `json:"region,omitempty"`
}

// Line is the quantity of one order line still to be routed. Two lines may name one SKU;
// they then draw on the same stock.
type Line struct {
	Line     int    `json:"line"`
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// Candidate is a supplier as it stood when the decision was made.
type Candidate struct {
	Supplier      string    `json:"supplier"`
	ContractFrom  time.Time `json:"contract_from"`            // inclusive
	ContractUntil time.Time `json:"contract_until,omitzero"`  // exclusive; zero is open-ended
	ShipsTo       []string  `json:"ships_to"`                 // countries; empty ships nowhere
	ExceptRegions []Area    `json:"except_regions,omitempty"` // parts of ShipsTo not served
	Shipping      []Method  `json:"shipping"`
	// ExpectedLateBP is the probability, in basis points, that a purchase order is late, and
	// LateDays by how many days it then is (0 counts as 1).
	ExpectedLateBP int64 `json:"expected_late_bp"`
	LateDays       int   `json:"late_days,omitempty"`
	// RejectBP is the probability, in basis points, that the supplier fails the purchase order.
	RejectBP int64 `json:"reject_bp"`
	// ShipDays is the contract's term from purchase order to first scan.
	ShipDays int     `json:"ship_days"`
	Offers   []Offer `json:"offers"`
}

// Method is one way a supplier ships. A purchase order uses one method.
type Method struct {
	Name           string   `json:"name"`
	Currency       string   `json:"currency,omitempty"` // empty is the order's
	BaseCost       int64    `json:"base_cost"`          // per parcel
	PerItemCost    int64    `json:"per_item_cost"`      // per unit
	TransitDaysMax int      `json:"transit_days_max"`
	Countries      []string `json:"countries,omitempty"` // empty is wherever the supplier ships
	RefusesHazmat  bool     `json:"refuses_hazmat,omitempty"`
}

// Offer is what one supplier asks for one SKU, and how many units it has free.
type Offer struct {
	SKU          string `json:"sku"`
	SupplierSKU  string `json:"supplier_sku"`
	UnitCost     int64  `json:"unit_cost"`
	Currency     string `json:"currency,omitempty"` // empty is the order's
	Available    int64  `json:"available"`          // on hand minus reservations; below zero counts as none
	ShipsAlone   bool   `json:"ships_alone,omitempty"`
	Hazmat       bool   `json:"hazmat,omitempty"`
	MaxPerParcel int64  `json:"max_per_parcel,omitempty"` // 0 is no limit
	LeadDays     int    `json:"lead_days,omitempty"`      // replaces a shorter ShipDays
}

// Policy prices what is not on an invoice and sets the limits of a plan.
type Policy struct {
	SplitPenalty       int64  `json:"split_penalty"`         // per purchase order beyond the first
	LatenessCostPerDay int64  `json:"lateness_cost_per_day"` // per purchase order and day
	PromiseDays        int    `json:"promise_days"`          // days to the door that cost nothing
	RiskCost           int64  `json:"risk_cost"`             // when a supplier fails its purchase order
	MaxSuppliers       int    `json:"max_suppliers"`         // 0 is no limit
	AllowPartial       bool   `json:"allow_partial"`         // false: the whole request or nothing
	HazmatProhibited   []Area `json:"hazmat_prohibited,omitempty"`
}

// Exclusion bars a supplier from one SKU, or from all when SKU is empty: it already rejected
// or lost these units, or stands in quarantine.
type Exclusion struct {
	Supplier string `json:"supplier"`
	SKU      string `json:"sku,omitempty"`
	Rule     Rule   `json:"rule,omitempty"` // RuleExcluded (also when empty) or RuleQuarantined
	Reason   string `json:"reason"`
}

// Rate is a recorded rate of exchange into the order's currency.
type Rate = money.Rate
