// Package money holds amounts as whole minor units of an ISO 4217 currency and the
// arithmetic that never loses one: checked operations, exact splits and exact parts.
//
// No amount passes through a floating-point number, neither in arithmetic nor in text or
// JSON. Everything here is deterministic and free of I/O, so workflow code may call it.
package money

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/bojanz/currency"
)

// Errors that the functions of this package wrap.
var (
	// ErrUnknownCurrency: the code is not an upper-case ISO 4217 code.
	ErrUnknownCurrency = errors.New("unknown currency")
	// ErrMalformed: the text is not a plain decimal number ("12.34", "-5").
	ErrMalformed = errors.New("not a plain decimal number")
	// ErrTooPrecise: the text has more decimals than the currency has minor units.
	ErrTooPrecise = errors.New("more decimals than the currency has")
	// ErrOverflow: the result does not fit in 64 bits of minor units.
	ErrOverflow = errors.New("amount out of range")
	// ErrCurrencyMismatch: an operation mixed two currencies.
	ErrCurrencyMismatch = errors.New("currencies differ")
	// ErrWeights: a split has no weights, or a negative one.
	ErrWeights = errors.New("weights must be present and not negative")
)

// Money is an amount in minor units (cents, yen, fils) of a currency.
//
// The zero value has no currency: it stands for "no amount" and equals no other zero.
type Money struct {
	Minor    int64
	Currency string
}

// New returns minor units of a currency, or ErrUnknownCurrency.
func New(minor int64, currencyCode string) (Money, error) {
	if _, err := Digits(currencyCode); err != nil {
		return Money{}, err
	}
	return Money{Minor: minor, Currency: currencyCode}, nil
}

// Digits returns how many decimals a currency has: 2 for EUR, 0 for JPY, 3 for KWD.
func Digits(currencyCode string) (int, error) {
	digits, ok := currency.GetDigits(currencyCode)
	if !ok {
		return 0, fmt.Errorf("currency %.8q: %w", currencyCode, ErrUnknownCurrency)
	}
	return int(digits), nil
}

// Parse reads a plain decimal amount such as "12.34" or "-5" exactly.
//
// It refuses signs other than a leading minus, exponents, separators, a missing digit on
// either side of the point, and more decimals than the currency has, zeros included: a
// partner that writes "12.340" EUR counts in other units than we think. The text is not
// repeated in the error, since a misplaced field may hold anything.
func Parse(amount, currencyCode string) (Money, error) {
	digits, err := Digits(currencyCode)
	if err != nil {
		return Money{}, fmt.Errorf("parse amount: %w", err)
	}
	whole, fraction, hasPoint := strings.Cut(amount, ".")
	if !allDigits(strings.TrimPrefix(whole, "-")) || hasPoint && !allDigits(fraction) {
		return Money{}, fmt.Errorf("parse %s amount: %w", currencyCode, ErrMalformed)
	}
	if len(fraction) > digits {
		return Money{}, fmt.Errorf("parse %s amount: %w (%d)", currencyCode, ErrTooPrecise, digits)
	}
	// Only the range can be wrong now; the sign is in whole, so the lowest int64 parses too.
	minor, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", digits-len(fraction)), 10, 64)
	if err != nil {
		return Money{}, fmt.Errorf("parse %s amount: %w", currencyCode, ErrOverflow)
	}
	return Money{Minor: minor, Currency: currencyCode}, nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// Format writes minor units as the decimal text that Parse reads: 1234 EUR is "12.34".
func Format(minor int64, currencyCode string) (string, error) {
	digits, err := Digits(currencyCode)
	if err != nil {
		return "", fmt.Errorf("format amount: %w", err)
	}
	sign, text := "", strconv.FormatUint(magnitude(minor), 10)
	if minor < 0 {
		sign = "-"
	}
	if missing := digits + 1 - len(text); missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	if digits == 0 {
		return sign + text, nil
	}
	point := len(text) - digits
	return sign + text[:point] + "." + text[point:], nil
}

// String writes the amount and its currency, "12.34 EUR". An amount whose currency is
// unknown cannot be scaled and is written in minor units.
func (m Money) String() string {
	text, err := Format(m.Minor, m.Currency)
	if err != nil {
		return fmt.Sprintf("%d minor units of %.8q", m.Minor, m.Currency)
	}
	return text + " " + m.Currency
}

// magnitude is |n|, also for the lowest int64.
func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}
