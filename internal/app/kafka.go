package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/notifier/notifier/internal/embedded"
	"github.com/notifier/notifier/internal/settings"
)

// KafkaOptions are the client options that the settings' kafka section asks for.
func KafkaOptions(s *settings.Settings) ([]kgo.Opt, error) {
	opts, _, err := kafkaOptions(s)
	return opts, err
}

// kafkaOptions gives the files of TLS as well, nil without: who reads them again lets new connections go by what they hold now. A
// password is asked for at every login.
func kafkaOptions(s *settings.Settings) ([]kgo.Opt, *tlsFiles, error) {
	k := s.Kafka
	opts := []kgo.Opt{kgo.ClientID("notifier-" + k.Instance), kgo.SoftwareNameAndVersion("notifier", Version)}
	if len(k.Brokers) > 0 {
		opts = append(opts, kgo.SeedBrokers(k.Brokers...))
	}
	var files *tlsFiles
	if k.TLS != nil {
		files = &tlsFiles{paths: *k.TLS}
		if _, err := files.refresh(); err != nil {
			return nil, nil, err
		}
		opts = append(opts, kgo.Dialer(files.dial))
	}
	if k.SASL != nil {
		user, pass := k.SASL.User, k.SASL.Password.Reveal
		inScram := func(context.Context) (scram.Auth, error) { return scram.Auth{User: user, Pass: pass()}, nil }
		switch k.SASL.Mechanism {
		case "PLAIN":
			opts = append(opts, kgo.SASL(plain.Plain(func(context.Context) (plain.Auth, error) { return plain.Auth{User: user, Pass: pass()}, nil })))
		case "SCRAM-SHA-256":
			opts = append(opts, kgo.SASL(scram.Sha256(inScram)))
		case "SCRAM-SHA-512":
			opts = append(opts, kgo.SASL(scram.Sha512(inScram)))
		}
	}
	return opts, files, nil
}

// atTheDoor says what to look at when the brokers cannot be reached, or let us not in.
func atTheDoor(k settings.Kafka, err error) string {
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	switch {
	case k.SASL != nil && errors.Is(err, kerr.SaslAuthenticationFailed), k.SASL != nil && errors.Is(err, kerr.UnsupportedSaslMechanism):
		return fmt.Sprintf("check kafka.sasl: is %s the mechanism of the user %s, and the password the one that the brokers know?", k.SASL.Mechanism, k.SASL.User)
	case authority && k.TLS != nil && k.TLS.CA != "":
		return fmt.Sprintf("check kafka.tls.ca: %s does not hold the authority of the brokers' certificate", k.TLS.CA)
	case authority:
		return "check kafka.tls.ca: the system does not know the authority of the brokers' certificate, name its file"
	case name:
		return "check kafka.brokers and the brokers' advertised.listeners: use the names that stand in their certificate"
	case strings.Contains(err.Error(), "remote error: tls: "): // crypto/tls does not export the type
		return "the brokers refuse our certificate: check kafka.tls.cert and kafka.tls.key"
	}
	return "check kafka.brokers, kafka.tls and kafka.sasl"
}

// ofThisMachine reports whether a broker is reached without leaving this machine.
func ofThisMachine(broker string) bool {
	host, _, err := net.SplitHostPort(broker)
	return err == nil && settings.Loopback(host)
}

// Connect gives the client options for a command beside the daemon: with an embedded broker, the address its process left.
func Connect(s *settings.Settings) ([]kgo.Opt, error) {
	opts, err := KafkaOptions(s)
	if err != nil || s.Kafka.Embedded == "" {
		return opts, err
	}
	addr, err := embedded.Address(s.Kafka.Embedded)
	if err != nil {
		return nil, &KafkaError{err}
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
