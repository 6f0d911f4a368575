// Package returnlink makes and reads the links by which customers reach the return page of their order.
// Whoever holds a link may ask to send goods of that one order back, and see where its returns stand:
// the link is the capability, so nobody can guess it, and it ends.
package returnlink

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/dropline/dropline/internal/order"
)

// Valid is how long a link is good for, counted from the whole day in which it was made, so that one order's
// links of a day are the same. Each message brings a new one.
const Valid = 180 * 24 * time.Hour

// Path is where the pages begin, below the public address.
const Path = "/r/"

// Errors of a token.
var (
	// ErrForged: nobody who has a key made it.
	ErrForged = errors.New("the token was not made here")
	// ErrExpired: it was good once.
	ErrExpired = errors.New("the token has expired")
)

// The parts of a token before it is written as text: version, expiry, order key, signature.
const (
	version    = 1
	headLength = 1 + 4 // the expiry in seconds since 1970, big endian: good until 2106
	macLength  = 16    // bytes kept of the HMAC-SHA256: 128 bits
	// MaxToken is the length of the longest token in characters: an order's key has at most 129.
	MaxToken = (headLength + 129 + macLength + 2) / 3 * 4
	// LeastKey is how long a key must be, in bytes.
	LeastKey = 16
)

// purpose keeps signatures made with the same key for other purposes from being taken for tokens.
const purpose = "dropline return link\n"

var encoding = base64.RawURLEncoding.Strict()

// Links makes and reads links. It is safe for concurrent use; nil makes none and reads none.
type Links struct {
	base *url.URL
	keys []string
}

// New checks the public address, http or https, and the keys: the first one signs, each is believed, so that a
// new one can be put before the old one. Without both there are no links: nil, nil.
func New(base string, keys []string) (*Links, error) {
	if base == "" && len(keys) == 0 {
		return nil, nil //nolint:nilnil // no links are none, and every method takes that
	}
	parsed, err := url.Parse(base)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" || parsed.RawQuery != "" || parsed.Fragment != "" || parsed.User != nil {
		return nil, errors.New("return links: the public address is no http or https address without query")
	}
	if len(keys) == 0 {
		return nil, errors.New("return links: a key is needed")
	}
	for _, key := range keys {
		if len(key) < LeastKey {
			return nil, fmt.Errorf("return links: each key needs at least %d characters", LeastKey)
		}
	}
	return &Links{base: parsed, keys: keys}, nil
}

// For is the whole link to an order's page, good for Valid from the day of now; "" when there are none.
func (l *Links) For(key order.Key, now time.Time) string {
	if l == nil {
		return ""
	}
	return l.base.JoinPath(Path, l.token(key, now.UTC().Truncate(24*time.Hour).Add(Valid))).String()
}

// PathOf is where the pages of a token are, as a browser sees them.
func (l *Links) PathOf(token string) string {
	return "/" + strings.TrimPrefix(l.base.JoinPath(Path, token).EscapedPath(), "/")
}

func (l *Links) token(key order.Key, expires time.Time) string {
	body := make([]byte, headLength, headLength+len(key.String())+macLength)
	body[0] = version
	binary.BigEndian.PutUint32(body[1:], uint32(expires.Unix()))
	body = append(body, key.String()...)
	return encoding.EncodeToString(append(body, sign(l.keys[0], body)...))
}

func sign(key string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(purpose))
	mac.Write(body)
	return mac.Sum(nil)[:macLength]
}

// Read says which order a token is for. Fails with ErrForged, or with ErrExpired for one that was genuine.
func (l *Links) Read(token string, now time.Time) (order.Key, error) {
	if l == nil || len(token) > MaxToken {
		return order.Key{}, ErrForged
	}
	whole, err := encoding.DecodeString(token)
	if err != nil || len(whole) < headLength+macLength || strings.ContainsAny(token, "\r\n") {
		return order.Key{}, ErrForged
	}
	body, signature := whole[:len(whole)-macLength], whole[len(whole)-macLength:]
	if !l.signed(body, signature) {
		return order.Key{}, ErrForged
	}
	key, err := order.ParseKey(string(body[headLength:]))
	if body[0] != version || err != nil {
		return order.Key{}, ErrForged
	}
	expires := time.Unix(int64(binary.BigEndian.Uint32(body[1:])), 0)
	if !now.Before(expires) {
		return order.Key{}, ErrExpired
	}
	return key, nil
}

func (l *Links) signed(body, signature []byte) bool {
	genuine := false
	for _, key := range l.keys {
		if hmac.Equal(signature, sign(key, body)) {
			genuine = true
		}
	}
	return genuine
}
