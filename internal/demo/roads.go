package demo

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"github.com/dropline/dropline/internal/sim/carriersim"
)

// vanishes is the manner of a parcel that is picked up and never seen again.
const vanishes = "vanishes"

// roads hands parcels to the tracker. One that vanishes is scanned once, now: the tracker's own
// scripts count in days, and this story is told in seconds.
type roads struct {
	tracker *carriersim.Server
	gateway string
	secret  string
}

// OnParcel hears of every parcel that gets a label.
func (r *roads) OnParcel(carrier, tracking, manner string) {
	if manner != vanishes {
		r.tracker.OnParcel(carrier, tracking, manner)
		return
	}
	go r.lastSeen(carrier, tracking)
}

// lastSeen pushes the only scan, as often as it takes within a minute.
func (r *roads) lastSeen(carrier, tracking string) {
	now := time.Now().UTC().Format(time.RFC3339)
	scan := map[string]any{"message": "Picked up", "status": "in_transit", "status_detail": "received_at_origin_facility", "datetime": now}
	body, err := json.Marshal(map[string]any{
		"id": "evt_" + tracking, "description": "tracker.updated", "created_at": now,
		"result": map[string]any{
			"carrier": carrier, "tracking_code": tracking, "status": "in_transit", "updated_at": now, "tracking_details": []any{scan},
		},
	})
	if err != nil {
		panic(err) // maps of strings always marshal
	}
	for range 60 {
		if r.push(body) {
			return
		}
		time.Sleep(time.Second)
	}
}

func (r *roads) push(body []byte) bool {
	request, err := http.NewRequest(http.MethodPost, r.gateway+"/v1/carriers/"+carrierID+"/events", bytes.NewReader(body)) //nolint:noctx // the client bounds it
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(r.secret))
	mac.Write(body)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Hmac-Signature", "hmac-sha256-hex="+hex.EncodeToString(mac.Sum(nil)))
	response, err := (&http.Client{Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode/100 == 2
}
