package shopify

import (
	"errors"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/supplier"
)

var errToken = errors.New("a field has the wrong form")

// id is a decimal id. Shopify's exceed 2^53, so it never passes through a number type; some
// clients quote it.
type id string

var digits = regexp.MustCompile(`^[0-9]{1,20}$`)

// UnmarshalJSON takes an integer token or the same in quotes.
func (i *id) UnmarshalJSON(token []byte) error {
	text := unquote(token)
	switch {
	case text == "null" || text == "":
		*i = ""
	case digits.MatchString(text):
		*i = id(text)
	default:
		return errToken
	}
	return nil
}

// decimal is an amount as text: Shopify writes it in quotes, older clients as a number. The zero
// value means that it was not given.
type decimal string

var plain = regexp.MustCompile(`^-?[0-9]{1,18}(\.[0-9]{1,6})?$`)

// UnmarshalJSON keeps the digits as they are written.
func (d *decimal) UnmarshalJSON(token []byte) error {
	text := unquote(token)
	switch {
	case text == "null" || text == "":
		*d = ""
	case plain.MatchString(text):
		*d = decimal(text)
	default:
		return errToken
	}
	return nil
}

func unquote(token []byte) string {
	text := string(token)
	if len(text) >= 2 && text[0] == '"' {
		text = text[1 : len(text)-1]
	}
	return strings.TrimSpace(text)
}

// timestamp is RFC 3339 within this century, or null.
type timestamp struct{ time.Time }

// UnmarshalJSON gives the time in UTC.
func (t *timestamp) UnmarshalJSON(token []byte) error {
	text := unquote(token)
	if text == "null" || text == "" {
		return nil
	}
	when, err := time.Parse(time.RFC3339, text)
	if when = when.UTC(); err != nil || !storefront.Plausible(when) {
		return errToken
	}
	t.Time = when
	return nil
}

// clean makes one line of a customer's text: line breaks and control characters become spaces, so
// that a street typed on two lines is no malformed order.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return strings.Join(strings.Fields(s), " ")
}

func first(candidates ...string) string {
	for _, c := range candidates {
		if strings.TrimSpace(c) != "" {
			return c
		}
	}
	return ""
}

var localeShape = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$`)

// locale drops what is no language tag: it only picks words, it is no reason to hold an order.
func locale(s string) string {
	if s = strings.ReplaceAll(clean(s), "_", "-"); localeShape.MatchString(s) {
		return s
	}
	return ""
}

func (a *address) canonical() supplier.Address {
	return supplier.Address{
		Name:       clean(first(a.Name, a.FirstName+" "+a.LastName)),
		Company:    clean(a.Company),
		Street1:    clean(a.Address1),
		Street2:    clean(a.Address2),
		City:       clean(a.City),
		Region:     clean(first(a.ProvinceCode, a.Province)),
		PostalCode: clean(a.Zip),
		Country:    strings.ToUpper(clean(a.CountryCode)),
		Phone:      clean(a.Phone),
	}
}
