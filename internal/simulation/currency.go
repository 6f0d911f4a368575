package simulation

import (
	"bytes"
	"fmt"
	"regexp"

	"github.com/dropline/dropline/internal/money"
)

// block is how many seeds, from a round number on, deal in one currency, and how many lives share a
// schema before it is audited as a whole and emptied.
const block = 200

// currencies are dealt in turn, by blocks of seeds: with two decimals, with none and with three.
var currencies = []string{"USD", "USD", "EUR", "JPY", "KWD"}

// currencyOf is what the life of a seed is paid in.
func currencyOf(seed uint64) string { return currencies[seed/block%uint64(len(currencies))] }

var amounts = regexp.MustCompile(`"(\d+)\.(\d\d)"`)

// inCurrency has a catalogue in dollars speak of as many minor units of another currency, times scale.
func inCurrency(catalog []byte, currency string, scale int64) ([]byte, error) {
	var failed error
	text := amounts.ReplaceAllFunc(catalog, func(quoted []byte) []byte {
		dollars, err := money.Parse(string(bytes.Trim(quoted, `"`)), "USD")
		if err == nil {
			var same string
			same, err = money.Format(dollars.Minor*scale, currency)
			quoted = []byte(`"` + same + `"`)
		}
		if err != nil {
			failed = fmt.Errorf("put the catalogue into %s: %w", currency, err)
		}
		return quoted
	})
	return bytes.ReplaceAll(text, []byte("USD"), []byte(currency)), failed
}
