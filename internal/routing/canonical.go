package routing

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ErrVersion is wrapped when a stored decision was made under other rules.
var ErrVersion = errors.New("decision was made by another version of the routing rules")

// Canonical encodes the request as JSON in one form only: lists in order of their keys, times
// in UTC, fields in declared order. Two requests that mean the same encode to the same bytes.
func (r Request) Canonical() ([]byte, error) { return encode(r.sorted()) }

// Canonical encodes the decision as JSON; Decide already orders every list.
func (d Decision) Canonical() ([]byte, error) { return encode(d) }

// Recompute decides the stored request anew and compares with the stored decision. Key order
// and white space of the stored documents do not matter, every value does. diff shows stored
// lines with "-" and recomputed ones with "+", and is empty when same. Errors: unreadable
// documents, an invalid request, ErrVersion.
func Recompute(requestJSON, decisionJSON []byte) (same bool, diff string, err error) {
	var request Request
	if err := decode(requestJSON, &request); err != nil {
		return false, "", fmt.Errorf("read stored routing request: %w", err)
	}
	var stored Decision
	if err := decode(decisionJSON, &stored); err != nil {
		return false, "", fmt.Errorf("read stored routing decision: %w", err)
	}
	if stored.Version != Version {
		return false, "", fmt.Errorf("stored %q, this is %q: %w", stored.Version, Version, ErrVersion)
	}
	fresh, err := Decide(request)
	if err != nil {
		return false, "", fmt.Errorf("recompute routing decision: %w", err)
	}
	was, err := stored.Canonical()
	if err != nil {
		return false, "", err
	}
	is, err := fresh.Canonical()
	if err != nil {
		return false, "", err
	}
	if bytes.Equal(was, is) {
		return true, "", nil
	}
	diff, err = difference(was, is)
	return false, diff, err
}

// sorted returns a copy in canonical order. The lists are copied first: the caller's request
// must not change under it.
func (r Request) sorted() Request {
	r.At = r.At.UTC()
	r.Lines = order(r.Lines, func(a, b Line) int { return cmp.Compare(a.Line, b.Line) })
	r.Candidates = order(r.Candidates, func(a, b Candidate) int { return cmp.Compare(a.Supplier, b.Supplier) })
	for i := range r.Candidates {
		c := &r.Candidates[i]
		c.ContractFrom, c.ContractUntil = c.ContractFrom.UTC(), c.ContractUntil.UTC()
		c.ShipsTo = order(c.ShipsTo, cmp.Compare[string])
		c.ExceptRegions = order(c.ExceptRegions, compareAreas)
		c.Shipping = order(c.Shipping, func(a, b Method) int { return cmp.Compare(a.Name, b.Name) })
		for j := range c.Shipping {
			c.Shipping[j].Countries = order(c.Shipping[j].Countries, cmp.Compare[string])
		}
		c.Offers = order(c.Offers, func(a, b Offer) int { return cmp.Compare(a.SKU, b.SKU) })
	}
	r.Policy.HazmatProhibited = order(r.Policy.HazmatProhibited, compareAreas)
	r.Excluded = order(r.Excluded, func(a, b Exclusion) int {
		return cmp.Or(cmp.Compare(a.Supplier, b.Supplier), cmp.Compare(a.SKU, b.SKU),
			cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Reason, b.Reason))
	})
	r.Rates = order(r.Rates, func(a, b Rate) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	return r
}

func compareAreas(a, b Area) int {
	return cmp.Or(cmp.Compare(a.Country, b.Country), cmp.Compare(a.Region, b.Region))
}

// order copies and sorts. A missing list becomes an empty one, for both encode alike.
func order[T any](list []T, compare func(a, b T) int) []T {
	out := append(make([]T, 0, len(list)), list...)
	slices.SortStableFunc(out, compare)
	return out
}

func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// decode refuses unknown fields: a document with more in it than these rules know must not
// pass as recomputed.
func decode(doc []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON document")
	}
	return nil
}

func fingerprint(canonical []byte) string {
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:])
}

// difference drops the lines both documents begin and end with and shows the rest.
func difference(was, is []byte) (string, error) {
	a, err := indented(was)
	if err != nil {
		return "", err
	}
	b, err := indented(is)
	if err != nil {
		return "", err
	}
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	end := 0
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	var out strings.Builder
	fmt.Fprintf(&out, "@ line %d\n", start+1)
	for _, l := range a[start : len(a)-end] {
		out.WriteString("-" + l + "\n")
	}
	for _, l := range b[start : len(b)-end] {
		out.WriteString("+" + l + "\n")
	}
	return out.String(), nil
}

func indented(doc []byte) ([]string, error) {
	var buf bytes.Buffer
	if err := json.Indent(&buf, doc, "", "  "); err != nil {
		return nil, fmt.Errorf("indent decision: %w", err)
	}
	return strings.Split(buf.String(), "\n"), nil
}
