package settings

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair writes a certificate (c.pem) that is its own authority (ca.pem), and its key (k.pem).
func pair(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*pem.Block{"ca.pem": {Type: "CERTIFICATE", Bytes: cert}, "c.pem": {Type: "CERTIFICATE", Bytes: cert}, "k.pem": {Type: "EC PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Files of kafka.tls that cannot be used are found with the other mistakes, before anything is connected to. Who asks only for rules need
// not have them.
func TestFilesOfKafkaTLSAreLookedAt(t *testing.T) {
	t.Parallel()
	for tls, want := range map[string]string{
		"{ca: ca.pem, cert: c.pem, key: k.pem}":  "",
		"{ca: nope.pem}":                         "cannot be read: there is no such file",
		"{ca: k.pem}":                            "no certificate in",
		"{cert: c.pem, key: ca.pem}":             "ca.pem: tls:",
		"{ca: ca.pem, cert: c.pem, key: no.pem}": "no.pem` cannot be read",
	} {
		path := write(t, strings.Replace(minimal, `["k1:9092"]`, `["k1:9092"], tls: `+tls, 1))
		pair(t, filepath.Dir(path))
		s, list := Load(path, []string{"S=x"}, nil)
		switch {
		case want == "" && (s == nil || len(list) > 0):
			t.Errorf("%s: %s", tls, codes(list))
		case want != "" && (s != nil || len(list) != 1 || list[0].Code != "N701" || list[0].Line != 2 || !strings.Contains(list[0].Message.EN, want) || list[0].Message.ZH == ""):
			t.Errorf("%s: %+v, want N701 with %q", tls, list, want)
		}
		if s, list := LoadForRules(path, []string{"S=x"}); s == nil {
			t.Errorf("%s for rules: %s", tls, codes(list))
		}
	}
}
