package outbound

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyPublicAddressesArePublic(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
		"100.64.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1",
		"64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::1",
	} {
		require.False(t, isPublic(netip.MustParseAddr(address)), address)
	}
	for _, address := range []string{"8.8.8.8", "172.32.0.1", "192.167.1.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"} {
		require.True(t, isPublic(netip.MustParseAddr(address)), address)
	}
}

func TestRequestsIntoPrivateNetworksAreRefusedUnlessAllowed(t *testing.T) {
	t.Parallel()
	partner := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(partner.Close)
	get := func(allowPrivate bool) error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, partner.URL, http.NoBody)
		require.NoError(t, err)
		response, err := (&http.Client{Transport: Transport(allowPrivate)}).Do(request)
		if err == nil {
			require.NoError(t, response.Body.Close())
		}
		return err
	}
	require.ErrorIs(t, get(false), ErrNotPublic)
	require.NoError(t, get(true))
}
