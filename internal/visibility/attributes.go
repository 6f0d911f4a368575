// Package visibility names what operators filter orders by in the Temporal UI. Search attributes
// are plain text in Temporal: nothing personal may stand in any of them.
package visibility

import (
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/dropline/dropline/internal/order"
)

// The search attributes of an order, as search-attributes.txt declares them to the server.
var (
	Stage          = temporal.NewSearchAttributeKeyKeyword("Stage")
	Supplier       = temporal.NewSearchAttributeKeyKeywordList("Supplier")
	Storefront     = temporal.NewSearchAttributeKeyKeyword("Storefront")
	SLADeadline    = temporal.NewSearchAttributeKeyTime("SlaDeadline")
	Breached       = temporal.NewSearchAttributeKeyBool("Breached")
	NeedsAttention = temporal.NewSearchAttributeKeyBool("NeedsAttention")
	Country        = temporal.NewSearchAttributeKeyKeyword("Country")
)

// Attributes are the values of one order.
type Attributes struct {
	Stage          order.Stage
	Suppliers      []string
	Storefront     string
	SLADeadline    time.Time // zero when no supplier's clock runs
	Breached       bool
	NeedsAttention bool
	Country        string
}

// Initial are the attributes an order starts with.
func Initial(key order.Key, country string) temporal.SearchAttributes {
	return temporal.NewSearchAttributes(
		Stage.ValueSet(string(order.StageReceived)), Storefront.ValueSet(key.Storefront),
		Country.ValueSet(country), Breached.ValueSet(false), NeedsAttention.ValueSet(false))
}

// InitialReturn is what a return's workflow is found by from its start. Most wait for the parcel within
// seconds: the stage before is not worth an action.
func InitialReturn(key order.Key, country, supplier string) temporal.SearchAttributes {
	return temporal.NewSearchAttributes(
		Stage.ValueSet("awaiting_parcel"), Storefront.ValueSet(key.Storefront), Supplier.ValueSet([]string{supplier}),
		Country.ValueSet(country), Breached.ValueSet(false), NeedsAttention.ValueSet(false))
}

// InitialPayment is what a payment's workflow is found by from its start.
func InitialPayment(key order.Key, country string) temporal.SearchAttributes {
	return temporal.NewSearchAttributes(
		Stage.ValueSet("authorised"), Storefront.ValueSet(key.Storefront), Country.ValueSet(country),
		Breached.ValueSet(false), NeedsAttention.ValueSet(false))
}

// SameFilters is true when an update would change nothing that is worth its price: every upsert is a
// billable action. The suppliers follow with the next change.
func (a Attributes) SameFilters(b Attributes) bool {
	return a.Stage == b.Stage && a.SLADeadline.Equal(b.SLADeadline) &&
		a.Breached == b.Breached && a.NeedsAttention == b.NeedsAttention
}

// Updates lists what differs from what is shown.
func (a Attributes) Updates(shown Attributes) []temporal.SearchAttributeUpdate {
	updates := []temporal.SearchAttributeUpdate{Stage.ValueSet(string(a.Stage))}
	if !slices.Equal(a.Suppliers, shown.Suppliers) {
		updates = append(updates, Supplier.ValueSet(a.Suppliers))
	}
	switch {
	case a.SLADeadline.Equal(shown.SLADeadline):
	case a.SLADeadline.IsZero():
		updates = append(updates, SLADeadline.ValueUnset())
	default:
		updates = append(updates, SLADeadline.ValueSet(a.SLADeadline))
	}
	if a.Breached != shown.Breached {
		updates = append(updates, Breached.ValueSet(a.Breached))
	}
	if a.NeedsAttention != shown.NeedsAttention {
		updates = append(updates, NeedsAttention.ValueSet(a.NeedsAttention))
	}
	if a.Country != shown.Country && shown.Country != "" {
		updates = append(updates, Country.ValueSet(a.Country))
	}
	return updates
}

// InitialClaim is what a claim's workflow is found by from its start. The first letter goes at once: the
// stage before is not worth an action.
func InitialClaim(key order.Key, country, supplier string) temporal.SearchAttributes {
	return temporal.NewSearchAttributes(
		Stage.ValueSet("asked"), Storefront.ValueSet(key.Storefront), Supplier.ValueSet([]string{supplier}),
		Country.ValueSet(country), Breached.ValueSet(false), NeedsAttention.ValueSet(false))
}
