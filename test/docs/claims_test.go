//go:build !race

package docs

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/ledger"
)

// typed gives what a reader would type from a block: all of an sh block, of a text block what stands behind `$ `.
func typed(b block) (out []string) {
	for l := range strings.SplitSeq(b.body, "\n") {
		cmd, ok := strings.CutPrefix(l, "$ ")
		if ok || b.lang == "sh" && strings.TrimSpace(l) != "" {
			out = append(out, cmd)
		}
	}
	return out
}

// Lines that are not the program's, by how they begin, with the test that does what they say: of this package, or "FOLDER TestName".
var others = []struct{ words, by string }{
	{"kafka-acls.sh --bootstrap-server k1:9092 --command-config admin.properties --add ", "test/deploy TestTheRightsOfThePageAreEnough"},
	{"kafka-topics.sh --bootstrap-server k1:9092 --command-config admin.properties --create ", "test/docs TestTopicsOfTheRunbookAreThoseOfTheProgram"},
	{"ssh-keygen -Y verify ", "test/deploy TestAReleaseIsSignedAndVerified"},
	{"sha256sum --check ", "test/deploy TestAReleaseIsSignedAndVerified"},
	{"bash deploy/build.sh ", "test/deploy TestTheContextOfTheImageBuildsTheSameProgram"},
	{"curl -s " + daemonOfTheManual, "test/docs TestCommandsOfTheManualAreAnsweredByADaemon"},
	{"curl -s ", "test/docs TestThePageOfTheSandboxIsDone"},
	{"notifier sandbox ", "test/docs TestThePageOfTheSandboxIsDone"},
}

// unclaimed gives what of a page's blocks nobody runs or loads.
func unclaimed(t *testing.T, page string, all []block) (out []string) {
	t.Helper()
	shown := excerptsOf(t, page)
	for _, b := range all {
		switch b.lang {
		case "text", "sh":
		case "json": // data, in the form that the text around it describes
			continue
		case "yaml":
			if shown != nil && !slices.ContainsFunc(shown, func(file string) bool { return strings.Contains(file, b.body+"\n") }) {
				out = append(out, fmt.Sprintf("%s: no file holds this YAML", b))
			}
			continue // TestYAMLInTheDocumentsLoads loads all others
		default:
			out = append(out, fmt.Sprintf("%s: a block of %q: nobody knows what to do with it", b, b.lang))
			continue
		}
		for _, cmd := range typed(b) {
			if strings.HasPrefix(page, "README.") && b.lang == "sh" { // run in their order, or unknown to the test that does: TestFirstNotificationOfTheReadme
				continue
			}
			args, ours := strings.CutPrefix(cmd, "notifier ")
			if ours && !endless(strings.Fields(args)) || ours && strings.HasPrefix(args, "fates ") {
				continue // TestCommandsOfTheManualPrintWhatItSays, TestCommandsOfTheManualAreAnsweredByADaemon
			}
			if !slices.ContainsFunc(others, func(o struct{ words, by string }) bool { return strings.HasPrefix(cmd, o.words) }) {
				out = append(out, fmt.Sprintf("%s: nobody runs %q", b, cmd))
			}
		}
	}
	return out
}

// excerptsOf gives the files that a page shows parts of; nil for a page whose YAML stands for itself.
func excerptsOf(t *testing.T, page string) (out []string) {
	t.Helper()
	if !excerpts(page) {
		return nil
	}
	folder := cookbook
	if !strings.HasPrefix(page, cookbook) {
		folder = moving
	}
	files, err := filepath.Glob(filepath.Join(root, folder, "*", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v", folder, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	return out
}

// Every command and every block of YAML in the documents is run or loaded by some test: a page cannot get one that nobody looks at.
func TestEveryBlockIsRunOrLoaded(t *testing.T) {
	n := 0
	for _, p := range pages(t) {
		all := blocks(t, p)
		n += len(all)
		for _, problem := range unclaimed(t, p, all) {
			t.Error(problem)
		}
	}
	if n < 200 {
		t.Errorf("only %d blocks", n)
	}
	for _, o := range others {
		dir, name, _ := strings.Cut(o.by, " ")
		files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(files, func(f string) bool {
			b, err := os.ReadFile(f)
			return err == nil && strings.Contains(string(b), "\nfunc "+name+"(t *testing.T)")
		}) {
			t.Errorf("%q is of %s, which is not there", o.words, o.by)
		}
	}
}

// What nobody runs is found, in whatever kind of block it stands.
func TestABlockThatNobodyRunsIsFound(t *testing.T) {
	for _, c := range []struct {
		page, lang, body string
		ok               bool
	}{
		{page: "docs/rules.md", lang: "sh", body: "notifier check", ok: true},
		{page: "docs/rules.md", lang: "text", body: "a picture of something", ok: true},
		{page: "docs/rules.md", lang: "yaml", body: "loaded: elsewhere", ok: true},
		{page: "docs/rules.md", lang: "sh", body: "kubectl get pods"},
		{page: "docs/rules.md", lang: "text", body: "a line\n$ kubectl get pods"},
		{page: "docs/rules.md", lang: "sh", body: "notifier demo"},
		{page: "docs/rules.md", lang: "sh", body: "kafka-topics.sh --create --topic x"},
		{page: "docs/rules.md", lang: "bash", body: "notifier check"},
		{page: "docs/rules.md", lang: "", body: "notifier check"},
		{page: "docs/rules.md", lang: "yml", body: "a: b"},
		{page: "docs/cookbook.md", lang: "yaml", body: "version: 2"},
		{page: "docs/getui-moving.zh-CN.md", lang: "yaml", body: "version: 2"},
	} {
		if got := unclaimed(t, c.page, []block{{page: c.page, lang: c.lang, body: c.body}}); (len(got) == 0) != c.ok {
			t.Errorf("%s, ```%s of %q: %q", c.page, c.lang, c.body, got)
		}
	}
}

// Commands that stand in a sentence have flags that exist too: a person copies these as well.
func TestCommandsInSentencesHaveTheirFlags(t *testing.T) {
	inline := regexp.MustCompile("`(?:[A-Z_]+=\\S+ )?notifier ([^`\n]+)`")
	dir, done := t.TempDir(), map[string]bool{}
	for _, p := range pages(t) {
		if p == "CHANGELOG.md" { // of its day
			continue
		}
		for _, m := range inline.FindAllStringSubmatch(outside(text(t, p)), -1) {
			cmd := m[1]
			if done[cmd] || regexp.MustCompile(`^(COMMAND|命令) `).MatchString(cmd) {
				continue
			}
			done[cmd] = true
			args := words(t, block{page: p}, cmd)
			if out, talk, code := notifier(t, dir, nil, append(args, "--help")...); code != 0 || !strings.Contains(out, "notifier "+args[0]) {
				t.Errorf("%s: `notifier %s`: exit %d\n%s", p, cmd, code, talk)
			}
		}
	}
	if len(done) < 60 {
		t.Errorf("only %d commands found", len(done))
	}
}

// daemonOfTheManual is where the manual's daemon listens, sandboxOfTheManual its sandbox.
const (
	daemonOfTheManual  = "localhost:8088"
	sandboxOfTheManual = "127.0.0.1:18080"
)

// request is a line of the manual with curl.
type request struct {
	at                block
	method, url, body string
}

// requests gives the lines of a page with curl, of which the manual needs -X and -d.
func requests(t *testing.T, page string) (out []request) {
	t.Helper()
	for _, b := range blocks(t, page) {
		for _, cmd := range typed(b) {
			rest, ok := strings.CutPrefix(cmd, "curl -s ")
			if !ok {
				continue
			}
			r := request{at: b, method: http.MethodGet}
			for args := words(t, b, rest); len(args) > 0; args = args[1:] {
				switch {
				case args[0] == "-X" && len(args) > 1:
					r.method, args = args[1], args[1:]
				case args[0] == "-d" && len(args) > 1:
					r.body, args = args[1], args[1:]
				case r.url == "" && args[0][0] != '-':
					r.url = "http://" + strings.TrimPrefix(args[0], "http://")
				default:
					t.Fatalf("%s: %q needs more of curl than this test has", b, cmd)
				}
			}
			out = append(out, r)
		}
	}
	return out
}

// answered makes a request of the manual to what was started here until it is answered well: a daemon is not ready at once.
func (n *newcomer) answered(r request) {
	n.t.Helper()
	url := strings.NewReplacer(daemonOfTheManual, n.listener, sandboxOfTheManual, n.listener).Replace(r.url)
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, r.method, url, strings.NewReader(r.body))
		if err != nil {
			n.t.Fatal(err)
		}
		code, said := 0, ""
		answer, err := http.DefaultClient.Do(req)
		if err == nil {
			var b []byte
			b, err = io.ReadAll(answer.Body)
			code, said = answer.StatusCode, string(b)
			answer.Body.Close()
		}
		if err == nil && code == http.StatusOK {
			return
		}
		if code/100 == 4 || ctx.Err() != nil {
			n.t.Errorf("%s: %s %s: %d %s (%v)", r.at, r.method, r.url, code, said, err)
			return
		}
		<-again.C
	}
}

// What the page of the sandbox says is done in its order: the sandbox is started, and its control calls are answered.
func TestThePageOfTheSandboxIsDone(t *testing.T) {
	for _, p := range bilingual("docs/sandbox.md") {
		n := arrive(t)
		for _, l := range lines(t, p) {
			if l.args[0] != "sandbox" || n.listener != "" {
				t.Fatalf("%s: this test does not know notifier %q", l.at, l.args)
			}
			ready := n.launch(command{args: append([]string{"go", "run", "./cmd/notifier"}, l.args...)}).wait("rongcloud")
			m := regexp.MustCompile(`"rongcloud":"http://([^"/]+)"`).FindStringSubmatch(ready)
			if m == nil {
				t.Fatalf("the sandbox's first line: %s", ready)
			}
			n.listener = m[1]
		}
		all := requests(t, p)
		if len(all) < 3 {
			t.Errorf("%s: only %d control calls", p, len(all))
		}
		for _, r := range all {
			n.answered(r)
		}
	}
}

// Topics that the runbook has made by hand are as the program makes them where there are three brokers.
func TestTopicsOfTheRunbookAreThoseOfTheProgram(t *testing.T) {
	for _, p := range bilingual("docs/runbook.md") {
		seen := 0
		for _, b := range blocks(t, p) {
			for _, cmd := range typed(b) {
				rest, ok := strings.CutPrefix(cmd, "kafka-topics.sh --bootstrap-server k1:9092 --command-config admin.properties --create ")
				if !ok {
					continue
				}
				seen++
				name, partitions, copies, config := "", "", "", map[string]string{}
				args := words(t, b, rest)
				for i := 0; i+1 < len(args); i += 2 {
					switch args[i] {
					case "--topic":
						name = args[i+1]
					case "--partitions":
						partitions = args[i+1]
					case "--replication-factor":
						copies = args[i+1]
					case "--config":
						k, v, _ := strings.Cut(args[i+1], "=")
						config[k] = v
					default:
						t.Fatalf("%s: this test does not know %s", b, args[i])
					}
				}
				own := app.OwnTopics(ledger.TopicsOf("NEW"), 7, 3)
				i := slices.IndexFunc(own, func(o app.Topic) bool { return o.Name == name })
				if i < 0 {
					t.Fatalf("%s: the program has no topic %s", b, name)
				}
				if want := strings.ReplaceAll(fmt.Sprint(own[i].Partitions), "7", "P"); partitions != want || copies != "3" {
					t.Errorf("%s: %s has %s partitions and %s copies, want %s and 3", b, name, partitions, copies, want)
				}
				if d := cmp.Diff(own[i].Make, config); d != "" {
					t.Errorf("%s: %s (-program +page):\n%s", b, name, d)
				}
			}
		}
		if seen != 2 {
			t.Errorf("%s: %d topics, the way out needs two", p, seen)
		}
	}
}

// The table of topics that are made in a console says what the program demands, and with what it would have made them.
func TestTopicsOfThePageOfManagedKafkaAreThoseOfTheProgram(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| `notifier\\.(\\w+)` \\|[^|]*\\|([^|]*)\\|([^|]*)\\|$")
	setting := regexp.MustCompile("`([a-z.]+)=([^`]+)`")
	settings := func(cells ...string) map[string]string {
		out := map[string]string{}
		for _, c := range cells {
			for _, m := range setting.FindAllStringSubmatch(c, -1) {
				out[m[1]] = m[2]
			}
		}
		return out
	}
	for _, p := range bilingual("docs/managed-kafka.md") {
		rows := map[string][]string{}
		for _, m := range row.FindAllStringSubmatch(text(t, p), -1) {
			rows["notifier."+m[1]] = m[2:]
		}
		own := app.OwnTopics(ledger.TopicsOf("notifier"), 4, 3)
		if len(rows) != len(own) || !strings.Contains(text(t, p), "`min.insync.replicas=2`") {
			t.Errorf("%s has %d topics, the program %d", p, len(rows), len(own))
		}
		for _, o := range own {
			cells := rows[o.Name]
			if cells == nil {
				t.Errorf("%s has no row for %s", p, o.Name)
				continue
			}
			if d := cmp.Diff(o.Must, settings(cells[0]), cmpopts.EquateEmpty()); d != "" {
				t.Errorf("%s: %s must be (-program +page):\n%s", p, o.Name, d)
			}
			want := maps.Clone(o.Must) // a default that is checked is not made
			if want == nil {
				want = map[string]string{}
			}
			maps.Copy(want, o.Make)
			delete(want, "min.insync.replicas") // said of all
			if d := cmp.Diff(want, settings(cells...)); d != "" {
				t.Errorf("%s: %s should be (-program +page):\n%s", p, o.Name, d)
			}
		}
	}
}
