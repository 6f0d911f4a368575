// Package workflows holds the deterministic orchestration: one workflow per order, and the
// scheduled passes that work for all orders at once.
package workflows

import (
	"github.com/dropline/dropline/internal/order"
)

// TaskQueue is where orders and their activities run.
const TaskQueue = "dropline"

// The names by which the outside reaches an order's workflow.
const (
	// OrderWorkflow is the workflow type.
	OrderWorkflow = "Order"
	// SignalFacts carries FactsSignal: what happened outside, in the order it was recorded.
	SignalFacts = "facts"
	// SignalCancel carries order.CancelRequest; an empty payload cancels the whole order. It is for
	// people in the Temporal UI: there is no answer but the order's own story.
	SignalCancel = "cancel"
	// UpdateCancel takes order.CancelRequest and answers order.CancelReply, or refuses.
	UpdateCancel = "cancel"
	// UpdateReview takes ReviewRequest and decides about a held order.
	UpdateReview = "review"
	// UpdateAddress takes AddressRequest and redirects an order that has not been dispatched.
	UpdateAddress = "change_address"
	// UpdateResolve takes ResolveRequest: a person's decision where only a person can decide.
	UpdateResolve = "resolve"
	// QueryState answers order.State whole.
	QueryState = "state"
)

// OrderInput starts an order's workflow. Everything else about the order is read from Postgres:
// nothing personal and no basket stands in the history.
type OrderInput struct {
	Key order.Key `json:"key"`
	// Reopen: the order was settled before, and something has come since. The new run goes on from
	// the recorded state.
	Reopen bool `json:"reopen,omitempty"`
	// State goes on from the run before, whose history had grown long. What was under way there is
	// begun again under the same keys.
	State *order.State `json:"state,omitempty"`
}

// FactsSignal is a batch of facts. Those the order has seen are ignored by their number.
type FactsSignal struct {
	Facts []order.Fact `json:"facts"`
}

// ReviewRequest is a person's decision about a held order.
type ReviewRequest struct {
	Decision order.Review `json:"decision"`
	// By is a role, never a name.
	By string `json:"by"`
	// AddressChange is the id of the corrected address that an amendment brings.
	AddressChange string `json:"addressChange,omitempty"`
}

// AddressRequest refers to an address that waits in Postgres.
type AddressRequest struct {
	Change string `json:"change"`
	// Country is the ISO code of the new address: suppliers are chosen by it.
	Country string `json:"country"`
}

// ResolveRequest is a person's decision. Exactly one of Withdrawal and Case is set.
type ResolveRequest struct {
	// Withdrawal is the key of a cancellation the supplier never answered; Confirmed says whether
	// it gave the units back.
	Withdrawal string `json:"withdrawal,omitempty"`
	Confirmed  bool   `json:"confirmed,omitempty"`
	// Case is the key of a shipment nobody waited for; Outcome is intercepted or absorbed_as_loss.
	Case    string           `json:"case,omitempty"`
	Outcome order.CaseStatus `json:"outcome,omitempty"`
	By      string           `json:"by"`
}

// Answer is what a person gets back from an update: words, and the order as it stands.
type Answer struct {
	Message string      `json:"message"`
	Stage   order.Stage `json:"stage"`
}

// OrderResult is how an order ended.
type OrderResult struct {
	Stage     order.Stage `json:"stage"`
	Suppliers []string    `json:"suppliers,omitempty"`
	POs       int         `json:"purchaseOrders"`
	Refunds   int         `json:"refunds,omitempty"`
	Breached  bool        `json:"breached,omitempty"`
}
