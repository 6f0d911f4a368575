package soak

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/dropline/dropline/internal/storefront/shopify"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// garbage makes one delivery that must change nothing: it is refused, or stands aside with a reason.
type garbage func(g *litter) *delivery

// litter is what a piece of garbage is made from: a story that is in nobody's plan, so that nothing of
// it may ever be found again.
type litter struct {
	n     int
	story *story
	began time.Time
	dice  *rand.Rand
}

func (g *litter) id() string { return fmt.Sprintf("bad-%d", g.n) }

func refused(d *delivery, statuses ...int) *delivery {
	d.refused, d.ends, d.effect, d.story, d.source, d.key = statuses, nil, "", nil, "", ""
	return d
}

func aside(d *delivery, ends ...string) *delivery {
	d.ends, d.effect, d.story = ends, "", nil
	return d
}

// good is a document that would be taken if nothing were wrong with it.
func (g *litter) good() *delivery {
	switch g.dice.IntN(3) {
	case 0:
		return g.story.sold(g.began, shopify.TopicOrderCreated, g.id(), false)
	case 1:
		return g.story.acknowledged(g.began, g.id())
	default:
		return g.story.scanned(g.began, 0, g.id())
	}
}

// enormous is more than the gateway reads (1 MiB).
var enormous = append(append([]byte(`{"id":"`), bytes.Repeat([]byte("x"), 1<<20)...), `"}`...)

var allGarbage = []garbage{
	func(g *litter) *delivery { // no JSON at all
		d := g.good()
		d.body = []byte("order=1001&status=paid")
		return refused(d, http.StatusBadRequest)
	},
	func(g *litter) *delivery { // cut off on its way to the signature
		d := g.good()
		d.body = d.body[:len(d.body)/2]
		return refused(d, http.StatusBadRequest)
	},
	func(g *litter) *delivery { // two documents at once
		d := g.good()
		d.body = append(d.body, d.body...)
		return refused(d, http.StatusBadRequest)
	},
	func(g *litter) *delivery { // a thousand brackets
		d := g.good()
		d.body = append(bytes.Repeat([]byte("["), 1000), bytes.Repeat([]byte("]"), 1000)...)
		return refused(d, http.StatusBadRequest)
	},
	func(g *litter) *delivery { // larger than any order
		d := g.good()
		d.body = enormous
		return refused(d, http.StatusRequestEntityTooLarge)
	},
	func(g *litter) *delivery { // somebody else's signature
		d := g.good()
		d.sign = signedWrong
		return refused(d, http.StatusUnauthorized)
	},
	func(g *litter) *delivery { // nobody knows this partner
		d := g.story.acknowledged(g.began, g.id())
		d.path = "/v1/suppliers/nobody/events"
		return refused(d, http.StatusUnauthorized)
	},
	func(g *litter) *delivery { // packed
		d := g.good()
		d.headers = map[string]string{"Content-Encoding": "gzip"}
		return refused(d, http.StatusUnsupportedMediaType)
	},
	func(g *litter) *delivery { // an order without lines
		d := g.story.placed(g.began)
		d.body = bytes.Replace(d.body, []byte(`"lines"`), []byte(`"rows"`), 1)
		return refused(d, http.StatusUnprocessableEntity)
	},
	func(g *litter) *delivery { // an order that does not say what it cost
		d := g.story.placed(g.began)
		d.body = bytes.Replace(d.body, []byte(`"total":"19.28"`), []byte(`"total":"much"`), 1)
		return refused(d, http.StatusUnprocessableEntity)
	},
	func(g *litter) *delivery { // JSON, and no order
		d := g.story.sold(g.began, shopify.TopicOrderCreated, g.id(), false)
		d.body = []byte(`{"hello":"world"}`)
		return aside(d, "quarantined/malformed")
	},
	func(g *litter) *delivery { // an order whose quantity is a word
		d := g.story.sold(g.began, shopify.TopicOrderCreated, g.id(), false)
		d.body = bytes.Replace(d.body, []byte(`"quantity":1`), []byte(`"quantity":"one"`), 1)
		return aside(d, "quarantined/malformed")
	},
	func(g *litter) *delivery { // a member twice
		d := g.story.acknowledged(g.began, g.id())
		d.body = bytes.Replace(d.body, []byte(`"type":`), []byte(`"type":"shipment.created","type":`), 1)
		return aside(d, "quarantined/malformed")
	},
	func(g *litter) *delivery { // a member that the protocol does not have, about nothing we know
		d := g.story.acknowledged(g.began, g.id())
		d.body = bytes.Replace(d.body, []byte(`{`), []byte(`{"mood":"good",`), 1)
		return aside(d, "quarantined/unknown_purchase_order")
	},
	func(g *litter) *delivery { // a type that the protocol does not have
		return aside(g.story.event("weather.changed", g.id(), g.began, map[string]string{"po": g.story.po}), "quarantined/unknown_type")
	},
	func(g *litter) *delivery { // an answer to a purchase order that was never made
		return aside(g.story.acknowledged(g.began, g.id()), "quarantined/unknown_purchase_order")
	},
	func(g *litter) *delivery { // an acknowledgment that accepts and says nothing else than a number below zero
		return aside(g.story.event(wire.TypeAcknowledged, g.id(), g.began, wire.Acknowledgment{
			PO: g.story.po, At: g.began, Lines: []wire.AckLine{{Line: 1, Status: "accepted", Quantity: -1}},
		}), "quarantined/invalid")
	},
	func(g *litter) *delivery { // an event about no parcel
		d := g.story.scanned(g.began, 0, g.id())
		d.body = bytes.Replace(d.body, []byte("tracker.updated"), []byte("batch.updated"), 1)
		return aside(d, "ignored/other_event")
	},
	func(g *litter) *delivery { // a tracker without a number
		d := g.story.scanned(g.began, 0, g.id())
		d.body = bytes.Replace(d.body, []byte(`"tracking_code"`), []byte(`"tracking_kode"`), 1)
		return aside(d, "quarantined/malformed")
	},
}
