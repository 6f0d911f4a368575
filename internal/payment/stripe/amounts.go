package stripe

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dropline/dropline/internal/money"
)

// Stripe counts most currencies as ISO 4217 does. Where it does not, amounts are converted; the lists
// are those of its page "Supported currencies".
var (
	// zeroDecimal are counted whole. Of these MGA has two decimals in ISO 4217, for its fifths.
	zeroDecimal = []string{
		"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF",
	}
	// threeDecimal are counted in thousandths, of which the last digit has to be 0: cards know hundredths.
	threeDecimal = []string{"BHD", "JOD", "KWD", "OMR", "TND"}
	// ISK and UGX have no decimals, and Stripe counts them in hundredths that have to be 00.
)

var (
	errPrecision = errors.New("the provider cannot take an amount that fine in this currency")
	errAmount    = errors.New("the provider's amount is none in this currency")
)

func theirDigits(currency string) int {
	switch {
	case slices.Contains(zeroDecimal, currency):
		return 0
	case slices.Contains(threeDecimal, currency):
		return 3
	}
	return 2
}

// shift is by how many decimal digits Stripe counts finer than we do; below zero, coarser.
func shift(currency string) (int, error) {
	ours, err := money.Digits(currency)
	if err != nil {
		return 0, err
	}
	return theirDigits(currency) - ours, nil
}

func tens(n int) int64 {
	power := int64(1)
	for range n {
		power *= 10
	}
	return power
}

// toTheirs converts whole minor units of ISO 4217 into what Stripe counts.
func toTheirs(minor int64, currency string) (int64, error) {
	by, err := shift(currency)
	if err != nil {
		return 0, err
	}
	if by < 0 {
		unit := tens(-by)
		if minor%unit != 0 {
			return 0, fmt.Errorf("%s: %w", currency, errPrecision)
		}
		return minor / unit, nil
	}
	if theirDigits(currency) == 3 && minor%10 != 0 {
		return 0, fmt.Errorf("%s: %w", currency, errPrecision)
	}
	return money.MulMinor(minor, tens(by))
}

// fromTheirs is the way back; the currency is in Stripe's lower case.
func fromTheirs(theirs int64, currency string) (minor int64, code string, err error) {
	code = strings.ToUpper(currency)
	if len(currency) != 3 || code == currency {
		return 0, "", fmt.Errorf("currency %.8q: %w", currency, errAmount)
	}
	by, err := shift(code)
	if err != nil {
		return 0, "", err
	}
	if by <= 0 {
		minor, err = money.MulMinor(theirs, tens(-by))
		return minor, code, err
	}
	unit := tens(by)
	if theirs%unit != 0 {
		return 0, "", fmt.Errorf("%s: %w", code, errAmount)
	}
	return theirs / unit, code, nil
}
