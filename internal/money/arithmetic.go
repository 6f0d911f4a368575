package money

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
)

// Add returns m + n, or ErrCurrencyMismatch or ErrOverflow.
func (m Money) Add(n Money) (Money, error) {
	if m.Currency != n.Currency {
		return Money{}, mismatch("add", m, n)
	}
	minor, err := AddMinor(m.Minor, n.Minor)
	return Money{Minor: minor, Currency: m.Currency}.unless(err)
}

// Sub returns m - n, or ErrCurrencyMismatch or ErrOverflow.
func (m Money) Sub(n Money) (Money, error) {
	if m.Currency != n.Currency {
		return Money{}, mismatch("subtract", m, n)
	}
	minor, err := SubMinor(m.Minor, n.Minor)
	return Money{Minor: minor, Currency: m.Currency}.unless(err)
}

// Mul returns the amount for qty units at m each, or ErrOverflow.
func (m Money) Mul(qty int64) (Money, error) {
	minor, err := MulMinor(m.Minor, qty)
	return Money{Minor: minor, Currency: m.Currency}.unless(err)
}

// Neg returns -m, or ErrOverflow for the lowest amount, which has no opposite.
func (m Money) Neg() (Money, error) {
	minor, err := SubMinor(0, m.Minor)
	return Money{Minor: minor, Currency: m.Currency}.unless(err)
}

// Cmp returns -1, 0 or +1 as m is below, equal to or above n, or ErrCurrencyMismatch.
func (m Money) Cmp(n Money) (int, error) {
	if m.Currency != n.Currency {
		return 0, mismatch("compare", m, n)
	}
	return cmp.Compare(m.Minor, n.Minor), nil
}

// IsZero reports whether there is no amount, in whatever currency.
func (m Money) IsZero() bool { return m.Minor == 0 }

// Sum adds amounts of one currency, which is named so that an empty sum has one too.
func Sum(currencyCode string, amounts ...Money) (Money, error) {
	total, err := New(0, currencyCode)
	if err != nil {
		return Money{}, fmt.Errorf("sum: %w", err)
	}
	for _, amount := range amounts {
		if total, err = total.Add(amount); err != nil {
			return Money{}, err
		}
	}
	return total, nil
}

// AddMinor returns a + b minor units, or ErrOverflow.
func AddMinor(a, b int64) (int64, error) {
	sum := a + b
	if (a < 0) == (b < 0) && (sum < 0) != (a < 0) {
		return 0, fmt.Errorf("add minor units: %w", ErrOverflow)
	}
	return sum, nil
}

// SubMinor returns a - b minor units, or ErrOverflow.
func SubMinor(a, b int64) (int64, error) {
	difference := a - b
	if (a < 0) != (b < 0) && (difference < 0) != (a < 0) {
		return 0, fmt.Errorf("subtract minor units: %w", ErrOverflow)
	}
	return difference, nil
}

// MulMinor returns a * b minor units, or ErrOverflow.
func MulMinor(a, b int64) (int64, error) {
	high, low := bits.Mul64(magnitude(a), magnitude(b))
	product, ok := signed(low, (a < 0) != (b < 0))
	if high != 0 || !ok {
		return 0, fmt.Errorf("multiply minor units: %w", ErrOverflow)
	}
	return product, nil
}

// BasisPoints returns bp ten-thousandths of minor units (a restocking fee of 15 % is
// 1500), rounded half to even so that many small fees do not drift to one side. It is
// symmetric in the signs of both; ErrOverflow when the result does not fit.
func BasisPoints(minor, bp int64) (int64, error) {
	const whole = 10_000
	high, low := bits.Mul64(magnitude(minor), magnitude(bp))
	if high >= whole {
		return 0, fmt.Errorf("%d basis points: %w", bp, ErrOverflow)
	}
	share, rest := bits.Div64(high, low, whole)
	if share <= math.MaxInt64 && (rest > whole/2 || rest == whole/2 && share%2 == 1) {
		share++
	}
	result, ok := signed(share, (minor < 0) != (bp < 0))
	if !ok {
		return 0, fmt.Errorf("%d basis points: %w", bp, ErrOverflow)
	}
	return result, nil
}

// signed gives a magnitude its sign; false when it does not fit in an int64.
func signed(magnitude uint64, negative bool) (int64, bool) {
	if negative {
		return -int64(magnitude), magnitude <= 1<<63
	}
	return int64(magnitude), magnitude <= math.MaxInt64
}

func (m Money) unless(err error) (Money, error) {
	if err != nil {
		return Money{}, fmt.Errorf("%.8q: %w", m.Currency, err)
	}
	return m, nil
}

func mismatch(op string, m, n Money) error {
	return fmt.Errorf("%s %.8q and %.8q: %w", op, m.Currency, n.Currency, ErrCurrencyMismatch)
}
