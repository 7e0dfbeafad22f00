package rules

import (
	"fmt"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/event"
)

// maxSeen is how many characters of one value are shown, maxSeenItems how many items of a list.
const (
	maxSeen      = 60
	maxSeenItems = 5
)

// explainer is a source that can say why a field has no usable value.
type explainer interface {
	why(name string) string
}

// why says of a field without a value what the event has instead.
func (e eventSource) why(name string) string {
	i, ok := e.ev.Spec.Index(name)
	if !ok {
		return "missing"
	}
	switch v := &e.ev.Values[i]; v.State {
	case event.Null:
		return "null"
	case event.Bad:
		if len(e.ev.Spec.Fields[i].Values) > 0 {
			return v.Str + " is none of its values"
		}
		return v.Str + " is no " + string(e.ev.Spec.Fields[i].Type)
	}
	return "missing"
}

// why tells a field that nobody has spoken of from one that is known to be absent.
func (t tableSource) why(name string) string {
	get := t.after
	if b, ok := strings.CutPrefix(name, "before."); ok {
		name, get = b, t.old
	}
	if get == nil {
		return "unknown"
	}
	v, known := get(name)
	switch {
	case !known:
		return "unknown"
	case absent(v):
		return "absent"
	}
	return fmt.Sprintf("%s is no %s", v.Str, t.table[name].Type)
}

// shown writes the value of a name for people; ok is false when it has none, and the text says why.
func shown(src source, name string) (text string, ok bool) {
	var x any
	var v value
	prefix, rest, dotted := strings.Cut(name, ".")
	switch {
	case dotted && prefix == "event":
		x, v = src.event(rest)
		ok = true
	case dotted && prefix == "before":
		x, v, ok = src.before(rest)
	default:
		x, v, ok = src.field(name)
	}
	if !ok {
		if e, can := src.(explainer); can {
			return e.why(name), false
		}
		return "missing", false
	}
	return write(x, v), true
}

func write(x any, v value) string {
	switch x.(type) {
	case string:
		return quote(v.text)
	case time.Time:
		return v.text
	}
	if !v.isList {
		return v.text
	}
	var items []string
	for i, it := range v.list {
		if i == maxSeenItems {
			items = append(items, fmt.Sprintf("… %d more", len(v.list)-i))
			break
		}
		items = append(items, quote(it))
	}
	return "[" + strings.Join(items, ", ") + "]"
}

func quote(s string) string {
	r := []rune(s)
	if len(r) > maxSeen {
		s = string(r[:maxSeen]) + "…"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s) + `"`
}

// text is what one read sees.
func (r read) text(src source) string {
	now, _ := shown(src, r.name)
	if r.how == "changed" {
		old, _ := shown(src, "before."+r.name)
		return old + " → " + now
	}
	return now
}

// values gives what a clause read: of one field its value alone, of several each with its name.
func (l *leaf) values(src source) string {
	var out []string
	told := map[string]bool{}
	for _, r := range l.reads {
		if !told[r.name+r.how] {
			out = append(out, r.name+" = "+r.text(src))
			told[r.name+r.how] = true
		}
	}
	if len(out) == 1 {
		return l.reads[0].text(src)
	}
	return strings.Join(out, ", ")
}

// seen is the clause's text with the values in the places of the fields.
func (l *leaf) seen(src source, source string) string {
	s := []rune(source)
	var b strings.Builder
	at := l.from
	for _, r := range l.reads {
		if r.from < at || r.to > l.to {
			continue
		}
		b.WriteString(string(s[at:r.from]))
		b.WriteString(r.text(src))
		at = r.to
	}
	b.WriteString(string(s[min(at, l.to):l.to]))
	return b.String()
}

// withoutItems leaves out what stands in square brackets outside texts.
func withoutItems(s string) string {
	r := []rune(s)
	var b strings.Builder
	depth, at := 0, 0
	for _, m := range scan(s) {
		switch {
		case m.kind == sign && m.text == "[":
			if depth == 0 {
				b.WriteString(string(r[at:m.to]) + "...")
			}
			depth++
		case m.kind == sign && m.text == "]" && depth > 0:
			if depth--; depth == 0 {
				at = m.from
			}
		}
	}
	if depth > 0 {
		return s
	}
	return b.String() + string(r[at:])
}
