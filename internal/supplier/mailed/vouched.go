package mailed

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotAuthentic: the receiving mail server does not vouch for the sender.
var ErrNotAuthentic = errors.New("it is not known to be from its sender")

// Vouched checks that a mail server said of a message that it comes from its sender's domain: signed by it
// (dkim=pass), or delivered by a machine that may send for it (spf=pass). server is the name by which that server
// marks what it says (authserv-id, RFC 8601); what others say counts for nothing, since anybody can write it. A
// server puts its word above what came with the message, so of several lines about one method the topmost counts.
func (m *Message) Vouched(server string) error {
	_, domain, _ := strings.Cut(m.From, "@")
	dkim, spf := "the mail server says nothing about a signature", "nothing about the sending machine"
	var dkimSaid, spfSaid bool
	for _, line := range m.results {
		r, of := readResults(line)
		if server == "" || !strings.EqualFold(of, server) {
			continue
		}
		if said := r.of("dkim"); len(said) > 0 && !dkimSaid {
			dkimSaid, dkim = true, "no signature of the sender's domain passed"
			if said.vouchFor(domain, "header.d", "header.i") {
				return nil
			}
		}
		if said := r.of("spf"); len(said) > 0 && !spfSaid {
			spfSaid, spf = true, "the sending machine may not send for the sender's domain"
			if said.vouchFor(domain, "smtp.mailfrom") {
				return nil
			}
		}
	}
	return fmt.Errorf("%w: %s, and %s", ErrNotAuthentic, dkim, spf)
}

// result is what one method found: dkim=pass header.d=acme.example.
type result struct {
	method, outcome string
	properties      map[string]string
}

type results []result

// readResults reads one Authentication-Results and whose word it is. What is not understood is left out.
func readResults(line string) (list results, server string) {
	for i, words := range split(line) {
		switch {
		case i == 0 && len(words) > 0:
			server = words[0]
		case len(words) > 0:
			method, outcome, _ := strings.Cut(words[0], "=")
			method, _, _ = strings.Cut(method, "/") // a version
			r := result{strings.ToLower(method), strings.ToLower(outcome), map[string]string{}}
			for _, word := range words[1:] {
				if name, value, found := strings.Cut(word, "="); found {
					r.properties[strings.ToLower(name)] = value
				}
			}
			list = append(list, r)
		}
	}
	return list, server
}

func (all results) of(method string) (some results) {
	for _, r := range all {
		if r.method == method {
			some = append(some, r)
		}
	}
	return some
}

// vouchFor: one of the results is a pass for a domain or for one above it. Who speaks for a domain speaks for
// those below it; not the other way, for those may be lent to others.
func (all results) vouchFor(domain string, properties ...string) bool {
	for _, r := range all {
		if r.outcome != "pass" {
			continue
		}
		for _, name := range properties {
			of := r.properties[name]
			of = strings.ToLower(strings.TrimSuffix(of[strings.LastIndexByte(of, '@')+1:], "."))
			if of != "" && domain == of || strings.Contains(of, ".") && strings.HasSuffix(domain, "."+of) {
				return true
			}
		}
	}
	return false
}

// split divides a header into its words, between semicolons. Comments go; inside quotes nothing divides, and what
// would divide or assign elsewhere is blotted out.
func split(line string) [][]string {
	all := [][]string{nil}
	var word strings.Builder
	depth, quoted := 0, false
	end := func() {
		if word.Len() > 0 {
			last := len(all) - 1
			all[last] = append(all[last], word.String())
			word.Reset()
		}
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && (quoted || depth > 0):
			i++
		case c == '"' && depth == 0:
			quoted = !quoted
		case quoted:
			if strings.IndexByte("=; \t\r\n()", c) >= 0 {
				c = '_'
			}
			word.WriteByte(c)
		case c == '(':
			end()
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth > 0:
		case c == ';':
			end()
			all = append(all, nil)
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			end()
		default:
			word.WriteByte(c)
		}
	}
	end()
	return all
}
