package routing

// Version names the rules and the encoding. It changes whenever the same request could give
// another decision, so that an old decision is never judged by new rules.
const Version = "routing/1"

// Rule names why a candidate, or one of its offers, could not be used.
type Rule string

// Hard rules, in the order in which they are tried; the first that applies to a supplier
// removes it, the first that applies to an offer removes the offer.
const (
	RuleContractNotInForce   Rule = "contract_not_in_force"
	RuleQuarantined          Rule = "quarantined"
	RuleExcluded             Rule = "excluded"
	RuleDoesNotShipToCountry Rule = "does_not_ship_to_country"
	RuleRegionExcluded       Rule = "region_excluded"
	RuleNoShippingMethod     Rule = "no_shipping_method"
	RuleNoOffer              Rule = "no_offer"
	RuleHazmatDestination    Rule = "hazmat_destination"
	RuleHazmatMethod         Rule = "hazmat_method"
	RuleCurrency             Rule = "currency"
	RuleOutOfStock           Rule = "out_of_stock"
)

// Reason names why units stayed unassigned.
type Reason string

// Reasons for unassigned units.
const (
	ReasonNoSupplier        Reason = "no_supplier"        // every candidate was removed for this SKU
	ReasonInsufficientStock Reason = "insufficient_stock" // all candidates together have too little
	ReasonSupplierLimit     Reason = "supplier_limit"     // Policy.MaxSuppliers leaves stock unused
	ReasonOrderIncomplete   Reason = "order_incomplete"   // could ship, but another line cannot and partial is not allowed
)

// Decision is the plan and everything that explains it.
type Decision struct {
	Version     string            `json:"version"`
	Input       string            `json:"input"` // lower-case hex SHA-256 of Request.Canonical
	Currency    string            `json:"currency"`
	Assignments []Assignment      `json:"assignments"` // one purchase order each, by supplier
	Unassigned  []Unassigned      `json:"unassigned"`  // by line
	Candidates  []CandidateReport `json:"candidates"`  // by supplier
	Cost        Cost              `json:"cost"`
	Exact       bool              `json:"exact"` // no plan is better; false: the best the heuristic found
	RunnerUp    *Alternative      `json:"runner_up,omitempty"`
	Explored    Explored          `json:"explored"`
}

// Assignment is what one supplier ships, in one purchase order by one method.
type Assignment struct {
	Supplier string `json:"supplier"`
	Method   string `json:"method"`
	// Currency is the supplier's, where it is not the order's. The costs of the decision are converted at
	// the rate of the request; what is ordered costs the OfferCost of its lines.
	Currency string         `json:"currency,omitempty"`
	Lines    []AssignedLine `json:"lines"`
	Parcels  int64          `json:"parcels"`
	Days     int            `json:"days"` // planned days to the door
	Cost     POCost         `json:"cost"`
}

// AssignedLine is a quantity of one order line. UnitCost is in the order's currency.
type AssignedLine struct {
	Line        int    `json:"line"`
	SKU         string `json:"sku"`
	SupplierSKU string `json:"supplier_sku"`
	Quantity    int64  `json:"quantity"`
	UnitCost    int64  `json:"unit_cost"`
	OfferCost   int64  `json:"offer_cost,omitempty"` // in the supplier's currency, where it is another
}

// POCost is one purchase order's share of the total. Lateness and risk are expectations,
// rounded half up once per purchase order.
type POCost struct {
	Goods    int64 `json:"goods"`
	Shipping int64 `json:"shipping"`
	Lateness int64 `json:"lateness"`
	Risk     int64 `json:"risk"`
}

// Cost is the objective: Total is the sum of the other parts.
type Cost struct {
	Goods        int64 `json:"goods"`
	Shipping     int64 `json:"shipping"`
	SplitPenalty int64 `json:"split_penalty"`
	Lateness     int64 `json:"lateness"`
	Risk         int64 `json:"risk"`
	Total        int64 `json:"total"`
}

// Unassigned is the part of a line nobody ships.
type Unassigned struct {
	Line     int    `json:"line"`
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
	Reason   Reason `json:"reason"`
}

// CandidateReport says what became of one candidate.
type CandidateReport struct {
	Supplier     string        `json:"supplier"`
	Considered   bool          `json:"considered"` // at least one offer passed every rule
	Chosen       bool          `json:"chosen"`
	Eliminations []Elimination `json:"eliminations"`
	Alone        *Alone        `json:"alone,omitempty"` // nil unless considered
}

// Elimination is a hard rule that removed a candidate (SKU empty) or one of its offers.
type Elimination struct {
	SKU    string `json:"sku,omitempty"`
	Rule   Rule   `json:"rule"`
	Detail string `json:"detail"`
}

// Alone is the best this candidate could do as the only supplier.
type Alone struct {
	Units  int64  `json:"units"`
	Method string `json:"method"`
	Cost   Cost   `json:"cost"`
}

// Alternative is the best plan that does without at least one of the chosen suppliers.
type Alternative struct {
	Suppliers  []string `json:"suppliers"`
	Unassigned int64    `json:"unassigned"` // units
	Cost       Cost     `json:"cost"`
	Exact      bool     `json:"exact"`
	Why        string   `json:"why"` // why it lost
}

// Explored says how much was looked at.
type Explored struct {
	Suppliers int `json:"suppliers"` // candidates that passed the rules
	Options   int `json:"options"`   // ways to use them: method × parcels × speed, undominated
	Nodes     int `json:"nodes"`     // search nodes, winner and runner-up together
	Plans     int `json:"plans"`     // complete plans priced by the heuristic
}
