package broker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/notifier/notifier/test/kafka/certs"
)

// Secure is how to come in where not everybody may. The open listener is for the test itself, which may do everything.
type Secure struct {
	Authority *certs.Authority
	CA        string   // its certificate's file
	SASL      []string // addresses with TLS and a login by PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	Mutual    []string // addresses with TLS that ask for a client's certificate

	pair string // the brokers' key and certificate in one file, as Kafka wants it
}

// Plain are the users of PLAIN and their passwords: those of SCRAM are made in the cluster.
var Plain = map[string]string{"plain": "plain-password"}

// Super are the principals that may do everything, beside whoever comes by the open listener.
var Super = []string{"plain", "scram-256", "scram-512", "rotated", "CN=client"}

// Reauth is how long a login counts, in ms: then the client shows its password again on the open connection.
const Reauth = 3000

func newSecure(dir string, nodes []*node) (*Secure, error) {
	s := &Secure{CA: filepath.Join(dir, "ca.pem"), pair: filepath.Join(dir, "broker.pem")}
	var err error
	if s.Authority, err = certs.NewAuthority("kafka-test"); err != nil {
		return nil, err
	}
	cert, key, err := s.Authority.Issue("broker")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("start kafka: %w", err)
	}
	for file, text := range map[string][]byte{s.CA: s.Authority.PEM, s.pair: append(key, cert...)} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return nil, fmt.Errorf("start kafka: %w", err)
		}
	}
	for _, n := range nodes {
		s.SASL = append(s.SASL, fmt.Sprintf("127.0.0.1:%d", n.sasl))
		s.Mutual = append(s.Mutual, fmt.Sprintf("127.0.0.1:%d", n.mutual))
	}
	return s, nil
}

// properties are the lines that a secure node has more. Whoever comes by the open listener is ANONYMOUS, which is what the brokers
// are to each other.
func (s *Secure) properties() string {
	var users strings.Builder
	for user, password := range Plain {
		fmt.Fprintf(&users, " user_%s=%q", user, password)
	}
	const scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
	return fmt.Sprintf(`
ssl.keystore.type=PEM
ssl.keystore.location=%[1]s
ssl.truststore.type=PEM
ssl.truststore.location=%[2]s
listener.name.mutual.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required%[3]s;
listener.name.sasl.scram-sha-256.sasl.jaas.config=%[4]s
listener.name.sasl.scram-sha-512.sasl.jaas.config=%[4]s
connections.max.reauth.ms=%[5]d
connection.failed.authentication.delay.ms=100
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:ANONYMOUS;User:%[6]s
`, s.pair, s.CA, users.String(), scram, Reauth, strings.Join(Super, ";User:"))
}
