package dispatch

import (
	"maps"
	"slices"
	"time"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/quota"
	"github.com/notifier/notifier/internal/tagsync"
)

// account is an Account with what its actor knows of it.
type account struct {
	*Account
	lanes  map[string]*lane
	names  []string // of the lanes, sorted: they are the same for its life
	users  *tagsync.Table
	groups *tagsync.Groups
	later  *tagsync.Groups // users who are evaluated again because the rules changed: they go when nobody else is due
	diffs  *tagsync.Diffs  // instead of both, where tags are changed by differences
	retags *retags
	asked  map[string]*item // user -> the profile intent that waits for its tags to be sent; at the end of a turn most are parked
	busy   map[string]*call // user -> the tag call in flight (ONE-IN-FLIGHT)
	refuse []refused        // tag batches to be split, and changes of tags that go once more
	parted bool             // the last change of tags that left was one of those: now others have their turn
	merges map[string]*item // open merges, see mergeOf

	toRead     []string             // users whose tags must be read before the first write
	readBy     time.Time            // when they are read at the latest
	readHalves [][]string           // refused reads, split
	readOnce   map[string]bool      // users whose read goes once more
	readAt     map[string]time.Time // users who were read so that their set can be replaced
	recent     recent               // changes that the vendor accepted a moment ago
	tagsFull   time.Time            // the lane of differences has no slot before
	toldFull   time.Time            // until when the log says so
	reading    map[string]bool      // those, and those whose read is in flight

	checks    []*check          // comparisons of tags that go on, in the order of their turns
	comparing map[*reading]bool // their reads in flight
	repairs   map[string]*check // users whose set is being written again, and for whom
	drifted   map[string]bool   // users last found to differ and not repaired since
	synced    string            // the last resync, ended, whose record is kept

	rotation int64 // of the credentials that the lanes were last closed, or tried, with

	pushes backlog
	casts  backlog
}

// refused is a batch of users whose set the vendor refused: sent again in halves until the culprit is alone (design.md 3.12).
type refused struct {
	users    []string
	set      []string
	endpoint string    // where tags are changed by differences
	try      int       // there: of the call that was refused; 0: its first
	began    time.Time // there: when the first try started
}

// newAccount makes an account's lanes at a take-over. What predecessors sent is counted apart, call by call (restoreWindows,
// restoreAttempts). A window begins full as of a time where that is not known: as of gap, when an outcome was written of a call that the
// ledger has forgotten; of a window longer than the ledger's memory as of before, the predecessor's last commit, because whatever it sent
// and has booked arrived by then; and reads of tags are in no ledger, so their window begins full as of reads: now, but where nobody was before.
func newAccount(a *Account, reads, before, gap time.Time) *account {
	ac := &account{Account: a, lanes: map[string]*lane{}, users: tagsync.NewTable(), asked: map[string]*item{}, busy: map[string]*call{}, merges: map[string]*item{},
		reading: map[string]bool{}, readOnce: map[string]bool{}, readAt: map[string]time.Time{}, recent: recent{},
		comparing: map[*reading]bool{}, repairs: map[string]*check{}, drifted: map[string]bool{}, retags: newRetags(), rotation: a.rotations()}
	ac.pushes.max, ac.casts.max = a.MaxPushes, a.MaxBroadcasts
	if ac.pushes.max == 0 {
		ac.pushes.max = 1_000_000
	}
	if ac.casts.max == 0 {
		ac.casts.max = 10_000
	}
	for name, pol := range a.Lanes {
		l := &lane{name: name, ac: ac, Policy: pol, queue: newPushQueue()}
		if l.Window == 0 {
			l.Window = second
		}
		if pol.Rate > 0 {
			since := gap
			switch {
			case name == LaneTagGet:
				since = reads
			case l.Window > ledger.EndedFor:
				since = before
			}
			l.pacer = quota.NewPacer(pol.Rate, l.Window, since)
		}
		ac.lanes[name] = l
	}
	ac.names = slices.Sorted(maps.Keys(ac.lanes))
	ac.groups, ac.later, ac.diffs = tagsync.NewGroups(ac.batch()), tagsync.NewGroups(ac.batch()), tagsync.NewDiffs(ac.batch())
	if a.VerifyUsers > 0 && ac.lanes[LaneTagGet] != nil {
		ac.checks = append(ac.checks, newCanary(ac))
	}
	return ac
}

// batch is how many users one tag call takes.
func (ac *account) batch() int {
	for _, name := range []string{LaneTagBatch, LaneTag} {
		if l := ac.lanes[name]; l != nil {
			return l.MaxBatch
		}
	}
	return 1
}

// keepUser keeps what changed in a user's row, in the table and on record.
func (a *actor) keepUser(ac *account, user string, u *tagsync.User) {
	ac.users.Put(user, u)
	a.w.Put(ledger.UserKey(ac.Key, user), u)
}

// unqueue lets a user wait for no tag call.
func (ac *account) unqueue(user string) {
	ac.groups.Remove(user)
	ac.later.Remove(user)
	ac.diffs.Remove(user)
}

// laneOf is the lane of an attempt, or the one that takes its place: a lane may be gone since.
func (ac *account) laneOf(at *ledger.Attempt) *lane {
	if l := ac.lanes[at.Lane]; l != nil {
		return l
	}
	for _, l := range ac.lanes {
		if slices.ContainsFunc(l.Also, func(c Counted) bool { return c.Lane == at.Lane }) {
			return l
		}
	}
	return nil
}

// probing reports whether a probe of the account's credentials is on its way.
func (ac *account) probing() bool {
	for _, l := range ac.lanes {
		if l.probing && l.closed != nil && l.closed.Reason == "credentials" {
			return true
		}
	}
	return false
}

// unmerge lets no trigger into an item any more.
func (ac *account) unmerge(it *item) {
	if in := it.p().Intent; in.Merge != nil && ac.merges[mergeOf(in)] == it {
		delete(ac.merges, mergeOf(in))
	}
}

// revise makes an item one of another revision of its rule, which makes the same of its event. An open merge goes on as that one's, unless there
// is one.
func (ac *account) revise(it *item, revision string) {
	in := *it.p().Intent
	open := in.Merge != nil && ac.merges[mergeOf(&in)] == it
	ac.unmerge(it)
	in.Revision = revision
	it.p().Intent = &in
	if open && ac.merges[mergeOf(&in)] == nil {
		ac.merges[mergeOf(&in)] = it
	}
}

// forget takes an item out of the account's indexes.
func (ac *account) forget(it *item) {
	if l := ac.lanes[it.route.Lane]; l != nil {
		l.remove(it)
	}
	in := it.p().Intent
	ac.unmerge(it)
	if ac.asked[in.Target] == it {
		delete(ac.asked, in.Target)
	}
	if b := ac.backlog(it); b != nil {
		b.n--
		b.compact()
	}
}

// backlog is the bounded class an item belongs to; profile intents have none: they only change the user table.
func (ac *account) backlog(it *item) *backlog {
	switch {
	case it.tags:
		return nil
	case it.route.Users:
		return &ac.pushes
	}
	return &ac.casts
}

// lane is one bucket of the vendor's limits.
type lane struct {
	Policy
	name    string
	ac      *account
	pacer   *quota.Pacer
	running int
	queue   *pushQueue           // named users
	casts   []*item              // audiences, unordered: a scarce lane holds few
	halves  [][]*item            // refused calls, split: each goes alone, first
	again   []*call              // ambiguous, to be made again
	rests   map[string]time.Time // forms that the vendor does not take before a time, by endpoint
	spare   []*item              // queued, with other accounts to try

	closed    *ledger.LaneState
	stalled   *ledger.LaneState // not closed, but calls do not get through
	misses    int               // calls in a row that did not
	probing   bool
	trial     bool   // after a probe: one call may pass
	unclear   int    // ambiguous outcomes in a row
	taken     int    // refusals in a row for a quota that our ledger said was free
	notSent   int    // calls in a row that did not leave
	refusals  int    // requests of different events that the vendor refused in a row
	refused   string // the event of the last of them
	backoff   time.Duration
	together  bool            // it was closed last with all lanes of the account
	closedFor time.Duration   // the last pause of a closed lane, until a call succeeds: the next one is twice as long
	leftOpen  int             // calls of a predecessor that hold the lane until they are settled
	notBefore time.Time       // pause after a refusal for now, or while a predecessor's call may arrive
	mayDrop   bool            // an audience waits that gives up if it finds no slot
	stepped   time.Time       // when it was last slowed down or closed; at first, when it was taken over
	certain   time.Time       // a refusal for now of a call that began before may be our own doing
	episode   *ledger.Attempt // of others who use a lane that is limited per second
}

// news reports whether a call that began then says anything the lane does not know: calls that were in flight together fail
// together, and a step is taken once for all of them. What a predecessor's death left open says nothing of the vendor.
func (l *lane) news(began time.Time) bool { return began.After(l.stepped) }

func (l *lane) scarce() bool  { return len(l.Limits) > 0 }
func (l *lane) full() string  { return l.ac.Name + "/" + l.name }
func (l *lane) waiting() bool { return l.queue.n > 0 || len(l.casts) > 0 || len(l.halves) > 0 }

func (l *lane) remove(it *item) {
	l.queue.remove(it)
	for i, h := range l.halves {
		if j := slices.Index(h, it); j >= 0 {
			l.halves[i] = slices.Concat(h[:j], h[j+1:])
			if len(l.halves[i]) == 0 {
				l.halves = slices.Concat(l.halves[:i], l.halves[i+1:])
			}
			break
		}
	}
	for i, o := range l.casts {
		if o == it {
			l.casts[i] = l.casts[len(l.casts)-1]
			l.casts[len(l.casts)-1] = nil
			l.casts = l.casts[:len(l.casts)-1]
			break
		}
	}
}

// SpanAndGuard are the terms of quota.Free for a lane: how long after its start a call may arrive, and how much window edges are
// widened: the request's time-out and two clocks each up to maxSkew off (design.md 3, Quota).
func SpanAndGuard(timeout time.Duration, pol Policy) (span, guard time.Duration) {
	return timeout + pol.Late, timeout + 2*maxSkew
}

// ChargeOf is an attempt as the quota counts it: from its start to its outcome, or until it can no longer arrive.
func ChargeOf(at *ledger.Attempt, pol Policy) quota.Charge {
	to := at.Until
	if to.IsZero() {
		to = at.NotAfter.Add(pol.Late)
	}
	return quota.Charge{From: at.At, To: to, Weight: at.Weight}
}

// chargeSources are the labels of notifier_quota_used.
var chargeSources = []string{"own", "unknown", "external"}

// SourceOf says who used a slot: we did, we may have, somebody else did.
func SourceOf(at *ledger.Attempt) string {
	switch at.State {
	case ledger.Unknown:
		return "unknown"
	case ledger.External:
		return "external"
	}
	return "own"
}

// charges are the lane's attempts as the quota counts them.
func (a *actor) charges(l *lane) []quota.Charge {
	var out []quota.Charge
	for _, charges := range a.chargesBySource(l) {
		out = append(out, charges...)
	}
	return out
}

// counts reports whether an attempt takes from the lane's limits.
func (l *lane) counts(at *ledger.Attempt) bool {
	return at.Account == l.ac.Key && CountsIn(at, l.name, l.Policy)
}

// CountsIn reports whether an attempt of the account takes from a lane's limits: those of the lane do, and what Also names.
func CountsIn(at *ledger.Attempt, name string, pol Policy) bool {
	if at.State == ledger.NotSent {
		return false
	}
	return at.Lane == name || slices.ContainsFunc(pol.Also, func(c Counted) bool { return c.Lane == at.Lane && (c.Endpoint == "" || c.Endpoint == at.Endpoint) })
}

func (a *actor) chargesBySource(l *lane) map[string][]quota.Charge {
	out := map[string][]quota.Charge{}
	for _, s := range chargeSources {
		out[s] = nil
	}
	for _, at := range a.kept {
		if l.counts(at) {
			s := SourceOf(at)
			out[s] = append(out[s], ChargeOf(at, l.Policy))
		}
	}
	return out
}

// used tells how far the limits of a scarce lane are used.
func (a *actor) used(l *lane, now time.Time) []quota.Usage {
	span, guard := SpanAndGuard(l.ac.Timeout, l.Policy)
	return quota.Used(l.Limits, a.charges(l), now, span, guard)
}

// slot is the earliest time at which a call of this weight may start, in the actor's time.
func (a *actor) slot(l *lane, weight int, now time.Time) time.Time {
	return a.slotUnder(l, l.Limits, weight, now)
}

// slotUnder is slot under other limits than the lane's own.
func (a *actor) slotUnder(l *lane, limits []quota.Limit, weight int, now time.Time) time.Time {
	at := now
	if l.notBefore.After(at) {
		at = l.notBefore
	}
	var free time.Time
	var err error
	if l.pacer != nil {
		local := a.clock.machine()
		free, err = l.pacer.At(local, weight)
		free = now.Add(free.Sub(local))
	} else {
		span, guard := SpanAndGuard(l.ac.Timeout, l.Policy)
		free, err = quota.Free(limits, a.charges(l), weight, now, span, guard)
	}
	if err != nil { // heavier than the limit: MaxBatch keeps it out; a limit of 0 means never
		return now.Add(time.Hour)
	}
	if free.After(at) {
		at = free
	}
	return at
}

// holdReasons are the labels of notifier_lane_held.
var holdReasons = []string{"credentials", "service", "breaker", "clock", "takeover", "operator"}

// Pauses between two tries of a closed lane.
const (
	firstPause = 15 * time.Second
	maxPause   = 10 * time.Minute

	// Of a scarce lane whose service is off: only a real call finds out, and the vendor counts it, so a wave of tries would have used up
	// the hour, then the day, by the time the service is on. Who has switched it on says so: resume.
	firstCostly = 10 * time.Minute
	laterCostly = 2 * time.Hour
)

// maxBackoff is the longest pause of a lane whose calls do not get through.
const maxBackoff = 30 * time.Second

// close stops a lane until a probe or a trial succeeds; the pause doubles each time it fails.
func (a *actor) close(l *lane, reason, detail string) {
	now := a.clock.now()
	st := ledger.LaneState{Reason: reason, Detail: detail, Since: now.UTC()}
	pause := min(max(2*l.closedFor, firstPause), maxPause)
	if l.scarce() && reason == "service" {
		pause = firstCostly
		if l.closedFor >= firstCostly {
			pause = laterCostly
		}
	}
	l.closedFor = pause
	if l.stalled != nil {
		a.unstall(l)
	}
	if l.closed != nil {
		st.Since = l.closed.Since
		a.opt.Metrics.held.WithLabelValues(l.full(), l.closed.Reason).Set(0)
	}
	a.opt.Metrics.held.WithLabelValues(l.full(), reason).Set(1)
	if l.closed == nil {
		a.log.Error("lane closed: its intents are kept", laneField(l.full()), reasonField(reason), detailField(detail))
	}
	st.Pause, st.Retry, st.Refusals = pause.Milliseconds(), now.Add(pause).UTC(), l.refusals
	l.closed, l.trial, l.probing, l.stepped = &st, false, false, now
	a.w.Put(ledger.LaneKey(l.ac.Key, l.name), st)
}

// tryNow ends the pauses of closed lanes whose service somebody says is on; it gives their names.
func (a *actor) tryNow(scope string) (lanes []string) {
	now := a.clock.now()
	for _, key := range slices.Sorted(maps.Keys(a.accounts)) {
		ac := a.accounts[key]
		for _, name := range slices.Sorted(maps.Keys(ac.lanes)) {
			l := ac.lanes[name]
			if l.closed == nil || l.closed.Reason != "service" || !l.in(scope) {
				continue
			}
			st := *l.closed
			st.Retry = now.UTC()
			l.closed = &st
			a.w.Put(ledger.LaneKey(ac.Key, name), st)
			lanes = append(lanes, l.full())
		}
	}
	return lanes
}

// open lets a lane send again.
func (a *actor) open(l *lane) {
	l.unclear, l.taken, l.backoff, l.trial = 0, 0, 0, false
	a.answered(l)
	if l.closed == nil {
		return
	}
	a.opt.Metrics.held.WithLabelValues(l.full(), l.closed.Reason).Set(0)
	a.log.Info("lane open again", laneField(l.full()), reasonField(l.closed.Reason))
	l.closed = nil
	a.w.Delete(ledger.LaneKey(l.ac.Key, l.name))
}

// ready reports whether a lane may start a call, its slot apart; at is when to look again otherwise (zero: something else wakes us).
func (a *actor) ready(l *lane, now time.Time) (ok bool, at time.Time) {
	parallel := l.Parallel
	if l.backoff > 0 || l.refusals >= maxRefusals { // the last call did not get through: one finds out whether the next does, not a wave of them
		parallel = 1
	}
	if l.closed != nil {
		if l.running > 0 {
			return false, time.Time{}
		}
		if !l.trial {
			if l.probing {
				return false, time.Time{}
			}
			if now.Before(l.closed.Retry) {
				return false, l.closed.Retry
			}
			if l.closed.Reason == "credentials" && l.ac.probing() {
				return false, time.Time{} // one probe speaks for all lanes of the account
			}
			if l.closed.Reason == "service" {
				l.trial = true // a read-only call says nothing of a service: the next call is the trial
			} else {
				a.probe(l)
				return false, time.Time{}
			}
		}
		parallel = 1
	}
	if l.scarce() && !a.clock.bounded() {
		a.opt.Metrics.held.WithLabelValues(l.full(), "clock").Set(1)
		a.w.Touch() // the skew is measured on commits: nothing else may come for hours
		return false, now.Add(10 * time.Second)
	}
	if l.scarce() {
		a.opt.Metrics.held.WithLabelValues(l.full(), "clock").Set(0)
	}
	if a.pausedLane(l) {
		return false, time.Time{}
	}
	if l.running >= parallel {
		return false, time.Time{}
	}
	if l.notBefore.After(now) {
		return false, l.notBefore
	}
	return true, time.Time{}
}
