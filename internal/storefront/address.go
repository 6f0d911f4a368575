package storefront

import (
	"regexp"
	"strings"

	"github.com/dropline/dropline/internal/supplier"
)

// addressRule is how an address of one country looks. Sources: Universal Postal Union, postal
// addressing systems by country; Royal Mail, Canada Post and Eircode publish the letters they use.
type addressRule struct {
	postal     *regexp.Regexp // on capitals with single spaces; nil: the country's codes are not checked
	optional   bool           // the code may be missing
	needRegion bool
}

var addressRules = map[string]addressRule{
	"US": {postal: regexp.MustCompile(`^\d{5}(-?\d{4})?$`), needRegion: true},
	"CA": {postal: regexp.MustCompile(`^[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z] ?\d[ABCEGHJ-NPRSTV-Z]\d$`), needRegion: true},
	"AU": {postal: regexp.MustCompile(`^\d{4}$`), needRegion: true},
	"JP": {postal: regexp.MustCompile(`^\d{3}-?\d{4}$`), needRegion: true},
	"GB": {postal: regexp.MustCompile(`^(GIR ?0AA|[A-PR-UWYZ]([0-9]{1,2}|[A-HK-Y][0-9]|[A-HK-Y][0-9][0-9ABEHMNPRV-Y]|[0-9][A-HJKPS-UW]) ?[0-9][ABD-HJLNP-UW-Z]{2})$`)},
	"IE": {postal: regexp.MustCompile(`^([AC-FHKNPRTV-Y]\d{2}|D6W) ?[0-9AC-FHKNPRTV-Y]{4}$`), optional: true},
	"NL": {postal: regexp.MustCompile(`^[1-9]\d{3} ?[A-Z]{2}$`)},
	"DE": {postal: regexp.MustCompile(`^\d{5}$`)},
	"FR": {postal: regexp.MustCompile(`^\d{5}$`)},
	"MC": {postal: regexp.MustCompile(`^980\d{2}$`)},
	"ES": {postal: regexp.MustCompile(`^(0[1-9]|[1-4]\d|5[0-2])\d{3}$`)},
	"IT": {postal: regexp.MustCompile(`^\d{5}$`)},
	"FI": {postal: regexp.MustCompile(`^\d{5}$`)},
	"SE": {postal: regexp.MustCompile(`^\d{3} ?\d{2}$`)},
	"CZ": {postal: regexp.MustCompile(`^\d{3} ?\d{2}$`)},
	"PL": {postal: regexp.MustCompile(`^\d{2}-?\d{3}$`)},
	"PT": {postal: regexp.MustCompile(`^\d{4}-?\d{3}$`)},
	"AT": {postal: regexp.MustCompile(`^\d{4}$`)},
	"BE": {postal: regexp.MustCompile(`^[1-9]\d{3}$`)},
	"CH": {postal: regexp.MustCompile(`^[1-9]\d{3}$`)},
	"DK": {postal: regexp.MustCompile(`^\d{4}$`)},
	"NO": {postal: regexp.MustCompile(`^\d{4}$`)},
	"NZ": {postal: regexp.MustCompile(`^\d{4}$`)},
	"LU": {postal: regexp.MustCompile(`^(L-)?\d{4}$`)},
	"BR": {postal: regexp.MustCompile(`^\d{5}-?\d{3}$`), needRegion: true},
	"MX": {postal: regexp.MustCompile(`^\d{5}$`), needRegion: true},
	"IN": {postal: regexp.MustCompile(`^[1-9]\d{2} ?\d{3}$`), needRegion: true},
	"CN": {postal: regexp.MustCompile(`^\d{6}$`), needRegion: true},
	"KR": {postal: regexp.MustCompile(`^\d{5}$`)},
	"SG": {postal: regexp.MustCompile(`^\d{6}$`)},
}

// Box addresses, in the languages of the countries above. "BP" is a box only where French is
// written, so it is told apart by country.
var (
	poBox = regexp.MustCompile(`(?i)(\bp\.?\s*o\.?\s*box\b|\bpost\s+office\s+box\b|\bp\.?o\.?b\.?\s*(no\.?\s*|#\s*)?\d|` +
		`\b(gpo|locked|private)\s+(box|bag)\b|\bpostfach\b|\bpostbus\b|\bpostboks\b|\bpostbox\b|\bpostilokero\b|` +
		`\bbo[iî]te\s+postale\b|\bcasella\s+postale\b|\bapartado\s+(de\s+correos|postal|\d)|\bapdo\.?\s*\d|` +
		`\bcaixa\s+postal\b|\bskrytka\s+pocztowa\b|私書箱)`)
	frenchBox    = regexp.MustCompile(`(?i)\bB\.?P\.?\s*\d{1,6}\b`)
	parcelLocker = regexp.MustCompile(`(?i)\b(packstation|paketbox\s*\d|paczkomat|postfiliale)\b`)
	// APO, FPO and DPO are the "cities" of military and diplomatic post; AA, AE and AP its regions.
	militaryCity = regexp.MustCompile(`(?i)^(APO|FPO|DPO)$`)
	britishField = regexp.MustCompile(`(?i)\bBFPO\s*\d`)
)

var militaryRegion = map[string]bool{"AA": true, "AE": true, "AP": true}

// addressDoubts says what is wrong with an address without repeating any of it.
func addressDoubts(a supplier.Address) []Doubt {
	var found []Doubt
	doubt := func(when bool, code, detail string) {
		if when {
			found = append(found, Doubt{code, detail})
		}
	}
	streets := a.Street1 + "\n" + a.Street2 + "\n" + a.Company
	boxed := poBox.MatchString(streets) || writesFrench[a.Country] && frenchBox.MatchString(streets)
	doubt(boxed, DoubtPOBox, "the address is a post office box, which parcel carriers do not serve")
	doubt(parcelLocker.MatchString(streets), DoubtParcelLocker, "the address is a parcel locker, which one carrier only serves")
	military := a.Country == "US" && (militaryRegion[strings.ToUpper(a.Region)] || militaryCity.MatchString(a.City)) ||
		a.Country == "GB" && britishField.MatchString(streets+"\n"+a.City+"\n"+a.PostalCode)
	doubt(military, DoubtMilitary, "the address is a military or diplomatic post office")
	doubt(unserved[a.Country], DoubtUndeliverable, "no parcel service to "+a.Country)
	return append(found, shapeDoubts(a)...)
}

func shapeDoubts(a supplier.Address) []Doubt {
	rule := addressRules[a.Country]
	var missing []string
	for _, field := range []struct {
		name, value string
		needed      bool
	}{
		{"name", a.Name + a.Company, true},
		{"street", a.Street1, true},
		{"city", a.City, a.Country != "SG"},
		{"region", a.Region, rule.needRegion},
		{"postal code", a.PostalCode, rule.postal != nil && !rule.optional},
		{"country", a.Country, true},
	} {
		if field.needed && strings.TrimSpace(field.value) == "" {
			missing = append(missing, field.name)
		}
	}
	var found []Doubt
	if len(missing) > 0 {
		found = append(found, Doubt{DoubtAddressShape, "missing: " + strings.Join(missing, ", ")})
	}
	code := strings.ToUpper(strings.Join(strings.Fields(a.PostalCode), " "))
	if rule.postal != nil && code != "" && !rule.postal.MatchString(code) {
		found = append(found, Doubt{DoubtAddressShape, "the postal code is not one of " + a.Country})
	}
	return found
}
