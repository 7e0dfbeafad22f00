package rules

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// tableSource reads a row of the profile table, after and before an event. The functions give known = false for a
// field nobody has spoken of since it was declared; a zero Value is a field known to be absent.
type tableSource struct {
	after, old func(field string) (intent.Value, bool)
	ev         intent.EventRef
	user       string
	table      map[string]*event.Field
	zone       *time.Location
}

func (t tableSource) read(get func(string) (intent.Value, bool), name string) (any, value, bool) {
	f := t.table[name]
	if f == nil {
		return "", value{}, false
	}
	if get == nil {
		return zero(f.Type), value{}, false
	}
	v, known := get(name)
	if v = retyped(v, f); !known || absent(v) || v.Type != f.Type {
		return zero(f.Type), value{}, false
	}
	switch v.Type {
	case event.Number:
		n, err := strconv.ParseFloat(v.Str, 64)
		return n, value{text: v.Str}, err == nil
	case event.Bool:
		return v.Str == "true", value{text: v.Str}, true
	case event.Time:
		at, err := time.Parse(time.RFC3339Nano, v.Str)
		return at, value{text: at.In(t.zone).Format(time.RFC3339)}, err == nil
	case event.List:
		return v.List, value{list: v.List, isList: true}, true
	}
	return v.Str, value{text: v.Str}, true
}

// retyped gives a value that was stored before the field had its type as a record with it would give it now: losslessly. One of which there is
// no such value stays as it is, and is as good as none.
func retyped(v intent.Value, f *event.Field) intent.Value {
	if f == nil || v.Type == f.Type || absent(v) || v.Type == event.List {
		return v
	}
	if now, ok := f.Coerce(v.Str); ok {
		return intent.Value{Type: now.Type, Str: now.Str}
	}
	return v
}

func absent(v intent.Value) bool { return v.Type == "" && v.Str == "" && len(v.List) == 0 }

func (t tableSource) field(name string) (any, value, bool)  { return t.read(t.after, name) }
func (t tableSource) before(name string) (any, value, bool) { return t.read(t.old, name) }

// changed is false at a first sight: the user's level did not change because we began to look.
func (t tableSource) changed(name string) bool {
	if t.old == nil || t.after == nil {
		return false
	}
	was, knownBefore := t.old(name)
	is, known := t.after(name)
	was, is = retyped(was, t.table[name]), retyped(is, t.table[name])
	if was.Type == event.List && is.Type == event.List { // its Str counts what is not kept, and an older version counted otherwise
		was.Str, is.Str = "", ""
	}
	return knownBefore && known && (was.Type != is.Type || was.Str != is.Str || !slices.Equal(was.List, is.List))
}

func (t tableSource) recipients(name string) ([]string, bool, error) {
	_, v, ok := t.field(name)
	if !ok {
		return nil, false, nil
	}
	row, _ := t.after(name)
	if n, err := strconv.Atoi(row.Str); err == nil && n > len(v.list) {
		return nil, true, fmt.Errorf("has more entries than the %d that the user table keeps: nobody is sent to; name the recipients in a business event", len(v.list))
	}
	return v.list, true, nil
}

func (t tableSource) event(name string) (any, value) { return eventPart(t.ev, t.user, name, t.zone) }

// Tags gives the set that an account's tag rules want for a user: the union over all matching rules, sorted, each
// once, at most 20.
//
// get reads the user's row: known is false for a field nobody spoke of since it was declared, the zero Value means
// absent. What touches an unknown field neither adds nor removes: of current, the tags that the template in question
// could have given stay. A template with an absent field, or one that renders to no valid tag, gives none.
func (s *Set) Tags(account string, get func(field string) (v intent.Value, known bool), current []string) []string {
	defer s.watch.sample()()
	src := tableSource{after: get, table: s.table, zone: s.opt.Zone}
	var out []string
	keep := func(t *tagTemplate) {
		for _, c := range current {
			if t.pattern.MatchString(c) {
				out = append(out, c)
			}
		}
	}
	unknown := unknownIn(get)
	for _, r := range s.tagRules[account] {
		if r.Mode == Off {
			continue
		}
		verdict := s.tagVerdict(r, src, unknown)
		for _, t := range r.tags {
			switch {
			case verdict == no:
			case verdict == unsure || unknown(t.fields):
				keep(t)
			default:
				if tag, err := renderTag(t.t, texts(src)); err == nil && validTag(tag) {
					out = append(out, tag)
				} else {
					r.left.Add(1)
				}
			}
		}
	}
	out = slices.DeleteFunc(out, func(t string) bool { return !validTag(t) })
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), maxTags)]
}

// unknownIn asks a row whether one of some fields is unknown.
func unknownIn(row func(field string) (v intent.Value, known bool)) func(fields []string) bool {
	return func(fields []string) bool {
		return slices.ContainsFunc(fields, func(f string) bool { _, known := row(f); return !known })
	}
}

// tagVerdict is a rule's, under the watchdog. A parked rule is not sure of anything: it neither adds nor removes.
func (s *Set) tagVerdict(r *Rule, src tableSource, unknown func([]string) bool) verdict {
	if !s.watch.on(r) {
		return r.tagVerdict(src, unknown)
	}
	if r.parked.Load() {
		return unsure
	}
	var v verdict
	s.watch.timed(r, "a user", func() { v = r.tagVerdict(src, unknown) })
	return v
}

type verdict int

const (
	no verdict = iota
	yes
	unsure // a condition touches a field that is unknown
)

// tagVerdict is matches with a third answer. A condition that is surely not met decides, whatever the others touch.
func (r *Rule) tagVerdict(src tableSource, unknown func([]string) bool) (v verdict) {
	defer func() {
		if recover() != nil {
			v = unsure // neither adds nor removes
		}
	}()
	v = yes
	ask := func(c *condition, want bool) {
		switch {
		case v == no:
		case unknown(c.touches):
			v = unsure
		case c.holds(src, environment(c.env, src)) != want:
			v = no
		}
	}
	for _, c := range r.when {
		ask(c, true)
	}
	for _, c := range r.unless {
		ask(c, false)
	}
	return v
}

// ProfilePushes gives the push intents of a profile intent: those of its account's push rules on that event. before and
// after read the user's row as it was and as it is now.
func (s *Set) ProfilePushes(in *intent.Intent, before, after func(field string) (intent.Value, bool)) []*intent.Intent {
	p := s.profile[in.Event.Type]
	if p == nil || in.Profile == nil || in.Profile.Gone {
		return nil
	}
	defer s.watch.sample()()
	src := tableSource{after: after, old: before, ev: in.Event, user: in.Target, table: s.table, zone: s.opt.Zone}
	env := environment(p.env, src)
	a := subject{ev: in.Event, user: in.Target, src: src, get: texts(src), press: new(press)}
	var out []*intent.Intent
	for _, r := range p.rules {
		if r.Account == in.Account {
			out = s.ask(out, r, &a, func() bool { return r.matches(src, env) })
		}
	}
	for _, x := range out {
		x.Key = in.Key
	}
	return out
}
