package dispatch

import (
	"slices"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/tagsync"
)

// compare judges one user. A tag that is not ours is not judged: where it came or went it is recorded, so that the next write keeps
// it, or does not bring it back (settings: tags.foreign).
func (a *actor) compare(k *check, user string, u *tagsync.User, ours, has, some []string) {
	ac, rules := k.ac, a.opt.Rules()
	k.Checked++
	missing, extra := without(ours, has), without(union(has, some), ours)
	left := intersect(missing, u.Foreign)
	var came []string
	for _, t := range extra {
		if ac.KeepForeign && !rules.Gives(ac.Name, t) {
			came = append(came, t)
		}
	}
	if len(left)+len(came) > 0 {
		k.Foreign++
		u.Foreign = union(without(u.Foreign, left), came)
		u.Acked = union(without(u.Acked, left), came)
		a.keepUser(ac, user, u)
		missing, extra = without(missing, left), without(extra, came)
	}
	if len(missing)+len(extra)+len(came) > 0 && len(k.Users) < ledger.MaxDriftUsers {
		k.Users = append(k.Users, ledger.UserDrift{User: user, Missing: missing, Extra: extra, Foreign: came})
	}
	if len(missing)+len(extra) == 0 {
		delete(ac.drifted, user)
		return
	}
	k.Differ++
	k.Missing += len(missing)
	k.Extra += len(extra)
	if len(ac.drifted) < maxDrifted {
		ac.drifted[user] = true
	}
	if !k.repairing() {
		return
	}
	// The set is written again as after an unclear call: also by the next owner, and always the newest (NEWEST-WINS).
	if ac.byDifferences() {
		u.Replaced(slices.Compact(has), true)
		if len(some) > 0 {
			u.Had = union(has, some)
		}
	} else {
		u.Acked, u.Had = nil, u.Acked
	}
	u.RewriteAt = a.clock.now().UTC()
	a.keepUser(ac, user, u)
	ac.repairs[user] = k
	k.repairs++
	a.retag(ac, user)
}

// repairEnds books the end of a repair: the set was acknowledged, or refused.
func (a *actor) repairEnds(ac *account, user string, written bool) {
	if written && ac.drifted[user] {
		delete(ac.drifted, user)
		a.opt.Metrics.drift.WithLabelValues(ac.Name).Set(float64(len(ac.drifted)))
	}
	k := ac.repairs[user]
	if k == nil {
		return
	}
	delete(ac.repairs, user)
	k.repairs--
	if written {
		k.Repaired++
	} else {
		k.Refused++
	}
	a.advance(k)
}

func without(set, these []string) []string {
	return slices.DeleteFunc(slices.Clone(set), func(t string) bool { return slices.Contains(these, t) })
}

func intersect(set, these []string) []string {
	return slices.DeleteFunc(slices.Clone(set), func(t string) bool { return !slices.Contains(these, t) })
}

// union gives two sets as one, sorted; never nil.
func union(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(append(append(make([]string, 0, len(a)+len(b)), a...), b...))))
}
