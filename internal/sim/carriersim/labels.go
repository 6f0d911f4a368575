package carriersim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// LabelManner scripts how labels are sold. The zero value sells each at once.
type LabelManner struct {
	// LoseOpened and LoseBought do what is asked and never say so, for that many requests.
	LoseOpened, LoseBought int
	// Busy turns that many requests away with 503 and Retry-After: 1.
	Busy int
	// RefuseAddress takes no shipment; RefuseSale opens one and sells no label for it.
	RefuseAddress, RefuseSale bool
	// RefuseRefund takes no label back; SlowRefund decides when it is asked again; LoseRefunded takes that many back
	// and never says so.
	RefuseRefund, SlowRefund bool
	LoseRefunded             int
	// Delay is before every answer.
	Delay time.Duration
}

// Shipment is one return parcel in the tracker's books.
type Shipment struct {
	ID, Reference string
	From, To      string // streets, from where and to where the label leads
	Ounces        string
	Bought        int // labels that were sold: more than one is a mistake
	Service       string
	Cost          string // what was charged, in the currency of Config.LabelCurrency
	Carrier       string
	Tracking      string
	Refund        string // EasyPost's refund_status; empty: never given back
	Refunds       int    // how often that was asked for
}

// prices are what a label costs by service.
var prices = []struct{ service, price string }{{"Express", "19.80"}, {"Ground", "5.95"}, {"Priority", "8.40"}}

// SetLabelManner changes how labels are sold from now on.
func (s *Server) SetLabelManner(m LabelManner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.manner = m
}

// Shipments returns a copy of the books of labels, in the order in which they were opened.
func (s *Server) Shipments() []Shipment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Shipment(nil), s.shipments...)
}

func (s *Server) sellLabels(mux *http.ServeMux) {
	mux.HandleFunc("POST /shipments", s.selling(s.openShipment))
	mux.HandleFunc("GET /shipments/{id}", s.selling(func(r *http.Request) (int, any) { return s.showShipment(r.PathValue("id")) }))
	mux.HandleFunc("POST /shipments/{id}/buy", s.selling(s.buyLabel))
	mux.HandleFunc("POST /shipments/{id}/refund", s.selling(func(r *http.Request) (int, any) { return s.refundLabel(r.PathValue("id")) }))
}

// selling guards an operation as the API does. An operation that answers 0 says nothing.
func (s *Server) selling(do func(*http.Request) (status int, answer any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, _, _ := r.BasicAuth()
		if s.config.APIKey != "" && user != s.config.APIKey {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.mu.Lock()
		delay, busy := s.manner.Delay, s.manner.Busy > 0
		if busy {
			s.manner.Busy--
		}
		s.mu.Unlock()
		if delay > 0 {
			select {
			case <-time.After(delay):
			case <-s.lifetime.Done():
			}
		}
		if busy {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		status, answer := do(r)
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer)
	}
}

type end struct {
	Street1 string `json:"street1"`
	Country string `json:"country"`
}

func (s *Server) openShipment(r *http.Request) (int, any) {
	var document struct {
		Shipment struct {
			IsReturn  bool   `json:"is_return"`
			Reference string `json:"reference"`
			To        end    `json:"to_address"`
			From      end    `json:"from_address"`
			Parcel    struct {
				Weight json.Number `json:"weight"`
			} `json:"parcel"`
		} `json:"shipment"`
	}
	err := json.NewDecoder(r.Body).Decode(&document)
	asked := document.Shipment
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || s.manner.RefuseAddress || asked.To.Country == "" || asked.From.Country == "" || asked.Parcel.Weight == "" {
		return http.StatusUnprocessableEntity, problem("ADDRESS.VERIFY.FAILURE")
	}
	opened := Shipment{
		ID: fmt.Sprintf("shp_%08d", len(s.shipments)+1), Reference: asked.Reference, From: asked.From.Street1, To: asked.To.Street1, Ounces: asked.Parcel.Weight.String(),
	}
	if asked.IsReturn { // the addresses of a return come as those of the way out
		opened.From, opened.To = opened.To, opened.From
	}
	s.shipments = append(s.shipments, opened)
	if s.manner.LoseOpened > 0 {
		s.manner.LoseOpened--
		return 0, nil
	}
	return http.StatusCreated, s.document(&opened)
}

func problem(code string) any {
	return map[string]any{"error": map[string]string{"code": code, "message": "refused"}}
}

// shipment needs the lock. It is found by its id or its reference.
func (s *Server) shipment(id string) *Shipment {
	for i := range s.shipments {
		if s.shipments[i].ID == id || s.shipments[i].Reference == id {
			return &s.shipments[i]
		}
	}
	return nil
}

func (s *Server) showShipment(id string) (int, any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.shipment(id); found != nil {
		if found.Refund == "submitted" {
			found.Refund = "refunded"
		}
		return http.StatusOK, s.document(found)
	}
	return http.StatusNotFound, problem("NOT_FOUND")
}

func (s *Server) buyLabel(r *http.Request) (int, any) {
	var document struct {
		Rate struct {
			ID string `json:"id"`
		} `json:"rate"`
	}
	err := json.NewDecoder(r.Body).Decode(&document)
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.shipment(r.PathValue("id"))
	switch {
	case found == nil:
		return http.StatusNotFound, problem("NOT_FOUND")
	case found.Bought > 0:
		return http.StatusUnprocessableEntity, problem("SHIPMENT.POSTAGE.EXISTS")
	case err != nil || s.manner.RefuseSale:
		return http.StatusUnprocessableEntity, problem("SHIPMENT.POSTAGE.FAILURE")
	}
	for _, p := range prices {
		if document.Rate.ID == rateID(found.ID, p.service) {
			found.Bought++
			found.Service, found.Cost = p.service, p.price
			found.Carrier, found.Tracking = "DropEx", "EZ"+strings.TrimPrefix(found.ID, "shp_")
		}
	}
	switch {
	case found.Bought == 0:
		return http.StatusUnprocessableEntity, problem("SHIPMENT.INVALID_PARAMS")
	case s.manner.LoseBought > 0:
		s.manner.LoseBought--
		return 0, nil
	}
	return http.StatusOK, s.document(found)
}

// refundLabel takes a label back, once, that was bought and never scanned.
func (s *Server) refundLabel(id string) (int, any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.shipment(id)
	switch {
	case found == nil:
		return http.StatusNotFound, problem("NOT_FOUND")
	case found.Bought == 0 || found.Refund != "":
		return http.StatusUnprocessableEntity, problem("SHIPMENT.REFUND.UNAVAILABLE")
	}
	found.Refunds++
	travels := s.find(found.Carrier, found.Tracking)
	switch {
	case s.manner.RefuseRefund || travels != nil && travels.scanned > 1:
		found.Refund = "rejected"
	case s.manner.SlowRefund:
		found.Refund = "submitted"
	default:
		found.Refund = "refunded"
	}
	if s.manner.LoseRefunded > 0 {
		s.manner.LoseRefunded--
		return 0, nil
	}
	return http.StatusOK, s.document(found)
}

func rateID(shipment, service string) string { return "rate_" + shipment + "_" + service }

func (s *Server) document(p *Shipment) any {
	document := map[string]any{"id": p.ID, "object": "Shipment", "reference": p.Reference, "is_return": true}
	var rates []any
	for _, price := range prices {
		r := map[string]string{
			"id": rateID(p.ID, price.service), "object": "Rate", "carrier": "DropEx", "service": price.service, "rate": price.price, "currency": s.config.LabelCurrency,
		}
		rates = append(rates, r)
		if p.Bought > 0 && price.service == p.Service {
			document["selected_rate"] = r
		}
	}
	document["rates"] = rates
	if p.Refund != "" {
		document["refund_status"] = p.Refund
	}
	if p.Bought > 0 {
		document["tracking_code"] = p.Tracking
		document["postage_label"] = map[string]string{"object": "PostageLabel", "label_url": "https://labels.example/" + p.Tracking + ".png"}
	}
	return document
}
