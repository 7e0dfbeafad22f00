package dispatch

import (
	"time"

	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/ledger"
)

// planTable keeps on record since when an account keeps the profile table. One that begins to keep it after events went by, by a reload,
// by other settings or because an older release did not, knows nothing of users until their next event, and no topic of ours holds what
// was said of them. So it says so: whether such a user has opted out cannot be known.
func (a *actor) planTable(ac *account, now time.Time) {
	rec := ac.retags.rec
	if rec == nil { // an account without tag lanes
		return
	}
	kept := a.opt.Rules().HasProfile(ac.Name)
	if rec.Table != nil && rec.Table.Kept == kept {
		return
	}
	late := rec.Table != nil || ac.retags.late
	rec.Table = &ledger.Keeping{Kept: kept, Since: now.UTC(), Late: kept && late}
	a.w.Put(ledger.TagChangeKey(ac.Key), rec)
	if rec.Table.Late {
		a.log.Error("the profile table of an account begins only now: of users without a profile event since then nothing is known, and consent.never does not hold back their pushes. Let their profiles be produced again: docs/runbook.md#late-profiles",
			accountField(ac.Name), zap.Time("since", rec.Table.Since), zap.Int("users", ac.users.Len()))
	}
}
