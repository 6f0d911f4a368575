// Package webhook signs and verifies webhooks: Dropline's own, with which partners and Dropline
// speak to each other, and the forms that storefronts and carriers use. Every check is over the
// raw body as received, in constant time, and accepts several secrets so that one can be replaced
// without a gap.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// Header carries Dropline's own signature: "t=<unix seconds>,v1=<hex HMAC-SHA256 over "t.body">".
// It may hold several v1 entries while the sender replaces its secret.
const Header = "Dropline-Signature"

// DefaultTolerance is how far a signature's time may lie from the receiver's clock.
const DefaultTolerance = 5 * time.Minute

// Why a signature was not accepted. None of them says which secret came closest.
var (
	ErrMissing   = errors.New("webhook signature missing")
	ErrMalformed = errors.New("webhook signature malformed")
	ErrStale     = errors.New("webhook signature outside the replay window")
	ErrMismatch  = errors.New("webhook signature does not match")
)

const (
	// maxHeader bounds the work a hostile header can cause; a real one with two signatures has 150.
	maxHeader = 1024
	// maxSignatures is how many v1 entries are looked at: an old and a new secret, and some room.
	maxSignatures = 5
)

// Sign gives the Header value for a body sent at a time; its precision is one second.
func Sign(secret string, body []byte, at time.Time) string {
	stamp := strconv.FormatInt(at.Unix(), 10)
	return "t=" + stamp + ",v1=" + hex.EncodeToString(digest(secret, stamp, body))
}

// Verify checks a Header value against any of the secrets and refuses one whose time lies more
// than tolerance before or after now. It fails with ErrMissing, ErrMalformed, ErrStale or
// ErrMismatch; staleness is told only of a genuine signature.
func Verify(secrets []string, header string, body []byte, now time.Time, tolerance time.Duration) error {
	stamp, signatures, err := parse(header)
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || seconds < 0 || strconv.FormatInt(seconds, 10) != stamp {
		return fmt.Errorf("%w: t is not a count of seconds", ErrMalformed)
	}
	genuine := false
	for _, secret := range usable(secrets) {
		want := digest(secret, stamp, body)
		for _, got := range signatures {
			if hmac.Equal(got, want) {
				genuine = true
			}
		}
	}
	if !genuine {
		return ErrMismatch
	}
	// Compared as times, because a difference of seconds this far apart overflows a Duration.
	at := time.Unix(seconds, 0)
	if at.Before(now.Add(-tolerance)) || at.After(now.Add(tolerance)) {
		return ErrStale
	}
	return nil
}

// VerifyBase64HMAC checks a base64 HMAC-SHA256 over the raw body: X-Shopify-Hmac-Sha256 and
// X-WC-Webhook-Signature. These carry no time, so that replays are for the inbox to recognise.
func VerifyBase64HMAC(secrets []string, header string, body []byte) error {
	if header == "" {
		return ErrMissing
	}
	if len(header) > maxHeader {
		return fmt.Errorf("%w: too long", ErrMalformed)
	}
	got, err := base64.StdEncoding.Strict().DecodeString(header)
	if err != nil || len(got) != sha256.Size {
		return fmt.Errorf("%w: want base64 of %d bytes", ErrMalformed, sha256.Size)
	}
	return match(secrets, got, body)
}

const easyPostPrefix = "hmac-sha256-hex="

// VerifyEasyPost checks X-Hmac-Signature, "hmac-sha256-hex=<hex>" over the raw body. EasyPost
// normalises the secret to NFKD before it signs.
func VerifyEasyPost(secrets []string, header string, body []byte) error {
	if header == "" {
		return ErrMissing
	}
	text, found := strings.CutPrefix(header, easyPostPrefix)
	if !found || len(text) != hex.EncodedLen(sha256.Size) {
		return fmt.Errorf("%w: want %s and %d hex digits", ErrMalformed, easyPostPrefix, hex.EncodedLen(sha256.Size))
	}
	got, err := hex.DecodeString(text)
	if err != nil {
		return fmt.Errorf("%w: not hexadecimal", ErrMalformed)
	}
	normalised := make([]string, len(secrets))
	for i, secret := range secrets {
		normalised[i] = norm.NFKD.String(secret)
	}
	return match(normalised, got, body)
}

func match(secrets []string, got, body []byte) error {
	genuine := false
	for _, secret := range usable(secrets) {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		if hmac.Equal(got, mac.Sum(nil)) {
			genuine = true
		}
	}
	if !genuine {
		return ErrMismatch
	}
	return nil
}

// usable drops empty secrets: an unset one would let anybody sign.
func usable(secrets []string) []string {
	var kept []string
	for _, secret := range secrets {
		if secret != "" {
			kept = append(kept, secret)
		}
	}
	return kept
}

func digest(secret, stamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stamp))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return mac.Sum(nil)
}

// parse reads "t=…,v1=…[,v1=…]". Entries of other schemes are passed over, so that a sender can
// introduce one beside v1.
func parse(header string) (stamp string, signatures [][]byte, err error) {
	if header == "" {
		return "", nil, ErrMissing
	}
	if len(header) > maxHeader {
		return "", nil, fmt.Errorf("%w: too long", ErrMalformed)
	}
	for entry := range strings.SplitSeq(header, ",") {
		name, value, found := strings.Cut(strings.TrimSpace(entry), "=")
		switch {
		case !found:
			return "", nil, fmt.Errorf("%w: an entry has no '='", ErrMalformed)
		case name == "t" && stamp != "":
			return "", nil, fmt.Errorf("%w: t stands twice", ErrMalformed)
		case name == "t":
			stamp = value
		case name == "v1":
			got, err := hex.DecodeString(value)
			if err != nil || len(got) != sha256.Size || len(signatures) == maxSignatures {
				return "", nil, fmt.Errorf("%w: v1 is not %d bytes in hexadecimal, or stands too often", ErrMalformed, sha256.Size)
			}
			signatures = append(signatures, got)
		}
	}
	if stamp == "" || len(signatures) == 0 {
		return "", nil, fmt.Errorf("%w: want t and v1", ErrMalformed)
	}
	return stamp, signatures, nil
}
