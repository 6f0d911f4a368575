package catalog

import "fmt"

// place is where something of a file stands, for problems found after reading.
type place struct {
	line, col int
	path      string
}

// places run parallel to the lists of a File.
type places struct{ suppliers, offers, storefronts, carriers, rates []place }

func (v value) place() place { return place{v.node.Line, v.node.Column, v.path} }

// Parse reads one file, applies the defaults and judges everything that can be judged without
// other files. The name is how problems and people call the file. The error is Problems, all of
// them at once; the File is then not to be used. References between files are Validate's.
func Parse(name string, data []byte) (File, error) {
	r := &reading{file: name}
	file := File{Name: name}
	if root, ok := r.root(data); ok {
		file.read(root.section())
	}
	return file, r.problems.err()
}

func (f *File) read(s *section) {
	if v, ok := s.take("suppliers"); ok {
		for _, item := range v.items("id") {
			f.readSupplier(item)
		}
	}
	if v, ok := s.take("offers"); ok {
		for _, item := range v.items("") {
			f.places.offers = append(f.places.offers, item.place())
			f.Offers = append(f.Offers, readOffer(item.section(), nil))
		}
	}
	if v, ok := s.take("storefronts"); ok {
		for _, item := range v.items("id") {
			f.places.storefronts = append(f.places.storefronts, item.place())
			f.Storefronts = append(f.Storefronts, readStorefront(item.section()))
		}
	}
	if v, ok := s.take("carriers"); ok {
		for _, item := range v.items("id") {
			f.places.carriers = append(f.places.carriers, item.place())
			f.Carriers = append(f.Carriers, readCarrier(item.section()))
		}
	}
	if v, ok := s.take("rates"); ok {
		for _, item := range v.items("") {
			f.places.rates = append(f.places.rates, item.place())
			f.Rates = append(f.Rates, readRate(item.section()))
		}
	}
	s.done()
}

func (f *File) readSupplier(item value) {
	s := item.section()
	supplier := readSupplier(s)
	f.places.suppliers = append(f.places.suppliers, item.place())
	f.Suppliers = append(f.Suppliers, supplier)
	if v, ok := s.take("offers"); ok {
		for _, offer := range v.items("sku") {
			f.places.offers = append(f.places.offers, offer.place())
			f.Offers = append(f.Offers, readOffer(offer.section(), &supplier))
		}
	}
	s.done()
}

// Validate judges parsed files together: an id or an offer stands once in all of them, an
// offer belongs to a supplier whose contract is in the same currency, labels are bought of a carrier
// that is there, a mailbox is one supplier's, and a SKU is of one category. The error is Problems.
func Validate(files ...File) error {
	v := validation{seen: map[string]string{}, currencies: map[string]string{}, categories: map[string]string{}}
	for _, file := range files {
		for i, supplier := range file.Suppliers {
			v.once(file, file.places.suppliers, i, "supplier "+supplier.ID)
			v.mailboxes(file, i, supplier)
			v.currencies[supplier.ID] = supplier.Contract.Currency
		}
		for i, storefront := range file.Storefronts {
			v.once(file, file.places.storefronts, i, "storefront "+storefront.ID)
		}
		for i, carrier := range file.Carriers {
			v.once(file, file.places.carriers, i, "carrier "+carrier.ID)
		}
		for i, rate := range file.Rates {
			v.once(file, file.places.rates, i, fmt.Sprintf("rate of %s in %s on %s", rate.From, rate.To, rate.On))
		}
	}
	for _, file := range files {
		for i, supplier := range file.Suppliers {
			v.labelCarrier(file, i, supplier)
			v.transitCarrier(file, i, supplier)
		}
		for i, offer := range file.Offers {
			v.once(file, file.places.offers, i, fmt.Sprintf("offer of %s by supplier %s", offer.SKU, offer.Supplier))
			v.offer(file, i, offer)
			v.category(file, i, offer)
		}
	}
	return v.problems.err()
}

type validation struct {
	problems Problems
	// seen are where things stand, currencies those of the contracts by supplier, categories those of SKUs.
	seen, currencies, categories map[string]string
}

func (v *validation) offer(file File, i int, offer Offer) {
	currency, known := v.currencies[offer.Supplier]
	switch {
	case !known:
		v.report(file, file.places.offers, i, fmt.Sprintf("there is no supplier %q", offer.Supplier))
	case currency != offer.Cost.Currency:
		v.report(file, file.places.offers, i, fmt.Sprintf(
			"costs %s, but the contract of %s is in %s: costs are compared in one currency",
			offer.Cost.Currency, offer.Supplier, currency))
	}
}

func (v *validation) once(file File, at []place, i int, what string) {
	if where, twice := v.seen[what]; twice {
		v.report(file, at, i, fmt.Sprintf("%s stands already at %s", what, where))
		return
	}
	v.seen[what] = file.Name
	// A File that did not come from Parse, but from JSON, has no places.
	if i < len(at) {
		v.seen[what] = fmt.Sprintf("%s:%d", file.Name, at[i].line)
	}
}

func (v *validation) report(file File, at []place, i int, message string) {
	problem := Problem{File: file.Name, Message: message}
	if i < len(at) {
		problem.Line, problem.Col, problem.Path = at[i].line, at[i].col, at[i].path
	}
	v.problems = append(v.problems, problem)
}
