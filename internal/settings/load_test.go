package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
)

const minimal = `version: 1
kafka: {brokers: ["k1:9092"]}
accounts:
  main:
    vendor: rongcloud
    data_center: beijing
    app_key: k
    secret: "${env:S}"
`

func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notifier.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t testing.TB, text string, env []string, flags map[string]string) *Settings {
	t.Helper()
	s, list := Load(write(t, text), append(env, "S=hush-hush"), flags)
	if s == nil {
		t.Fatalf("not loaded: %s", codes(list))
	}
	return s
}

// codes shows findings as line:column code message.
func codes(list diag.List) string {
	var b strings.Builder
	for _, d := range list {
		fmt.Fprintf(&b, "%d:%d %s %s\n", d.Line, d.Column, d.Code, d.Message.EN)
	}
	return b.String()
}

func TestTheReferenceFileIsTheDefaults(t *testing.T) {
	const path = "../../notifier.example.yaml"
	example, list := Load(path, []string{"RONGCLOUD_SECRET=x"}, nil)
	noFindings(t, list)
	defaults, list := Load(write(t, minimal), []string{"S=x"}, nil)
	if len(list) > 0 {
		t.Fatalf("findings: %s", codes(list))
	}
	given := map[string]bool{"kafka.brokers": true, "kafka.start": true, "accounts.main.vendor": true,
		"accounts.main.data_center": true, "accounts.main.app_key": true, "accounts.main.secret": true,
		"accounts.main.allow": true} // the shipped urgent-notice needs it: who copies both files must not begin with an error
	want := map[string]string{}
	for _, e := range defaults.Entries {
		want[e.Path] = e.Value
	}
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(src), "\nversion:")
	for key := range given {
		if !strings.Contains(head, key[strings.LastIndexByte(key, '.')+1:]) {
			t.Errorf("the head of the reference file does not say that %s is not the default", key)
		}
	}
	for _, e := range example.Entries {
		if !given[e.Path] && e.Path != "version" && e.Value != want[e.Path] {
			t.Errorf("%s: the reference file has %q, the default is %q", e.Path, e.Value, want[e.Path])
		}
		if e.Origin == "default" && e.Value != "" && e.Value != "[]" && e.Path != "kafka.instance" {
			t.Errorf("%s is not in the reference file", e.Path)
		}
		key := e.Path[strings.LastIndexByte(e.Path, '.')+1:]
		if !regexp.MustCompile(`(?m)^[^\n]*\b` + key + `:`).Match(src) {
			t.Errorf("the reference file does not mention %s", e.Path)
		}
	}
	if len(example.Entries) != len(want) {
		t.Errorf("%d values, %d defaults", len(example.Entries), len(want))
	}
}

// noFindings asserts that nothing is wrong, and that nothing is read without effect.
func noFindings(t *testing.T, list diag.List) {
	t.Helper()
	if len(list) > 0 {
		t.Fatalf("findings: %s", codes(list))
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pw"), []byte("sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pair(t, dir)
	cert := filepath.Join(dir, "c.pem")
	path := filepath.Join(dir, "notifier.yaml")
	text := `version: 1
timezone: Europe/Berlin
kafka:
  brokers: [k1:9092, "[::1]:9093"]
  prefix: n2
  partitions: 8
  replication: 2
  start: 2026-11-21T09:00:00+08:00
  instance: ${env:POD}
  tls: {ca: ca.pem, cert: "` + cert + `", key: k.pem}
  sasl: {mechanism: SCRAM-SHA-512, user: svc, password: "${file:pw}"}
rules: r
admin: {listen: "0.0.0.0:80", token: "${env:S}"}
log: {level: warn, format: console}
tracing: {endpoint: "https://otel.example.com/base", authorization: "${env:S}", share: 2.5%}
events: {max_bytes: 256KiB, duplicates: {users: 2d, broadcasts: 48h}}
dead: {payload: none}
user_limits: {marketing: 5 per day, service: 2 in 12h}
consent: {never: blocked, marketing: push_ok, service: svc_ok}
accounts:
  z:
    vendor: rongcloud
    hosts: ["https://a.example.com", "http://127.0.0.1:9"]
    app_key: k2
    secret: "${env:S}"
    sender: boss
    platforms: [harmonyos]
    allow: [everyone]
    approval: waived
    services: {broadcast: false, push_plus: true}
    quota: {broadcast: {hour: 20, day: 30, day_window: rolling, day_zones: [UTC], shared: false}}
    brake: 7 in 1h
    tags: {delay: 1m, foreign: drop, max_change: 2.5%, verify: 1000 per day}
    timeout: 3s
  main: {vendor: rongcloud, data_center: singapore-b, app_key: k1, secret: "${env:S}"}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, list := Load(path, []string{"S=hush", "POD=pod-1"}, nil)
	noFindings(t, list)
	berlin, _ := time.LoadLocation("Europe/Berlin")
	shanghai, _ := time.LoadLocation("Asia/Shanghai")
	want := &Settings{
		Zone: berlin,
		Kafka: Kafka{Brokers: []string{"k1:9092", "[::1]:9093"}, Prefix: "n2", Partitions: 8, Replication: 2,
			Start: Start{Set: true, At: time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)}, Instance: "pod-1",
			TLS:  &TLS{CA: filepath.Join(dir, "ca.pem"), Cert: cert, Key: filepath.Join(dir, "k.pem")},
			SASL: &SASL{Mechanism: "SCRAM-SHA-512", User: "svc", Password: &Secret{}}},
		Rules: filepath.Join(dir, "r"), Admin: Admin{Listen: "0.0.0.0:80", Token: &Secret{}},
		Log:        Log{Level: "warn"},
		Tracing:    Tracing{"https://otel.example.com/base", &Secret{}, 0.025},
		Events:     Events{MaxBytes: 256 << 10, DuplicateUsers: 48 * time.Hour, DuplicateBroadcasts: 48 * time.Hour},
		UserLimits: map[string]intent.Cap{"marketing": {N: 5, Each: "day"}, "service": {N: 2, In: 12 * time.Hour}},
		Consent:    Consent{"blocked", "push_ok", "svc_ok"},
		Accounts: []Account{
			{Name: "main", Vendor: "rongcloud", DataCenter: "singapore-b", AppKey: "k1", Secret: &Secret{}, Sender: "system", Platforms: []string{"ios", "android"},
				Broadcast: true, Quota: Quota{Hour: 2, Day: 3, DayZones: []*time.Location{shanghai, time.UTC}, Shared: true},
				Brake: Rate{500, 10 * time.Minute}, Tags: Tags{5 * time.Second, true, 0.01, Rate{}}, Timeout: 6 * time.Second},
			{Name: "z", Vendor: "rongcloud", Hosts: []string{"https://a.example.com", "http://127.0.0.1:9"}, AppKey: "k2", Secret: &Secret{}, Sender: "boss", Platforms: []string{"harmonyos"},
				AllowEveryone: true, ApprovalWaived: true, PushPlus: true, Quota: Quota{Hour: 20, Day: 30, Rolling: true, DayZones: []*time.Location{time.UTC}},
				Brake: Rate{7, time.Hour}, Tags: Tags{time.Minute, false, 0.025, Rate{1000, 24 * time.Hour}}, Timeout: 3 * time.Second},
		},
	}
	if s.Kafka.SASL.Password.Reveal() != "sesame" || s.Admin.Token.Reveal() != "hush" {
		t.Error("a secret has another value")
	}
	s.Entries = nil
	opts := []cmp.Option{cmpopts.IgnoreUnexported(Start{}, Settings{}),
		cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() }),
		cmp.Comparer(func(a, b *Secret) bool { return (a == nil) == (b == nil) }),
	}
	if d := cmp.Diff(want, s, opts...); d != "" {
		t.Error(d)
	}
}

func TestFlagBeforeEnvironmentBeforeFileBeforeDefault(t *testing.T) {
	text := strings.Replace(minimal, `["k1:9092"]`, `["k1:9092"], prefix: from-file, partitions: 5, replication: 2`, 1)
	s := load(t, text, []string{"NOTIFIER_KAFKA_BROKERS=k3:1, k4:2", "NOTIFIER_KAFKA_PREFIX=from-env", "NOTIFIER_KAFKA_PARTITIONS=6",
		"NOTIFIER_ACCOUNTS_MAIN_SECRET=in-env", "NOTIFIER_RULES=here"}, map[string]string{"kafka.prefix": "from-flag"})
	if d := cmp.Diff([]string{"k3:1", "k4:2"}, s.Kafka.Brokers); d != "" {
		t.Error(d)
	}
	if s.Kafka.Prefix != "from-flag" || s.Kafka.Partitions != 6 || s.Kafka.Replication != 2 || s.Rules != "here" || s.Accounts[0].Secret.Reveal() != "in-env" {
		t.Errorf("got %+v", s.Kafka)
	}
	if s := load(t, minimal, nil, map[string]string{"rules": "there"}); s.Rules != "there" {
		t.Errorf("a path in a flag is relative to %s", s.Rules)
	}
	got := map[string]string{}
	for _, e := range s.Entries {
		got[e.Path] = e.Value + " | " + regexp.MustCompile(`.*notifier\.yaml`).ReplaceAllString(e.Origin, "notifier.yaml")
	}
	for path, want := range map[string]string{
		"kafka.brokers":        "k3:1, k4:2 | env NOTIFIER_KAFKA_BROKERS",
		"kafka.prefix":         "from-flag | flag",
		"kafka.replication":    "2 | notifier.yaml:2",
		"log.level":            "info | default",
		"accounts.main.secret": "*** | env NOTIFIER_ACCOUNTS_MAIN_SECRET",
	} {
		if got[path] != want {
			t.Errorf("%s: got %q, want %q", path, got[path], want)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	account := func(lines string) string { return minimal + lines }
	for _, c := range []struct {
		name, text, want string
		env              []string
		flags            map[string]string
	}{
		{name: "several in one run", text: `version: 1
timezone: Asia/Peking
kafak: {}
kafka: {brokers: [k1], partitions: 0}
accounts:
  main:
    vendor: rongcloud
    data_centre: beijing
    app_key: k
    secret: hunter2
`, want: `2:11 N707 ` + "`Asia/Peking` is not a known time zone" + `
3:1 N101 unknown key ` + "`kafak`" + `
4:19 N112 ` + "`k1` is not host:port" + `
4:36 N112 ` + "`0` is not a whole number from 1 to 1000" + `
8:5 N101 unknown key ` + "`data_centre`" + `
10:13 N702 a secret is written here in plain
`},
		{name: "getui with the other's keys", text: strings.Replace(minimal, "rongcloud", "getui", 1), want: "5:5 N114 `accounts.main.app_id` is missing\n5:5 N114 `accounts.main.master_secret` is missing\n6:5 N101 unknown key `data_center`\n8:5 N101 unknown key `secret`\n"},
		{name: "getui's values", text: minimal + "  second: {vendor: getui, app_id: a/b, app_key: k, master_secret: plain, host: \"http://a.example\", identify: phone, quota: {push: 0}}\n",
			want: "9:35 N112 `a/b` cannot be an app id: it is a part of every address\n9:67 N702 a secret is written here in plain\n9:80 N705 `http://a.example` is not a safe vendor address\n" +
				"9:110 N112 `phone` is not possible here\n9:131 N112 `0` is not a whole number from 1 to 10000\n"},
		{name: "hosts and data centre", text: account(`    hosts: ["https://a.example.com"]` + "\n"), want: "9:12 N704 `data_center` and `hosts` exclude each other\n"},
		{name: "plain http", text: strings.Replace(minimal, "data_center: beijing", `hosts: ["http://a.example.com", "https://u:p@b.example.com", "ftp://127.0.0.1"]`, 1),
			want: "6:13 N705 `http://a.example.com` is not a safe vendor address\n6:37 N702 a password is written in the address of the vendor\n6:66 N705 `ftp://127.0.0.1` is not a safe vendor address\n"},
		{name: "passwords in addresses", text: strings.Replace(strings.Replace(minimal, "data_center: beijing", `hosts: ["https://u:p@b.example.com"]`, 1), `"k1:9092"`, `"SASL://u:p@k1:9092", "p@k2:9092"`, 1) + "  second: {vendor: getui, app_id: a, app_key: k, master_secret: \"${env:S}\", host: \"u:p@a.example\"}\nadmin: {listen: \"u:p@127.0.0.1:1\"}\n",
			want: "2:19 N702 a password is written in the address of a broker\n2:41 N702 a password is written in the address of a broker\n6:13 N702 a password is written in the address of the vendor\n9:83 N702 a password is written in the address of the vendor\n10:17 N702 a password is written in the address of the admin listener\n"},
		{name: "one App Key twice", text: account("  two: {vendor: rongcloud, data_center: singapore, app_key: k, secret: \"${env:S}\"}\n"),
			want: "9:61 N706 account `main` has the same App Key: their quota would be spent twice\n"},
		{name: "brokers and embedded", text: strings.Replace(minimal, "{brokers", "{embedded: d, brokers", 1), want: "2:19 N704 `brokers` and `embedded` exclude each other\n"},
		{name: "neither", text: strings.Replace(minimal, `brokers: ["k1:9092"]`, "prefix: p", 1), want: "2:8 N114 `kafka.brokers` is missing\n"},
		{name: "a prefix that is too long", text: strings.Replace(minimal, "{brokers", "{prefix: "+strings.Repeat("p", 201)+", brokers", 1), want: "2:17 N112 `" + strings.Repeat("p", 201) + "` cannot begin a topic's name\n"},
		{name: "admin outside", text: minimal + "admin: {listen: \":8088\"}\n", want: "9:17 N705 `:8088` can be reached from outside and has no token\n"},
		{name: "tracing", text: minimal + "tracing: {endpoint: \"otel:4318\", share: 101%}\n", want: "9:21 N112 `otel:4318` is not the base address of a collector\n9:41 N112 `101%` is not a share\n"},
		{name: "tracing with the path", text: minimal + "tracing: {endpoint: \"http://otel:4318/v1/traces\"}\n", want: "9:21 N112 `http://otel:4318/v1/traces` is not the base address of a collector\n"},
		{name: "a password in the address of tracing", text: minimal + "tracing: {endpoint: \"https://u:p@otel\"}\n", want: "9:21 N702 a password is written in the address of the collector\n"},
		{name: "authorization in plain", text: minimal + "tracing: {endpoint: \"http://otel:4318\", authorization: \"${env:S}\"}\n", want: "9:56 N704 `authorization` would travel in plain to `http://otel:4318`\n"},
		{name: "authorization for nobody", text: minimal + "tracing: {authorization: \"${env:S}\"}\n", want: "9:10 N114 `tracing.endpoint` is missing\n"},
		{name: "tag check", text: account("    tags: {verify: daily, max_change: 1}\n"), want: "9:20 N112 `daily` is not `off` or a rate\n9:39 N112 `1` is not a share\n"},
		{name: "forms", text: minimal + "events: {max_bytes: 1MB}\nuser_limits: {marketing: five a day}\n", want: "9:21 N112 `1MB` is not a size\n10:26 N112 `five a day` is not a limit\n"},
		{name: "reference", text: strings.Replace(minimal, "${env:S}", "${env:NOPE}", 1) + "rules: \"a-${env:S}\"\n",
			want: "8:13 N701 `${env:NOPE}` cannot be read: the environment variable `NOPE` is not set\n9:8 N701 `a-${env:S}` is not a reference\n"},
		{name: "half of SASL", text: strings.Replace(minimal, "{brokers", "{sasl: {user: u}, brokers", 1), want: "2:15 N114 `kafka.sasl.mechanism` is missing\n2:15 N114 `kafka.sasl.password` is missing\n"},
		{name: "another mistake beside a secret", text: strings.Replace(minimal, `secret: "${env:S}"`, `quota: {broadcast: {hour: 0}}`, 1) +
			"  two: {vendor: rongcloud, data_center: singapore, app_key: k2, secret: hunter2, sendr: x}\n",
			want: "5:5 N114 `accounts.main.secret` is missing\n8:31 N112 `0` is not a whole number from 1 to 10000\n" +
				"9:73 N702 a secret is written here in plain\n9:82 N101 unknown key `sendr`\n"},
		{name: "secret as a flag", text: minimal, flags: map[string]string{"accounts.main.secret": "hunter2"}, want: "1:1 N702 a secret is written here in plain\n"},
		{name: "unknown flag", text: minimal, flags: map[string]string{"kafka.prefx": "p"}, want: "0:0 N101 unknown setting `kafka.prefx`\n"},
		{name: "bad variable", text: minimal, env: []string{"NOTIFIER_KAFKA_PARTITIONS=many"}, want: "1:1 N112 `many` is not a whole number from 1 to 1000\n"},
		{name: "shapes", text: "version: 1\nkafka: k1\naccounts: []\n", want: "2:8 N111 expected a mapping (`key: value`), this is a single value\n2:8 N114 `kafka.brokers` is missing\n3:11 N111 expected a mapping (`key: value`), this is a list\n"},
		{name: "wrong version", text: strings.Replace(minimal, "version: 1", "version: 2", 1), want: "1:10 N112 `2` is not possible here\n"},
		{name: "empty", text: "", want: "1:1 N104 the file is empty\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, list := Load(write(t, c.text), append(c.env, "S=hush"), c.flags)
			if s != nil {
				t.Error("it was loaded")
			}
			if d := cmp.Diff(c.want, codes(list)); d != "" {
				t.Error(d)
			}
			var out bytes.Buffer
			if err := diag.WriteText(&out, list, diag.Both); err != nil || strings.Contains(out.String(), "hunter2") {
				t.Errorf("the secret is shown, or %v:\n%s", err, &out)
			}
			for _, d := range list {
				if d.Message.ZH == "" {
					t.Errorf("%s has no Chinese", d.Message.EN)
				}
			}
		})
	}
	if s, list := Load("/nonexistent/notifier.yaml", nil, nil); s != nil || list.Errors() != 1 {
		t.Errorf("a missing file: %v", list)
	}
}

func TestAVariableNobodyReadsIsAWarning(t *testing.T) {
	s, list := Load(write(t, minimal), []string{"S=x", "NOTIFIER_KAFKA_PREFX=p"}, nil)
	if s == nil || list.Warnings() != 1 || list[0].Fix != "NOTIFIER_KAFKA_PREFIX" {
		t.Errorf("got %v, %+v", s != nil, list)
	}
}

func TestTheLongestPrefix(t *testing.T) {
	if s := load(t, strings.Replace(minimal, "{brokers", "{prefix: "+strings.Repeat("p", 200)+", brokers", 1), nil, nil); len(s.Kafka.Prefix) != 200 {
		t.Errorf("got %q", s.Kafka.Prefix)
	}
}

func TestEmbeddedIsOneBroker(t *testing.T) {
	path := write(t, strings.Replace(minimal, `brokers: ["k1:9092"]`, "embedded: data", 1))
	s, list := Load(path, []string{"S=x"}, nil)
	if s == nil || s.Kafka.Embedded != filepath.Join(filepath.Dir(path), "data") || s.Kafka.Replication != 1 || s.Kafka.Start.Set {
		t.Errorf("got %+v, %s", s, codes(list))
	}
}

// Whoever edits rules has no secrets; all other mistakes stay mistakes.
func TestSettingsForRulesNeedNoSecrets(t *testing.T) {
	token := "admin: {listen: \"0.0.0.0:8088\", token: \"${file:/nowhere/token}\"}\n"
	s, list := LoadForRules(write(t, minimal+token), nil)
	if s == nil || len(list) > 0 || s.Accounts[0].Secret.Reveal() != "" || s.Admin.Token.Reveal() != "" {
		t.Fatalf("got %+v, %s", s, codes(list))
	}
	if s, list := Load(write(t, minimal+token), nil, nil); s != nil || strings.Count(codes(list), "N701") != 2 {
		t.Errorf("the daemon starts without its secrets: %s", codes(list))
	}
	if s, list := LoadForRules(write(t, strings.Replace(minimal, "${env:S}", "hush-hush", 1)), nil); s != nil || !strings.Contains(codes(list), "N702") {
		t.Errorf("a secret in plain: %s", codes(list))
	}
	if s, _ := LoadForRules(write(t, minimal), []string{"S=hush-hush"}); s.Accounts[0].Secret.Reveal() != "hush-hush" {
		t.Error("a secret that is there is not read")
	}
}

// Who reads our topics needs what Kafka asks for, and not the vendors' secrets or the token.
func TestSettingsForKafkaNeedKafkasSecretsOnly(t *testing.T) {
	text := strings.Replace(minimal, `["k1:9092"]`, `["k1:9092"], sasl: {mechanism: PLAIN, user: u, password: "${env:P}"}`, 1) + "admin: {listen: \"0.0.0.0:8088\", token: \"${file:/nowhere/token}\"}\n"
	if s, list := LoadForKafka(write(t, text), []string{"P=pass"}); s == nil || len(list) > 0 || s.Kafka.SASL.Password.Reveal() != "pass" || s.Accounts[0].Secret.Reveal() != "" {
		t.Errorf("got %+v, %s", s, codes(list))
	}
	if s, list := LoadForKafka(write(t, text), nil); s != nil || strings.Count(codes(list), "N701") != 1 {
		t.Errorf("without Kafka's password: %s", codes(list))
	}
	if s, list := LoadForKafka(write(t, strings.Replace(minimal, `["k1:9092"]`, `["k1:9092"], tls: {ca: nope.pem}`, 1)), nil); s != nil || strings.Count(codes(list), "N701") != 1 {
		t.Errorf("without Kafka's authorities: %s", codes(list))
	}
}

// The findings of a start are in the log: a password in an address is neither in the message nor in the line that is shown.
func TestAPasswordInAnAddressIsNotShown(t *testing.T) {
	hosts := strings.Replace(minimal, "data_center: beijing", "hosts: ADDRESS", 1)
	getui := minimal + "  second: {vendor: getui, app_id: a, app_key: k, master_secret: \"${env:S}\", host: ADDRESS}\n"
	for _, address := range []string{"https://u:hush-hush@otel", "https://u:hush-hush@otel:%zz", "u:hush-hush@otel:4318", "https://u:hush/hush@otel", "https://u:x@hush-hush@otel"} {
		quoted := "\"" + address + "\""
		for _, given := range []struct {
			text string
			env  string
			code string
		}{
			{minimal + "tracing: {endpoint: " + quoted + "}\n", "", "N702"},
			{minimal, "NOTIFIER_TRACING_ENDPOINT=" + address, "N702"},
			{strings.Replace(hosts, "ADDRESS", quoted, 1), "", "N702"},
			{strings.Replace(hosts, "ADDRESS", "\n      - https://a.example\n      - "+quoted, 1), "", "N702"},
			{strings.Replace(hosts, "ADDRESS", "[\"${env:ADDRESS}\"]", 1), "ADDRESS=" + address, "N702"},
			{strings.Replace(minimal, "    data_center: beijing\n", "", 1), "NOTIFIER_ACCOUNTS_MAIN_HOSTS=" + address, "N702"},
			{strings.Replace(getui, "ADDRESS", quoted, 1), "", "N702"},
			{strings.Replace(minimal, "\"k1:9092\"", quoted, 1), "", "N702"},
			{minimal, "NOTIFIER_KAFKA_BROKERS=" + address, "N702"},
			{minimal + "admin: {listen: " + quoted + "}\n", "", "N702"},
			{minimal, "NOTIFIER_ADMIN_LISTEN=" + address, "N702"},
		} {
			s, list := Load(write(t, given.text), []string{given.env, "S=x"}, nil)
			var b strings.Builder
			if err := diag.WriteText(&b, list, diag.Both); err != nil || s != nil {
				t.Fatal(given.text, given.env, s, err)
			}
			if strings.Contains(b.String(), "hush") || !strings.Contains(b.String(), given.code) {
				t.Errorf("%s %s\n%s", given.text, given.env, b.String())
			}
		}
	}
}

// Whatever a finding is about, the line that it shows and the text that it quotes have no login of an address in it.
func TestNoFindingShowsALogin(t *testing.T) {
	for text, code := range map[string]string{
		minimal + "  second: {vendor: rongcloud, hots: [\"https://u:hush-hush@a\"], app_key: k2, secret: \"${env:S}\"}\n": "N101",
		strings.Replace(minimal, "beijing", "\"https://u:hush-hush@a\"", 1):                                               "N112",
		minimal + "tracing: {endpoint: [\"https://u:hush-hush@a\"]}\n":                                                    "N111",
	} {
		s, list := Load(write(t, text), []string{"S=x"}, nil)
		var b strings.Builder
		if err := errors.Join(diag.WriteText(&b, list, diag.Both), diag.WriteJSON(&b, list, 1, 0)); err != nil || s != nil {
			t.Fatal(s, err)
		}
		if strings.Contains(b.String(), "hush") || !strings.Contains(b.String(), code) {
			t.Errorf("%s", b.String())
		}
	}
}

// A value from the environment, or from a flag, is not found at a line of the file.
func TestAFindingNamesWhereTheValueComesFrom(t *testing.T) {
	for env, want := range map[string]string{
		"NOTIFIER_ADMIN_LISTEN=0.0.0.0:8088":                 "N705",
		"NOTIFIER_ADMIN_LISTEN=here":                         "N112",
		"NOTIFIER_TRACING_ENDPOINT=otel:4318":                "N112",
		"NOTIFIER_KAFKA_BROKERS=k1":                          "N112",
		"NOTIFIER_KAFKA_PREFIX=a b":                          "N112",
		"NOTIFIER_KAFKA_EMBEDDED=d":                          "N704",
		"NOTIFIER_ACCOUNTS_MAIN_PLATFORMS=":                  "N112",
		"NOTIFIER_ACCOUNTS_MAIN_HOSTS=https://a.example":     "N704",
		"NOTIFIER_ACCOUNTS_SECOND_HOST=http://a.example":     "N705",
		"NOTIFIER_ACCOUNTS_SECOND_APP_ID=a/b":                "N112",
		"NOTIFIER_ACCOUNTS_MAIN_QUOTA_BROADCAST_DAY_ZONES=x": "N707",
	} {
		text := minimal + "  second: {vendor: getui, app_id: a, app_key: k2, master_secret: \"${env:S}\", host: \"https://a.example\"}\nadmin: {listen: \"127.0.0.1:1\"}\ntracing: {endpoint: \"http://otel\"}\n"
		name, _, _ := strings.Cut(env, "=")
		_, list := Load(write(t, text), []string{env, "S=x"}, nil)
		if !slices.ContainsFunc(list, func(d diag.Diagnostic) bool { return d.Code == want && d.File == "env "+name && d.Line == 1 }) {
			t.Errorf("%s: %+v", env, list)
		}
	}
	_, list := Load(write(t, minimal), []string{"S=x"}, map[string]string{"admin.listen": "here"})
	if len(list) != 1 || list[0].File != "flag" {
		t.Errorf("%+v", list)
	}
}

func TestASecretNeverPrints(t *testing.T) {
	s := load(t, minimal, nil, nil)
	var out bytes.Buffer
	a := s.Accounts[0]
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, a.Secret); got != "***" {
			t.Errorf("%s gives %s", verb, got)
		}
		fmt.Fprintf(&out, verb+" ", a)
		fmt.Fprintf(&out, verb+" ", s)
	}
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(raw)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", a.Secret, "account", a)
	enc := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	line, err := enc.EncodeEntry(zapcore.Entry{}, []zapcore.Field{zap.Any("secret", a.Secret), zap.Any("account", a)})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(line.Bytes())
	if text := out.String(); strings.Contains(text, "hush-hush") || strings.Contains(text, fmt.Sprintf("%x", "hush-hush")) || !strings.Contains(text, "***") {
		t.Errorf("shown in %s", text)
	}
	if a.Secret.Reveal() != "hush-hush" {
		t.Errorf("Reveal gives %q", a.Secret.Reveal())
	}
}

func TestARotatedFileTakesEffect(t *testing.T) {
	path := write(t, strings.Replace(minimal, "${env:S}", "${file:key}", 1))
	key := filepath.Join(filepath.Dir(path), "key")
	put := func(v string) {
		if err := os.WriteFile(key, []byte(v), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("old\n")
	s, list := Load(path, nil, nil)
	if s == nil {
		t.Fatal(codes(list))
	}
	secret := s.Accounts[0].Secret
	if changed, err := secret.Refresh(); changed || err != nil {
		t.Errorf("unchanged file: %v, %v", changed, err)
	}
	put("new\n")
	if changed, err := secret.Refresh(); !changed || err != nil || secret.Reveal() != "new" {
		t.Errorf("got %v, %v, %q", changed, err, secret.Reveal())
	}
	put("")
	if _, err := secret.Refresh(); err == nil || secret.Reveal() != "new" {
		t.Errorf("an empty file: %v, now %q; want the last value to stay", err, secret.Reveal())
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(minimal)
	f.Add("version: 1\nkafka: {tls: [], sasl: x}\naccounts: {main: {vendor: rongcloud, quota: {broadcast: 1}, tags: []}}")
	f.Fuzz(func(t *testing.T, text string) {
		s, list := Load(write(t, text), []string{"S=x"}, nil)
		if (s == nil) != (list.Errors() > 0) {
			t.Errorf("loaded %v with %d errors", s != nil, list.Errors())
		}
	})
}

// Whether a group is new is found only at Kafka; what is said then has its place in the file.
func TestAMissingStartHasItsPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.yaml")
	text := "version: 1\nkafka:\n  brokers: [\"k1:9092\"]\n  instance: a\n"
	for start, want := range map[string]int{"": 1, "  start: latest\n": 0} {
		if err := os.WriteFile(path, []byte(text+start+"accounts:\n  main: {vendor: rongcloud, data_center: beijing, app_key: k, secret: \"${env:S}\"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s, list := Load(path, []string{"S=s"}, nil)
		if s == nil {
			t.Fatal(list)
		}
		got := s.Kafka.Start.Missing()
		if len(got) != want || len(got) == 1 && (got[0].Code != "N114" || got[0].Line < 2 || got[0].Line > 3 || got[0].Column == 0) {
			t.Errorf("start %q: %+v", start, got)
		}
	}
}

// The settings and what they name are regular files: a pipe would keep the start, or each look for a rotated secret, waiting for ever.
func TestAPipeAndADeviceAreNotRead(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero"} {
		if s, list := Load(path, nil, nil); s != nil || list[0].Code != "N700" || !strings.Contains(list[0].Message.EN, "only a regular file is read") {
			t.Errorf("settings in %s: %v", path, list)
		}
		s, list := Load(write(t, strings.Replace(minimal, "${env:S}", "${file:"+path+"}", 1)), nil, nil)
		if s != nil || list[0].Code != "N701" || !strings.Contains(list[0].Message.EN, path) || !strings.Contains(list[0].Message.EN, "only a regular file is read") {
			t.Errorf("a secret in %s: %v", path, list)
		}
	}
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, make([]byte, maxSecret+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, list := Load(write(t, strings.Replace(minimal, "${env:S}", "${file:"+key+"}", 1)), nil, nil); s != nil || list[0].Code != "N701" ||
		!strings.Contains(list[0].Message.EN, "more than 64 KiB") {
		t.Errorf("a large secret: %v", list)
	}
}
