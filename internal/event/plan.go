package event

import (
	"slices"
	"strings"
)

// formats is how many envelopes there are.
const formats = 3

// topic is what the records of one Kafka topic may be.
type topic struct {
	entries []entry
	plans   [formats]*plan
}

// add compiles an entry's paths into the plan of its format.
func (t *topic) add(s *Spec) {
	i := max(0, slices.Index([]Format{JSON, CloudEvents, Debezium}, s.Format))
	p := t.plans[i]
	if p == nil {
		p = &plan{place: i, format: s.Format, specversion: noPath}
		if s.Format == CloudEvents {
			p.specversion = p.path("specversion")
		}
		t.plans[i] = p
	}
	id, at := s.ID, s.Time.Path
	switch s.Format {
	case CloudEvents:
		id, at = orElse(id, "id"), orElse(at, "time")
	case Debezium:
		at = orElse(at, "envelope.ts_ms")
	}
	e := entry{Spec: s, plan: p, id: p.path(id), user: p.path(s.User), version: p.path(s.Version), time: p.path(at)}
	for _, m := range s.Match {
		e.match = append(e.match, p.path(m.Path))
	}
	for _, f := range s.Fields {
		e.fields = append(e.fields, p.path(f.Path))
	}
	t.entries = append(t.entries, e)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// entry is a Spec with its paths as places in the plan.
type entry struct {
	*Spec
	plan                    *plan
	id, user, version, time int
	match, fields           []int
}

// plan is every path that the entries of one topic and format read, each once.
type plan struct {
	place       int
	format      Format
	paths       []path
	root        *node // the plain paths
	specversion int   // CloudEvents: what tells an event from other JSON
}

// path is one path of a plan.
type path struct {
	text  string
	where where
	name  string // behind header. or envelope.
}

// where says what a path leads into.
type where uint8

const (
	inBody   where = iota // names of object keys: found while the JSON is checked
	byGJSON               // anything else in the body: gjson looks
	inKey                 // the record's key
	inHeader              // one header
	inEnvelope
)

// noPath is the place of the empty path.
const noPath = -1

// path gives the place of a path, a new one when it is the first of its text.
func (p *plan) path(text string) int {
	if text == "" {
		return noPath
	}
	i := slices.IndexFunc(p.paths, func(have path) bool { return have.text == text })
	if i >= 0 {
		return i
	}
	i = len(p.paths)
	n := path{text: text, where: byGJSON}
	if text == "key" {
		n.where = inKey
	} else if name, ok := strings.CutPrefix(text, "header."); ok {
		n.where, n.name = inHeader, name
	} else if name, ok := strings.CutPrefix(text, "envelope."); ok && p.format == Debezium {
		n.where, n.name = inEnvelope, name
	} else if plain(text) {
		n.where = inBody
		if p.root == nil {
			p.root = &node{slot: noPath}
		}
		at := p.root
		for name := range strings.SplitSeq(text, ".") {
			at = at.add(name)
		}
		at.slot = i
	}
	p.paths = append(p.paths, n)
	return i
}

func (p *plan) text(i int) string {
	if i == noPath {
		return ""
	}
	return p.paths[i].text
}

// plain reports whether gjson reads a path as names of object keys and nothing else. Numbers and # lead into arrays;
// the other characters are patterns, escapes, modifiers, literals and constructed documents.
func plain(path string) bool {
	for name := range strings.SplitSeq(path, ".") {
		if name == "" || strings.ContainsAny(name, "*?|\\#@!{}[]()") || strings.Trim(name, "0123456789") == "" {
			return false
		}
	}
	return true
}
