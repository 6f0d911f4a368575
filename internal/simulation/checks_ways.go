package simulation

import (
	"fmt"
	"slices"
)

// checkForms: what was asked on the return page stands there once, with what was enclosed, and nothing that came
// under a wrong link.
func (l *life) checkForms() {
	if !l.otherWays() {
		return
	}
	rows, err := l.world.admin.Query(l.ctx, `
		SELECT q.id, EXISTS (SELECT FROM returns r WHERE r.order_key = q.order_key AND r.request = q.id),
			(SELECT count(*) FROM return_pictures p WHERE p.order_key = q.order_key AND p.request = q.id),
			(SELECT count(*) FROM return_notes n WHERE n.order_key = q.order_key AND n.request = q.id)
		FROM return_requests q WHERE q.order_key = $1 AND starts_with(q.id, 'page-') ORDER BY q.id`, l.key.String())
	if err != nil {
		l.fail("read what was asked on the page: %v", err)
	}
	defer rows.Close()
	for rows.Next() {
		var mark string
		var granted bool
		var pictures, notes int
		if err := rows.Scan(&mark, &granted, &pictures, &notes); err != nil {
			l.fail("read what was asked on the page: %v", err)
		}
		at := slices.IndexFunc(l.page.forms, func(f *form) bool { return f.mark == mark && f.sent && !f.wrong })
		if at < 0 {
			l.fail("request %s was taken, which nobody could send", mark)
		}
		wantPictures, wantNotes := 0, 0
		if f := l.page.forms[at]; granted {
			wantPictures = len(f.pictures)
			if f.note != "" || wantPictures > 0 {
				wantNotes = 1
			}
		}
		if got, want := fmt.Sprint(pictures, notes), fmt.Sprint(wantPictures, wantNotes); got != want {
			l.fail("request %s came with pictures and notes %s, %s are kept", mark, want, got)
		}
	}
	if err := rows.Err(); err != nil {
		l.fail("read what was asked on the page: %v", err)
	}
}

// invoices are those in the books of all suppliers for a purchase, with their totals.
func (l *life) invoices(p *purchase) []string {
	list := []string{}
	for _, b := range l.sortedBooks() {
		if b.of != p {
			continue
		}
		for number, total := range b.charged {
			list = append(list, fmt.Sprintf("%s %s %s %d", b.party.id, b.po, number, total))
		}
	}
	slices.Sort(list)
	return list
}

// checkBills: what suppliers have charged, by whatever way and however often they said so, stands in our books once,
// and nobody else's word does.
func (l *life) checkBills(p *purchase, ours []string) {
	slices.Sort(ours)
	if theirs := l.invoices(p); !slices.Equal(ours, theirs) {
		l.fail("suppliers have sent the invoices %v, we have %v", theirs, ours)
	}
}
