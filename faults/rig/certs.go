package rig

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certificates are those of a run: a good one for all links, from an authority that the programs trust,
// and one that has expired.
type Certificates struct {
	// Authority is the PEM file to trust (SSL_CERT_FILE).
	Authority     string
	good, expired tls.Certificate
}

// NewCertificates makes them; dir takes the authority's file.
func NewCertificates(dir string) (*Certificates, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority for tests"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	c := &Certificates{Authority: filepath.Join(dir, "authority.pem")}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(c.Authority, text, 0o600); err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	issue := func(until time.Time) (tls.Certificate, error) {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return tls.Certificate{}, err
		}
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(until.Unix()), Subject: pkix.Name{CommonName: "a link"},
			NotBefore: now.Add(-48 * time.Hour), NotAfter: until,
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, leaf, authority, own.Public(), key)
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: own}, err
	}
	if c.good, err = issue(now.Add(24 * time.Hour)); err == nil {
		c.expired, err = issue(now.Add(-24 * time.Hour))
	}
	if err != nil {
		return nil, fmt.Errorf("issue a certificate: %w", err)
	}
	return c, nil
}

// serverTLS speaks one protocol above TLS; empty: the client need not name any.
func serverTLS(certificate tls.Certificate, protocol string) *tls.Config {
	c := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	if protocol != "" {
		c.NextProtos = []string{protocol}
	}
	return c
}
