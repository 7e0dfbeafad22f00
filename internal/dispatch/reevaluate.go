package dispatch

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/tagsync"
)

// retags evaluates the known users of an account again when its tag rules have changed (ledger.TagChange draws the states). All of them
// are counted first; more than tags.max_change wait for a human. Then those whose set differs are written, part by part, with what
// ordinary changes leave of the tag lanes. Both are done a slice a turn, so that nothing else waits for it.
type retags struct {
	rec   *ledger.TagChange // nil: nothing on record yet
	fresh bool              // the partition was taken over and this was not looked at yet
	late  bool              // the table was empty then, and intents had come before

	next   func() (string, bool) // the walk over the users
	stop   func()
	walked bool // nobody is left
	looked int  // users looked at, with the parts before

	differ        int // counted
	flying        int // users in a call when they were counted: it is for the rules of its time
	gains, losses map[string]int

	out              map[string]bool // users whose set is on its way, while they are written
	written, refused int             // in this part
	told             bool            // counted in notifier_approvals_waiting
}

func newRetags() *retags { return &retags{fresh: true, out: map[string]bool{}} }

const (
	minChange  = 100             // users: tags.max_change is never less
	rollingFor = 2 * time.Minute // other instances may get the same rule files in that time
	maxSlice   = 1000            // users evaluated in one turn, ...
	sliceFor   = 5 * time.Millisecond
	maxSkip    = 20000       // ... and looked at
	maxOut     = 20000       // users whose set is on its way
	maxTurns   = 10000       // tags counted
	retagDelay = time.Second // until a group that fills no call leaves
)

// planRetags goes on with an account's re-evaluation, or begins one when its tag rules are not those on record.
func (a *actor) planRetags(ac *account, now time.Time) {
	if ac.lanes[LaneTag] == nil {
		return
	}
	r := ac.retags
	tags, set := a.opt.Rules().TagRules(ac.Name)
	differ := r.rec == nil || r.rec.Rules != tags || r.rec.State == ledger.TagsRejected && r.rec.RuleSet != set
	fresh := r.fresh
	r.fresh = false
	defer a.tellRetags(ac)
	switch {
	case differ && ac.users.Len() == 0:
		r.begin(tags, set)
		a.enter(ac, ledger.TagsSettled)
	case differ && fresh:
		a.distrust(ac, now)
		return
	case differ && r.rec.Waits.After(now):
		a.wakeAt(r.rec.Waits)
		return
	case differ:
		a.beginRetags(ac, tags, set)
	case !r.rec.Waits.IsZero(): // the files are those on record again
		r.rec.Waits = time.Time{}
		a.w.Put(ledger.TagChangeKey(ac.Key), r.rec)
	}
	switch r.rec.State {
	case ledger.TagsCounting:
		a.countRetags(ac, now)
	case ledger.TagsWriting:
		a.writeRetags(ac, now)
	}
}

// distrust lets a new owner whose rules are not those on record wait: in a rolling reload the files of one instance are older than the
// others' for a moment, and users would be written to and fro.
func (a *actor) distrust(ac *account, now time.Time) {
	r := ac.retags
	if r.rec == nil { // an older release kept no record
		r.rec = &ledger.TagChange{V: ledger.Version, State: ledger.TagsSettled, At: now.UTC()}
	}
	r.rec.Waits = now.Add(rollingFor).UTC()
	a.w.Put(ledger.TagChangeKey(ac.Key), r.rec)
	a.wakeAt(r.rec.Waits)
	a.log.Error("the tag rules of this instance are not those by which users were last evaluated: they are evaluated again in two minutes, unless the files change",
		accountField(ac.Name), zap.Time("at", r.rec.Waits))
}

// beginRetags starts an evaluation by the present rules, from the beginning: whatever went on was for others.
func (a *actor) beginRetags(ac *account, tags, set string) {
	r := ac.retags
	r.letGo()
	clear(r.out)
	r.written, r.refused = 0, 0
	ac.later = tagsync.NewGroups(ac.batch())
	ac.diffs.RemoveLater()
	r.begin(tags, set)
	r.startCount()
	a.enter(ac, ledger.TagsCounting)
	a.log.Info("tag rules changed: known users are evaluated again", accountField(ac.Name), zap.Int("users", ac.users.Len()))
}

// begin makes the record of a change to these tag rules.
func (r *retags) begin(tags, set string) {
	next := &ledger.TagChange{V: ledger.Version, Rules: tags, RuleSet: set}
	if r.rec != nil {
		next.Table = r.rec.Table
	}
	r.rec = next
}

// enter puts a change into a state, on record.
func (a *actor) enter(ac *account, s ledger.TagState) {
	r := ac.retags
	r.rec.State, r.rec.At = s, a.clock.now().UTC()
	a.w.Put(ledger.TagChangeKey(ac.Key), r.rec)
}

func (r *retags) startCount() {
	r.looked, r.differ, r.flying, r.gains, r.losses = 0, 0, 0, map[string]int{}, map[string]int{}
}

// countRetags goes on with the count and, at its end, decides.
func (a *actor) countRetags(ac *account, now time.Time) {
	r := ac.retags
	if r.gains == nil { // of a predecessor: counted anew
		r.startCount()
	}
	ended := r.walk(a.clock.machine, ac, func(string) bool { return true }, func(user string) {
		if ac.busy[user] != nil {
			r.flying++
			return
		}
		want, has, differs := a.differs(ac, user)
		if !differs {
			return
		}
		r.differ++
		turn(r.gains, without(want, has))
		turn(r.losses, without(has, want))
	})
	if !ended {
		a.wakeAt(now)
		return
	}
	rec := r.rec
	rec.Known, rec.Users, rec.Limit = ac.users.Len(), r.differ, max(minChange, int(ac.MaxChange*float64(ac.users.Len())))
	rec.Tags, rec.Others = turns(r.gains, r.losses)
	r.gains, r.losses = nil, nil
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", rec.Rules, rec.Users, now.UnixNano()))
	rec.ID = hex.EncodeToString(sum[:5])
	switch {
	case rec.Users+r.flying == 0:
		a.enter(ac, ledger.TagsSettled)
	case rec.Users <= rec.Limit:
		a.startWriting(ac)
	default:
		a.enter(ac, ledger.TagsApproval)
		a.log.Error("the changed tag rules give more users other tags than tags.max_change allows: they wait for approval; next: notifier approvals list",
			accountField(ac.Name), zap.Int("users", rec.Users), zap.Int("limit", rec.Limit), zap.Int("known", rec.Known))
	}
}

// turn counts tags that users get or lose.
func turn(counts map[string]int, tags []string) {
	for _, t := range tags {
		if _, ok := counts[t]; ok || len(counts) < maxTurns {
			counts[t]++
		}
	}
}

// turns gives the most frequent gains and losses, and how many more tags there are.
func turns(gains, losses map[string]int) (out []ledger.TagTurn, others int) {
	for t, n := range gains {
		out = append(out, ledger.TagTurn{Tag: t, Gains: n, Losses: losses[t]})
	}
	for t, n := range losses {
		if _, both := gains[t]; !both {
			out = append(out, ledger.TagTurn{Tag: t, Losses: n})
		}
	}
	slices.SortFunc(out, func(x, y ledger.TagTurn) int {
		return cmp.Or(cmp.Compare(y.Gains+y.Losses, x.Gains+x.Losses), cmp.Compare(x.Tag, y.Tag))
	})
	if n := len(out) - ledger.MaxTagTurns; n > 0 {
		return out[:ledger.MaxTagTurns:ledger.MaxTagTurns], n
	}
	return out, 0
}

// differs compares what a user has with what the present rules give. Who has a change on its way gets what the present rules give by
// that; of who was never read or is gone there is nothing to compare.
func (a *actor) differs(ac *account, user string) (want, has []string, differs bool) {
	u := ac.users.Get(user)
	if u == nil || u.Gone || !ac.byDifferences() && (u.Acked == nil || u.Foreign == nil) || !u.RewriteAt.IsZero() || ac.asks(user) {
		return nil, nil, false
	}
	want = a.wanted(ac, u)
	return want, u.Acked, !slices.Equal(want, u.Acked) || ac.byDifferences() && u.Had != nil
}

// startWriting divides the users into parts: those that are done are remembered, since the table is not sorted.
func (a *actor) startWriting(ac *account) {
	rec := ac.retags.rec
	rec.Parts, rec.Part, rec.Written, rec.Refused = min(max(1, ac.users.Len()/1000), ledger.CheckParts), 0, 0, 0
	ac.retags.looked = 0
	a.enter(ac, ledger.TagsWriting)
	a.wakeAt(a.clock.now())
}

// writeRetags finds the users of a part whose set differs, and ends the part when all of them are written.
func (a *actor) writeRetags(ac *account, now time.Time) {
	r := ac.retags
	rec := r.rec
	if !r.walked && len(r.out) < maxOut {
		mine := func(user string) bool {
			return rec.Parts < 2 || ledger.HashPartition([]byte(user), rec.Parts) == rec.Part
		}
		r.walked = r.walk(a.clock.machine, ac, mine, func(user string) {
			if _, _, differs := a.differs(ac, user); differs || ac.busy[user] != nil { // a call that is in flight was for the rules of its time
				r.out[user] = true
				a.retag(ac, user)
			}
		})
		if !r.walked {
			a.wakeAt(now)
		}
	}
	if !r.walked || len(r.out) > 0 {
		return
	}
	rec.Part, rec.Written, rec.Refused = rec.Part+1, rec.Written+r.written, rec.Refused+r.refused
	r.walked, r.written, r.refused = false, 0, 0
	if rec.Part < rec.Parts {
		a.w.Put(ledger.TagChangeKey(ac.Key), rec)
		a.wakeAt(now)
		return
	}
	a.log.Info("the known users have the tags of the present rules", accountField(ac.Name), zap.Int("written", rec.Written), zap.Int("refused", rec.Refused))
	a.enter(ac, ledger.TagsSettled)
}

// walk hands the users that are chosen to f, as many as a turn may take. It is true when nobody is left.
func (r *retags) walk(machine func() time.Time, ac *account, chosen func(user string) bool, f func(user string)) (ended bool) {
	if r.next == nil { // a map may change while it is walked: who stays is seen once
		r.next, r.stop = iter.Pull(ac.users.Users())
	}
	began, n := machine(), 0
	for i := range maxSkip {
		if n >= maxSlice || i%64 == 63 && machine().Sub(began) > sliceFor {
			return false
		}
		user, ok := r.next()
		if !ok {
			r.letGo()
			return true
		}
		if chosen(user) {
			n++
			r.looked++
			f(user)
		}
	}
	return false
}

// letGo ends a walk.
func (r *retags) letGo() {
	if r.stop != nil {
		r.stop()
	}
	r.next, r.stop, r.walked = nil, nil, false
}

// retagEnds books that a user's set was written, or refused. A call that began before the user was looked at may have had another set.
func (a *actor) retagEnds(ac *account, user string, set []string, written bool) {
	r := ac.retags
	if !r.out[user] {
		return
	}
	if u := ac.users.Get(user); u != nil && !slices.Equal(set, a.wanted(ac, u)) {
		return
	}
	delete(r.out, user)
	if written {
		r.written++
	} else {
		r.refused++
	}
}

// tellRetags sets the gauges.
func (a *actor) tellRetags(ac *account) {
	r := ac.retags
	left, waits := 0, false
	switch rec := r.rec; rec.State {
	case ledger.TagsCounting:
		left = ac.users.Len() - r.looked
	case ledger.TagsApproval:
		left, waits = rec.Users, true
	case ledger.TagsWriting:
		left = ac.users.Len() - ac.users.Len()*rec.Part/rec.Parts // a part is done when nothing of it is out
	}
	a.opt.Metrics.retagsLeft.WithLabelValues(ac.Name).Set(float64(max(0, left)))
	a.tellWaits(ac, waits)
}

func (a *actor) tellWaits(ac *account, waits bool) {
	if waits != ac.retags.told {
		ac.retags.told = waits
		a.opt.Metrics.approvals.WithLabelValues(ac.Name).Add(map[bool]float64{true: 1, false: -1}[waits])
	}
}

// decideTags takes in a human's word on a change of tags that waits.
func (a *actor) decideTags(ac *account, c command, refuse func(string, ...any), ans *ledger.Answer) {
	rec := ac.retags.rec
	tags, files := a.opt.Rules().TagRules(ac.Name)
	switch {
	case rec == nil || rec.State != ledger.TagsApproval:
		refuse("no change of tags of account %s waits for approval; next: notifier status", ac.Name)
		return
	case c.Expect != rec.ID || tags != rec.Rules: // of a predecessor with other files, or edited this moment
		refuse("the change of tags is not the one that was shown, the rules have changed since: look again; next: notifier approvals list")
		return
	}
	rec.By, rec.Why = c.By, c.Why
	if c.Cmd == ledger.CmdReject {
		rec.RuleSet = files // what was rejected: other files ask again
		a.enter(ac, ledger.TagsRejected)
		a.tellRetags(ac)
		ans.Text = fmt.Sprintf("rejected: the tags of %d users stay as they are; the next reload of the rule files asks again", rec.Users)
		return
	}
	a.startWriting(ac)
	a.tellRetags(ac)
	ans.Text = fmt.Sprintf("approved: the tags of %d users are written, after everything else; how far it is: notifier status", rec.Users)
}
