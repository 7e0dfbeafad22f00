package dispatch

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// Edits in flight (rules-format.md 5): what an edit of the rule files does to what already waits.
//
//	rule switched off or to shadow ──► held under off/RULE ──► live again: as a resume
//	rule gone from the files       ──► held under off/RULE ──► two minutes later given up, unless it comes back
//	resume                         ──► made by an older revision? evaluated again ──► the same: it goes on
//	                                                                              └─► else superseded-by-rule-change
//
// The pause stays in force, on record, until all of what it holds has been looked at: a new owner looks again.

// Live is how the rules stand in the files that are live now.
type Live struct {
	Set   string                  // hash of the rule set
	Rules map[string]RuleStanding // by name; a rule that the files do not have is not in it
	Stale bool                    // the files on disk are others, with errors: the set may lack what other processes have
}

// RuleStanding is how one rule stands.
type RuleStanding struct {
	Revision string
	Off      string // why nothing of it leaves: "mode: off", "mode: shadow"; "": it sends
}

// Again is what the live rules make of an intent's event.
type Again struct {
	Revision string // of the rule that was asked
	Text     string // intent.Text of what it makes for the target; "": it makes nothing
	Why      string // it makes nothing because
}

// GoneFromSet is why a pause by the rule files holds what a removed rule has made.
const GoneFromSet = "the rule is not in the rule files"

// GivenUpAfter is how long after the pause by the rule files what a removed rule has made is given up, at the earliest.
const GivenUpAfter = rollingFor

const (
	offScope     = "off/"
	byFiles      = "the rule files"
	againBatch   = 500              // intents that are evaluated again at a time
	againWithin  = 30 * time.Second // ... and how long that may take
	againRetries = 10 * time.Second // after an error
)

// edits is what an actor knows of the live rule files.
type edits struct {
	set   string    // hash of the set that was looked at; "": none yet
	began time.Time // of the ownership: in a rolling reload this instance's files may be the older ones
	heard time.Time // of this set
	jobs  map[string]*recheck
	retry time.Time
}

// recheck evaluates again what a pause holds before it is lifted.
type recheck struct {
	scope   string
	left    []*item // to ask about; when it is empty, whoever is stale still is asked about again
	running bool
	most    int // in a batch: fewer after each error, for events that lie far apart take long to read
	same    int
	other   int
}

// reevaluated comes back from evaluating a batch again.
type reevaluated struct {
	job   *recheck
	items []*item
	found []Again
	err   error
}

func (a *actor) live() *Live {
	if a.opt.Live == nil {
		return nil
	}
	return a.opt.Live()
}

// offWhy says why the live files let nothing of an intent's rule leave; "": they do.
func (a *actor) offWhy(in *intent.Intent) string {
	live := a.live()
	if live == nil || in.Profile != nil {
		return ""
	}
	st, ok := live.Rules[in.Rule]
	if !ok {
		return GoneFromSet
	}
	return st.Off
}

// holdOff pauses a rule that the files let nothing leave of, once something of it waits.
func (a *actor) holdOff(in *intent.Intent) {
	why := a.offWhy(in)
	if why == "" {
		return
	}
	scope := offScope + in.Rule
	p, paused := a.pauses[scope]
	if paused && p.Why == why && p.Resuming == nil {
		return
	}
	a.pauses[scope] = ledger.Pause{By: byFiles, Why: why, At: a.clock.now().UTC()}
	delete(a.edits.jobs, scope)
	a.w.Put(ledger.PauseKey(scope), a.pauses[scope])
	a.wakeAt(a.clock.now())
	told := "what the rule holds waits until it sends again"
	if why == GoneFromSet {
		told = "what the rule holds is given up in two minutes, unless the rule comes back"
	}
	a.log.Warn(told, ruleField(in.Rule), zap.String("why", why))
}

// planEdits looks at what waits when the rule files have changed, gives up what removed rules hold, and goes on with what is evaluated
// again before a pause is lifted.
func (a *actor) planEdits(now time.Time) {
	live := a.live()
	if live == nil {
		return
	}
	fresh := a.edits.set == ""
	if fresh {
		a.edits.began = now
	}
	if live.Set != a.edits.set {
		a.edits.set, a.edits.heard = live.Set, now
		a.lookAtRules()
	}
	if len(a.pauses) == 0 {
		return
	}
	for _, scope := range slices.Sorted(maps.Keys(a.pauses)) {
		p := a.pauses[scope]
		if rule, off := offRule(scope); off && p.Resuming == nil {
			a.planOff(live, scope, rule, p, now)
			p = a.pauses[scope]
		}
		if rule, ok := ruleOf(scope); ok && p.OfBrake() != nil && p.Resuming == nil {
			a.planBrake(live, rule, p, now)
			p = a.pauses[scope]
		}
		if p.Resuming != nil {
			a.planRecheck(scope, now)
		}
	}
}

// lookAtRules pauses what rules hold that do not send any more.
func (a *actor) lookAtRules() {
	seen := map[string]bool{}
	for _, it := range a.items {
		in := it.intent()
		if it.tags || seen[in.Rule] || it.state == inFlight || it.doom() != "" {
			continue
		}
		seen[in.Rule] = true
		a.holdOff(in)
	}
	a.holdPaused()
}

// planOff lifts the pause of a rule that sends again, and gives up what a rule holds that stays away.
func (a *actor) planOff(live *Live, scope, rule string, p ledger.Pause, now time.Time) {
	st, ok := live.Rules[rule]
	since := p.At
	if a.edits.began.After(since) {
		since = a.edits.began
	}
	due := since.Add(rollingFor)
	switch {
	case ok && st.Off == "":
		if !a.edits.began.After(p.At) || !due.After(now) { // an owner that began after the pause may have the older files: it waits
			p.Resuming = &ledger.Resuming{By: byFiles, Why: "the rule sends again", At: now.UTC()}
			a.pauses[scope] = p
			a.w.Put(ledger.PauseKey(scope), p)
			return
		}
		a.wakeAt(due)
	case ok: // off: it waits, or expires
	case due.After(now):
		a.wakeAt(due)
	case live.Stale:
		a.wakeAt(now.Add(rollingFor))
	default:
		n := 0
		for _, it := range a.items {
			if it.intent().Rule == rule && !it.tags && it.state != inFlight && it.doom() == "" {
				a.giveUp(it, ledger.SupersededByRule)
				a.coolMany()
				n++
			}
		}
		a.sweep()
		delete(a.pauses, scope)
		a.w.Delete(ledger.PauseKey(scope))
		a.log.Warn("the rule was removed from the rule files: what it held is given up", ruleField(rule), zap.Int("intents", n))
	}
}

// planBrake forgets the brake of a rule that stays away from the files: it has nothing left to stop, and nobody would resume what is no more.
func (a *actor) planBrake(live *Live, rule string, p ledger.Pause, now time.Time) {
	if _, ok := live.Rules[rule]; ok {
		return
	}
	_, holds := a.pauses[offScope+rule] // what it holds is given up first
	due := a.edits.heard.Add(rollingFor)
	switch scope := "rule/" + rule; {
	case due.After(now):
		a.wakeAt(due)
	case live.Stale, holds:
		a.wakeAt(now.Add(rollingFor))
	case p.Brake:
		a.lift(scope)
		a.log.Warn("the rule was removed from the rule files: its brake is forgotten", ruleField(rule))
	default: // the operators' pause stays theirs
		p.Tripped = nil
		a.pauses[scope] = p
		a.w.Put(ledger.PauseKey(scope), p)
		a.released(scope)
	}
}

func offRule(scope string) (string, bool) {
	if len(scope) <= len(offScope) || scope[:len(offScope)] != offScope {
		return "", false
	}
	return scope[len(offScope):], true
}

// resuming begins to lift a pause: what an older revision made of what it holds is evaluated again first.
func (a *actor) resuming(scope string, p ledger.Pause, r *ledger.Resuming) (stale int) {
	stale = len(a.stale(scope))
	if stale == 0 {
		return 0
	}
	p.Resuming = r
	a.pauses[scope] = p
	a.w.Put(ledger.PauseKey(scope), p)
	return stale
}

// stale are the intents that the pause of a scope holds, and no other, and that an older revision of their rule made; oldest first.
func (a *actor) stale(scope string) (out []*item) {
	live := a.live()
	if live == nil {
		return nil
	}
	for _, it := range a.items {
		in := it.intent()
		if it.tags || it.ac == nil || it.state == inFlight || it.doom() != "" || live.Rules[in.Rule].Revision == in.Revision || !a.within(scope, it) || a.otherwisePaused(scope, it) {
			continue
		}
		out = append(out, it)
	}
	slices.SortFunc(out, func(x, y *item) int { return int(x.order() - y.order()) })
	return out
}

// within reports whether a pause of the scope holds an item.
func (a *actor) within(scope string, it *item) bool { return slices.Contains(a.scopes(it), scope) }

// otherwisePaused reports whether another pause holds an item as well.
func (a *actor) otherwisePaused(scope string, it *item) bool {
	for _, s := range a.scopes(it) {
		if _, ok := a.pauses[s]; ok && s != scope {
			return true
		}
	}
	return false
}

// scopes are all whose pause holds an item.
func (a *actor) scopes(it *item) []string {
	out := []string{"all", "account/" + it.ac.Name, "rule/" + it.intent().Rule, offScope + it.intent().Rule}
	if l := it.ac.lanes[it.route.Lane]; l != nil {
		if out = append(out, "lane/"+l.full()); l.Audiences {
			out = append(out, "broadcasts")
		}
	}
	return out
}

// planRecheck evaluates the next of what a pause holds again; when nobody of an older revision is left, the pause is lifted.
func (a *actor) planRecheck(scope string, now time.Time) {
	job := a.edits.jobs[scope]
	if job == nil {
		job = &recheck{scope: scope, left: a.stale(scope), most: againBatch}
		a.edits.jobs[scope] = job
	}
	switch {
	case job.running:
		return
	case len(job.left) == 0 && len(a.stale(scope)) > 0: // the rules have changed meanwhile
		job.left = a.stale(scope)
	case len(job.left) == 0:
		r := a.pauses[scope].Resuming
		n := a.lift(scope)
		a.log.Info("resumed", zap.String("scope", scope), zap.String("by", r.By), zap.Int("go_on", n), zap.Int("evaluated_again_and_the_same", job.same), zap.Int("superseded", job.other))
		return
	}
	if a.edits.retry.After(now) {
		a.wakeAt(a.edits.retry)
		return
	}
	n := min(len(job.left), job.most)
	items := job.left[:n]
	job.left = job.left[n:]
	ins := make([]*intent.Intent, n)
	for i, it := range items {
		ins[i] = it.p().Intent
	}
	job.running = true
	a.ask(againWithin, func(ctx context.Context) result {
		found, err := a.opt.Again(ctx, ins)
		return result{call: &call{again: &reevaluated{job, items, found, err}}}
	})
}

// evaluatedAgain books a batch: what is the same goes on as the present revision's, the rest is superseded.
func (a *actor) evaluatedAgain(r *reevaluated) {
	job := r.job
	job.running = false
	a.wakeAt(a.clock.now())
	if a.edits.jobs[job.scope] != job { // paused again, or the rule was switched off once more
		return
	}
	if r.err != nil {
		a.log.Error("held intents could not be evaluated again, they stay held and are tried again", zap.String("scope", job.scope), zap.Error(r.err))
		a.edits.retry, job.most = a.clock.now().Add(againRetries), max(1, len(r.items)/2)
		return
	}
	by, live := a.pauses[job.scope].Resuming, a.live()
	for i, it := range r.items {
		now := r.found[i]
		switch {
		case a.offWhy(it.p().Intent) != "" || live.Rules[it.p().Intent.Rule].Revision != now.Revision: // the rules have changed since: it is held by the files now, or asked about again
		case it.state == gone || it.state == inFlight || it.doom() != "" || it.p().Intent.Revision == now.Revision: // it ended meanwhile, or was asked about twice
		case now.Text == it.p().Text():
			job.same++
			it.ac.revise(it, now.Revision)
			a.keep(it)
		default:
			job.other++
			why := now.Why
			if why == "" {
				why = "its text differs"
			}
			a.fate(it, ledger.Suppressed, ledger.SupersededByRule, func(f *ledger.Fate) {
				f.Detail, f.Kind, f.By, f.Why = "evaluated again with the edited rule: "+why, "operator", by.By, by.Why
			})
		}
	}
}

// lift ends a pause and lets what it held go on, oldest first: so it stands in the queues, and of several under a limit the first get a place.
func (a *actor) lift(scope string) (n int) {
	delete(a.pauses, scope)
	delete(a.edits.jobs, scope)
	a.w.Delete(ledger.PauseKey(scope))
	a.released(scope)
	var held []*item
	for _, it := range a.items {
		if it.state == paused && it.doom() == "" && it.ac != nil && it.ac.lanes[it.route.Lane] != nil && !a.pausedItem(it) {
			held = append(held, it)
		}
	}
	slices.SortFunc(held, func(x, y *item) int { return cmp.Compare(x.order(), y.order()) })
	for _, it := range held {
		if it.state == paused { // another may have taken its place
			a.gate(it)
			a.coolMany()
			n++
		}
	}
	a.holds()
	return n
}

// releasedText names what a resume releases, so that nobody lets a brake go without knowing of it.
func releasedText(p ledger.Pause) string {
	brake, both := p.OfBrake(), ""
	if p.Brake {
		return "the brake (" + brake.Why + ") is released; "
	}
	if brake != nil {
		both = " and the brake (" + brake.Why + ")"
	}
	return fmt.Sprintf("the pause by %s (%s)%s is released; ", p.By, p.Why, both)
}

// resumedText is the answer to a resume.
func resumedText(goOn, stale int) string {
	if stale == 0 {
		return "resumed, " + many(goOn, "intent goes on", "intents go on")
	}
	return "resuming: " + many(stale, "intent was made by an older revision of its rule and is", "intents were made by an older revision of their rule and are") + " evaluated again first; what the edited rule does not make, or with another text, is SUPPRESSED(superseded-by-rule-change)"
}
