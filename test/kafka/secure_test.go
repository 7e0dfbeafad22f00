package kafka

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/test/kafka/audit"
	"github.com/notifier/notifier/test/kafka/broker"
	"github.com/notifier/notifier/test/kafka/certs"
	"github.com/notifier/notifier/test/kafka/fleet"
)

// shopTopic is where all events of the rules in shop/ come from.
const shopTopic = "shop.orders"

// patience bounds every wait of these tests.
const patience = 3 * time.Minute

// secureKafka is a node with TLS, logins and rights, which several tests share.
func secureKafka(t *testing.T) *broker.Cluster {
	t.Helper()
	realKafka(t) // the end of a short run
	shared.securing.Lock()
	defer shared.securing.Unlock()
	if shared.secure != nil {
		return shared.secure
	}
	c, err := broker.Start(t.Context(), shared.lib, filepath.Join(shared.dir, "secure"), broker.Options{Nodes: 1, Secure: true, Heap: 384})
	if err != nil {
		t.Fatal(err)
	}
	shared.secure = c
	makeTopic(t, opened(t), shopTopic, 2, 1, nil)
	passwords(t, kadm.ScramSha256, map[string]string{"scram-256": "password-256"})
	passwords(t, kadm.ScramSha512, map[string]string{"scram-512": "password-512"})
	return c
}

// opened is a client that may do everything in the secure cluster.
func opened(t *testing.T) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(shared.secure.Brokers()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// passwords makes users of a SCRAM mechanism, or gives them another password.
func passwords(t *testing.T, mechanism kadm.ScramMechanism, users map[string]string) {
	t.Helper()
	var up []kadm.UpsertSCRAM
	for user, password := range users {
		up = append(up, kadm.UpsertSCRAM{User: user, Mechanism: mechanism, Iterations: 4096, Password: password})
	}
	got, err := kadm.NewClient(opened(t)).AlterUserSCRAMs(t.Context(), nil, up)
	if err == nil {
		err = got.Error()
	}
	if err != nil {
		t.Fatalf("passwords of %v: %v", users, err)
	}
}

// shop is a daemon with the rules in shop/, its vendor, and what both did.
type shop struct {
	*fleet.Daemon
	t       *testing.T
	prefix  string // also its instance's name
	client  *kgo.Client
	sandbox *fleet.Sandbox
}

// shopApp is the account of all shops.
var shopApp = fleet.App{Key: "key-of-shop", Secret: "secret-of-shop"}

// openShop starts a vendor, and a daemon that comes to the secure cluster as the settings say.
func openShop(t *testing.T, prefix string, brokers []string, kafka string) *shop {
	t.Helper()
	dir := workDir(t)
	return openShopAt(t, sandbox(t, dir, shopApp), dir, prefix, brokers, kafka)
}

func openShopAt(t *testing.T, vendor *fleet.Sandbox, dir, prefix string, brokers []string, kafka string) *shop {
	t.Helper()
	s := &shop{t: t, prefix: prefix, client: opened(t), sandbox: vendor}
	rules, err := filepath.Abs("shop")
	if err != nil {
		t.Fatal(err)
	}
	s.Daemon, err = fleet.NewDaemon(shared.notifier, dir, prefix, fleet.Settings{Brokers: brokers, Kafka: kafka, Prefix: prefix, Partitions: 1, Replication: 1,
		Rules: rules, Hosts: []string{s.sandbox.Primary}, Accounts: []fleet.Account{{Name: "main", App: shopApp, Foreign: "drop"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Log(s.Tail())
		}
	})
	return s
}

func (s *shop) ready() {
	s.t.Helper()
	if err := s.Ready(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// until waits for something that must come.
func (s *shop) until(what string, ok func() bool) {
	s.t.Helper()
	limit := time.After(patience)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-s.Done():
			s.t.Fatalf("the daemon ended before: %s", what)
		case <-limit:
			s.t.Fatalf("waited in vain for: %s", what)
		case <-tick.C:
		}
	}
}

// order is an event that makes a push, and profile one that makes a tag.
func (s *shop) order(id string) {
	s.t.Helper()
	s.event(map[string]any{"type": "order.paid", "id": id, "at": time.Now().UnixMilli(), "user": "u-" + id, "amount": 812})
}

func (s *shop) profile(id, city string) {
	s.t.Helper()
	s.event(map[string]any{"type": "profile.changed", "id": id, "at": time.Now().UnixMilli(), "user": "u-" + id, "city": city})
}

func (s *shop) event(v map[string]any) {
	s.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.client.ProduceSync(s.t.Context(), &kgo.Record{Topic: shopTopic, Key: fmt.Append(nil, v["user"]), Value: b}).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

// sent says whether the event's fate is SENT, on record.
func (s *shop) sent(id string) bool {
	s.t.Helper()
	topics, err := readAll(s.t.Context(), shared.secure.Brokers(), s.prefix+".fates")
	if err != nil {
		s.t.Fatal(err)
	}
	return slices.ContainsFunc(topics[s.prefix+".fates"], func(r audit.Record) bool {
		var f struct {
			Fate  string
			Event struct{ ID string }
		}
		return json.Unmarshal(r.Value, &f) == nil && f.Fate == "SENT" && f.Event.ID == id
	})
}

// tagged says whether the vendor knows the user's tag.
func (s *shop) tagged(id, city string) bool {
	s.t.Helper()
	tags, err := s.sandbox.Tags(s.t.Context(), shopApp)
	if err != nil {
		s.t.Fatal(err)
	}
	return slices.Equal(tags["u-"+id], []string{"city_" + city})
}

// tlsOf trusts an authority.
func tlsOf(ca string) string { return fmt.Sprintf("tls: {ca: %q}\n", ca) }

func saslOf(mechanism, user, password string) string {
	return fmt.Sprintf("sasl: {mechanism: %s, user: %s, password: %q}\n", mechanism, user, password)
}

// secretFile is a file of a password, as settings refer to it.
func secretFile(t *testing.T, password string) (file, reference string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "password")
	write(t, file, password)
	return file, "${file:" + file + "}"
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// With TLS and each way to log in, and with a certificate of the daemon's own, an event becomes a push and a tag.
func TestTLSAndLogins(t *testing.T) {
	t.Parallel()
	c := secureKafka(t)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key")
	if err := c.Secure.Authority.Write("client", cert, key); err != nil {
		t.Fatal(err)
	}
	login := func(mechanism, user, password string) string {
		_, ref := secretFile(t, password)
		return tlsOf(c.Secure.CA) + saslOf(mechanism, user, ref)
	}
	for _, way := range []struct {
		name    string
		brokers []string
		kafka   string
	}{
		{"plain", c.Secure.SASL, login("PLAIN", "plain", broker.Plain["plain"])},
		{"scram-256", c.Secure.SASL, login("SCRAM-SHA-256", "scram-256", "password-256")},
		{"scram-512", c.Secure.SASL, login("SCRAM-SHA-512", "scram-512", "password-512")},
		{"certificate", c.Secure.Mutual, fmt.Sprintf("tls: {ca: %q, cert: %q, key: %q}\n", c.Secure.CA, cert, key)},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, "tls-"+way.name, way.brokers, way.kafka)
			s.ready()
			s.order(s.prefix)
			s.profile(s.prefix, "bj")
			s.until("the fate of the order", func() bool { return s.sent(s.prefix) })
			s.until("the tag", func() bool { return s.tagged(s.prefix, "bj") })
			if out, code := runNotifier(t, s.Daemon, nil, "doctor"); strings.Contains(out, "not encrypted") || !strings.Contains(out, "brokers that answer: 1") {
				t.Errorf("notifier doctor, exit code %d:\n%s", code, out)
			}
			if code := s.Stop(time.Minute); code != 0 {
				t.Errorf("exit code %d after SIGTERM, want 0", code)
			}
		})
	}
}

// Who cannot come in at the start is told at what door and what to look at, with the exit code of an unreachable Kafka.
func TestRefusedAtTheDoor(t *testing.T) {
	t.Parallel()
	c := secureKafka(t)
	dir := t.TempDir()
	other, err := certs.NewAuthority("somebody-else")
	if err != nil {
		t.Fatal(err)
	}
	otherCA := filepath.Join(dir, "other.pem")
	if err := os.WriteFile(otherCA, other.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key := filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key")
	if err := other.Write("client", cert, key); err != nil {
		t.Fatal(err)
	}
	renamed := []string{strings.Replace(c.Secure.SASL[0], "127.0.0.1", "localhost", 1)} // the certificate has the address only
	_, right := secretFile(t, "password-512")
	_, wrong := secretFile(t, "password-of-another")
	for name, tc := range map[string]struct {
		brokers []string
		kafka   string
		want    []string // in one line of the log
	}{
		"wrong-authority":        {c.Secure.SASL, tlsOf(otherCA) + saslOf("SCRAM-SHA-512", "scram-512", right), []string{"unknown authority", "kafka.tls.ca"}},
		"authority-of-nobody":    {c.Secure.SASL, "tls: {}\n" + saslOf("SCRAM-SHA-512", "scram-512", right), []string{"unknown authority", "kafka.tls.ca", "the system"}},
		"another-name":           {renamed, tlsOf(c.Secure.CA) + saslOf("SCRAM-SHA-512", "scram-512", right), []string{"certificate", "advertised.listeners"}},
		"no-tls":                 {c.Secure.SASL, saslOf("SCRAM-SHA-512", "scram-512", right), []string{"kafka.tls"}},
		"no-login":               {c.Secure.SASL, tlsOf(c.Secure.CA), []string{"kafka.sasl"}},
		"wrong-password":         {c.Secure.SASL, tlsOf(c.Secure.CA) + saslOf("SCRAM-SHA-512", "scram-512", wrong), []string{"SASL_AUTHENTICATION_FAILED", "kafka.sasl", "scram-512"}},
		"wrong-mechanism":        {c.Secure.SASL, tlsOf(c.Secure.CA) + saslOf("PLAIN", "scram-512", right), []string{"SASL_AUTHENTICATION_FAILED", "kafka.sasl", "PLAIN"}},
		"no-certificate":         {c.Secure.Mutual, tlsOf(c.Secure.CA), []string{"certificate", "kafka.tls.cert"}},
		"certificate-of-another": {c.Secure.Mutual, fmt.Sprintf("tls: {ca: %q, cert: %q, key: %q}\n", c.Secure.CA, cert, key), []string{"certificate", "kafka.tls.cert"}},
		"tls-at-the-open-port":   {c.Brokers(), tlsOf(c.Secure.CA), []string{"kafka.tls"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, "door-"+name, tc.brokers, tc.kafka)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			code, err := s.Wait(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if code != 4 {
				t.Errorf("exit code %d, want 4", code)
			}
			if !oneLine(s.Output(), append(tc.want, "cannot reach Kafka at "+tc.brokers[0])) {
				t.Errorf("no line names all of %q", tc.want)
			}
		})
	}
}

// The brokers' password changes while the daemon runs, and its file later: between the two it is not ready, says why and lives; after
// that it goes on by itself; how soon is logged.
func TestThePasswordIsRotatedWhileItRuns(t *testing.T) {
	t.Parallel()
	c := secureKafka(t)
	passwords(t, kadm.ScramSha256, map[string]string{"rotated": "password-old"})
	file, ref := secretFile(t, "password-old")
	s := openShop(t, "rotate", c.Secure.SASL, tlsOf(c.Secure.CA)+saslOf("SCRAM-SHA-256", "rotated", ref))
	s.ready()
	s.order("rotate-1")
	s.until("the first fate", func() bool { return s.sent("rotate-1") })
	passwords(t, kadm.ScramSha256, map[string]string{"rotated": "password-new"})
	code, body := 0, ""
	s.until("/readyz that says why", func() bool {
		code, body, _ = s.Get(t.Context(), "/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "SASL_AUTHENTICATION_FAILED")
	})
	t.Logf("%d %s", code, body)
	s.order("rotate-2")
	if code, body, err := s.Get(t.Context(), "/livez"); err != nil || code != http.StatusOK {
		t.Errorf("/livez: %d %s %v", code, body, err)
	}
	write(t, file, "password-new")
	changed := time.Now()
	s.until("/readyz", func() bool { code, _, _ = s.Get(t.Context(), "/readyz"); return code == http.StatusOK })
	s.until("the second fate", func() bool { return s.sent("rotate-2") })
	t.Logf("the second fate came %s after the file's change", time.Since(changed))
	if code := s.Stop(time.Minute); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}
