package workflows

import "github.com/dropline/dropline/internal/claims"

// The names by which the outside reaches a claim's workflow. News come as SignalFacts with a
// claims.Standing.
const (
	// ClaimWorkflow is the workflow type; claims.WorkflowID names the workflow.
	ClaimWorkflow = "Claim"
	// UpdateSettle takes claims.Settlement and answers with ClaimAnswer.
	UpdateSettle = "settle"
)

// The activities of a claim are local: each is one transaction in Postgres.
const (
	ActivityLoadClaim   = "LoadClaim"
	ActivityPursueClaim = "PursueClaim"
	ActivitySettleClaim = "SettleClaim"
)

// ClaimInput starts a claim's workflow; the rest is read from Postgres.
type ClaimInput struct {
	ID string `json:"id"`
}

// PursueClaimInput takes a step. State is the claim as it is once the step is done.
type PursueClaimInput struct {
	Step  claims.Step  `json:"step"`
	State claims.State `json:"state"`
}

// SettleClaimInput settles (a part of) a claim.
type SettleClaimInput struct {
	ID         string            `json:"id"`
	Settlement claims.Settlement `json:"settlement"`
}

// ClaimAnswer is what a person gets back. Amounts are minor units.
type ClaimAnswer struct {
	Settled  int64           `json:"settled"`
	Standing claims.Standing `json:"standing"`
}

// ClaimResult is how a claim's workflow ended.
type ClaimResult struct {
	Stage   claims.Stage `json:"stage"`
	Letters int          `json:"letters"`
}
