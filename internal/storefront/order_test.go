package storefront_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/storefront"
	"github.com/dropline/dropline/internal/supplier"
)

func sound() storefront.Order {
	return storefront.Order{
		Key:      order.Key{Storefront: "shop", Order: "1001"},
		PlacedAt: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
		Currency: "EUR",
		Lines: []storefront.Line{
			{Line: 1, SKU: "MUG", Quantity: 2, UnitPrice: 1000, Discount: 150, Tax: 352},
			{Line: 2, SKU: "TEE", Quantity: 1, UnitPrice: 500, Tax: 95},
		},
		Shipping: 490, ShippingTax: 93, Discount: 150, Total: 2000 - 150 + 352 + 500 + 95 + 490 + 93,
		Payment: storefront.Payment{Status: storefront.PaymentPaid, Captured: 3380},
		ShipTo:  supplier.Address{Name: "Ann Example", Street1: "Lange Str. 7", City: "Köln", PostalCode: "50667", Country: "DE"},
		Email:   "ann@shop.example",
	}
}

func TestSoundOrderHasNeitherProblemsNorDoubts(t *testing.T) {
	t.Parallel()
	o := sound()
	require.Empty(t, storefront.Problems(&o))
	require.Empty(t, storefront.Doubts(&o))
	body, err := json.Marshal(o)
	require.NoError(t, err)
	var again storefront.Order
	require.NoError(t, json.Unmarshal(body, &again))
	require.Equal(t, o, again)
}

func TestMalformedOrderIsRefusedByField(t *testing.T) {
	t.Parallel()
	for field, spoil := range map[string]func(*storefront.Order){
		"key":                 func(o *storefront.Order) { o.Key.Order = "a b" },
		"placed_at":           func(o *storefront.Order) { o.PlacedAt = time.Time{} },
		"currency":            func(o *storefront.Order) { o.Currency = "eur" },
		"total":               func(o *storefront.Order) { o.Total = -1 },
		"shipping":            func(o *storefront.Order) { o.Shipping = -1 },
		"payment.captured":    func(o *storefront.Order) { o.Payment.Captured = -1 },
		"payment.status":      func(o *storefront.Order) { o.Payment.Status = "" },
		"ship_to.country":     func(o *storefront.Order) { o.ShipTo.Country = "UK" },
		"ship_to.street1":     func(o *storefront.Order) { o.ShipTo.Street1 = "A\r\nBcc: x" },
		"ship_to.city":        func(o *storefront.Order) { o.ShipTo.City = strings.Repeat("ö", 256) },
		"email":               func(o *storefront.Order) { o.Email = "a@b.c\nX: y" },
		"locale":              func(o *storefront.Order) { o.Locale = "../../etc" },
		"lines":               func(o *storefront.Order) { o.Lines, o.Discount = nil, 0 },
		"lines[1].line":       func(o *storefront.Order) { o.Lines[1].Line = 1 },
		"lines[0].quantity":   func(o *storefront.Order) { o.Lines[0].Quantity, o.Lines[0].Discount, o.Discount = 0, 0, 0 },
		"lines[1].quantity":   func(o *storefront.Order) { o.Lines[1].Quantity = 100_001 },
		"lines[0].unit_price": func(o *storefront.Order) { o.Lines[0].UnitPrice = math.MaxInt64 },
		"lines[0].discount":   func(o *storefront.Order) { o.Lines[0].Discount, o.Discount = 2001, 2001 },
		"lines[0].tax":        func(o *storefront.Order) { o.Lines[0].Tax = -1 },
		"lines[0].sku":        func(o *storefront.Order) { o.Lines[0].SKU = "A\u2028B" },
		"lines[0].title":      func(o *storefront.Order) { o.Lines[0].Title = "\xff" },
		"discount":            func(o *storefront.Order) { o.Discount = 149 },
	} {
		o := sound()
		spoil(&o)
		problems := storefront.Problems(&o)
		require.Len(t, problems, 1, field)
		require.Equal(t, field, problems[0].Field)
	}
	o := sound()
	o.Lines, o.Discount = nil, 0
	for i := range 501 {
		o.Lines = append(o.Lines, storefront.Line{Line: i + 1, Quantity: 1})
	}
	require.NotEmpty(t, storefront.Problems(&o))
	o.Lines = o.Lines[:500]
	require.Empty(t, storefront.Problems(&o))
}

func TestOverflowingSumIsAProblemNotAPanic(t *testing.T) {
	t.Parallel()
	o := sound()
	for i := range o.Lines {
		o.Lines[i].Quantity, o.Lines[i].UnitPrice = 1, math.MaxInt64
	}
	require.Equal(t, "total", storefront.Problems(&o)[0].Field)
}

func TestDoubtHoldsTheOrder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*storefront.Order)
		code  string
	}{
		"English box":     {func(o *storefront.Order) { o.ShipTo.Street1 = "P.O. Box 12" }, "po_box"},
		"box in line two": {func(o *storefront.Order) { o.ShipTo.Street2 = "PO BOX 12" }, "po_box"},
		"German box":      {func(o *storefront.Order) { o.ShipTo.Street1 = "Postfach 10 12" }, "po_box"},
		"locker":          {func(o *storefront.Order) { o.ShipTo.Street1 = "Packstation 123" }, "parcel_locker"},
		"no street":       {func(o *storefront.Order) { o.ShipTo.Street1 = " " }, "address_shape"},
		"no country":      {func(o *storefront.Order) { o.ShipTo.Country = "" }, "address_shape"},
		"wrong code":      {func(o *storefront.Order) { o.ShipTo.PostalCode = "5066" }, "address_shape"},
		"no code":         {func(o *storefront.Order) { o.ShipTo.PostalCode = "" }, "address_shape"},
		"nobody there": {func(o *storefront.Order) {
			o.ShipTo.Country, o.ShipTo.PostalCode = "AQ", ""
		}, "undeliverable"},
		"military": {func(o *storefront.Order) {
			o.ShipTo.Country, o.ShipTo.Region, o.ShipTo.City, o.ShipTo.PostalCode = "US", "AE", "APO", "09012"
		}, "military_address"},
		"pending":       {func(o *storefront.Order) { o.Payment.Status = storefront.PaymentPending }, "unpaid"},
		"short capture": {func(o *storefront.Order) { o.Payment.Captured-- }, "unpaid"},
		"refunded":      {func(o *storefront.Order) { o.Payment.Status = storefront.PaymentRefunded }, "refunded"},
		"mismatch":      {func(o *storefront.Order) { o.Total-- }, "total_mismatch"},
		"no SKU":        {func(o *storefront.Order) { o.Lines[1].SKU = "" }, "no_sku"},
		"no e-mail":     {func(o *storefront.Order) { o.Email = "Ann <ann@shop.example>" }, "email_shape"},
		"test":          {func(o *storefront.Order) { o.Test = true }, "test_order"},
	} {
		o := sound()
		c.spoil(&o)
		require.Empty(t, storefront.Problems(&o), name)
		doubts := storefront.Doubts(&o)
		require.Len(t, doubts, 1, name)
		require.Equal(t, c.code, doubts[0].Code, name)
		for _, personal := range []string{o.ShipTo.Name, o.ShipTo.City, o.Email} {
			require.NotContains(t, doubts[0].Detail, personal, name)
		}
	}
}

func TestPostalCodesByCountry(t *testing.T) {
	t.Parallel()
	for country, codes := range map[string]struct{ good, bad []string }{
		"US": {[]string{"12345", "12345-6789", "123456789"}, []string{"1234", "K2P0S0", "12345-67"}},
		"CA": {[]string{"K2P 0S0", "k2p0s0"}, []string{"12345", "D2P 0S0", "K2P 0S"}},
		"GB": {[]string{"SW1A 1AA", "m1 1ae", "EC1A1BB", "DN55 1PT", "GIR 0AA"}, []string{"12345", "SW1A", "QQ1 1AA"}},
		"DE": {[]string{"50667"}, []string{"D-50667", "5066"}},
		"FR": {[]string{"75008"}, []string{"7500"}},
		"NL": {[]string{"1012 AB", "1012ab"}, []string{"0012 AB", "1012"}},
		"AU": {[]string{"2000"}, []string{"20000"}},
		"JP": {[]string{"100-0001", "1000001"}, []string{"100-001"}},
		"IE": {[]string{"D02 X285", "D6W XH29", ""}, []string{"12345", "D02"}},
		"HK": {[]string{"", "anything"}, nil},
	} {
		check := func(code string, want bool) {
			o := sound()
			o.ShipTo.Country, o.ShipTo.Region, o.ShipTo.PostalCode = country, "NY", code
			require.Equal(t, want, len(storefront.Doubts(&o)) == 0, "%s %q", country, code)
		}
		for _, code := range codes.good {
			check(code, true)
		}
		for _, code := range codes.bad {
			check(code, false)
		}
	}
}

func TestOrdinaryStreetsAreNoBoxes(t *testing.T) {
	t.Parallel()
	for _, street := range []string{
		"12 Box Hill Road", "Boxwood Lane 3", "4 Post Office Road", "Poststraße 7", "1 Pobedy Street",
		"22 Bagot Street", "BP Tower 1", "Private Road 7", "3 Lockedale", "Apartado Alto 3", "Am Postplatz 1",
	} {
		o := sound()
		o.ShipTo.Street1 = street
		require.Empty(t, storefront.Doubts(&o), street)
	}
	for _, street := range []string{"BP 123", "B.P. 45", "Boîte postale 9", "Boite Postale 9"} {
		o := sound()
		o.ShipTo.Street1, o.ShipTo.Country, o.ShipTo.PostalCode = street, "FR", "75008"
		require.Len(t, storefront.Doubts(&o), 1, street)
	}
	for _, street := range []string{"POB 7", "Post Office Box 7", "GPO Box 7", "Locked Bag 7", "Postbus 7", "Apdo. 12", "Apartado de correos 9", "私書箱7号", "p o box 9"} {
		o := sound()
		o.ShipTo.Street1 = street
		require.Len(t, storefront.Doubts(&o), 1, street)
	}
}

func TestSpreadDiscountAddsUpToTheCent(t *testing.T) {
	t.Parallel()
	o := storefront.Order{Discount: 1001, Lines: []storefront.Line{
		{Line: 1, Quantity: 1, UnitPrice: 2000}, {Line: 2, Quantity: 2, UnitPrice: 1000}, {Line: 3, Quantity: 1, UnitPrice: 2000},
	}}
	require.NoError(t, o.SpreadDiscount())
	require.Equal(t, "334 334 333", fmt.Sprint(o.Lines[0].Discount, " ", o.Lines[1].Discount, " ", o.Lines[2].Discount))

	rapid.Check(t, func(t *rapid.T) {
		o := storefront.Order{}
		var worth, own int64
		for i := range rapid.IntRange(1, 12).Draw(t, "lines") {
			l := storefront.Line{Line: i + 1, Quantity: rapid.Int64Range(1, 9).Draw(t, "quantity"), UnitPrice: rapid.Int64Range(1, 9999).Draw(t, "price")}
			l.Discount = rapid.Int64Range(0, l.UnitPrice).Draw(t, "own")
			worth, own = worth+l.Quantity*l.UnitPrice, own+l.Discount
			o.Lines = append(o.Lines, l)
		}
		o.Discount = rapid.Int64Range(own, worth).Draw(t, "discount")
		require.NoError(t, o.SpreadDiscount())
		var sum int64
		for _, l := range o.Lines {
			require.LessOrEqual(t, l.Discount, l.Quantity*l.UnitPrice, "no line is cheaper than free")
			sum += l.Discount
		}
		require.Equal(t, o.Discount, sum)
	})
}
