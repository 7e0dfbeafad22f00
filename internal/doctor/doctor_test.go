package doctor

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/test/schema"
)

const (
	catalogue = `version: 1
events:
  order.paid: {topic: orders, id: id, time: at, user: user, fields: {amount: {path: amount, type: number}}}
`
	ruleFile = `version: 1
rules:
  - name: thanks
    event: order.paid
    mode: live
    class: service
    when: amount > 100
    push: {title: "Thanks", body: "paid ${amount}"}
    limits: {expire: 1h}
    tests:
      - {name: small, event: {amount: 1}, expect: no match}
`
	password = "kafka-password-9f31"
)

// rig is a cluster with logins and rights, a sandbox for the vendor, and settings that fit.
type rig struct {
	t      *testing.T
	dir    string
	vendor string
	addrs  []string
	kc     *kfake.Cluster
	admin  *kadm.Client
	now    func() time.Time
}

// exactly are the rights that the daemon and its commands need, and no others.
func exactly() (out []kfake.ACL) {
	add := func(kind kmsg.ACLResourceType, name string, pattern kmsg.ACLResourcePatternType, ops ...kmsg.ACLOperation) {
		for _, op := range ops {
			out = append(out, kfake.ACL{Resource: kind, Name: name, Pattern: pattern, Operation: op, Allow: true})
		}
	}
	const literal, prefixed = kmsg.ACLResourcePatternTypeLiteral, kmsg.ACLResourcePatternTypePrefixed
	t := ledger.TopicsOf("n")
	add(kmsg.ACLResourceTypeTopic, "orders", literal, kadm.OpRead)
	for _, topic := range []string{t.Intents, t.Ledger, t.Control} {
		add(kmsg.ACLResourceTypeTopic, topic, literal, kadm.OpRead, kadm.OpWrite, kadm.OpDescribeConfigs)
	}
	add(kmsg.ACLResourceTypeTopic, t.Intents, literal, kadm.OpDelete)
	for _, topic := range []string{t.Fates, t.Dead} {
		add(kmsg.ACLResourceTypeTopic, topic, literal, kadm.OpRead, kadm.OpWrite, kadm.OpDescribeConfigs)
	}
	add(kmsg.ACLResourceTypeGroup, "n-evaluate", literal, kadm.OpRead)
	add(kmsg.ACLResourceTypeGroup, "n-dispatch", literal, kadm.OpRead)
	add(kmsg.ACLResourceTypeTransactionalId, "n-", prefixed, kadm.OpWrite)
	return out
}

func newRig(t *testing.T, acls []kfake.ACL, more ...kfake.Opt) *rig {
	t.Helper()
	sbx, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sbx.Close() })
	schema.Hold(t, sbx)
	kc, err := kfake.NewCluster(append(more, kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "admin", "admin"), kfake.User("PLAIN", "svc", password, acls...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kc.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(kc.ListenAddrs()...), kgo.SASL(plain.Auth{User: "admin", Pass: "admin"}.AsMechanism()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	r := &rig{t: t, dir: t.TempDir(), vendor: sbx.Ready().Primary, addrs: kc.ListenAddrs(), kc: kc, admin: kadm.NewClient(cl), now: time.Now}
	for _, topic := range app.OwnTopics(ledger.TopicsOf("n"), 2, 1) {
		configs := map[string]*string{}
		for k, v := range topic.Make {
			configs[k] = kadm.StringPtr(v)
		}
		if _, err := r.admin.CreateTopic(t.Context(), int32(topic.Partitions), 1, configs, topic.Name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.admin.CreateTopic(t.Context(), 2, 1, nil, "orders"); err != nil {
		t.Fatal(err)
	}
	r.write("rules/events.yaml", catalogue)
	r.write("rules/rules.yaml", ruleFile)
	r.write("password", password)
	r.write("secret", sandbox.DefaultSecret)
	r.settings("")
	return r
}

// settings writes the file; more is what else stands under kafka.
func (r *rig) settings(more string) {
	r.t.Helper()
	r.write("notifier.yaml", fmt.Sprintf(`version: 1
kafka: {brokers: [%s], prefix: n, partitions: 2, replication: 1, start: latest, instance: one, sasl: {mechanism: PLAIN, user: svc, password: "${file:password}"}%s}
rules: rules/
accounts:
  main: {vendor: rongcloud, hosts: [%q], app_key: %s, secret: "${file:secret}"}
`, strings.Join(r.addrs, ", "), more, r.vendor, sandbox.DefaultKey))
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// run looks, and holds what is promised of every finding: it has both languages, and unless all is well a command.
func (r *rig) run() *Report {
	r.t.Helper()
	rep, _ := Run(r.t.Context(), Options{Path: filepath.Join(r.dir, "notifier.yaml"), Now: r.now, Zone: r.t.TempDir(), Version: "test"})
	for _, f := range rep.Findings {
		if f.What.EN == "" || f.What.ZH == "" || (f.How.EN == "") != (f.How.ZH == "") {
			r.t.Errorf("a finding without its words: %+v", f)
		}
		if (f.State == OK) != (f.Next == "") {
			r.t.Errorf("a finding that is %s with the command %q", f.State, f.Next)
		}
	}
	return rep
}

// only gives the findings that are not well.
func only(rep *Report) (out []string) {
	for _, f := range rep.Findings {
		if f.State == Error || f.State == Warning {
			out = append(out, fmt.Sprintf("%s %s %s: %s | %s", f.State, f.Check, f.On, f.What.EN, f.Next))
		}
	}
	return out
}

func TestExactlyTheRightsThatAreListedAreEnough(t *testing.T) {
	t.Parallel()
	r := newRig(t, exactly())
	rep := r.run()
	if bad := only(rep); len(bad) > 0 || rep.Exit() != 0 {
		t.Errorf("exit %d:\n%s", rep.Exit(), strings.Join(bad, "\n"))
	}
	seen := map[string]bool{}
	for _, f := range rep.Findings {
		seen[f.Check] = true
	}
	for _, c := range Checks {
		if !seen[c] {
			t.Errorf("nothing was said of %s", c)
		}
	}
}

// Each right that is taken away is missed by name, with the command that gives it.
func TestEachMissingRightIsNamed(t *testing.T) {
	t.Parallel()
	all := exactly()
	for i, gone := range all {
		t.Run(fmt.Sprintf("%v %s", gone.Operation, gone.Name), func(t *testing.T) {
			t.Parallel()
			var left []kfake.ACL
			left = append(left, all[:i]...)
			left = append(left, all[i+1:]...)
			rep := newRig(t, left).run()
			bad := strings.Join(only(rep), "\n")
			want := "--operation " + camel(gone.Operation) + " --topic " + gone.Name
			switch gone.Resource {
			case kmsg.ACLResourceTypeGroup:
				want = "--operation Read --group " + gone.Name
			case kmsg.ACLResourceTypeTransactionalId:
				want = "--operation Write --transactional-id n- --resource-pattern-type prefixed"
			}
			if !strings.Contains(bad, "--add --allow-principal User:svc "+want) {
				t.Errorf("want %q in\n%s", want, bad)
			}
			comfort := gone.Operation == kadm.OpDescribeConfigs || gone.Operation == kadm.OpDelete || gone.Operation == kadm.OpRead && (gone.Name == "n.fates" || gone.Name == "n.dead")
			if code := rep.Exit(); (code == exitFindings) == comfort {
				t.Errorf("exit %d:\n%s", code, bad)
			}
		})
	}
}

func TestWrongTopicsAreNamedWithTheCommandThatMendsThem(t *testing.T) {
	t.Parallel()
	r := newRig(t, exactly())
	ctx := t.Context()
	for topic, kv := range map[string][2]string{"n.control": {"cleanup.policy", "delete"}, "n.intents": {"retention.ms", "1000"}, "n.ledger": {"max.message.bytes", "1000"}} {
		if _, err := r.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: kv[0], Value: &kv[1]}}, topic); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.admin.DeleteTopics(ctx, "n.fates"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.admin.CreatePartitions(ctx, 1, "n.ledger"); err != nil {
		t.Fatal(err)
	}
	rep := r.run()
	bad := strings.Join(only(rep), "\n")
	for _, want := range []string{
		"--entity-name n.control --add-config cleanup.policy=compact",
		"--entity-name n.intents --add-config retention.ms=-1",
		"--entity-name n.ledger --add-config max.message.bytes=1048588",
		"error topics n: n.intents has 2 partitions and n.ledger has 3: partitions were added to one of them | notifier status --partitions",
		"warning topics n.fates: is not there yet",
		"kafka-topics.sh --bootstrap-server " + r.addrs[0] + " --command-config admin.properties --create --topic n.fates --partitions 2 --replication-factor 1 --config cleanup.policy=delete --config retention.ms=2592000000",
	} {
		if !strings.Contains(bad, want) {
			t.Errorf("want %q in\n%s", want, bad)
		}
	}
	if rep.Exit() != exitFindings {
		t.Errorf("exit %d, want 1", rep.Exit())
	}
}

func TestHowFarTheWayToKafkaGoes(t *testing.T) {
	t.Parallel()
	t.Run("a closed port", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, exactly())
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := ln.Addr().(*net.TCPAddr).Port
		_ = ln.Close()
		r.addrs = []string{fmt.Sprintf("127.0.0.1:%d", port)}
		r.settings("")
		rep := r.run()
		if bad := strings.Join(only(rep), "\n"); rep.Exit() != exitUnreachable || !strings.Contains(bad, fmt.Sprintf("cannot be reached: dial tcp 127.0.0.1:%d", port)) || !strings.Contains(bad, fmt.Sprintf("nc -vz 127.0.0.1 %d", port)) {
			t.Errorf("exit %d:\n%s", rep.Exit(), bad)
		}
	})
	t.Run("a wrong password", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, exactly())
		r.kc.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) { // as Kafka says it; kfake hangs up
			r.kc.KeepControl()
			resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
			resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
			return resp, nil, true
		})
		rep := r.run()
		if bad := strings.Join(only(rep), "\n"); rep.Exit() != exitSettings || !strings.Contains(bad, "the brokers refuse the login") || strings.Contains(bad, password) {
			t.Errorf("exit %d:\n%s", rep.Exit(), bad)
		}
	})
	t.Run("TLS where none is spoken", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, exactly())
		r.settings(", tls: {}")
		rep := r.run()
		if bad := strings.Join(only(rep), "\n"); rep.Exit() != exitUnreachable || !strings.Contains(bad, "openssl s_client -connect "+r.addrs[0]) {
			t.Errorf("exit %d:\n%s", rep.Exit(), bad)
		}
	})
}

func TestClocksAreCompared(t *testing.T) {
	t.Parallel()
	r := newRig(t, exactly())
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.addrs...), kgo.SASL(plain.Auth{User: "admin", Pass: "admin"}.AsMechanism()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "n.ledger", Key: []byte("l/x/y"), Value: []byte("{}")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		off  time.Duration
		code int
		says []string
	}{
		{0, 0, nil},
		{-10 * time.Second, 1, []string{"error clock n.ledger: this machine's clock is at least", "warning clock main: this machine's clock is at least 9s behind the vendor's"}},
		{20 * time.Second, 0, []string{"warning clock main: this machine's clock is at least 19s ahead of the vendor's"}},
		{time.Hour, 1, []string{"error clock main"}},
		{-time.Hour, 1, []string{"error clock main", "error clock n.ledger"}},
	} {
		r.now = func() time.Time { return time.Now().Add(c.off) }
		rep := r.run()
		bad := strings.Join(only(rep), "\n")
		if rep.Exit() != c.code || len(only(rep)) != len(c.says) {
			t.Errorf("%s off: exit %d, want %d with %d findings:\n%s", c.off, rep.Exit(), c.code, len(c.says), bad)
		}
		for _, want := range c.says {
			// A second may pass between two looks of one run.
			if !strings.Contains(bad, want) && !strings.Contains(bad, strings.NewReplacer("19s", "20s", "9s", "10s").Replace(want)) && !strings.Contains(bad, strings.NewReplacer("19s", "18s", "9s", "8s").Replace(want)) {
				t.Errorf("%s off: want %q in\n%s", c.off, want, bad)
			}
		}
	}
}

func TestCredentialsAreTried(t *testing.T) {
	t.Parallel()
	r := newRig(t, exactly())
	r.write("secret", "not-the-secret-77")
	rep := r.run()
	if bad := strings.Join(only(rep), "\n"); rep.Exit() != exitSettings || !strings.Contains(bad, "error credentials main: the vendor refuses them") || strings.Contains(bad, "not-the-secret-77") {
		t.Errorf("exit %d:\n%s", rep.Exit(), bad)
	}
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	t.Cleanup(silent.Close)
	r.vendor = silent.URL
	r.settings("")
	if rep := r.run(); rep.Exit() != exitUnreachable {
		t.Errorf("a gateway's answer: exit %d:\n%s", rep.Exit(), strings.Join(only(rep), "\n"))
	}
}

// A signature holds the time: while the clock is wrong, its refusal says nothing of the secret. Other refusals do.
func TestAWrongClockIsNoWrongSecret(t *testing.T) {
	t.Parallel()
	r := newRig(t, exactly())
	for _, c := range []struct {
		vendor, body string
		status       int
		off          time.Duration
		says         string
		code         int
	}{
		{"rongcloud", `{"code":1004,"errorMessage":"sign"}`, 401, -10 * time.Minute, "unknown credentials main: the vendor refuses the signature", exitFindings},
		{"rongcloud", `{"code":1004,"errorMessage":"sign"}`, 401, 10 * time.Minute, "unknown credentials main: the vendor refuses the signature", exitFindings},
		{"rongcloud", `{"code":1004,"errorMessage":"sign"}`, 401, 0, "error credentials main: the vendor refuses them", exitSettings},
		{"rongcloud", `{"code":1001,"errorMessage":"x"}`, 401, 10 * time.Minute, "error credentials main: the vendor refuses them", exitSettings},
		{"getui", `{"code":20001,"msg":"sign is invalid"}`, 400, 10 * time.Minute, "unknown credentials main: the vendor refuses the signature", exitFindings},
		{"getui", `{"code":20001,"msg":"sign is invalid"}`, 400, 0, "error credentials main: the vendor refuses them", exitSettings},
		{"getui", `{"code":10002,"msg":"x"}`, 401, 10 * time.Minute, "error credentials main: the vendor refuses them", exitSettings},
	} {
		vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(c.off).UTC().Format(http.TimeFormat))
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		r.vendor = vendor.URL
		if r.settings(""); c.vendor == "getui" {
			b, err := os.ReadFile(filepath.Join(r.dir, "notifier.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			r.write("notifier.yaml", strings.NewReplacer("vendor: rongcloud", "vendor: getui, app_id: a, identify: alias", "hosts: ["+strconv.Quote(vendor.URL)+"]", "host: "+strconv.Quote(vendor.URL), "secret: ", "master_secret: ").Replace(string(b)))
		}
		rep := r.run()
		vendor.Close()
		bad := strings.Join(only(rep), "\n")
		for _, f := range rep.Findings {
			if f.State == Unknown {
				bad += "\n" + string(f.State) + " " + f.Check + " " + f.On + ": " + f.What.EN
			}
		}
		if rep.Exit() != c.code || !strings.Contains(bad, c.says) || strings.Contains(bad, "error clock main") != (c.off != 0) {
			t.Errorf("%s %s with a clock %s off: exit %d\n%s", c.vendor, c.body, c.off, rep.Exit(), bad)
		}
	}
}

func TestZonesOfAnOldSystem(t *testing.T) {
	t.Parallel()
	r := newRig(t, exactly())
	zones := t.TempDir()
	if err := os.WriteFile(filepath.Join(zones, "tzdata.zi"), []byte("# version 2019c\nR ..."), 0o600); err != nil {
		t.Fatal(err)
	}
	rep, _ := Run(t.Context(), Options{Path: filepath.Join(r.dir, "notifier.yaml"), Now: time.Now, Zone: zones})
	if bad := strings.Join(only(rep), "\n"); !strings.Contains(bad, "the system's zone data is of 2019c | apt-get install --only-upgrade tzdata") {
		t.Errorf("got\n%s", bad)
	}
}

func TestRuleFilesAndSettingsWithMistakes(t *testing.T) {
	t.Parallel()
	r := newRig(t, exactly())
	r.write("rules/rules.yaml", strings.Replace(ruleFile, "amount > 100", "amuont > 100", 1))
	rep := r.run()
	if bad := strings.Join(only(rep), "\n"); rep.Exit() != exitFindings || !strings.Contains(bad, "rules.yaml:7:11 N202") || !strings.Contains(bad, "notifier check ") {
		t.Errorf("exit %d:\n%s", rep.Exit(), bad)
	}
	r.write("notifier.yaml", "version: 1\nkafak: {}\n")
	rep = r.run()
	if bad := strings.Join(only(rep), "\n"); rep.Exit() != exitSettings || !strings.Contains(bad, "notifier.yaml:2:1 N101") || !strings.Contains(bad, "notifier config check -c ") {
		t.Errorf("exit %d:\n%s", rep.Exit(), bad)
	}
}

// The shape that scripts read.
func TestJSON(t *testing.T) {
	t.Parallel()
	r := &Report{Schema: "notifier.doctor/v1", At: time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC), Version: "v1", Errors: 1, Findings: []Finding{
		{Check: "zones", State: OK, What: text("2 zones", "2 个时区")},
		{Check: "kafka", State: Error, On: "k1:9092", What: text("down", "停了"), How: text("start it", "请启动"), Next: "nc -vz k1 9092", exit: 4}}}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"schema":"notifier.doctor/v1","at":"2026-11-21T01:02:03Z","version":"v1","errors":1,"warnings":0,"findings":[{"check":"zones","state":"ok","what":{"en":"2 zones","zh":"2 个时区"}},` +
		`{"check":"kafka","state":"error","on":"k1:9092","what":{"en":"down","zh":"停了"},"how":{"en":"start it","zh":"请启动"},"next":"nc -vz k1 9092"}]}`
	if string(b) != want {
		t.Errorf("got\n%s\nwant\n%s", b, want)
	}
	var zh bytes.Buffer
	if err := r.WriteText(&zh, diag.ZH); err != nil {
		t.Fatal(err)
	}
	if want := "✓ zones       2 个时区\n✗ kafka       k1:9092: 停了\n    请启动\n    next: nc -vz k1 9092\n错误 1 个，警告 0 个\n"; zh.String() != want {
		t.Errorf("got\n%swant\n%s", zh.String(), want)
	}
}

// unpack gives the files of a bundle.
func unpack(t *testing.T, b []byte) map[string]string {
	t.Helper()
	zr, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = string(body)
	}
}

// Nothing secret and nobody's data is in a bundle, not even when Kafka or the vendor says a secret back.
func TestABundleHoldsNoSecret(t *testing.T) {
	t.Parallel()
	r := newRig(t, exactly())
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"code":1001,"errorMessage":"no such secret: canary-vendor-secret"}`)
	}))
	t.Cleanup(echo.Close)
	r.vendor = echo.URL
	r.settings("")
	r.write("secret", "canary-vendor-secret")
	r.write("rules/rules.yaml", strings.Replace(ruleFile, `"Thanks"`, `"canary-title 13800138000"`, 1))
	rep, s := Run(t.Context(), Options{Path: filepath.Join(r.dir, "notifier.yaml"), Now: time.Now, Zone: t.TempDir()})
	rep.Findings = append(rep.Findings, Finding{Check: "kafka", State: Error, What: text("the broker said "+password, "broker 说 "+password)}) // as a library might
	var b bytes.Buffer
	if err := WriteBundle(t.Context(), &b, rep, s); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, b.Bytes())
	for name, body := range files {
		for _, canary := range []string{"canary-vendor-secret", password, "canary-title", "13800138000"} {
			if strings.Contains(body, canary) {
				t.Errorf("%s holds %s:\n%s", name, canary, body)
			}
		}
	}
	for name, want := range map[string]string{"report.txt": "the vendor refuses", "report.json": "notifier.doctor/v1", "settings.txt": "accounts.main.secret\t***", "rules.txt": "rules.yaml\t", "topics.json": `"n.ledger"`,
		"status.json": `"partitions"`, "version.txt": "notifier "} {
		if !strings.Contains(files["notifier-doctor/"+name], want) {
			t.Errorf("%s lacks %q:\n%s", name, want, files["notifier-doctor/"+name])
		}
	}
}

// Of a vendor that does not answer the address is told as it is called: scheme and port of the settings. Who answers with a certificate that
// is not trusted, or without TLS, was reached.
func TestTheWayToAVendorIsToldAsItIsCalled(t *testing.T) {
	t.Parallel()
	secure, plain := httptest.NewTLSServer(nil), httptest.NewServer(nil)
	t.Cleanup(secure.Close)
	t.Cleanup(plain.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	r := newRig(t, exactly())
	for host, want := range map[string]string{
		gone.URL:   "open the way to " + strings.TrimPrefix(gone.URL, "http://"),
		secure.URL: "does not trust its certificate",
		strings.Replace(plain.URL, "http", "https", 1): "it speaks no TLS",
	} {
		r.vendor = host
		r.settings("")
		var found []string
		for _, f := range r.run().Findings {
			if f.Check == "credentials" {
				found = append(found, f.How.EN+" next: "+f.Next)
			}
		}
		if len(found) != 1 || !strings.Contains(found[0], want) || !strings.Contains(found[0], "curl -sv "+host+"/ -o") {
			t.Errorf("%s: %q, want %q", host, found, want)
		}
	}
}

// A ledger into which a newer release has written cannot be read by this one: the daemon takes no partition, and doctor says why.
func TestALedgerOfANewerReleaseIsTold(t *testing.T) {
	t.Parallel()
	r := newRig(t, exactly())
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.addrs...), kgo.SASL(plain.Auth{User: "admin", Pass: "admin"}.AsMechanism()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "n.ledger", Key: []byte("zz-new"), Value: []byte(`{"v":99}`)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if bad := strings.Join(only(r.run()), "\n"); !strings.Contains(bad, "error topics n.ledger: a newer release has written it") {
		t.Errorf("found: %s", bad)
	}
}
