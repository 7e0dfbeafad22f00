package app

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"runtime"
	"runtime/debug"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/notifier/notifier/internal/embedded"
	"github.com/notifier/notifier/internal/settings"
)

// KafkaOptions are the client options that the settings' kafka section asks for.
func KafkaOptions(s *settings.Settings) ([]kgo.Opt, error) {
	k := s.Kafka
	opts := []kgo.Opt{kgo.ClientID("notifier-" + k.Instance), kgo.SoftwareNameAndVersion("notifier", Version)}
	if len(k.Brokers) > 0 {
		opts = append(opts, kgo.SeedBrokers(k.Brokers...))
	}
	if k.TLS != nil {
		cfg, err := tlsConfig(k.TLS)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.DialTLSConfig(cfg))
	}
	if k.SASL != nil {
		user, pass := k.SASL.User, k.SASL.Password.Reveal()
		switch k.SASL.Mechanism {
		case "PLAIN":
			opts = append(opts, kgo.SASL(plain.Auth{User: user, Pass: pass}.AsMechanism()))
		case "SCRAM-SHA-256":
			opts = append(opts, kgo.SASL(scram.Auth{User: user, Pass: pass}.AsSha256Mechanism()))
		case "SCRAM-SHA-512":
			opts = append(opts, kgo.SASL(scram.Auth{User: user, Pass: pass}.AsSha512Mechanism()))
		}
	}
	return opts, nil
}

func tlsConfig(t *settings.TLS) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("kafka.tls.ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("kafka.tls.ca: no certificate in %s", t.CA)
		}
	}
	if t.Cert != "" || t.Key != "" {
		c, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("kafka.tls.cert: %w", err)
		}
		cfg.Certificates = []tls.Certificate{c}
	}
	return cfg, nil
}

// Connect gives the client options for a command beside the daemon: with an embedded broker, the address its process left.
func Connect(s *settings.Settings) ([]kgo.Opt, error) {
	opts, err := KafkaOptions(s)
	if err != nil || s.Kafka.Embedded == "" {
		return opts, err
	}
	addr, err := embedded.Address(s.Kafka.Embedded)
	if err != nil {
		return nil, &KafkaError{fmt.Errorf("the embedded broker in %s does not run: start `notifier run` first: %w", s.Kafka.Embedded, err)}
	}
	return append(opts, kgo.SeedBrokers(addr)), nil
}

// BuildInfo tells the version, the revision and the Go version of the program. The revision is what deploy/build.sh set, else what
// Go found of git.
func BuildInfo() (version, revision, goversion string) {
	version, revision, goversion = Version, Revision, runtime.Version()
	if revision != "" {
		return version, revision, goversion
	}
	revision = "unknown"
	if bi, ok := debug.ReadBuildInfo(); ok {
		for _, s := range bi.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	return version, revision, goversion
}
