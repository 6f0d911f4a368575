package soak

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/storefront/shopify"
)

// road is how far an order goes.
type road int

const (
	// resting orders wait for a person: nobody sells what they ask for.
	resting road = iota
	// cancelled orders are cancelled in the storefront, perhaps before we hear of them.
	cancelled
	// delivered orders are bought, shipped and brought to the door.
	delivered
)

// story is one order with everything that its partners say about it.
type story struct {
	road              road
	platform          string // "api" or "shopify"
	key               order.Key
	sku               string
	supplier, po      string
	carrier, tracking string
	// after is what the supplier and the carrier send once the purchase order has arrived.
	after []*delivery
}

// plan is all that is sent, drawn from the seed.
type plan struct {
	began   time.Time
	stories []*story
	// opening is sent from the start, in this order; what comes after a purchase order is in its story.
	opening []*delivery

	webhooks, duplicates, garbage int

	dice   *rand.Rand
	places []placed
}

// placed is a delivery with its place in the queue.
type placed struct {
	at float64
	*delivery
}

// draw makes a plan of exactly n webhooks: a tenth of them duplicates, a hundredth garbage.
func draw(n int, seed uint64, began time.Time) *plan {
	p := &plan{began: began.UTC(), webhooks: n, duplicates: n / 10, garbage: n / 100, dice: rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // a repeatable draw
	p.began = p.began.Truncate(time.Second)
	var all []*delivery
	for left := n - p.duplicates - p.garbage; left > 0; {
		s := p.story(left)
		documents := p.documents(s)
		left -= len(documents)
		p.stories, all = append(p.stories, s), append(all, documents...)
	}
	p.duplicate(all)
	p.litter()
	slices.SortStableFunc(p.places, func(a, b placed) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	for _, d := range p.places {
		p.opening = append(p.opening, d.delivery)
	}
	p.places = nil
	for _, s := range p.stories {
		if p.dice.IntN(10) < 4 {
			p.dice.Shuffle(len(s.after), func(i, j int) { s.after[i], s.after[j] = s.after[j], s.after[i] })
		}
	}
	return p
}

// most is how many documents an order has at most.
const most = 16

// story draws the next order; the last ones are such that the number of documents comes out even.
func (p *plan) story(left int) *story {
	s := &story{platform: "api"}
	n := len(p.stories)
	if left >= most {
		if p.dice.IntN(2) == 0 {
			s.platform = "shopify"
		}
		switch drawn := p.dice.IntN(100); {
		case drawn < 20:
			s.road = delivered
		case drawn < 30:
			s.road, s.platform = cancelled, "shopify"
		}
	}
	shops := shopIDs
	if s.platform == "shopify" {
		shops = shopifyIDs
	}
	s.identify(shops[p.dice.IntN(len(shops))], strconv.Itoa(5_000_000_000+n), supplierIDs[p.dice.IntN(len(supplierIDs))], carrierIDs[p.dice.IntN(len(carrierIDs))])
	if s.road == resting {
		s.sku = nobodySells
	}
	return s
}

func (s *story) identify(shop, id, supplier, carrier string) {
	s.key = order.Key{Storefront: shop, Order: id}
	s.supplier, s.carrier, s.sku = supplier, carrier, supplier+"-mug"
	s.po, s.tracking = s.key.PurchaseOrderNumber(1), "TRK"+id
}

// documents writes all that is said of an order once, and puts it into its place.
func (p *plan) documents(s *story) []*delivery {
	var all []*delivery
	here := float64(len(p.stories))
	id := func(what string) string { return what + "-" + s.key.Order }
	open := func(at float64, d *delivery) { p.places, all = append(p.places, placed{at, d}), append(all, d) }
	follow := func(d *delivery) { s.after, all = append(s.after, d), append(all, d) }

	if s.platform == "api" {
		open(here, s.placed(p.began))
	} else {
		open(here+p.near(), s.sold(p.began, shopify.TopicOrderCreated, id("created"), false))
	}
	switch {
	case s.road == cancelled:
		// One action in Shopify sends both topics under one event id.
		open(here+p.near(), s.sold(p.began, shopify.TopicOrderCancelled, id("cancelled"), true))
		open(here+p.near(), s.sold(p.began, shopify.TopicOrderUpdated, id("cancelled"), true))
	case s.platform == "shopify":
		open(here+p.near(), s.sold(p.began, shopify.TopicOrderPaid, id("paid"), false))
		open(here+p.near(), s.sold(p.began, shopify.TopicOrderUpdated, id("updated"), false))
	}
	if s.road != delivered {
		return all
	}
	if p.dice.IntN(20) == 0 {
		// The acknowledgment of a purchase order that we have not made yet.
		early := s.acknowledged(p.began, id("early"))
		early.ends = []string{"applied", "quarantined/unknown_purchase_order"}
		open(here-50, early)
	}
	follow(s.acknowledged(p.began, id("ack")))
	follow(s.shipped(p.began, id("ship")))
	before := p.dice.IntN(10) == 0 // the carrier is faster than everybody
	for n := range journey {
		if before && n < 2 {
			open(here+p.near(), s.scanned(p.began, n, id("scan"+strconv.Itoa(n))))
			continue
		}
		follow(s.scanned(p.began, n, id("scan"+strconv.Itoa(n))))
	}
	return all
}

// near is some places earlier or later, for most not far.
func (p *plan) near() float64 {
	if p.dice.IntN(10) == 0 {
		return p.dice.Float64()*100 - 50
	}
	return p.dice.Float64()*4 - 2
}

// duplicate sends a tenth of the documents again: as they were, or under another id of their sender.
func (p *plan) duplicate(all []*delivery) {
	places := map[*delivery]float64{}
	for _, d := range p.places {
		places[d.delivery] = d.at
	}
	for n := range p.duplicates {
		d := all[p.dice.IntN(len(all))]
		again := d
		if d.sign != signedByKey && p.dice.IntN(10) < 4 {
			again = p.renamed(d, fmt.Sprintf("again-%d", n))
		}
		if at, opening := places[d]; opening {
			p.places = append(p.places, placed{at + p.near(), again})
		} else {
			d.story.after = append(d.story.after, again)
		}
	}
}

// renamed is the same document under another id.
func (p *plan) renamed(d *delivery, id string) *delivery {
	s := d.story
	switch {
	case d.sign == signedByShopify:
		again := *d
		again.headers = maps.Clone(d.headers)
		again.headers["X-Shopify-Event-Id"], again.headers["X-Shopify-Webhook-Id"] = id, "w-"+id
		again.key = d.headers["X-Shopify-Topic"] + ":" + id
		return &again
	case d.sign == signedBySupplier && d.effect == "":
		again := s.acknowledged(p.began, id)
		again.ends = d.ends
		return again
	case d.sign == signedBySupplier:
		return s.shipped(p.began, id)
	}
	again := *d
	again.body = []byte(strings.Replace(string(d.body), `"`+d.key+`"`, `"`+id+`"`, 1))
	again.key = id
	return &again
}

// litter spreads the garbage, each kind as often as the others.
func (p *plan) litter() {
	for n := range p.garbage {
		s := &story{platform: "shopify"}
		s.identify(shopifyIDs[0], strconv.Itoa(9_000_000_000+n), supplierIDs[0], carrierIDs[0])
		d := allGarbage[n%len(allGarbage)](&litter{n: n, story: s, began: p.began, dice: p.dice})
		p.places = append(p.places, placed{p.dice.Float64() * float64(len(p.stories)), d})
	}
}
