package rules

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

// allocated gives the bytes that f allocates. Tests that use it do not run in parallel.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// hostile are files that are made to hold up whoever reads them.
func hostile() map[string]string {
	upTo := func(s string, n int) string { return strings.Repeat(s, n/len(s)) }
	lines := func(s string) string { return strings.Repeat(s, 7_900) }
	file, line := func(s string) string { return upTo(s, 255<<10) }, func(s string) string { return upTo(s, 16_000) }
	rule := "version: 1\nrules:\n  - name: any-rule\n    event: order.paid\n    mode: live\n    class: service\n    push: {body: b}\n    when: "
	numbered := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "k%d: v\n", i)
		}
		return b.String()
	}
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.Repeat("*"+string(c-1)+", ", 9))
	}
	steps := ""
	for i := range 700 {
		steps += strings.Repeat(" ", i) + "a:\n"
	}
	return map[string]string{
		"a MiB of brackets": strings.Repeat("(", 1<<20), "brackets": file("["), "braces": file("{a: "), "brackets in a line": line("["), "braces in a line": line("{a: "), "a condition of brackets": rule + line("("),
		"300,000 keys": numbered(300_000), "8,000 keys": numbered(7_990), "one key 8,000 times": lines("k: v\n"), "an alias bomb": bomb, "aliases": "a: " + line("*x "), "anchors": "a: " + line("&x "), "tags": "a: " + line("!x "),
		"dashes": line("- "), "question marks": line("? "), "colons": line(": "), "steps": steps, "quotation marks": line(`"`), "an open text": "a: \"" + file("x"), "escapes": "a: \"" + line(`\u0041`) + `"`,
		"a pattern that doubles and doubles": rule + `'city matches "((((a{30}){30}){30}){30}){30}"'`, "a pattern without end": rule + `'city matches "` + line("(a+)+") + `"'`, "a text of 16,000 bytes in a condition": rule + `'city == "` + line("x") + `"'`,
		"full-width commas": "a: [" + line("x，") + "]", "full-width commas in many lines": lines("- [x，x]\n"), "full-width colons": lines("a：b\n"), "commas": "a: [" + line(",") + "]", "items": "a:\n" + lines(" - x\n"), "lists": strings.Repeat("- ["+strings.Repeat("x, ", 900)+"x]\n", 90),
		"mappings": lines("- {a: b, c: d}\n"), "documents": lines("---\n"), "Chinese quotation marks": lines("- “a”\n"), "wrong conditions": rule + "\n" + lines("      - a = 1\n"), "a long name": rule + "x\n  - name: " + line("x"), "comments": lines("# x\n"), "zeros": file("\x00"), "holes": strings.Replace(rule, "body: b", "body: \""+line("${")+"\"", 1) + "always",
	}
}

// A hostile file is refused with a place, in bounded memory, with a list that can be read. Time is not asked: it follows.
func TestHostileFilesAreRefusedWithBoundedWork(t *testing.T) {
	events := File{"events.yaml", readFile(t, "testdata/events.yaml")}
	most := uint64(96 << 20)
	if underRace { // pools that forget on purpose, and every text twice
		most *= 4
	}
	for name, src := range hostile() {
		var s *Set
		var l diag.List
		got := allocated(func() { s, l = LoadFiles([]File{events, {"r.yaml", []byte(src)}}, demoAccount()) })
		if s != nil || !placed(l) {
			t.Errorf("%s: is not refused with a place", name)
		}
		if got > most || len(l) > 510 {
			t.Errorf("%s: %d MiB allocated, %d findings", name, got>>20, len(l))
		}
		if shown := len(show(l)); shown > 2<<20 {
			t.Errorf("%s: %d KiB to read", name, shown>>10)
		}
	}
}

// largest is an order as large as an event can be: every text 4 KiB, every list 32 texts of 4 KiB, in letters that take
// more bytes after lower() or upper() and that urlencode writes threefold.
func largest(s *Set) *event.Event {
	text := strings.Repeat("Ⱥɐ", mostText/4)
	spec := s.Catalogue.Spec("order.paid")
	ev := &event.Event{Spec: spec, ID: "id", User: "u", Time: time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC), Pos: event.Position{Topic: "orders"}, Values: make([]event.Value, len(spec.Fields))}
	for i, f := range spec.Fields {
		switch f.Type {
		case event.String:
			ev.Values[i] = event.Value{State: event.Known, Type: f.Type, Str: text}
		case event.List:
			list := make([]string, mostItems)
			for k := range list {
				list[k] = text[:len(text)-2] + fmt.Sprintf("%02d", k)
			}
			ev.Values[i] = event.Value{State: event.Known, Type: f.Type, List: list}
		case event.Number:
			ev.Values[i] = known(f.Type, "812.34")
		case event.Time:
			ev.Values[i] = known(f.Type, "2026-11-21T03:00:00Z")
		}
	}
	return ev
}

// data is n texts more, each as long as a text may be.
func data(n int) string {
	s := ", data: {a: \"${city}${city | max(1000)}\""
	for i := range n {
		s += fmt.Sprintf(", k%d: \"${city}${city | max(1000)}\"", i)
	}
	return s + "}"
}

// worst are rules made to be as costly as possible, by how often a part of them is repeated.
var worst = map[string]func(n int) string{
	"joined texts": func(n int) string { return "when: 'city" + strings.Repeat(" + city", n) + " != \"\"'\npush: {body: b}" },
	"lower in a loop": func(n int) string {
		return "when: 'all(items, lower(#) != \"\"" + strings.Repeat(" and lower(#) != \"\"", n) + ")'\npush: {body: b}"
	},
	"numbers in two loops": func(n int) string {
		return "when: 'all(items, all(followers, len(#) > 300" + strings.Repeat(" and len(#) > 300", n) + "))'\npush: {body: b}"
	},
	"filters of lists": func(n int) string {
		return "when: 'len(filter(items, # != \"\")) > 0" + strings.Repeat(" and len(filter(items, # != \"\")) > 0", n) + "'\npush: {body: b}"
	},
	"many conditions": func(n int) string {
		return "when:\n" + strings.Repeat("  - 'all(items, lower(#) != \"\")'\n", n+1) + "push: {body: b}"
	},
	"holes": func(n int) string { return "when: always\npush: {body: \"" + strings.Repeat("${city}", n+1) + "\"}" },
	"lists in holes": func(n int) string {
		return "when: always\npush: {body: \"" + strings.Repeat("${items | join}", n+1) + "\"}"
	},
	"lists cut to a character": func(n int) string {
		return "when: always\npush: {body: \"" + strings.Repeat("${items | join | max(1)}", n+1) + "\"}"
	},
	"texts cut to a character": func(n int) string {
		return "when: always\npush: {body: \"" + strings.Repeat("${city | upper | max(1)}", n+1) + "\"}"
	},
	"texts up to the limit for each follower": func(n int) string {
		return "when: always\npush: {to: \"${followers}\", body: \"${city}${city | max(1000)}\"" + data(n) + "}"
	},
	"filters": func(n int) string {
		return "when: always\npush: {body: \"${city" + strings.Repeat(" | upper", n+1) + "}\"}"
	},
	"urlencode": func(n int) string {
		return "when: always\npush: {body: \"${city" + strings.Repeat(" | urlencode", n+1) + "}\"}"
	},
	"data": func(n int) string {
		s := "when: always\npush:\n  body: b\n  data:\n"
		for i := range n + 1 {
			s += fmt.Sprintf("    k%d: \"${city | upper}\"\n", i)
		}
		return s
	},
	"a text for each follower": func(n int) string {
		return "when: always\npush: {to: \"${followers}\", body: \"" + strings.Repeat("${city}", n+1) + "\"}"
	},
	"a merge": func(n int) string {
		return "when: always\npush: {body: \"" + strings.Repeat("${first.city | upper}", n+1) + "\"}\nmerge: {wait: 1m, by: \"${city}\"}\nlimits: {expire: 1h}"
	},
}

func costly(t *testing.T, body string) (*Set, diag.List) {
	return load(t, "  - name: costly-rule\n    event: order.paid\n    mode: live\n    class: service\n    "+strings.ReplaceAll(body, "\n", "\n    ")+"\n", demoAccount())
}

// No rule that loads allocates more than 8 MiB on the largest event. Of each shape the largest that still loads is looked for and
// tried; the next larger one is refused with N214, or is over another limit of its own.
func TestNoAcceptedRuleTakesMoreThanItsShare(t *testing.T) {
	for i, name := range slices.Sorted(maps.Keys(worst)) {
		if underRace && i%8 != 0 { // nothing here runs at once: the detector sees in a few what it sees in all
			continue
		}
		body := worst[name]
		low, high := 0, 4096 // low loads, high does not
		if s, l := costly(t, body(low)); s == nil {
			t.Errorf("%s: the smallest is refused:\n%s", name, show(l))
			continue
		}
		for low+1 < high {
			if s, _ := costly(t, body((low+high)/2)); s != nil {
				low = (low + high) / 2
			} else {
				high = (low + high) / 2
			}
		}
		s, _ := costly(t, body(low))
		ev := largest(s)
		s.Evaluate(ev) // pools and counters are made once
		n := 0
		got := allocated(func() { n = len(s.Evaluate(ev)) })
		_, l := costly(t, body(high))
		t.Logf("%-26s %4d times: %5d KiB, %d intents; one more: %.60s", name, low, got>>10, n, strings.SplitN(show(l), "\n", 2)[0])
		if got > maxWork {
			t.Errorf("%s, %d times: %d KiB on one event", name, low, got>>10)
		}
		if s, l := costly(t, body(high)); s != nil || (!strings.Contains(codes(l), "N214") && !strings.Contains(codes(l), "N505")) {
			t.Errorf("%s, %d times: not refused for its size:\n%s", name, high, show(l))
		}
	}
}
