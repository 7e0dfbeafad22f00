package app

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/settings"
)

// tlsFiles are the PEM files of kafka.tls. Each new connection goes by what they held when they were last read.
type tlsFiles struct {
	paths  settings.TLS
	read   [3][]byte // ca, cert, key; only refresh touches it
	config atomic.Pointer[tls.Config]
}

// dialWait bounds TCP and TLS of one connection to a broker.
const dialWait = 10 * time.Second

// maxPEM bounds one file: the authorities of a whole system have a quarter of a MiB.
const maxPEM = 4 << 20

func (f *tlsFiles) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialWait)
	defer cancel()
	d := tls.Dialer{Config: f.config.Load()}
	return d.DialContext(ctx, network, addr)
}

// refresh reads the files again. On an error the last ones stay: the files of a pair are seldom replaced in one moment.
func (f *tlsFiles) refresh() (changed bool, err error) {
	var now [3][]byte
	for i, file := range []struct{ setting, path string }{{"ca", f.paths.CA}, {"cert", f.paths.Cert}, {"key", f.paths.Key}} {
		if file.path == "" {
			continue
		}
		if now[i], err = diag.ReadFile(file.path, maxPEM); err != nil {
			return false, fmt.Errorf("kafka.tls.%s: %w", file.setting, err)
		}
	}
	if f.config.Load() != nil && bytes.Equal(now[0], f.read[0]) && bytes.Equal(now[1], f.read[1]) && bytes.Equal(now[2], f.read[2]) {
		return false, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.paths.CA != "" {
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(now[0]) {
			return false, fmt.Errorf("kafka.tls.ca: no certificate in %s", f.paths.CA)
		}
	}
	if f.paths.Cert != "" {
		c, err := tls.X509KeyPair(now[1], now[2])
		if err != nil {
			return false, fmt.Errorf("kafka.tls.cert: %s with %s: %w", f.paths.Cert, f.paths.Key, err)
		}
		cfg.Certificates = []tls.Certificate{c}
	}
	f.read = now
	f.config.Store(cfg)
	return true, nil
}
