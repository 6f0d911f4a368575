package catalog

// LabelMaker is who makes the label of a return parcel.
type LabelMaker string

// The supplier gives it with its answer to the return, or it is bought of a carrier.
const (
	LabelSupplier LabelMaker = "supplier"
	LabelCarrier  LabelMaker = "carrier"
)

// ReturnLabels say where the labels of return parcels come from. A contract that was stored before it
// said so has no maker: the supplier makes them.
type ReturnLabels struct {
	By LabelMaker `json:"by,omitempty"`
	// Carrier is the id of the carrier that labels are bought of, Service the one service that is bought of
	// it; empty: the cheapest.
	Carrier string      `json:"carrier,omitempty"`
	Service string      `json:"service,omitempty"`
	Address Address     `json:"address,omitzero"` // where the goods go
	Parcel  LabelParcel `json:"parcel,omitzero"`
}

// Bought reports whether labels are bought of a carrier.
func (l ReturnLabels) Bought() bool { return l.By == LabelCarrier }

// Address is a supplier's own: nothing personal stands in a catalogue.
type Address struct {
	Name       string `json:"name"`
	Company    string `json:"company,omitempty"`
	Street1    string `json:"street1"`
	Street2    string `json:"street2,omitempty"`
	City       string `json:"city"`
	Region     string `json:"region,omitempty"`
	PostalCode string `json:"postal_code,omitempty"`
	Country    string `json:"country"` // ISO 3166-1
	Phone      string `json:"phone,omitempty"`
	Email      string `json:"email,omitempty"`
}

// LabelParcel is what a return parcel is taken to weigh and measure, in grams and millimetres; without
// measures only the weight counts.
type LabelParcel struct {
	WeightGrams int64 `json:"weight_grams"`
	LengthMM    int64 `json:"length_mm,omitempty"`
	WidthMM     int64 `json:"width_mm,omitempty"`
	HeightMM    int64 `json:"height_mm,omitempty"`
}

// Bounds of a parcel that a person hands in at a counter.
const (
	mostGrams = 70_000
	mostMM    = 5_000
)

// readLabels reads what a contract's returns say about labels.
func readLabels(s *section, l *ReturnLabels) {
	scan(s, "label", oneOf(LabelSupplier, LabelCarrier), &l.By)
	scan(s, "label_carrier", parseID, &l.Carrier)
	scan(s, "label_service", parseName, &l.Service)
	if v, ok := s.take("address"); ok {
		l.Address = readAddress(v.section())
	}
	if v, ok := s.take("label_parcel"); ok {
		l.Parcel = readLabelParcel(v.section())
	}
	if l.Bought() {
		for _, want := range [][2]string{
			{"label_carrier", "name the carrier of the catalogue that labels are bought of"},
			{"address", "a label has to say where the goods go"},
			{"label_parcel", "a label's price depends on the weight"},
		} {
			if !s.has(want[0]) {
				s.at("label").problem("carrier needs %s: %s", want[0], want[1])
			}
		}
		return
	}
	for _, key := range []string{"label_carrier", "label_service", "label_parcel"} {
		if s.has(key) {
			s.at(key).problem("is one too many: it needs label: carrier")
		}
	}
}

func readAddress(s *section) (a Address) {
	s.need("name", "street1", "city", "country")
	for key, into := range map[string]*string{
		"name": &a.Name, "company": &a.Company, "street1": &a.Street1, "street2": &a.Street2, "city": &a.City,
		"region": &a.Region, "postal_code": &a.PostalCode, "phone": &a.Phone,
	} {
		scan(s, key, parseName, into)
	}
	scan(s, "country", parseCountry, &a.Country)
	scan(s, "email", parseEmail, &a.Email)
	s.done()
	return a
}

func readLabelParcel(s *section) (p LabelParcel) {
	s.need("weight_grams")
	scan(s, "weight_grams", whole[int64](1, mostGrams), &p.WeightGrams)
	sides := 0
	for key, into := range map[string]*int64{"length_mm": &p.LengthMM, "width_mm": &p.WidthMM, "height_mm": &p.HeightMM} {
		scan(s, key, whole[int64](1, mostMM), into)
		if s.has(key) {
			sides++
		}
	}
	if sides != 0 && sides != 3 {
		s.problem("want length_mm, width_mm and height_mm, or none of them")
	}
	s.done()
	return p
}

// labelCarrier judges that the carrier of a supplier's labels is in the catalogue.
func (v *validation) labelCarrier(file File, i int, supplier Supplier) {
	if l := supplier.Contract.Returns.Labels; l.Bought() && v.seen["carrier "+l.Carrier] == "" {
		v.report(file, file.places.suppliers, i, "returns.label_carrier: there is no carrier \""+l.Carrier+"\"")
	}
}
