package outbound

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// names answers DNS questions over UDP: every question gets the next of the addresses, the last one
// again and again.
func names(t *testing.T, addresses ...string) (*net.Resolver, *atomic.Int64) {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	var asked atomic.Int64
	go func() {
		question := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(question)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(dnsAnswer(question[:n], &asked, addresses), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", server.LocalAddr().String())
	}}, &asked
}

// dnsAnswer writes an answer (RFC 1035, 4.1) of one A record with no time to live, or none to a
// question for anything but an IPv4 address.
func dnsAnswer(question []byte, asked *atomic.Int64, addresses []string) []byte {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	kind := binary.BigEndian.Uint16(question[end+1:])
	answer := append([]byte{question[0], question[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question[12:end+5]...)
	if kind != 1 {
		return answer
	}
	answer[7] = 1
	at := min(int(asked.Add(1)), len(addresses)) - 1
	answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
	return append(answer, netip.MustParseAddr(addresses[at]).AsSlice()...)
}

// through is a client whose names are resolved by a test.
func through(resolver *net.Resolver, allowPrivate bool) *http.Client {
	d := dialer(allowPrivate)
	d.Resolver = resolver
	transport := Transport(allowPrivate)
	transport.DialContext = d.DialContext
	return &http.Client{Transport: transport}
}

func get(t *testing.T, client *http.Client, address string) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	require.NoError(t, err)
	response, err := client.Do(request)
	if err == nil {
		require.NoError(t, response.Body.Close())
	}
	return err
}

// inner is a server inside the network, which nobody outside may reach.
func inner(t *testing.T) (port string, reached *atomic.Int64) {
	t.Helper()
	reached = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		_, _ = io.WriteString(w, "secret")
	}))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	return port, reached
}

func TestNameThatLeadsInsideIsRefusedAfterItWasResolved(t *testing.T) {
	t.Parallel()
	port, reached := inner(t)
	for _, address := range []string{"127.0.0.1", "169.254.169.254", "10.0.0.7", "0.0.0.0"} {
		resolver, asked := names(t, address)
		require.ErrorIs(t, get(t, through(resolver, false), "http://partner.example:"+port), ErrNotPublic, address)
		require.Positive(t, asked.Load(), "the name was resolved")
	}
	resolver, _ := names(t, "127.0.0.1")
	require.NoError(t, get(t, through(resolver, true), "http://partner.example:"+port), "allowed, the same name is reached")
	require.EqualValues(t, 1, reached.Load())
}

// A name that answered with a public address when somebody looked at it, and with a private one when
// it is dialled (DNS rebinding), leads nowhere: what is checked is the address of the connection.
func TestNameThatChangesItsAddressIsCheckedAtEveryConnection(t *testing.T) {
	t.Parallel()
	port, reached := inner(t)
	resolver, asked := names(t, "93.184.215.14", "127.0.0.1")
	found, err := resolver.LookupNetIP(t.Context(), "ip4", "partner.example")
	require.NoError(t, err)
	require.True(t, isPublic(found[0]), "at first it looks well")
	client := through(resolver, false)
	for range 3 {
		require.ErrorIs(t, get(t, client, "http://partner.example:"+port), ErrNotPublic)
	}
	require.GreaterOrEqual(t, asked.Load(), int64(2))
	require.Zero(t, reached.Load())
}

func TestAddressOfTheInsideIsRefusedInEveryWriting(t *testing.T) {
	t.Parallel()
	port, reached := inner(t)
	resolver, _ := names(t, "127.0.0.1")
	for _, host := range []string{
		"127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]",
		"127.0.0.1.", "169.254.169.254", "[fe80::1%25lo]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "metadata.google.internal",
	} {
		require.Error(t, get(t, through(resolver, false), "http://"+host+":"+port), host)
	}
	require.Zero(t, reached.Load())
}

// Adapters do not follow redirects at all; were one to, each hop is a connection of its own.
func TestRedirectInsideIsRefusedWhereItLeads(t *testing.T) {
	t.Parallel()
	port, reached := inner(t)
	client := through(nil, false)
	client.Transport = redirecting{client.Transport, "http://127.0.0.1:" + port + "/latest/meta-data/"}
	require.ErrorIs(t, get(t, client, "http://partner.example/"), ErrNotPublic)
	require.Zero(t, reached.Load())
}

// redirecting plays a public partner that sends its callers elsewhere.
type redirecting struct {
	next http.RoundTripper
	to   string
}

func (r redirecting) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Host != "partner.example" {
		return r.next.RoundTrip(request)
	}
	return &http.Response{
		StatusCode: http.StatusFound, Header: http.Header{"Location": {r.to}}, Body: io.NopCloser(strings.NewReader("")), Request: request,
	}, nil
}

func TestCompressedAnswerIsNotUnpacked(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "as it is"+r.Header.Get("Accept-Encoding"))
	}))
	t.Cleanup(server.Close)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	require.NoError(t, err)
	response, err := (&http.Client{Transport: Transport(true)}).Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "as it is", string(body))
}

func TestProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	t.Parallel()
	require.Nil(t, Transport(false).Proxy, "a proxy would dial in our place, past the check")
}
