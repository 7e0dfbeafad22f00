package ruletest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

// judge compares what came with what was expected. It is about the last event of the test; an event that was merged speaks for the
// request that it is in, and of several recipients one is enough.
func (x *trial) judge() []Diff {
	var out []Diff
	switch {
	case x.rule.Action == intent.Tags:
		out = x.judgeTags()
	default:
		out = x.judgeDelivery()
	}
	if len(out) == 0 && x.test.Why != "" {
		out = x.judgeWhy()
	}
	return out
}

func (x *trial) judgeTags() []Diff {
	e := x.test.Expect
	has := x.model.Tags(x.key, x.user)
	want := slices.Sorted(slices.Values(e.Tags))
	var f *ledger.Fate
	if len(x.last) > 0 {
		if g := x.became(x.last[0].ID); g.kind == "fate" && g.fate.Fate == ledger.Dead {
			f = &g.fate
		}
	}
	ok := true
	switch {
	case e.Nothing:
		ok = len(x.calls) == 0
	case e.NoMatch:
		ok = len(has) == 0
	case e.Tags != nil:
		ok = slices.Equal(want, slices.Sorted(slices.Values(has)))
	}
	if ok && f == nil {
		return nil
	}
	d := Diff{Expected: expectation(x.rule, x.test), Got: shownTags(has)}
	if f != nil {
		d.Got = x.said(*f)
	}
	return []Diff{d}
}

func shownTags(tags []string) string { return "tags [" + strings.Join(tags, ", ") + "]" }

func (x *trial) judgeDelivery() []Diff {
	e := x.test.Expect
	expected := expectation(x.rule, x.test)
	if len(x.last) == 0 {
		if e.NoMatch || e.Nothing || expected == "" {
			return nil
		}
		return []Diff{{Expected: expected, Got: "no match"}}
	}
	var first []Diff
	for i, in := range x.last {
		diffs := x.judgeIntent(in, expected)
		if len(diffs) == 0 {
			return nil
		}
		if i == 0 {
			first = diffs
		}
	}
	return first
}

func (x *trial) judgeIntent(in *intent.Intent, expected string) []Diff {
	e, g := x.test.Expect, x.became(in.ID)
	wrong := []Diff{{Expected: expected, Got: x.shown(g)}}
	switch {
	case expected == "": // only a snapshot
		return nil
	case e.NoMatch:
		return wrong
	case e.Nothing:
		if len(x.calls) == 0 {
			return nil
		}
	case e.Request:
		if g.kind == "request" {
			return compareParts(e.Parts, partsOf(g.call), string(x.rule.Action))
		}
	case e.Held != "":
		if g.kind != "held" || g.stands.Gate != e.Held {
			return wrong
		}
		return x.judgeLeaving(in.ID)
	case e.Reason != "":
		if g.kind == "fate" && g.fate.Fate == ledger.Suppressed && string(g.fate.Reason) == e.Reason {
			return nil
		}
	}
	return wrong
}

// judgeLeaving lets the model go on until a held intent leaves.
func (x *trial) judgeLeaving(id intent.ID) []Diff {
	want := x.test.Expect.LeavesAt
	if want.IsZero() {
		return nil
	}
	at, err := x.leaves(id)
	if err != nil {
		return []Diff{{Expected: "leaves at " + x.shownTime(want), Got: "never leaves: " + err.Error()}}
	}
	if !at.Equal(want) {
		return []Diff{{Expected: "leaves at " + x.shownTime(want), Got: "leaves at " + x.shownTime(at)}}
	}
	return nil
}

// judgeWhy asks whether the named clause decided.
func (x *trial) judgeWhy() []Diff {
	var decided []string
	for _, c := range x.whole().Clauses {
		if !c.Decided {
			continue
		}
		if plain(c.Text) == plain(x.test.Why) {
			return nil
		}
		decided = append(decided, c.Text)
	}
	switch {
	case len(decided) > 0:
	case !x.alive:
		decided = []string{"the event is outside the rule's `from` and `until`"}
	default:
		decided = []string{"the rule has no condition that decides"}
	}
	d := Diff{Expected: "because " + x.test.Why, Got: "because " + strings.Join(decided, "; ")}
	if !slices.ContainsFunc(x.rule.Clauses(), func(c rules.Clause) bool { return plain(c.Text) == plain(x.test.Why) }) {
		d.Got += ", and `" + x.test.Why + "` is no clause of the rule"
	}
	return []Diff{d}
}

// plain is a clause without the spaces that do not matter.
func plain(s string) string { return strings.Join(strings.Fields(s), " ") }

// shown is what became of an intent, for people.
func (x *trial) shown(g got) string {
	switch g.kind {
	case "request":
		return shownCall(g.call)
	case "held":
		s := "held: " + g.stands.Gate
		if !g.stands.Until.IsZero() {
			s += " until " + x.shownTime(g.stands.Until)
		}
		return s
	}
	return x.said(g.fate)
}

func shownCall(c *call) string {
	s, title := "", ""
	if c.Call.Audience != nil {
		s = "broadcast to " + shownAudience(c.Call.Audience)
	} else {
		s = "push to " + strings.Join(c.Call.Users, ", ")
	}
	if t := c.Call.Content; t != nil {
		if title = t.Title; title == "" {
			title = t.Body
		}
	}
	return s + " " + shownText(title)
}

func shownAudience(a *intent.Audience) string {
	switch {
	case a.Everyone:
		return "everyone"
	case a.Online:
		return "online"
	}
	var out []string
	for _, g := range []struct {
		name string
		tags []string
	}{{"", a.AllOf}, {"any of ", a.AnyOf}, {"none of ", a.NoneOf}} {
		if len(g.tags) > 0 {
			out = append(out, g.name+strings.Join(g.tags, ", "))
		}
	}
	if a.Package != "" {
		out = append(out, "package "+a.Package)
	}
	return strings.Join(out, "; ")
}

// expectation is what a test expects, for people; "" when it has only a snapshot.
func expectation(r *rules.Rule, t *rules.Test) string {
	e := t.Expect
	switch {
	case e.NoMatch:
		return "no match"
	case e.Nothing:
		return "nothing leaves"
	case e.Tags != nil:
		return shownTags(e.Tags)
	case e.Held != "":
		return "held: " + e.Held
	case e.Reason != "":
		return "suppressed: " + e.Reason
	case e.Request:
		s, sep := "a "+string(r.Action), " with "
		for _, p := range e.Parts {
			s, sep = s+sep+p.Path+" "+shownPart(part{p.Text, p.List}), ", "
		}
		return s
	}
	return ""
}

// part is one thing of a request.
type part struct {
	text string
	list []string // not nil: a list
}

func shownPart(p part) string {
	if p.list != nil {
		return "[" + strings.Join(p.list, ", ") + "]"
	}
	return shownText(p.text)
}

// shownText is strconv.Quote that leaves a full-width space and the joiners of an emoji as explain shows them.
func shownText(s string) string {
	return `"` + diag.Visible(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)) + `"`
}

// partsOf flattens what leaves to the keys of a rule.
func partsOf(c *call) map[string]part {
	out := map[string]part{"account": {text: c.Account}, "endpoint": {text: c.Call.Endpoint}}
	if c.Call.Users != nil {
		out["to"] = part{list: c.Call.Users}
	}
	audienceParts(out, c.Call.Audience)
	t := c.Call.Content
	if t == nil {
		return out
	}
	for k, v := range map[string]string{"title": t.Title, "body": t.Body, "link": t.Link, "image": t.Image, "group": t.Group} {
		if v != "" {
			out[k] = part{text: v}
		}
	}
	if t.Badge != nil {
		out["badge"] = part{text: strconv.Itoa(*t.Badge)}
	}
	if t.Platforms != nil {
		out["platforms"] = part{list: t.Platforms}
	}
	for k, v := range t.Data {
		out["data."+k] = part{text: v}
	}
	if m := t.Message; m != nil {
		out["message.type"], out["message.from"], out["message.extra"] = part{text: m.Type}, part{text: m.From}, part{text: m.Extra}
		for k, v := range m.Content {
			out["message.content."+k] = part{text: v}
		}
	}
	for name, block := range map[string]json.RawMessage{"rongcloud": t.RongCloud, "getui": t.Getui} {
		var extras any
		if json.Unmarshal(block, &extras) == nil {
			jsonParts(out, name, extras)
		}
	}
	return out
}

func audienceParts(out map[string]part, a *intent.Audience) {
	switch {
	case a == nil:
	case a.Everyone:
		out["audience"] = part{text: "everyone"}
	case a.Online:
		out["audience"] = part{text: "online"}
	default:
		for k, tags := range map[string][]string{"all_of": a.AllOf, "any_of": a.AnyOf, "none_of": a.NoneOf} {
			if tags != nil {
				out["audience."+k] = part{list: tags}
			}
		}
		if a.Package != "" {
			out["audience.package"] = part{text: a.Package}
		}
	}
}

func jsonParts(out map[string]part, above string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			jsonParts(out, above+"."+k, x)
		}
	case []any:
		list := []string{}
		for _, x := range v {
			list = append(list, fmt.Sprint(x))
		}
		out[above] = part{list: list}
	case nil:
	default:
		out[above] = part{text: fmt.Sprint(v)}
	}
}

// compareParts gives each part that is not as expected. A text stands for a list of one. Of several recipients one is enough, and a list of them
// names all, in any order.
func compareParts(want []rules.Part, have map[string]part, action string) (out []Diff) {
	for _, w := range want {
		p, h := part{w.Text, w.List}, have[w.Path]
		list := h.list
		if list == nil && p.list != nil && h.text != "" {
			list = []string{h.text}
		}
		switch {
		case w.Path == "to" && p.list == nil && slices.Contains(h.list, p.text):
		case w.Path == "to" && p.list != nil && slices.Equal(slices.Sorted(slices.Values(p.list)), slices.Sorted(slices.Values(h.list))):
		case p.list != nil && slices.Equal(p.list, list):
		case p.list == nil && h.list == nil && p.text == h.text:
		case p.list == nil && len(h.list) == 1 && h.list[0] == p.text:
		default:
			got := action + " without " + w.Path
			if _, there := have[w.Path]; there {
				got = action + " " + w.Path + " " + shownPart(h)
			} else if below := under(have, w.Path); len(below) > 0 {
				got += ", it has " + strings.Join(below, ", ")
			}
			out = append(out, Diff{Expected: action + " " + w.Path + " " + shownPart(p), Got: got})
		}
	}
	return out
}

// under lists the parts below a path.
func under(have map[string]part, path string) (out []string) {
	above, _, _ := strings.Cut(path, ".")
	for _, k := range slices.Sorted(maps.Keys(have)) {
		if strings.HasPrefix(k, above+".") || k == above {
			out = append(out, k+" "+shownPart(have[k]))
		}
	}
	return out
}

var _ dispatch.Rules = asked{}
