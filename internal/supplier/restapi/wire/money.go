package wire

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/bojanz/currency"
)

// MaxMinor bounds an amount in minor units. 500 lines of 100,000 units at this cost still fit an
// int64, so that sums over a document cannot overflow.
const MaxMinor = 100_000_000_000

// ErrMoney says that an amount or its currency cannot be read.
var ErrMoney = errors.New("not an amount of money")

// FormatMoney writes minor units with the decimals of the currency (ISO 4217): 1250 USD is
// "12.50", 1250 JPY "1250". It fails with ErrMoney.
func FormatMoney(minor int64, code string) (string, error) {
	digits, known := currency.GetDigits(code)
	if !known {
		return "", fmt.Errorf("%w: unknown currency", ErrMoney)
	}
	if minor < 0 || minor > MaxMinor {
		return "", fmt.Errorf("%w: outside 0 to %d minor units", ErrMoney, int64(MaxMinor))
	}
	text := strconv.FormatInt(minor, 10)
	if digits == 0 {
		return text, nil
	}
	if missing := int(digits) + 1 - len(text); missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	point := len(text) - int(digits)
	return text[:point] + "." + text[point:], nil
}

// ParseMoney reads a non-negative amount into minor units. It takes up to as many decimals as the
// currency has, and neither sign, exponent nor grouping. It fails with ErrMoney.
func ParseMoney(text, code string) (int64, error) {
	digits, known := currency.GetDigits(code)
	if !known {
		return 0, fmt.Errorf("%w: unknown currency", ErrMoney)
	}
	whole, fraction, pointed := strings.Cut(text, ".")
	if !isDigits(whole) || (pointed && !isDigits(fraction)) || len(fraction) > int(digits) {
		return 0, fmt.Errorf("%w: want digits and at most %d decimals", ErrMoney, digits)
	}
	fraction += strings.Repeat("0", int(digits)-len(fraction))
	minor, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil || minor > MaxMinor {
		return 0, fmt.Errorf("%w: more than %d minor units", ErrMoney, int64(MaxMinor))
	}
	return minor, nil
}

func isDigits(text string) bool {
	for _, r := range text {
		if r < '0' || r > '9' {
			return false
		}
	}
	return text != ""
}
