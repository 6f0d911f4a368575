package simulation

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// scan is one event of a box as the carrier tells it.
type scan struct {
	Status       string `json:"status"`
	StatusDetail string `json:"status_detail"`
	Message      string `json:"message"`
	Datetime     string `json:"datetime"`
}

// scan enters an event in the carrier's books and, mostly, tells of it.
func (l *life) scan(x *box, status string) {
	word, detail, _ := strings.Cut(status, "/")
	x.scans = append(x.scans, scan{Status: word, StatusDetail: detail, Message: "scanned", Datetime: l.now.Format(time.RFC3339)})
	l.note("the carrier scans %s: %s", x.tracking, status)
	if !l.quiet && l.chance(15) {
		l.happened("push lost")
		return
	}
	l.push(x, len(x.scans))
}

// push tells of a box's first n events.
func (l *life) push(x *box, n int) {
	l.pushes++
	id := fmt.Sprintf("evt-%d-%d", l.number, l.pushes)
	body, err := json.Marshal(map[string]any{"id": id, "description": "tracker.updated", "result": tracker(x, n)})
	if err != nil {
		panic(err)
	}
	l.post(&document{
		from: "carrier", party: "hare", id: id, what: "scans of " + x.tracking, body: body, taken: func() { x.told = max(x.told, n) },
	})
}

func tracker(x *box, n int) map[string]any {
	last := x.scans[n-1]
	return map[string]any{
		"carrier": "Hare Express", "tracking_code": x.tracking, "status": last.Status, "status_detail": last.StatusDetail,
		"updated_at": last.Datetime, "tracking_details": x.scans[:n],
	}
}

// carrierActs moves what is under way.
func (l *life) carrierActs() {
	for _, b := range l.sortedBooks() {
		for _, x := range b.boxes {
			if !x.handed || x.done || !l.chance(40) {
				continue
			}
			status := oneOf(l, []string{
				"in_transit", "out_for_delivery", "available_for_pickup", "in_transit/delayed", "failure", "delivered", "delivered",
				"return_to_sender", "in_transit/lost", "teleported",
			})
			x.done = status == "delivered" || status == "return_to_sender" || status == "in_transit/lost"
			l.scan(x, status)
			l.happened("scan " + status)
			if x.done && l.chance(15) {
				l.happened("scan after the end")
				l.scan(x, oneOf(l, []string{"in_transit", "failure"}))
			}
			if len(x.scans) > 1 && l.chance(15) {
				l.happened("old scans told again")
				l.push(x, 1+l.pick(len(x.scans)-1))
			}
		}
	}
}

// serveTracker answers a poll.
func (l *life) serveTracker(w http.ResponseWriter, r *http.Request) {
	if user, _, _ := r.BasicAuth(); user != secretOf("hare") {
		l.fail("the carrier is asked with another's key")
	}
	asked := r.URL.Query().Get("tracking_codes")
	found := []any{}
	for number := range strings.SplitSeq(asked, ",") {
		for _, b := range l.sortedBooks() {
			for _, x := range b.boxes {
				if x.tracking == number && len(x.scans) > 0 {
					if l.met == netWell {
						x.told = len(x.scans)
					}
					found = append(found, tracker(x, len(x.scans)))
				}
			}
		}
	}
	reply(w, map[string]any{"trackers": found, "has_more": false})
}
