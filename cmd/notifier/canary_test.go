package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/test/otlp"
	"github.com/notifier/notifier/test/schema"
)

// Canaries: no text that the product makes by itself holds them.
const (
	canarySecret   = "canary-vendor-secret-5f1c"
	canaryToken    = "canary-admin-token-77ab"
	canaryPassword = "canary-kafka-password-90de"
	canaryTracing  = "canary-tracing-header-31aa"
	canaryUser     = "canary-user"
	canaryPhone    = "13800138000"
	canaryText     = "canary-words"
)

// Secrets and what people are and do, through every path at debug level: what goes well, what a vendor refuses, what it repeats in its
// refusal, what stays unclear, what is no JSON, what a rule cannot make, what waits. Secrets are nowhere. Users, phone numbers and texts are
// only where an operator asks for them (fates, pending, explain, user, dead show).
func TestCanariesAreNowhere(t *testing.T) {
	t.Parallel()
	kc, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("PLAIN", "svc", canaryPassword), kfake.SeedTopics(2, "orders", "profiles"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kc.Close)
	sbx, err := sandbox.Start(t.Context(), sandbox.Options{Apps: []sandbox.App{{Vendor: "rongcloud", Key: "canary-app", Secret: canarySecret}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sbx.Close() })
	schema.Hold(t, sbx)
	w := &world{t: t, dir: t.TempDir(), sbx: sbx}
	w.write("rules/events.yaml", testCatalogue+"  note.made: {topic: orders, match: {kind: note}, id: id, time: at, user: user, fields: {text: text, phone: phone}}\n")
	w.write("rules/rules.yaml", testRules+`  - name: note
    event: note.made
    mode: live
    class: service
    when: always
    push: {title: "${text}", body: "call ${phone}"}
    limits: {expire: 1h}
`)
	for name, text := range map[string]string{"secret": canarySecret, "token": canaryToken, "password": canaryPassword, "tracing": canaryTracing} {
		w.write(name, text+"\n")
	}
	spans := new(otlp.Collector)
	collector := httptest.NewServer(spans)
	t.Cleanup(collector.Close)
	port := freePort(t)
	w.write("notifier.yaml", fmt.Sprintf(`version: 1
kafka: {brokers: [%q], replication: 1, start: earliest, instance: one, partitions: 2, sasl: {mechanism: PLAIN, user: svc, password: "${file:password}"}}
rules: rules/
log: {level: debug}
tracing: {endpoint: %q, authorization: "${file:tracing}"}
admin: {listen: "127.0.0.1:%d", token: "${file:token}"}
accounts:
  main: {vendor: rongcloud, hosts: [%q, %q], app_key: canary-app, secret: "${file:secret}", tags: {delay: 100ms}}
`, kc.ListenAddrs()[0], collector.URL, port, sbx.Ready().Primary, sbx.Ready().Backup))
	p := w.run()
	w.kafka = []kgo.Opt{kgo.SASL(plain.Auth{User: "svc", Pass: canaryPassword}.AsMechanism())}
	w.addr = kc.ListenAddrs()[0]
	note := func(id, user string) {
		t.Helper()
		w.produce("orders", fmt.Sprintf(`{"kind":"note","id":%q,"at":%q,"user":%q,"text":"%s","phone":"%s"}`, id, time.Now().Format(time.RFC3339), user, canaryText, canaryPhone))
	}
	fault := func(f sandbox.Fault) {
		t.Helper()
		if f.Vendor, f.Host = "rongcloud", "*"; f.Path == "" {
			f.Path = "/push/user.json"
		}
		if err := sbx.Arm(f); err != nil {
			t.Fatal(err)
		}
	}
	fates := func(id, fate string) {
		t.Helper()
		until(t, id+" "+fate, func() bool {
			_, out, _ := once(t, w.dir, "fates", id)
			return strings.Contains(out, fate)
		})
	}
	note("ok", canaryUser+"-1")
	fates("ok", "SENT")
	w.produce("profiles", fmt.Sprintf(`{"id":"p-1","at":%q,"user":"%s-1","city":"%s","level":"vip"}`, time.Now().Format(time.RFC3339), canaryUser, canaryText))
	fates("p-1", "SENT")
	// A vendor that says back what it was sent: the user, the text, and even the secret.
	fault(sandbox.Fault{Kind: "answer", HTTP: 400, Body: fmt.Sprintf(`{"code":1003,"errorMessage":"toUserIds %s-2 with %s %s: %s"}`, canaryUser, canaryText, canaryPhone, canarySecret)})
	note("refused", canaryUser+"-2")
	fates("refused", "DEAD")
	fault(sandbox.Fault{Kind: "reset_after"})
	note("unclear", canaryUser+"-3")
	until(t, "an unclear call", func() bool {
		_, out, _ := once(t, w.dir, "attempts", "--unknown")
		return strings.Contains(out, "unknown")
	})
	note("bad-user", canaryUser+"\\n 13800138000 "+strings.Repeat("x", 80))
	fates("bad-user", "DEAD")
	w.produce("orders", fmt.Sprintf(`{"kind":"note","id":"broken","user":"%s-4","phone":"%s`, canaryUser, canaryPhone))
	w.produce("orders", fmt.Sprintf(`{"kind":"note","id":"timeless","at":"%s","user":"%s-4"}`, canaryText+" "+canaryPhone, canaryUser))
	until(t, "two dead letters", func() bool {
		_, out, _ := once(t, w.dir, "dead", "ls")
		return strings.Count(out, "orders") >= 2
	})
	if code, _, talk := once(t, w.dir, "pause", "rule/note", "--why", "test", "--yes"); code != 0 {
		t.Fatal(talk)
	}
	note("held", canaryUser+"-5")
	until(t, "a pending intent", func() bool {
		_, out, _ := once(t, w.dir, "status")
		return strings.Contains(out, "1 pending")
	})
	w.write("rules/rules.yaml", "rules: ["+canaryText) // a reload that fails
	p.says("the last good set stays")

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	said := map[string]bool{}
	if err := spans.Wait(ctx, func(got []otlp.Span) bool {
		for _, s := range got {
			said[s.Name+" "+s.Failed] = true
		}
		for _, want := range []string{"call /push/user.json ", "call /push/user.json permanent", "call /push/user.json unknown", "wait note bad-field", "evaluate order.paid bad-field", "call /user/tag/set.json "} {
			if !said[want] {
				return false
			}
		}
		return true
	}); err != nil {
		_, problems := spans.Spans()
		t.Fatalf("not all spans came: %v %v, %v", err, problems, said)
	}
	seen := map[string]string{"log": p.said()}
	bodies, headers := spans.Requests()
	for i, b := range bodies {
		seen["spans"] += string(b) + "\n"
		if headers[i].Get("Authorization") != canaryTracing {
			t.Errorf("a request of spans with the authorization %q", headers[i].Get("Authorization"))
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics", "/status"} {
		for _, token := range []string{"", canaryToken} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), nil)
			if err != nil {
				t.Fatal(err)
			}
			if token != "" {
				req.Header.Set("Authorization", "Bearer "+token)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			seen[path+token] = string(b)
		}
	}
	for _, args := range [][]string{{"status"}, {"status", "--format", "json"}, {"status", "--why"}, {"quota"}, {"quota", "--format", "json"}, {"config", "show"}, {"config", "check"}, {"version"}, {"doctor"}, {"doctor", "--format", "json"},
		{"dead", "ls"}, {"doctor", "--bundle", "b.tar.gz"}, {"approvals", "list"}} {
		_, out, talk := once(t, w.dir, args...)
		seen[strings.Join(args, " ")] = out + talk
	}
	seen["bundle"] = gunzip(t, filepath.Join(w.dir, "b.tar.gz"))
	for what, text := range seen {
		for _, c := range []string{canarySecret, canaryToken, canaryPassword, canaryTracing, canaryUser, canaryPhone, canaryText} {
			for line := range strings.Lines(text) {
				if strings.Contains(line, c) {
					t.Errorf("%s holds %s: %s", what, c, line)
				}
			}
		}
	}
	// Where people are meant to be seen there is still no secret.
	for _, args := range [][]string{{"attempts"}, {"attempts", "--unknown"}, {"fates"}, {"fates", "--format", "json"}, {"attempts", "--format", "json"}, {"pending", "list", "--format", "json"}, {"user", "show", canaryUser + "-1"}, {"dead", "show", "0@0", "--payload"}, {"explain", "refused"}} {
		_, out, talk := once(t, w.dir, args...)
		for _, c := range []string{canarySecret, canaryToken, canaryPassword, canaryTracing} {
			if strings.Contains(out+talk, c) {
				t.Errorf("%v holds %s", args, c)
			}
		}
	}
	for line := range strings.Lines(p.said()) { // S-29: one JSON object a line, with its offset from UTC, no control characters
		if !regexp.MustCompile(`^\{.*"at":"[0-9-]+T[0-9:.]+(Z|[+-][0-9:]+)".*\}\n$`).MatchString(line) || strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return r < ' ' }) {
			t.Errorf("a line of the log is not as it must be: %q", line)
		}
	}
	_ = os.Remove(filepath.Join(w.dir, "b.tar.gz"))
}
