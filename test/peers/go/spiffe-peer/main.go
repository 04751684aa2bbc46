// spiffe-peer is a member of the mesh by go-spiffe and nothing of ours: it judges a certificate by a bundle, and, when it is given a key too, does an mTLS
// handshake with that certificate and one HTTP request. It prints what it found as JSON; it ends with 1 and one line when go-spiffe refuses something.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

const timeout = 10 * time.Second

type found struct {
	ID       string `json:"id"`
	Path     string `json:"path"`
	Roots    int    `json:"roots"`
	Sequence uint64 `json:"sequence"`
	Peer     string `json:"peer,omitempty"`
	Version  string `json:"version,omitempty"`
	Status   int    `json:"status,omitempty"`
}

// readBundle takes PEM, or a SPIFFE bundle document when the name ends in .json.
func readBundle(trustDomain spiffeid.TrustDomain, file string) (*x509bundle.Bundle, uint64, error) {
	if !strings.HasSuffix(file, ".json") {
		bundle, err := x509bundle.Load(trustDomain, file)
		return bundle, 0, err
	}
	bundle, err := spiffebundle.Load(trustDomain, file)
	if err != nil {
		return nil, 0, err
	}
	sequence, _ := bundle.SequenceNumber()
	return bundle.X509Bundle(), sequence, nil
}

func call(svid *x509svid.SVID, bundle *x509bundle.Bundle, address string, expected string, result *found) error {
	id, err := spiffeid.FromString(expected)
	if err != nil {
		return err
	}
	config := tlsconfig.MTLSClientConfig(svid, bundle, tlsconfig.AuthorizeID(id))
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: timeout}, Config: config}
	client := &http.Client{Timeout: timeout, Transport: &http.Transport{DialTLSContext: dialer.DialContext}}
	answer, err := client.Get("https://" + address + "/")
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	peer, err := x509svid.IDFromCert(answer.TLS.PeerCertificates[0])
	if err != nil {
		return err
	}
	result.Peer, result.Version, result.Status = peer.String(), tls.VersionName(answer.TLS.Version), answer.StatusCode
	return nil
}

func run() error {
	domain := flag.String("trust-domain", "", "whose bundle it is")
	bundleFile := flag.String("bundle", "", "PEM, or a SPIFFE bundle document (.json)")
	chainFile := flag.String("chain", "", "certificate and intermediates, PEM")
	keyFile := flag.String("key", "", "its key, PEM: for --connect")
	address := flag.String("connect", "", "HOST:PORT to call by mTLS")
	expected := flag.String("expect", "", "SPIFFE ID of who is there")
	flag.Parse()
	trustDomain, err := spiffeid.TrustDomainFromString(*domain)
	if err != nil {
		return err
	}
	bundle, sequence, err := readBundle(trustDomain, *bundleFile)
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(*chainFile)
	if err != nil {
		return err
	}
	certificates, err := parseChain(pem)
	if err != nil {
		return err
	}
	id, _, err := x509svid.Verify(certificates, bundle)
	if err != nil {
		return err
	}
	result := &found{ID: id.String(), Path: id.Path(), Roots: len(bundle.X509Authorities()), Sequence: sequence}
	if *address != "" {
		// Load is stricter than Verify: key usages, and whether the key is the certificate's.
		svid, err := x509svid.Load(*chainFile, *keyFile)
		if err != nil {
			return err
		}
		if err := call(svid, bundle, *address, *expected, result); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "spiffe-peer: %v\n", err)
		os.Exit(1)
	}
}
