package carrier

// GiveBack is what a carrier says about a label that is given back to it.
type GiveBack string

// The answers. A carrier takes its time: it looks whether the label was used.
const (
	GiveBackAsked    GiveBack = "asked"
	GiveBackAccepted GiveBack = "accepted"
	GiveBackRefused  GiveBack = "refused"
)
