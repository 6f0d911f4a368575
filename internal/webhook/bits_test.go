package webhook_test

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dropline/dropline/internal/webhook"
)

// A signature that is right but for one bit is wrong, wherever the bit is.
func TestEveryBitOfASignatureCounts(t *testing.T) {
	t.Parallel()
	secrets, body := []string{"secret"}, []byte(`{"foo": "bar"}`)
	stamp, signature, found := strings.Cut(webhook.Sign("secret", body, now), ",v1=")
	require.True(t, found)
	own, err := hex.DecodeString(signature)
	require.NoError(t, err)
	untimed, err := hex.DecodeString("5910d971d6909f5bce3abc3e035e17faa72249399d6906248ce80dde30a32285")
	require.NoError(t, err)
	for name, check := range map[string]struct {
		genuine []byte
		verify  func(signature []byte) error
	}{
		"supplier": {own, func(s []byte) error {
			return webhook.Verify(secrets, stamp+",v1="+hex.EncodeToString(s), body, now, time.Minute)
		}},
		"storefront": {untimed, func(s []byte) error {
			return webhook.VerifyBase64HMAC(secrets, base64.StdEncoding.EncodeToString(s), body)
		}},
		"carrier": {untimed, func(s []byte) error {
			return webhook.VerifyEasyPost(secrets, "hmac-sha256-hex="+hex.EncodeToString(s), body)
		}},
	} {
		require.NoError(t, check.verify(check.genuine), name)
		for bit := range 8 * len(check.genuine) {
			changed := append([]byte(nil), check.genuine...)
			changed[bit/8] ^= 1 << (bit % 8)
			require.ErrorIs(t, check.verify(changed), webhook.ErrMismatch, "%s, bit %d", name, bit)
		}
	}
}
