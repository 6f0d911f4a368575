package soak

import (
	"fmt"
	"time"

	"github.com/dropline/dropline/internal/sim/suppliersim"
	"github.com/dropline/dropline/internal/stage"
)

// story is one kind of life that an order has.
type story struct {
	name string
	skus []string
	// cancels: the customer cancels it, and gets everything back.
	cancels bool
}

// stories follow each other in turn.
var stories = []story{
	{name: "smooth", skus: []string{"acme-mug"}},
	{name: "webhook", skus: []string{"bolt-jar"}},
	{name: "two-suppliers", skus: []string{"acme-mug", "bolt-jar"}},
	{name: "lost-answer", skus: []string{"crow-mug"}},
	{name: "cancelled", skus: []string{"tardy-mug"}, cancels: true},
	{name: "failover", skus: []string{"jar"}},
}

func storyOf(n int) story { return stories[n%len(stories)] }

func (s story) id(n int) string { return fmt.Sprintf("%s-%d", s.name, n) }

// cast plays the stories. Dusk is the cheapest for jars and refuses all of them, so that they move on.
func cast() []stage.Supplier {
	pause := suppliersim.Duration(200 * time.Millisecond)
	ship := suppliersim.ShipManner{Delay: pause, Carrier: "dropex"}
	supplier := func(id string, dear bool, m suppliersim.Manner) stage.Supplier {
		return stage.Supplier{ID: id, Manner: m, Dear: dear}
	}
	return []stage.Supplier{
		supplier("acme", true, suppliersim.Manner{Ack: suppliersim.AckManner{When: suppliersim.AckInResponse}, Ship: ship}),
		supplier("bolt", true, suppliersim.Manner{Ack: suppliersim.AckManner{When: suppliersim.AckByWebhook, Delay: pause}, Ship: ship}),
		supplier("crow", true, suppliersim.Manner{
			Submit: []suppliersim.Fault{{Kind: suppliersim.FaultDropAfterApply, Times: 1}},
			Ack:    suppliersim.AckManner{When: suppliersim.AckByWebhook, Delay: pause}, Ship: ship,
		}),
		supplier("tardy", true, suppliersim.Manner{Ack: suppliersim.AckManner{When: suppliersim.AckInResponse}, Ship: suppliersim.ShipManner{Never: true}}),
		supplier("dusk", false, suppliersim.Manner{
			Submit: []suppliersim.Fault{{Kind: suppliersim.FaultRefuse, Code: "out_of_stock"}}, Ship: ship,
		}),
	}
}
