package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/ledger"
)

func (w *why) pauses() WhyStep {
	s := w.paused()
	if n, p := w.held("paused", func(p *PendingItem) bool { return p.Holds == noAccount }); n > 0 && !strings.HasSuffix(s.What, noAccount) { // no resume lets them go
		s.What += fmt.Sprintf("; beside that %s held, the first of rule %s: %s", are(n, "intent"), p.Rule, noAccount)
	}
	return s
}

// paused gives the first thing that pauses.
func (w *why) paused() WhyStep {
	pauses, kills := map[string]ledger.Pause{}, map[string]ledger.Kill{}
	for _, st := range w.States {
		maps.Copy(pauses, st.Pauses)
		maps.Copy(kills, st.Kills)
	}
	for _, scope := range slices.Sorted(maps.Keys(pauses)) {
		if !w.hit(scope) {
			continue
		}
		p := pauses[scope]
		what := fmt.Sprintf("%s is paused by %s: %s", scope, p.By, p.Why)
		switch {
		case p.Brake:
			what = fmt.Sprintf("the brake of %s has paused it: %s", scope, p.Why)
		case p.Tripped != nil:
			what += fmt.Sprintf("; its brake had paused it before: %s, since %s", p.Tripped.Why, p.Tripped.At.In(w.Settings.Zone).Format(time.DateTime))
		}
		if rule, off := strings.CutPrefix(scope, "off/"); off {
			what = fmt.Sprintf("the rule files hold what rule %s has made: %s", rule, p.Why)
		}
		if p.Resuming != nil {
			what += fmt.Sprintf("; being lifted by %s: what was made before an edit is evaluated again first", p.Resuming.By)
		}
		return WhyStep{Holds: true, Since: p.At, What: what, Next: AfterPause(scope, p)}
	}
	for _, rule := range slices.Sorted(maps.Keys(kills)) {
		if w.Rule == "" || w.Rule == rule {
			k := kills[rule]
			return WhyStep{Holds: true, Since: k.At, What: fmt.Sprintf("rule %s is killed by %s: %s", rule, k.By, k.Why), Next: AfterKill(rule)}
		}
	}
	if n, p := w.held("paused", nil); n > 0 {
		return WhyStep{Holds: true, Since: w.since[p.Intent], What: fmt.Sprintf("%s held, the first of rule %s: %s", are(n, "intent"), p.Rule, p.Holds), Next: "notifier pending list --state paused"}
	}
	return WhyStep{What: "none"}
}

// AfterPause is what to type about a pause.
func AfterPause(scope string, p ledger.Pause) string {
	rule, off := strings.CutPrefix(scope, "off/")
	switch {
	case p.Resuming != nil:
		return "notifier pending list --state paused"
	case off:
		return "notifier pending list --rule " + rule
	}
	return "notifier resume " + scope + " --why TEXT"
}

// AfterLost is what to do about an account that intents wait for and the settings lack.
func AfterLost(identity string) string {
	return "put account " + identity + " back in notifier.yaml and restart; notifier attempts"
}

// AfterKill is what to type about a killed rule.
func AfterKill(rule string) string { return "notifier revive " + rule + " --why TEXT" }

// AfterStop is what to do about a lane that is stopped.
func AfterStop(lane string, l ledger.LaneState) string {
	switch {
	case l.Reason == "service":
		return "docs/runbook.md#service; once the vendor has enabled it: notifier resume lane/" + lane + " --why TEXT"
	case l.Misses > 0:
		return "docs/runbook.md#stalled"
	}
	return "docs/runbook.md#" + l.Reason
}

// hit reports whether a pause of a scope holds what the walk is about.
func (w *why) hit(scope string) bool {
	kind, name, _ := strings.Cut(scope, "/")
	if w.rule == nil && w.Rule == "" {
		return true
	}
	switch kind {
	case "all":
		return true
	case "rule", "off":
		return name == w.Rule
	case "lane":
		return w.lanes[name]
	case "account":
		return w.through(name)
	case "broadcasts":
		for _, ac := range w.accounts {
			for lane, pol := range ac.lanes {
				if pol.Audiences && w.lanes[ac.name+"/"+lane] {
					return true
				}
			}
		}
	}
	return false
}

func (w *why) approvals() WhyStep {
	if n, p := w.held("approval", nil); n > 0 {
		return WhyStep{Holds: true, Since: w.since[p.Intent], What: fmt.Sprintf("%s for people, the first of rule %s", waitFor(n, "request"), p.Rule), Next: "notifier approvals list"}
	}
	for _, st := range w.States {
		for key, c := range st.Changes {
			if ac := w.accounts[key]; ac != nil && c.State == ledger.TagsApproval && (w.rule == nil || w.tags() && w.mine[key]) {
				return WhyStep{Holds: true, Since: c.At, What: fmt.Sprintf("a change of the tags of %s of account %s waits for people", many(c.Users, "user"), ac.name), Next: "notifier approvals list"}
			}
		}
	}
	return WhyStep{What: "nothing waits for people"}
}

func (w *why) quiet() WhyStep {
	n, p := w.held("quiet", nil)
	if n == 0 {
		return WhyStep{What: "nothing is held"}
	}
	return WhyStep{Holds: true, Since: w.since[p.Intent], What: fmt.Sprintf("%s held by quiet hours or send_at, the first of rule %s until %s", are(n, "intent"), p.Rule, w.zoned(p.Next)), Next: "notifier pending list --state quiet"}
}

func (w *why) zoned(t time.Time) string {
	return t.In(w.Settings.Zone).Format("2006-01-02 15:04:05 -07:00")
}

// caps asks what became of the last intent: those that a limit suppressed wait nowhere.
func (w *why) caps() WhyStep {
	last := w.last(func(*ledger.Fate) bool { return true })
	if last == nil || last.Fate != ledger.Suppressed || last.Reason != ledger.Capped && last.Reason != ledger.Repeated {
		return WhyStep{What: "the last intent was not stopped by a limit"}
	}
	what := fmt.Sprintf("the last intent, of rule %s, was suppressed (%s)", last.Rule, last.Reason)
	if last.Detail != "" {
		what += ": " + last.Detail
	}
	return WhyStep{Holds: true, Since: last.At, What: what, Next: "notifier fates --since 1d --fate SUPPRESSED --rule " + last.Rule}
}

// last is the latest fate of the last day that a question chooses.
func (w *why) last(choose func(*ledger.Fate) bool) (last *ledger.Fate) {
	for i := range w.Fates {
		if f := &w.Fates[i]; choose(f) && (!w.tags() || w.through(f.Account)) && (last == nil || f.At.After(last.At)) {
			last = f
		}
	}
	return last
}

// quota tells of what waits for slots, of the lane in which it has waited longest.
func (w *why) quota() WhyStep {
	lanes := map[string]QuotaLane{}
	for _, a := range QuotaOf(w.Settings, w.Set, w.States, w.Now).Accounts {
		for _, l := range a.Lanes {
			lanes[l.Lane] = l
		}
	}
	waits := map[string]int{}
	n, p := w.held("", func(p *PendingItem) bool {
		l, ok := lanes[p.Lane]
		if !ok || p.State != "quota" && p.State != StateStopped || p.Waits == "" && !l.free.After(w.Now) {
			return false
		}
		waits[p.Lane]++
		return true
	})
	if n == 0 {
		return WhyStep{What: "nothing waits for a slot"}
	}
	l := lanes[p.Lane]
	var used []string
	for _, u := range l.Windows {
		used = append(used, fmt.Sprintf("%s %d/%d", u.Window, u.Used, u.Limit))
	}
	foreign, next := 0, "notifier quota"
	for _, c := range l.Charges {
		if c.Source == "external" {
			foreign += c.Slots
		}
	}
	if foreign > 0 {
		used, next = append(used, many(foreign, "slot")+" used by somebody else"), "docs/runbook.md#app-key"
	}
	when := "the next is free at " + w.zoned(l.free)
	if t := p.turn; t.Share || t.Kept {
		when = fmt.Sprintf("the first of rule %s, not before %s: %s", p.Rule, w.zoned(t.At), t.Why)
	}
	what := fmt.Sprintf("%s for a slot of %s, %s (%s)", waitFor(waits[p.Lane], "request"), l.Lane, when, strings.Join(used, ", "))
	for _, lane := range slices.Sorted(maps.Keys(waits)) {
		if lane != p.Lane {
			what += fmt.Sprintf("; %d of %s", waits[lane], lane)
		}
	}
	return WhyStep{Holds: true, Since: w.since[p.Intent], What: what, Next: next}
}

func (w *why) takeOver() WhyStep {
	var first *ledger.Attempt
	for _, st := range w.States {
		for _, at := range st.Attempts {
			ac := w.accounts[at.Account]
			switch {
			case ac == nil && (!undecided(at) || w.Rule != "" && OnRecord(w.Set, w.Rule) != at.Rule):
				continue
			case ac != nil && (!ofPredecessor(st, at) || !w.lanes[ac.name+"/"+at.Lane]):
				continue
			}
			if first == nil || at.At.Before(first.At) {
				first = at
			}
		}
	}
	if first == nil {
		return WhyStep{What: "no predecessor left a call open" + w.rests()}
	}
	ac := w.accounts[first.Account]
	if ac == nil {
		return WhyStep{Holds: true, Since: first.At, What: fmt.Sprintf("an owner before left call %s of lane %s/%s open, and %s: its outcome is decided when the account is back", first.ID, first.Account, first.Lane, noAccount),
			Next: AfterLost(first.Account)}
	}
	pol := ac.lanes[first.Lane]
	return WhyStep{Holds: true, Since: first.At, What: fmt.Sprintf("an owner before left call %s of lane %s/%s open: what it touches is held until its outcome is decided, at the latest %s", first.ID, ac.name, first.Lane,
		w.zoned(pol.Settles(first))), Next: "notifier attempts " + first.ID}
}

// rests tells which reads of tags rest since a start. Only deletions wait for them, so the gate does not hold: users who are forgotten keep their tags until
// then, and `notifier tags verify` answers later.
func (w *why) rests() (text string) {
	for i := range w.Settings.Accounts {
		ac := &w.Settings.Accounts[i]
		r := restOf(w.Settings, ac, w.States, w.Now)
		if r == nil || !w.lanes[r.Lane] {
			continue
		}
		text += fmt.Sprintf("; %s rests until %s, since reads are on no record and a start waits for one window", r.Lane, w.zoned(r.Until))
		n := 0
		for _, st := range w.States {
			for _, gone := range st.Users[Identity(ac)].Rewrites() {
				if gone {
					n++
				}
			}
		}
		switch {
		case n == 1:
			text += ": 1 user who is forgotten keeps the tags until then"
		case n > 1:
			text += fmt.Sprintf(": %d users who are forgotten keep their tags until then", n)
		}
	}
	return text
}

// closed gives the first stopped lane for one of some reasons.
func (w *why) closed(reasons ...string) (lane string, st ledger.LaneState) {
	for _, s := range w.States {
		for key, l := range s.Lanes {
			id, name, _ := strings.Cut(key, "/")
			ac := w.accounts[id]
			if ac == nil || !w.lanes[ac.name+"/"+name] || !slices.Contains(reasons, l.Reason) {
				continue
			}
			if full := ac.name + "/" + name; lane == "" || l.Since.Before(st.Since) || l.Since.Equal(st.Since) && full < lane {
				lane, st = full, l
			}
		}
	}
	return lane, st
}

func (w *why) credentials() WhyStep {
	lane, l := w.closed("credentials", "service")
	if lane == "" {
		return WhyStep{What: "the vendor takes them"}
	}
	return WhyStep{Holds: true, Since: l.Since, What: fmt.Sprintf("lane %s is stopped (%s): %s; %s", lane, l.Reason, l.Detail, TriedAgain(l, w.Now, w.Settings.Zone)), Next: AfterStop(lane, l)}
}

func (w *why) breaker() WhyStep {
	lane, l := w.closed("breaker", "clock", "takeover")
	if lane == "" {
		return WhyStep{What: "no lane is stopped"}
	}
	if l.Misses > 0 {
		return WhyStep{Holds: true, Since: l.Since, What: fmt.Sprintf("lane %s does not get through: %s; %s", lane, l.Detail, TriedAgain(l, w.Now, w.Settings.Zone)), Next: AfterStop(lane, l)}
	}
	return WhyStep{Holds: true, Since: l.Since, What: fmt.Sprintf("lane %s is stopped (%s): %s; %s", lane, l.Reason, l.Detail, TriedAgain(l, w.Now, w.Settings.Zone)), Next: AfterStop(lane, l)}
}

// TriedAgain says when a stopped lane finds out whether its cause is gone.
func TriedAgain(l ledger.LaneState, now time.Time, zone *time.Location) string {
	if !l.Retry.After(now) {
		return "tried again with the next request that may leave"
	}
	return "tried again " + l.Retry.In(zone).Format(time.DateTime)
}

// lastSent is where the walk ends.
func (w *why) lastSent() WhyStep {
	last := w.last(func(f *ledger.Fate) bool { return f.Fate == ledger.Sent && f.Resolves == "" })
	if last == nil {
		next := "notifier explain --event FILE"
		if any := w.last(func(*ledger.Fate) bool { return true }); any != nil {
			next = "notifier fates " + any.Event.ID
		}
		return WhyStep{What: "nothing was sent in the last 24 h", Next: next}
	}
	return WhyStep{Since: last.At, What: fmt.Sprintf("rule %s, event %s, %s", last.Rule, last.Event.ID, last.Lane)}
}
