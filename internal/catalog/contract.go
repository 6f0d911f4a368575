package catalog

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/sla"
)

func readSupplier(s *section) Supplier {
	s.need("id", "name", "contract")
	supplier := Supplier{Contract: defaultContract()}
	scan(s, "id", parseID, &supplier.ID)
	scan(s, "name", parseName, &supplier.Name)
	if v, ok := s.take("contract"); ok {
		readContract(v.section(), &supplier.Contract)
	}
	return supplier
}

func readContract(s *section, c *Contract) {
	s.need("valid_from", "currency", "channel", "calendar", "sla", "ships_to", "shipping")
	scan(s, "valid_from", sla.ParseDate, &c.ValidFrom)
	scan(s, "valid_until", sla.ParseDate, &c.ValidUntil)
	if !c.ValidUntil.IsZero() && c.ValidUntil.Before(c.ValidFrom) {
		s.at("valid_until").problem("%s is before valid_from %s", c.ValidUntil, c.ValidFrom)
	}
	scan(s, "currency", parseCurrency, &c.Currency)
	scan(s, "contact", parseEmail, &c.Contact)
	readMail(s, &c.Mail)
	none := money.Money{Currency: c.Currency}
	c.Handling, c.Split.Penalty = none, none
	scan(s, "handling", amountIn(c.Currency), &c.Handling)
	if v, ok := s.take("channel"); ok {
		c.Channel = readChannel(v.section())
	}
	if v, ok := s.take("calendar"); ok {
		c.Calendar = readCalendar(v.section())
	}
	if v, ok := s.take("sla"); ok {
		readSLA(v.section(), &c.SLA)
	}
	if v, ok := s.take("ships_to"); ok {
		c.ShipsTo = readShipsTo(v.section())
	}
	if v, ok := s.take("shipping"); ok {
		c.Shipping = readShipping(v.section(), c.Currency, c.ShipsTo.Countries)
	}
	scan(s, "transit_carrier", parseID, &c.TransitCarrier)
	readCancel(s.sub("cancel"), &c.Cancel)
	readTerms(s, c)
	readClaimTerms(s, c)
	readVolume(s.sub("volume_discounts"), c)
	s.done()
}

// readTerms reads the parts of a contract that may be left out whole.
func readTerms(s *section, c *Contract) {
	returns := s.sub("returns")
	scan(returns, "window_days", whole(0, mostDays), &c.Returns.WindowDays)
	scan(returns, "restocking_bp", basisPoints, &c.Returns.RestockingBP)
	scan(returns, "pays_shipping", oneOf(PayerSupplier, PayerStorefront, PayerCustomer), &c.Returns.PaysShipping)
	scan(returns, "credit_within", sla.ParseTerm, &c.Returns.CreditWithin)
	readLabels(returns, &c.Returns.Labels)
	c.Returns.Categories = readCategories(returns, readCategoryTerms)
	returns.done()

	split := s.sub("split")
	scan(split, "orders", parseBool, &c.Split.Orders)
	scan(split, "lines", parseBool, &c.Split.Lines)
	scan(split, "penalty", amountIn(c.Currency), &c.Split.Penalty)
	split.done()

	risk := s.sub("risk")
	scan(risk, "late_bp", basisPoints, &c.Risk.LateBP)
	scan(risk, "reject_bp", basisPoints, &c.Risk.RejectBP)
	risk.done()

	tolerances := s.sub("tolerances")
	scan(tolerances, "price_bp", basisPoints, &c.Tolerances.PriceBP)
	scan(tolerances, "quantity", whole(0, mostItems), &c.Tolerances.Quantity)
	tolerances.done()

	scan(s, "substitution", oneOf(SubstitutionAccept, SubstitutionRefuse, SubstitutionAsk), &c.Substitution)
	priceChange := s.sub("price_change")
	scan(priceChange, "accept_within_bp", basisPoints, &c.PriceChange.AcceptWithinBP)
	priceChange.done()
}

func readChannel(s *section) (c Channel) {
	s.need("kind", "url", "key_id", "secret_env", "webhook_secret_env")
	scan(s, "kind", oneOf(ChannelREST), &c.Kind)
	scan(s, "url", parseURL, &c.URL)
	scan(s, "key_id", parseName, &c.KeyID)
	scan(s, "secret_env", parseEnv, &c.SecretEnv)
	scan(s, "webhook_secret_env", parseEnv, &c.WebhookSecretEnv)
	s.done()
	return c
}

// readCalendar judges the calendar as a whole only if its parts could be read, so that one
// mistake is told once.
func readCalendar(s *section) (c sla.Calendar) {
	before := len(s.r.problems)
	scan(s, "zone", parseName, &c.Zone)
	scan(s, "always_open", parseBool, &c.AlwaysOpen)
	scan(s, "cut_off", sla.ParseTimeOfDay, &c.CutOff)
	scanEach(s, "holidays", sla.ParseHoliday, &c.Holidays)
	c.Days = readDays(s)
	s.need("zone")
	s.done()
	if len(s.r.problems) > before {
		return c
	}
	if err := c.Validate(); err != nil {
		s.problem("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return c
}

// readDays reads business_days with one pair of hours for all, or hours for each day.
func readDays(s *section) (days []sla.Day) {
	var weekdays []sla.Weekday
	scanEach(s, "business_days", sla.ParseWeekday, &weekdays)
	v, ok := s.take("hours")
	if !ok {
		if len(weekdays) > 0 {
			s.problem("hours is missing: want \"09:00-17:00\", or such hours for each day")
		}
		return nil
	}
	if perDay := v.node.Content; len(perDay) > 0 {
		if len(weekdays) > 0 {
			s.problem("business_days is one too many: hours for each day name the days already")
		}
		return readHoursPerDay(v.section())
	}
	var hours sla.Day
	if !scanValue(v, parseHours, &hours) {
		return nil
	}
	if len(weekdays) == 0 && !s.has("business_days") {
		s.problem("business_days is missing: want a list such as [mon, tue, wed, thu, fri]")
	}
	for _, weekday := range weekdays {
		days = append(days, sla.Day{Weekday: weekday, Open: hours.Open, Close: hours.Close})
	}
	return days
}

func readHoursPerDay(s *section) (days []sla.Day) {
	for weekday := range sla.Weekday(7) {
		var hours sla.Day
		if scan(s, weekday.String(), parseHours, &hours); hours.Close > 0 {
			hours.Weekday = weekday
			days = append(days, hours)
		}
	}
	s.done()
	return days
}

// parseHours reads "09:00-17:00" into a day whose weekday is not yet known.
func parseHours(text string) (sla.Day, error) {
	open, closing, ok := strings.Cut(strings.ReplaceAll(text, "–", "-"), "-")
	if !ok {
		return sla.Day{}, fmt.Errorf("%q are not hours: want \"09:00-17:00\"", text)
	}
	from, err := sla.ParseTimeOfDay(strings.TrimSpace(open))
	if err != nil {
		return sla.Day{}, err
	}
	until, err := sla.ParseTimeOfDay(strings.TrimSpace(closing))
	if err != nil {
		return sla.Day{}, err
	}
	if from >= until {
		return sla.Day{}, fmt.Errorf("%q are not hours: closing comes after opening, on the same day", text)
	}
	return sla.Day{Open: from, Close: until}, nil
}

func readSLA(s *section, terms *SLA) {
	s.need("acknowledge", "ship")
	scan(s, "acknowledge", sla.ParseTerm, &terms.Acknowledge)
	scan(s, "ship", sla.ParseTerm, &terms.Ship)
	scanEach(s, "reminders", sla.ParseReminder, &terms.Reminders)
	s.done()
}

func readCancel(s *section, c *Cancel) {
	scan(s, "window", parseCancelWindow, &c.Window)
	scan(s, "confirmation", oneOf(ConfirmationPromised, ConfirmationNone), &c.Confirmation)
	scan(s, "within", sla.ParseTerm, &c.Within)
	scan(s, "on_silence", oneOf(SilenceReroute, SilenceHold), &c.OnSilence)
	s.done()
	switch {
	case c.Confirmation == ConfirmationPromised && !s.has("within"):
		s.problem("within is missing: a promised confirmation has a term")
	case c.Confirmation == ConfirmationNone && s.has("within"):
		s.at("within").problem("is one too many: it needs confirmation: promised")
	}
}

func readShipsTo(s *section) (to ShipsTo) {
	s.need("countries")
	scanEach(s, "countries", parseCountry, &to.Countries)
	if v, ok := s.take("countries"); ok && v.node.Kind == yaml.SequenceNode && len(v.node.Content) == 0 {
		v.problem("want at least one country")
	}
	scanEach(s, "except_regions", regionOf(to.Countries), &to.ExceptRegions)
	s.done()
	return to
}

func readShipping(s *section, currency string, countries []string) (methods []Method) {
	s.need("methods")
	if v, ok := s.take("methods"); ok {
		items := v.items("name")
		if len(items) == 0 {
			v.problem("want at least one method")
		}
		for _, item := range items {
			methods = append(methods, readMethod(item.section(), currency, countries))
		}
	}
	s.done()
	return methods
}

func readMethod(s *section, currency string, countries []string) Method {
	s.need("name", "base", "transit_days")
	m := Method{PerItem: money.Money{Currency: currency}}
	scan(s, "name", parseName, &m.Name)
	scan(s, "base", amountIn(currency), &m.Base)
	scan(s, "per_item", amountIn(currency), &m.PerItem)
	if v, ok := s.take("transit_days"); ok {
		transit := v.section()
		transit.need("min", "max")
		scan(transit, "min", whole(0, mostDays), &m.TransitMinDays)
		scan(transit, "max", whole(0, mostDays), &m.TransitMaxDays)
		transit.done()
		if transit.has("max") && m.TransitMaxDays < m.TransitMinDays {
			transit.at("max").problem("%d is less than min %d", m.TransitMaxDays, m.TransitMinDays)
		}
	}
	scanEach(s, "countries", countryOf(countries), &m.Countries)
	s.done()
	return m
}

// readOffer reads an offer under its supplier, in the currency of the contract unless stated.
// With no supplier given it is one by itself, which names both.
func readOffer(s *section, supplier *Supplier) (offer Offer) {
	s.need("sku", "cost", "on_hand")
	currency := ""
	if supplier != nil {
		offer.Supplier, currency = supplier.ID, supplier.Contract.Currency
	} else {
		s.need("supplier", "currency")
		scan(s, "supplier", parseID, &offer.Supplier)
	}
	scan(s, "sku", parseName, &offer.SKU)
	offer.SupplierSKU = offer.SKU
	scan(s, "supplier_sku", parseName, &offer.SupplierSKU)
	scan(s, "currency", parseCurrency, &currency)
	scan(s, "cost", amountIn(currency), &offer.Cost)
	scan(s, "on_hand", whole(0, mostItems), &offer.OnHand)
	scan(s, "lead_time_days", whole(0, mostDays), &offer.LeadTimeDays)
	scan(s, "barcode", parseBarcode, &offer.Barcode)
	scan(s, "category", parseCategory, &offer.Category)
	rules := s.sub("rules")
	scan(rules, "ships_alone", parseBool, &offer.Rules.ShipsAlone)
	scan(rules, "hazmat", parseBool, &offer.Rules.Hazmat)
	scan(rules, "max_per_parcel", whole(1, mostItems), &offer.Rules.MaxPerParcel)
	rules.done()
	s.done()
	return offer
}
