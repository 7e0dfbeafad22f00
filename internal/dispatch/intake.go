package dispatch

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/tagsync"
)

// intake takes one record of <prefix>.intents into memory. Offsets below the ledger's position were taken in before.
func (a *actor) intake(r *kgo.Record) {
	if r.Offset < a.pos.Next || a.newer.Load() != nil {
		return
	}
	in, err := intent.Decode(r.Value)
	if errors.Is(err, intent.ErrNewer) {
		a.stopIntake(r, err)
		return
	}
	a.pos.Next = r.Offset + 1
	if err != nil { // only another program can have written it
		a.log.Error("record of intents cannot be read and has no fate", zap.String("topic", r.Topic), zap.Int64("offset", r.Offset), zap.Error(err))
		return
	}
	a.admit(in, r.Offset)
}

// stopIntake leaves a newer release's intent, and all after it, in the topic: the position does not pass them, so an owner that can
// read them takes them in. What was taken in before goes on.
func (a *actor) stopIntake(r *kgo.Record, err error) {
	what := fmt.Sprintf("intents from offset %d on wait for a newer release: %v", r.Offset, err)
	a.newer.Store(&what)
	a.opt.Metrics.parked.WithLabelValues(partLabel(a.p), "newer").Set(1)
	a.log.Error("intents wait for a newer release, upgrade this process", zap.Int64("offset", r.Offset), zap.Error(err))
}

// admit takes in one intent, from the topic or derived from a profile event. It ends in a fate or in a pending record.
func (a *actor) admit(in *intent.Intent, offset int64) {
	if a.passed(in, offset) {
		return
	}
	a.pos.Intents++
	a.opt.Metrics.intents.WithLabelValues(string(in.Action)).Inc()
	p := &ledger.Pending{Intent: in, Seq: offset, At: a.clock.now().UTC()}
	if a.waits(in) { // its event was read anew: one id has one fate, and this one is pending
		a.recordAtOnce(ledger.NewFate(in, ledger.Suppressed, ledger.Duplicate, p.At), in)
		return
	}
	ac := a.accounts[in.Key]
	if ac == nil {
		a.strand(p)
		return
	}
	a.place(ac, p)
}

// place asks an intent of a known account everything that is asked once: is it one, was it here before, does it merge?
func (a *actor) place(ac *account, p *ledger.Pending) {
	now, in := a.clock.now(), p.Intent
	if in.Profile != nil {
		a.profile(ac, p)
		return
	}
	final := func(kind ledger.FateKind, reason ledger.Reason, detail string) {
		f := ledger.NewFate(in, kind, reason, now)
		f.Detail = detail
		a.recordAtOnce(f, in)
	}
	if in.Dead != "" {
		final(ledger.Dead, ledger.Reason(in.Dead), in.DeadDetail)
		return
	}
	if in.Shadow {
		final(ledger.Suppressed, ledger.ShadowMode, "")
		return
	}
	if k, ok := a.kills[in.Rule]; ok {
		f := ledger.NewFate(in, ledger.Suppressed, ledger.Killed, now)
		f.Kind, f.By, f.Why = "operator", k.By, k.Why
		a.recordAtOnce(f, in)
		return
	}
	if in.Canary {
		final(ledger.Suppressed, ledger.Canary, "")
		return
	}
	if in.Action == intent.Push {
		if err := ac.Vendor.ValidUser(in.Target); err != nil {
			final(ledger.Dead, ledger.BadField, err.Error())
			return
		}
	}
	route, err := ac.Vendor.Route(in)
	if err != nil {
		final(ledger.Dead, ledger.RenderError, err.Error())
		return
	}
	seen := seenOf(in)
	if until, ok := a.seen[seen]; ok && until > now.UnixNano() {
		final(ledger.Suppressed, ledger.Duplicate, "")
		return
	}
	a.remember(seen, in, now)
	if at := in.Policy.Expire; !at.IsZero() && !at.After(now) {
		final(ledger.Suppressed, ledger.Expired, "before it was taken in")
		return
	}
	if in.Merge != nil {
		head := ac.merges[mergeOf(in)]
		if head != nil && !head.p().Merged.Closes.After(now) {
			head = nil
		}
		if head != nil {
			if err := a.unfit(in); err != nil {
				final(ledger.Dead, ledger.RenderError, err.Error())
				return
			}
			if err := a.unfit(head.p().Intent); err != nil && head.p().Merged.Count == 1 { // the merge begins with the next one
				a.fate(head, ledger.Dead, ledger.RenderError, func(f *ledger.Fate) { f.Detail = err.Error() })
				head = nil
			}
		}
		if head != nil {
			final2 := ledger.NewFate(in, ledger.Coalesced, ledger.ReasonNone, now)
			final2.Into = head.p().Intent.ID
			link(head.p(), a.recordAtOnce(final2, in))
			a.merge(head, in)
			return
		}
		p.Merged = &ledger.Merged{Count: 1, Items: []map[string]any{in.Merge.Vars}, Bytes: varsSize(in), Closes: now.Add(in.Merge.Wait).UTC()}
	}
	it := a.add(ac, p, route)
	if p.Merged != nil {
		ac.merges[mergeOf(in)] = it
	}
	a.setState(it, queued) // until its gates are asked: it may be the one that gives way
	b := ac.backlog(it)
	b.add(it)
	a.keep(it)
	if b.n > b.max {
		if v := b.victim(); v != nil {
			a.log.Error("too many pending: the least urgent gives way", ruleField(v.p().Intent.Rule), intentField(v.p().Intent.ID), zap.Int("max", b.max))
			a.fate(v, ledger.Suppressed, ledger.NoQuota, func(f *ledger.Fate) { f.Detail = "too many pending" })
			if v == it {
				return
			}
		}
	}
	a.gate(it)
}

// strand keeps an intent whose account the settings do not have: the account was renamed or removed. Nothing is lost, and the
// log says what to do.
func (a *actor) strand(p *ledger.Pending) {
	p.Stray = true
	it := a.add(nil, p, Route{})
	a.stray[string(it.id())] = it
	a.timers.stopExpire(it)
	a.keep(it)
	a.setState(it, paused)
	if len(a.stray) == 1 {
		a.log.Error("intents wait for an account that the settings do not have: put it back in notifier.yaml", zap.String("account", p.Intent.Account), zap.String("identity", p.Intent.Key))
	}
}

// unstrand takes in what waited for an account that the settings have now, as if it came this moment: nothing was asked of it yet.
func (a *actor) unstrand() {
	for _, p := range a.found {
		a.w.Delete(ledger.PendingKey(string(p.Intent.ID)))
		p.Stray, p.At = false, a.clock.now().UTC()
		a.place(a.accounts[p.Intent.Key], p)
	}
	a.found = nil
}

// unfit says why the text of several triggers cannot be written with the values of this one, which must not take the others down with it. Of
// a rule with one text for any number, its event was asked.
func (a *actor) unfit(in *intent.Intent) error {
	m := in.Merge
	if m.One == nil {
		return nil
	}
	_, err := a.opt.Render(in.Content, m, []map[string]any{m.Vars}, 2)
	return err
}

// mergeOf is what triggers of one merge have in common. The revision is part of it: what waits keeps that of its rule, so a trigger that an edited
// rule makes begins a merge of its own, with its own text and gates. It is not the latest revision alone, because instances of a fleet read an edit
// at different times and their triggers come mixed.
func mergeOf(in *intent.Intent) string { return in.Merge.Key + "\x00" + in.Revision }

// merge adds a trigger to an open merge. One pending record stands for all of them, whatever their number: the first and the
// latest trigger and up to MaxMerged in all are kept, and the count.
func (a *actor) merge(head *item, in *intent.Intent) {
	m := head.p().Merged
	m.Count++
	size := varsSize(in)
	if len(m.Items) < ledger.MaxMerged && m.Bytes+size <= ledger.MaxMergedBytes {
		m.Items = append(m.Items, in.Merge.Vars)
		m.Bytes += size
	} else if last := len(m.Items) - 1; last > 0 {
		m.Items[last] = in.Merge.Vars // an intent is at most 64 KiB, so a replaced one cannot make the record too large
	}
	if in.Merge.Keep != intent.KeepFirst { // the latest trigger's texts, and its set: other rules may have been edited
		merged := *head.p().Intent
		merged.Content, merged.Variant, merged.Merge, merged.RuleSet = in.Content, in.Variant, in.Merge, in.RuleSet
		head.p().Intent = &merged
	}
	if in.Merge.Extend { // the wait counts from the last trigger, within the longest wait
		closes, latest := a.clock.now().Add(in.Merge.Wait), head.p().At.Add(in.Merge.MaxWait)
		if latest.Before(closes) {
			closes = latest
		}
		if closes.After(m.Closes) {
			if m.Closes = closes.UTC(); head.state == merging { // one of a predecessor is asked its gates in this turn, and waits then
				a.timers.wake(head, m.Closes)
			}
		}
	}
	a.keep(head)
}

func varsSize(in *intent.Intent) int {
	b, err := json.Marshal(in.Merge.Vars)
	if err != nil { // strings and lists of strings, decoded from JSON
		return ledger.MaxMergedBytes
	}
	return len(b)
}

// closeMerge renders the merged text; from here on it does not change and later triggers begin a new merge.
func (a *actor) closeMerge(it *item) bool {
	in, m := it.p().Intent, it.p().Merged
	it.ac.unmerge(it)
	c, err := a.opt.Render(in.Content, in.Merge, m.Items, m.Count)
	if err != nil {
		a.fate(it, ledger.Dead, ledger.RenderError, func(f *ledger.Fate) { f.Detail = err.Error() })
		return false
	}
	it.p().Made = it.p().Text() // as the rule made it: with the texts of several triggers it could not be compared any more
	closed := *in
	closed.Content = c
	key := *in.Merge
	key.Vars = nil
	closed.Merge = &key
	it.p().Intent, it.p().Merged = &closed, nil
	a.keep(it)
	return true
}

// learnt is a profile intent whose fields are in the user's row: of an outage's backlog they would be two fifths.
func learnt(in *intent.Intent) *intent.Intent {
	out := *in
	out.Profile = &intent.Profile{Version: in.Profile.Version, Gone: in.Profile.Gone}
	return &out
}

// profile takes in what a profile event says of a user: the table, the tags and the pushes that follow.
func (a *actor) profile(ac *account, p *ledger.Pending) {
	in := p.Intent
	user := in.Target
	it := a.add(ac, p, Route{Lane: LaneTag, Users: true})
	if err := ac.Vendor.ValidUser(user); err != nil {
		a.fate(it, ledger.Dead, ledger.BadField, func(f *ledger.Fate) { f.Detail = err.Error() })
		return
	}
	u := ac.users.Get(user)
	fresh := u == nil
	if fresh {
		u = &tagsync.User{}
	}
	ch := u.Apply(in.Profile, p.Seq)
	if ch.Stale {
		a.fate(it, ledger.Suppressed, ledger.Stale, nil)
		return
	}
	if ch.Touched || fresh { // also a row without a field: its intent waits for it
		a.keepUser(ac, user, u)
		a.opt.Metrics.users.WithLabelValues(ac.Name).Set(float64(ac.users.Len()))
	}
	if old := a.askedBy(ac, user); old != nil { // newest wins
		a.fate(old, ledger.Coalesced, ledger.ReasonNone, func(f *ledger.Fate) { f.Into = in.ID })
	}
	ac.asked[user] = it
	a.setState(it, queued)
	a.retag(ac, user)
	if it.state != gone {
		a.keep(it)
		p.Intent = learnt(in)
	}
	if !in.Profile.Gone && len(ch.Before) > 0 {
		for _, push := range a.opt.Rules().ProfilePushes(in, u.Overlay(ch.Before), u.Get) {
			push.Key, push.Trace = in.Key, in.Trace
			push.ID += tailOf(in)
			a.admit(push, p.Seq)
		}
	}
}
