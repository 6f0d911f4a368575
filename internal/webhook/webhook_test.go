package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/webhook"
)

var now = time.Unix(1_760_000_000, 0)

func TestSignatureIsHexHMACOverTimeDotBody(t *testing.T) {
	t.Parallel()
	mac := hmac.New(sha256.New, []byte("s3cret"))
	mac.Write([]byte(`1760000000.{"id":"1"}`))
	want := "t=1760000000,v1=" + hex.EncodeToString(mac.Sum(nil))
	require.Equal(t, want, webhook.Sign("s3cret", []byte(`{"id":"1"}`), now))
}

func TestEitherSecretIsAcceptedWhileOneIsReplaced(t *testing.T) {
	t.Parallel()
	body := []byte("body")
	for _, secret := range []string{"old", "new"} {
		header := webhook.Sign(secret, body, now)
		require.NoError(t, webhook.Verify([]string{"new", "old"}, header, body, now, time.Minute))
	}
	require.ErrorIs(t, webhook.Verify([]string{"new"}, webhook.Sign("old", body, now), body, now, time.Minute), webhook.ErrMismatch)
	// The sender, too, may sign with both.
	_, old, _ := strings.Cut(webhook.Sign("old", body, now), ",")
	both := webhook.Sign("unknown to us", body, now) + "," + old
	require.NoError(t, webhook.Verify([]string{"old"}, both, body, now, time.Minute))
}

func TestReplayWindowIsClosedOnBothSides(t *testing.T) {
	t.Parallel()
	verify := func(at time.Time) error {
		return webhook.Verify([]string{"s"}, webhook.Sign("s", []byte("b"), at), []byte("b"), now, time.Minute)
	}
	require.NoError(t, verify(now.Add(-time.Minute)))
	require.NoError(t, verify(now.Add(time.Minute)))
	require.ErrorIs(t, verify(now.Add(-time.Minute-time.Second)), webhook.ErrStale)
	require.ErrorIs(t, verify(now.Add(time.Minute+time.Second)), webhook.ErrStale)
	require.ErrorIs(t, verify(time.Unix(math.MaxInt64/2, 0)), webhook.ErrStale)
	require.ErrorIs(t, verify(time.Unix(0, 0)), webhook.ErrStale)
}

func TestForgedStaleSignatureIsAMismatch(t *testing.T) {
	t.Parallel()
	header := webhook.Sign("forger", []byte("b"), now.Add(-time.Hour))
	require.ErrorIs(t, webhook.Verify([]string{"s"}, header, []byte("b"), now, time.Minute), webhook.ErrMismatch)
}

func TestEmptySecretNeverVerifies(t *testing.T) {
	t.Parallel()
	body := []byte("b")
	mac := hmac.New(sha256.New, nil)
	mac.Write(body)
	sum := mac.Sum(nil)
	for _, secrets := range [][]string{nil, {}, {""}} {
		require.ErrorIs(t, webhook.Verify(secrets, webhook.Sign("", body, now), body, now, time.Minute), webhook.ErrMismatch)
		require.ErrorIs(t, webhook.VerifyBase64HMAC(secrets, base64.StdEncoding.EncodeToString(sum), body), webhook.ErrMismatch)
		require.ErrorIs(t, webhook.VerifyEasyPost(secrets, "hmac-sha256-hex="+hex.EncodeToString(sum), body), webhook.ErrMismatch)
	}
}

func TestMissingAndMalformedHeadersAreTold(t *testing.T) {
	t.Parallel()
	digits := strings.Repeat("ab", 32)
	require.ErrorIs(t, webhook.Verify([]string{"s"}, "", nil, now, time.Minute), webhook.ErrMissing)
	for _, header := range []string{
		"t=1760000000", "v1=" + digits, "nonsense", "t=soon,v1=" + digits, "t=-5,v1=" + digits, "t=+5,v1=" + digits,
		"t=1,t=2,v1=" + digits, "t=1760000000,v1=zz", "t=1760000000,v1=abcd", "t=99999999999999999999,v1=" + digits,
		"t=1760000000" + strings.Repeat(",v1="+digits, 6), strings.Repeat("x=y,", 400),
	} {
		require.ErrorIs(t, webhook.Verify([]string{"s"}, header, nil, now, time.Minute), webhook.ErrMalformed, header)
	}
	require.ErrorIs(t, webhook.VerifyBase64HMAC([]string{"s"}, "", nil), webhook.ErrMissing)
	require.ErrorIs(t, webhook.VerifyBase64HMAC([]string{"s"}, "*", nil), webhook.ErrMalformed)
	require.ErrorIs(t, webhook.VerifyBase64HMAC([]string{"s"}, "AAAA", nil), webhook.ErrMalformed)
	require.ErrorIs(t, webhook.VerifyEasyPost([]string{"s"}, "", nil), webhook.ErrMissing)
	require.ErrorIs(t, webhook.VerifyEasyPost([]string{"s"}, digits, nil), webhook.ErrMalformed)
	require.ErrorIs(t, webhook.VerifyEasyPost([]string{"s"}, "hmac-sha256-hex="+strings.Repeat("z", 64), nil), webhook.ErrMalformed)
}

// The vector is published in Shopify's own test suite.
func TestShopifyVectorVerifies(t *testing.T) {
	t.Parallel()
	body, header := []byte(`{"foo": "bar"}`), "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g="
	require.NoError(t, webhook.VerifyBase64HMAC([]string{"next", "test_secret_key"}, header, body))
	require.ErrorIs(t, webhook.VerifyBase64HMAC([]string{"test_secret_kez"}, header, body), webhook.ErrMismatch)
	require.ErrorIs(t, webhook.VerifyBase64HMAC([]string{"test_secret_key"}, header, []byte(`{"foo":"bar"}`)), webhook.ErrMismatch)
}

func TestEasyPostSecretIsNormalised(t *testing.T) {
	t.Parallel()
	body := []byte(`{"object":"Event"}`)
	mac := hmac.New(sha256.New, []byte("cafe\u0301 fi")) // NFKD of "café ﬁ"
	mac.Write(body)
	header := "hmac-sha256-hex=" + hex.EncodeToString(mac.Sum(nil))
	require.NoError(t, webhook.VerifyEasyPost([]string{"caf\u00e9 \ufb01"}, header, body))
	require.ErrorIs(t, webhook.VerifyEasyPost([]string{"cafe fi"}, header, body), webhook.ErrMismatch)
}

func TestOneBitChangedIsRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringN(1, 40, 80).Draw(t, "secret")
		body := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "body")
		header := webhook.Sign(secret, body, now)
		require.NoError(t, webhook.Verify([]string{secret}, header, body, now, time.Minute))

		changed := append([]byte(nil), body...)
		changed[rapid.IntRange(0, len(body)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		require.ErrorIs(t, webhook.Verify([]string{secret}, header, changed, now, time.Minute), webhook.ErrMismatch)

		later := strings.Replace(header, strconv.FormatInt(now.Unix(), 10), strconv.FormatInt(now.Unix()+1, 10), 1)
		require.ErrorIs(t, webhook.Verify([]string{secret}, later, body, now, time.Minute), webhook.ErrMismatch)
	})
}
