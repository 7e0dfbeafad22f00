package dispatch

import (
	"fmt"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/tagsync"
)

// forgetUser clears a user's tags at the vendor through the tag lane and then the row, as a tombstone on a profile topic does, and all else
// that is held under the user's id: pushes that wait, also those to be made again, and when caps were counted. What has left is not called back.
func (a *actor) forgetUser(c command, ans *ledger.Answer) {
	a.unstrand()
	user, rows, caps, unclear := c.Target, 0, 0, 0
	for _, ac := range a.accounts {
		for _, l := range ac.lanes {
			unclear += a.withdraw(l, user)
		}
	}
	for _, it := range a.items {
		if a.coolMany(); it.tags || it.p().Intent.Target != user {
			continue
		}
		if it.state == inFlight {
			ans.Flying++
			continue
		}
		ans.Intents++
		a.fate(it, ledger.Suppressed, ledger.Cancelled, func(f *ledger.Fate) { f.Kind, f.By, f.Why = "operator", c.By, c.Why })
	}
	for _, ac := range a.accounts {
		u := ac.users.Get(user)
		if u == nil {
			continue
		}
		rows++
		// Written once more as after an unclear call: so it survives a take-over, and nobody asks what the vendor had.
		now := a.clock.now()
		rewrite := latest(u.RewriteAt, now).UTC()
		if c := ac.busy[user]; c != nil { // it began before, also where the clock shows the same
			rewrite = latest(rewrite, c.attempt.At.Add(1))
		}
		if ac.byDifferences() { // what is not given to the vendor as a set has to be known
			*u = tagsync.User{Gone: true, Anew: true, Acked: u.Acked, Had: u.Had, RewriteAt: now.UTC()}
		} else {
			*u = tagsync.User{Gone: true, Anew: true, Had: []string{}, Foreign: []string{}, RewriteAt: rewrite}
		}
		a.keepUser(ac, user, u)
		ac.spoil([]string{user})
		if u.RewriteAt.After(now) { // an unclear call may still arrive: once at once, and once more after it
			ac.groups.Add(user, []string{}, now)
			a.timers.set(wakeUser, ac.Key+"\x00"+user, u.RewriteAt)
		} else {
			a.retag(ac, user)
		}
	}
	for id := range a.taken {
		if parts := strings.SplitN(id, "/", 4); len(parts) == 4 && parts[3] == user {
			caps++
			delete(a.taken, id)
			a.w.Delete(ledger.TakenID(id))
		}
	}
	ans.Text = fmt.Sprintf("%s cleared, tags first; %s given up, %s of caps removed", many(rows, "row is", "rows are"), many(ans.Intents, "intent that waited is", "intents that waited are"), many(caps, "count", "counts"))
	if unclear > 0 {
		ans.Text += fmt.Sprintf("; %d that may have been sent are not made again and are UNKNOWN", unclear)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
