package dispatch

import (
	"time"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

// Users is what stage 2 asks of the rule language about one user's row of the profile table. It is called from several actors at once.
type Users interface {
	// Meets reports whether the row meets a rule's user_when; what is absent, unknown or not understood does not.
	Meets(source string, row func(field string) (v intent.Value, known bool)) bool
	// Fill fixes the texts of a content with open holes.
	Fill(c *intent.Content, row func(field string) (v intent.Value, known bool), now time.Time) (*intent.Content, error)
}

// fix fills the open holes of an item's texts: after the merge and before the approval, so that whoever approves sees what is sent, and
// what is held does not change any more. false: it could not be rendered and has its fate.
func (a *actor) fix(it *item) bool {
	in := it.p().Intent
	c, err := a.opt.Users().Fill(in.Content, it.ac.users.Get(in.Target).Get, a.clock.now())
	if err != nil {
		a.fate(it, ledger.Dead, ledger.RenderError, func(f *ledger.Fate) { f.Detail = err.Error() })
		return false
	}
	it.p().Made = it.p().Text()
	fixed := *in
	fixed.Content = c
	it.p().Intent = &fixed
	a.keep(it)
	return true
}

// userMeets asks the rule's user_when as the call leaves: the row as it is now counts, not as it was when the event came.
func (a *actor) userMeets(it *item) bool {
	in := it.p().Intent
	return in.UserWhen == "" || a.opt.Users().Meets(in.UserWhen, it.ac.users.Get(in.Target).Get)
}

// heldUntil is when send_at and then the quiet hours let an item go: not after now when neither holds it. drop is true when quiet hours
// hold now that send nothing. The time of send_at is found once, when the item first comes here, and is in its pending record: found
// anew after a restart, or at the very moment, it would be a day later.
func (a *actor) heldUntil(it *item, now time.Time) (until time.Time, drop bool) {
	p := &it.p().Intent.Policy
	if p.SendAt != nil && it.p().LeavesAt.IsZero() {
		it.p().LeavesAt = intent.NextAt(now, *p.SendAt, a.opt.Zone).UTC()
		a.keep(it)
	}
	if it.p().LeavesAt.After(now) { // whether it will be quiet then is asked then
		return it.p().LeavesAt, false
	}
	until = quietUntil(p.Quiet, now, a.opt.Zone)
	return until, p.DropOn && until.After(now)
}
