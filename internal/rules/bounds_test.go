package rules

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/event"
)

// A rule names no host, header, variable or file: there is no key for one, and no hole that reads one.
func TestRulesCannotNameHostsVariablesOrFiles(t *testing.T) {
	src, err := os.ReadFile("../../schema/rules.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(src, &doc); err != nil {
		t.Fatal(err)
	}
	n := 0
	outward := regexp.MustCompile(`(?i)^(host|url|uri|header|env|file|path|command|exec|script|proxy|secret|password|token)s?$|_(host|url|file|path)s?$`)
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if keys, ok := v["properties"].(map[string]any); ok {
				for k := range keys {
					if n++; outward.MatchString(k) {
						t.Errorf("a rule has a key %q", k)
					}
				}
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(doc)
	if n < 100 {
		t.Errorf("only %d keys", n)
	}
	texts := []string{"push: {title: \"%s\", body: b}", "push: {body: \"%s\"}", "push: {body: b, link: \"%s\"}", "push: {body: b, image: \"%s\"}", "push: {body: b, to: \"%s\"}", "push: {body: b, group: \"%s\"}", "push: {body: b, data: {k: \"%s\"}}",
		"broadcast: {audience: {all_of: [\"%s\"]}, body: b}", "push: {body: b, message: {type: \"RC:TxtMsg\", content: {content: \"%s\"}}}", "push: {body: b, message: {type: \"RC:TxtMsg\", content: {content: c}, extra: \"%s\"}}"}
	for _, hole := range []string{"${env:HOME}", "${env}", "${file:/etc/passwd}", "${HOME}", "${header.authorization}", "${http://x}", "${secret}", "${settings.secret}", "${account.secret}", "{{env}}${env.HOME}", "${order_id | env}", "${order_id | file}", "${order_id | http}", "${$env}"} {
		for _, text := range texts {
			body := fmt.Sprintf(text, hole)
			if s, l := costly(t, "when: always\n"+body+"\nlimits: {expire: 1h}"); s != nil || l.Errors() == 0 {
				t.Errorf("%s is accepted", body)
			}
		}
	}
	for _, key := range []string{"host", "url", "endpoint", "headers", "env", "file", "include", "import", "secret", "app_key"} {
		for _, where := range []string{"when: always\npush: {body: b}\n%s: x", "when: always\npush: {body: b, %s: x}", "when: always\npush: {body: b}\nlimits: {%s: x}"} {
			if s, l := costly(t, fmt.Sprintf(where, key)); s != nil || !strings.Contains(codes(l), "N101") {
				t.Errorf("%s is accepted: %s", fmt.Sprintf(where, key), codes(l))
			}
		}
	}
}

// A sample is one of the files that were collected; a name cannot lead out of them.
func TestSamplesComeFromTheirFolder(t *testing.T) {
	for _, name := range []string{"/etc/passwd", "../load.go", "samples/../../load.go", "file:///etc/passwd", "http://x/y.json"} {
		src := strings.Replace(benchCatalogue, "    topic: orders\n", "    topic: orders\n    sample: "+name+"\n", 1)
		if s, l := LoadFiles([]File{{"events.yaml", []byte(src)}}, demoAccount()); s != nil || !strings.Contains(codes(l), "N608") {
			t.Errorf("%s: %s", name, codes(l))
		}
	}
}

// Each bound of a condition stands where it is said to stand: the last that is accepted, the first that is not.
func TestBoundsOfAConditionAreWhereTheyAre(t *testing.T) {
	fill := func(n int) string { return "gift or" + strings.Repeat(" ", n-len("gift or")-len("gift")) + "gift" }
	quoted := func(n int) string { return `city matches "` + strings.Repeat("a", n) + `"` }
	for name, c := range map[string]struct{ last, first string }{
		"bytes":               {fill(maxSource), fill(maxSource + 1)},
		"brackets":            {strings.Repeat("(", maxNesting) + "gift" + strings.Repeat(")", maxNesting), strings.Repeat("(", maxNesting+1) + "gift" + strings.Repeat(")", maxNesting+1)},
		"pattern":             {quoted(maxRegex), quoted(maxRegex + 1)},
		"loops":               {`any(items, any(items, # == "a"))`, `any(items, any(items, any(items, # == "a")))`},
		"a loop of two kinds": {`all(items, none(items, # == "a"))`, `all(items, none(items, one(items, # == "a")))`},
	} {
		if got, l := compileText(t, c.last); got == nil {
			t.Errorf("%s: the last one is refused: %s", name, show(l))
		}
		if got, l := compileText(t, c.first); got != nil || l.Errors() == 0 {
			t.Errorf("%s: one more is accepted", name)
		} else if strings.Contains(name, "loop") && !strings.Contains(show(l), "loops inside loops") {
			t.Errorf("%s: refused for another reason: %s", name, show(l))
		}
	}
}

// 4 KiB of brackets reach no parser: what they allocate is a message.
func TestNestingIsRefusedBeforeTheParser(t *testing.T) {
	for _, open := range []string{"(", "[", "{", "not (", "len([", "-(", "any(items, "} {
		src := strings.Repeat(open, maxSource/len(open))
		got := allocated(func() {
			if c, l := compileText(t, src); c != nil || l.Errors() == 0 {
				t.Errorf("%s: accepted", open)
			}
		})
		if got > 2<<20 {
			t.Errorf("%s: %d KiB allocated", open, got>>10)
		}
	}
}

// Marks side by side are looked at once, not once for each of those before them.
func TestManyMarksAreLookedAtOnce(t *testing.T) {
	for _, mark := range []string{"!", "=", "<", "> ", "！", "!= ", "ok !"} {
		once, many := strings.Repeat(mark, 200/len(mark)), strings.Repeat(mark, 3200/len(mark))
		of := func(src string) uint64 { return allocated(func() { compileText(t, src+"ok") }) }
		of(once)
		if few, got := of(once), of(many); got > 40*few+1<<20 {
			t.Errorf("%q: %d KiB for 200 bytes, %d KiB for 3200", mark, few>>10, got>>10)
		}
	}
}

// What is given to conditions is cut: texts to 4 KiB, lists to 32 items.
func TestConditionsAreGivenCutValues(t *testing.T) {
	s, l := costly(t, "when: 'len(city) > 0 and len(items) > 0'\npush: {body: b}")
	if s == nil {
		t.Fatal(show(l))
	}
	items := strings.TrimSuffix(strings.Repeat(`"`+strings.Repeat("x", 3*mostText)+`",`, 2*mostItems), ",")
	evs, err := s.Decode(event.Record{Position: event.Position{Topic: "orders"}, Time: time.Unix(1, 0), Value: fmt.Appendf(nil, `{"id":"1","user":"u","at":1,"city":%q,"items":[%s]}`, strings.Repeat("y", 3*mostText), items)})
	if err != nil || len(evs) != 1 {
		t.Fatal(evs, err)
	}
	env := environment([]string{"city", "items"}, eventSource{&evs[0], time.UTC})
	if city := env["city"].(string); len(city) != mostText {
		t.Errorf("a text of %d bytes", len(city))
	}
	list := env["items"].([]string)
	if len(list) != mostItems {
		t.Errorf("a list of %d items", len(list))
	}
	for _, it := range list {
		if len(it) != mostText {
			t.Errorf("an item of %d bytes", len(it))
		}
	}
}

// A pattern is a constant of at most 256 bytes and takes linear time in any text: Go's regular expressions do not go back. What it
// allocates does not grow with the text.
func TestPatternsAreConstantAndLinear(t *testing.T) {
	for _, src := range []string{`city matches level`, `city matches lower("a")`, `city matches (city + "a")`, `city matches event.id`, `any(items, city matches #)`, `city matches (gift ? "a" : "b")`, `"a" matches city`} {
		if c, _ := compileText(t, src); c != nil {
			t.Errorf("%s is accepted", src)
		}
	}
	ran := 0
	for _, pattern := range []string{`(a+)+$`, `(a|aa)+$`, `^(([a-z])+.)+[A-Z]([a-z])+$`, `(a?){30}a{30}$`, `(.*)*x`} {
		c, l := compileText(t, `city matches "`+pattern+`"`)
		if c == nil {
			if l.Errors() == 0 {
				t.Errorf("%s: refused without a finding", pattern)
			}
			continue // over the bound of work, or no expression of Go's
		}
		ran++
		of := func(n int) float64 {
			env := map[string]any{"city": strings.Repeat("a", n) + "!"}
			return testing.AllocsPerRun(3, func() { c.met(env) })
		}
		// A matcher that the pool has dropped is made anew, which takes as many as the pattern has states and nothing for a byte of text.
		if few, many := of(64), of(mostText-1); many > few+float64(mostText)/16 {
			t.Errorf("%s: %.0f allocations with %d bytes, %.0f with 64", pattern, many, mostText, few)
		}
	}
	if ran < 3 {
		t.Errorf("only %d patterns ran", ran)
	}
	if c, _ := compileText(t, `city matches "`+strings.Repeat("(a+)+", 51)+`"`); c != nil && c.work.nanos > maxNanos {
		t.Errorf("accepted at %.0f ns", c.work.nanos)
	}
}

// A path of the catalogue is names and dots: no modifier, no query, nothing that gjson would run.
func TestPathsOfTheCatalogueAreNames(t *testing.T) {
	for _, path := range []string{"@reverse", "a.@this", "a|@pretty", "a.#(b==1)", "a.#(b==1)#.c", "a.#(b%\"*\").c", "{a,b}", "[a,b]", "!\"lit\"", "a*", "a?", "..0", ".a", "a.", "a..b", "@fromstr", "a.@join:{}", "header.", strings.Repeat("@reverse.", 3000) + "a"} {
		for _, at := range []string{"    id: id\n", "    user: user\n", "      store: store\n"} {
			key, _, _ := strings.Cut(strings.TrimSpace(at), ":")
			indent := at[:len(at)-len(strings.TrimLeft(at, " "))]
			src := strings.Replace(benchCatalogue, at, indent+key+": '"+strings.ReplaceAll(path, "'", "''")+"'\n", 1)
			if s, l := LoadFiles([]File{{"events.yaml", []byte(src)}}, demoAccount()); s != nil || !strings.Contains(codes(l), "N605") && !strings.Contains(codes(l), "N108") { // N108: longer than a line
				t.Errorf("%s: %.30s: %s", key, path, codes(l))
			}
		}
	}
	// and what data says is never a path: a value that looks like one is a value
	s := benchSet(t, 1, func(int) string { return `store == "@reverse" and name == "a.#(b==1)"` })
	evs, err := s.Decode(event.Record{Position: event.Position{Topic: "orders"}, Time: time.Unix(1, 0), Value: []byte(`{"id":"1","user":"u","store":"@reverse","name":"a.#(b==1)"}`)})
	if err != nil || len(s.Evaluate(&evs[0])) == 0 {
		t.Errorf("%v %v", evs, err)
	}
}

// A file is bounded before the YAML library sees it: the last mapping that is accepted, the first that is not.
func TestBoundsOfAFileAreWhereTheyAre(t *testing.T) {
	keys := func(n int) string {
		var b strings.Builder
		b.WriteString("version: 1\nrules:\n  - name: any-rule\n    event: order.paid\n    mode: live\n    class: service\n    when: always\n    push:\n      body: b\n      data:\n")
		for i := range n {
			fmt.Fprintf(&b, "        k%d: v\n", i)
		}
		return b.String()
	}
	padded := func(n int) string {
		src := "version: 1\nrules:\n  - {name: any-rule, event: order.paid, mode: live, class: service, when: always, push: {body: b}}\n"
		for len(src) < n {
			src += "#" + strings.Repeat("x", min(1000, n-len(src)-1)-1) + "\n"
		}
		return src[:n]
	}
	events := File{"events.yaml", readFile(t, "testdata/events.yaml")}
	for name, c := range map[string]struct {
		src  string
		code string
	}{
		"2,000 keys": {keys(2000), ""}, "2,001 keys": {keys(2001), "N108"}, "256 KiB": {padded(256 << 10), ""}, "a byte more": {padded(256<<10 + 1), "N108"},
		"an anchor": {strings.Replace(keys(1), "k0: v", "k0: &a v", 1), "N105"}, "an alias": {strings.Replace(keys(1), "k0: v", "k0: *a", 1), "N105"}, "a merge key": {strings.Replace(keys(1), "k0: v", "<<: {a: b}", 1), "N105"}, "a tag": {strings.Replace(keys(1), "k0: v", "k0: !!str v", 1), "N105"},
		"a key twice": {keys(2) + "        k0: w\n", "N102"}, "two documents": {keys(1) + "---\n" + keys(1), "N108"}, "an unknown key": {keys(1) + "    nope: x\n", "N101"},
	} {
		_, l := LoadFiles([]File{events, {"r.yaml", []byte(c.src)}}, demoAccount())
		bounds := codes(l)
		if c.code != "" && !strings.Contains(bounds, c.code) || c.code == "" && strings.Contains(bounds, "N108") {
			t.Errorf("%s: %s, want %q", name, bounds, c.code)
		}
	}
}
