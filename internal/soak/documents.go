package soak

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/sim/storefrontsim"
	"github.com/dropline/dropline/internal/storefront/shopify"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
	"github.com/dropline/dropline/internal/webhook"
)

// The partners. Several of a kind, because the gateway limits how fast one may send.
var (
	shopIDs     = []string{"corner", "harbour"} // post orders with a key
	shopifyIDs  = []string{"nimbus", "atelier"}
	supplierIDs = []string{"acme", "borealis", "swift"}
	carrierIDs  = []string{"dropex", "trackit"}
)

// secret is what every partner shares with Dropline, secretName the variable that holds it.
const (
	secret     = "token-for-the-soak"
	secretName = "SOAK_SECRET"
)

// nobodySells is an article that no supplier has: its order waits for a person.
const nobodySells = "out-of-print"

// delivery is one webhook that a partner has to bring: it is repeated until it is answered.
type delivery struct {
	kind    string // for people
	path    string
	headers map[string]string
	sign    signature
	body    []byte

	// source and key are where it has to stand in the archive once it is taken.
	source, key string
	// refused are the statuses of which one has to answer it; none: it has to be taken (2xx).
	refused []int
	// ends are the standings of which the archived document must have one, "status" or "status/code".
	ends []string
	// effect, if set, names what this document and others bring about: exactly one of them is applied.
	effect string
	// fact is the kind of fact that it adds to the order's list if it is applied.
	fact  string
	shop  string // whose key it shows
	story *story // nil: garbage that is about no order
}

// signature is how a partner signs, at the time of sending.
type signature int

const (
	signedByKey signature = iota
	signedByShopify
	signedBySupplier
	signedByCarrier
	signedWrong
)

// signed are the headers that prove who sends it; key is the shop's.
func (d *delivery) signed(now time.Time, key string) map[string]string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(d.body)
	sum := mac.Sum(nil)
	switch d.sign {
	case signedByShopify:
		return map[string]string{"X-Shopify-Hmac-Sha256": base64.StdEncoding.EncodeToString(sum)}
	case signedBySupplier:
		return map[string]string{webhook.Header: webhook.Sign(secret, d.body, now)}
	case signedByCarrier:
		return map[string]string{"X-Hmac-Signature": "hmac-sha256-hex=" + hex.EncodeToString(sum)}
	case signedByKey:
		return map[string]string{"Authorization": "Bearer " + key}
	case signedWrong:
		sum[0] ^= 1
		return map[string]string{
			"X-Shopify-Hmac-Sha256": base64.StdEncoding.EncodeToString(sum),
			webhook.Header:          webhook.Sign(secret+"?", d.body, now),
			"X-Hmac-Signature":      "hmac-sha256-hex=" + hex.EncodeToString(sum),
		}
	}
	return nil
}

// encoded writes a document that is known to be writable.
func encoded(document any) []byte {
	text, err := json.Marshal(document)
	if err != nil {
		panic(fmt.Sprintf("write a document of the soak: %v", err))
	}
	return text
}

// The price of every order, in cents: one article of 12.00, its tax and 5.00 for shipping.
const (
	price    = 1200
	tax      = 228
	shipping = 500
	total    = price + tax + shipping
)

func (s *story) placed(began time.Time) *delivery {
	body := encoded(map[string]any{
		"id": s.key.Order, "placed_at": began.Format(time.RFC3339), "currency": "EUR",
		"lines":    []any{map[string]any{"sku": s.sku, "title": "Thing", "quantity": 1, "unit_price": "12.00", "tax": "2.28"}},
		"shipping": "5.00", "total": "19.28",
		"payment": map[string]any{"status": "paid", "captured": "19.28", "reference": "p-" + s.key.Order},
		"ship_to": map[string]any{"name": "A Person", "street1": "Hauptstr. 1", "city": "Berlin", "postal_code": "10115", "country": "DE"},
		"email":   "a" + s.key.Order + "@person.example",
	})
	return &delivery{
		kind: "order", path: "/v1/orders", body: body, shop: s.key.Storefront, story: s,
		source: "api/" + s.key.Storefront, key: "order/" + s.key.Order, ends: []string{"applied"}, effect: "order/" + s.key.String(),
	}
}

// sold is the order as Shopify tells of it; cancelled says that it was cancelled there.
func (s *story) sold(began time.Time, topic, event string, cancelled bool) *delivery {
	id, _ := strconv.ParseInt(s.key.Order, 10, 64) // an order of Shopify has a number
	sale := storefrontsim.Sale{
		ID: id, Lines: []storefrontsim.SoldLine{{SKU: s.sku, Title: "Thing", Quantity: 1, Price: price, Tax: tax}},
		Shipping: shipping, Email: "a" + s.key.Order + "@person.example", PlacedAt: began,
	}
	if cancelled {
		sale.CancelledAt, sale.Reason = began.Add(time.Second), "customer"
	}
	body, err := sale.Document()
	if err != nil {
		panic(fmt.Sprintf("write an order of the soak: %v", err))
	}
	d := &delivery{
		kind: topic, path: "/v1/shopify/" + s.key.Storefront + "/webhooks", sign: signedByShopify, body: body, story: s,
		headers: map[string]string{
			"X-Shopify-Topic": topic, "X-Shopify-Event-Id": event, "X-Shopify-Webhook-Id": "w-" + event,
			"X-Shopify-Triggered-At": began.Format(time.RFC3339Nano),
		},
		source: "shopify/" + s.key.Storefront, key: topic + ":" + event,
	}
	switch {
	case topic == shopify.TopicOrderCreated:
		d.ends, d.effect = []string{"applied", "ignored/known_already"}, "order/"+s.key.String()
	case cancelled:
		d.ends, d.effect, d.fact = []string{"applied", "ignored/known_already"}, "cancel/"+s.key.String(), "cancel_request"
	default:
		d.ends = []string{"ignored/changes_no_decision"}
	}
	return d
}

func (s *story) event(kind, id string, began time.Time, data any) *delivery {
	body := encoded(wire.Event{ID: id, Type: kind, CreatedAt: began, Data: encoded(data)})
	return &delivery{
		kind: kind, path: "/v1/suppliers/" + s.supplier + "/events", sign: signedBySupplier, body: body, story: s,
		source: "supplier/" + s.supplier, key: id,
	}
}

func (s *story) acknowledged(began time.Time, id string) *delivery {
	d := s.event(wire.TypeAcknowledged, id, began, wire.Acknowledgment{PO: s.po, At: began, Whole: "accepted"})
	d.ends, d.fact = []string{"applied"}, "acknowledgment"
	return d
}

func (s *story) shipped(began time.Time, id string) *delivery {
	d := s.event(wire.TypeShipment, id, began, wire.Shipment{
		PO: s.po, At: began, Carrier: s.carrier, Tracking: s.tracking, Lines: []wire.ShippedLine{{Line: 1, Quantity: 1}},
	})
	d.ends, d.effect, d.fact = []string{"applied", "ignored/known_already"}, "parcel/"+s.po, "ship_notice"
	return d
}

// journey is what the carrier sees of every parcel, a scan each minute, all before now.
var journey = []struct{ status, text string }{
	{"in_transit", "Picked up"},
	{"in_transit", "Arrived at the first hub"},
	{"in_transit", "Left the first hub"},
	{"in_transit", "Arrived at the second hub"},
	{"in_transit", "Left the second hub"},
	{"in_transit", "Arrived in town"},
	{"out_for_delivery", "On the van"},
	{"delivered", "Handed over"},
}

func scanTime(began time.Time, n int) time.Time {
	return began.Add(time.Duration(n-len(journey)) * time.Minute).Truncate(time.Second)
}

// scanned tells of the n-th scan alone, so that its order cannot be taken from the document.
func (s *story) scanned(began time.Time, n int, id string) *delivery {
	scan := journey[n]
	at := scanTime(began, n).Format(time.RFC3339)
	body := encoded(map[string]any{
		"id": id, "object": "Event", "description": "tracker.updated",
		"result": map[string]any{
			"object": "Tracker", "tracking_code": s.tracking, "carrier": s.carrier, "status": scan.status, "updated_at": at,
			"tracking_details": []any{map[string]any{"message": scan.text, "status": scan.status, "datetime": at}},
		},
	})
	return &delivery{
		kind: "tracker.updated", path: "/v1/carriers/" + s.carrier + "/events", sign: signedByCarrier, body: body, story: s,
		source: "carrier/" + s.carrier, key: id, ends: []string{"applied", "applied/awaits_parcel"},
	}
}

// scanID is the id under which Dropline keeps the n-th scan.
func (s *story) scanID(began time.Time, n int) string {
	return carrier.NewScan(s.carrier, s.tracking, journey[n].status, journey[n].text, scanTime(began, n)).ID
}
