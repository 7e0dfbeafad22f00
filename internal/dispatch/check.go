package dispatch

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/ledger"
)

// check compares the vendor's tags with what we acknowledged: a sample, one user, all known users (a resync), or for ever and slowly
// (the canary of settings tags.verify). It has what is left of the lane of reads after everything else.
//
//	walk the users ──► read ──► compare ──► drift ──► (repair) write the set again, by the ordinary tag lanes
//
// A user is compared only if nothing of theirs is on its way, before the read and after it: no false drift.
type check struct {
	ac  *account
	rec *ledger.Check // nil: the canary
	ledger.Drift

	parts   int // into how many the users are divided; a resync remembers in the ledger which are done
	part    int // that is walked
	left    int // parts to walk, this one included
	budget  int // users that may still be asked
	next    func() (string, bool)
	stop    func()
	walked  bool       // nobody is left
	again   [][]string // reads that must be made again: refused ones in halves, others as they were
	reads   int        // in flight
	repairs int        // users whose set is being written again
	at      time.Time  // the canary's next read
}

const (
	maxChecks  = 8     // commands that an account works on at a time
	maxSample  = 50000 // users of one verify: 1000 calls, three at a time of 50 ms each make 17 s; its command waits for 30
	maxRepairs = 2000  // users who wait for a repair at a time: ordinary changes are not held up by more than two batches
	maxWalk    = 20000 // users looked at for one read
	maxDrifted = 10000 // users remembered to differ, for the metric
)

// newCheck makes a check of a command, or goes on with one that a predecessor began.
func newCheck(ac *account, rec *ledger.Check) *check {
	k := &check{ac: ac, rec: rec, parts: max(1, rec.Parts), budget: ac.users.Len()}
	switch {
	case rec.Cmd == ledger.CmdResync:
		k.part, k.left, k.Drift = rec.Part, k.parts-rec.Part, rec.Results
		k.walked = k.left <= 0
	case rec.User != "":
		k.again, k.walked = [][]string{{rec.User}}, true
	default:
		k.part, k.left, k.budget = rand.IntN(k.parts), k.parts, rec.Sample
	}
	return k
}

func newCanary(ac *account) *check { return &check{ac: ac, parts: 1, left: 1} }

// width is how many users one of the canary's reads takes, every how often it reads.
func (k *check) width() int { return min(k.ac.VerifyUsers, k.ac.lanes[LaneTagGet].MaxBatch) }
func (k *check) every() time.Duration {
	return k.ac.VerifyIn / time.Duration(k.ac.VerifyUsers) * time.Duration(k.width())
}

func (k *check) repairing() bool { return k.rec != nil && k.rec.Repair }
func (k *check) resync() bool    { return k.rec != nil && k.rec.Cmd == ledger.CmdResync }

// checkTags takes in a command. It is true when the answer comes later.
func (a *actor) checkTags(c command, ans *ledger.Answer) (later bool) {
	refuse := func(format string, args ...any) bool {
		ans.OK, ans.Refused, ans.Text = false, true, fmt.Sprintf(format, args...)
		return false
	}
	ac := a.accounts[c.Target]
	if ac == nil {
		return refuse("the account is not in this instance's settings")
	}
	rec := &ledger.Check{V: ledger.Version, ID: c.ID, Cmd: c.Cmd, User: c.Args["user"], Repair: c.Args[ledger.ArgRepair] == ledger.RepairYes || c.Cmd == ledger.CmdResync, By: c.By, Why: c.Why, At: a.clock.now().UTC()}
	rec.Sample, _ = strconv.Atoi(c.Args["sample"])
	rec.Parts = min(max(1, ac.users.Len()/1000), ledger.CheckParts)
	for _, k := range ac.checks {
		if k.resync() && c.Cmd == ledger.CmdResync {
			return refuse("a resync by %s goes on since %s: %d of %d parts done", k.rec.By, k.rec.At.Format(time.RFC3339), k.rec.Part, k.parts)
		}
	}
	switch {
	case ac.lanes[LaneTagGet] == nil:
		return refuse("account %s has no lane to read tags", ac.Name)
	case c.Cmd == ledger.CmdVerify && a.pausedLane(ac.lanes[LaneTagGet]):
		return refuse("lane %s is paused; next: notifier status, notifier resume", ac.lanes[LaneTagGet].full())
	case c.Cmd == ledger.CmdVerify && ac.lanes[LaneTagGet].closed != nil:
		st := ac.lanes[LaneTagGet].closed
		return refuse("lane %s is stopped: %s, tried again at %s: %s", ac.lanes[LaneTagGet].full(), st.Reason, st.Retry.Format(time.RFC3339), st.Detail)
	case len(ac.checks) >= maxChecks:
		return refuse("%d checks of account %s go on already", len(ac.checks), ac.Name)
	case c.Cmd == ledger.CmdVerify && rec.User == "" && (rec.Sample < 1 || rec.Sample > maxSample):
		return refuse("a sample is 1 to %d users; all of them: notifier tags resync", maxSample)
	case rec.User != "" && ac.users.Get(rec.User) == nil:
		ans.Text, ans.Drift = fmt.Sprintf("account %s knows no user %s", ac.Name, rec.User), &ledger.Drift{}
		return false
	}
	a.w.Put(ledger.CheckKey(ac.Key, rec.ID), rec)
	a.addCheck(ac, newCheck(ac, rec))
	if c.Cmd != ledger.CmdResync {
		return true
	}
	if ac.synced != "" { // its record was kept for `status`
		a.w.Delete(ledger.CheckKey(ac.Key, ac.synced))
		ac.synced = ""
	}
	ans.Text = fmt.Sprintf("account %s: a resync of %d users has begun; how far it is: notifier status", ac.Name, ac.users.Len())
	return false
}

// addCheck lets a check take its turn: what somebody waits for before a resync, the canary last.
func (a *actor) addCheck(ac *account, k *check) {
	ac.checks = append(ac.checks, k)
	slices.SortStableFunc(ac.checks, func(x, y *check) int { return rank(x) - rank(y) })
}

func rank(k *check) int {
	switch {
	case k.rec == nil:
		return 2
	case k.resync():
		return 1
	}
	return 0
}

// planChecks starts the reads of checks when nothing else waits to be read.
func (a *actor) planChecks(ac *account, now time.Time) {
	l := ac.lanes[LaneTagGet]
	for _, k := range slices.Clone(ac.checks) {
		for len(ac.toRead)+len(ac.readHalves) == 0 && l.running < max(1, l.Parallel-1) && k.repairs < maxRepairs {
			if k.rec == nil {
				if k.at.IsZero() { // the first read of a new owner
					k.at = now.Add(k.every())
				}
				if now.Before(k.at) {
					a.wakeAt(k.at)
					break
				}
			}
			if k.walked && len(k.again) == 0 || !a.free(l, 1, now) {
				break
			}
			users := a.pick(k, now)
			if len(users) == 0 {
				break
			}
			r := &reading{check: k, ours: map[string][]string{}}
			for _, user := range users {
				if u := ac.users.Get(user); ac.settled(user) {
					r.users, r.ours[user] = append(r.users, user), u.Acked
				} else {
					k.Unsettled++
				}
			}
			if k.rec == nil {
				k.at = now.Add(k.every())
			}
			if len(r.users) == 0 { // nobody could be compared, which took no slot: others get their turn
				a.wakeAt(now)
				break
			}
			k.reads++
			ac.comparing[r] = true
			a.startRead(l, r)
		}
		a.advance(k)
	}
}

// settled reports whether what the vendor has of a user can be known: nothing is on its way, nothing was unclear.
func (ac *account) settled(user string) bool {
	u := ac.users.Get(user)
	return u != nil && !u.Gone && u.Acked != nil && (u.Foreign != nil || ac.byDifferences() && u.Had == nil) && u.RewriteAt.IsZero() && ac.busy[user] == nil && !ac.asks(user) && !ac.groups.Waits(user) && !ac.diffs.Waits(user) && !ac.reading[user] && !ac.retags.out[user] &&
		len(ac.recent[user]) == 0
}

// spoil takes users out of the comparisons in flight: a call with their tags leaves, so what is read may be older or newer.
func (ac *account) spoil(users []string) {
	for r := range ac.comparing {
		for _, u := range users {
			delete(r.ours, u)
		}
	}
}

// pick gives the next users of a check, up to one call's worth. It looks at a bounded number of users; none does not mean that the
// check is at its end.
func (a *actor) pick(k *check, now time.Time) (users []string) {
	if len(k.again) > 0 {
		users, k.again = k.again[0], k.again[1:]
		return users
	}
	most := k.ac.lanes[LaneTagGet].MaxBatch
	if k.rec == nil {
		most = k.width()
	}
	for range maxWalk {
		if len(users) >= most || k.walked {
			return users
		}
		if k.next == nil { // a map may change while it is walked: who stays is seen once
			k.next, k.stop = iter.Pull(k.ac.users.Users())
		}
		user, ok := k.next()
		switch {
		case ok && k.parts > 1 && ledger.HashPartition([]byte(user), k.parts) != k.part:
		case ok:
			users = append(users, user)
			k.budget--
			k.walked = k.rec != nil && !k.resync() && k.budget <= 0
		default:
			k.next, k.stop = nil, nil
			k.walked = k.rec != nil
			if !k.resync() && k.left > 1 {
				k.part, k.left, k.walked = (k.part+1)%k.parts, k.left-1, false
			}
			if k.rec == nil || k.walked { // a resync begins its next part when this one is done, see advance
				return users
			}
		}
	}
	a.wakeAt(now) // there is more to look at: in the next turn
	return users
}

// advance books what is done of a check: a part, or all of it.
func (a *actor) advance(k *check) {
	if k.rec == nil || !k.walked || k.reads > 0 || len(k.again) > 0 || k.repairs > 0 {
		return
	}
	if k.resync() && k.left > 0 {
		k.left--
		k.part++
		k.rec.Part, k.rec.Results = k.part, k.Drift
		a.w.Put(ledger.CheckKey(k.ac.Key, k.rec.ID), k.rec)
		if k.left > 0 {
			k.walked = false
			a.wakeAt(a.clock.now())
			return
		}
	}
	a.endCheck(k)
}

// endCheck says what a check found: in the log, and to the command or to `status`.
func (a *actor) endCheck(k *check) {
	ac := k.ac
	ac.checks = slices.DeleteFunc(ac.checks, func(x *check) bool { return x == k })
	k.letGo()
	a.log.Info("tags checked", accountField(ac.Name), zap.String("cmd", k.rec.Cmd), zap.String("by", k.rec.By), zap.Int("checked", k.Checked), zap.Int("unsettled", k.Unsettled),
		zap.Int("differ", k.Differ), zap.Int("foreign", k.Foreign), zap.Int("repaired", k.Repaired), zap.Int("refused", k.Refused))
	if k.resync() {
		k.rec.Ended, ac.synced = a.clock.now().UTC(), k.rec.ID
		a.w.Put(ledger.CheckKey(ac.Key, k.rec.ID), k.rec)
		return
	}
	a.w.Delete(ledger.CheckKey(ac.Key, k.rec.ID))
	d := k.Drift
	a.w.Answer(ledger.AnswerKey(k.rec.ID, a.p), ledger.Answer{V: ledger.Version, ID: k.rec.ID, Partition: a.p, Instance: a.opt.Instance, OK: true,
		Text: "account " + ac.Name + ": " + d.String(), Drift: &d, At: a.clock.now().UTC()})
}

// checked books a comparison's read.
func (a *actor) checked(r *reading, o Outcome) {
	k, ac := r.check, r.check.ac
	k.reads--
	delete(ac.comparing, r)
	switch {
	case o.Class == ClassPermanent && len(r.users) == 1:
		k.Refused++
	case o.Class == ClassPermanent:
		k.again = append(k.again, halved(r.users)...)
	case o.Class != ClassOK && k.rec != nil:
		k.again = append(k.again, r.users)
	case o.Class == ClassOK:
		differ := k.Differ
		for _, user := range r.users {
			if ours, clean := r.ours[user]; clean && ac.settled(user) {
				a.compare(k, user, ac.users.Get(user), ours, slices.Sorted(slices.Values(r.tags[user])), r.some[user])
			} else {
				k.Unsettled++
			}
		}
		if n := k.Differ - differ; n > 0 {
			a.log.Warn("tags at the vendor differ from what it acknowledged", accountField(ac.Name), zap.Int("users", n), zap.Bool("repaired", k.repairing()))
		}
	}
	a.opt.Metrics.drift.WithLabelValues(ac.Name).Set(float64(len(ac.drifted)))
	a.advance(k)
}

// letGo ends a walk.
func (k *check) letGo() {
	if k.stop != nil {
		k.stop()
	}
	k.next, k.stop = nil, nil
}

// stopChecks ends the walks of an actor that ends.
func (a *actor) stopChecks() {
	for _, ac := range a.accounts {
		for _, k := range ac.checks {
			k.letGo()
		}
		ac.retags.letGo()
	}
}
