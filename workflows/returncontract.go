package workflows

import (
	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returns"
)

// The names by which the outside reaches a return's workflow. Facts come as SignalFacts with a
// ReturnFactsSignal, cancellations as UpdateCancel with a returns.CancelRequest.
const (
	// ReturnWorkflow is the workflow type; returns.WorkflowID names the workflow.
	ReturnWorkflow = "Return"
	// UpdateDecide takes returns.Decision.
	UpdateDecide = "decide"
)

// The activities of a return. Those that talk to a partner are activities; pure database steps are
// local activities.
const (
	ActivityAuthoriseReturn = "AuthoriseReturn"
	ActivityPayReturn       = "PayReturn"
	ActivityRecordReturn    = "RecordReturn"
	ActivityCloseReturn     = "CloseReturn"
	ActivityLoadReturn      = "LoadReturn"
	ActivityReturnFacts     = "ReadReturnFacts"
)

// ReturnInput starts a return's workflow.
type ReturnInput struct {
	Key order.Key `json:"key"`
	RMA string    `json:"rma"`
	// State is what the desk granted, or where the run before was, whose history had grown long. Without
	// it the workflow reads where the return stands from Postgres.
	State *returns.State `json:"state,omitempty"`
}

// ReturnFactsSignal is a batch of facts. Those the return has seen are ignored by their number.
type ReturnFactsSignal struct {
	Facts []returns.Fact `json:"facts"`
}

// ReturnAuthorised is what came of telling the supplier. A channel that answers later leaves Answer
// empty.
type ReturnAuthorised struct {
	Label  *returns.Label          `json:"label,omitempty"`
	Answer *returns.SupplierAnswer `json:"answer,omitempty"`
}

// PayReturnInput pays the customer for units, as the N-th payment of the return, from 1.
type PayReturnInput struct {
	Key        order.Key          `json:"key"`
	RMA        string             `json:"rma"`
	N          int                `json:"n"`
	Payout     returns.Payout     `json:"payout"`
	Resolution returns.Resolution `json:"resolution"`
}

// ReturnPaid is a payment that was made: minor units that went back as money, were given as store credit and
// were used for an exchange, the order that the exchange made, and the same in words. Lines are the units it was
// made for where those are others than were asked for: a payment that was fixed before pays for what it was fixed
// for. Nil, as in histories from before it was told: all that was asked for.
type ReturnPaid struct {
	Amount      int64  `json:"amount"`
	Credit      int64  `json:"credit,omitempty"`
	Moved       int64  `json:"moved,omitempty"`
	Replacement string `json:"replacement,omitempty"`
	Text        string `json:"text"`

	Lines []order.ShippedLine `json:"lines,omitzero"`
}

func (p *ReturnPaid) payment() returns.Payment {
	return returns.Payment{Money: p.Amount, Credit: p.Credit, Moved: p.Moved, Replacement: p.Replacement, Text: p.Text, Lines: p.Lines}
}

// ReturnFactsInput asks for the facts of a return with numbers above After.
type ReturnFactsInput struct {
	RMA   string `json:"rma"`
	After int64  `json:"after"`
}

// ReturnAnswer is what a person gets back from an update.
type ReturnAnswer struct {
	Message string        `json:"message"`
	Stage   returns.Stage `json:"stage"`
}

// ReturnResult is how a return ended. Amounts are minor units of the order's currency.
type ReturnResult struct {
	Stage       returns.Stage `json:"stage"`
	Paid        int64         `json:"paid"`
	Credited    int64         `json:"credited,omitempty"`
	WrittenOff  int64         `json:"writtenOff,omitempty"`
	Replacement string        `json:"replacement,omitempty"`
}
