package simulation

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/dropline/dropline/internal/money"
)

// block is how many seeds, from a round number on, deal in one market, and how many lives share a
// schema before it is audited as a whole and emptied.
const block = 200

// market is what the partners of a block of seeds have agreed with each other.
type market struct {
	currency string // of the storefronts, and of suppliers that are not abroad
	// abroad are suppliers whose contracts are in another currency.
	abroad map[string]exchange
	// wide: contracts have volume discounts, and goods of some categories come back on terms of their own.
	wide bool
}

// markets are dealt in turn, by blocks of seeds: in currencies with two decimals, with none and with three.
var markets = []market{
	{currency: "USD"},
	{currency: "USD"},
	{currency: "EUR"},
	{currency: "JPY"},
	{currency: "KWD"},
	{currency: "USD"},
	{currency: "USD", wide: true, abroad: map[string]exchange{"cedar": {"EUR", 1_020_000}, "delta": {"JPY", 9_800}}},
	{currency: "EUR"},
	{currency: "JPY"},
	{currency: "KWD", wide: true, abroad: map[string]exchange{"alder": {"USD", 97_000}, "cedar": {"EUR", 103_000}}},
}

// marketOf is where the life of a seed is lived.
func marketOf(seed uint64) *market { return &markets[seed/block%uint64(len(markets))] }

// in is a market in which everybody deals in one currency and nothing is agreed beyond the contracts.
func in(currency string) *market { return &market{currency: currency} }

// name tells markets apart, and is a part of a schema's name.
func (m *market) name() string {
	if m.wide {
		return strings.ToLower(m.currency) + "_wide"
	}
	return strings.ToLower(m.currency)
}

// currencyOf is what a supplier's contract is in.
func (m *market) currencyOf(supplier string) string {
	if x, is := m.abroad[supplier]; is {
		return x.currency
	}
	return m.currency
}

// section begins what the catalogue says of one partner, or of one kind of them.
var section = regexp.MustCompile(`(?m)^(?:  - id: (\w+)|\w+:)$`)

// catalogue is the simulation's, as it is agreed in this market; everything costs scale times as much.
func (m *market) catalogue(scale int64) ([]byte, error) {
	text := catalogText
	if m.wide {
		text = article.ReplaceAllFunc(bytes.ReplaceAll(text, []byte("#wide "), nil), categorised)
	}
	var agreed []byte
	starts := section.FindAllSubmatchIndex(text, -1)
	for i, at := range starts {
		end, partner := len(text), ""
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		if at[2] >= 0 {
			partner = string(text[at[2]:at[3]])
		}
		part, err := inCurrency(text[at[0]:end], m.currencyOf(partner), scale)
		if err != nil {
			return nil, err
		}
		agreed = append(agreed, part...)
	}
	return append(agreed, m.rates()...), nil
}

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
