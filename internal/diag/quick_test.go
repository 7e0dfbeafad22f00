package diag

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// differ tells the first difference between two trees, "" when there is none.
func differ(a, b *Node) string {
	if a == nil || b == nil {
		if a != b {
			return fmt.Sprintf("%v and %v", a, b)
		}
		return ""
	}
	show := func(n *Node) string {
		return fmt.Sprintf("%d:%d-%d kind %d style %d %q, %d fields, %d items, %v", n.Line, n.Column, n.end, n.Kind, n.style, n.Text, len(n.Fields), len(n.Items), n.meant)
	}
	if x, y := show(a), show(b); x != y {
		return x + "\n" + y
	}
	for i := range a.Fields {
		if d := differ(a.Fields[i].Key, b.Fields[i].Key); d != "" {
			return d
		}
		if d := differ(a.Fields[i].Value, b.Fields[i].Value); d != "" {
			return d
		}
	}
	for i := range a.Items {
		if d := differ(a.Items[i], b.Items[i]); d != "" {
			return d
		}
	}
	return ""
}

// agree reads a file both ways, if quick can. It reports whether it can.
func agree(t *testing.T, src []byte) bool {
	t.Helper()
	d, want := &Doc{File: "f"}, &Doc{File: "f"}
	if !d.split(src) || !want.split(src) {
		return false
	}
	root := d.readPlain()
	if root == nil {
		return false
	}
	want.read()
	if diff := differ(root, want.Root); diff != "" {
		t.Fatalf("%q\nquick and the library: %s", src, diff)
	}
	if len(d.List) > 0 || len(want.List) > 0 || want.edits != nil {
		t.Fatalf("%q: quick says nothing, the library %v", src, want.List)
	}
	return true
}

func repositoryFiles(f testing.TB) (out [][]byte) {
	for _, pattern := range []string{"testdata/*.yaml", "../../rules/*.yaml", "../../*.yaml", "../rules/testdata/*.yaml", "../rules/testdata/*/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			out = append(out, b)
		}
	}
	return out
}

// scribe writes random files, mostly plain ones.
type scribe struct {
	*rand.Rand
	strings.Builder
	odd float64 // how often something is unusual, or wrong
}

func (w *scribe) pick(of ...string) string { return of[w.IntN(len(of))] }

// or gives one of the odd texts now and then.
func (w *scribe) or(usual string, odd ...string) string {
	if w.Float64() < w.odd {
		return w.pick(odd...)
	}
	return usual
}

var oddPieces = []string{"-5", "0.5", "0x1F", "1e3", "true", "null", "~", "yes", "2026-11-21", "22:00-08:00", "a:b", "app://x/${y}", "${city}", "a, b", "1,000", "您好，世界", "标题：好", "title：x",
	"【新】", "“引”", "《x》", "%5", "@x", "a # b", "a #b", "a#b", "#", "it's", `say "x"`, "a: b", "a:", "[x", "x]", "{y", "y}", "a [b] c", "> 5", "*x", "&x", "!x", "|", ">", "- x", "--- x", "---", "...", "a - b", "? x", "+5", "(a)", "<<", ".5", "a  b", "\u3000",
	"x\u3000", "\u00a0y", "z\u00a0", "\ue000", "😀 x", "e\u0301", "$", "/x", "NULL", "Null", "NaN", ".nan", "=", "a=b", `\`, `a\`, "a'b", "''", `\"`, `\n`, "｛x｝", "x，y", "-", "'", "\"", "", "a？", "[]", "{}", "a\u2028b", "a\u0085", "١", "b\u200b"}

func (w *scribe) text() string {
	s := w.pick("a", "vip", "城市", "order.paid", "500", "x y z", "amount > 5", "感谢支持 5 元", "22:00-08:00", "app://orders/x", "0123")
	return w.or(s, oddPieces...) + w.or("", " ", ", ", "-", "/", ":", "：", "，", ": ") + w.or("", oddPieces...)
}

func (w *scribe) scalar() string {
	switch w.IntN(4) {
	case 0:
		return "'" + strings.ReplaceAll(w.text()+w.or("", "'", "\n  "), "'", "''") + "'"
	case 1:
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(w.text()+w.pick("", "", `"`, "${x}", `\`)) + w.or("", `\n`, `\u57ce`, `\x41`, `\`, "\n  ") + `"`
	}
	return w.text()
}

func (w *scribe) key() string {
	return w.or(w.pick("name", "title", "when", "名称", "a.b", "x-1", "n_2", "5")+strconv.Itoa(w.IntN(9)), oddPieces...)
}

// flow is a value in one line.
func (w *scribe) flow(depth int) string {
	var items []string
	switch kind := w.IntN(6); {
	case depth > 3 || kind > 2:
		return w.scalar()
	case kind == 0:
		for range w.IntN(4) {
			items = append(items, w.flow(depth+1))
		}
		return "[" + w.or("", " ") + strings.Join(items, w.or(", ", ",", " , ")) + w.or("", " ", ",") + "]"
	}
	for range w.IntN(4) {
		items = append(items, w.key()+w.or(": ", ":", ":  ", " : ")+w.flow(depth+1))
	}
	return "{" + w.or("", " ") + strings.Join(items, w.or(", ", ",", ",  ")) + w.or("", " ", ",") + "}"
}

func (w *scribe) ending() {
	w.WriteString(w.pick("", "", "", "", " # x", " #", "  # y: z") + w.or("", " #x", " ## z", " ", "   ", "#") + "\n")
	for w.IntN(8) == 0 {
		w.WriteString(w.pick("", "# 注释", "  # x", "      # - y", "#x", "# a: b") + w.or("", " ", "  ") + "\n")
	}
}

// block writes a mapping or a list; its first entry stands where the scribe is.
func (w *scribe) block(indent, depth int) {
	list := depth > 0 && w.IntN(3) == 0
	for i := range 1 + w.IntN(4) {
		if i > 0 {
			w.WriteString(strings.Repeat(" ", indent) + w.or("", " "))
		}
		nested := depth < 4 && w.IntN(3) == 0
		switch {
		case list:
			gap := 1 + len(w.or("", " ", "  "))
			if w.WriteString("-" + strings.Repeat(" ", gap)); nested {
				w.block(indent+1+gap, depth+1)
				continue
			}
			w.WriteString(w.flow(0))
		case nested:
			w.WriteString(w.key() + ":")
			w.ending()
			below := indent + 2 + len(w.or(w.pick("", "  "), " ", "      ")) - len(w.or("", " ", "  "))
			w.WriteString(strings.Repeat(" ", below))
			w.block(below, depth+1)
			continue
		default:
			w.WriteString(w.key() + ":" + w.or(" ", "  ", "") + w.flow(0))
		}
		w.ending()
	}
}

func TestQuickAgreesWithTheLibrary(t *testing.T) {
	t.Parallel()
	const files = 4000
	read := 0
	for seed := range uint64(files) {
		w := &scribe{Rand: rand.New(rand.NewPCG(seed, 7)), odd: []float64{0, 0.01, 0.03, 0.1}[seed%4]}
		for w.IntN(6) == 0 {
			w.ending()
		}
		w.block(0, 0)
		src := []byte(w.String())
		if w.Float64() < 5*w.odd { // something at any place
			at := w.IntN(len(src))
			mark := w.pick("'", `"`, ":", ": ", "#", " #", "[", "]", "{", "}", ",", " ", "  ", "\n", "-", "- ", "|", ">", "&", "*", "!", "%", "@", "\t", "\r", `\`, "?", "\ufeff", "\x00")
			src = slices.Concat(src[:at], []byte(mark), src[at+w.IntN(min(2, len(src)-at)):])
		}
		if agree(t, src) {
			read++
		}
	}
	if read < files/4 {
		t.Errorf("quick has read %d of %d files", read, files)
	}
}

// Each odd text in each place where a text can stand.
func TestQuickAgreesOnOddTexts(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"a: %s\n", "a: x%s\n", "a: x %s\n", "a: %s # c\n", "a:\n  - %s\n  - y\n", "- %s\n", "%s: x\n", "a:\n  %s: x\n", "a: [%s, y]\n", "a: [y, %s]\n", "a: {b: %s, c: y}\n", "a: {b: y, %s: z}\n", "a: {b: [%s]}\n", "a: '%s'\n",
		"a: \"%s\"\n", "a:\n  %s\nb: c\n", "a: y\n%s\n", "a: y\n  %s\nb: c\n", "a: y\n# %s\nb: c\n"} {
		for _, s := range oddPieces {
			agree(t, fmt.Appendf(nil, form, s))
		}
	}
}

// The files that ship are written plainly.
func TestQuickReadsTheFilesThatShip(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("../../rules/*.yaml")
	if err != nil || len(names) < 5 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !agree(t, b) {
			t.Errorf("%s is left to the library", name)
		}
	}
}

func FuzzQuick(f *testing.F) {
	for _, b := range repositoryFiles(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, src []byte) { agree(t, src) })
}
