//go:build synctests

package sim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rongpush"
	"github.com/notifier/notifier/internal/sandbox"
)

// townRules is ruleFile with another tag for the city.
var townRules = strings.Replace(ruleFile, `"city_${city}"`, `"town_${city}"`, 1)

// settle tells of n users, in ten cities, and waits until the vendor has their tags.
func (w *world) settle(n int) {
	w.t.Helper()
	var rs []*kgo.Record
	for i := range n {
		event, user := w.id("profile"), fmt.Sprint("u", i)
		b, err := json.Marshal(map[string]any{"event_id": event, "ts": now(), "user_id": user, "profile": map[string]any{"city": fmt.Sprint("c", i%10)}})
		if err != nil {
			w.t.Fatal(err)
		}
		rs = append(rs, &kgo.Record{Topic: profiles, Key: []byte(user), Value: b})
	}
	if err := w.cl.ProduceSync(w.t.Context(), rs...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
	for range 600 {
		if time.Sleep(time.Second); len(w.pending()) == 0 && len(w.vendor.Tags(sandbox.DefaultKey)) == n {
			return
		}
	}
	w.t.Fatalf("%d intents pending, %d users have tags", len(w.pending()), len(w.vendor.Tags(sandbox.DefaultKey)))
}

// written gives the sets that the vendor was given since a journal entry, by user and in order.
func (w *world) written(since int) map[string][]string {
	w.t.Helper()
	out := map[string][]string{}
	for _, e := range w.executed(rongpush.TagSet.Path, rongpush.TagBatchSet.Path)[since:] {
		var body struct {
			UserID  string   `json:"userId"`
			UserIDs []string `json:"userIds"`
			Tags    []string `json:"tags"`
		}
		if err := json.Unmarshal(e.Body, &body); err != nil {
			w.t.Fatal(err)
		}
		if body.UserID != "" {
			body.UserIDs = append(body.UserIDs, body.UserID)
		}
		for _, u := range body.UserIDs {
			out[u] = append(out[u], strings.Join(body.Tags, " "))
		}
	}
	return out
}

// change is what the ledger says of the tag rules.
func (w *world) change() *ledger.TagChange {
	w.t.Helper()
	states, err := w.reader().Ledgers(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, st := range states {
		for _, c := range st.Changes {
			return c
		}
	}
	w.t.Fatal("the ledger says nothing of the tag rules")
	return nil
}

// An edit of a tag rule reaches 10,000 known users, with a kill in the middle while a call is open. Each is written once; only whom the
// open call held may be written again, since nobody knows what the vendor made of it. The newest event of a user wins all the same.
func TestTenThousandUsersAreEvaluatedAgainAcrossAKill(t *testing.T) {
	const n = 10_000
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		s := w.one("    tags: {delay: 2s, max_change: 100%}\n")
		d := w.start(s)
		w.settle(n)
		before := len(w.executed(rongpush.TagSet.Path, rongpush.TagBatchSet.Path))
		w.edit(townRules)
		for range 6000 {
			if time.Sleep(10 * time.Millisecond); len(w.written(before)) > n/3 {
				break
			}
		}
		if got := len(w.written(before)); got < n/3 || got > n/2 {
			t.Fatalf("%d users written, want to kill in the middle", got)
		}
		moved := w.profile("u9", map[string]any{"city": "moved"})
		if err := w.vendor.Arm(sandbox.Fault{Kind: "timeout_after", DelayMS: 3000, Path: rongpush.TagBatchSet.Path, Times: 1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		d.kill()
		open, at := map[string]bool{}, w.change()
		states, err := w.reader().Ledgers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range states[0].Attempts {
			for _, u := range a.Users {
				open[u] = true
			}
		}
		if at.State != ledger.TagsWriting || at.Part < 1 || at.Part >= at.Parts || len(open) == 0 {
			t.Fatalf("at the kill: %+v, %d users in open calls", at, len(open))
		}
		d = w.start(s)
		time.Sleep(20 * time.Minute)
		d.stop()

		if c := w.change(); c.State != ledger.TagsSettled || c.Part != c.Parts {
			t.Errorf("at the end: %+v", c)
		}
		sets, tags, twice := w.written(before), w.vendor.Tags(sandbox.DefaultKey), 0
		for i := range n {
			user, want := fmt.Sprint("u", i), fmt.Sprintf("town_c%d", i%10)
			switch got := sets[user]; {
			case user == "u9":
				if !slices.Equal(tags[user], []string{"town_moved"}) {
					t.Errorf("u9 has %v after its event %s", tags[user], w.words()[moved])
				}
				continue
			case !slices.Equal(tags[user], []string{want}):
				t.Fatalf("%s has %v, want %s", user, tags[user], want)
			case slices.ContainsFunc(got, func(set string) bool { return set != want }):
				t.Fatalf("%s was given %v, want only %s", user, got, want)
			case len(got) != 1 && !open[user]:
				t.Fatalf("%s was written %d times, and in no open call", user, len(got))
			case len(got) > 1:
				twice++
			}
		}
		if twice == 0 || twice > len(open) {
			t.Errorf("%d users written again, %d were in open calls", twice, len(open))
		}
		if st := w.vendor.Stats().RongCloud; st.RefusedByQuota != 0 || st.Overruns != 0 {
			t.Errorf("the vendor counted %+v", st)
		}
		t.Logf("%d users in %d parts, killed after %d; %d in open calls, %d written again", n, at.Parts, at.Part, len(open), twice)
		w.books(n + 1)
	})
}

// More users than tags.max_change wait for a human, through a restart and for as long as it takes. Rejected, nothing is written and the
// next reload asks again; approved, all are. A deleted rule takes its tags away by the same way.
func TestAChangeOfManyTagsWaitsForAHuman(t *testing.T) {
	const n = 300
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		s := w.one("    tags: {delay: 1s}\n")
		d := w.start(s)
		w.settle(n)
		before := len(w.executed(rongpush.TagSet.Path, rongpush.TagBatchSet.Path))
		asked := func(what string) {
			t.Helper()
			if got := w.written(before); len(got) != 0 {
				t.Fatalf("%s: %d users written unasked", what, len(got))
			}
			if v := w.waiting(s); len(v) != 1 || v[0].ID != "tags/main" || v[0].Tags.Users != n || v[0].Tags.Limit != 100 {
				t.Fatalf("%s: waiting %+v", what, v)
			}
		}
		deleted := strings.Replace(ruleFile, "  - name: city-tag\n    event: profile.changed\n    tags: [\"city_${city}\"]\n", "", 1)
		w.edit(deleted)
		time.Sleep(time.Hour)
		asked("after the edit")
		d.stop()
		d = w.start(s)
		time.Sleep(24 * time.Hour)
		asked("after a restart and a day")
		if a := w.decide(&w.waiting(s)[0], ledger.CmdReject, "li"); !a.OK {
			t.Fatalf("reject: %+v", a)
		}
		time.Sleep(time.Hour)
		if v := w.waiting(s); len(v) != 0 || w.change().State != ledger.TagsRejected || len(w.written(before)) != 0 {
			t.Fatalf("after the rejection: waiting %+v, %+v, %d users written", v, w.change(), len(w.written(before)))
		}
		w.edit(strings.Replace(deleted, `title: "Thanks"`, `title: "Thank you"`, 1)) // of a rule that has nothing to do with tags
		time.Sleep(time.Minute)
		asked("after another reload")
		if a := w.decide(&w.waiting(s)[0], ledger.CmdApprove, "li"); !a.OK {
			t.Fatalf("approve: %+v", a)
		}
		time.Sleep(10 * time.Minute)
		sets := w.written(before)
		for user, got := range sets {
			if len(got) != 1 || got[0] != "" {
				t.Fatalf("%s was given %q, want one empty set", user, got)
			}
		}
		if c := w.change(); len(sets) != n || c.State != ledger.TagsSettled || c.Written != n {
			t.Errorf("%d users written, %+v", len(sets), c)
		}

		// The rule comes back while no daemon runs: the next owner waits two minutes, then asks.
		d.stop()
		before = len(w.executed(rongpush.TagSet.Path, rongpush.TagBatchSet.Path))
		w.edit(ruleFile)
		d = w.start(s)
		time.Sleep(110 * time.Second)
		if v := w.waiting(s); len(v) != 0 || w.change().Waits.IsZero() {
			t.Errorf("within two minutes of a take-over with other rules: waiting %+v, %+v", v, w.change())
		}
		time.Sleep(20 * time.Second)
		asked("two minutes after a take-over with other rules")
		d.stop()
		w.books(n)
	})
}
