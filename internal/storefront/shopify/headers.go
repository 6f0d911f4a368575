package shopify

import (
	"errors"
	"net/http"
	"regexp"
	"time"
)

// Topics of order webhooks that Dropline reads.
const (
	TopicOrderCreated   = "orders/create"
	TopicOrderUpdated   = "orders/updated"
	TopicOrderPaid      = "orders/paid"
	TopicOrderCancelled = "orders/cancelled"
)

// ErrNoKey: the delivery names no event, so a repeat of it could not be recognised.
var ErrNoKey = errors.New("webhook has neither a usable X-Shopify-Event-Id nor X-Shopify-Webhook-Id")

var (
	keyShape   = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,128}$`)
	topicShape = regexp.MustCompile(`^[a-z_]{1,40}/[a-z_]{1,40}$`)
)

// EventKey is the natural key of a delivery: every repeat of it carries the same one. One action in
// Shopify sends several topics under one event id (cancelling sends orders/cancelled and
// orders/updated), so the topic is part of the key.
func EventKey(h http.Header) (string, error) {
	for _, name := range []string{"X-Shopify-Event-Id", "X-Shopify-Webhook-Id"} {
		key := h.Get(name)
		if !keyShape.MatchString(key) {
			continue
		}
		if topic := Topic(h); topic != "" {
			key = topic + ":" + key
		}
		return key, nil
	}
	return "", ErrNoKey
}

// TriggeredAt is when the event happened at Shopify, which may be long before it was delivered.
// false when the delivery does not say.
func TriggeredAt(h http.Header) (time.Time, bool) {
	when, err := time.Parse(time.RFC3339, h.Get("X-Shopify-Triggered-At"))
	return when.UTC(), err == nil
}

// Topic is the kind of event; empty when the delivery does not say.
func Topic(h http.Header) string {
	if topic := h.Get("X-Shopify-Topic"); topicShape.MatchString(topic) {
		return topic
	}
	return ""
}
