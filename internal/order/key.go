package order

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Key names one order: the storefront that sold it and that storefront's own order id.
type Key struct {
	Storefront string `json:"storefront"`
	Order      string `json:"order"`
}

// An order id is part of workflow ids, links and log lines, so it may hold nothing that could be
// an e-mail address, a path or a line break.
var keyShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Validate refuses a key that could not stand in a workflow id.
func (k Key) Validate() error {
	if !keyShape.MatchString(k.Storefront) {
		return fmt.Errorf("storefront %q: want 1 to 64 letters, digits, '.', '_' or '-'", k.Storefront)
	}
	if !keyShape.MatchString(k.Order) {
		return fmt.Errorf("order id %q: want 1 to 64 letters, digits, '.', '_' or '-'", k.Order)
	}
	return nil
}

// String is the readable form, "storefront/order".
func (k Key) String() string { return k.Storefront + "/" + k.Order }

// ParseKey reads the form that String writes.
func ParseKey(s string) (Key, error) {
	storefront, id, found := strings.Cut(s, "/")
	if !found {
		return Key{}, fmt.Errorf("order %q: want STOREFRONT/ORDER, for example shop/1001", s)
	}
	k := Key{Storefront: storefront, Order: id}
	return k, k.Validate()
}

// WorkflowID is the id of the one workflow that decides for this order.
func (k Key) WorkflowID() string { return "order/" + k.String() }

// PurchaseOrderNumber derives the number of the order's n-th purchase order (from 1), the same at
// every retry. X12 BEG03 holds 22 characters; this takes at most 19. 65 bits of the key's hash keep
// numbers of different orders apart, which joining the two ids with a dash would not.
func (k Key) PurchaseOrderNumber(n int) string {
	sum := sha256.Sum256([]byte(k.String()))
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])
	return "DL" + text[:13] + "-" + strconv.Itoa(n)
}
