package dispatch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/notifier/notifier/internal/ledger"
)

// LaneTagGet reads tags, up to MaxBatch users a call.
const LaneTagGet = "tag-get"

// reading is a read of the vendor's tags in flight. It changes nothing there, so it needs no attempt: an owner that dies asks again.
type reading struct {
	users []string
	tags  map[string][]string
}

// unread reports whether the vendor's tags of a user have to be read before the first write. A write replaces the whole set, so
// without a look at it two promises could not be kept: a field that is still unknown removes no tag, and tags that no rule of
// ours gives stay (settings: tags.foreign).
func (ac *account) unread(user string) bool { return ac.users[user].Foreign == nil }

// askRead lets a user wait for a read.
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
			return
		}
		var users []string
		if len(ac.readHalves) > 0 {
			users, ac.readHalves = ac.readHalves[0], ac.readHalves[1:]
		} else {
			n := min(len(ac.toRead), l.MaxBatch)
			users = slices.Clone(ac.toRead[:n])
			ac.toRead = ac.toRead[n:]
		}
		l.running++
		l.trial = false
		deadline := time.Now().Add(ac.Timeout)
		pace, _ := l.pacer.Start(time.Now(), deadline, 1)
		a.pos.AttemptSeq++
		id := fmt.Sprintf("%s-%d-r%d", a.gen.Incarnation, a.p, a.pos.AttemptSeq)
		a.wg.Go(func() {
			ctx, cancel := context.WithDeadline(a.ctx, deadline)
			defer cancel()
			tags, o := ac.Vendor.ReadTags(ctx, id, users)
			a.results <- result{&call{lane: l, pace: pace, read: &reading{users, tags}}, o}
		})
	}
}

// read books what the vendor had.
func (a *actor) read(c *call, o Outcome) {
	l, ac := c.lane, c.lane.ac
	l.running--
	l.pacer.Done(c.pace, time.Now())
	a.opt.Metrics.calls.WithLabelValues(l.full(), string(o.Class)).Inc()
	for _, u := range c.read.users {
		delete(ac.reading, u)
	}
	if o.Class != ClassOK {
		a.log.Warn("tags could not be read, their users wait", laneField(l.full()), detailField(o.Detail))
		switch o.Class {
		case ClassPermanent: // somebody in it: halves, until the culprit is alone
			a.refusedRead(ac, c.read.users, o)
			return
		case ClassConfig:
			a.misconfigured(l, o)
		case ClassRetryLater:
			a.later(l, o)
		default:
			a.pause(l, a.clock.now())
		}
		now := a.clock.now()
		for _, u := range c.read.users {
			if ac.users[u] != nil {
				ac.askRead(u, now)
			}
		}
		return
	}
	a.open(l)
	rules := a.opt.Rules()
	for _, user := range c.read.users {
		u := ac.users[user]
		if u == nil {
			continue
		}
		has := slices.Sorted(slices.Values(c.read.tags[user]))
		u.Foreign = []string{}
		for _, t := range has {
			if ac.KeepForeign && !rules.Gives(ac.Name, t) {
				u.Foreign = append(u.Foreign, t)
			}
		}
		if u.Acked == nil && u.RewriteAt.IsZero() {
			u.Acked = slices.Compact(has)
			if u.Acked == nil {
				u.Acked = []string{}
			}
		}
		a.w.Put(ledger.UserKey(ac.Key, user), u)
		a.retag(ac, user)
	}
}

// refusedRead splits a refused read; a user alone is DEAD (design.md 3.12).
func (a *actor) refusedRead(ac *account, users []string, o Outcome) {
	if len(users) > 1 {
		h := len(users) / 2
		for _, u := range users {
			ac.reading[u] = true
		}
		ac.readHalves = append(ac.readHalves, users[:h:h], users[h:])
		return
	}
	if it := ac.asked[users[0]]; it != nil {
		a.fate(it, ledger.Dead, ledger.RejectedByVendor, func(f *ledger.Fate) { f.Code, f.Detail = o.Code, o.Detail })
	}
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
