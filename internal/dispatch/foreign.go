package dispatch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/tagsync"
)

// LaneTagGet reads tags, up to MaxBatch users a call.
const LaneTagGet = "tag-get"

// reading is a read of the vendor's tags in flight. It changes nothing there, so it needs no attempt: an owner that dies asks again.
type reading struct {
	users []string
	tags  map[string][]string
	some  map[string][]string // tags that only some of the user's devices have
	began time.Time

	open *call // not nil: only to see whether this call of a predecessor was executed

	check *check              // not nil: only to compare
	ours  map[string][]string // users to be compared, with what we had acknowledged when the read began
}

// askRead lets a user wait for a read: the vendor's tags have to be read before the first write. A write replaces the whole set, so
// without a look at it two promises could not be kept: a field that is still unknown removes no tag, and tags that no rule of
// ours gives stay (settings: tags.foreign).
func (ac *account) askRead(user string, now time.Time) {
	if ac.reading[user] {
		return
	}
	ac.reading[user] = true
	if len(ac.toRead) == 0 {
		ac.readBy = now.Add(min(ac.TagDelay/4, 250*time.Millisecond))
	}
	ac.toRead = append(ac.toRead, user)
}

// planReads starts the reads that are due: full ones at once, others after a moment in which more users may join.
func (a *actor) planReads(ac *account, now time.Time) {
	l := ac.lanes[LaneTagGet]
	if l == nil {
		return
	}
	for len(ac.toRead) > 0 || len(ac.readHalves) > 0 {
		if len(ac.readHalves) == 0 && len(ac.toRead) < l.MaxBatch && now.Before(ac.readBy) {
			a.wakeAt(ac.readBy)
			return
		}
		if !a.free(l, 1, now) {
			a.goWithoutRead(ac, now)
			return
		}
		var users []string
		if len(ac.readHalves) > 0 {
			users, ac.readHalves = ac.readHalves[0], ac.readHalves[1:]
		} else {
			n := min(len(ac.toRead), l.MaxBatch)
			users = slices.Clone(ac.toRead[:n])
			if ac.toRead = ac.toRead[n:]; len(ac.toRead) == 0 {
				ac.toRead = nil
			}
		}
		a.startRead(l, &reading{users: users})
	}
}

// askID names a call that changes nothing at the vendor, so that no attempt is on record and its number may come again after a crash: what
// tells two owners apart is in it.
func (a *actor) askID(kind string) string {
	nonce := a.w.Nonce()
	return fmt.Sprintf("%s-%d-%s%d-%s", a.gen.Incarnation, a.p, kind, a.pos.AttemptSeq, nonce[max(0, len(nonce)-5):])
}

// startRead lets a read leave.
func (a *actor) startRead(l *lane, r *reading) {
	l.running++
	l.trial = false
	local := a.clock.machine()
	pace, _ := l.pacer.Start(local, local.Add(l.ac.Timeout), 1)
	r.began = a.clock.now()
	a.pos.AttemptSeq++
	id := a.askID("r")
	a.ask(l.ac.Timeout, func(ctx context.Context) result {
		var o Outcome
		r.tags, o = l.ac.Vendor.ReadTags(ctx, id, r.users)
		r.some = o.Some
		return result{&call{lane: l, pace: pace, read: r}, o}
	})
}

// read books what the vendor had.
func (a *actor) read(c *call, o Outcome) {
	l, ac, r := c.lane, c.lane.ac, c.read
	o.unsay(r.users, nil)
	l.running--
	l.pacer.Done(c.pace, a.clock.machine())
	m, now := a.opt.Metrics, a.clock.now()
	m.calls.WithLabelValues(l.full(), string(o.Class)).Inc()
	m.callSeconds.WithLabelValues(l.full()).Observe(max(0, now.Sub(r.began).Seconds()))
	if o.Class != ClassOK {
		a.log.Warn("tags could not be read, their users wait", laneField(l.full()), detailField(o.Detail))
	}
	switch o.Class {
	case ClassOK:
		a.works(l)
		m.lastSent.WithLabelValues(l.full()).Set(float64(now.Unix()))
		a.open(l)
	case ClassPermanent: // somebody in it, see refusedRead
	case ClassConfig:
		if l.news(r.began) {
			a.misconfigured(l, o)
		}
	case ClassRetryLater:
		a.later(l, r.began, o)
	case ClassNotSent:
		a.pause(l, r.began, o.Detail)
	default:
		l.doubt(r.began.Add(l.ac.Timeout))
		a.pause(l, r.began, o.Detail)
	}
	switch {
	case r.check != nil:
		a.checked(r, o)
		return
	case r.open != nil:
		a.hasRead(r, o)
		return
	}
	for _, u := range r.users {
		if delete(ac.reading, u); !o.Once {
			delete(ac.readOnce, u)
		}
	}
	if len(ac.reading) == 0 { // a map keeps the room of a burst
		ac.reading = map[string]bool{}
	}
	switch o.Class {
	case ClassOK:
		a.learn(ac, r)
	case ClassPermanent:
		a.refusedRead(c, o)
	default:
		for _, user := range r.users {
			switch u := ac.users.Get(user); {
			case u == nil:
			case ac.byDifferences() && (!u.Gone || o.Once && ac.readOnce[user]): // it goes without
				delete(ac.readOnce, user)
				a.unreadable(ac, user)
			default:
				if o.Once {
					ac.readOnce[user] = true
				}
				ac.askRead(user, a.clock.now())
			}
		}
	}
}

// learn takes what the vendor had for what is acknowledged, at the first sight of users.
func (a *actor) learn(ac *account, r *reading) {
	rules := a.opt.Rules()
	for _, user := range r.users {
		u := ac.users.Get(user)
		if u == nil {
			continue
		}
		has := slices.Sorted(slices.Values(r.tags[user]))
		u.Foreign = []string{}
		for _, t := range union(has, r.some[user]) {
			if ac.KeepForeign && !rules.Gives(ac.Name, t) {
				u.Foreign = append(u.Foreign, t)
			}
		}
		if ac.byDifferences() {
			may := union(union(u.Acked, u.Had), r.some[user])
			u.Replaced(slices.Compact(has), true)
			if u.Gone { // what was accepted a moment ago may not be made yet
				u.Had = union(u.Acked, may)
			} else if some := r.some[user]; len(some) > 0 {
				u.Had = union(u.Acked, some)
			}
			ac.readAt[user] = a.clock.now()
		} else if u.Acked == nil && u.RewriteAt.IsZero() {
			u.Acked = slices.Compact(has)
			if u.Acked == nil {
				u.Acked = []string{}
			}
		}
		a.keepUser(ac, user, u)
		a.retag(ac, user)
	}
}

// giveUpForeign drops tags of others that no set may hold, for a user whose set is to be written: the vendor refuses the whole set with
// them, so keeping them would leave all other tags of the user as they were for ever. A user whose set needs no write keeps them.
func (a *actor) giveUpForeign(ac *account, user string, u *tagsync.User) bool {
	if ac.Writable == nil {
		return false
	}
	kept := slices.DeleteFunc(slices.Clone(u.Foreign), func(t string) bool { return !ac.Writable(t) })
	lost := without(u.Foreign, kept)
	if len(lost) == 0 {
		return false
	}
	a.log.Warn("tags that somebody else gave a user cannot be kept: the vendor takes no set with them", accountField(ac.Name), zap.Strings("tags", lost))
	u.Foreign = kept
	a.keepUser(ac, user, u)
	return true
}

// refusedRead splits a refused read; a user alone is DEAD (design.md 3.12).
func (a *actor) refusedRead(c *call, o Outcome) {
	ac, users := c.lane.ac, c.read.users
	if ac.byDifferences() && len(users) == 1 {
		a.unreadable(ac, users[0])
		return
	}
	it := a.askedBy(ac, users[0])
	if len(users) == 1 && !(it != nil && a.doubted(c.lane, c.read.began, it.p().Intent.Event.ID, o)) {
		if it != nil {
			a.fate(it, ledger.Dead, ledger.RejectedByVendor, func(f *ledger.Fate) { f.Code, f.Detail = o.Code, o.Detail })
		}
		return
	}
	for _, u := range users {
		ac.reading[u] = true
	}
	ac.readHalves = append(ac.readHalves, halved(users)...)
}

// halved splits a list in two; one alone stays.
func halved[T any](all []T) [][]T {
	if len(all) < 2 {
		return [][]T{all}
	}
	h := len(all) / 2
	return [][]T{all[:h:h], all[h:]}
}

// withForeign adds the kept foreign tags to what the rules want; ours go first when there are too many for the vendor.
func withForeign(want, foreign []string, most int) []string {
	if len(foreign) == 0 {
		return want
	}
	out := slices.Clone(want)
	for _, t := range foreign {
		if len(out) < most && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	slices.Sort(out)
	return out
}
