package webhook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"github.com/dropline/dropline/internal/webhook"
)

func sum(secret string, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	for _, part := range parts {
		mac.Write(part)
	}
	return mac.Sum(nil)
}

// equivalent says that HMAC knows the two secrets as one: it fills short keys up with zeros and
// hashes those above its block of 64 bytes (RFC 2104).
func equivalent(a, b string) bool {
	key := func(s string) string {
		if len(s) > sha256.BlockSize {
			hash := sha256.Sum256([]byte(s))
			s = string(hash[:])
		}
		return strings.TrimRight(s, "\x00")
	}
	return key(a) == key(b)
}

// other is a body that is not the given one.
func other(body []byte, at uint16, bit uint8) []byte {
	if len(body) == 0 {
		return []byte{bit}
	}
	changed := bytes.Clone(body)
	changed[int(at)%len(body)] ^= 1 << (bit % 8)
	return changed
}

func FuzzVerify(f *testing.F) {
	f.Add("s3cret", "other", []byte(`{"id":"1"}`), "t=1760000000,v1="+strings.Repeat("00", 32), int64(1_760_000_000), uint16(3), uint8(1))
	f.Add("s", "s\x00", []byte(""), "t=,v1=", int64(0), uint16(0), uint8(0))
	f.Add("", "x", []byte("b"), "t=01,v1="+strings.Repeat("ab", 32)+",v2=z", int64(-1), uint16(0), uint8(7))
	f.Fuzz(func(t *testing.T, secret, wrong string, body []byte, header string, seconds int64, at uint16, bit uint8) {
		now := time.Unix(seconds, 0)
		verify := func(secret, header string, body []byte, now time.Time) error {
			return webhook.Verify([]string{secret}, header, body, now, time.Minute)
		}
		// A header of the forger's own verifies only if it holds the very digest.
		if verify(secret, header, body, now) == nil {
			_, stamp, _ := strings.Cut(header, "t=")
			stamp, _, _ = strings.Cut(stamp, ",")
			require.Contains(t, strings.ToLower(header), hex.EncodeToString(sum(secret, []byte(strings.TrimSpace(stamp)), []byte("."), body)))
		}
		if seconds < 0 || seconds > 1<<40 || secret == "" {
			if secret == "" {
				require.Error(t, verify("", webhook.Sign("", body, now), body, now), "no secret, no signature")
			}
			return
		}
		genuine := webhook.Sign(secret, body, now)
		require.NoError(t, verify(secret, genuine, body, now))
		require.NoError(t, webhook.Verify([]string{"new", secret}, genuine, body, now, time.Minute), "while it is replaced")
		require.ErrorIs(t, verify(secret, genuine, other(body, at, bit), now), webhook.ErrMismatch)
		require.ErrorIs(t, verify(secret, genuine, body, now.Add(time.Minute+time.Second)), webhook.ErrStale)
		require.ErrorIs(t, verify(secret, genuine, body, now.Add(-time.Minute-time.Second)), webhook.ErrStale)
		stamp := strconv.FormatInt(seconds, 10)
		require.Error(t, verify(secret, strings.Replace(genuine, "t="+stamp, "t="+strconv.FormatInt(seconds+1, 10), 1), body, now))
		if !equivalent(secret, wrong) {
			require.ErrorIs(t, verify(wrong, genuine, body, now), webhook.ErrMismatch)
		}
	})
}

func FuzzVerifyBase64HMAC(f *testing.F) {
	f.Add("test_secret_key", "test_secret_kez", []byte(`{"foo": "bar"}`), "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=", uint16(2), uint8(1))
	f.Add("s", "", []byte(nil), "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7h=", uint16(0), uint8(0))
	f.Add("s", "t", []byte("x"), "B23tXN68\r\n1gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=", uint16(0), uint8(0))
	f.Fuzz(func(t *testing.T, secret, wrong string, body []byte, header string, at uint16, bit uint8) {
		genuine := base64.StdEncoding.EncodeToString(sum(secret, body))
		if webhook.VerifyBase64HMAC([]string{secret}, header, body) == nil {
			require.Equal(t, genuine, header, "one text for one signature")
		}
		if secret == "" {
			require.Error(t, webhook.VerifyBase64HMAC([]string{""}, genuine, body))
			return
		}
		require.NoError(t, webhook.VerifyBase64HMAC([]string{"new", secret}, genuine, body))
		require.ErrorIs(t, webhook.VerifyBase64HMAC([]string{secret}, genuine, other(body, at, bit)), webhook.ErrMismatch)
		if !equivalent(secret, wrong) {
			require.ErrorIs(t, webhook.VerifyBase64HMAC([]string{wrong}, genuine, body), webhook.ErrMismatch)
		}
	})
}

func FuzzVerifyEasyPost(f *testing.F) {
	f.Add("café ﬁ", "cafe fi", []byte(`{"object":"Event"}`), "hmac-sha256-hex="+strings.Repeat("0a", 32), uint16(2), uint8(1))
	f.Add("\xff", "\xfe", []byte("x"), "hmac-sha256-hex=", uint16(0), uint8(0))
	f.Fuzz(func(t *testing.T, secret, wrong string, body []byte, header string, at uint16, bit uint8) {
		genuine := "hmac-sha256-hex=" + hex.EncodeToString(sum(norm.NFKD.String(secret), body))
		if webhook.VerifyEasyPost([]string{secret}, header, body) == nil {
			require.True(t, strings.EqualFold(genuine, header), "one number for one signature")
		}
		if secret == "" {
			require.Error(t, webhook.VerifyEasyPost([]string{""}, genuine, body))
			return
		}
		require.NoError(t, webhook.VerifyEasyPost([]string{"new", secret}, genuine, body))
		require.ErrorIs(t, webhook.VerifyEasyPost([]string{secret}, genuine, other(body, at, bit)), webhook.ErrMismatch)
		if !equivalent(norm.NFKD.String(secret), norm.NFKD.String(wrong)) {
			require.ErrorIs(t, webhook.VerifyEasyPost([]string{wrong}, genuine, body), webhook.ErrMismatch)
		}
	})
}
