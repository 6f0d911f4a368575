package catalog

import (
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/sla"
)

// Parsers of the single values. Each says what it wants; none repeats what might be a secret.

var (
	idForm     = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)
	envForm    = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,127}$`)
	regionForm = regexp.MustCompile(`^([A-Z]{2})-[A-Z0-9]{1,3}$`)
	gtinForm   = regexp.MustCompile(`^([0-9]{8}|[0-9]{12,14})$`)
)

func parseID(text string) (string, error) {
	if !idForm.MatchString(text) {
		return "", fmt.Errorf("%q is not an id: want 1 to 32 of a-z, 0-9 and -, not starting with -", text)
	}
	return text, nil
}

// parseName takes any single line of text.
func parseName(text string) (string, error) {
	breaks := func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }
	if len(text) > 200 || !utf8.ValidString(text) || strings.ContainsFunc(text, breaks) {
		return "", errors.New("want one line of at most 200 bytes, without control characters")
	}
	return text, nil
}

func parseEnv(text string) (string, error) {
	if !envForm.MatchString(text) {
		return "", errors.New("want the name of an environment variable, such as ACME_SECRET; the secret itself never stands in a file")
	}
	return text, nil
}

func parseURL(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return "", errors.New("want an http or https address with a host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("want an address without user, query or fragment")
	}
	return text, nil
}

func parseEmail(text string) (string, error) {
	if _, err := mail.ParseAddress(text); err != nil {
		return "", errors.New("want a mail address, such as orders@shop.example")
	}
	return text, nil
}

func parseCountry(text string) (string, error) {
	region, err := language.ParseRegion(text)
	if err != nil || !region.IsCountry() {
		return "", fmt.Errorf("%q is not a country: want two letters of ISO 3166-1, such as US", text)
	}
	if code := region.Canonicalize().String(); code != text {
		return "", fmt.Errorf("%q is not a country: did you mean %s?", text, code)
	}
	return text, nil
}

func parseRegion(text string) (string, error) {
	if found := regionForm.FindStringSubmatch(text); found != nil {
		if _, err := parseCountry(found[1]); err == nil {
			return text, nil
		}
	}
	return "", fmt.Errorf("%q is not a region: want ISO 3166-2, such as US-HI", text)
}

// countryOf reads a country that is one of the given; with none given, whose problem is told
// elsewhere, any.
func countryOf(countries []string) func(string) (string, error) {
	return func(text string) (string, error) {
		country, err := parseCountry(text)
		if err == nil && len(countries) > 0 && !slices.Contains(countries, country) {
			err = fmt.Errorf("%q is none of the countries of ships_to", country)
		}
		return country, err
	}
}

// regionOf reads a region of one of the given countries.
func regionOf(countries []string) func(string) (string, error) {
	return func(text string) (string, error) {
		region, err := parseRegion(text)
		if err == nil && len(countries) > 0 && !slices.Contains(countries, region[:2]) {
			err = fmt.Errorf("%q is in none of the countries of ships_to", region)
		}
		return region, err
	}
}

func parseCurrency(text string) (string, error) {
	if _, err := money.Digits(text); err != nil {
		return "", fmt.Errorf("%q is not a currency: want three letters of ISO 4217, such as USD", text)
	}
	return text, nil
}

// amountIn reads an amount that is not negative. Without a currency, whose problem is told
// elsewhere, there is nothing to judge.
func amountIn(currency string) func(string) (money.Money, error) {
	return func(text string) (money.Money, error) {
		if currency == "" {
			return money.Money{}, nil
		}
		amount, err := money.Parse(text, currency)
		if err != nil {
			return money.Money{}, fmt.Errorf("%q is not an amount in %s: %w", text, currency, err)
		}
		if amount.Minor < 0 {
			return money.Money{}, fmt.Errorf("%q is negative: want 0 or more", text)
		}
		return amount, nil
	}
}

func parseBool(text string) (bool, error) {
	if text != "true" && text != "false" {
		return false, fmt.Errorf("%q is neither true nor false", text)
	}
	return text == "true", nil
}

func whole[T int | int64](least, most T) func(string) (T, error) {
	return func(text string) (T, error) {
		number, err := strconv.ParseInt(text, 10, 64)
		if err != nil || number < int64(least) || number > int64(most) {
			return 0, fmt.Errorf("%q: want a whole number from %d to %d", text, least, most)
		}
		return T(number), nil
	}
}

// basisPoints are hundredths of a percent: 10000 is all of it.
var basisPoints = whole[int64](0, 10_000)

// Bounds that only a mistake passes: of counts of items, and of days.
const (
	mostItems = 1_000_000_000
	mostDays  = 3_650
)

func oneOf[T ~string](words ...T) func(string) (T, error) {
	return func(text string) (T, error) {
		names := make([]string, len(words))
		for i, word := range words {
			if string(word) == text {
				return word, nil
			}
			names[i] = string(word)
		}
		return "", fmt.Errorf("%q: want %s", text, strings.Join(names, " or "))
	}
}

// parseElapsed reads a term that needs no calendar.
func parseElapsed(text string) (sla.Term, error) {
	term, err := sla.ParseTerm(text)
	if err == nil && term.Business() {
		return sla.Term{}, fmt.Errorf("%q needs a calendar, and there is none here: want 2h, 45m, 30s or 10d", text)
	}
	return term, err
}

func parseCancelWindow(text string) (CancelWindow, error) {
	if text == untilShipped {
		return CancelWindow{}, nil
	}
	term, err := sla.ParseTerm(text)
	if err != nil {
		return CancelWindow{}, fmt.Errorf("%q is neither %s nor a term: want %s", text, untilShipped, sla.TermForms)
	}
	return CancelWindow{Term: term}, nil
}

// parseBarcode checks the last digit of a GTIN (GS1 General Specifications, 7.9): the digits
// before it weigh 3 and 1 in turn from the right, and all add up to a multiple of ten.
func parseBarcode(text string) (string, error) {
	if !gtinForm.MatchString(text) {
		return "", fmt.Errorf("%q is not a barcode: want a GTIN of 8, 12, 13 or 14 digits, in quotes", text)
	}
	sum := 0
	for i := range len(text) {
		digit := int(text[len(text)-1-i] - '0')
		if i%2 == 1 {
			digit *= 3
		}
		sum += digit
	}
	if sum%10 != 0 {
		return "", fmt.Errorf("%q is not a barcode: its check digit is wrong", text)
	}
	return text, nil
}
