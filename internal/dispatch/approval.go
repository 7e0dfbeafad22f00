package dispatch

import (
	"fmt"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// awaitApproval lets a request that is complete wait for people. `within` counts from now on and not from the first trigger: a
// merge may take longer than anybody is given to decide.
func (a *actor) awaitApproval(it *item, now time.Time) {
	if it.p().Approval == nil {
		it.p().Approval = &ledger.Approval{Since: now.UTC()}
		a.keep(it)
	}
	end := it.p().Approval.Since.Add(it.p().Intent.Policy.Approval.Within)
	if !end.After(now) {
		a.fate(it, ledger.Suppressed, ledger.NotApproved, func(f *ledger.Fate) {
			f.Detail = fmt.Sprintf("%d of %d approved in time", len(it.p().Approval.By), it.p().Intent.Policy.Approval.People)
		})
		return
	}
	if it.state != approval {
		a.log.Warn("a request waits for approval; next: notifier approvals list", ruleField(it.p().Intent.Rule), intentField(it.p().Intent.ID))
	}
	a.setState(it, approval)
	a.timers.wake(it, end)
}

// decide takes in a person's word on a request, or on a change of tags.
func (a *actor) decide(c command, ans *ledger.Answer) {
	refuse := func(format string, args ...any) {
		ans.OK, ans.Refused, ans.Text = false, true, fmt.Sprintf(format, args...)
	}
	if c.By = strings.TrimSpace(c.By); ledger.Person(c.By) == "" {
		refuse("nobody's name stands on it")
		return
	}
	if key := c.Args[ledger.ArgAccount]; c.Target == ledger.TagsTarget(key) {
		if ac := a.accounts[key]; ac != nil {
			a.decideTags(ac, c, refuse, ans)
		} else {
			refuse("the settings of this instance have no such account")
		}
		return
	}
	now := a.clock.now()
	it := a.find(intent.ID(c.Target))
	if it != nil && (it.ac == nil || it.ac.lanes[it.route.Lane] == nil) {
		refuse("the settings of this instance have no account or lane for it: it waits for them")
		return
	}
	if it != nil && it.p().AwaitsApproval() && it.state != approval { // of a predecessor: its gates were not asked yet
		a.gate(it)
	}
	switch {
	case it == nil || it.state == gone:
		refuse("the request does not wait any more: it has its fate; next: notifier fates")
	case it.doom() != "":
		refuse("its rule is killed or removed: it is given up already")
	case it.state != approval:
		refuse("%s", elsewhere(it))
	case c.Expect != it.p().Mark():
		refuse("the request is not the one that was shown: look again; next: notifier approvals list")
	case !it.p().ApprovalEnds().After(now):
		a.gate(it)
		refuse("too late: nobody's approval was enough in time, the request is suppressed")
	case c.Cmd == ledger.CmdReject:
		a.fate(it, ledger.Suppressed, ledger.NotApproved, func(f *ledger.Fate) {
			f.Kind, f.By, f.Why, f.Detail = "operator", c.By, c.Why, "rejected"
		})
		ans.Text = "rejected: the request is suppressed (not-approved)"
	case it.p().Approval.Has(c.By):
		refuse("%s has approved already; %d more, under another name, must approve", c.By, it.p().Intent.Policy.Approval.People-len(it.p().Approval.By))
	default:
		a.approve(it, c, now, ans)
	}
}

// elsewhere says where a request stands that does not wait for approval.
func elsewhere(it *item) string {
	switch by := it.p().Approval.Names(); {
	case it.state == merging:
		return fmt.Sprintf("more triggers may still come until %s, and change the text: approve it then", it.p().Merged.Closes.Format(time.RFC3339))
	case len(by) > 0:
		return fmt.Sprintf("it is approved already, by %s: it is %s now", strings.Join(by, " and "), whereabouts(it))
	}
	return "it needs no approval: it is " + whereabouts(it)
}

// whereabouts is where a request stands, for people.
func whereabouts(it *item) string {
	switch it.state {
	case quiet:
		return "held by its quiet hours"
	case paused:
		return "held by a pause"
	case inFlight:
		return "on its way"
	case queued:
		return fmt.Sprintf("in the queue of lane %s/%s", it.ac.Name, it.route.Lane)
	}
	return "not pending: it has its fate"
}

// approve counts a person. With enough of them the request goes to the next gates: what they say counts at its release.
func (a *actor) approve(it *item, c command, now time.Time, ans *ledger.Answer) {
	ap, need := it.p().Approval, it.p().Intent.Policy.Approval.People
	ap.By = append(ap.By, ledger.Consent{By: c.By, Why: c.Why, At: now.UTC()})
	a.keep(it)
	if n := need - len(ap.By); n > 0 {
		ans.Text = fmt.Sprintf("%d of %d approved: %d more, under another name, must approve", len(ap.By), need, n)
		return
	}
	id, by := it.p().Intent.ID, strings.Join(ap.Names(), " and ")
	a.gate(it)
	if f := a.last; it.state == gone && f.Intent == id {
		if f.Fate == ledger.Coalesced {
			ans.Text = fmt.Sprintf("approved by %s: another of its merge key goes out in its place", by)
			return
		}
		ans.OK, ans.Refused = false, true // whoever approves wants it to be sent
		ans.Text = fmt.Sprintf("approved by %s, but it is not sent: %s(%s); next: notifier fates", by, f.Fate, f.Reason)
		return
	}
	ans.Text = fmt.Sprintf("approved by %s: it is %s now", by, whereabouts(it))
}
