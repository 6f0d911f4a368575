package ledgerbook

import (
	"fmt"
	"time"

	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/supplier"
	"github.com/dropline/dropline/internal/volume"
)

// volumeTerms are a supplier's volume discounts, with what its purchases reached so far, in basis points by
// period.
type volumeTerms struct {
	catalog.Volume

	zone    string
	reached map[string]int64
}

// purchase is what an invoice counts for volume discounts, minor units.
type purchase struct {
	period                   volumePeriod // of one that is new
	goods, credited, granted int64
	changed                  bool
}

type volumePeriod struct {
	name string // empty: nothing is added up
	ends time.Time
}

// period is the one that an invoice counts in.
func (po *billedPO) period(invoice *supplier.Invoice) (volumePeriod, error) {
	if len(po.volume.Tiers) == 0 {
		return volumePeriod{}, nil
	}
	zone, err := time.LoadLocation(po.volume.zone)
	if err != nil {
		return volumePeriod{}, fmt.Errorf("time zone of supplier %s: %w", po.supplier, err)
	}
	name, ends := volume.Within(po.volume.Period, invoice.At, zone)
	return volumePeriod{name, ends}, nil
}

// followPurchases takes what corrects an invoice off its purchases: what was credited for it beyond its
// disputes, which never counted.
func (b *Book) followPurchases() {
	for _, po := range b.pos {
		for _, invoice := range po.invoices {
			bought := invoice.bought
			if bought == nil {
				continue
			}
			credited := int64(0)
			for _, c := range b.credits {
				if c.supplier == po.supplier && c.matter == po.matter(invoice.Number) {
					credited += c.minor - c.applied
				}
			}
			if credited = min(credited, bought.goods); credited != bought.credited {
				bought.credited, bought.changed = credited, true
			}
		}
	}
}

// writePurchases records what invoices count. The discount that one was expected with stands from the
// beginning; the rest follows the book.
func (b *Book) writePurchases(q Queue) {
	var suppliers, invoices, periods, currencies []string
	var ends []*time.Time
	var goods, credited, granted []int64
	for _, po := range b.pos {
		for _, invoice := range po.invoices {
			p := invoice.bought
			if p == nil || !p.changed {
				continue
			}
			var end *time.Time
			if p.period.name != "" {
				end = &p.period.ends
			}
			suppliers, invoices = append(suppliers, po.supplier), append(invoices, invoice.Number)
			periods, currencies, ends = append(periods, p.period.name), append(currencies, po.currency), append(ends, end)
			goods, credited, granted = append(goods, p.goods), append(credited, p.credited), append(granted, p.granted)
		}
	}
	if len(invoices) == 0 {
		return
	}
	q.Queue(`
		WITH n AS (
			SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::bigint[], $8::bigint[], $9::bigint[])
				AS n (supplier, invoice, period, currency, ends_at, goods, credited, granted)
		), fresh AS (
			INSERT INTO volume_purchases (supplier, invoice, order_key, period, currency, ends_at, goods, credited, granted)
			SELECT supplier, invoice, $1, period, currency, ends_at, goods, credited, granted FROM n WHERE period <> ''
		)
		UPDATE volume_purchases v SET goods = n.goods, credited = n.credited, pending = true
		FROM n WHERE n.period = '' AND v.supplier = n.supplier AND v.invoice = n.invoice`,
		b.order, suppliers, invoices, periods, currencies, ends, goods, credited, granted)
}
