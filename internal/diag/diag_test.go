package diag

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// walkSample reads a file as a small settings format would: enough of the accessors to show every kind of finding.
func walkSample(d *Doc) {
	r := d.Root
	if !r.Keys("version", "rules", "wait", "quiet", "mode", "on", "names") {
		return
	}
	r.Need("version").Int(1, 1)
	r.Get("wait").Duration(0, time.Hour)
	r.Get("mode").Enum("live", "shadow", "off")
	r.Get("on").Bool()
	r.Get("names").Strings()
	for _, it := range r.Get("rules").List() {
		if it.Keys("name", "when", "title") {
			name, _ := it.Need("name").String()
			d.SetRule(name)
			it.Get("when").String()
			it.Get("title").String()
			if w := it.Get("when"); w != nil && strings.Contains(w.Text, "VIP") {
				i := len([]rune(w.Text[:strings.Index(w.Text, "VIP")]))
				w.ErrorAt(i, i+3, "N206", Text{"never equal", "不可能相等"}, Text{"one of normal, vip", "可选：normal、vip"})
			}
		}
		d.SetRule("")
	}
}

// Each testdata/*.yaml has its findings in *.txt beside it, exactly as an operator sees them.
func TestFindingsAreShownAsWritten(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		d := Parse(filepath.Base(f), src)
		walkSample(d)
		var b bytes.Buffer
		if err := WriteText(&b, d.List.Sorted(), Both); err != nil {
			t.Fatal(err)
		}
		golden := strings.TrimSuffix(f, ".yaml") + ".txt"
		if *update {
			if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", f, diff)
		}
	}
}

func TestTextsAreTakenAsWritten(t *testing.T) {
	for in, want := range map[string]string{
		"a: 0123": "0123", "a: yes": "yes", "a: true": "true", "a: 2026-11-21": "2026-11-21", "a: 1_000": "1_000", "a: 0x1F": "0x1F",
		"a: 1e3": "1e3", "a: 22:00-08:00": "22:00-08:00", "a: .inf": ".inf", `a: "q \"x\" 城"`: `q "x" 城`, "a: 'it''s'": "it's",
		"a: foo\n  bar": "foo bar", "a: |\n  foo\n  bar\n": "foo\nbar", "a: 12.50": "12.50", "a: ${env:HOSTNAME}": "${env:HOSTNAME}", `a: ""`: "",
		"a: x\r\nb: y": "x", "a: 12345678901234567890": "12345678901234567890", "a: +5": "+5", "a: x # comment": "x",
	} {
		d := Parse("f", []byte(in))
		got, ok := d.Root.Get("a").String()
		if !ok || got != want || d.List.Errors() > 0 {
			t.Errorf("%q: got %q, want %q, findings %v", in, got, want, d.List)
		}
	}
}

// The library splits a:b in a list inside a mapping; YAML does not.
func TestColonWithoutSpaceIsPartOfTheText(t *testing.T) {
	for in, want := range map[string]string{
		"a: {b: [k1:9092, k2:9092]}": "k1:9092|k2:9092", "a: {b: [22:00-08:00]}": "22:00-08:00", "a: {b: [x:y:z]}": "x:y:z", "a: {b: [https://x/y]}": "https://x/y", "a: {b: [城:市, c]}": "城:市|c",
		"a: {b: [k: 9]}": "", "a: {b: [{k: 9}]}": "", "a: {b: [{k:9}]}": "",
	} {
		d := Parse("f", []byte(in))
		got, ok := d.Root.Get("a").Get("b").Strings()
		if strings.Join(got, "|") != want || ok != (want != "") {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

// Between brackets, and with marks that are often mistakes: these are texts as they were meant.
func TestWhatOnlyLooksLikeAMistakeBetweenBrackets(t *testing.T) {
	for _, src := range []string{
		"a: {b: 10:30, c: app://x/y?z=1, d: x :y}", `a: {"b":1, 'c':"d"}`, "a: [x, y,]", "a: {b: 1,}", "a: {b: [k:v, x:1]}", "a: {b: x - y, c: a ? b}", "a: {b: -5, c: ?x}", "a: {b: 您好；世界、再见, c: d}",
		"a: {\n  b: c,\n  d: e\n}", "a: “x”和“y”", "a: “x”，“y”", "a: 「x」与「y」", "a: {b: “x” 和 “y”}", "a: “x",
		`a: "x \\ \/ \x41 \u57ce \" \_"`, "a: \"x \\\n  y\"", `a: city matches "^\d+$"`, `a: 'C:\d'`, "a: |\n  — x: y\n  \"\\d\"\nb: c", "a: |\n  push\n  x y\nb: c", "a:\n  - b\n  # — c: d",
	} {
		if d := Parse("f", []byte(src)); d.Root == nil || len(d.List) > 0 {
			t.Errorf("%q: %v", src, d.List)
		}
	}
}

// The cure of a text in Chinese quotation marks can be pasted.
func TestBothCuresOfChineseQuotationMarksAreTexts(t *testing.T) {
	for src, want := range map[string][2]string{"“谢谢您”": {`"谢谢您"`, `"“谢谢您”"`}, "“谢谢您\"": {`"谢谢您"`, `'“谢谢您"'`}, "“A“B”C”": {`"A“B”C"`, `"“A“B”C”"`}, "＂谢谢＂": {`"谢谢"`, `"＂谢谢＂"`}} {
		d := Parse("f", []byte("a: "+src))
		if len(d.List) != 1 || d.List[0].Code != "N115" || d.List[0].Fix != want[0] || !strings.HasSuffix(d.List[0].Hint.EN, "`"+want[1]+"`") {
			t.Errorf("%s: %+v", src, d.List)
			continue
		}
		for _, cure := range want {
			if d := Parse("f", []byte("a: "+cure)); len(d.List) > 0 {
				t.Errorf("%s: %+v", cure, d.List)
			}
		}
	}
}

func TestColumnsInsideTexts(t *testing.T) {
	for _, c := range []struct {
		src      string
		from, to int
		col, end int
	}{
		{"a: 城市 == x", 3, 5, 7, 9},
		{`a: "城市 == x"`, 3, 5, 8, 10},
		{`a: "x \"y\" z"`, 6, 7, 13, 14},
		{`a: 'it''s x'`, 5, 6, 11, 12},
		{`a: "\u57ce x"`, 2, 3, 12, 13},
		{`a: {b: 1, c: "x > 1"}`, 2, 3, 0, 0},
	} {
		d := Parse("f", []byte(c.src))
		n := d.Root.Get("a")
		if c.col == 0 {
			n, c.col, c.end = n.Get("c"), 17, 18
		}
		if got := n.ErrorAt(c.from, c.to, "X", Text{}, Text{}); got.Column != c.col || got.EndColumn != c.end {
			t.Errorf("%s: got %d-%d, want %d-%d", c.src, got.Column, got.EndColumn, c.col, c.end)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"when", "unless", "title", "event", "amount", "城市"}
	for in, want := range map[string]string{"wehn": "when", "amuont": "amount", "Title": "title", "unles": "unless", "城": "城市", "x": "", "tit": "title", "banana": "", "": ""} {
		if got := Nearest(in, known); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestDurations(t *testing.T) {
	for in, want := range map[string]time.Duration{"7d": 168 * time.Hour, "1d12h": 36 * time.Hour, "90s": 90 * time.Second, "1h30m": 90 * time.Minute} {
		if got, err := ParseDuration(in); err != nil || got != want {
			t.Errorf("%s: %v %v", in, got, err)
		}
	}
	for _, in := range []string{"", "d", "-1d", "1.5d", "10", "1d-2h", "10分钟"} {
		if got, err := ParseDuration(in); err == nil {
			t.Errorf("%q is accepted as %v", in, got)
		}
	}
	if got := FormatDuration(24 * time.Hour); got != "24h" {
		t.Errorf("got %s", got)
	}
	if got := FormatDuration(90 * time.Second); got != "1m30s" {
		t.Errorf("got %s", got)
	}
}

func TestMachineFormats(t *testing.T) {
	d := Parse("rules/a.yaml", []byte("rules:\n  - {name: x, wehn: 1}\n"))
	walkSample(d)
	l := d.List.Sorted()
	var b bytes.Buffer
	if err := WriteJSON(&b, l, 1, 1); err != nil {
		t.Fatal(err)
	}
	want := `{"schema":"notifier.check/v1","files":1,"rules":1,"errors":2,"warnings":0,"diagnostics":[` +
		"{\"code\":\"N114\",\"severity\":\"error\",\"file\":\"rules/a.yaml\",\"line\":1,\"column\":1,\"end_column\":2,\"message\":{\"en\":\"`version` is missing\",\"zh\":\"缺少 `version`\"},\"hint\":{\"en\":\"add `version: ...`\",\"zh\":\"请加上 `version: ...`\"}}," +
		"{\"code\":\"N101\",\"severity\":\"error\",\"file\":\"rules/a.yaml\",\"line\":2,\"column\":15,\"end_column\":19,\"message\":{\"en\":\"unknown key `wehn`\",\"zh\":\"没有 `wehn` 这个配置项\"},\"hint\":{\"en\":\"did you mean `when`?\",\"zh\":\"是不是想写 `when`？\"},\"fix\":\"when\"}]}\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("json (-want +got):\n%s", diff)
	}
	if !json.Valid(b.Bytes()) {
		t.Error("not JSON")
	}
	b.Reset()
	if err := WriteGitHub(&b, l, EN); err != nil {
		t.Fatal(err)
	}
	if want := "::error file=rules/a.yaml,line=2,col=15,endColumn=19,title=N101::unknown key `wehn` (did you mean `when`?)\n"; !strings.HasSuffix(b.String(), want) {
		t.Errorf("got %s", b.String())
	}
	b.Reset()
	if err := WriteJSON(&b, nil, 1, 0); err != nil || !strings.Contains(b.String(), `"diagnostics":[]`) {
		t.Errorf("an empty list must be [], got %s", b.String())
	}
}

func TestDeepOrLargeFilesAreRefusedBeforeParsing(t *testing.T) {
	for name, src := range map[string]string{
		"flow":  "a: " + strings.Repeat("[", 100_000),
		"maps":  strings.Repeat("{a: ", 60_000),
		"block": strings.Repeat("- ", 100_000) + "x",
		"keys":  strings.Repeat("? ", 100_000) + "x",
		"tags":  "a: " + strings.Repeat("!x ", 80_000),
		"long":  strings.Repeat("k: v\n", maxLines+1),
		"wide":  "a: [" + strings.Repeat("x, ", 2_000) + "x]",
		"many":  strings.Repeat(": ", maxTokens),
		"large": "a: " + strings.Repeat("x", MaxBytes),
	} {
		if d := Parse(name, []byte(src)); d.Root != nil || d.List.Errors() == 0 {
			t.Errorf("%s is accepted", name)
		}
	}
}

// What is mended is read again, and may be mended again: without a bound the one line of these would double forty times.
func TestMendingEndsWhereItMakesTheFileGrow(t *testing.T) {
	for _, src := range []string{"{!}4:!\n", "a:\n  b: {!}4:!\n" + strings.Repeat("c: {!}4:!\n", 100)} {
		d := Parse("f", []byte(src))
		if d.Root != nil || d.List.Errors() == 0 {
			t.Errorf("%.20q is accepted: %v", src, d.List)
		}
		if n := len(strings.Join(d.lines, "\n")); n > 2*roundBytes+len(src) {
			t.Errorf("%.20q has grown to %d bytes", src, n)
		}
	}
}

// The largest files that are accepted, of the shapes that the library is slow with.
func BenchmarkWorstFiles(b *testing.B) {
	var keys strings.Builder
	for i := range maxKeys {
		fmt.Fprintf(&keys, "k%d: v\n", i)
	}
	for name, src := range map[string]string{"keys": keys.String(), "flow": strings.Repeat("- ["+strings.Repeat("x, ", 900)+"x]\n", 32), "items": "a:\n" + strings.Repeat("  - x\n", maxLines-1), "duplicates": strings.Repeat("k: v\n", maxKeys)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if d := Parse("f", []byte(src)); d.Root == nil {
					b.Fatal(d.List)
				}
			}
		})
	}
}

func TestSortedPutsTheSetLastAndDropsRepeats(t *testing.T) {
	l := List{{Code: "W1", Severity: Warning}, {Code: "B", File: "b", Line: 1, Severity: Error}, {Code: "A", File: "a", Line: 2, Severity: Error}, {Code: "A", File: "a", Line: 2, Severity: Error}}
	got := l.Sorted()
	if len(got) != 3 || got[0].File != "a" || got[2].Code != "W1" || got.Errors() != 2 || got.Warnings() != 1 {
		t.Errorf("got %+v", got)
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		d := Parse("f", src)
		walkSample(d)
		if d.Root == nil && d.List.Errors() == 0 {
			t.Fatal("no tree and no error")
		}
		for _, lang := range []Lang{EN, ZH, Both} {
			if err := WriteText(new(bytes.Buffer), d.List.Sorted(), lang); err != nil {
				t.Fatal(err)
			}
		}
		for _, x := range d.List {
			if x.Line < 0 || (x.Line > 0 && (x.Column < 1 || x.EndColumn < x.Column)) {
				t.Fatalf("place %d:%d-%d of %s", x.Line, x.Column, x.EndColumn, x.Code)
			}
		}
	})
}
