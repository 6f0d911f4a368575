package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dropline/dropline/internal/carrier/easypost"
	"github.com/dropline/dropline/internal/gateway"
	"github.com/dropline/dropline/internal/ledger"
	"github.com/dropline/dropline/internal/money"
	"github.com/dropline/dropline/internal/routing"
	"github.com/dropline/dropline/internal/storefront/shopify"
	"github.com/dropline/dropline/internal/supplier/restapi"
	"github.com/dropline/dropline/internal/supplier/restapi/wire"
)

// rule is pure work of a size: lines of an order, scans of a parcel, postings of a ledger.
type rule struct {
	name  string
	sizes []int // ascending; the growth is judged from the first to the last
	make  func(b *bench, size int) (work func() error, err error)
}

var (
	hundredfold = []int{1, 10, 100}
	ruleList    = []rule{
		{"routing_lines", []int{1, 10, 100}, routeLines},
		{"routing_suppliers", []int{5, 50, 250}, routeSuppliers},
		{"ledger_postings", []int{10, 100, 1000}, postLedger},
		{"read_order", hundredfold, readOrder},
		{"read_shopify", hundredfold, readShopify},
		{"read_supplier", hundredfold, readSupplier},
		{"read_carrier", hundredfold, readCarrier},
	}
)

// rules measures the pure parts: they run on every worker and gateway, and nothing else may make them
// slow.
func (b *bench) rules(ctx context.Context) error {
	b.report.Rules = map[string]Figures{}
	for _, r := range ruleList {
		figures := Figures{}
		var costs []float64
		for _, size := range r.sizes {
			if err := ctx.Err(); err != nil {
				return err
			}
			work, err := r.make(b, size)
			if err != nil {
				return fmt.Errorf("prepare %s of size %d: %w", r.name, size, err)
			}
			took, allocations, err := b.time(work)
			if err != nil {
				return fmt.Errorf("run %s of size %d: %w", r.name, size, err)
			}
			costs = append(costs, took)
			figures[fmt.Sprintf("us_%d", size)], figures[fmt.Sprintf("allocs_%d", size)] = took/1000, allocations
			figures[fmt.Sprintf("per_s_%d", size)] = 1e9 / took
		}
		first, last := r.sizes[0], r.sizes[len(r.sizes)-1]
		figures["growth_exponent"] = exponent(float64(first), float64(last), costs[0], costs[len(costs)-1])
		b.report.Rules[r.name] = figures
		b.progress("%s: %.0f µs at size %d, %.0f µs at %d", r.name, costs[0]/1000, first, costs[len(costs)-1]/1000, last)
	}
	return nil
}

// time returns the nanoseconds and allocations that a run of the work takes: the median of a few
// benchmarks, since other programs may run beside.
func (b *bench) time(work func() error) (nanoseconds, allocations float64, err error) {
	if err := work(); err != nil {
		return 0, 0, err
	}
	var times, counts []float64
	for range 2*b.sizes.rounds - 1 {
		runs := 0
		allocations := testing.AllocsPerRun(1, func() { err = errors.Join(err, work()) })
		counts = append(counts, allocations)
		began := time.Now()
		for ; time.Since(began) < 100*time.Millisecond; runs++ {
			if err := work(); err != nil {
				return 0, 0, err
			}
		}
		times = append(times, float64(time.Since(began).Nanoseconds())/float64(runs))
	}
	slices.Sort(times)
	slices.Sort(counts)
	return quantile(times, 0.5), quantile(counts, 0.5), err
}

func routeLines(b *bench, size int) (func() error, error) { return route(b, size, 8), nil }

func routeSuppliers(b *bench, size int) (func() error, error) { return route(b, 3, size), nil }

// route decides about a few made-up markets in turn.
func route(b *bench, lines, suppliers int) func() error {
	var requests []routing.Request
	for n := range uint64(4) {
		requests = append(requests, market(rand.New(rand.NewPCG(b.Seed, n)), lines, suppliers)) //nolint:gosec // made up again the same from the seed
	}
	next := 0
	return func() error {
		_, err := routing.Decide(requests[next%len(requests)])
		next++
		return err
	}
}

var decidedAt = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// market is an order and the suppliers that might ship it: prices within a tenth of the list, patchy
// ranges, thin stock, two methods of shipping.
func market(r *rand.Rand, lines, suppliers int) routing.Request {
	request := routing.Request{
		Currency: "EUR", Destination: routing.Destination{Country: "DE"}, At: decidedAt,
		Policy: routing.Policy{SplitPenalty: 150, LatenessCostPerDay: 200, PromiseDays: 4, RiskCost: 2500, AllowPartial: true},
	}
	prices := make([]int64, lines)
	for n := range lines {
		prices[n] = 500 + r.Int64N(6000)
		request.Lines = append(request.Lines, routing.Line{Line: n + 1, SKU: fmt.Sprintf("SKU-%03d", n), Quantity: 1 + r.Int64N(4)})
	}
	for n := range suppliers {
		c := routing.Candidate{
			Supplier: fmt.Sprintf("supplier-%03d", n), ContractFrom: decidedAt, ShipsTo: []string{"DE"},
			ExpectedLateBP: r.Int64N(3000), LateDays: 2, RejectBP: r.Int64N(1500), ShipDays: 1 + r.IntN(2),
			Shipping: []routing.Method{
				{Name: "economy", BaseCost: 350 + r.Int64N(200), PerItemCost: 20, TransitDaysMax: 5},
				{Name: "express", BaseCost: 900 + r.Int64N(300), PerItemCost: 40, TransitDaysMax: 1},
			},
		}
		for i, line := range request.Lines {
			if r.IntN(10) < 4 {
				continue
			}
			c.Offers = append(c.Offers, routing.Offer{
				SKU: line.SKU, SupplierSKU: line.SKU, UnitCost: prices[i] * (90 + r.Int64N(21)) / 100, Available: 1 + r.Int64N(8),
			})
		}
		request.Candidates = append(request.Candidates, c)
	}
	return request
}

// postLedger makes and sums so many transactions of an order.
func postLedger(_ *bench, size int) (func() error, error) {
	return func() error {
		transactions := make([]ledger.Transaction, 0, size)
		for n := range size {
			t, err := ledger.Captured(fmt.Sprintf("capture-%d", n), money.Money{Minor: 1000 + int64(n), Currency: "EUR"})
			if err != nil {
				return err
			}
			transactions = append(transactions, t)
		}
		_, err := ledger.BalanceOf(transactions)
		return err
	}, nil
}

func readOrder(_ *bench, size int) (func() error, error) {
	lines := make([]map[string]any, size)
	for n := range lines {
		lines[n] = map[string]any{"sku": fmt.Sprintf("SKU-%d", n), "title": "Thing", "quantity": 2, "unit_price": "12.00", "tax": "4.56"}
	}
	total := fmt.Sprintf("%d.%02d", size*2856/100, size*2856%100)
	body, err := json.Marshal(map[string]any{
		"id": "1001", "placed_at": "2026-11-20T10:00:00Z", "currency": "EUR", "lines": lines, "total": total,
		"payment": map[string]any{"status": "paid", "captured": total, "reference": "p-1"},
		"ship_to": map[string]any{"name": "A Person", "street1": "Hauptstr. 1", "city": "Berlin", "postal_code": "10115", "country": "DE"},
		"email":   "a@person.example",
	})
	return func() error { _, err := gateway.ReadOrder("shop", body); return err }, err
}

func readShopify(_ *bench, size int) (func() error, error) {
	lines := make([]map[string]any, size)
	for n := range lines {
		lines[n] = map[string]any{"id": n + 1, "sku": fmt.Sprintf("SKU-%d", n), "title": "Thing", "quantity": 2, "current_quantity": 2, "price": "12.00"}
	}
	total := fmt.Sprintf("%d.00", size*24)
	body, err := json.Marshal(map[string]any{
		"id": 9007199254740993, "name": "#1001", "created_at": "2026-03-01T18:20:11-05:00", "updated_at": "2026-03-01T18:20:15-05:00",
		"currency": "EUR", "financial_status": "paid", "total_price": total, "line_items": lines, "email": "a@person.example",
		"shipping_address": map[string]any{"name": "A Person", "address1": "12 Bay Rd", "city": "Salem", "province_code": "MA", "zip": "01970", "country_code": "US"},
	})
	return func() error { _, err := shopify.Parse("shop", body); return err }, err
}

func readSupplier(_ *bench, size int) (func() error, error) {
	lines := make([]wire.AckLine, size)
	for n := range lines {
		lines[n] = wire.AckLine{Line: n + 1, Status: "accepted", Quantity: 2}
	}
	data, err := json.Marshal(wire.Acknowledgment{PO: "DLABCDEFGHIJKLM-1", At: decidedAt, Lines: lines})
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(wire.Event{ID: "e-1", Type: wire.TypeAcknowledged, CreatedAt: decidedAt, Data: data})
	return func() error { _, err := restapi.ParseWebhook(body); return err }, err
}

func readCarrier(_ *bench, size int) (func() error, error) {
	body, err := json.Marshal(trackerEvent("DROPEX", "TRK000000001", "evt_1", size))
	return func() error { _, err := easypost.ParsePush(body); return err }, err
}

// trackerEvent is a push of a parcel with so many scans, all on its way.
func trackerEvent(carrier, tracking, id string, scans int) map[string]any {
	return map[string]any{"id": id, "object": "Event", "description": "tracker.updated", "result": trackerOf(carrier, tracking, decidedAt, scans)}
}

// trackerOf is what the tracking service knows of a parcel whose first scan was at a time.
func trackerOf(carrier, tracking string, first time.Time, scans int) map[string]any {
	details := make([]map[string]any, scans)
	for n := range details {
		details[n] = map[string]any{
			"object": "TrackingDetail", "message": "Departed facility", "status": "in_transit", "status_detail": "departed_facility",
			"datetime": first.Add(time.Duration(n) * time.Hour).Format(time.RFC3339),
		}
	}
	return map[string]any{
		"object": "Tracker", "id": "trk_1", "tracking_code": tracking, "carrier": carrier, "status": "in_transit",
		"status_detail": "departed_facility", "tracking_details": details,
	}
}

func rulesTable(rules map[string]Figures) table {
	t := table{title: "Rules and readers", head: []string{"", "sizes", "µs", "allocations", "growth exponent"}}
	for _, r := range ruleList {
		figures, found := rules[r.name]
		if !found {
			continue
		}
		sizes, times, allocations := "", "", ""
		for n, size := range r.sizes {
			if n > 0 {
				sizes, times, allocations = sizes+" · ", times+" · ", allocations+" · "
			}
			sizes += plain(float64(size))
			times += plain(figures[fmt.Sprintf("us_%d", size)])
			allocations += plain(figures[fmt.Sprintf("allocs_%d", size)])
		}
		t.rows = append(t.rows, []string{r.name, sizes, times, allocations, plain(figures["growth_exponent"])})
	}
	return t
}
