package app

import (
	"context"
	"fmt"
	"net"
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
