package app

import (
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
	"github.com/notifier/notifier/internal/tagsync"
)

// After every start but the first Getui's reads of tags rest for ten minutes. Nothing on record says so, so `quota` and `status --why` do.
func TestReadsThatRestSinceAStartAreTold(t *testing.T) {
	now := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	getui := settings.Account{Name: "g", Vendor: "getui", AppID: "a", AppKey: "k", Identify: "cid", Timeout: 6 * time.Second}
	rong := settings.Account{Name: "main", Vendor: "rongcloud", AppKey: "k", Timeout: 6 * time.Second}
	s := &settings.Settings{Zone: time.UTC, Kafka: settings.Kafka{Partitions: 1}, Accounts: []settings.Account{getui, rong}}
	for name, c := range map[string]struct {
		began   time.Duration // of the ledger, before now
		owner   time.Duration // of the owner, before now
		change  func(*ledger.State)
		resting bool
	}{
		"a restart":              {time.Hour, 4 * time.Minute, nil, true},
		"the first start":        {4 * time.Minute, 4*time.Minute + time.Second, nil, false},
		"whose clock is ahead":   {4 * time.Minute, 4*time.Minute - time.Second, nil, false},
		"long ago":               {time.Hour, 10 * time.Minute, nil, false},
		"it has left":            {time.Hour, 4 * time.Minute, func(st *ledger.State) { st.Owner.Released = true }, false},
		"a ledger that was lost": {4 * time.Minute, 4 * time.Minute, func(st *ledger.State) { st.Genesis.Assumed = &ledger.Assumption{} }, true},
		"nobody has come yet":    {time.Hour, 0, func(st *ledger.State) { st.Owner = nil }, false},
	} {
		st := ledger.NewState()
		st.Genesis, st.Owner = &ledger.Genesis{At: now.Add(-c.began)}, &ledger.Owner{Instance: "a", Nonce: "a-1", At: now.Add(-c.owner)}
		if c.change != nil {
			c.change(st)
		}
		users := tagsync.NewTable()
		users.Put("u-1", &tagsync.User{Gone: true, RewriteAt: now})
		users.Put("u-2", &tagsync.User{RewriteAt: now})
		st.Users[Identity(&getui)] = users
		states := map[int32]*ledger.State{0: st}
		q := QuotaOf(s, nil, states, now)
		if r := q.Accounts[0].Reads; (r != nil) != c.resting || r != nil && (r.Lane != "g/tag-get" || !r.Until.Equal(st.Owner.At.Add(10*time.Minute))) {
			t.Errorf("%s: %+v", name, r)
		}
		if r := q.Accounts[1].Reads; r != nil {
			t.Errorf("%s: the reads of a lane of a second rest: %+v", name, r)
		}
		v := WhyOf(WhyFacts{Settings: s, States: states, Halts: map[int32]ledger.Halt{}, Evaluate: []string{"a"}, Dispatch: []string{"a"}, Now: now})
		for _, step := range v.Steps {
			told := strings.Contains(step.What, "g/tag-get rests until 2026-11-21 04:06:00 +00:00") && strings.HasSuffix(step.What, ": 1 user who is forgotten keeps the tags until then")
			if step.Gate == "take-over" && (told != c.resting || step.Holds) {
				t.Errorf("%s: %+v", name, step)
			}
		}
	}
}
