package outbound

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// inside are the ranges that a contract may never lead to, in the standard library's other reader of
// addresses.
var inside = func() []*net.IPNet {
	var ranges []*net.IPNet
	for _, text := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3",
		"::/8", "fc00::/7", "fe80::/9", "ff00::/8", "64:ff9b::/96", "2002::/16", "2001::/32",
	} {
		_, r, err := net.ParseCIDR(text)
		if err != nil {
			panic(err)
		}
		ranges = append(ranges, r)
	}
	return ranges
}()

func FuzzAddress(f *testing.F) {
	for _, address := range []string{
		"127.0.0.1:80", "[::1]:443", "[::ffff:169.254.169.254]:80", "[fe80::1%eth0]:80", "0.0.0.0:0", "[64:ff9b::a9fe:a9fe]:80", "8.8.8.8:53",
		"[2606:4700::1111]:443", "127.1:80", "0x7f.1:80", "2130706433:80", "[::127.0.0.1]:80", "localhost:80", "[fd00:ec2::254]:80", "1.1.1.1:65536",
	} {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if refusePrivate("tcp", address, nil) != nil {
			return
		}
		host, _, err := net.SplitHostPort(address)
		require.NoError(t, err)
		ip := net.ParseIP(host)
		if zoned, err := netip.ParseAddr(host); ip == nil && err == nil {
			ip = zoned.WithZone("").AsSlice()
		}
		require.NotNil(t, ip, "what is dialled is an address, not a name")
		for _, r := range inside {
			// ::/8 as IPv4 reads as no range of IPv4.
			require.False(t, r.Contains(ip) && (ip.To4() == nil) == (r.IP.To4() == nil), "%s is in %s", ip, r)
		}
		require.False(t, ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast())
	})
}
