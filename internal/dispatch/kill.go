package dispatch

import (
	"slices"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// kill gives up what a rule holds, and all that comes of it until it is revived. What has left already is not called back; if it comes
// back as not sent it is given up as well.
func (a *actor) kill(c command, ans *ledger.Answer) {
	k := ledger.Kill{By: c.By, Why: c.Why, At: c.At, ID: c.ID}
	a.kills[c.Target] = k
	a.w.Put(ledger.KillKey(c.Target), k)
	for _, it := range a.items {
		if it.tags || it.intent().Rule != c.Target || it.state == inFlight {
			continue
		}
		ans.Intents++
		a.giveUp(it, ledger.Killed)
		a.coolMany()
	}
	ans.Flying = a.flyingWhere(func(cl *call) bool {
		return slices.ContainsFunc(cl.items, func(it *item) bool { return it.p().Intent.Rule == c.Target })
	})
	ans.Text = "killed, " + many(ans.Intents, "intent is given up", "intents are given up")
}

// revive lets a killed rule make intents again. What was given up stays so.
func (a *actor) revive(c command, ans *ledger.Answer) {
	if _, ok := a.kills[c.Target]; !ok {
		ans.Text = "was not killed"
		return
	}
	delete(a.kills, c.Target)
	a.w.Delete(ledger.KillKey(c.Target))
	ans.Text = "revived"
}

// givingUp reports whether what a rule held has not got its fate yet. A new owner knows that it is given up by the kill alone.
func (a *actor) givingUp(rule string) bool {
	return slices.ContainsFunc(a.doomed, func(it *item) bool { return it.state != gone && it.intent().Rule == rule })
}

func (a *actor) killed(in *intent.Intent) bool {
	_, ok := a.kills[in.Rule]
	return ok && in.Profile == nil
}

// giveUp takes an item out of every queue; sweep gives it its fate. Nothing lets it go on, and no trigger merges into it.
func (a *actor) giveUp(it *item, why ledger.Reason) {
	if it.ac != nil {
		it.ac.unmerge(it)
		if l := it.ac.lanes[it.route.Lane]; l != nil {
			l.remove(it)
		}
	}
	a.setState(it, paused)
	if it.doom() == "" {
		it.seldom().doom = why
		a.doomed = append(a.doomed, it)
	}
}

// sweep suppresses what was given up, a bounded number in each turn: a rule may hold a million, and a turn is one transaction. A
// kill is on record, and what a removed rule holds is found again: so a new owner goes on with it.
func (a *actor) sweep() {
	n := min(len(a.doomed), maxTurn)
	for _, it := range a.doomed[:n] {
		if it.state == gone { // it expired meanwhile
			continue
		}
		a.unsee(it.p().Intent) // it was never sent, so its source may send it again after revive
		a.fate(it, ledger.Suppressed, it.doom(), func(f *ledger.Fate) {
			if it.doom() == ledger.Killed {
				k := a.kills[it.p().Intent.Rule]
				f.Kind, f.By, f.Why = "operator", k.By, k.Why
			} else {
				f.Detail = "the rule was removed from the rule files"
			}
		})
	}
	if a.doomed = a.doomed[n:]; len(a.doomed) > 0 {
		a.inbox.poke()
	} else {
		a.doomed = nil
	}
}
