package money

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// ErrRate: a rate is not a positive decimal number such as "1.0850", or names one currency twice.
var ErrRate = errors.New("exchange rate is not well formed")

// Rate converts minor units of From into minor units of To: amount × Num ÷ Den, rounded half away from
// zero. A difference in decimals between the currencies is part of Num and Den. Only the pair as
// recorded is used; rates are neither inverted nor chained.
type Rate struct {
	From string `json:"from"`
	To   string `json:"to"`
	Num  int64  `json:"num"`
	Den  int64  `json:"den"`
}

// mostRateDigits bounds a rate's text, so that Num and Den fit whatever decimals the currencies have.
const mostRateDigits = 12

// ParseRate reads how much one whole unit of from is in to: "1.0850" for EUR in USD. ErrRate,
// ErrUnknownCurrency.
func ParseRate(from, to, text string) (Rate, error) {
	ours, err := Digits(from)
	if err != nil {
		return Rate{}, err
	}
	theirs, err := Digits(to)
	if err != nil {
		return Rate{}, err
	}
	whole, fraction, hasPoint := strings.Cut(text, ".")
	if from == to || !allDigits(whole) || hasPoint && !allDigits(fraction) || len(whole)+len(fraction) > mostRateDigits {
		return Rate{}, ErrRate
	}
	num, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil || num == 0 {
		return Rate{}, ErrRate
	}
	r := Rate{From: from, To: to, Num: num, Den: 1}
	for range len(fraction) + ours {
		r.Den *= 10
	}
	for range theirs {
		r.Num *= 10
	}
	// In lowest terms a rate reads the same however many zeros its text ends in.
	common := divisor(r.Num, r.Den)
	r.Num, r.Den = r.Num/common, r.Den/common
	return r, nil
}

func divisor(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Convert turns minor units of From into minor units of To. The product has 128 bits, so that no
// recorded rate overflows on the way; ErrOverflow when the result does not fit, ErrRate for a rate that
// is not positive.
func (r Rate) Convert(minor int64) (int64, error) {
	if r.Num <= 0 || r.Den <= 0 {
		return 0, fmt.Errorf("convert %s to %s: %w", r.From, r.To, ErrRate)
	}
	hi, lo := bits.Mul64(magnitude(minor), uint64(r.Num))
	den := uint64(r.Den)
	if hi >= den {
		return 0, fmt.Errorf("convert %d %s to %s: %w", minor, r.From, r.To, ErrOverflow)
	}
	quotient, rest := bits.Div64(hi, lo, den)
	if rest >= den-rest {
		quotient++
	}
	if quotient > math.MaxInt64 {
		return 0, fmt.Errorf("convert %d %s to %s: %w", minor, r.From, r.To, ErrOverflow)
	}
	if minor < 0 {
		return -int64(quotient), nil
	}
	return int64(quotient), nil
}
