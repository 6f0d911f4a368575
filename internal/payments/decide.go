package payments

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
)

// Matters name what a person decides about: the capture, a refund, a dispute.
const matterCapture = "capture"

func matterRefund(key string) string        { return "refund/" + key }
func matterDispute(reference string) string { return "dispute/" + reference }

// DecisionKind is what a person can decide.
type DecisionKind string

// The decisions.
const (
	DecideRetry     DecisionKind = "retry"
	DecideElsewhere DecisionKind = "paid_elsewhere" // Reference says how
	DecideWriteOff  DecisionKind = "write_off"      // of a capture; Reason says why
	DecideSetOff    DecisionKind = "set_off"        // of a refund, after a lost chargeback
)

// Decisions are all that can be decided.
var Decisions = []DecisionKind{DecideRetry, DecideElsewhere, DecideWriteOff, DecideSetOff}

// Decision is what a person rules about the capture, or about a refund.
type Decision struct {
	// ID makes a repeat a no-op.
	ID   string       `json:"id"`
	Kind DecisionKind `json:"kind"`
	// Matter is "capture", or "refund/" with the refund's key; empty: the only one that waits.
	Matter    string `json:"matter,omitempty"`
	Reference string `json:"reference,omitempty"` // of the payment made elsewhere
	Reason    string `json:"reason,omitempty"`    // a code
	By        string `json:"by"`
}

func refuse(format string, args ...any) error {
	return &order.Refusal{Reason: fmt.Sprintf(format, args...)}
}

// matters are those that wait for a person's decision.
func (s *State) matters() []string {
	var list []string
	if s.captureDecidable() {
		list = append(list, matterCapture)
	}
	for i := range s.Refunds {
		if r := &s.Refunds[i]; r.Standing == RefundFailed || r.Standing == RefundHeld {
			list = append(list, matterRefund(r.Key))
		}
	}
	return list
}

func (s *State) captureDecidable() bool {
	return s.Due() > 0 && (s.Capture.Refusals > 0 || s.Capture.Gone || s.Capture.Amount > 0) && !s.busy(StepCapture) && !s.busy(StepVoid)
}

func (s *State) matter(d Decision) (string, error) {
	waiting := s.matters()
	switch {
	case d.Matter == "" && len(waiting) == 1:
		return waiting[0], nil
	case len(waiting) == 0:
		return "", refuse("nothing about the payment of order %s is to be decided", s.Key)
	case d.Matter == "":
		return "", refuse("say which matter is decided: %s", strings.Join(waiting, ", "))
	case !slices.Contains(waiting, d.Matter):
		return "", refuse("%q is not to be decided; what is: %s", d.Matter, strings.Join(waiting, ", "))
	}
	return d.Matter, nil
}

// CanDecide says whether a decision fits the payment as it stands.
func (s *State) CanDecide(d Decision) error {
	switch {
	case d.ID == "" || d.By == "":
		return refuse("a decision needs an id and who makes it")
	case slices.Contains(s.Requests, d.ID):
		return nil
	case !slices.Contains(Decisions, d.Kind):
		return refuse("decide one of %v", Decisions)
	case d.Kind == DecideElsewhere && d.Reference == "":
		return refuse("paid_elsewhere needs a reference: the transfer's, or the receipt's")
	case d.Kind == DecideWriteOff && d.Reason == "":
		return refuse("writing off needs a reason")
	}
	matter, err := s.matter(d)
	switch {
	case err != nil:
		return err
	case matter == matterCapture && d.Kind == DecideSetOff:
		return refuse("a capture is not set off: decide retry, paid_elsewhere or write_off")
	case matter == matterCapture && d.Kind == DecideRetry && s.Capture.Amount > 0:
		return refuse("an authorisation is captured once: decide paid_elsewhere or write_off for the rest")
	case matter == matterCapture:
		return nil
	case d.Kind == DecideWriteOff:
		return refuse("a refund is owed to the customer and cannot be written off: decide retry or paid_elsewhere")
	case s.Disputed():
		return refuse("the customer's bank has taken the payment back and has not decided: a refund now would pay twice")
	case d.Kind == DecideSetOff && !slices.ContainsFunc(s.Disputes, func(x Dispute) bool { return x.Closed && !x.Won }):
		return refuse("only a lost chargeback sets a refund off")
	}
	return nil
}

// Decide carries a decision out.
func (s *State) Decide(d Decision, now time.Time) {
	if slices.Contains(s.Requests, d.ID) {
		return
	}
	matter, err := s.matter(d)
	if err != nil {
		return
	}
	s.Requests = append(s.Requests, d.ID)
	s.Unrecorded = true
	s.lower(matter)
	if matter == matterCapture {
		s.decideCapture(d, now)
		return
	}
	r := s.refund(strings.TrimPrefix(matter, "refund/"))
	switch d.Kind {
	case DecideRetry:
		r.Standing = RefundAgain
		s.tell(now, "%s decides: the refund of %s is made once more", d.By, s.amount(r.Amount))
	case DecideElsewhere:
		r.Standing = RefundElsewhere
		s.post(Post{Kind: PostRefundElsewhere, About: r.Key, N: r.Try, Amount: r.Amount})
		s.Notices = append(s.Notices, Notice{Key: r.Key, Amount: r.Amount})
		s.tell(now, "%s has paid the refund of %s by other means (%s)", d.By, s.amount(r.Amount), d.Reference)
	case DecideSetOff:
		r.Standing = RefundSetOff
		s.post(Post{Kind: PostRefundSetOff, About: r.Key, N: r.Try, Amount: r.Amount})
		s.tell(now, "%s decides: the refund of %s is not owed, the customer has it from the bank", d.By, s.amount(r.Amount))
	}
}

func (s *State) decideCapture(d Decision, now time.Time) {
	due := s.Due()
	s.Capture.RetryAt = time.Time{}
	switch d.Kind {
	case DecideRetry:
		s.Capture.Gone, s.Capture.Refusals = false, 0
		s.Early = true
		s.tell(now, "%s decides: the capture of %s is tried again", d.By, s.amount(due))
	case DecideElsewhere:
		s.Capture.Elsewhere += due
		s.post(Post{Kind: PostPaidElsewhere, About: s.Key.Order, Amount: due})
		s.tell(now, "%s says that %s was paid by other means (%s)", d.By, s.amount(due), d.Reference)
	case DecideWriteOff:
		s.Capture.WrittenOff += due
		s.post(Post{Kind: PostWrittenOff, About: s.Key.Order, Amount: due})
		s.tell(now, "%s writes off %s that the customer did not pay: %s", d.By, s.amount(due), d.Reason)
	}
}
