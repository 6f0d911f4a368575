// Package outbound decides where requests to partners may go, and how they go there.
package outbound

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// ErrNotPublic: a partner's address leads into a private network.
var ErrNotPublic = errors.New("the address is not public")

// reserved are the address ranges that lead into private networks or nowhere (IANA special-purpose
// registries), beyond those that netip names itself. The last four embed or translate IPv4
// addresses, so that a private one could hide in them.
var reserved = func() []netip.Prefix {
	var prefixes []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
		"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"2001:db8::/32", "3fff::/20", "2001::/23", "2002::/16", "64:ff9b::/96", "64:ff9b:1::/48",
	} {
		prefixes = append(prefixes, netip.MustParsePrefix(text))
	}
	return prefixes
}()

// ipv6Public is the only IPv6 range handed out for the public internet.
var ipv6Public = netip.MustParsePrefix("2000::/3")

func isPublic(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || (ip.Is6() && !ipv6Public.Contains(ip)) {
		return false
	}
	for _, prefix := range reserved {
		if prefix.Contains(ip) {
			return false
		}
	}
	return true
}

// refusePrivate runs after the name was resolved and before the connection is opened, so neither a
// contract's URL nor its DNS can lead a request into the network that Dropline runs in.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !isPublic(at.Addr()) {
		return ErrNotPublic
	}
	return nil
}

// Transport carries requests to partners. Private addresses are refused unless allowPrivate, for
// simulators and for partners inside one's own network.
func Transport(allowPrivate bool) *http.Transport {
	return &http.Transport{
		// No proxy: it would dial in our place, past the check of the address.
		DialContext:            dialer(allowPrivate).DialContext,
		TLSHandshakeTimeout:    5 * time.Second,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConnsPerHost:    8,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // a small compressed answer can unpack to a huge one
	}
}

func dialer(allowPrivate bool) *net.Dialer {
	d := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	if !allowPrivate {
		d.Control = refusePrivate
	}
	return d
}
