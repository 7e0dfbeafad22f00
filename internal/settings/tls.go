package settings

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"github.com/notifier/notifier/internal/diag"
)

// maxPEM bounds one file: the authorities of a whole system have a quarter of a MiB.
const maxPEM = 4 << 20

// TLSError says which file of kafka.tls cannot be used.
type TLSError struct {
	Key, File string    // ca, cert or key, and its path
	Err       error     // it cannot be read; or nil, and
	Why       diag.Text // what is wrong with what was read
}

func (e *TLSError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("kafka.tls.%s: %v", e.Key, e.Err)
	}
	return "kafka.tls." + e.Key + ": " + e.Why.EN
}

func (e *TLSError) Unwrap() error { return e.Err }

// Config reads the files: what a connection goes by, and the bytes of ca, cert and key.
func (t TLS) Config() (*tls.Config, [3][]byte, *TLSError) {
	var read [3][]byte
	for i, file := range []struct{ key, path string }{{"ca", t.CA}, {"cert", t.Cert}, {"key", t.Key}} {
		if file.path == "" {
			continue
		}
		var err error
		if read[i], err = diag.ReadFile(file.path, maxPEM); err != nil {
			return nil, read, &TLSError{Key: file.key, File: file.path, Err: err}
		}
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(read[0]) {
			return nil, read, &TLSError{Key: "ca", File: t.CA, Why: diag.Text{EN: "no certificate in " + t.CA, ZH: t.CA + " 里没有证书"}}
		}
	}
	if t.Cert != "" {
		c, err := tls.X509KeyPair(read[1], read[2])
		if err != nil {
			return nil, read, &TLSError{Key: "cert", File: t.Cert, Why: diag.Text{EN: fmt.Sprintf("%s with %s: %v", t.Cert, t.Key, err), ZH: fmt.Sprintf("%s 与 %s：%v", t.Cert, t.Key, err)}}
		}
		cfg.Certificates = []tls.Certificate{c}
	}
	return cfg, read, nil
}
