package explain

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/tagsync"
)

// Past is what our own topics say of an event that the daemon has met.
type Past struct {
	Event   *event.Event  // nil: its record is gone from its topic
	Row     *tagsync.User // of a profile event: the user's row before it, by the profile events that are still there
	Partly  bool          // some of those are deleted by age, so the row may lack what they said
	Fates   []ledger.Fate
	Pending []Waiting
	Into    map[intent.ID]string // the events of the intents that some of it was coalesced into, as far as they are known
	Merged  map[intent.ID]int    // how many intents were coalesced into those that have their fate, as triggers of one merge
	Unread  bool                 // the daemon has not come to the record yet
}

// Known explains an event that the daemon has met: what became of it, the clauses and requests by the rules as they are now, and what
// holds what is left of it, with what the ledger has counted.
func Known(o Options, past Past) *Report {
	rep := &Report{Schema: schema, Absent: []string{}, Rules: []*Rule{}}
	if ev := past.Event; ev != nil {
		x := &run{o: &o, ev: ev, ins: o.Set.Evaluate(ev), fates: map[intent.ID]ledger.Fate{}}
		after := x.recall(past.Row)
		rep = report(&o, ev)
		rep.Event.Position = ev.Pos.String()
		for _, r := range o.Set.Rules {
			named := slices.Contains(r.Events, ev.Spec.Name)
			if o.Only == "" && named || o.Only == r.Name {
				told := x.rule(r, named)
				if r.Action == intent.Tags {
					x.metTags(told, past, after)
				} else {
					x.met(told, past)
				}
				x.tell(told)
				rep.Rules = append(rep.Rules, told)
			}
		}
	}
	rep.Fresh, rep.Known, rep.Partly, rep.Unread = false, true, past.Partly, past.Unread
	if o.Set != nil {
		rep.RuleSet = o.Set.Hash
	}
	for _, f := range past.Fates {
		if o.Only == "" || f.Rule == o.Only {
			rep.Fates = append(rep.Fates, f)
			if id := past.Into[f.Into]; f.Into != "" && id != "" {
				if rep.Into == nil {
					rep.Into = map[intent.ID]string{}
				}
				rep.Into[f.Into] = id
			}
		}
	}
	for _, p := range past.Pending {
		if o.Only == "" || p.Rule == o.Only {
			rep.Pending = append(rep.Pending, p)
		}
	}
	return rep
}

// recall puts a profile event upon the row that was there before it, as stage 2 did, and finds what pushes wanted. It gives the row
// after it.
func (x *run) recall(row *tagsync.User) *tagsync.User {
	for _, in := range x.ins {
		in.Key = x.o.Identities[in.Account]
	}
	if x.ev.Spec.Kind != event.Profile || len(x.ins) == 0 {
		return row
	}
	if row == nil {
		row = &tagsync.User{}
	}
	change := row.Apply(x.ins[0].Profile, math.MaxInt64)
	x.before, x.after = row.Overlay(change.Before), row.Get
	for _, in := range slices.Clone(x.ins) {
		x.ins = append(x.ins, x.o.Set.ProfilePushes(in, x.before, x.after)...)
	}
	return row
}

// metTags brings a tag rule that matches together with the one intent that all tag rules of its account have of a profile event.
func (x *run) metTags(r *Rule, past Past, after *tagsync.User) {
	mine := r.ins
	r.ins = nil
	for _, w := range past.Pending {
		if in := w.in; in != nil && slices.ContainsFunc(mine, func(m *intent.Intent) bool { return m.ID == in.ID }) {
			c := &course{in: in, past: true, stopped: w.Stopped}
			if w.Gate != "quota" { // it waits for no quota but for its turn
				c.holds = []dispatch.Standing{{Gate: w.Gate, Lane: w.Lane, Until: w.Until}}
			}
			c.call = x.tags(in, "", x.row(in))
			r.courses = append(r.courses, c)
		}
	}
	for i := range past.Fates {
		f := &past.Fates[i]
		j := slices.IndexFunc(mine, func(m *intent.Intent) bool { return m.ID == f.Intent })
		if j < 0 {
			continue
		}
		c := &course{in: mine[j], past: true, first: f}
		if k := slices.IndexFunc(r.courses, func(o *course) bool { return o.first != nil && o.in == mine[j] }); k >= 0 { // a later word
			c.first = r.courses[k].first
			r.courses = slices.Delete(r.courses, k, k+1)
		}
		if c.fate = f; f.Fate == ledger.Sent {
			c.fate, c.sent = nil, f
		}
		c.edited = c.left() != nil && !x.same(c.first, r.rule) && !x.byDifferences(c.in.Account)
		if c.left() != nil && !c.edited && !past.Partly { // without the oldest events tags would be missing
			row := &tagsync.User{Fields: after.Fields, Gone: after.Gone, Anew: after.Anew}
			if now := x.row(c.in); now != nil {
				row.Foreign, row.Acked, row.Had = now.Foreign, now.Acked, now.Had
			}
			c.call = x.tags(c.in, c.first.Endpoint, row)
		}
		r.courses = append(r.courses, c)
	}
}

// tags is the call that writes the set which a row deserves, to the endpoint that is on record; "" is that of one user. It is nil where
// calls write no sets: what a difference was depends on what the vendor had, which is over.
func (x *run) tags(in *intent.Intent, endpoint string, row *tagsync.User) *departed {
	ac, name := x.account(in.Account), dispatch.LaneTag
	if ac == nil || row == nil || ac.ByDifferences() {
		return nil
	}
	if endpoint = cmp.Or(endpoint, ac.Lanes[name].Endpoint); endpoint == ac.Lanes[dispatch.LaneTagBatch].Endpoint {
		name = dispatch.LaneTagBatch
	}
	d := dispatch.Departure{Call: &dispatch.Call{Endpoint: endpoint, Users: []string{in.Target}, Tags: ac.Wanted(x.o.Set, row)}, Account: in.Account, Lane: in.Account + "/" + name}
	body, err := x.o.Request(d)
	if err != nil {
		return nil
	}
	return &departed{d, body}
}

// same reports whether a rule is as it was when it made the intent of a fate. Of tags, and in fates of older releases, only the whole rule set is on record.
func (x *run) same(f *ledger.Fate, r *rules.Rule) bool {
	if f.Revision != "" {
		return f.Revision == r.Revision
	}
	return f.RuleSet == x.o.Set.Hash
}

// stub is what a fate says of an intent that the rules as they are now do not make.
func stub(f *ledger.Fate) *intent.Intent {
	return &intent.Intent{ID: f.Intent, Event: f.Event, Rule: f.Rule, RuleSet: f.RuleSet, Revision: f.Revision, Account: f.Account, Target: f.User, Action: f.Action, Variant: f.Variant}
}

// handed adds what the other accounts of a rule get of its intents when the one before is given up.
func (x *run) handed(ins []*intent.Intent) []*intent.Intent {
	out := slices.Clone(ins)
	for _, in := range ins {
		fixed := *in
		if m := in.Merge; m != nil && in.Content != nil {
			c, err := rules.RenderMerged(in.Content, m, []map[string]any{m.Vars}, 1)
			if err != nil {
				continue
			}
			fixed.Content = c
		}
		for i, name := range in.Next {
			out = append(out, dispatch.HandedTo(&fixed, name, x.o.Identities[name], in.Next[i+1:]))
		}
	}
	return out
}

// account is one of the settings'; nil: they do not have it.
func (x *run) account(name string) *dispatch.Account {
	for _, ac := range x.o.Stage.Accounts {
		if ac.Name == name {
			return ac
		}
	}
	return nil
}

// byDifferences reports whether an account's tags are never shown as a set.
func (x *run) byDifferences(account string) bool {
	ac := x.account(account)
	return ac != nil && ac.ByDifferences()
}

// met brings a rule together with what is on record of its intents. They are the truth: a rule that had one matched, whatever the rule
// files and the topics say now.
func (x *run) met(r *Rule, past Past) {
	now := x.handed(r.ins)
	r.ins = nil
	first, last := map[intent.ID]*ledger.Fate{}, map[intent.ID]*ledger.Fate{}
	var order []intent.ID
	waits := map[intent.ID]bool{}
	for i := range past.Fates {
		if f := &past.Fates[i]; f.Rule == r.Rule {
			if last[f.Intent] == nil {
				order = append(order, f.Intent)
				first[f.Intent] = f
			}
			last[f.Intent] = f
		}
	}
	for _, w := range past.Pending {
		if w.Rule == r.Rule && w.in != nil {
			c := &course{in: w.in, fixed: w.fixed, doomed: w.doomed(), past: true, stopped: w.Stopped, holds: []dispatch.Standing{{Gate: w.Gate, Lane: w.Lane, Until: w.Until, Turn: w.turn}}}
			r.courses = append(r.courses, c)
			waits[w.Intent] = true
		}
	}
	merged := map[intent.ID]int{} // also of what was handed over since
	for _, id := range order {
		f := last[id]
		merged[id] += past.Merged[id]
		if dispatch.HandedOver(f) && (last[f.Into] != nil || waits[f.Into]) { // what became of it is the other's fate
			merged[f.Into] += merged[id]
			continue
		}
		c := &course{in: stub(f), past: true, sent: f, first: first[id], edited: true, lost: true}
		if i := slices.IndexFunc(now, func(in *intent.Intent) bool { return in.ID == id }); i >= 0 {
			c.in, c.edited, c.lost = now[i], !x.same(c.first, r.rule), false
		}
		if f.Fate != ledger.Sent {
			c.fate, c.sent = f, nil
		}
		if n := merged[id]; n > 0 {
			c.merged = n + 1
		}
		r.courses = append(r.courses, c)
	}
	if n := len(order) + len(r.courses); n > 0 && r.Verdict != "match" {
		r.Now, r.Verdict = r.Verdict, "match"
	}
}

// Name names the event of a report by what our own topics say of it, when its record is gone.
func (r *Report) Name(ref intent.EventRef, user string) {
	at := event.Position{Topic: ref.Topic, Partition: ref.Partition, Offset: ref.Offset}
	r.Event = EventShown{ID: ref.ID, Type: ref.Type, User: user, Time: ref.Time.UTC(), Topic: ref.Topic, Position: at.String()}
	r.Gone = true
}

// Stands is where the ledger says that an intent without fate stands: as `notifier pending list` shows it.
type Stands struct {
	State   string // of `notifier pending list`: merging, approval, quiet, quota, stopped, paused, in_flight
	Holds   string // who or what holds it, beside the gates: a pause, a kill, a stopped lane
	Stopped string // why its lane is stopped
	Lane    string
	Until   time.Time // zero: people or slots decide

	Turn    dispatch.Turn // of an audience that has no slot: why
	Files   string        // why the rule files let nothing of its rule leave
	GivenUp time.Time     // its rule is removed: from when on it is given up
}

// Waits says what a pending intent waits for.
func Waits(p *ledger.Pending, at Stands) Waiting {
	in, fixed := held(p)
	w := Waiting{Intent: p.Intent.ID, Event: p.Intent.Event, Rule: p.Intent.Rule, RuleSet: p.Intent.RuleSet, Target: p.Intent.Target, Since: p.At.UTC(), Gate: at.State, For: at.State, Holds: at.Holds, Lane: at.Lane, Stopped: at.Stopped, Expires: p.Intent.Policy.Expire.UTC(), Files: at.Files, GivenUp: at.GivenUp.UTC(), in: in, fixed: fixed, turn: at.Turn}
	if (at.State != "in_flight" || at.Holds != "") && !at.Until.IsZero() {
		w.Until = at.Until.UTC()
	}
	switch at.State {
	case "merging":
		w.Gate, w.For = "merge", "merge"
		if m := p.Merged; m != nil {
			w.Triggers = m.Count
		}
	case "approval":
		w.For = "approval: notifier approvals list"
		if p.Approval != nil {
			w.Until = p.ApprovalEnds().UTC() // then it is not approved
		}
	case "quiet":
		if p.LeavesAt.Equal(at.Until) && !p.LeavesAt.IsZero() {
			w.Gate, w.For = "send_at", "send_at"
		}
	case "quota":
		w.For = aSlot
		if at.Turn.Share || at.Turn.Kept {
			w.For = "a slot (" + at.Turn.Why + "): notifier quota"
		}
		if p.Intent.Profile != nil {
			w.For = "the tags of the user at the vendor"
		}
	case "stopped":
		w.For, w.Holds = "the lane: it is stopped ("+at.Stopped+")", ""
	case "in_flight":
		w.For = "the vendor's answer"
	}
	return w
}

// doomed reports whether it expires before the time has come that it waits for.
func (p *Waiting) doomed() bool {
	timed := p.Gate == "quiet" || p.Gate == "send_at" || p.Gate == "merge" || p.Gate == "quota"
	return timed && !p.Expires.IsZero() && !p.Until.IsZero() && !p.Expires.After(p.Until)
}

// held is a pending intent as it would leave now: a merge with the triggers it has so far. fixed: its texts are rendered.
func held(p *ledger.Pending) (in *intent.Intent, fixed bool) {
	if p.Merged == nil {
		return p.Intent, true
	}
	c, err := rules.RenderMerged(p.Intent.Content, p.Intent.Merge, p.Merged.Items, p.Merged.Count)
	if err != nil {
		return p.Intent, false
	}
	rendered := *p.Intent
	rendered.Content = c
	return &rendered, true
}

const aSlot = "a free slot: notifier quota"

// forZH are the texts of Waits.
var forZH = map[string]string{
	"merge": "合并", "approval: notifier approvals list": "批准：notifier approvals list", "quiet": "免打扰时段", "send_at": "发送时间 send_at", "paused": "暂停",
	aSlot: "空名额：notifier quota", "the tags of the user at the vendor": "用户在厂商处的标签", "the vendor's answer": "厂商的答复",
}

// waits is what it waits for, for people: until when, what to type about it, and whether it will leave then.
func (p *Waiting) waits(zone *time.Location, s say) string {
	out := p.waitsFor(zone, s)
	switch {
	case p.Files == "":
	case p.Files == dispatch.GoneFromSet && p.GivenUp.IsZero():
		out += s.word("; the rule is not in the rule files: it will be given up", "；规则文件里没有这条规则：将作废")
	case p.Files == dispatch.GoneFromSet:
		at := p.GivenUp.In(zone).Format("15:04:05")
		out += s.word("; the rule is not in the rule files: it is given up from %s on, unless the rule comes back", "；规则文件里没有这条规则：%s 起作废，除非规则恢复", at)
	case p.Gate != "paused":
		out += s.word("; the rule files hold it as well (%s)", "；规则文件也不让它发（%s）", p.Files)
	}
	return out
}

func (p *Waiting) waitsFor(zone *time.Location, s say) string {
	until := ""
	if !p.Until.IsZero() {
		until = s.word(" until ", "，到 ") + p.Until.In(zone).Format("2006-01-02 15:04:05")
	}
	switch {
	case p.Stopped != "":
		return s.stopped(p.Stopped) + s.word("; next: ", "；下一步：") + whyOf(p.Rule) + until
	case p.Gate == "paused":
		return s.gate(p.Gate) + s.word(": ", "：") + diag.Tame(s.told(p.Holds, HoldsZH(p.Holds))) + s.word("; next: ", "；下一步：") + whyOf(p.Rule)
	}
	if p.doomed() {
		until += s.word(", expires before, at ", "，在那之前过期，时间 ") + p.Expires.In(zone).Format("2006-01-02 15:04:05")
	}
	if p.Gate == "quota" && strings.HasPrefix(p.Holds, dispatch.CannotLeave) && !p.Until.IsZero() {
		until = s.word("; not before ", "；不早于 ") + p.Until.In(zone).Format("2006-01-02 15:04:05")
	}
	if (p.Gate == "quota" || p.Gate == "in_flight") && p.Holds != "" { // it is no slot and no answer that it waits for
		return diag.Tame(s.told(p.Holds, HoldsZH(p.Holds))) + until + s.word("; next: ", "；下一步：") + whyOf(p.Rule)
	}
	zh := forZH[p.For]
	if p.turn.Share || p.turn.Kept {
		zh = "名额（" + dispatch.TurnZH(p.turn.Why) + "）：notifier quota"
	}
	what, next, _ := strings.Cut(s.told(p.For, zh), "notifier ")
	if next != "" {
		mark := s.word(": ", "：")
		return s.word("waits for ", "在等") + strings.TrimSuffix(what, mark) + until + mark + "notifier " + next
	}
	return s.word("waits for ", "在等") + what + until
}

// became writes what the topics say of a rule's intents; of "" of those that no listed rule has.
func (r *Report) became(b *strings.Builder, rule string, zone *time.Location, s say) (n int) {
	mine := func(name string) bool {
		return name == rule || rule == "" && !slices.ContainsFunc(r.Rules, func(f *Rule) bool { return f.Rule == name })
	}
	line := func(name, state, target, at, set string) {
		if set != "" {
			at += s.word("  rules ", "  规则版本 ") + shortHash(set)
		}
		if n++; rule == "" {
			fmt.Fprintf(b, "  %s  %s\n", runewidth.FillRight(s.word("rule ", "规则 ")+name, 46), state)
		}
		to := ""
		if target != "" && target != intent.Everyone {
			to = s.word("to ", "发给 ") + diag.Tame(target) + "  "
		}
		fmt.Fprintf(b, "     = %s%s%s\n", to, at, map[bool]string{true: "", false: "  " + state}[rule == ""])
	}
	for i := range r.Fates {
		f := &r.Fates[i]
		if mine(f.Rule) {
			state := s.fate(f.Fate, f.Reason)
			if r.FateText != nil {
				state = strings.TrimSpace(s.fate(f.Fate, "") + "  " + diag.Tame(r.FateText(f, zone, diag.Lang(s))))
			}
			if id := r.Into[f.Into]; id != "" && id != r.Event.ID {
				state += s.word(", of event %s", "，属于事件 %s", diag.Tame(id))
			}
			line(f.Rule, state, f.User, f.At.In(zone).Format("2006-01-02 15:04:05"), f.RuleSet)
		}
	}
	for _, p := range r.Pending {
		if mine(p.Rule) {
			state := s.word("PENDING  ", "待发  ") + p.waits(zone, s)
			if p.Triggers > 1 {
				state += s.word(", %d triggers so far", "，已有 %d 次触发", p.Triggers)
			}
			line(p.Rule, state, p.Target, s.word("since ", "自 ")+p.Since.In(zone).Format("2006-01-02 15:04:05"), p.RuleSet)
		}
	}
	return n
}
