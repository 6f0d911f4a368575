package carrier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dropline/dropline/internal/money"
)

// Address is one end of a parcel's way. A customer's is personal: it goes from Postgres to the carrier and
// nowhere else.
type Address struct {
	Name       string
	Company    string
	Street1    string
	Street2    string
	City       string
	Region     string
	PostalCode string
	Country    string // ISO 3166-1 alpha-2
	Phone      string
	Email      string
}

// LabelRequest asks for the label of one return parcel, in grams and millimetres. Measures of zero are not
// known.
type LabelRequest struct {
	Reference string // the RMA: what the parcel is found by at the carrier
	From, To  Address

	WeightGrams, LengthMM, WidthMM, HeightMM int64
}

// Label is what a parcel is sent with. Cost is what the carrier charged for it.
type Label struct {
	Carrier  string      `json:"carrier"`  // as Name writes it
	Tracking string      `json:"tracking"` // as Number writes it
	URL      string      `json:"url"`      // where it can be printed, https
	Cost     money.Money `json:"cost"`
}

// Labeller is the optional part of a carrier that sells labels. A return is opened at the carrier, which
// costs nothing, and then its label is bought. What is opened has an id, and the carrier sells at most one
// label under it: whoever keeps the id before buying never buys twice. Errors are *LabelError.
type Labeller interface {
	// OpenReturn announces a parcel, and returns the carrier's id of it.
	OpenReturn(ctx context.Context, r LabelRequest) (id string, err error)
	// FindReturn is the id of a parcel that was opened under a reference; ErrLabelNotFound when none was.
	FindReturn(ctx context.Context, reference string) (id string, err error)
	// BuyReturnLabel buys the label of a parcel with a service, or the cheapest when service is empty. Where
	// it was bought before, that label is the answer. After ErrLabelUnknown ask again under the same id.
	BuyReturnLabel(ctx context.Context, id, service string) (Label, error)
	// GiveBackLabel gives the label of a parcel back, or says how that stands where it was done before. After
	// ErrLabelUnknown ask again under the same id.
	GiveBackLabel(ctx context.Context, id string) (GiveBack, error)
}

// Kinds of failure, by what is known about the effect.
var (
	ErrLabelRefused     = errors.New("refused by the carrier")
	ErrLabelUnavailable = errors.New("carrier unavailable")
	ErrLabelUnknown     = errors.New("no answer from the carrier: it may or may not have happened")
	ErrLabelNotFound    = errors.New("unknown to the carrier")
)

// LabelError is a failure of a Labeller. Detail holds nothing of the request or the answer.
type LabelError struct {
	Kind       error
	Detail     string
	RetryAfter time.Duration // what the carrier asked for; zero when it did not say
}

func (e *LabelError) Error() string { return fmt.Sprintf("return label: %v: %s", e.Kind, e.Detail) }

// Unwrap lets errors.Is find the kind.
func (e *LabelError) Unwrap() error { return e.Kind }
