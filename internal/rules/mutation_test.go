package rules

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// The corpus: each shipped rule file cut at every byte, and seeded mutations of them.
var mutations = flag.Int("mutations", 10_000, "mutations of the shipped rule files")

const mutationSeed = 20261121

// decisive are the keys of a rule that may change what it decides. A change anywhere else must change nothing.
var decisive = []string{"name", "event", "mode", "class", "when", "unless", "tags", "push", "broadcast", "account", "merge", "limits", "approval", "rongcloud"}

// original is a shipped rule file with what its rules decide and in which lines they say so.
type original struct {
	file    File
	lines   []string
	decides map[string]string
	said    map[string]map[int]bool // rule -> lines of its decisive keys, from 0; "" -> those of `defaults`
}

// originals gives the shipped rule files, and beside them the catalogue and its samples.
func originals(t testing.TB) (beside []File, evs []event.Event, out []*original) {
	t.Helper()
	for _, f := range shippedFiles(t) {
		if f.Name == "events.yaml" || filepath.Ext(f.Name) == ".json" {
			beside = append(beside, f)
		} else {
			out = append(out, &original{file: f, lines: strings.Split(string(f.Data), "\n")})
		}
	}
	beside = slices.Clip(beside)
	for _, o := range out {
		s, l := LoadFiles(append(beside, o.file), demoAccount())
		if s == nil {
			t.Fatal(show(l))
		}
		if evs == nil {
			evs = sampleEvents(t, s, beside)
		}
		o.decides = decisions(s, evs)
		if len(o.decides) != len(s.Rules) || len(evs) < 8 {
			t.Fatalf("%s: %d events, what is decided: %v", o.file.Name, len(evs), o.decides)
		}
		o.said = saidIn(t, o.file)
	}
	return beside, evs, out
}

func saidIn(t testing.TB, f File) map[string]map[int]bool {
	t.Helper()
	d := diag.Parse(f.Name, f.Data)
	out := map[string]map[int]bool{}
	mark := func(rule string, from, to int) {
		if out[rule] == nil {
			out[rule] = map[int]bool{}
		}
		for l := from; l < to; l++ {
			out[rule][l-1] = true
		}
	}
	end := strings.Count(string(f.Data), "\n") + 1
	if k := d.Root.Key("defaults"); k != nil {
		mark("", k.Line, d.Root.Key("rules").Line)
	}
	rules := d.Root.Get("rules").List()
	for i, r := range rules {
		last := end
		if i+1 < len(rules) {
			last = rules[i+1].Line
		}
		for j, field := range r.Fields {
			to := last
			if j+1 < len(r.Fields) {
				to = r.Fields[j+1].Key.Line
			}
			if slices.Contains(decisive, field.Key.Text) {
				mark(r.Get("name").Text, field.Key.Line, to)
			}
		}
	}
	return out
}

// sampleEvents gives the shipped samples as events, and of each one variant for every field: missing, and another value.
func sampleEvents(t testing.TB, s *Set, samples []File) (out []event.Event) {
	t.Helper()
	for _, spec := range s.Catalogue.Specs {
		i := slices.IndexFunc(samples, func(f File) bool { return f.Name == "samples/"+spec.Name+".json" })
		if i < 0 {
			t.Fatalf("%s has no sample", spec.Name)
		}
		rec := event.Record{Position: event.Position{Topic: spec.Topics[0], Offset: 3}, Value: samples[i].Data, Time: time.Date(2026, 11, 21, 3, 0, 1, 0, time.UTC)}
		evs, err := s.Decode(rec)
		if err != nil || len(evs) != 1 {
			t.Fatalf("%s: %v", spec.Name, err)
		}
		out = append(out, evs[0])
		for i, f := range spec.Fields {
			missing, other := evs[0], evs[0]
			missing.Values, other.Values = slices.Clone(evs[0].Values), slices.Clone(evs[0].Values)
			missing.Values[i] = event.Value{}
			text := map[event.Type]string{event.Number: "42.5", event.Bool: "false"}[f.Type]
			if text == "" {
				text = "other"
			}
			other.Values[i], _ = event.Parse(f.Type, text)
			out = append(out, missing, other)
		}
	}
	return out
}

// decisions writes down what each rule makes of the events: its intents whole, the tags it gives, the pushes of a profile
// event on a user who was somewhere else before.
func decisions(s *Set, evs []event.Event) map[string]string {
	out := map[string]string{}
	for _, r := range s.Rules {
		out[r.Name] = fmt.Sprintf("%s %s %s %v\n", r.Mode, r.Class, r.Account, r.Events)
	}
	note := func(rule string, v any) {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		out[rule] += string(b) + "\n"
	}
	for i := range evs {
		ev := evs[i]
		ev.Spec = s.Catalogue.Spec(ev.Spec.Name)
		for _, in := range s.Evaluate(&ev) {
			in.RuleSet = ""
			if in.Profile == nil {
				note(in.Rule, in)
				continue
			}
			after := func(f string) (intent.Value, bool) { v, ok := in.Profile.Fields[f]; return v, ok }
			before := func(f string) (intent.Value, bool) {
				v, ok := in.Profile.Fields[f]
				if v.Type == event.String {
					v.Str = "before"
				}
				return v, ok
			}
			for _, p := range s.ProfilePushes(in, before, after) {
				p.RuleSet = ""
				note(p.Rule, p)
			}
			for _, r := range s.tagRules[in.Account] {
				alone := *s
				alone.tagRules = map[string][]*Rule{in.Account: {r}}
				note(r.Name, alone.Tags(in.Account, after, nil))
			}
		}
	}
	return out
}

// each is the step of the corpora: every byte and every mutation. The race detector makes them fifteen times as slow and has nothing
// to find in them, since a file is loaded by one goroutine.
func each() int {
	if underRace {
		return 31
	}
	return 1
}

// placed asks that a refusal names at least one place.
func placed(l diag.List) bool {
	return slices.ContainsFunc(l, func(d diag.Diagnostic) bool {
		return d.Severity == diag.Error && d.File != "" && d.Line > 0 && d.Column > 0 && d.EndColumn >= d.Column
	})
}

// A file cut anywhere, as a reader may find it half written, is refused with a place, or is what N109 refuses: the beginning of
// what is live. The rules that it still holds whole decide as before.
func TestTruncatedFilesAreRefusedOrDecideAsBefore(t *testing.T) {
	t.Parallel()
	beside, evs, all := originals(t)
	for _, o := range all {
		loads := 0
		for cut := 0; cut < len(o.file.Data); cut += each() {
			half := File{o.file.Name, o.file.Data[:cut]}
			s, l := LoadFiles(append(beside, half), demoAccount())
			if s == nil {
				if !placed(l) {
					t.Fatalf("%s cut at %d: no place:\n%s", o.file.Name, cut, show(l))
				}
				continue
			}
			loads++
			if CutShort(append(beside, o.file), append(beside, half)) != o.file.Name {
				t.Fatalf("%s cut at %d loads and is not seen as cut short", o.file.Name, cut)
			}
			got := decisions(s, evs)
			for _, r := range s.Rules[:len(s.Rules)-1] {
				if got[r.Name] != o.decides[r.Name] {
					t.Fatalf("%s cut at %d: %s decides differently", o.file.Name, cut, r.Name)
				}
			}
		}
		t.Logf("%s: %d cuts, %d load", o.file.Name, len(o.file.Data), loads)
	}
}

// dictionary is the shipped catalogue with what the shipped rules make of records, and in which lines an event says what it is.
type dictionary struct {
	original
	rest    []File // all other shipped files
	records []event.Record
}

// telling are the keys of an event that may change what its rules decide. A change anywhere else must change nothing.
var telling = []string{"topic", "kind", "update", "match", "format", "id", "time", "user", "version", "fields"}

func shippedDictionary(t testing.TB) *dictionary {
	t.Helper()
	src := &dictionary{}
	var samples []File
	for _, f := range shippedFiles(t) {
		if f.Name == "events.yaml" {
			src.file, src.lines = f, strings.Split(string(f.Data), "\n")
			continue
		}
		src.rest = append(src.rest, f)
		if filepath.Ext(f.Name) == ".json" {
			samples = append(samples, f)
		}
	}
	s, l := src.load(src.file.Data)
	if s == nil {
		t.Fatal(show(l))
	}
	for _, spec := range s.Catalogue.Specs {
		i := slices.IndexFunc(samples, func(f File) bool { return f.Name == "samples/"+spec.Name+".json" })
		if i < 0 {
			t.Fatalf("%s has no sample", spec.Name)
		}
		rec := event.Record{Position: event.Position{Topic: spec.Topics[0], Offset: 3}, Key: []byte("k-1"), Value: samples[i].Data, Time: time.Date(2026, 11, 21, 3, 0, 1, 0, time.UTC)}
		src.records = append(src.records, rec)
		var doc any
		if err := json.Unmarshal(samples[i].Data, &doc); err != nil {
			t.Fatal(err)
		}
		for _, other := range variants(doc) {
			if rec.Value, _ = json.Marshal(other); rec.Value != nil {
				src.records = append(src.records, rec)
			}
		}
	}
	src.decides = src.decide(s)
	src.said = toldIn(src.file.Data)
	if len(src.decides) != len(s.Rules) || len(src.records) < 40 || len(src.said) != len(s.Catalogue.Specs) {
		t.Fatalf("%d records, %d events, what is decided: %v", len(src.records), len(src.said), src.decides)
	}
	return src
}

func (src *dictionary) load(data []byte) (*Set, diag.List) {
	return LoadFiles(append([]File{{src.file.Name, data}}, src.rest...), demoAccount())
}

// decide writes down what each rule makes of the records as this set's catalogue reads them.
func (src *dictionary) decide(s *Set) map[string]string {
	var evs []event.Event
	for _, rec := range src.records {
		some, _ := s.Decode(rec) // what cannot be used makes no event
		evs = append(evs, some...)
	}
	out := decisions(s, evs)
	for rule := range out { // of the keys of an event a revision holds also those that decide nothing, in their order (revisionOf)
		out[rule] = revisionKey.ReplaceAllString(out[rule], "")
	}
	return out
}

var revisionKey = regexp.MustCompile(`,"revision":"[0-9a-f]{12}"`)

// variants are copies of a document, each with one value left out or made another one.
func variants(doc any) (out []any) {
	m, ok := doc.(map[string]any)
	if !ok {
		return nil
	}
	with := func(k string, v any) {
		c := maps.Clone(m)
		if c[k] = v; v == nil {
			delete(c, k)
		}
		out = append(out, c)
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		with(k, nil)
		switch v := m[k].(type) {
		case map[string]any:
			for _, inner := range variants(v) {
				with(k, inner)
			}
		case string:
			with(k, "other")
		case float64:
			with(k, 42.5)
		}
	}
	return out
}

// toldIn gives for each event of a catalogue the lines of its name and its telling keys, from 0.
func toldIn(data []byte) map[string]map[int]bool {
	out := map[string]map[int]bool{}
	end := strings.Count(string(data), "\n") + 1
	events := diag.Parse("events.yaml", data).Root.Get("events")
	for i, e := range events.Fields {
		last := end
		if i+1 < len(events.Fields) {
			last = events.Fields[i+1].Key.Line
		}
		lines := map[int]bool{e.Key.Line - 1: true}
		for j, field := range e.Value.Fields {
			to := last
			if j+1 < len(e.Value.Fields) {
				to = e.Value.Fields[j+1].Key.Line
			}
			if slices.Contains(telling, field.Key.Text) {
				for l := field.Key.Line; l < max(to, field.Key.Line+1); l++ {
					lines[l-1] = true
				}
			}
		}
		out[e.Key.Text] = lines
	}
	return out
}

// The catalogue cut anywhere, as a reader may find it half written, is refused with a place, or is what N109 refuses, and then no rule
// decides otherwise.
func TestTruncatedCatalogue(t *testing.T) {
	t.Parallel()
	src := shippedDictionary(t)
	loads := 0
	for cut := 0; cut < len(src.file.Data); cut += each() {
		s, l := src.load(src.file.Data[:cut])
		if s == nil {
			if !placed(l) {
				t.Fatalf("cut at %d: no place:\n%s", cut, show(l))
			}
			continue
		}
		loads++
		if CutShort([]File{src.file}, []File{{src.file.Name, src.file.Data[:cut]}}) != src.file.Name {
			t.Fatalf("cut at %d loads and is not seen as cut short", cut)
		}
		got := src.decide(s)
		for _, r := range s.Rules { // the last lines are those of the last event
			if got[r.Name] != src.decides[r.Name] && !slices.Contains(r.Events, s.Catalogue.Specs[len(s.Catalogue.Specs)-1].Name) {
				t.Fatalf("cut at %d: %s decides differently", cut, r.Name)
			}
		}
	}
	t.Logf("%d cuts, %d load", len(src.file.Data), loads)
}

// A damaged catalogue never makes the loader panic; it is refused with a place, or each rule decides as before on every record, unless
// the damage lies in what the catalogue says of the rule's own event.
func TestMutatedCatalogueIsRefusedOrDecidesAsBefore(t *testing.T) {
	t.Parallel()
	src := shippedDictionary(t)
	rnd := rand.New(rand.NewPCG(mutationSeed, 2))
	refused, same, other := 0, 0, 0
	most := *mutations / 3 / each() // all files are loaded each time
	for n := range most {
		data, touched, what := mutate(&src.original, rnd)
		s, l := src.load(data)
		if s == nil {
			if refused++; !placed(l) {
				t.Fatalf("mutation %d, %s of line %v: no place:\n%s\n%s", n, what, touched, show(l), data)
			}
			continue
		}
		got := src.decide(s)
		changed := false
		for _, r := range s.Rules {
			if got[r.Name] == src.decides[r.Name] {
				continue
			}
			changed = true
			told := toldIn(data)
			if !slices.ContainsFunc(touched, func(line int) bool {
				return slices.ContainsFunc(r.Events, func(e string) bool { return src.said[e][line] || told[e][line] })
			}) {
				t.Fatalf("mutation %d, %s of line %v: %s silently decides differently:\n%s", n, what, touched, r.Name, data)
			}
		}
		if changed {
			other++
		} else {
			same++
		}
	}
	t.Logf("%d mutations: %d refused, %d load and decide the same, %d change the rules of their event", most, refused, same, other)
	if refused == 0 || same == 0 || other == 0 {
		t.Error("one kind of end is missing: the corpus proves nothing")
	}
}

// A damaged file never makes the loader panic; it is refused with a place, or each rule that is still there decides as before
// unless the damage lies in what that rule says.
func TestMutatedFilesAreRefusedOrDecideAsBefore(t *testing.T) {
	t.Parallel()
	beside, evs, all := originals(t)
	rnd := rand.New(rand.NewPCG(mutationSeed, 1))
	refused, same, other := 0, 0, 0
	for n := range *mutations / each() {
		o := all[rnd.IntN(len(all))]
		data, touched, what := mutate(o, rnd)
		s, l := LoadFiles(append(beside, File{o.file.Name, data}), demoAccount())
		if s == nil {
			if refused++; !placed(l) {
				t.Fatalf("mutation %d, %s of %s line %v: no place:\n%s\n%s", n, what, o.file.Name, touched, show(l), data)
			}
			continue
		}
		got := decisions(s, evs)
		changed := false
		for _, r := range s.Rules {
			want, there := o.decides[r.Name]
			if !there || got[r.Name] == want {
				continue
			}
			changed = true
			// In what the rule said, or in what it says now: a line that came from elsewhere.
			said := saidIn(t, File{o.file.Name, data})
			if !slices.ContainsFunc(touched, func(line int) bool {
				return o.said[r.Name][line] || o.said[""][line] || said[r.Name][line] || said[""][line]
			}) {
				t.Fatalf("mutation %d, %s of %s line %v: %s silently decides differently:\n%s", n, what, o.file.Name, touched, r.Name, data)
			}
		}
		if changed {
			other++
		} else {
			same++
		}
	}
	t.Logf("%d mutations: %d refused, %d load and decide the same, %d change the rule they stand in", *mutations, refused, same, other)
	if refused == 0 || same == 0 || other == 0 {
		t.Error("one kind of end is missing: the corpus proves nothing")
	}
}

var fullWidth = map[byte]string{':': "：", ',': "，", '"': "”", '\'': "’", '(': "（", ')': "）", '[': "［", ']': "］", '{': "｛", '}': "｝", '>': "＞", '<': "＜", '=': "＝", ' ': "　", '#': "＃", '-': "－", '|': "｜", '$': "＄", '.': "．", '0': "０", '1': "１", '5': "５", '8': "８"}

// mutate damages a file. It gives the lines that it touched, from 0; they have the same numbers before and after.
func mutate(o *original, rnd *rand.Rand) (data []byte, touched []int, what string) {
	src := o.file.Data
	lineOf := func(i int) int { return strings.Count(string(src[:i]), "\n") }
	span := func(i, j int) { // bytes [i, j)
		for l := lineOf(i); l <= lineOf(min(j, len(src))); l++ {
			touched = append(touched, l)
		}
	}
	lines := slices.Clone(o.lines)
	i := rnd.IntN(len(src))
	j := min(len(src), i+1+rnd.IntN(12))
	k := rnd.IntN(len(lines))
	switch rnd.IntN(8) {
	case 0:
		span(i, i+1)
		data = slices.Clone(src)
		data[i] ^= byte(1 << rnd.IntN(8))
		return data, touched, "a flipped bit"
	case 1:
		span(i, j)
		return slices.Delete(slices.Clone(src), i, j), touched, "deleted bytes"
	case 2:
		span(i, j)
		return slices.Insert(slices.Clone(src), j, src[i:j]...), touched, "doubled bytes"
	case 3:
		return []byte(strings.Join(slices.Insert(lines, k, lines[k]), "\n")), []int{k, k + 1}, "a doubled line"
	case 4:
		return []byte(strings.Join(slices.Delete(lines, k, k+1), "\n")), []int{k}, "a deleted line"
	case 5:
		m := rnd.IntN(len(lines))
		lines[k], lines[m] = lines[m], lines[k]
		return []byte(strings.Join(lines, "\n")), []int{k, m}, "swapped lines"
	case 6:
		for n := range src { // the next mark that has a full-width twin
			at := (i + n) % len(src)
			if w := fullWidth[src[at]]; w != "" {
				span(at, at+1)
				return slices.Concat(src[:at], []byte(w), src[at+1:]), touched, "a full-width mark"
			}
		}
	}
	const marks = ":\"'#[]{}|&*!%@,>- \t\n?$"
	span(i, i)
	return slices.Insert(slices.Clone(src), i, marks[rnd.IntN(len(marks))]), touched, "an inserted mark"
}
