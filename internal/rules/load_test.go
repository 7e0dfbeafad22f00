package rules

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

var update = flag.Bool("update", false, "write the golden files")

// strictAccount may reach nobody but by tag.
func strictAccount() Options {
	return Options{Now: time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC), Accounts: []Account{{Name: "main", Vendor: "rongcloud", Sender: "system"}}}
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Each testdata/bad/*.yaml has its findings in *.txt beside it, exactly as an operator sees them.
func TestMistakesAreNamed(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		set, l := LoadFiles([]File{{"events.yaml", readFile(t, "testdata/events.yaml")}, {filepath.Base(f), readFile(t, f)}}, strictAccount())
		if l.Errors() > 0 != (set == nil) {
			t.Errorf("%s: a Set with errors", f)
		}
		golden := strings.TrimSuffix(f, ".yaml") + ".txt"
		if *update {
			if err := os.WriteFile(golden, []byte(show(l)), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if diff := cmp.Diff(string(readFile(t, golden)), show(l)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", f, diff)
		}
	}
}

// load loads the test catalogue with one rule file.
func load(t testing.TB, rules string, opt Options) (*Set, diag.List) {
	t.Helper()
	return LoadFiles([]File{{"events.yaml", readFile(t, "testdata/events.yaml")}, {"r.yaml", []byte("version: 1\nrules:\n" + rules)}}, opt)
}

func mustLoad(t testing.TB, rules string, opt Options) *Set {
	t.Helper()
	s, l := load(t, rules, opt)
	if s == nil {
		t.Fatalf("%s", show(l))
	}
	return s
}

func codes(l diag.List) string {
	var out []string
	for _, d := range l {
		out = append(out, d.Code)
	}
	return strings.Join(out, " ")
}

func TestAccounts(t *testing.T) {
	rule := "  - name: x-y\n    event: order.paid\n    mode: live\n    class: service\n    when: always\n    push: {body: b}\n    tests: [{name: n, event: {}, expect: no match}]\n"
	two := Options{Accounts: []Account{{Name: "main", Vendor: "rongcloud"}, {Name: "second", Vendor: "getui"}}}
	for _, c := range []struct {
		rule  string
		opt   Options
		codes string
	}{
		{rule, demoAccount(), ""}, {rule, two, "N406"}, {rule + "    account: second\n", two, ""}, {rule + "    account: secnod\n", two, "N203"}, {rule, Options{}, "N203"}, {rule, Options{AnyAccount: true}, ""}, {rule + "    account: whatever\n", Options{AnyAccount: true}, ""},
		{strings.Replace(rule, "{body: b}", "{body: b, message: {type: RC:TxtMsg, content: {content: x}}}", 1), Options{Accounts: two.Accounts[:1]}, "N408"},
	} {
		if _, l := load(t, c.rule, c.opt); codes(l) != c.codes {
			t.Errorf("%s with %d accounts: got %s, want %s", c.rule, len(c.opt.Accounts), show(l), c.codes)
		}
	}
	_, l := load(t, rule, two)
	if !strings.Contains(l[0].Note.EN, "main, second") {
		t.Errorf("the accounts are not listed: %+v", l[0])
	}
}

func TestApprovalIsAskedForWhereEverybodyIsReached(t *testing.T) {
	rule := func(audience, extra string) string {
		return "  - name: x-y\n    event: sale.opened\n    mode: live\n    class: service\n    when: always\n    broadcast: {audience: " + audience + ", body: b}\n    limits: {expire: 1h}\n    tests: [{name: n, event: {}, expect: no match}]\n" + extra
	}
	allowed := Options{Accounts: []Account{{Name: "main", Vendor: "rongcloud", AllowEveryone: true}}}
	approve := "    approval: {people: 2, within: 30m}\n"
	for _, c := range []struct {
		audience, extra string
		opt             Options
		codes           string
		people          int
	}{
		{"everyone", "", strictAccount(), "N401 N402", 0}, {"everyone", "", allowed, "N402", 0}, {"everyone", approve, allowed, "", 2}, {"everyone", approve, demoAccount(), "", 0}, {"everyone", "", demoAccount(), "", 0},
		{"{package: com.app}", "", allowed, "N402", 0}, {"{all_of: [x]}", "", strictAccount(), "W307", 0}, {"{all_of: [x]}", approve, strictAccount(), "W307", 2},
	} {
		s, l := load(t, rule(c.audience, c.extra), c.opt)
		if codes(l) != c.codes && codes(l) != strings.Join([]string{"N402", "N401"}, " ") {
			t.Errorf("%s%s: got %s, want %s", c.audience, c.extra, codes(l), c.codes)
		}
		people := 0
		if s != nil && s.Rules[0].policy.Approval != nil {
			people = s.Rules[0].policy.Approval.People
		}
		if people != c.people {
			t.Errorf("%s%s: %d people, want %d", c.audience, c.extra, people, c.people)
		}
	}
}

// Profile intents go by the rule name "tags", which no rule may take.
func TestRuleNames(t *testing.T) {
	for name, good := range map[string]bool{"tags": false, "ab": false, "abc": true, "a_b": false, "北京": false, "Abc": false, strings.Repeat("a", 60): true, strings.Repeat("a", 61): false} {
		if s, _ := load(t, rule(name, "order.paid", "    when: always\n    push: {body: b}"), demoAccount()); (s != nil) != good {
			t.Errorf("%s: loads %t, want %t", name, s != nil, good)
		}
	}
}

func TestDefaultsAreReplacedKeyByKey(t *testing.T) {
	src := "version: 1\ndefaults: {owner: growth, class: marketing, limits: {expire: 2h, quiet: 22:00-08:00, when_quiet: drop}}\nrules:\n" +
		"  - {name: one, event: order.paid, mode: shadow, when: always, push: {body: b}}\n  - {name: two, event: order.paid, mode: live, class: service, owner: me, when: always, push: {body: b}, limits: {expire: 5h, quiet: none}}\n"
	s, l := LoadFiles([]File{{"events.yaml", readFile(t, "testdata/events.yaml")}, {"r.yaml", []byte(src)}}, demoAccount())
	if s == nil {
		t.Fatal(show(l))
	}
	a, b := s.Rule("one"), s.Rule("two")
	if a.Owner != "growth" || a.Class != "marketing" || a.expire.Hours() != 2 || len(a.policy.Quiet) != 1 || !a.policy.DropOn || a.Mode != Shadow {
		t.Errorf("%+v", a)
	}
	if b.Owner != "me" || b.Class != "service" || b.expire.Hours() != 5 || len(b.policy.Quiet) != 0 || !b.policy.DropOn {
		t.Errorf("%+v", b)
	}
}

// An approval of the file's is asked of each of its broadcasts, whom they go to; a rule may have its own.
func TestADefaultApprovalIsAskedOfEveryBroadcast(t *testing.T) {
	src := "version: 1\ndefaults: {owner: me, approval: {people: 2, within: 1h}}\nrules:\n" +
		"  - {name: push, event: order.paid, mode: live, class: service, when: always, push: {body: b}, limits: {expire: 5h, quiet: none}}\n" +
		"  - {name: some, event: order.paid, mode: live, class: service, when: always, broadcast: {audience: {any_of: [vip]}, body: b}, limits: {expire: 5h, quiet: none}}\n" +
		"  - {name: own, event: order.paid, mode: live, class: service, when: always, broadcast: {audience: {any_of: [vip]}, body: b}, limits: {expire: 5h, quiet: none}, approval: {people: 1, within: 30m}}\n"
	s, l := LoadFiles([]File{{"events.yaml", readFile(t, "testdata/events.yaml")}, {"r.yaml", []byte(src)}}, demoAccount())
	if s == nil {
		t.Fatal(show(l))
	}
	got := map[string]*intent.Approval{}
	for _, name := range []string{"push", "some", "own"} {
		got[name] = s.Rule(name).policy.Approval
	}
	want := map[string]*intent.Approval{"push": nil, "some": {People: 2, Within: time.Hour}, "own": {People: 1, Within: 30 * time.Minute}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("approvals (-want +got):\n%s", d)
	}
}

func TestLoadFromDisk(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range shippedFiles(t) {
		write(f.Name, string(f.Data))
	}
	write(".hidden.yaml", "nonsense")
	write("vip.yaml~", "nonsense")
	whole, l := Load([]string{dir}, demoAccount())
	if whole == nil || len(whole.Rules) != len(shippedSet(t).Rules) {
		t.Fatalf("%s", show(l))
	}
	if whole.Hash != shippedSet(t).Hash || len(whole.Hash) != 12 {
		t.Errorf("the same files have the revisions %s and %s", whole.Hash, shippedSet(t).Hash)
	}
	if one, l := Load([]string{filepath.Join(dir, "orders.yaml")}, demoAccount()); one == nil || len(one.Rules) != 2 {
		t.Errorf("one file with the catalogue beside it: %s", show(l))
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if s, l := Load([]string{link}, demoAccount()); s == nil || s.Hash != whole.Hash {
		t.Errorf("a link to the folder: %s", show(l))
	}
	write("orders.yaml", strings.Replace(string(readFile(t, filepath.Join(dir, "orders.yaml"))), "> 500", "> 501", 1))
	if changed, _ := Load([]string{dir}, demoAccount()); changed == nil || changed.Hash == whole.Hash {
		t.Error("another text has the same revision")
	}
	for _, c := range []struct{ path, code string }{{filepath.Join(dir, "nope"), "N117"}, {t.TempDir(), "N110"}} {
		if s, l := Load([]string{c.path}, demoAccount()); s != nil || codes(l) != c.code {
			t.Errorf("%s: got %s", c.path, codes(l))
		}
	}
	settings := "version: 1\nkafka: {brokers: [a]}\nrules: rules/\nevents: {max_bytes: 1MiB}\n"
	write("../settings/notifier.yaml", settings)
	if n := Summary([]File{{"notifier.yaml", []byte(settings)}}); n[0] != (FileInfo{Name: "notifier.yaml"}) {
		t.Errorf("of the settings file is counted: %+v", n)
	}
	if s, l := Load([]string{filepath.Join(dir, "../settings/notifier.yaml")}, demoAccount()); s != nil || codes(l) != "N118" {
		t.Errorf("the settings file: %s", show(l))
	}
}

// Settings are looked for in the folder of the rules, so they may lie there: the folder is read without them. Named they are a mistake, and
// so is a file that has rules in it as well, which would be lost in silence.
func TestSettingsAmongTheRulesArePassedOver(t *testing.T) {
	const settings = "version: 1\nkafka: {brokers: [a]}\nrules: .\nevents: {max_bytes: 1MiB, duplicates: {users: 24h}}\n"
	for _, c := range []struct{ name, text, want string }{
		{"notifier.yaml", settings, ""},
		{"prod.yml", "accounts:\n  main: {vendor: rongcloud}\nversion: 1\n", ""},
		{"both.yaml", "version: 1\naccounts: {main: {vendor: rongcloud}}\nrules:\n  - {name: x-y, event: order.paid, tags: [a]}\n", "N118"},
		{"both-events.yaml", "version: 1\nkafka: {}\nevents: {e.e: {topic: t, id: id, fields: {a: a}}}\n", "N118"},
		{"unread.yaml", settings + "dead: [\n", "N100"},
	} {
		dir := t.TempDir()
		for _, f := range append(shippedFiles(t), File{c.name, []byte(c.text)}) {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, f.Name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		set, l := Load([]string{dir}, demoAccount())
		if codes(l) != c.want || c.want == "" && set.Hash != shippedSet(t).Hash {
			t.Errorf("%s: got %q, want %q\n%s", c.name, codes(l), c.want, show(l))
		}
		if c.want == "" {
			c.want = "N118"
		}
		if _, l = Load([]string{dir, filepath.Join(dir, c.name)}, demoAccount()); codes(l) != c.want {
			t.Errorf("%s, named: %s", c.name, show(l))
		}
	}
}

// Of a rule without a condition only such a test is asked for as can pass; of one that nothing stops, none.
func TestWhatARuleWithoutAConditionIsAskedToProve(t *testing.T) {
	for block, want := range map[string]string{
		"mode: live":                                                    "",
		"mode: live, limits: {expire: 1h}":                              "",
		"mode: live, limits: {per_user: 1 per day}":                     "capped",
		"mode: live, limits: {rule: 3 in 1h}":                           "capped",
		"mode: live, limits: {once: {by: x, in: 24h}}":                  "repeated",
		"mode: live, limits: {quiet: 22:00-08:00, when_quiet: drop}":    "quiet",
		"mode: live, limits: {quiet: 22:00-08:00, expire: 12h}":         "",
		"mode: live, user_when: city == \"x\"":                          "opted-out",
		"mode: canary 5%":                                               "canary",
		"mode: live, until: 2027-01-01 00:00":                           "`now`",
		"mode: live, unless: amount > 3, limits: {per_user: 1 per day}": "no match",
		"mode: live, limits: {brake: 5 in 1h}, tests: []":               "",
		"mode: live, limits: {rule: 3 in 1h}, tests: [{name: t, event: {}, times: 4, expect: {suppressed: capped}}]": "-",
	} {
		_, l := load(t, "  - {name: x-y, event: order.paid, class: service, when: always, push: {body: b}, "+block+"}\n", strictAccount())
		got := ""
		for _, d := range l {
			if d.Code == untested {
				got = d.Hint.EN
			}
		}
		if want == "" || want == "-" {
			if got != "" {
				t.Errorf("%s: %s", block, got)
			}
		} else if !strings.Contains(got, want) || l.Errors() > 0 {
			t.Errorf("%s: got %q, want %q\n%s", block, got, want, show(l))
		}
	}
}

func FuzzLoad(f *testing.F) {
	files, err := ReadFS(os.DirFS("testdata"))
	if err != nil {
		f.Fatal(err)
	}
	for _, x := range append(files, shippedFiles(f)...) {
		f.Add(x.Data)
	}
	events := readFile(f, "testdata/events.yaml")
	f.Fuzz(func(t *testing.T, src []byte) {
		s, l := LoadFiles([]File{{"events.yaml", events}, {"r.yaml", src}}, Options{AnyAccount: true})
		if (s == nil) != (l.Errors() > 0) {
			t.Fatalf("a Set beside %d errors", l.Errors())
		}
		if s == nil {
			return
		}
		e := ev(map[string]event.Value{"city": known("string", "北京"), "amount": known("number", "7")})
		for _, spec := range s.Catalogue.Specs {
			e.Spec = spec
			e.Values = make([]event.Value, len(spec.Fields))
			for _, in := range s.Evaluate(e) {
				if in.Dead == "" && in.Content == nil && in.Profile == nil {
					t.Fatalf("an empty intent %+v", in)
				}
			}
		}
	})
}

// The vendor's block is sent as it stands: a hole in it would reach phones as `${...}`.
func TestTheVendorsBlockHasNoHoles(t *testing.T) {
	_, l := load(t, "  - {name: x-y, event: order.paid, mode: live, class: service, when: always, push: {body: b, rongcloud: {ios: {title: \"${order_id}\", extras: {k: \"${order_id}\"}}}}}\n", demoAccount())
	n := 0
	for _, d := range l {
		if d.Code == "N411" {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d of 2 holes are named:\n%s", n, show(l))
	}
}

func readAndFormat(dir string) ([]Formatted, error) {
	files, _ := Read([]string{dir})
	return Format(files, demoAccount())
}

// What is no regular file in the folder is named and not waited for, and a file is read no further than a rule file may go.
func TestTheFolderHoldsAPipeADeviceAndLargeFiles(t *testing.T) {
	for name, c := range map[string]struct {
		put  func(path string) error
		file string
		want string
	}{
		"a pipe":   {func(p string) error { return syscall.Mkfifo(p, 0o600) }, "pipe.yaml", "N117 it is a pipe"},
		"a device": {func(p string) error { return os.Symlink("/dev/zero", p) }, "zero.yaml", "N117 it is a device"},
		"a large file": {func(p string) error {
			return os.WriteFile(p, append([]byte("\ufeff"), bytes.Repeat([]byte("# 1\n"), 75<<10)...), 0o600)
		}, "large.yaml", "N108 more than 256 KiB"},
		"a sample pipe": {func(p string) error { return syscall.Mkfifo(p, 0o600) }, "sample.json", "N117 it is a pipe"},
		"no sample":     {func(p string) error { return os.WriteFile(p, make([]byte, 2<<20), 0o600) }, "any.json", ""},
		"a large sample": {func(p string) error {
			return errors.Join(os.WriteFile(p, make([]byte, 2<<20), 0o600), os.WriteFile(filepath.Join(filepath.Dir(p), "events.yaml"),
				[]byte("version: 1\nevents:\n  order.paid:\n    topic: orders\n    id: id\n    user: user\n    fields: {city: city}\n    sample: sample.json\n"), 0o600))
		}, "sample.json", "N608 more than 1024 KiB"},
	} {
		dir := t.TempDir()
		err := errors.Join(os.WriteFile(filepath.Join(dir, "events.yaml"),
			[]byte("version: 1\nevents:\n  order.paid:\n    topic: orders\n    id: id\n    user: user\n    fields: {city: city}\n"), 0o600),
			os.WriteFile(filepath.Join(dir, "r.yaml"), []byte("version: 1\nrules:\n"+rule("any-rule", "order.paid", "    when: always\n    push: {body: b}")), 0o600),
			c.put(filepath.Join(dir, c.file)))
		if err != nil {
			t.Fatal(err)
		}
		s, l := Load([]string{dir}, demoAccount())
		if formatted, err := readAndFormat(dir); c.file == "large.yaml" && (err != nil || len(formatted) != 3 || formatted[1].Changed() || !formatted[1].Left) {
			t.Errorf("%s: its beginning would be written over the whole: %v", name, err)
		}
		if c.want == "" {
			if s == nil {
				t.Errorf("%s: %s", name, show(l))
			}
			continue
		}
		code, text, _ := strings.Cut(c.want, " ")
		if s != nil || codes(l) != code || !strings.Contains(show(l), text) || c.file != "sample.json" && !strings.Contains(show(l), c.file) {
			t.Errorf("%s: %s", name, show(l))
		}
	}
}

// A file whose ending somebody's system has changed is named; what is no rule file by any ending is not.
func TestFilesThatAreNotReadAreNamed(t *testing.T) {
	dir := t.TempDir()
	rule := "version: 1\nrules:\n  - name: any-rule\n    event: order.paid\n    mode: live\n    class: service\n    when: amount > 500\n    push: {body: b}\n    tests: [{name: n, event: {amount: 1}, expect: no match}]\n"
	for name, text := range map[string]string{"events.yaml": string(readFile(t, "testdata/events.yaml")), "r.yml": rule, "vip.yaml.txt": rule, "VIP.YAML": rule, "x.Yml.TXT": rule, "İ.YML": rule,
		"notes.txt": "x", "r.yaml.bak": rule, ".r.yaml.txt": rule, "yaml": "x", ".YAML": "x", "README.md": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, l := Load([]string{dir}, demoAccount())
	if s == nil || len(s.Rules) != 1 {
		t.Fatal(show(l))
	}
	var got []string
	for _, d := range l {
		got = append(got, d.Code+" "+filepath.Base(d.File)+" "+d.Hint.EN)
	}
	want := []string{"VIP.YAML to `VIP.yaml`", "vip.yaml.txt to `vip.yaml`", "x.Yml.TXT to `x.yml`", "İ.YML to `İ.yml`"}
	for i, w := range want {
		name, to, _ := strings.Cut(w, " ")
		want[i] = "W119 " + name + " rename it " + to + ", or move it elsewhere"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What tags there are is not known while a tag rule has an error: no broadcast is blamed for it.
func TestATagRuleWithAnErrorBlamesNoBroadcast(t *testing.T) {
	sale := "  - name: sale-x\n    event: sale.opened\n    mode: live\n    class: service\n    when: stock > 100\n    broadcast: {audience: {all_of: [\"city_${city}\"]}, body: b}\n    limits: {expire: 1h}\n    tests: [{name: n, event: {stock: 1}, expect: no match}]\n"
	two := Options{Accounts: []Account{{Name: "main", Vendor: "rongcloud"}, {Name: "second", Vendor: "rongcloud"}}}
	for tag, want := range map[string]string{
		"tags: [\"city_${city}\"]": "", "tags: [\"level_${level}\"]": "W307", "tags: [\"city_${cty}\"]": "N202", "tags:": "N104", "tags: [\"city_${city}\"]\n    titel: x": "N101",
	} {
		if _, l := load(t, "  - name: city-tag\n    event: profile.changed\n    "+tag+"\n"+sale, demoAccount()); codes(l) != want {
			t.Errorf("%s: got %s, want %s\n%s", tag, codes(l), want, show(l))
		}
	}
	sale = strings.Replace(sale, "    class:", "    account: main\n    class:", 1)
	if _, l := load(t, "  - name: city-tag\n    event: profile.changed\n    tags: [\"city_${city}\"]\n"+sale, two); codes(l) != "N406" {
		t.Errorf("a tag rule without its account: %s", show(l))
	}
}
