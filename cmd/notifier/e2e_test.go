package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/embedded"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/test/schema"
)

// asProgram makes the test binary be the program: so the tests run real processes without building one first.
const asProgram = "NOTIFIER_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "1" {
		if err := os.Unsetenv(asProgram); err != nil {
			panic(err)
		}
		os.Exit(execute(context.Background(), os.Args[1:]))
	}
	flag.Parse()
	// The processes of a test mostly wait for each other: as many tests at once as there are CPUs would leave those idle.
	if atOnce := flag.Lookup("test.parallel"); atOnce.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		if err := atOnce.Value.Set(strconv.Itoa(3 * runtime.GOMAXPROCS(0))); err != nil {
			panic(err)
		}
	}
	if !underRace {
		os.Exit(m.Run())
	}
	var err error
	if unracedDir, err = os.MkdirTemp("", "notifier-unraced-"); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := os.RemoveAll(unracedDir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// program is one process of notifier.
type program struct {
	t   *testing.T
	cmd *exec.Cmd
	mu  sync.Mutex
	log bytes.Buffer
	end chan struct{}
}

func command(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	path, env := os.Args[0], append(os.Environ(), "VENDOR_SECRET="+sandbox.DefaultSecret, "LANG=en")
	if underRace && !slices.Contains([]string{"run", "demo", "sandbox"}, args[0]) {
		path = unraced(t)
	} else {
		env = append(env, asProgram+"=1")
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env = dir, env
	return cmd
}

// unraced is the program without the race detector, for commands: with it hundreds of them need most of these tests' time to start, and what they run
// at once is tested with it in their packages.
func unraced(t *testing.T) string {
	t.Helper()
	path, err := builtUnraced()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var unracedDir string // made and removed by TestMain, under the race detector

var builtUnraced = sync.OnceValues(func() (string, error) {
	path := filepath.Join(unracedDir, "notifier")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return path, nil
})

// once runs a command to its end.
func once(t *testing.T, dir string, args ...string) (code int, out, talk string) {
	t.Helper()
	cmd := command(t, dir, args...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	if x, ok := errors.AsType[*exec.ExitError](err); ok {
		return x.ExitCode(), o.String(), e.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, o.String(), e.String()
}

func start(t *testing.T, dir string, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: command(t, dir, args...), end: make(chan struct{})}
	r, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.end)
		sc := bufio.NewScanner(r)
		sc.Buffer(nil, 1<<20)
		for sc.Scan() {
			p.mu.Lock()
			p.log.WriteString(sc.Text() + "\n")
			p.mu.Unlock()
		}
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.end
		if t.Failed() {
			t.Logf("%v said:\n%s", args, p.said())
		}
	})
	return p
}

func (p *program) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
		<-tick.C
	}
}

func (p *program) says(text string) {
	p.t.Helper()
	until(p.t, text, func() bool { return strings.Contains(p.said(), text) })
}

// get asks the process's admin listener, which its log names.
func (p *program) get(path string) (body string, code int) {
	p.t.Helper()
	admin := ""
	for _, f := range strings.Split(p.said(), `"`) {
		if strings.HasPrefix(f, "127.0.0.1:") {
			admin = f
		}
	}
	resp, err := http.Get("http://" + admin + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b), resp.StatusCode
}

func (p *program) metrics() string {
	p.t.Helper()
	body, _ := p.get("/metrics")
	return body
}

// exits waits for the end and gives the exit code.
func (p *program) exits() int {
	p.t.Helper()
	select {
	case <-p.end:
	case <-time.After(90 * time.Second):
		p.t.Fatal("the process did not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *program) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

const testCatalogue = `version: 1
events:
  profile.changed:
    topic: profiles
    kind: profile
    update: patch
    id: id
    time: at
    user: user
    fields: {city: city, level: {path: level, values: [normal, vip]}}
  order.paid:
    topic: orders
    id: id
    time: at
    user: user
    fields: {amount: {path: amount, type: number}}
`

const testRules = `version: 1
rules:
  - name: city-tag
    event: profile.changed
    tags: ["city_${city}"]
  - name: thanks
    event: order.paid
    mode: live
    class: service
    when: amount > 100
    push: {title: "Thanks", body: "paid ${amount} in ${event.id}"}
    limits: {expire: 1h}
`

// world is a directory with rules and settings, and a sandbox for the vendor.
type world struct {
	t   *testing.T
	dir string
	sbx *sandbox.Server

	addr  string    // of a broker that the test started; "": the daemon's own
	kafka []kgo.Opt // how it is logged in to
}

func newWorld(t *testing.T) *world {
	t.Helper()
	sbx, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sbx.Close() })
	schema.Hold(t, sbx)
	w := &world{t: t, dir: t.TempDir(), sbx: sbx}
	w.write("rules/events.yaml", testCatalogue)
	w.write("rules/rules.yaml", testRules)
	w.settings("notifier.yaml", "embedded: data")
	return w
}

func (w *world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// edit replaces a text in a file.
func (w *world) edit(name, old, text string) {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		w.t.Fatalf("%s does not hold %q", name, old)
	}
	w.write(name, strings.Replace(string(b), old, text, 1))
}

func (w *world) settings(name, kafka string) {
	w.t.Helper()
	w.write(name, fmt.Sprintf(`version: 1
kafka: {%s, start: earliest, instance: one, partitions: 2}
rules: rules/
admin: {listen: "127.0.0.1:%d"}
accounts:
  main:
    vendor: rongcloud
    hosts: [%q, %q]
    app_key: %s
    secret: "${env:VENDOR_SECRET}"
    tags: {delay: 100ms}
`, kafka, freePort(w.t), w.sbx.Ready().Primary, w.sbx.Ready().Backup, sandbox.DefaultKey))
}

// freePort lies below the ports that systems give to connections: one of those could take it before the daemon does, or between two lives.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 10000 + rand.IntN(20000)
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = ln.Close()
			return port
		}
	}
	t.Fatal("no free port in a hundred")
	return 0
}

func (w *world) run() *program {
	w.t.Helper()
	p := start(w.t, w.dir, "run", "-c", "notifier.yaml")
	p.says(`"new topics begin"`)
	return p
}

func (w *world) broker() string {
	w.t.Helper()
	if w.addr != "" {
		return w.addr
	}
	b, err := os.ReadFile(filepath.Join(w.dir, "data", "address"))
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func (w *world) produce(topic, value string) {
	w.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(w.broker()), kgo.ProducerBatchMaxBytes(6 << 20)}, w.kafka...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.ProduceSync(w.t.Context(), &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) order(id, user string) {
	w.t.Helper()
	w.produce("orders", fmt.Sprintf(`{"id":%q,"at":%q,"user":%q,"amount":200}`, id, time.Now().Format(time.RFC3339), user))
}

// sent counts the vendor's executed calls whose body holds a text.
func (w *world) sent(text string) (n int) {
	for _, e := range w.sbx.Journal(0) {
		if e.Executed && strings.Contains(string(e.Body), text) {
			n++
		}
	}
	return n
}

func TestFromAnEventToTheVendorAndBackToTheCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.edit("notifier.yaml", "rules: rules/", "log: {level: debug}\nrules: rules/")
	p := w.run()
	w.order("ord-1", "u-1")
	w.produce("profiles", fmt.Sprintf(`{"id":"p-1","at":%q,"user":"u-1","city":"北京","level":"vip"}`, time.Now().Format(time.RFC3339)))
	w.produce("orders", `{"id":"ord-2"`)
	w.produce("orders", fmt.Sprintf(`{"id":"ord-3","at":%q,"user":"u-1","amount":1}`, time.Now().Format(time.RFC3339)))
	until(t, "the push", func() bool { return w.sent("paid 200 in ord-1") == 1 })
	until(t, "the tag", func() bool { return fmt.Sprint(w.sbx.Tags(sandbox.DefaultKey)["u-1"]) == "[city_北京]" })
	until(t, "balanced books", func() bool {
		code, out, _ := once(t, w.dir, "fates")
		return code == 0 && strings.Contains(out, "4 events: 1 no rule, 1 dead, 2 with intents; 2 intents = 2 fates + 0 pending ✓")
	})
	if code, out, _ := once(t, w.dir, "fates", "--since", "1h", "--format", "json"); code != 0 || !strings.Contains(out, `"events": 4`) || !strings.Contains(out, `"balanced": true`) {
		t.Errorf("fates of an hour: %d %s", code, out)
	}
	if code, out, talk := once(t, w.dir, "fates", "--rule", "thanx"); code != exitUsage || !strings.Contains(talk, `no rule "thanx": city-tag, thanks`) {
		t.Errorf("fates of no rule: %d %s %s", code, out, talk)
	}
	if code, out, _ := once(t, w.dir, "fates", "--since", "1h"); code != 0 || !strings.Contains(out, "; 2 intents = 2 fates + 0 pending ✓") {
		t.Errorf("fates of an hour: %d %s", code, out)
	}
	if code, out, _ := once(t, w.dir, "fates", "ord-1", "--format", "json"); code != 0 || !strings.Contains(out, `"fate": "SENT"`) || !strings.Contains(out, `"notifier.fates/v1"`) {
		t.Errorf("fates: %d %s", code, out)
	}
	for _, args := range [][]string{{"status"}, {"quota"}, {"attempts"}, {"status", "--format", "json"}, {"quota", "--format", "json"}, {"attempts", "--unknown", "--format", "json"}, {"config", "show"}, {"config", "check"}, {"version"}} {
		if code, out, talk := once(t, w.dir, args...); code != 0 || out == "" {
			t.Errorf("%v: exit %d, out %q, %s", args, code, out, talk)
		}
	}
	if _, out, _ := once(t, w.dir, "config", "show"); strings.Contains(out, sandbox.DefaultSecret) {
		t.Error("config show prints the secret")
	}
	code, out, _ := once(t, w.dir, "config", "show", "--format", "json")
	if code != 0 || strings.Contains(out, sandbox.DefaultSecret) || !strings.Contains(out, `"schema": "notifier.config/v1"`) || !strings.Contains(out, `"path": "kafka.brokers"`) {
		t.Errorf("config show as JSON: exit %d, %s", code, out)
	}
	if strings.Contains(p.said(), sandbox.DefaultSecret) {
		t.Error("the log holds the secret")
	}
	if strings.Contains(p.said(), "paid 200") {
		t.Error("the log holds a text")
	}
	if !regexp.MustCompile(`"fate",.*"event":"ord-1","rule":"thanks","fate":"SENT",.*"attempt":"\S+"`).MatchString(p.said()) {
		t.Error("the log does not tell the fate with event, rule and attempt")
	}
	p.signal(syscall.SIGTERM)
	if code := p.exits(); code != 0 {
		t.Errorf("exit %d after SIGTERM, want 0", code)
	}
}

func TestPauseHoldsAndResumeLetsGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	if code, out, talk := once(t, w.dir, "pause", "rule/thanks", "--why", "test", "--yes"); code != 0 || !strings.Contains(out, "done: pause rule/thanks") {
		t.Fatalf("pause: %d %s %s", code, out, talk)
	}
	w.order("held-1", "u-1")
	until(t, "a pending intent", func() bool {
		_, out, _ := once(t, w.dir, "status")
		return strings.Contains(out, "+ 1 pending") && strings.Contains(out, "paused  rule/thanks")
	})
	if w.sent("held-1") != 0 {
		t.Error("a paused rule sent")
	}
	if code, out, _ := once(t, w.dir, "resume", "rule/thanks", "--why", "test", "--yes"); code != 0 || !strings.Contains(out, "1 intent goes on") {
		t.Errorf("resume: %d %s", code, out)
	}
	until(t, "the push", func() bool { return w.sent("held-1") == 1 })
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"pause", "rule/thanx", "--why", "x", "--yes"}, 2, `no rule "thanx": city-tag, thanks`},
		{[]string{"pause", "lane/main/brodcast", "--why", "x", "--yes"}, 2, "no lane"},
		{[]string{"pause", "all", "--yes"}, 2, "--why is missing"},
		{[]string{"pause", "all", "--why", "x"}, 2, "confirm with --yes"},
		{[]string{"attempts", "resolve", "nonsense", "--as", "sent", "--why", "x", "--yes"}, 2, "no attempt's id"},
		{[]string{"attempts", "resolve", "AAAAAA-0-9", "--as", "sent", "--why", "x", "--yes"}, 2, "no attempt \"AAAAAA-0-9\" on record"},
		{[]string{"attempts", "resolve", "AAAAAA-0-9", "--as", "maybe", "--why", "x", "--yes"}, 2, "--as must be"},
		{[]string{"fates", "--format", "xml"}, 2, "unknown --format"},
		{[]string{"fates", "nobody-knows"}, 2, `no fate for event "nobody-knows": it matched no rule, became a dead letter (notifier dead ls), or never came`},
		{[]string{"statsu"}, 2, "unknown command"},
	} {
		if code, _, talk := once(t, w.dir, c.args...); code != c.code || !strings.Contains(talk, c.says) {
			t.Errorf("%v: exit %d %q, want %d %q", c.args, code, talk, c.code, c.says)
		}
	}
}

func TestAHumanResolvesAnUnknownCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	if err := w.sbx.Arm(sandbox.Fault{Vendor: "rongcloud", Host: "*", Path: "/push/user.json", Kind: "reset_after", Times: 1}); err != nil {
		t.Fatal(err)
	}
	w.order("ord-7", "u-1")
	id := ""
	until(t, "an attempt without outcome", func() bool {
		_, out, _ := once(t, w.dir, "attempts", "--unknown")
		for line := range strings.Lines(out) {
			if f := strings.Fields(line); len(f) > 3 && strings.Contains(line, "unknown") {
				id = f[0]
			}
		}
		return id != ""
	})
	if code, out, talk := once(t, w.dir, "attempts", "resolve", id, "--as", "sent", "--why", "the console shows it", "--by", "li", "--yes"); code != 0 {
		t.Fatalf("resolve: %d %s %s", code, out, talk)
	}
	until(t, "the resolution on record", func() bool {
		_, out, _ := once(t, w.dir, "fates", "ord-7")
		return strings.Contains(out, "UNKNOWN") && strings.Contains(out, "resolves UNKNOWN, by li: the console shows it")
	})
	// The ledger keeps no more of it in this lane: what became of it stands on the fates.
	if code, out, talk := once(t, w.dir, "attempts", id); code != 0 || !strings.HasPrefix(out, "attempt "+id+"  main/user /push/user.json  1 SENT; the ledger keeps no more of it than these fates\n") ||
		strings.Count(out, "ord-7") != 2 || !strings.Contains(out, "UNKNOWN") || !strings.Contains(out, "by li: the console shows it") {
		t.Errorf("a resolved call: exit %d\n%s%s", code, out, talk)
	}
	code, out, talk := once(t, w.dir, "attempts", id, "--format", "json")
	var found struct {
		Schema   string            `json:"schema"`
		Attempts []json.RawMessage `json:"attempts"`
		Fates    []ledger.Fate     `json:"fates"`
	}
	if err := json.Unmarshal([]byte(out), &found); code != 0 || err != nil || found.Schema != "notifier.attempts/v1" || found.Attempts == nil || len(found.Fates) != 2 || found.Fates[1].Fate != ledger.Sent || found.Fates[1].Attempt != id {
		t.Errorf("as JSON: exit %d, %v\n%s%s", code, err, out, talk)
	}
	if code, _, talk := once(t, w.dir, "attempts", "AAAAAA-0-9"); code != exitUsage || !strings.Contains(talk, `no attempt "AAAAAA-0-9" on record, and no fate names it; next: notifier attempts, or notifier fates`) {
		t.Errorf("no call at all: exit %d %s", code, talk)
	}
	for range 2 { // the refused one leaves no command that would hide the first
		if code, _, talk := once(t, w.dir, "attempts", "resolve", id, "--as", "not-sent", "--why", "again", "--yes"); code != exitGate || !strings.Contains(talk, id+" is resolved as sent already, by li at 20") || !strings.Contains(talk, ": the console shows it") {
			t.Errorf("a second resolution: exit %d %q, want %d and who resolved it", code, talk, exitGate)
		}
	}
	if w.sent("ord-7") != 1 {
		t.Errorf("%d calls, want 1: an unknown outcome is never repeated", w.sent("ord-7"))
	}
}

func TestRulesAreReloadedAndABadFileNeverTakesEffect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.run()
	w.write("rules/rules.yaml", strings.Replace(testRules, "amount > 100", "amuont > 100", 1))
	p.says("the last good set stays")
	w.order("ord-1", "u-1")
	until(t, "a push by the last good set", func() bool { return w.sent("paid 200 in ord-1") == 1 })
	w.write("rules/rules.yaml", strings.Replace(testRules, "paid ${amount}", "received ${amount}", 1))
	p.says(`"changed":["thanks"]`)
	w.order("ord-2", "u-2")
	until(t, "a push by the new set", func() bool { return w.sent("received 200 in ord-2") == 1 })
}

// A failed reload is told by the metric, by /readyz, which stays ready, and by status with the hash that is live; a good one takes all of
// it back and names the hash of the new files.
func TestWhetherAReloadFailedIsToldEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.run()
	hash := func() string {
		t.Helper()
		s, list := rules.Load([]string{filepath.Join(w.dir, "rules")}, app.AnyRuleOptions())
		if s == nil {
			t.Fatal(list)
		}
		return s.Hash
	}
	first := hash()
	told := func(live, gone string, failed bool) {
		t.Helper()
		success, detail := "notifier_rules_last_reload_success 1\n", "the rule files have errors, the last good set is live: 1 error: rules/rules.yaml:10:11 N202 "
		if failed {
			success = "notifier_rules_last_reload_success 0\n"
		}
		until(t, success, func() bool { return strings.Contains(p.metrics(), success) }) // the log comes first
		metrics := p.metrics()
		if want := fmt.Sprintf("notifier_rules_info{hash=%q} 1\n", live); !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
		if gone != "" && strings.Contains(metrics, fmt.Sprintf("notifier_rules_info{hash=%q}", gone)) {
			t.Errorf("the metrics still have %s", gone)
		}
		if ready, code := p.get("/readyz"); code != http.StatusOK || strings.Contains(ready, detail) != failed {
			t.Errorf("/readyz: %d\n%s", code, ready)
		}
		until(t, "status to tell the same", func() bool { // an instance says it every five seconds
			code, out, _ := once(t, w.dir, "status")
			line, next, _ := strings.Cut(out, "\n")
			next, _, _ = strings.Cut(next, "\n")
			return code == 0 && strings.HasPrefix(line, "instance one  ") && strings.Contains(line, "  rules "+live+" since ") &&
				failed == strings.HasPrefix(next, "  the files on its disk are not live since ") && (!failed || strings.Contains(next, ": 1 error: rules/rules.yaml:") && strings.HasSuffix(next, "   next: notifier check"))
		})
		_, out, _ := once(t, w.dir, "status", "--format", "json")
		var st struct {
			Instances []struct {
				Name    string
				RuleSet string `json:"rule_set"`
				Failed  string
			}
		}
		if err := json.Unmarshal([]byte(out), &st); err != nil || len(st.Instances) != 1 || st.Instances[0].Name != "one" || st.Instances[0].RuleSet != live || (st.Instances[0].Failed != "") != failed {
			t.Errorf("status as JSON: %v\n%s", err, out)
		}
	}
	until(t, "readiness", func() bool { _, code := p.get("/readyz"); return code == http.StatusOK })
	told(first, "", false)
	w.write("rules/rules.yaml", strings.Replace(testRules, "amount > 100", "amuont > 100", 1))
	p.says("the last good set stays")
	told(first, "", true)
	w.write("rules/rules.yaml", strings.Replace(testRules, "paid ${amount}", "received ${amount}", 1))
	p.says(`"rules reloaded"`)
	if hash() == first {
		t.Fatal("other files have the same hash")
	}
	told(hash(), first, false)
}

// A second signal ends a drain that waits for the vendor, with the code of that signal; the call is not lost: the next owner knows of it.
func TestASecondSignalCutsTheDrainShort(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		first, second os.Signal
		code          int
	}{{syscall.SIGTERM, syscall.SIGTERM, 143}, {syscall.SIGTERM, syscall.SIGINT, 130}, {syscall.SIGINT, syscall.SIGINT, 130}} {
		t.Run(fmt.Sprint(c.first, ", ", c.second), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.run()
			if err := w.sbx.Arm(sandbox.Fault{Vendor: "rongcloud", Host: "*", Path: "/push/user.json", Kind: "timeout_after", Times: 1, DelayMS: 60_000}); err != nil {
				t.Fatal(err)
			}
			w.order("ord-1", "u-1")
			until(t, "a call in flight", func() bool {
				return strings.Contains(p.metrics(), `notifier_pending{lane="main/user",state="in_flight"} 1`)
			})
			p.signal(c.first)
			p.says(`"draining"`)
			p.signal(c.second)
			if code := p.exits(); code != c.code || !strings.Contains(p.said(), errDrainCut.Error()) {
				t.Errorf("exit %d, want %d", code, c.code)
			}
			p = start(t, w.dir, "run", "-c", "notifier.yaml")
			p.says(`"notifier runs"`)
			until(t, "the call to be a human's matter", func() bool {
				_, out, _ := once(t, w.dir, "status")
				return strings.Contains(out, "unknown  1 calls wait for a human")
			})
			if n := w.sent("ord-1"); n != 1 {
				t.Errorf("%d calls, want 1", n)
			}
		})
	}
}

func TestAfterSIGKILLNothingIsLostOrDoubled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.run()
	w.order("ord-1", "u-1")
	until(t, "the first push", func() bool { return w.sent("ord-1") == 1 })
	p.signal(syscall.SIGKILL)
	p.exits()
	p = start(t, w.dir, "run", "-c", "notifier.yaml")
	p.says(`"notifier runs"`)
	w.order("ord-2", "u-1")
	w.order("ord-1", "u-1") // the same event again
	until(t, "the second push", func() bool { return w.sent("ord-2") == 1 })
	until(t, "balanced books", func() bool {
		code, out, _ := once(t, w.dir, "fates")
		return code == 0 && strings.Contains(out, "duplicate") && strings.Contains(out, "3 intents = 3 fates")
	})
	if w.sent("ord-1") != 1 {
		t.Errorf("ord-1 was sent %d times", w.sent("ord-1"))
	}
}

func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.run()
	if code, _, talk := once(t, w.dir, "run", "-c", "notifier.yaml"); code != exitUsage || !strings.Contains(talk, "data directory is in use") {
		t.Errorf("a second process on one data directory: exit %d %q", code, talk)
	}
	w.settings("two.yaml", fmt.Sprintf("brokers: [%q], replication: 1", w.broker()))
	start(t, w.dir, "run", "-c", "two.yaml")
	p.says(`another process uses this kafka.instance name: "one"`)
	if code := p.exits(); code != exitSettings {
		t.Errorf("the first of two processes with one name: exit %d, want %d", code, exitSettings)
	}
}

// Of two processes with one name one ends with an error that names it, under traffic either of them, and the other goes on: what came
// meanwhile has its fate and leaves once, and only a call that was under way may be UNKNOWN.
func TestTwoProcessesWithOneNameLoseNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	broker, err := embedded.Start(t.Context(), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Close() })
	w.addr = broker.Addrs()[0]
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.addr))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopics(t.Context(), 2, 1, nil, "orders", "profiles"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"notifier.yaml", "two.yaml"} { // they differ in the admin port
		w.settings(name, fmt.Sprintf("brokers: [%q], replication: 1", w.addr))
	}
	p := w.run()
	ids := []string{"before"}
	w.order("before", "u-1")
	until(t, "the push", func() bool { return w.sent("in before") == 1 })
	q := start(t, w.dir, "run", "-c", "two.yaml")
	for i := range 20 {
		ids = append(ids, fmt.Sprintf("meanwhile-%02d", i))
		w.order(ids[len(ids)-1], fmt.Sprintf("u-%d", i))
	}
	select {
	case <-p.end:
	case <-q.end:
		p, q = q, p
	case <-time.After(30 * time.Second):
		t.Fatal("neither of two processes with one name ended")
	}
	if code := p.exits(); code != exitSettings || !strings.Contains(p.said(), `another process uses this kafka.instance name: "one"`) {
		t.Errorf("one of two processes with one name: exit %d, want %d", code, exitSettings)
	}
	ids = append(ids, "after")
	w.order("after", "u-1")
	until(t, "balanced books", func() bool {
		select {
		case <-q.end: // each has thrown out the other, at the same moment
			q = start(t, w.dir, "run", "-c", "two.yaml")
		default:
		}
		code, out, _ := once(t, w.dir, "fates")
		return code == 0 && strings.Contains(out, "22 intents = 22 fates + 0 pending ✓")
	})
	for _, id := range ids {
		_, out, _ := once(t, w.dir, "fates", id)
		unknown := strings.Contains(out, "UNKNOWN")
		if n := w.sent("in " + id); n > 1 || n == 0 && !unknown || unknown && !strings.HasPrefix(id, "meanwhile") || !unknown && !strings.Contains(out, "SENT") {
			t.Errorf("%s reached the vendor %d times, its fate:\n%s", id, n, out)
		}
	}
}

const envelopes = `version: 1
events:
  user.row:
    topic: cdc.users
    kind: profile
    update: snapshot
    format: debezium
    user: user_id
    fields: {city: city}
  order.row:
    topic: cdc.orders
    format: debezium
    user: user_id
    fields: {amount: {path: amount, type: number}}
  order.event:
    topic: ce.orders
    format: cloudevents
    match: {type: paid}
    user: data.user
    fields: {amount: {path: data.amount, type: number}}
`

const envelopeRules = `version: 1
rules:
  - {name: city-tag, event: user.row, tags: ["city_${city}"]}
  - name: thanks
    event: [order.row, order.event]
    mode: live
    class: service
    when: amount > 100
    push: {title: "Thanks", body: "paid ${amount}."}
    limits: {expire: 1h}
`

// Change data of Debezium and CloudEvents in both modes, from the record to the vendor: a row that is read, made, changed, deleted or only
// buried is the user's tags; rows of a business table are events when they are made.
func TestEnvelopesFromTheRecordToTheVendor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("rules/events.yaml", envelopes)
	w.write("rules/rules.yaml", envelopeRules)
	w.run()
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.broker()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	produce := func(r kgo.Record) {
		t.Helper()
		if err := cl.ProduceSync(t.Context(), &r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	began, pos := time.Now().UnixMilli(), int64(0)
	row := func(topic, op, user, before, after string) {
		t.Helper()
		pos++
		produce(kgo.Record{Topic: topic, Key: []byte(`{"user_id":` + user + `}`), Value: fmt.Appendf(nil,
			`{"before":%s,"after":%s,"source":{"connector":"mysql","name":"s","file":"b.1","pos":%d,"row":0},"op":%q,"ts_ms":%d}`, before, after, pos, op, began+pos)})
	}
	tags := func(user, want string) {
		t.Helper()
		until(t, user+" to have "+want, func() bool { return fmt.Sprint(w.sbx.Tags(sandbox.DefaultKey)[user]) == want })
	}
	row("cdc.users", "r", "7", "null", `{"user_id":7,"city":"上海"}`)
	row("cdc.users", "c", "8", "null", `{"user_id":8,"city":"广州"}`)
	tags("7", "[city_上海]")
	tags("8", "[city_广州]")
	row("cdc.users", "u", "7", `{"user_id":7,"city":"上海"}`, `{"user_id":7,"city":"北京"}`)
	tags("7", "[city_北京]")
	row("cdc.users", "d", "7", `{"user_id":7,"city":"北京"}`, "null")
	produce(kgo.Record{Topic: "cdc.users", Key: []byte(`{"user_id":8}`)})
	tags("7", "[]")
	tags("8", "[]")

	row("cdc.orders", "r", "7", "null", `{"user_id":7,"amount":201}`) // of a snapshot: it was there before
	row("cdc.orders", "c", "7", "null", `{"user_id":7,"amount":202}`)
	now := time.Now().UTC().Format(time.RFC3339)
	produce(kgo.Record{Topic: "ce.orders", Value: fmt.Appendf(nil, `{"specversion":"1.0","id":"structured","type":"paid","source":"/shop","time":%q,"data":{"user":"u-1","amount":203}}`, now)})
	binary := kgo.Record{Topic: "ce.orders", Value: []byte(`{"user":"u-1","amount":204}`)}
	for k, v := range map[string]string{"ce_specversion": "1.0", "ce_id": "binary", "ce_type": "paid", "ce_source": "/shop", "ce_time": now, "content-type": "application/json"} {
		binary.Headers = append(binary.Headers, kgo.RecordHeader{Key: k, Value: []byte(v)})
	}
	produce(binary)
	until(t, "the pushes", func() bool { return w.sent("paid 202.")+w.sent("paid 203.")+w.sent("paid 204.") == 3 })
	until(t, "balanced books", func() bool {
		code, out, _ := once(t, w.dir, "fates")
		return code == 0 && strings.Contains(out, "+ 0 pending ✓")
	})
	if w.sent("paid 201.") != 0 {
		t.Error("a row of a snapshot is an event")
	}
	for _, id := range []string{"structured", "binary"} {
		if _, out, _ := once(t, w.dir, "fates", id); !strings.Contains(out, "SENT") {
			t.Errorf("fates %s:\n%s", id, out)
		}
	}
}

const badCatalogue = `version: 1
events:
  order.paid:
    topic: orders
    match: {type: order.paid}
    id: id
    time: at
    user: user
    fields: {amount: {path: amount, type: number}, shop: {path: shop, type: number, required: true}}
`

// Bad input of each kind among good events: each bad record is named with its reason, is kept as it came or counted, and none holds up the
// line or reaches the vendor.
func TestBadInputIsNamedAndNothingIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("rules/events.yaml", badCatalogue)
	w.write("rules/rules.yaml", testRules[:strings.Index(testRules, "  - name: city-tag")]+testRules[strings.Index(testRules, "  - name: thanks"):])
	p := w.run()
	at := time.Now().Format(time.RFC3339)
	letters := []struct{ value, reason, says string }{
		{`{"type":"order.paid","id":"cut-off","at":`, "undecodable", "invalid JSON at byte 41"},
		{"not JSON at all", "undecodable", "invalid JSON at byte 2"},
		{`{"type":"order.paid","id":"large","filler":"` + strings.Repeat("x", 5<<20) + `"}`, "too-large", "events.max_bytes"},
		{`{"type":"order.paid","at":"` + at + `","user":"u-1","amount":200,"shop":1}`, "bad-field", "id: nothing at id"},
		{`{"type":"order.paid","id":"no-user","at":"` + at + `","amount":200,"shop":1}`, "bad-field", "user: nothing at user"},
		{`{"type":"order.paid","id":"no-time","user":"u-1","amount":200,"shop":1}`, "bad-field", "time: nothing at at\""},
		{`{"type":"order.paid","id":"wrong-type","at":"` + at + `","user":"u-1","amount":200,"shop":"twelve"}`, "bad-field", "field shop: a text at shop"},
	}
	order := func(id, user, amount, kind string) {
		w.produce("orders", fmt.Sprintf(`{"type":%q,"id":%q,"at":%q,"user":%q,"amount":%s,"shop":1}`, kind, id, at, user, amount))
	}
	order("first", "u-1", "200", "order.paid")
	for _, l := range letters {
		w.produce("orders", l.value)
	}
	order("unknown-event", "u-1", "200", "alien.contact")
	order("wrong-optional", "u-1", `"many"`, "order.paid") // as if it were not there: the condition is not met
	order("forbidden-1", "renovate[bot]", "200", "order.paid")
	order("forbidden-2", "用户1", "200", "order.paid")
	order("last", "u-1", "200", "order.paid")
	until(t, "balanced books", func() bool {
		code, out, _ := once(t, w.dir, "fates")
		return code == 0 && strings.Contains(out, "4 intents = 4 fates + 0 pending ✓")
	})
	if sent := w.sbx.Stats().RongCloud.Executed; sent != 2 || w.sent("in first") != 1 || w.sent("in last") != 1 {
		t.Errorf("%d calls, want one for each of the two good orders", sent)
	}
	for _, id := range []string{"forbidden-1", "forbidden-2"} {
		if _, out, _ := once(t, w.dir, "fates", id); !strings.Contains(out, "DEAD") || !strings.Contains(out, "want only A-Z a-z 0-9") {
			t.Errorf("fates %s:\n%s", id, out)
		}
	}
	code, out, _ := once(t, w.dir, "dead", "ls", "--format", "jsonl")
	got := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(got) != len(letters) {
		t.Fatalf("dead ls: exit %d, %d letters, want %d\n%s", code, len(got), len(letters), out)
	}
	for _, l := range letters { // of several partitions, in any order
		if !slices.ContainsFunc(got, func(line string) bool {
			return strings.Contains(line, `"`+l.reason+`"`) && strings.Contains(line, l.says)
		}) {
			t.Errorf("no letter is %s and says %q:\n%s", l.reason, l.says, out)
		}
	}
	if m := p.metrics(); !strings.Contains(m, `result="ignored"} 1`) || !strings.Contains(m, `notifier_events_total{event="order.paid",result="no_match"} 1`) {
		t.Error("the unknown event or the wrong type of what is not required is not counted")
	}
}

// full fills the disk under the embedded broker until it has looked once: /dev/full fails every write with ENOSPC, and the broker's test
// write removes its file.
func (w *world) full() {
	w.t.Helper()
	if err := os.Symlink("/dev/full", filepath.Join(w.dir, "data", "probe")); err != nil {
		w.t.Fatal(err)
	}
}

// A full disk under the embedded broker ends the daemon with an error that names the directory, and a start does not get further; once there
// is room again it goes on where it was: what was held leaves once, what was sent is not sent again.
func TestAFullDiskEndsTheDaemonAndLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.run()
	w.order("ord-1", "u-1")
	until(t, "the push", func() bool { return w.sent("ord-1") == 1 })
	if code, _, talk := once(t, w.dir, "pause", "rule/thanks", "--why", "test", "--yes"); code != 0 {
		t.Fatalf("pause: exit %d %s", code, talk)
	}
	w.order("ord-2", "u-1")
	until(t, "a held intent", func() bool {
		_, out, _ := once(t, w.dir, "status")
		return strings.Contains(out, "+ 1 pending")
	})
	w.full()
	if code := p.exits(); code != exitUnreachable || !strings.Contains(p.said(), "notifier: embedded broker stopped: test write to data: ") || !strings.Contains(p.said(), "no space left on device") {
		t.Errorf("exit %d, want %d and the full disk named", code, exitUnreachable)
	}
	w.full()
	p = start(t, w.dir, "run", "-c", "notifier.yaml")
	if code := p.exits(); code != exitUnreachable || !strings.Contains(p.said(), "notifier: test write to data: ") || !strings.Contains(p.said(), "no space left on device") {
		t.Errorf("a start on a full disk: exit %d, want %d and the full disk named", code, exitUnreachable)
	}
	p = start(t, w.dir, "run", "-c", "notifier.yaml")
	p.says(`"notifier runs"`)
	if code, _, talk := once(t, w.dir, "resume", "rule/thanks", "--why", "test", "--yes"); code != 0 {
		t.Fatalf("resume: exit %d %s", code, talk)
	}
	until(t, "balanced books", func() bool {
		code, out, _ := once(t, w.dir, "fates")
		return code == 0 && strings.Contains(out, "2 intents = 2 fates + 0 pending ✓")
	})
	for _, id := range []string{"ord-1", "ord-2"} {
		if n := w.sent(id); n != 1 {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
}

func TestWrongStarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	port := freePort(t)
	w.settings("unreachable.yaml", fmt.Sprintf(`brokers: ["127.0.0.1:%d"]`, port))
	w.write("broken.yaml", "version: 1\nkafka: [\n")
	w.write("unknown.yaml", "version: 1\nkafak: {}\n")
	b, err := os.ReadFile(filepath.Join(w.dir, "notifier.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("nostart.yaml", strings.Replace(strings.Replace(string(b), "start: earliest, ", "", 1), "embedded: data", "embedded: data2", 1))
	for _, c := range []struct {
		file string
		code int
		says string
	}{
		{"unreachable.yaml", exitUnreachable, fmt.Sprintf("cannot reach Kafka at 127.0.0.1:%d", port)},
		{"broken.yaml", exitSettings, "broken.yaml:2:"},
		{"unknown.yaml", exitSettings, "unknown.yaml:2:1"},
		{"missing.yaml", exitSettings, "missing.yaml"},
		{"nostart.yaml", exitSettings, "kafka.start is not set"},
		{"nostart.yaml", exitSettings, "nostart.yaml:2:8"},
	} {
		code, _, talk := once(t, w.dir, "run", "-c", c.file)
		if code != c.code || !strings.Contains(talk, c.says) {
			t.Errorf("%s: exit %d, want %d with %q:\n%s", c.file, code, c.code, c.says, talk)
		}
		if strings.Contains(talk, "topic made") || strings.Contains(talk, "partition owned") {
			t.Errorf("%s: topics were made:\n%s", c.file, talk)
		}
	}
}

func TestWrongCredentialsStopTheLanesAndSaySo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, err := os.ReadFile(filepath.Join(w.dir, "notifier.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("secret", "wrong")
	w.write("notifier.yaml", strings.Replace(string(b), `"${env:VENDOR_SECRET}"`, `"${file:`+filepath.Join(w.dir, "secret")+`}"`, 1))
	p := w.run()
	admin := ""
	for _, f := range strings.Split(p.said(), `"`) {
		if strings.HasPrefix(f, "127.0.0.1:") {
			admin = f
		}
	}
	w.order("ord-1", "u-1")
	until(t, "/readyz to name the stopped lane", func() bool {
		resp, err := http.Get("http://" + admin + "/readyz")
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		var body bytes.Buffer
		_, _ = body.ReadFrom(resp.Body)
		return resp.StatusCode == http.StatusOK && strings.Contains(body.String(), "lane main/user is stopped: credentials")
	})
	_, out, _ := once(t, w.dir, "status")
	if !strings.Contains(out, "stopped  8 lanes of main (broadcast, online, push-plus, recall, tag, tag-batch, tag-get, user)  credentials") || !strings.Contains(out, "+ 1 pending") {
		t.Errorf("status:\n%s", out)
	}
	if code, out, talk := once(t, w.dir, "status", "--wait", "idle", "--timeout", "1s"); code != exitFindings || !strings.Contains(out, "1 in stopped lanes   next: notifier status --why") {
		t.Errorf("status --wait idle: exit %d\n%s%s", code, out, talk)
	}
	w.write("secret", sandbox.DefaultSecret)
	until(t, "the push once the secret is right", func() bool { return w.sent("ord-1") == 1 })
}

// A ledger that is lost is never guessed: nothing is sent, and every command that would otherwise say that all is well names it.
func TestALostLedgerStopsItsPartitionAndEveryCommandSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.run()
	w.order("ord-1", "u-1")
	until(t, "the push", func() bool { return w.sent("ord-1") == 1 })
	p.signal(syscall.SIGTERM)
	if code := p.exits(); code != 0 {
		t.Fatalf("exit %d after SIGTERM", code)
	}
	dirs, err := filepath.Glob(filepath.Join(w.dir, "data", "partitions", "notifier.ledger-*"))
	if err != nil || len(dirs) != 2 {
		t.Fatal(dirs, err)
	}
	for _, d := range dirs {
		if err := os.RemoveAll(d); err != nil {
			t.Fatal(err)
		}
	}
	p = start(t, w.dir, "run", "-c", "notifier.yaml")
	p.says("partition stopped, nothing is sent from it")
	until(t, "the stop on record", func() bool {
		code, out, _ := once(t, w.dir, "status")
		return code == exitFindings && strings.Contains(out, "stopped  partition") && strings.Contains(out, "#stopped-partition")
	})
	if code, out, _ := once(t, w.dir, "fates"); code != exitFindings || strings.Contains(out, "✓") {
		t.Errorf("fates: exit %d\n%s", code, out)
	}
	if code, out, _ := once(t, w.dir, "fates", "--format", "json"); code != exitFindings || !strings.Contains(out, `"balanced": false`) || !strings.Contains(out, "without the stopped partitions") {
		t.Errorf("fates as JSON: exit %d\n%s", code, out)
	}
	if code, _, talk := once(t, w.dir, "fates", "--format", "jsonl"); code != exitFindings || !strings.Contains(talk, "✗ without the stopped partitions") {
		t.Errorf("fates as lines of JSON: exit %d\n%s", code, talk)
	}
	if code, out, _ := once(t, w.dir, "status", "--wait", "idle"); code != exitFindings || !strings.Contains(out, "is stopped   next: docs/runbook.md#stopped-partition") {
		t.Errorf("status --wait idle: exit %d\n%s", code, out)
	}
	if code, out, _ := once(t, w.dir, "status", "--partitions"); code != exitFindings || strings.Count(out, "docs/runbook.md#stopped-partition") != 1 {
		t.Errorf("status --partitions: exit %d\n%s", code, out)
	}
	if _, out, _ := once(t, w.dir, "quota"); !strings.Contains(out, "not known") ||
		!strings.Contains(out, "main/broadcast   used unknown   next possible unknown") || strings.Contains(out, "0/2") || strings.Contains(out, "possible now") {
		t.Errorf("quota of a stopped partition:\n%s", out)
	}
	if _, out, _ := once(t, w.dir, "quota", "--format", "json"); !strings.Contains(out, `"stopped": true`) {
		t.Errorf("quota as JSON:\n%s", out)
	}
	w.order("ord-2", "u-1")
	if w.sent("ord-2") != 0 {
		t.Error("sent from a stopped partition")
	}
	w.assumed()
}
