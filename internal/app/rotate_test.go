package app

import (
	"context"
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
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/consumer"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/settings"
)

// authority is a CA with one certificate for everybody: server and client.
type authority struct{ ca, cert, key []byte }

func newAuthority(t *testing.T) authority {
	t.Helper()
	make1 := func(tmpl, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			signer = key
		}
		tmpl.SerialNumber, tmpl.NotBefore, tmpl.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		return der, key
	}
	root := &x509.Certificate{Subject: pkix.Name{CommonName: "root"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	rootDER, rootKey := make1(root, root, nil)
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: "svc"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	leafDER, leafKey := make1(leaf, root, rootKey)
	b, err := x509.MarshalECPrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	return authority{block("CERTIFICATE", rootDER), block("CERTIFICATE", leafDER), block("EC PRIVATE KEY", b)}
}

// cluster asks clients for a certificate of the same authority.
func (a authority) cluster(t *testing.T) string {
	t.Helper()
	pair, err := tls.X509KeyPair(a.cert, a.key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.ca)
	kc, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kc.Close)
	return kc.ListenAddrs()[0]
}

func (a authority) write(t *testing.T, dir string) {
	t.Helper()
	for name, b := range map[string][]byte{"ca.pem": a.ca, "cert.pem": a.cert, "key.pem": a.key} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// reaches makes a new connection with options that were made before.
func reaches(t *testing.T, opts []kgo.Opt, addr string) error {
	t.Helper()
	cl, err := kgo.NewClient(append(append([]kgo.Opt{}, opts...), kgo.SeedBrokers(addr), kgo.RetryTimeout(time.Second), kgo.RequestRetries(0))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return cl.Ping(ctx)
}

// What the daemon made at its start goes on with what the files hold later: authority, certificate and key.
func TestCertificatesOfKafkaAreRotatedWithoutRestart(t *testing.T) {
	t.Parallel()
	first, second := newAuthority(t), newAuthority(t)
	dir := t.TempDir()
	first.write(t, dir)
	s := &settings.Settings{Kafka: settings.Kafka{TLS: &settings.TLS{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}}}
	opts, files, err := kafkaOptions(s)
	if err != nil {
		t.Fatal(err)
	}
	a := &App{s: s, log: zap.NewNop(), tls: files, consumer: consumer.New(consumer.Options{}), dispatch: dispatch.New(dispatch.Options{})}
	old, other := first.cluster(t), second.cluster(t)
	if err := reaches(t, opts, old); err != nil {
		t.Fatal(err)
	}
	if reaches(t, opts, other) == nil {
		t.Fatal("a broker of another authority was believed")
	}
	second.write(t, dir)
	a.readSecrets()
	if err := reaches(t, opts, other); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
	if reaches(t, opts, old) == nil {
		t.Error("the old authority is still believed")
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), first.key, 0o600); err != nil { // the new pair is half there
		t.Fatal(err)
	}
	a.readSecrets()
	if err := reaches(t, opts, other); err != nil {
		t.Errorf("with a pair that does not fit the last one must stay: %v", err)
	}
}

func TestThePasswordOfKafkaIsRotatedWithoutRestart(t *testing.T) {
	t.Parallel()
	kc, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "admin", "admin"), kfake.User("SCRAM-SHA-512", "svc", "first"), kfake.User("PLAIN", "plain", "second"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kc.Close)
	addr := kc.ListenAddrs()[0]
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.SASL(scram.Auth{User: "admin", Pass: "admin"}.AsSha256Mechanism()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	for _, c := range []struct {
		mechanism, user string
		rotate          func()
	}{
		{"SCRAM-SHA-512", "svc", func() {
			if _, err := kadm.NewClient(cl).AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: "svc", Mechanism: kadm.ScramSha512, Iterations: 4096, Password: "second"}}); err != nil {
				t.Fatal(err)
			}
		}},
		{"PLAIN", "plain", nil}, // its file is wrong at first
	} {
		dir := t.TempDir()
		write := func(text string) {
			if err := os.WriteFile(filepath.Join(dir, "password"), []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("first")
		if err := os.WriteFile(filepath.Join(dir, "n.yaml"), fmt.Appendf(nil, `version: 1
kafka: {brokers: [%q], start: latest, instance: one, sasl: {mechanism: %s, user: %s, password: "${file:password}"}}
accounts: {main: {vendor: rongcloud, data_center: beijing, app_key: k, secret: "${file:password}"}}
`, addr, c.mechanism, c.user), 0o600); err != nil {
			t.Fatal(err)
		}
		s, list := settings.Load(filepath.Join(dir, "n.yaml"), nil, nil)
		if s == nil {
			t.Fatal(list)
		}
		s.Accounts = nil
		opts, _, err := kafkaOptions(s)
		if err != nil {
			t.Fatal(err)
		}
		a := &App{s: s, log: zap.NewNop(), consumer: consumer.New(consumer.Options{}), dispatch: dispatch.New(dispatch.Options{})}
		if c.rotate != nil {
			if err := reaches(t, opts, addr); err != nil {
				t.Fatal(err)
			}
			c.rotate()
		}
		if reaches(t, opts, addr) == nil {
			t.Fatalf("%s: a wrong password was taken", c.mechanism)
		}
		write("second")
		a.readSecrets()
		if err := reaches(t, opts, addr); err != nil {
			t.Errorf("%s after the rotation: %v", c.mechanism, err)
		}
	}
}
