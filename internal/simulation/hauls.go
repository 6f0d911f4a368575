package simulation

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/carrier"
	"github.com/dropline/dropline/internal/catalog"
	"github.com/dropline/dropline/internal/money"
)

// seller is the carrier that sells labels, and under our account with which some suppliers ship.
const seller = "hare"

// haul is a return parcel in the books of the carrier that sells its label. Amounts are minor units.
type haul struct {
	id, reference string
	tracking      string // of the label; empty: none was sold
	price         int64
	refuses       string // how it says that it sells none; empty: it does
	refund        string // its word about a label that is given back; empty: it was not
	slow          int    // times that it is asked before it decides
	again         bool   // it was used after all, and is charged once more
}

// The carrier's words for a label that is given back.
const (
	refundSubmitted = "submitted"
	refundGiven     = "refunded"
	refundRejected  = "rejected"
)

// haulage says which of the lives with longer ways of money have suppliers who ship under our account with the
// carrier, and labels that are bought of it: two of three. What comes of it is rare: in these lives parcels are lost,
// goods damaged and returns asked for more often.
func haulage(number uint64) bool { return number%3 == 1 && number%36 < 24 }

// underOurAccount is a supplier with those terms: alder's parcels go at the carrier's risk, birch and delta make no
// labels, and cedar has both.
func underOurAccount(s catalog.Supplier) catalog.Supplier {
	if s.ID == "alder" || s.ID == "cedar" {
		s.Contract.TransitCarrier = seller
	}
	if buysLabels(s.ID) {
		s.Contract.Returns.Labels = catalog.ReturnLabels{
			By: catalog.LabelCarrier, Carrier: seller, Parcel: catalog.LabelParcel{WeightGrams: 900},
			Address: catalog.Address{Name: s.Name, Street1: "9 Dock Road", City: "Utica", Region: "NY", PostalCode: "13501", Country: "US"},
		}
	}
	return s
}

func buysLabels(supplier string) bool { return supplier != "alder" }

func atCarriersRisk(supplier string) bool { return supplier == "alder" || supplier == "cedar" }

// agree puts the contracts into force on which this life's suppliers ship.
func (l *life) agree() error {
	if l.hauls == l.world.hauls {
		return nil
	}
	for _, s := range l.world.catalog.Suppliers {
		if l.hauls {
			s = underOurAccount(s)
		}
		document, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("encode the contract of %s: %w", s.ID, err)
		}
		if _, err := l.world.admin.Exec(l.ctx, `UPDATE suppliers SET document = $2 WHERE id = $1`, s.ID, document); err != nil {
			return fmt.Errorf("put the contract of %s into force: %w", s.ID, err)
		}
	}
	l.world.hauls = l.hauls
	return nil
}

// sellerTrouble is what becomes of a call about a label: what goes wrong in a step mostly meets another partner
// before. The poll, which gives labels back, may not stand still, so none of these calls does.
func (l *life) sellerTrouble(r *http.Request) netFault {
	if l.quiet || l.closing || l.netPlan != netWell || !l.chance(20) {
		return netWell
	}
	faults := []netFault{netUnsent, netLost, netLost, netUnavailable, netBusy, netBrokenPage, netGarbled, netDies, netDiesAfter, netDiesAfter}
	if r.Method == http.MethodPost {
		faults = append(faults, netLate)
	}
	l.happened("trouble at the seller of labels")
	return oneOf(l, faults)
}

// toSeller: the request is about a label.
func (l *life) toSeller(r *http.Request) bool {
	return l.hauls && strings.HasPrefix(r.URL.Host, seller+".") && strings.HasPrefix(r.URL.Path, "/shipments")
}

// serveSeller answers as the carrier does that sells labels.
func (l *life) serveSeller(w http.ResponseWriter, r *http.Request, body []byte) {
	if user, _, _ := r.BasicAuth(); user != secretOf(seller) {
		l.fail("the carrier is called with another's key")
	}
	rest := strings.Trim(strings.TrimPrefix(r.URL.Path, "/shipments"), "/")
	if rest == "" {
		reply(w, l.show(l.opens(body)))
		return
	}
	name, what, _ := strings.Cut(rest, "/")
	h := l.haulBy(name)
	if h == nil {
		w.WriteHeader(http.StatusNotFound)
		reply(w, map[string]any{"error": map[string]any{"code": "NOT_FOUND"}})
		return
	}
	refused := false
	switch {
	case what == "" && r.Method == http.MethodGet:
		l.decidesRefund(h)
	case what == "buy":
		refused = !l.sells(h, body)
	case what == "refund":
		refused = !l.takesBack(h)
	default:
		l.fail("the carrier has no %s %s", r.Method, r.URL.Path)
	}
	if refused {
		w.WriteHeader(http.StatusUnprocessableEntity)
		reply(w, map[string]any{"error": map[string]any{"code": "SHIPMENT.REFUSED"}})
		return
	}
	reply(w, l.show(h))
}

// haulBy finds what was opened last under an id or a reference.
func (l *life) haulBy(name string) *haul {
	for _, h := range slices.Backward(l.sold) {
		if h.id == name || h.reference == name {
			return h
		}
	}
	return nil
}

// opens enters a parcel, which costs nothing.
func (l *life) opens(body []byte) *haul {
	var said struct {
		Shipment struct {
			IsReturn  bool   `json:"is_return"`
			Reference string `json:"reference"`
			To        struct {
				Street string `json:"street1"`
			} `json:"to_address"`
			From struct {
				Street string `json:"street1"`
			} `json:"from_address"`
		} `json:"shipment"`
	}
	if err := json.Unmarshal(body, &said); err != nil {
		l.fail("the carrier cannot read a parcel: %v", err)
	}
	s := &said.Shipment
	c := l.comeback(s.Reference)
	switch {
	case !buysLabels(c.book.party.id):
		l.fail("a label is wanted for %s, whose labels %s makes", c.rma, c.book.party.id)
	case !s.IsReturn || s.From.Street != "9 Dock Road" || s.To.Street != c.book.of.basket.street && !c.book.of.moved:
		l.fail("a label is wanted for %s on the way from %q to %q", c.rma, s.To.Street, s.From.Street)
	case l.haulBy(s.Reference) != nil:
		l.happened("return opened at the carrier again")
	}
	h := &haul{
		id: fmt.Sprintf("shp_%d_%d", l.number, len(l.sold)+1), reference: s.Reference,
		price: oneOf(l, []int64{415, 415, 620, 0}) * l.world.scale,
	}
	if !l.quiet && l.chance(12) {
		h.refuses = oneOf(l, []string{"no rates", "no sale"})
	}
	l.sold = append(l.sold, h)
	return h
}

func (l *life) show(h *haul) map[string]any {
	rate := func(id, service string, price int64) map[string]any {
		return map[string]any{"id": id, "carrier": "Hare", "service": service, "rate": l.amount(price), "currency": l.world.currency}
	}
	shown := map[string]any{"id": h.id, "reference": h.reference, "refund_status": nil}
	if h.refuses != "no rates" {
		shown["rates"] = []any{rate("rate_2", "Express", h.price+300*l.world.scale), rate("rate_1", "Ground", h.price)}
	}
	if h.tracking != "" {
		shown["tracking_code"], shown["selected_rate"] = h.tracking, rate("rate_1", "Ground", h.price)
		shown["postage_label"] = map[string]any{"label_url": "https://hare.example/labels/" + h.id}
	}
	if h.refund != "" {
		shown["refund_status"] = h.refund
	}
	return shown
}

// sells the label of a parcel, once.
func (l *life) sells(h *haul, body []byte) bool {
	var said struct {
		Rate struct {
			ID string `json:"id"`
		} `json:"rate"`
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Rate.ID != "rate_1" {
		l.fail("the label of %s is bought at %q, which is not the cheapest", h.reference, said.Rate.ID)
	}
	switch {
	case h.tracking != "":
		l.happened("label sold once only")
		return false
	case h.refuses != "":
		l.happened("no label sold")
		return false
	}
	c := l.comeback(h.reference)
	for _, other := range l.sold {
		if other.reference == h.reference && other.tracking != "" {
			l.fail("labels %s and another are bought for return %s", other.tracking, h.reference)
		}
	}
	if c.label != "" {
		l.fail("a label is bought for return %s, for which %s has given one", c.rma, c.book.party.id)
	}
	l.boxes++
	h.tracking = fmt.Sprintf("L%dX%d", l.number, l.boxes)
	c.label = h.tracking
	l.happened("label bought")
	l.note("the carrier sells label %s for %s at %s", h.tracking, h.reference, money.Money{Minor: h.price, Currency: l.world.currency})
	return true
}

// takesBack hears that nobody uses a label.
func (l *life) takesBack(h *haul) bool {
	switch {
	case h.tracking == "" || h.refund != "":
		l.happened("label's give-back refused")
		return false
	case l.used(h):
		l.happened("used label given back")
		if l.chance(50) {
			return false
		}
		h.refund = refundRejected
	default:
		h.refund = oneOf(l, []string{refundSubmitted, refundSubmitted, refundGiven, refundRejected})
		h.slow = l.pick(3)
	}
	l.happened("label given back: " + h.refund)
	l.note("label %s is given back: %s", h.tracking, h.refund)
	return true
}

// decidesRefund: the carrier takes its time, and looks whether the label was used.
func (l *life) decidesRefund(h *haul) {
	if h.refund != refundSubmitted {
		return
	}
	if h.slow > 0 {
		h.slow--
		return
	}
	h.refund = refundGiven
	if l.used(h) || l.chance(20) {
		h.refund = refundRejected
	}
	l.happened("label's give-back decided: " + h.refund)
}

// used: the carrier has had a parcel under the label.
func (l *life) used(h *haul) bool {
	x := l.backs[h.reference].box
	return x != nil && x.tracking == h.tracking
}

// handsIn is what the carrier notes when a parcel comes under a label that it has sold.
func (l *life) handsIn(c *comeback) {
	for _, h := range l.sold {
		if h.tracking == "" || h.tracking != c.label {
			continue
		}
		l.happened("bought label used")
		if h.refund == refundGiven {
			h.again = true
			l.happened("label used after it was given back")
		}
	}
}

// givesBack polls the carrier as long as a label is to be given back, or its answer is to come. It says how long
// nothing happens then; zero: nothing is left to give back.
func (l *life) givesBack() time.Duration {
	if !l.hauls {
		return 0
	}
	var left int
	err := l.world.admin.QueryRow(l.ctx, `SELECT count(*) FROM return_parcels p JOIN returns r USING (rma)
		WHERE r.order_key = $1 AND p.bought_of = $2 AND p.give_back IN ('', $3) AND p.first_scan_at IS NULL
			AND (r.stage IN ('cancelled', 'expired') OR r.state ->> 'keep' = 'true')`, l.key.String(), seller, string(carrier.GiveBackAsked)).Scan(&left)
	if err != nil {
		l.fail("look for labels that nobody uses: %v", err)
	}
	if left == 0 {
		l.polls = 0
		return 0
	}
	if l.polls++; l.polls > 20 {
		l.fail("%d labels that nobody uses are never given back", left)
	}
	l.poll()
	return time.Hour
}
