package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// Known explains an event that the daemon has met: what became of it, and the clauses by the rules as they are now. ev is nil when its
// record is gone from the topic. No gate is asked again: what they said is in the fates.
func Known(o Options, ev *event.Event, fates []ledger.Fate, pending []Waiting) *Report {
	rep := &Report{Schema: schema, Absent: []string{}, Rules: []*Rule{}}
	if ev != nil {
		x := &run{o: &o, ev: ev, ins: o.Set.Evaluate(ev)}
		rep = report(&o, ev)
		rep.Event.Position = ev.Pos.String()
		for _, r := range o.Set.Rules {
			named := slices.Contains(r.Events, ev.Spec.Name)
			if o.Only == "" && named || o.Only == r.Name {
				told := x.rule(r, named)
				told.ins = nil
				x.tell(told)
				rep.Rules = append(rep.Rules, told)
			}
		}
	}
	rep.Fresh, rep.Known = false, true
	for _, f := range fates {
		if o.Only == "" || f.Rule == o.Only {
			rep.Fates = append(rep.Fates, f)
		}
	}
	for _, p := range pending {
		if o.Only == "" || p.Rule == o.Only {
			rep.Pending = append(rep.Pending, p)
		}
	}
	return rep
}

// Name names the event of a report by what our own topics say of it, when its record is gone.
func (r *Report) Name(ref intent.EventRef, user string) {
	at := event.Position{Topic: ref.Topic, Partition: ref.Partition, Offset: ref.Offset}
	r.Event = EventShown{ID: ref.ID, Type: ref.Type, User: user, Time: ref.Time.UTC(), Topic: ref.Topic, Position: at.String()}
	r.Gone = true
}

// Waits says what a pending intent waits for, as far as its record tells.
func Waits(p *ledger.Pending, now time.Time) Waiting {
	w := Waiting{Intent: p.Intent.ID, Rule: p.Intent.Rule, Target: p.Intent.Target, Since: p.At.UTC(), For: "quiet hours, a pause or a free slot: notifier status --why"}
	switch {
	case p.Stray:
		w.For = "its account, which the settings do not have"
	case p.Merged != nil && p.Merged.Closes.After(now):
		w.For, w.Until = "merge", p.Merged.Closes.UTC()
	case !p.Approved():
		w.For = "approval: notifier approvals list"
	case p.LeavesAt.After(now):
		w.For, w.Until = "send_at", p.LeavesAt.UTC()
	case p.Intent.Profile != nil:
		w.For = "the tags of the user at the vendor"
	}
	return w
}

// forZH are the texts of Waits.
var forZH = map[string]string{
	"quiet hours, a pause or a free slot: notifier status --why": "免打扰时段、暂停或名额：notifier status --why",
	"its account, which the settings do not have":                "设置里没有的账号", "merge": "合并", "approval: notifier approvals list": "批准：notifier approvals list",
	"the tags of the user at the vendor": "用户在厂商处的标签",
}

// became writes what the topics say of a rule's intents; of "" of those that no listed rule has.
func (r *Report) became(b *strings.Builder, rule string, zone *time.Location, s say) (n int) {
	mine := func(name string) bool {
		return name == rule || rule == "" && !slices.ContainsFunc(r.Rules, func(f *Rule) bool { return f.Rule == name })
	}
	line := func(name, state, target, at string) {
		if n++; rule == "" {
			fmt.Fprintf(b, "  %s  %s\n", runewidth.FillRight(s.word("rule ", "规则 ")+name, 46), state)
		}
		to := ""
		if target != "" && target != intent.Everyone {
			to = s.word("to ", "发给 ") + tame(target) + "  "
		}
		fmt.Fprintf(b, "     = %s%s%s\n", to, at, map[bool]string{true: "", false: "  " + state}[rule == ""])
	}
	for i := range r.Fates {
		f := &r.Fates[i]
		if mine(f.Rule) {
			state := s.fate(f.Fate, f.Reason)
			if r.FateText != nil {
				state = strings.TrimSpace(string(f.Fate) + "  " + tame(r.FateText(f)))
			}
			line(f.Rule, state, f.User, f.At.In(zone).Format("2006-01-02 15:04:05"))
		}
	}
	for _, p := range r.Pending {
		if mine(p.Rule) {
			state := s.word("PENDING  waits for ", "待发  在等 ") + s.told(p.For, forZH[p.For])
			if !p.Until.IsZero() {
				state += s.word(" until ", "，到 ") + p.Until.In(zone).Format("2006-01-02 15:04:05")
			}
			line(p.Rule, state, p.Target, s.word("since ", "自 ")+p.Since.In(zone).Format("2006-01-02 15:04:05"))
		}
	}
	return n
}
