package gateway

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/returns"
)

// longestPhoto bounds a picture's address, in bytes.
const longestPhoto = 500

// fill reads the lines, and what an exchange names besides them, or says field by field what is wrong.
func (in *returnInput) fill(r *returns.Request) []FieldError {
	b := &in.Body
	a := &amounts{currency: b.Currency}
	exchange := r.Resolution == returns.Exchange
	if exchange {
		r.Currency = b.Currency
	}
	for i, l := range b.Lines {
		line := returns.RequestedLine{Line: l.Line, Quantity: l.Quantity, Reason: returns.Reason(l.Reason)}
		if w := l.Exchange; w != nil {
			at := fmt.Sprintf("lines[%d].exchange.", i)
			if !exchange {
				a.wrong(strings.TrimSuffix(at, "."), "needs resolution exchange")
			} else if in.priced(a) {
				line.ExchangeSKU = w.SKU
				line.Want = &returns.Wanted{
					Title: w.Title, ExternalID: w.ExternalID, UnitPrice: a.need(at+"unit_price", w.UnitPrice), Tax: a.read(at+"tax", w.Tax),
				}
				a.check(at, line)
			}
		}
		r.Lines = append(r.Lines, line)
	}
	if p := b.Payment; p != nil {
		if !exchange {
			a.wrong("payment", "needs resolution exchange")
		} else if in.priced(a) {
			r.Payment = &returns.Paid{Reference: p.Reference, Amount: a.need("payment.captured", p.Captured)}
			if r.Payment.Amount < 0 {
				a.wrong("payment.captured", "must not be negative")
			}
		}
	}
	for i, address := range b.PhotoURLs {
		if !picture(address) {
			a.wrong(fmt.Sprintf("photo_urls[%d]", i), fmt.Sprintf("want an https address without a user, of at most %d bytes", longestPhoto))
		}
	}
	r.PhotoURLs = b.PhotoURLs
	r.Photos = max(r.Photos, len(b.PhotoURLs))
	return a.found
}

// priced: the amounts have a currency to be read in.
func (in *returnInput) priced(a *amounts) bool {
	digits, err := money.Digits(in.Body.Currency)
	if err != nil {
		if len(a.found) == 0 || a.found[len(a.found)-1].Field != "currency" {
			a.wrong("currency", "want the order's ISO 4217 code in capitals, such as USD: there are amounts")
		}
		return false
	}
	a.digits = digits
	return true
}

// check refuses prices that no line could have.
func (a *amounts) check(at string, l returns.RequestedLine) {
	total, err := money.MulMinor(l.Want.UnitPrice, l.Quantity)
	if err == nil {
		_, err = money.AddMinor(total, l.Want.Tax)
	}
	switch {
	case l.Want.UnitPrice < 0 || l.Want.Tax < 0:
		a.wrong(at+"unit_price", "prices and tax must not be negative")
	case err != nil:
		a.wrong(at+"unit_price", "out of range")
	case l.Want.Tax > total:
		a.wrong(at+"tax", "is more than the price")
	}
}

// picture: an address that a browser may be sent to.
func picture(address string) bool {
	parsed, err := url.Parse(address)
	return err == nil && parsed.Scheme == "https" && parsed.Host != "" && parsed.User == nil && len(address) <= longestPhoto &&
		!strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' })
}
