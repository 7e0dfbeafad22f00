package dispatch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// command is a Command with its offset on the control topic.
type command struct {
	ledger.Command
	offset int64
}

// user is whom a command is about: its record has them, a log must not.
func (c command) user() string {
	switch c.Cmd {
	case ledger.CmdForget:
		return c.Target
	case ledger.CmdVerify:
		return c.Args["user"]
	case ledger.CmdCancel:
		if parts := strings.SplitN(c.Target, "/", 5); len(parts) == 5 {
			return parts[4]
		}
	}
	return ""
}

func decodeCommand(b []byte, c *ledger.Command) error {
	if err := json.Unmarshal(b, c); err != nil {
		return fmt.Errorf("decode command: %w", err)
	}
	if c.V < 1 || c.V > ledger.Version {
		return fmt.Errorf("command %s has version %d, this binary reads up to %d", c.ID, c.V, ledger.Version)
	}
	return nil
}

// obeyAll obeys commands in their order. One that has to wait keeps those behind it waiting: the position can name only where the first of them is.
func (a *actor) obeyAll(commands []command) {
	for i, c := range commands {
		if a.obey(c) {
			continue
		}
		a.inbox.giveBack(commands[i:])
		return
	}
}

// obey applies a command once: the position record remembers the offset in the same transaction as the effect. It is false when the command has
// to wait for what one before it began: that is done in slices, turn by turn, and whoever typed it may be gone, so that nobody would ask again.
func (a *actor) obey(c command) bool {
	if c.offset < a.pos.Control {
		return true
	}
	if c.Cmd == ledger.CmdRevive && a.givingUp(c.Target) || c.Cmd == ledger.CmdExtend && a.extending(c.Target) {
		return false
	}
	a.pos.Control = c.offset + 1
	a.w.Touch()
	if p := c.Partition(a.opt.Topics, a.gen.Partitions); p != a.p && p != ledger.Everybody {
		return true // another partition's account or attempt; or it is done, and the record says by whom
	}
	ans := ledger.Answer{V: ledger.Version, ID: c.ID, Partition: a.p, Instance: a.opt.Instance, OK: true, At: a.clock.now().UTC()}
	switch c.Cmd {
	case ledger.CmdPause:
		a.pauseScope(c, &ans)
	case ledger.CmdResume:
		a.resumeScope(c, &ans)
	case ledger.CmdKill:
		a.kill(c, &ans)
	case ledger.CmdRevive:
		a.revive(c, &ans)
	case ledger.CmdExtend:
		a.extend(c, &ans)
	case ledger.CmdCancel:
		a.cancel(c, &ans)
	case ledger.CmdResolve, ledger.CmdRecall:
		if !a.ours(c.Target) {
			return true // an earlier ledger's attempt
		}
		if c.Cmd == ledger.CmdResolve {
			a.resolveAttempt(c, &ans)
		} else if a.recall(c, &ans) {
			return true // its outcome is the answer
		}
	case ledger.CmdVerify, ledger.CmdResync:
		if a.checkTags(c, &ans) {
			return true // what it finds is the answer
		}
	case ledger.CmdApprove, ledger.CmdReject:
		a.decide(c, &ans)
	case ledger.CmdCharge:
		a.charge(c, &ans)
	case ledger.CmdAssume:
		a.answerAssumed(c, &ans)
	case ledger.CmdSkip:
		if !a.skip(c, &ans) {
			return true // an event's
		}
	case ledger.CmdForget:
		a.forgetUser(c, &ans)
	default:
		ans.OK, ans.Text = false, fmt.Sprintf("this release does not know the command %q", c.Cmd)
	}
	nobody := func(s string) string { return unsaid(s, []string{c.user()}, nil) }
	a.log.Info("command", zap.String("cmd", c.Cmd), zap.String("target", nobody(c.Target)), zap.String("by", c.By), zap.String("why", nobody(c.Why)), zap.Bool("ok", ans.OK), zap.String("answer", nobody(ans.Text)))
	a.w.Answer(ledger.AnswerKey(c.ID, a.p), ans)
	return true
}

func (a *actor) pauseScope(c command, ans *ledger.Answer) {
	p := ledger.Pause{By: c.By, Why: c.Why, At: c.At, ID: c.ID, Tripped: a.pauses[c.Target].OfBrake()}
	a.pauses[c.Target] = p
	delete(a.edits.jobs, c.Target) // a resume that was still evaluating is over
	a.w.Put(ledger.PauseKey(c.Target), p)
	a.holdPaused()
	ans.Flying = a.flyingWhere(func(cl *call) bool {
		return a.pausedLane(cl.lane) || slices.ContainsFunc(cl.items, func(it *item) bool { return a.pausedRule(it.p().Intent) })
	})
	a.holds()
	ans.Text = "paused"
}

// flyingWhere counts the calls that have left, those that wait to be made again as well.
func (a *actor) flyingWhere(is func(*call) bool) (n int) {
	for _, cl := range a.calls {
		if is(cl) {
			n++
		}
	}
	for _, ac := range a.accounts {
		for _, l := range ac.lanes {
			for _, cl := range l.again {
				if is(cl) {
					n++
				}
			}
		}
	}
	return n
}

// holdPaused takes what a pause holds out of the queues.
func (a *actor) holdPaused() {
	for _, it := range a.items {
		if it.state == queued && !it.tags && a.pausedItem(it) {
			it.ac.lanes[it.route.Lane].remove(it)
			a.setState(it, paused)
		}
	}
}

func (a *actor) resumeScope(c command, ans *ledger.Answer) {
	tried := a.tryNow(c.Target)
	p, ok := a.pauses[c.Target]
	if !ok {
		if len(tried) > 0 {
			ans.Text = "the next call of " + strings.Join(tried, ", ") + " finds out at once whether the vendor serves it now"
			return
		}
		ans.Text = "was not paused"
		if rule, is := ruleOf(c.Target); is {
			if off, held := a.pauses[offScope+rule]; held {
				ans.OK, ans.Refused, ans.Text = false, true, "the rule files hold it: "+off.Why+"; next: edit the rule"
			}
		}
		return
	}
	stale := 0
	if c.Args[ledger.ArgSend] != ledger.SendOld {
		stale = a.resuming(c.Target, p, &ledger.Resuming{By: c.By, Why: c.Why, At: c.At, ID: c.ID})
	}
	if stale > 0 {
		ans.Intents, ans.Text = stale, releasedText(p)+resumedText(0, stale)
		return
	}
	ans.Text = releasedText(p) + resumedText(a.lift(c.Target), 0)
}

// holds tells the operator's pauses of lanes.
func (a *actor) holds() {
	for _, ac := range a.accounts {
		for _, l := range ac.lanes {
			v := 0.0
			if a.pausedLane(l) {
				v = 1
			}
			a.opt.Metrics.held.WithLabelValues(l.full(), "operator").Set(v)
		}
	}
}

// pausedLane reports whether an operator holds a whole lane.
func (a *actor) pausedLane(l *lane) bool {
	if len(a.pauses) == 0 {
		return false
	}
	for scope := range a.pauses {
		if l.in(scope) {
			return true
		}
	}
	return false
}

// in reports whether a scope of commands covers the whole lane.
func (l *lane) in(scope string) bool {
	return scope == "all" || scope == "account/"+l.ac.Name || scope == "lane/"+l.full() || l.Audiences && scope == "broadcasts"
}

func (a *actor) pausedRule(in *intent.Intent) bool {
	if len(a.pauses) == 0 {
		return false
	}
	_, ok := a.pauses["rule/"+in.Rule]
	if !ok {
		_, ok = a.pauses[offScope+in.Rule]
	}
	return ok
}

func (a *actor) pausedItem(it *item) bool {
	return a.pausedRule(it.intent()) || a.pausedLane(it.ac.lanes[it.route.Lane])
}

// resolveAttempt records a human's word on an UNKNOWN attempt. The charge stays either way, the vendor may have counted it; the limits of the
// rule get back what certainly was not sent.
func (a *actor) resolveAttempt(c command, ans *ledger.Answer) {
	at := a.kept[c.Target]
	if call := a.calls[c.Target]; at == nil && call != nil {
		at = call.attempt
	}
	if at == nil || at.State != ledger.Unknown {
		ans.OK, ans.Refused = false, true
		ans.Text = "no such attempt without outcome"
		if at != nil {
			ans.Text = "the attempt is " + string(at.State)
		}
		if at != nil && (at.State == ledger.Started || at.State == ledger.Again) {
			ans.Text = a.stillOpen(at)
		}
		if at != nil && at.State == ledger.Resolved && at.By != "" {
			ans.Text = fmt.Sprintf("the attempt is %s already, by %s: %s", at.Detail, at.By, at.Why)
		}
		return
	}
	kind, reason := ledger.Sent, ledger.ReasonNone
	if c.Args["as"] == "not-sent" {
		kind, reason = ledger.Suppressed, ledger.Cancelled
		a.unbook(at)
	}
	now := a.clock.now().UTC()
	if at.Recalls != "" {
		at.By, at.Why = c.By, c.Why
		a.saidOfRecall(at, ledger.OfRecall+c.Args["as"])
		ans.Text = "the recall of " + at.Recalls + " is on record as " + c.Args["as"]
	} else {
		ans.Text = fmt.Sprintf("%s %s now", many(len(at.Affected), "intent is", "intents are"), kind)
		a.resolveFates(at, c, kind, reason, now)
	}
	at.State, at.By, at.Why, at.Detail, at.Affected, at.Booked = ledger.Resolved, c.By, c.Why, resolved+c.Args["as"], nil, nil
	if ac := a.accounts[at.Account]; ac != nil && ac.lanes[at.Lane] != nil && !ac.lanes[at.Lane].scarce() {
		delete(a.kept, at.ID)
		a.w.Delete(ledger.AttemptKey(at.ID))
		return
	}
	a.w.Put(ledger.AttemptKey(at.ID), at) // it is charged; also of an account or a lane that the settings do not have now: they may have it again
}

// stillOpen says of a call whose outcome is not decided yet when it will be: until then nobody's word counts.
func (a *actor) stillOpen(at *ledger.Attempt) string {
	when := func(t time.Time) string { return t.In(a.opt.Zone).Format(time.RFC3339) }
	open := fmt.Sprintf("the call is open since %s and not without outcome yet: ", when(at.At))
	ac := a.accounts[at.Account]
	switch {
	case ac == nil || ac.laneOf(at) == nil:
		return open + fmt.Sprintf("it is judged when lane %s/%s is back in the settings; next: put the account back in notifier.yaml and restart", at.Account, at.Lane)
	case at.State == ledger.Again:
		return open + fmt.Sprintf("it is made again at %s under the same id; next: notifier attempts %s", when(at.Next), at.ID)
	case at.Owner != a.w.Nonce():
		return open + fmt.Sprintf("it is judged at %s at the latest; next: notifier attempts %s", when(latest(ac.laneOf(at).Settles(at), a.clock.now())), at.ID)
	}
	return open + "the vendor's answer or the time-out decides; next: notifier attempts " + at.ID
}

// What a resolved attempt says of itself.
const (
	resolved        = "resolved as "
	resolvedNotSent = resolved + "not-sent"
)

// resolveFates corrects the fates of the members of an attempt without outcome.
func (a *actor) resolveFates(at *ledger.Attempt, c command, kind ledger.FateKind, reason ledger.Reason, now time.Time) {
	for _, f := range at.Affected {
		f.Fate, f.Reason, f.Resolves, f.Kind, f.By, f.Why, f.At = kind, reason, ledger.FateUnknown, "operator", c.By, c.Why, now
		a.w.Fate(f)
		a.pos.Resolutions++
	}
}
