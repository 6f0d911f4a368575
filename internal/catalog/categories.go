package catalog

import (
	"errors"
	"fmt"
	"strings"
)

// CategoryPolicy is what a storefront's policy for returns says otherwise about goods of a category. What is
// left out is as for all goods.
type CategoryPolicy struct {
	FinalSale      bool   `json:"final_sale,omitempty"` // they come back only for a fault
	WindowDays     *int   `json:"window_days,omitempty"`
	FaultDays      *int   `json:"fault_days,omitempty"`
	RestockingBP   *int64 `json:"restocking_bp,omitempty"`
	OpenedBP       *int64 `json:"opened_bp,omitempty"`
	PhotosForFault *bool  `json:"photos_for_fault,omitempty"`
}

// CategoryTerms is what a contract says otherwise about returns of a category.
type CategoryTerms struct {
	WindowDays   *int   `json:"window_days,omitempty"`
	RestockingBP *int64 `json:"restocking_bp,omitempty"`
}

// CategoryKey is the name by which categories are compared: how it is spaced and in which case does not matter.
func CategoryKey(text string) string { return strings.ToLower(strings.Join(strings.Fields(text), " ")) }

// parseCategory reads a category's name. It is shown to customers.
func parseCategory(text string) (string, error) {
	name, err := parseName(text)
	if err != nil || len(name) > 64 || CategoryKey(name) == "" {
		return "", errors.New("want the name of a category: one line of at most 64 bytes")
	}
	return name, nil
}

// Of is the policy for goods of a category; none: of no category.
func (r ReturnPolicy) Of(category string) ReturnPolicy {
	own := r.Categories[CategoryKey(category)]
	replace(&r.WindowDays, own.WindowDays)
	replace(&r.FaultDays, own.FaultDays)
	replace(&r.RestockingBP, own.RestockingBP)
	replace(&r.OpenedBP, own.OpenedBP)
	replace(&r.PhotosForFault, own.PhotosForFault)
	return r
}

// Of is the terms for goods of a category; none: of no category.
func (r Returns) Of(category string) Returns {
	own := r.Categories[CategoryKey(category)]
	replace(&r.WindowDays, own.WindowDays)
	replace(&r.RestockingBP, own.RestockingBP)
	return r
}

func replace[T any](into, with *T) {
	if with != nil {
		*into = *with
	}
}

// readCategories reads a mapping by category.
func readCategories[T any](s *section, read func(*section) T) map[string]T {
	v, ok := s.take("categories")
	if !ok {
		return nil
	}
	all, by := v.section(), map[string]T{}
	for _, f := range all.fields {
		each, _ := all.take(f.key.Value)
		name, err := parseCategory(f.key.Value)
		key := CategoryKey(name)
		_, twice := by[key]
		switch at := (value{r: s.r, node: f.key, path: f.path}); {
		case err != nil:
			at.problem("%s", err)
		case twice:
			at.problem("is the same category as one before: case and spaces do not count")
		default:
			by[key] = read(each.section())
		}
	}
	all.done()
	return by
}

func readCategoryPolicy(s *section) (c CategoryPolicy) {
	scan(s, "final_sale", parseBool, &c.FinalSale)
	scanOwn(s, "window_days", whole(0, mostDays), &c.WindowDays)
	scanOwn(s, "fault_days", whole(0, mostDays), &c.FaultDays)
	scanOwn(s, "restocking_bp", basisPoints, &c.RestockingBP)
	scanOwn(s, "opened_bp", basisPoints, &c.OpenedBP)
	scanOwn(s, "photos_for_fault", parseBool, &c.PhotosForFault)
	if c.FinalSale && c.WindowDays != nil {
		s.at("window_days").problem("is one too many: a final sale has no window but for a fault, which is fault_days")
	}
	s.done()
	return c
}

func readCategoryTerms(s *section) (c CategoryTerms) {
	var final bool
	scan(s, "final_sale", parseBool, &final)
	scanOwn(s, "window_days", whole(0, mostDays), &c.WindowDays)
	scanOwn(s, "restocking_bp", basisPoints, &c.RestockingBP)
	switch {
	case final && c.WindowDays != nil:
		s.at("window_days").problem("is one too many: a final sale has no window")
	case final:
		c.WindowDays = new(int)
	}
	s.done()
	return c
}

// scanOwn parses the single value under a key that has no default of its own.
func scanOwn[T any](s *section, key string, parse func(string) (T, error), into **T) {
	var parsed T
	if v, ok := s.take(key); ok && scanValue(v, parse, &parsed) {
		*into = &parsed
	}
}

// category judges that a SKU is of one category, whoever offers it: a return is judged by it, and the customer
// does not choose who ships.
func (v *validation) category(file File, i int, offer Offer) {
	key := CategoryKey(offer.Category)
	if key == "" {
		return
	}
	if before, known := v.categories[offer.SKU]; known && before != key {
		v.report(file, file.places.offers, i, fmt.Sprintf("%s is of category %q in another offer: want one category for a SKU", offer.SKU, before))
		return
	}
	v.categories[offer.SKU] = key
}
