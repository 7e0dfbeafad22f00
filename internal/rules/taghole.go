package rules

import (
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// tagHole says of a hole of a tag whether what it is filled with can be in one. It is tried with values that the field can have: an error is
// only what none of them gets through, a warning what other filters would let through.
func (l *loader) tagHole(n *diag.Node, r *Rule, p *part) {
	values := l.mayHold(r, p)
	if len(values) == 0 || r.unclear {
		return
	}
	better := part{ref: p.ref, filters: tagFilters(p, values)}
	fits := func(p *part, v value) (string, bool) {
		s, err := p.value(func(string) (value, bool) { return v, true })
		return flat(s), err == nil && tagText.MatchString(flat(s))
	}
	seen, spoilt, cure := "", "", false // what is written, what need not be as it is written, and whether other filters help
	none := true
	absent := func(string) (value, bool) { return value{}, false }
	if v, err := p.value(absent); err == nil { // a default
		none = !validTag(flat(v))
		if w, err := better.value(absent); none && err == nil && validTag(flat(w)) && !strings.HasPrefix(p.ref, "event.") {
			spoilt, cure = flat(v), true
		}
	}
	for _, v := range values {
		text, ok := fits(p, v)
		_, can := fits(&better, v)
		none, cure = none && !ok, cure || can
		if seen == "" {
			seen = text
		}
		if !ok && can && spoilt == "" {
			spoilt = text
		}
	}
	written := strings.TrimSuffix(strings.TrimPrefix((&template{parts: []part{better}}).String(), "${"), "}")
	switch {
	case none:
		d := n.ErrorAt(p.from, p.to, "N306", diag.Text{EN: "this is never part of a tag: it is written like `" + seen + "`", ZH: "这里永远拼不成标签：写出来是 `" + seen + "` 这样"}, l.tagCure(r, p, values))
		if cure {
			advise(n, d, written)
		}
	case spoilt != "":
		advise(n, n.WarnAt(p.from, p.to, "W314", diag.Text{EN: "no tag where this is written like `" + spoilt + "`", ZH: "写出来是 `" + spoilt + "` 这样时，得不到标签"}, diag.Text{}), written)
	}
}

// specsOf are the events whose fields a rule's tags are made of. Those of a tag rule come from the profile table, into which all profile
// events write.
func (l *loader) specsOf(r *Rule) []*event.Spec {
	if r.Action != intent.Tags {
		return r.specs
	}
	return slices.DeleteFunc(slices.Clone(l.specs), func(s *event.Spec) bool { return s.Kind != event.Profile })
}

// mayHold gives values of a hole, as texts have them: of each kind that filters and tags treat alike, one.
func (l *loader) mayHold(r *Rule, p *part) (out []value) {
	at := time.Date(2026, 1, 2, 8, 0, 0, 0, time.UTC)
	src := eventSource{zone: time.UTC}
	if r.Action == intent.Tags && strings.HasPrefix(p.ref, "event.") { // reported for what it is
		return nil
	}
	if p.ref == "event.time" {
		return []value{src.write(&event.Value{Type: event.Time, Time: at})}
	}
	for _, spec := range l.specsOf(r) {
		switch p.ref {
		case "event.type":
			out = append(out, value{text: spec.Name})
			continue
		case "event.topic":
			for _, topic := range spec.Topics {
				out = append(out, value{text: topic})
			}
			continue
		}
		i, ok := spec.Index(p.ref)
		if !ok {
			continue
		}
		f := &spec.Fields[i]
		if f.Default != nil {
			out = append(out, src.write(f.Default))
		}
		switch {
		case f.Type == event.Time:
			out = append(out, src.write(&event.Value{Type: event.Time, Time: at}))
		case f.Type == event.Number:
			v, _ := f.Parse("5")
			out = append(out, value{text: v.Str})
		case f.Type == event.Bool:
			out = append(out, value{text: "true"})
		case f.Type == event.List:
			words := f.Values
			if len(words) == 0 {
				words = []string{"x"}
			}
			for _, w := range words {
				out = append(out, value{list: []string{w}, isList: true})
			}
			out = append(out, value{list: []string{words[0], words[len(words)-1]}, isList: true})
		case len(f.Values) > 0:
			for _, w := range f.Values {
				out = append(out, value{text: w})
			}
		default:
			out = append(out, value{text: "x"}, value{text: "北京"}, value{text: strings.Repeat("长", maxTagSize/len("长"))})
		}
	}
	return out
}

// tagFilters gives the filters of a hole as a tag can have them.
func tagFilters(p *part, values []value) (out []filter) {
	isList := slices.ContainsFunc(values, func(v value) bool { return v.isList })
	for _, f := range p.filters {
		switch f.name {
		case "money", "urlencode", "max": // a dot, %, and … where it cuts
			continue
		case "join":
			if isList = false; !f.hasArg || f.arg != "" && !tagText.MatchString(f.arg) {
				f.arg, f.hasArg = "_", true
			}
		case "date":
			if !f.hasArg {
				f.arg, f.hasArg = "YYYY-MM-DD", true
			}
			f.arg = tagMarks(f.arg)
		case "default":
			f.arg = tagMarks(f.arg)
		}
		out = append(out, f)
	}
	if isList {
		out = append([]filter{{name: "join", arg: "_", hasArg: true}}, out...)
	}
	return out
}

// tagMarks writes what a tag cannot have as the one mark that it can.
func tagMarks(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(c rune) bool { return !tagText.MatchString(string(c)) }), "-")
}

// tagCure is what to do where no filter helps.
func (l *loader) tagCure(r *Rule, p *part, values []value) diag.Text {
	if strings.HasPrefix(p.ref, "event.") {
		return diag.Text{EN: "a rule for each event, with a tag of its own", ZH: "请给每个事件各写一条规则，写上各自的标签"}
	}
	for _, spec := range l.specsOf(r) {
		i, ok := spec.Index(p.ref)
		if !ok {
			continue
		}
		if f := &spec.Fields[i]; f.Type == event.Number {
			field := f.Name + "_raw: {path: " + f.Path + ", type: number}"
			return diag.Text{EN: "declare the number without `scale` as well, `" + field + "`, and write `${" + f.Name + "_raw}`", ZH: "请在事件目录里再声明一个不带 `scale` 的字段 `" + field + "`，这里写 `${" + f.Name + "_raw}`"}
		}
	}
	return diag.Text{EN: "a rule for each value, with `when` and a tag of its own", ZH: "请给每个值各写一条规则，用 `when` 区分，写上各自的标签"}
}
