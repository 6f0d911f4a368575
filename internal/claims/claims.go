// Package claims holds the rules of pursuing what a supplier owes us besides returns: disputed invoices,
// penalties, lost and short shipments; and what a carrier owes for parcels. What is owed stands in the ledger; the rules here say whom to
// write to when, and when a person has to decide. Everything is pure and deterministic.
package claims

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/order"
)

// Pursued tells whether a claim has a workflow of its own. Those of returns are chased by the return's
// workflow, and what we owe is paid, not pursued.
func Pursued(c *ledger.Claim) bool {
	partner := c.Account.Partner()
	return c.Account == ledger.CarrierClaims(partner) || c.Account == ledger.SupplierClaims(partner) && !strings.HasPrefix(c.Key, "return/")
}

// ID names a matter: the claims of an order that are pursued together. key is the claim's, or what the
// keys of all of them begin with.
func ID(orderKey, key string) string { return orderKey + "/" + key }

// WorkflowID names the workflow of a matter.
func WorkflowID(id string) string { return "claim/" + id }

// Reference is what the supplier knows a matter by: it says nothing of the order.
func Reference(id string) string {
	sum := sha256.Sum256([]byte(id))
	return "C" + strings.ToUpper(hex.EncodeToString(sum[:7]))
}

// Terms are what the contract says about chasing. Times count from the opening.
type Terms struct {
	ChaseAfter    []time.Duration `json:"chaseAfter,omitempty"` // ascending
	EscalateAfter time.Duration   `json:"escalateAfter"`
}

// Answer is what the supplier says about a claim; empty: nothing yet.
type Answer string

// The answers. A claim that is accepted is chased until the credit comes.
const (
	Accepted Answer = "accepted"
	Refused  Answer = "refused"
)

// Standing is a matter as Postgres holds it. News counts its changes: the highest is the newest.
type Standing struct {
	News int64 `json:"news"`
	Open int64 `json:"open"` // minor units
	// Found is what a carrier has paid for a parcel that came all the same, as far as nobody has answered it; in
	// minor units.
	Found  int64  `json:"found,omitempty"`
	Answer Answer `json:"answer,omitempty"`
}

// Pending: somebody still has to do something about it.
func (s Standing) Pending() bool { return s.Open > 0 || s.Found > 0 }

// Stage is how far a claim has come.
type Stage string

// The stages.
const (
	StageOpen      Stage = "open"
	StageAsked     Stage = "asked"
	StageChased    Stage = "chased"
	StageEscalated Stage = "escalated"
	StageSettled   Stage = "settled"
)

// State is a claim as its workflow pursues it.
type State struct {
	ID        string           `json:"id"`
	Reference string           `json:"reference"`
	Key       order.Key        `json:"key"`
	Kind      ledger.ClaimKind `json:"kind"`
	PO        string           `json:"po,omitempty"`
	Supplier  string           `json:"supplier"`
	Name      string           `json:"name"` // the supplier's
	// Carrier: the claim is on a carrier, whose id and name stand in place of the supplier's. FileBy is until when
	// it takes the claim; zero: the parcel was never scanned.
	Carrier  bool      `json:"carrier,omitempty"`
	FileBy   time.Time `json:"fileBy,omitzero"`
	Currency string    `json:"currency"`
	OpenedAt time.Time `json:"openedAt"`
	Terms    Terms     `json:"terms"`

	Standing
	// Letters is how far the supplier was written to: 1 is the first letter, 2 the first reminder.
	Letters   int  `json:"letters,omitempty"`
	Escalated bool `json:"escalated,omitempty"`
	Closed    bool `json:"closed,omitempty"` // nothing is open, and that is recorded
	// Stalled says why the last step could not be recorded.
	Stalled  string `json:"stalled,omitempty"`
	Revision int64  `json:"revision,omitempty"`
}

// Learn takes what Postgres says. What is older than what is known changes nothing.
func (s *State) Learn(now Standing) {
	if now.News < s.News {
		return
	}
	if now.Found > s.Found {
		s.Escalated = false // whatever a person was asked before, this is another question
	}
	s.Standing = now
	if s.Pending() {
		s.Closed = false
	}
}

// late: it was opened after the carrier takes claims.
func (s *State) late() bool { return !s.FileBy.IsZero() && s.OpenedAt.After(s.FileBy) }

// Step is what is to be done next.
type Step string

// The steps.
const (
	StepNone     Step = ""
	StepAsk      Step = "ask"
	StepChase    Step = "chase"
	StepEscalate Step = "escalate"
	StepClose    Step = "close"
)

// Due is the step whose time has come. Reminders whose time passed while nobody worked are not made up
// for: the newest stands for them.
func (s *State) Due(now time.Time) Step {
	switch {
	case s.Open == 0 && s.Found > 0 && !s.Escalated:
		return StepEscalate // paid for what came all the same: only a person can answer that
	case s.Open == 0 && (s.Closed || s.Found > 0):
		return StepNone
	case s.Open == 0:
		return StepClose
	case s.Letters == 0:
		return StepAsk
	case s.Escalated:
		return StepNone
	case s.Answer == Refused || s.late() || !now.Before(s.OpenedAt.Add(s.Terms.EscalateAfter)):
		return StepEscalate
	case s.lettersBy(now) > s.Letters:
		return StepChase
	}
	return StepNone
}

// lettersBy is how many letters the supplier should have had by a time.
func (s *State) lettersBy(now time.Time) int {
	n := 1
	for _, after := range s.Terms.ChaseAfter {
		if !now.Before(s.OpenedAt.Add(after)) {
			n++
		}
	}
	return n
}

// Take is the state once the step is done: what is recorded together with it.
func (s *State) Take(step Step, now time.Time) State {
	next := *s
	next.Revision++
	next.Stalled = ""
	switch step {
	case StepAsk, StepChase:
		next.Letters = s.lettersBy(now)
	case StepEscalate:
		next.Escalated = true
	case StepClose:
		next.Closed = true
	}
	return next
}

// Deadlines are what the claim waits for.
func (s *State) Deadlines() []order.Deadline {
	if s.Open == 0 || s.Escalated || s.Letters == 0 {
		return nil
	}
	at, text := s.OpenedAt.Add(s.Terms.EscalateAfter), "Ask a person: "+s.Name+" does not settle the claim"
	for _, after := range s.Terms.ChaseAfter[min(s.Letters-1, len(s.Terms.ChaseAfter)):] {
		if chase := s.OpenedAt.Add(after); chase.Before(at) {
			at, text = chase, "Remind "+s.Name+" of the claim"
			break
		}
	}
	return []order.Deadline{{Key: "chase", At: at, Text: text}}
}

// Stage is how far the claim has come.
func (s *State) Stage() Stage {
	switch {
	case !s.Pending() && s.News > 0:
		return StageSettled
	case s.Escalated:
		return StageEscalated
	case s.Letters > 1:
		return StageChased
	case s.Letters == 1:
		return StageAsked
	}
	return StageOpen
}

// NeedsAttention: a person has to decide.
func (s *State) NeedsAttention() bool { return s.Pending() && s.Escalated || s.Stalled != "" }

// Settlement is a person's decision about (a part of) a claim. Minor 0: all that is open. By is a role
// and a key's id.
type Settlement struct {
	ID      string              `json:"id"`
	Outcome ledger.ClaimOutcome `json:"outcome"`
	Minor   int64               `json:"minor,omitempty"`
	Reason  string              `json:"reason"`
	By      string              `json:"by"`
}

// CanSettle says why a settlement cannot be: *order.Refusal.
func (s *State) CanSettle(d Settlement) error {
	switch d.Outcome {
	case ledger.ClaimCredited, ledger.ClaimPaid, ledger.ClaimConceded, ledger.ClaimWrittenOff:
	case ledger.ClaimRepaid, ledger.ClaimKept:
		return s.canAnswerFound(d)
	default:
		return &order.Refusal{Reason: "a claim ends credited, paid, conceded or written_off"}
	}
	switch {
	case !d.whole():
		return &order.Refusal{Reason: "a settlement needs an id, a reason and who decides it"}
	case s.Carrier && d.Outcome == ledger.ClaimCredited:
		return &order.Refusal{Reason: "no invoice of a carrier waits to be set off: what it credits to our account is paid"}
	case s.Open == 0:
		return &order.Refusal{Reason: "nothing of the claim is open any more"}
	case d.Minor < 0 || d.Minor > s.Open:
		return &order.Refusal{Reason: fmt.Sprintf("%s of the claim is open, not %s", s.amount(s.Open), s.amount(d.Minor))}
	}
	return nil
}

// whole: it says who decides what, and why.
func (d *Settlement) whole() bool { return d.ID != "" && d.Reason != "" && d.By != "" }

// AnswersFound: it says what becomes of money that was paid for a parcel that came all the same.
func (d *Settlement) AnswersFound() bool {
	return d.Outcome == ledger.ClaimRepaid || d.Outcome == ledger.ClaimKept
}

func (s *State) canAnswerFound(d Settlement) error {
	switch {
	case !d.whole():
		return &order.Refusal{Reason: "a settlement needs an id, a reason and who decides it"}
	case s.Found == 0:
		return &order.Refusal{Reason: "nothing was paid for a parcel that came all the same"}
	case d.Minor < 0 || d.Minor > s.Found:
		return &order.Refusal{Reason: fmt.Sprintf("%s was paid for what came all the same, not %s", s.amount(s.Found), s.amount(d.Minor))}
	}
	return nil
}

func (s *State) amount(minor int64) string {
	return money.Money{Minor: minor, Currency: s.Currency}.String()
}

// Card shows the claim in the Temporal UI.
func (s *State) Card() string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s** · claim %s on %s (%s) · %s open\n", strings.ToUpper(string(s.Stage())), s.Reference, s.Name,
		strings.ReplaceAll(string(s.Kind), "_", " "), s.amount(s.Open))
	if s.Answer != "" {
		fmt.Fprintf(&b, "\n%s has %s it.\n", s.Name, s.Answer)
	}
	if s.Letters > 0 {
		fmt.Fprintf(&b, "\nLetters sent: %d\n", s.Letters)
	}
	for _, d := range s.Deadlines() {
		fmt.Fprintf(&b, "\nNext: %s, %s\n", d.Text, d.At.UTC().Format("2 Jan 2006 15:04 UTC"))
	}
	if s.late() {
		fmt.Fprintf(&b, "\nIt was to be filed by %s.\n", s.FileBy.UTC().Format("2 Jan 2006"))
	}
	if s.Found > 0 {
		fmt.Fprintf(&b, "\n**The parcel came, and %s was paid for it:** `starter claim settle %s repaid|kept --reason CODE`\n", s.amount(s.Found), s.Reference)
	}
	if s.Escalated && s.Open > 0 {
		b.WriteString("\n**A person has to decide:** `starter claim settle " + s.Reference + " OUTCOME --reason CODE`\n")
	}
	if s.Stalled != "" {
		b.WriteString("\n**Cannot be recorded:** " + s.Stalled + "\n")
	}
	return b.String()
}
