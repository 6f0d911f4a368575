package workflows

import (
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/payments"
)

// PaymentWorkflow is the type of a payment's workflow; payments.WorkflowID names the workflow. Facts come as
// SignalFacts with a PaymentFactsSignal, decisions as UpdateDecide with a payments.Decision.
const PaymentWorkflow = "Payment"

// The activities of a payment. Those that talk to the provider are activities; pure database steps are
// local activities.
const (
	ActivityLookUpPayment  = "LookUpPayment"
	ActivityCapturePayment = "CapturePayment"
	ActivityVoidPayment    = "VoidPayment"
	ActivityRefundAgain    = "RefundAgain"
	ActivityLookUpRefund   = "LookUpRefund"
	ActivitySendEvidence   = "SendEvidence"
	ActivityRecordPayment  = "RecordPayment"
	ActivityClosePayment   = "ClosePayment"
	ActivityLoadPayment    = "LoadPayment"
	ActivityPaymentFacts   = "ReadPaymentFacts"
)

// PaymentInput starts a payment's workflow.
type PaymentInput struct {
	Key order.Key `json:"key"`
	// State is what the order's placement recorded, or where the run before was, whose history had grown
	// long. Without it the workflow reads where the payment stands from Postgres.
	State *payments.State `json:"state,omitempty"`
}

// PaymentFactsSignal is a batch of facts. Those the payment has seen are ignored by their number.
type PaymentFactsSignal struct {
	Facts []payments.Fact `json:"facts"`
}

// RefundAgainInput names a refund by our key, and one of the provider's refunds for it. Amount is minor
// units; Reference is set where the provider's refund exists. Refused is how often this try was refused before.
type RefundAgainInput struct {
	Key       order.Key `json:"key"`
	Refund    string    `json:"refund"`
	Try       int       `json:"try"`
	Refused   int       `json:"refused,omitempty"`
	Amount    int64     `json:"amount"`
	Reference string    `json:"reference,omitempty"`
}

// EvidenceInput names a chargeback.
type EvidenceInput struct {
	Key     order.Key `json:"key"`
	Dispute string    `json:"dispute"`
}

// PaymentFactsInput asks for the facts of a payment with numbers above After.
type PaymentFactsInput struct {
	Key   order.Key `json:"key"`
	After int64     `json:"after"`
}

// PaymentAnswer is what a person gets back from an update.
type PaymentAnswer struct {
	Message string         `json:"message"`
	Stage   payments.Stage `json:"stage"`
}

// PaymentResult is how a payment ended. Amounts are minor units of the order's currency.
type PaymentResult struct {
	Stage      payments.Stage `json:"stage"`
	Captured   int64          `json:"captured"`
	Released   int64          `json:"released,omitempty"`
	WrittenOff int64          `json:"writtenOff,omitempty"`
}
