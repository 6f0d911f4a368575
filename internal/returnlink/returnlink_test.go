package returnlink_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/dropline/dropline/internal/order"
	"github.com/dropline/dropline/internal/returnlink"
)

const (
	base   = "https://returns.example"
	old    = "an old key of some length"
	recent = "a new key of some length!"
)

var (
	now  = time.Date(2026, 3, 2, 15, 4, 5, 0, time.UTC)
	mugs = order.Key{Storefront: "shop", Order: "1001"}
)

func links(t *testing.T, keys ...string) *returnlink.Links {
	t.Helper()
	l, err := returnlink.New(base, keys)
	require.NoError(t, err)
	return l
}

func token(t *testing.T, l *returnlink.Links, key order.Key) string {
	t.Helper()
	token, found := strings.CutPrefix(l.For(key, now), base+returnlink.Path)
	require.True(t, found)
	return token
}

func TestALinkLeadsToItsOrderUntilItExpires(t *testing.T) {
	t.Parallel()
	l := links(t, old)
	text := token(t, l, mugs)
	require.Regexp(t, `^[A-Za-z0-9_-]+$`, text, "it stands in a path as it is")
	midnight := now.Truncate(24 * time.Hour)
	for _, at := range []time.Time{now, midnight.Add(returnlink.Valid - time.Second)} {
		key, err := l.Read(text, at)
		require.NoError(t, err)
		require.Equal(t, mugs, key)
	}
	for _, at := range []time.Time{midnight.Add(returnlink.Valid), now.AddDate(3, 0, 0)} {
		_, err := l.Read(text, at)
		require.ErrorIs(t, err, returnlink.ErrExpired)
	}
	require.Equal(t, text, token(t, l, mugs), "a message that is sent again is the same")
}

func TestEveryBitOfATokenCounts(t *testing.T) {
	t.Parallel()
	l := links(t, old)
	genuine, err := base64.RawURLEncoding.DecodeString(token(t, l, mugs))
	require.NoError(t, err)
	for bit := range 8 * len(genuine) {
		changed := append([]byte(nil), genuine...)
		changed[bit/8] ^= 1 << (bit % 8)
		_, err := l.Read(base64.RawURLEncoding.EncodeToString(changed), now)
		require.ErrorIs(t, err, returnlink.ErrForged, "bit %d", bit)
	}
	text := token(t, l, mugs)
	for _, other := range []string{"", text[:len(text)-1], text + "=", text + "A", " " + text, text[:9] + "\n" + text[9:], strings.Repeat("A", 1<<16)} {
		_, err := l.Read(other, now)
		require.ErrorIs(t, err, returnlink.ErrForged)
	}
}

func TestEitherKeyIsBelievedWhileOneIsReplaced(t *testing.T) {
	t.Parallel()
	before, during, after := links(t, old), links(t, recent, old), links(t, recent)
	for _, test := range []struct {
		made, read *returnlink.Links
		err        error
	}{
		{before, during, nil},
		{during, during, nil},
		{during, after, nil},
		{before, after, returnlink.ErrForged},
		{during, before, returnlink.ErrForged},
	} {
		key, err := test.read.Read(token(t, test.made, mugs), now)
		require.ErrorIs(t, err, test.err)
		if test.err == nil {
			require.Equal(t, mugs, key)
		}
	}
}

func TestOrdersHaveLinksOfTheirOwn(t *testing.T) {
	t.Parallel()
	l := links(t, old)
	name := rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._-]{0,63}`)
	rapid.Check(t, func(rt *rapid.T) {
		one := order.Key{Storefront: name.Draw(rt, "storefront"), Order: name.Draw(rt, "order")}
		if one.Validate() != nil {
			return
		}
		text := token(t, l, one)
		require.LessOrEqual(rt, len(text), returnlink.MaxToken)
		require.NotEqual(rt, token(t, l, order.Key{Storefront: one.Storefront, Order: one.Order + "x"}), text)
		key, err := l.Read(text, now)
		require.NoError(rt, err)
		require.Equal(rt, one, key)
	})
}

func TestWithoutAddressAndKeyThereAreNoLinks(t *testing.T) {
	t.Parallel()
	none, err := returnlink.New("", nil)
	require.NoError(t, err)
	require.Empty(t, none.For(mugs, now))
	_, err = none.Read(token(t, links(t, old), mugs), now)
	require.ErrorIs(t, err, returnlink.ErrForged)
	for address, keys := range map[string][]string{
		base: nil, "": {old}, "returns.example": {old}, "javascript:alert(1)": {old}, "https://": {old}, "https://a.example/?b": {old},
		"https://pat@a.example": {old}, "https://a.example": {old, "short"},
	} {
		_, err := returnlink.New(address, keys)
		require.Error(t, err, address)
		require.NotContains(t, err.Error(), old)
	}
	below, err := returnlink.New("https://shop.example/returns/", []string{old})
	require.NoError(t, err)
	require.Equal(t, "/returns/r/abc", below.PathOf("abc"))
	require.Equal(t, "/r/abc", links(t, old).PathOf("abc"))
	require.Contains(t, below.For(mugs, now), "https://shop.example/returns/r/")
}

// Whatever comes as a token, only what was signed is believed, and it names an order that can exist.
func FuzzRead(f *testing.F) {
	l, err := returnlink.New(base, []string{recent, old})
	require.NoError(f, err)
	f.Add(strings.TrimPrefix(l.For(mugs, now), base+returnlink.Path), int64(0))
	f.Add("AQ", int64(1))
	f.Add(strings.Repeat("_", 200), int64(-1))
	f.Fuzz(func(t *testing.T, text string, seconds int64) {
		key, err := l.Read(text, time.Unix(seconds, 0))
		if err != nil {
			require.Equal(t, order.Key{}, key)
			return
		}
		require.NoError(t, key.Validate())
		require.Equal(t, mugs, key, "nothing else was ever signed")
	})
}
