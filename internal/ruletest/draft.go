package ruletest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rules"
)

// Draft is a new rule as somebody answers for it.
type Draft struct {
	Name, Title string
	Event       string
	Action      intent.Action
	When        string // "always" for every event
	Class, Mode string // of pushes and broadcasts
	Subject     string // the title of what is sent
	Body        string
	Audience    []string // of a broadcast: tags, all of them
	Tag         string   // of a tag rule
}

// Write gives the file of a rule with two tests: one that it acts on and one that it does not. These are found by trying values of the
// event's fields, so they say what the rule does. Findings are of the rule without tests; when there are none, the text loads and its
// tests pass.
func (d *Draft) Write(file string, beside []rules.File, known rules.Options, bench func(*rules.Set) Options) (string, diag.List, error) {
	load := func(text string) (*rules.Set, diag.List) {
		return rules.LoadFiles(append(slices.Clone(beside), rules.File{Name: file, Data: []byte(text)}), known)
	}
	set, list := load(d.text(nil))
	if set == nil {
		return "", list, nil
	}
	tries := d.tries(set.Catalogue.Spec(d.Event))
	if set, list = load(d.text(tries)); set == nil {
		return "", list, nil
	}
	only := regexp.MustCompile("^" + regexp.QuoteMeta(d.Name) + "/")
	run := func(set *rules.Set) []Result {
		o := bench(set)
		o.Run = only
		return Run(o).Results
	}
	var hit *attempt
	var misses []attempt
	for i, r := range run(set) {
		switch {
		case r.OK && len(misses) < maxMisses:
			misses = append(misses, tries[i])
		case !r.OK && hit == nil && len(r.Requests) > 0:
			hit = &tries[i]
			hit.expect = d.expected(&r)
		}
	}
	var miss *attempt
	if len(misses) > 0 {
		miss = &misses[0]
		if set, _ := load(d.bare().text(misses)); set != nil { // one that fails without the condition says more
			if i := slices.IndexFunc(run(set), func(r Result) bool { return !r.OK }); i >= 0 {
				miss = &misses[i]
			}
		}
	}
	var tests []attempt
	if hit != nil {
		hit.name = "命中 · it acts"
		tests = append(tests, *hit)
	}
	if miss != nil {
		miss.name = "不命中 · it does not"
		tests = append(tests, *miss)
	} else if hit != nil {
		second := d.other(*hit, set.Zone())
		set, list = load(d.text(second))
		if set == nil {
			return "", list, nil
		}
		for i, r := range run(set) {
			if r.OK {
				tests = append(tests, second[i])
				break
			}
		}
	}
	if len(tests) == 0 {
		return "", nil, fmt.Errorf("no values were found on which rule %s acts or does not act: write the file by hand, docs/rules.md", d.Name)
	}
	files := append(slices.Clone(beside), rules.File{Name: file, Data: []byte(d.text(tests))})
	formatted, err := rules.Format(files, known)
	if err != nil {
		return "", nil, err
	}
	text := ""
	for _, f := range formatted {
		if f.File.Name == file {
			text = string(f.Out)
		}
	}
	if set, list = load(text); set == nil {
		return "", list, nil
	}
	if got := run(set); len(got) != len(tests) || slices.ContainsFunc(got, func(r Result) bool { return !r.OK }) {
		return "", nil, fmt.Errorf("the tests of the new rule %s do not pass: write the file by hand, docs/rules.md", d.Name)
	}
	return text, nil, nil
}

var changedIn = regexp.MustCompile(`changed\([^()]*\)`)

// bare is the draft without its condition; a push on a profile event keeps the first changed(), without which it does not load.
func (d *Draft) bare() *Draft {
	b := *d
	if b.When = changedIn.FindString(d.When); b.When == "" {
		b.When = "always"
	}
	return &b
}

// Faults are the errors in what was answered so far; what is still to be answered counts as something that is never wrong. Without an event
// nothing can be said.
func (d *Draft) Faults(file string, beside []rules.File, known rules.Options) (out diag.List) {
	try := *d
	try.Name, try.When, try.Class, try.Mode = cmp.Or(d.Name, "a"), cmp.Or(d.When, "always"), cmp.Or(d.Class, "service"), cmp.Or(d.Mode, "shadow")
	try.Subject, try.Body, try.Tag = cmp.Or(d.Subject, "a"), cmp.Or(d.Body, "a"), cmp.Or(d.Tag, "a")
	if len(d.Audience) == 0 {
		try.Audience = []string{"a"}
	}
	set, list := rules.LoadFiles(append(slices.Clone(beside), rules.File{Name: file, Data: []byte(try.text(nil))}), known)
	if set != nil {
		return nil
	}
	for _, x := range list {
		if x.Severity == diag.Error && x.File == file {
			out = append(out, x)
		}
	}
	return out
}

// other are second tests for a rule that acts on every event: what its limits do then, or else that it acts on another one.
func (d *Draft) other(hit attempt, zone *time.Location) []attempt {
	twice, late, again := hit, hit, hit
	twice.name, twice.more, twice.expect = "一天只发一次 · one a day", "times: 2", "{suppressed: capped}"
	late.name, late.more, late.expect = "夜里不发 · not at night", "now: "+time.Date(2026, time.January, 5, 23, 30, 0, 0, zone).Format(time.RFC3339), "{suppressed: quiet}"
	again.name, again.more = "两次也命中 · it acts on two", "times: 2"
	if d.Action == intent.Tags {
		return []attempt{again}
	}
	return []attempt{twice, late, again}
}

// attempt is a test that may be: values of the event, and of the profile before it.
type attempt struct {
	name, sample string
	fields       map[string]string // as YAML
	profile      map[string]string
	more         string // further keys
	expect       string
}

const (
	maxTries  = 400
	maxMisses = 40 // of which one is chosen
)

// tries are the values to try: the event's sample as it is, each field with each of a few values, one field alone, all fields of the condition
// at once, two fields at once.
func (d *Draft) tries(spec *event.Spec) []attempt {
	base := attempt{expect: "no match"}
	if d.Action == intent.Tags {
		base.expect = "{tags: []}"
	}
	base.fields = map[string]string{}
	if spec.Sample != "" {
		base.sample = spec.Name
	} else {
		for _, f := range spec.Fields {
			if vs := d.values(&f); len(vs) > 0 {
				base.fields[f.Name] = vs[0]
			}
		}
	}
	with := func(a attempt, name, value string) attempt {
		fields := map[string]string{name: value}
		for k, v := range a.fields {
			if k != name {
				fields[k] = v
			}
		}
		a.fields = fields
		return a
	}
	out := []attempt{base}
	var singles []attempt
	var of []string // the field that each of them changes
	for _, f := range spec.Fields {
		for _, v := range d.values(&f) {
			singles, of = append(singles, with(base, f.Name, v)), append(of, f.Name)
			for _, before := range d.befores(&f) {
				if before != v && strings.Contains(d.When, "changed("+f.Name+")") {
					a := with(base, f.Name, v)
					a.profile = map[string]string{f.Name: before}
					singles, of = append(singles, a), append(of, f.Name)
				}
			}
		}
	}
	out = append(out, singles...)
	for _, f := range spec.Fields { // an event that speaks of one field only
		if vs := d.values(&f); len(vs) > 0 {
			alone := base
			alone.sample, alone.fields = "", map[string]string{f.Name: vs[0]}
			out = append(out, alone)
		}
	}
	out = append(out, d.together(base, with, spec)...)
	for i, a := range singles {
		for _, f := range spec.Fields {
			for _, v := range d.values(&f) {
				if f.Name != of[i] && len(out) < maxTries {
					out = append(out, with(a, f.Name, v))
				}
			}
		}
	}
	for i := range out {
		out[i].name = fmt.Sprint("try ", i)
	}
	return out[:min(len(out), maxTries)]
}

// together are the values of all fields that the condition names, at once.
func (d *Draft) together(base attempt, with func(a attempt, name, value string) attempt, spec *event.Spec) []attempt {
	all, named := []attempt{base}, false
	for _, f := range spec.Fields {
		if !strings.Contains(d.When, f.Name) && (f.Alias == "" || !strings.Contains(d.When, f.Alias)) {
			continue
		}
		named = true
		var more []attempt
		for _, a := range all {
			for _, v := range d.values(&f) {
				b := with(a, f.Name, v)
				if more = append(more, b); !strings.Contains(d.When, "changed("+f.Name+")") {
					continue
				}
				for _, before := range d.befores(&f) {
					if before != v {
						c := b
						c.profile = maps.Clone(a.profile)
						if c.profile == nil {
							c.profile = map[string]string{}
						}
						c.profile[f.Name] = before
						more = append(more, c)
					}
				}
			}
		}
		if len(more) > 0 { // of a type without values
			all = more[:min(len(more), maxTries/2)]
		}
	}
	if !named {
		return nil
	}
	return all
}

var (
	numberIn = regexp.MustCompile(`[0-9]+(\.[0-9]+)?`)
	textIn   = regexp.MustCompile(`"([^"]*)"|'([^']*)'`)
)

// values are what may decide: what the condition names, and a little beside it.
func (d *Draft) values(f *event.Field) (out []string) {
	switch f.Type {
	case event.Bool:
		return []string{"true", "false"}
	case event.Number:
		for _, s := range numberIn.FindAllString(d.When, 4) {
			n, err := strconv.ParseFloat(s, 64)
			if err == nil {
				out = append(out, plainNumber(n), plainNumber(n+1), plainNumber(max(0, n-1)))
			}
		}
		if out = append(out, "0", "100"); strings.Contains(d.When, "-") {
			for _, s := range numberIn.FindAllString(d.When, 4) {
				if n, err := strconv.ParseFloat(s, 64); err == nil {
					out = append(out, plainNumber(-n), plainNumber(-n-1))
				}
			}
		}
		return append(out, "1000000")
	case event.String:
		if f.Values != nil {
			for _, v := range f.Values {
				out = append(out, quoted(v))
			}
			return out
		}
		for _, m := range textIn.FindAllStringSubmatch(d.When, 4) {
			out = append(out, quoted(m[1]+m[2]))
			if plain := strings.Trim(m[1]+m[2], "^$.*+"); plain != m[1]+m[2] { // of `matches`
				out = append(out, quoted(plain))
			}
		}
		if strings.Contains(d.When, "len("+f.Name+")") {
			for _, s := range numberIn.FindAllString(d.When, 4) {
				if n, err := strconv.Atoi(s); err == nil && n < 200 {
					out = append(out, quoted(strings.Repeat("长", n)), quoted(strings.Repeat("长", n+1)))
				}
			}
		}
		return append(out, quoted("other"))
	}
	return nil
}

// befores are the values that a profile may have had: of texts one that the condition does not name comes first.
func (d *Draft) befores(f *event.Field) []string {
	vs := d.values(f)
	if f.Type == event.String && f.Values == nil {
		slices.Reverse(vs)
	}
	return vs
}

func plainNumber(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil { // a string always marshals
		panic(err)
	}
	return string(b)
}

var shownTitle = regexp.MustCompile(`(?s)"(.*)"`)

// expected is what a test on which the rule acted should expect.
func (d *Draft) expected(r *Result) string {
	if d.Action == intent.Tags {
		var body struct {
			Tags []string `json:"tags"`
		}
		for _, q := range r.Requests {
			if json.Unmarshal(q.Body, &body) == nil && len(body.Tags) > 0 {
				all := make([]string, len(body.Tags))
				for i, t := range body.Tags {
					all[i] = quoted(t)
				}
				return "{tags: [" + strings.Join(all, ", ") + "]}"
			}
		}
		return "{tags: []}"
	}
	title := d.Subject
	if strings.Contains(title, "${") && len(r.Diffs) > 0 {
		if m := shownTitle.FindStringSubmatch(r.Diffs[0].Got); m != nil {
			title = m[1]
		}
	}
	return fmt.Sprintf("{%s: {title: %s}}", d.Action, quoted(title))
}

// text is the file with these tests.
func (d *Draft) text(tests []attempt) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nrules:\n  - name: %s\n", d.Name)
	if d.Title != "" {
		fmt.Fprintf(&b, "    title: %s\n", quoted(d.Title))
	}
	fmt.Fprintf(&b, "    event: %s\n", d.Event)
	if d.Action != intent.Tags {
		fmt.Fprintf(&b, "    mode: %s\n    class: %s\n", d.Mode, d.Class)
	}
	if d.When != "always" || d.Action != intent.Tags {
		fmt.Fprintf(&b, "    when: %s\n", whenText(d.When))
	}
	switch d.Action {
	case intent.Tags:
		fmt.Fprintf(&b, "    tags: [%s]\n", quoted(d.Tag))
	case intent.Push:
		fmt.Fprintf(&b, "    push:\n      title: %s\n      body: %s\n    limits: {per_user: 1 in 24h, quiet: 22:00-08:00, when_quiet: hold, expire: 12h}\n", quoted(d.Subject), quoted(d.Body))
	case intent.Broadcast:
		tags := make([]string, len(d.Audience))
		for i, t := range d.Audience {
			tags[i] = quoted(t)
		}
		fmt.Fprintf(&b, "    broadcast:\n      audience: {all_of: [%s]}\n      title: %s\n      body: %s\n    limits: {quota: 1 per day, quiet: 21:00-09:00, when_quiet: drop, expire: 4h}\n", strings.Join(tags, ", "), quoted(d.Subject), quoted(d.Body))
	}
	if len(tests) > 0 {
		b.WriteString("    tests:\n")
	}
	for _, t := range tests {
		fmt.Fprintf(&b, "      - {name: %s", quoted(t.name))
		switch {
		case t.sample == "":
			fmt.Fprintf(&b, ", event: %s", flow(t.fields))
		case len(t.fields) == 0:
			fmt.Fprintf(&b, ", sample: %s", t.sample)
		default:
			fmt.Fprintf(&b, ", sample: %s, with: %s", t.sample, flow(t.fields))
		}
		if t.profile != nil {
			fmt.Fprintf(&b, ", profile: %s", flow(t.profile))
		}
		if t.more != "" {
			b.WriteString(", " + t.more)
		}
		fmt.Fprintf(&b, ", expect: %s}\n", t.expect)
	}
	return b.String()
}

// whenText writes a condition so that YAML takes it as it is.
func whenText(s string) string {
	if strings.Contains(s, ": ") || strings.Contains(s, " #") || strings.HasPrefix(s, `"`) || strings.HasPrefix(s, "!") {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return s
}

func flow(m map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+": "+m[k])
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
