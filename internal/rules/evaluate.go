package rules

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// TagsRule stands for all tag rules in a profile intent's id.
const TagsRule = "tags"

// maxTargets bounds the users that one event may name through a list.
const maxTargets = event.MaxRecipients

// Evaluate gives the intents of one event. For a business event, those of every rule that matches: one per target,
// rendered. For a profile event, one per account that keeps users: its tag rules and pushes are asked in stage 2.
//
// An intent whose text or audience cannot be rendered is returned with Dead set and no content: the caller records
// DEAD(render-error), so it is never a wider audience. A rule that panics yields such an intent too; the others run.
func (s *Set) Evaluate(ev *event.Event) []*intent.Intent { return s.EvaluateInto(nil, ev) }

// EvaluateInto is Evaluate with the intents in a room, where they stay until it is emptied; nil makes them new.
func (s *Set) EvaluateInto(room *intent.Room, ev *event.Event) []*intent.Intent {
	if ev.Spec.Kind == event.Profile {
		return s.profileIntents(&press{room: room}, ev)
	}
	p := s.business[ev.Spec.Name]
	if p == nil {
		return nil
	}
	v := look(ev, s.opt.Zone)
	defer v.release()
	v.press.room = room
	if p.index == nil || !p.index.find(v) {
		return s.askAll(p, ev)
	}
	if len(v.found) == 0 {
		return nil
	}
	out := v.press.list(len(v.found))
	a := subject{ev: ref(ev), user: ev.User, src: v, get: v.get, press: &v.press, places: ev}
	watched := s.watch.awake()
	for _, f := range v.found {
		l, e, sure := &p.index.lines[f.at], &p.index.entries[f.at], f.sure
		switch {
		case watched && s.watch.on(l.rule):
			kept := a // what the watchdog keeps for a second time is allocated on this way only
			out = s.ask(out, l.rule, &kept, func() bool { return sure || e.matches(v) })
		case sure && l.fixed != "" && a.user != "":
			out = append(out, s.fixed(l, &a))
		default:
			out = s.one(out, l.rule, &a, func() bool { return sure || e.matches(v) })
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// askAll is the plain way, which the index must agree with: every rule of the event is asked, by its program.
func (s *Set) askAll(p *plan, ev *event.Event) (out []*intent.Intent) {
	src := eventSource{ev, s.opt.Zone}
	env := environment(p.env, src)
	a := subject{ev: ref(ev), user: ev.User, src: src, get: texts(src), press: new(press)}
	for _, r := range p.rules {
		if s.watch.on(r) {
			watched := a
			out = s.ask(out, r, &watched, func() bool { return r.matches(src, env) })
			continue
		}
		out = s.one(out, r, &a, func() bool { return r.matches(src, env) })
	}
	return out
}

func ref(ev *event.Event) intent.EventRef {
	return intent.EventRef{ID: ev.ID, Type: ev.Spec.Name, Time: ev.Time, Topic: ev.Pos.Topic, Partition: ev.Pos.Partition, Offset: ev.Pos.Offset}
}

// source is where a rule's names get their values: an event, or a row of the profile table.
type source interface {
	// field gives the value of a field for a condition (any) and for a text; ok is false when it is missing.
	field(name string) (forCondition any, forText value, ok bool)
	before(name string) (forCondition any, forText value, ok bool)
	changed(name string) bool
	event(name string) (any, value)
	// recipients gives a list as `to` reads it: with what conditions and texts are not given. ok is false when it is missing; the error
	// says that it has more than may be read.
	recipients(name string) (list []string, ok bool, err error)
}

// environment fills what conditions read. Everything has a value of its type: see condition.
func environment(names []string, src source) map[string]any {
	env := make(map[string]any, len(names))
	for _, name := range names {
		env[name] = variable(name, src)
	}
	return env
}

func variable(name string, src source) (v any) {
	switch {
	case name[0] == '?':
		_, _, ok := src.field(name[1:])
		return ok
	case name[0] == '~':
		return src.changed(name[1:])
	case strings.HasPrefix(name, "event."):
		v, _ = src.event(name[len("event."):])
	case strings.HasPrefix(name, "before."):
		v, _, _ = src.before(name[len("before."):])
	default:
		v, _, _ = src.field(name)
	}
	return v
}

// matches gives the verdict of a rule's conditions.
func (r *Rule) matches(src source, env map[string]any) bool {
	for _, c := range r.when {
		if !c.holds(src, env) {
			return false
		}
	}
	for _, c := range r.unless {
		if c.holds(src, env) {
			return false
		}
	}
	return true
}

// holds asks for the fields the condition needs before it asks the program.
func (c *condition) holds(src source, env map[string]any) bool {
	for _, name := range c.needs {
		var ok bool
		if b, isBefore := strings.CutPrefix(name, "before."); isBefore {
			_, _, ok = src.before(b)
		} else {
			_, _, ok = src.field(name)
		}
		if !ok {
			c.missing.Add(1)
			return false
		}
	}
	return c.met(env)
}

// subject is what rules are asked about: an event or a row of the profile table, and where their intents are made.
type subject struct {
	ev     intent.EventRef
	user   string
	src    source
	get    lookup // for texts
	press  *press
	places *event.Event // the event, where templates that were located may read it
}

// one asks one rule and appends its intents.
func (s *Set) one(out []*intent.Intent, r *Rule, a *subject, met func() bool) (all []*intent.Intent) {
	target := a.user
	defer func() {
		if p := recover(); p != nil {
			all = append(out, s.dead(s.blank(r, a, target), fmt.Errorf("internal fault in rule %s: %v", r.Name, p)))
		}
	}()
	if !r.plain && !r.alive(a.ev.Time) || !met() {
		return out
	}
	if r.plain || r.Action != intent.Broadcast && r.to == nil {
		in := s.blank(r, a, a.user)
		if a.user == "" {
			return append(out, s.dead(in, errors.New("the event has no user")))
		}
		return append(out, s.fill(r, in, a.user, a))
	}
	if r.Action == intent.Broadcast {
		target = intent.Everyone
		in := s.blank(r, a, target)
		aud, err := r.audience.render(a.get)
		if err != nil {
			return append(out, s.dead(in, err))
		}
		in.Audience = aud
		return append(out, s.fill(r, in, aud.Key(), a))
	}
	targets, err := r.targets(a.src, a.get)
	if err != nil {
		return append(out, s.dead(s.blank(r, a, target), err))
	}
	all = out
	for _, t := range targets {
		all = append(all, s.fill(r, s.blank(r, a, t), t, a))
	}
	return all
}

// targets gives the users that `to` names, each once.
func (r *Rule) targets(src source, get lookup) ([]string, error) {
	var list []string
	if r.toList != "" {
		var ok bool
		var err error
		if list, ok, err = src.recipients(r.toList); err != nil {
			return nil, fmt.Errorf("to: ${%s} %w", r.toList, err)
		}
		// Of filters there is only default: see namedList.
		v, err := r.to.parts[0].value(func(string) (value, bool) { return value{list: list, isList: true}, ok })
		if err != nil {
			return nil, fmt.Errorf("to: %w", err)
		}
		if list = v.list; !v.isList {
			list = []string{v.text}
		}
	} else {
		t, err := r.to.render(get)
		if err != nil {
			return nil, fmt.Errorf("to: %w", err)
		}
		list = []string{t}
	}
	var out []string
	for _, t := range list {
		if strings.TrimSpace(t) != "" && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("to: nobody is named")
	}
	return out, nil
}

// blank is an intent without content.
func (s *Set) blank(r *Rule, a *subject, target string) *intent.Intent {
	in := s.stamp(r.print, r.Name, r.Revision, a, target)
	if r.plain {
		return in
	}
	in.Next = r.next
	if r.userWhen != nil {
		in.UserWhen = r.userWhen.source
	}
	return in
}

// stamp is an intent with its imprint and nothing else.
func (s *Set) stamp(p *imprint, name, revision string, a *subject, target string) *intent.Intent {
	in := a.press.intent()
	in.Event, in.Rule, in.RuleSet, in.Revision, in.Account, in.Target, in.Action = a.ev, name, s.Hash, revision, p.account, target, p.action
	in.Shadow, in.Class, in.Policy = p.shadow, p.class, p.policy
	in.ID = intent.MakeID(in.Position(), name, target)
	if p.expire > 0 {
		in.Policy.Expire = a.ev.Time.Add(p.expire)
	}
	return in
}

// fixed is the intent of a plain rule whose text is the same for every event, of its line alone.
func (s *Set) fixed(l *line, a *subject) *intent.Intent {
	in := s.stamp(l.print, l.names[:l.name], l.names[l.name:], a, a.user)
	in.Content = a.press.content()
	in.Content.Title, in.Content.Body, in.Content.Link, in.Content.Image, in.Content.Group = apartAt(l.fixed, l.ends)
	return in
}

// dead marks an intent that cannot be sent.
func (s *Set) dead(in *intent.Intent, err error) *intent.Intent {
	in.Dead, in.DeadDetail = intent.RenderError, cutText(err.Error(), 300)
	in.Content, in.Merge, in.Audience = nil, nil, nil
	return in
}

// fill renders the content, or keeps the templates and this trigger's values for a merge.
func (s *Set) fill(r *Rule, in *intent.Intent, whom string, a *subject) *intent.Intent {
	if !r.plain && r.leavesOut(in.Target) { // a gate before all that writes texts: who is left out has no dead letter
		in.Canary = true
		return in
	}
	return s.write(r, in, whom, a)
}

// write is fill for whoever the canary does not leave out.
func (s *Set) write(r *Rule, in *intent.Intent, whom string, a *subject) *intent.Intent {
	in.Content = a.press.content()
	if r.plain {
		if err := r.content.render(in.Content, a, false); err != nil {
			return s.dead(in, err)
		}
		return in
	}
	var c *content
	c, in.Variant = r.contentFor(in.Target)
	if err := c.render(in.Content, a, r.merge != nil); err != nil {
		return s.dead(in, err)
	}
	if o := r.once; o != nil {
		by, err := o.by.render(a.get)
		if err != nil {
			return s.dead(in, fmt.Errorf("limits.once.by: %w", err))
		}
		if len(by) > maxOnceBy {
			return s.dead(in, fmt.Errorf("limits.once.by: %d bytes, the most is %d", len(by), maxOnceBy))
		}
		in.Policy.Once = &intent.Once{By: by, In: o.in}
	}
	m := r.merge
	if m == nil {
		return in
	}
	by, err := m.by.key(a.get)
	if err != nil {
		return s.dead(in, fmt.Errorf("merge.by: %w", err))
	}
	in.Merge = &intent.Merge{Key: r.Name + "|" + whom + "|" + by, Wait: m.wait, Extend: m.extend, MaxWait: m.max, Keep: m.keep}
	if c.oneTitle != nil || c.oneBody != nil {
		in.Merge.One = &intent.One{}
		if t := c.oneTitle; t != nil {
			in.Merge.One.Title = t.String()
		}
		if t := c.oneBody; t != nil {
			in.Merge.One.Body = t.String()
		}
	}
	in.Merge.Vars = vars(m.vars, a.get)
	if err := dies(in.Content, in.Merge); err != nil {
		return s.dead(in, err)
	}
	return in
}

// dies tells why a trigger of a merge can leave neither alone nor with others. That must be told here, where the event is known, and not when
// the merge closes. Which of merge.one and the rule's own texts is used is known only then: a hole in one of them is told where it is used.
func dies(c *intent.Content, m *intent.Merge) error {
	own := []map[string]any{m.Vars}
	_, alone := RenderMerged(c, m, own, 1)
	if alone == nil || m.One == nil {
		return alone
	}
	if _, err := RenderMerged(c, m, own, 2); err == nil {
		return nil
	}
	return alone
}

// maxOnceBy bounds the text of `once.by`, in bytes: an id, not a story.
const maxOnceBy = 256

// What one trigger of a merge carries of its event, in bytes: see maxContent.
const (
	maxVars     = 2 << 10
	maxVar      = 512
	maxVarItems = 8 // of a list
)

// vars gives the values that merged texts use of this trigger, each cut to its share.
func vars(names []string, get lookup) map[string]any {
	out := make(map[string]any, len(names))
	share := min(maxVar, maxVars/max(len(names), 1))
	for _, name := range names {
		v, ok := get(name)
		switch {
		case !ok:
		case v.isList:
			list := []any{}
			for _, it := range v.list[:min(len(v.list), maxVarItems)] {
				list = append(list, cutBytes(it, share/maxVarItems))
			}
			out[name] = list
		default:
			out[name] = cutBytes(v.text, share)
		}
	}
	return out
}

func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// texts is a source as templates ask it.
func texts(src source) lookup {
	return func(ref string) (value, bool) {
		prefix, name, dotted := strings.Cut(ref, ".")
		switch {
		case !dotted:
			_, v, ok := src.field(ref)
			return v, ok
		case prefix == "event":
			_, v := src.event(name)
			return v, v.text != ""
		case prefix == "before":
			_, v, ok := src.before(name)
			return v, ok
		}
		return value{}, false
	}
}

// eventSource reads a business event.
type eventSource struct {
	ev   *event.Event
	zone *time.Location
}

func (e eventSource) field(name string) (any, value, bool) {
	i, ok := e.ev.Spec.Index(name)
	if !ok {
		return "", value{}, false
	}
	v := &e.ev.Values[i]
	if !v.OK() {
		return zero(e.ev.Spec.Fields[i].Type), value{}, false
	}
	text := e.write(v)
	switch v.Type {
	case event.Number:
		return v.Num, text, true
	case event.Bool:
		return v.Bool, text, true
	case event.Time:
		return v.Time, text, true
	case event.List:
		return v.List, text, true
	}
	return v.Str, text, true
}

// write gives a known value as texts have it.
func (e eventSource) write(v *event.Value) value {
	switch v.Type {
	case event.Time:
		return value{text: v.Time.In(e.zone).Format(time.RFC3339)}
	case event.List:
		return value{list: v.List, isList: true}
	}
	return value{text: v.Str}
}

func (e eventSource) before(string) (any, value, bool) { return "", value{}, false }
func (e eventSource) changed(string) bool              { return false }

func (e eventSource) recipients(name string) ([]string, bool, error) {
	i, ok := e.ev.Spec.Index(name)
	if !ok || !e.ev.Values[i].OK() {
		return nil, false, nil
	}
	v := &e.ev.Values[i]
	if len(v.List)+len(v.Beyond) > maxTargets {
		return nil, true, fmt.Errorf("has more than %d entries: nobody is sent to, as a list names at most %d; send several events", maxTargets, maxTargets)
	}
	return slices.Concat(v.List, v.Beyond), true, nil
}

func (e eventSource) event(name string) (any, value) {
	return eventPart(ref(e.ev), e.ev.User, name, e.zone)
}

func eventPart(ev intent.EventRef, user, name string, zone *time.Location) (any, value) {
	s := ""
	switch name {
	case "id":
		s = ev.ID
	case "type":
		s = ev.Type
	case "topic":
		s = ev.Topic
	case "user":
		s = user
	case "time":
		return ev.Time, value{text: ev.Time.In(zone).Format(time.RFC3339)}
	}
	return s, value{text: s}
}

// profileIntents hands the fields of a profile event to stage 2, once per account.
func (s *Set) profileIntents(at *press, ev *event.Event) []*intent.Intent {
	if len(s.accounts) == 0 {
		return nil
	}
	said := at.profile()
	said.Version, said.Gone = ev.Version, ev.Gone
	if !ev.Gone {
		for i := range ev.Spec.Fields {
			v := &ev.Values[i]
			switch {
			case v.OK():
				said.Fields[ev.Spec.Fields[i].Name] = tableValue(v)
			case v.State == event.Null || ev.Spec.Snapshot:
				said.Fields[ev.Spec.Fields[i].Name] = intent.Value{} // explicitly absent
			}
		}
	}
	out := at.list(len(s.accounts))
	for _, a := range s.accounts {
		in := at.intent()
		in.Event, in.Rule, in.RuleSet, in.Account, in.Target, in.Action, in.Profile = ref(ev), TagsRule, s.Hash, a, ev.User, intent.Tags, said
		in.ID = intent.MakeID(ev.Pos, TagsRule, ev.User)
		if len(s.accounts) > 1 { // two accounts of one event must not share an id
			in.ID = intent.MakeID(ev.Pos, TagsRule+"@"+a, ev.User)
		}
		out = append(out, in)
	}
	return out
}

// tableValue is an event's value as the profile table keeps it: cut, since a row of ten million users must stay small
// and a tag has at most 40 bytes.
func tableValue(v *event.Value) intent.Value {
	if v.Type != event.List {
		return intent.Value{Type: v.Type, Str: cutBytes(v.Str, maxVar)}
	}
	// How many items the event had: an empty list is not the zero Value, and whom a push would leave out is known.
	out := intent.Value{Type: event.List, Str: strconv.Itoa(len(v.List) + len(v.Beyond))}
	for _, it := range v.List {
		out.List = append(out.List, cutBytes(it, 64))
	}
	return out
}
