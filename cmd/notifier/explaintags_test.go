package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/explain"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/tagsync"
)

// A profile event's request is the user's whole set: of what waits by the row as it is now, of what left by the row that the event made, at
// the endpoint that is on record.
func TestExplainOfAProfileEventShowsTheTagsItWrites(t *testing.T) {
	set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte(testCatalogue)}, {Name: "rules.yaml", Data: []byte(`version: 1
rules:
  - name: city-tag
    event: profile.changed
    tags: ["city_${city}"]
  - name: level-tag
    event: profile.changed
    when: level == "vip"
    tags: ["vip"]
`)}}, app.AnyRuleOptions())
	if set == nil {
		t.Fatal(list)
	}
	at := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	evs, err := set.Decode(event.Record{Position: event.Position{Topic: "profiles"}, Value: []byte(`{"id":"p-1","at":"2026-11-21T06:00:00Z","user":"u-1","city":"北京"}`), Time: at})
	if err != nil || len(evs) != 1 {
		t.Fatal(evs, err)
	}
	opts := explaining(explainOptions{}, set, nil, at.Add(time.Hour))
	in := set.Evaluate(&evs[0])[0]
	in.Key = opts.Identities["main"]
	row := func(city, level string) *tagsync.User {
		u := &tagsync.User{Acked: []string{}, Foreign: []string{"partner"}}
		u.Apply(&intent.Profile{Version: 1, Fields: map[string]intent.Value{"city": {Type: event.String, Str: city}, "level": {Type: event.String, Str: level}}}, 1)
		return u
	}
	st := ledger.NewState()
	users := tagsync.NewTable()
	users.Put("u-1", row("上海", "normal")) // of later events
	st.Users[in.Key] = users
	opts.Ledger = func(string) *ledger.State { return st }
	fate := func(kind ledger.FateKind, reason ledger.Reason, endpoint string) []ledger.Fate {
		f := ledger.NewFate(in, kind, reason, at)
		f.Endpoint = endpoint
		return []ledger.Fate{f}
	}
	resolved := append(fate(ledger.FateUnknown, "", "/user/tag/batch/set.json"), fate(ledger.Sent, "", "/user/tag/batch/set.json")...)
	resolved[1].Resolves, resolved[1].At = ledger.FateUnknown, at.Add(time.Minute)
	into := fate(ledger.Coalesced, "", "")
	into[0].Into = "profiles/0/9/tags/u-1"
	waiting := func(state string) []explain.Waiting {
		return []explain.Waiting{explain.Waits(&ledger.Pending{Intent: in, At: at}, explain.Stands{State: state, Lane: "main/tag"})}
	}
	for name, c := range map[string]struct {
		past   explain.Past
		want   []string
		absent []string
	}{
		"waits": {explain.Past{Pending: waiting("quota")}, []string{"live)                  LEAVES now\n", "tags main/tag /user/tag/set.json  slots 0\n", `{"userId":"u-1","tags":["city_上海","partner"]}`, "PENDING  waits for the tags of the user"}, []string{"✗ quota"}},
		"sent": {explain.Past{Row: row("广州", "vip"), Fates: fate(ledger.Sent, "", "/user/tag/batch/set.json")},
			[]string{"live)                  SENT\n", "tags main/tag-batch /user/tag/batch/set.json  slots 0, built again\n", `{"userIds":["u-1"],"tags":["city_北京","partner","vip"]}`}, nil},
		"sent alone":                 {explain.Past{Fates: fate(ledger.Sent, "", "/user/tag/set.json")}, []string{"tags main/tag /user/tag/set.json  slots 0, built again\n", `{"userId":"u-1","tags":["city_北京","partner"]}`}, nil},
		"a later word":               {explain.Past{Fates: resolved}, []string{"built again\n"}, nil},
		"the oldest events are gone": {explain.Past{Partly: true, Fates: fate(ledger.Sent, "", "/user/tag/set.json")}, []string{"live)                  SENT\n"}, []string{"built again", "city_北京\""}},
		"unchanged":                  {explain.Past{Fates: fate(ledger.Suppressed, ledger.Unchanged, "")}, []string{"SUPPRESSED unchanged\n", "✗ unchanged"}, []string{"slots"}},
		"newest wins":                {explain.Past{Fates: into, Into: map[intent.ID]string{into[0].Into: "p-9"}}, []string{"✗ newest wins              COALESCED\n", "into profiles/0/9/tags/u-1, of event p-9\n"}, []string{"slots"}},
	} {
		c.past.Event = &evs[0]
		rep := explain.Known(opts, c.past)
		rep.FateText = fateTextIn
		var out strings.Builder
		if err := rep.WriteText(&out, set.Zone(), diag.EN); err != nil {
			t.Fatal(err)
		}
		for _, w := range c.want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s: %q is missing\n%s", name, w, out.String())
			}
		}
		for _, w := range c.absent {
			if strings.Contains(out.String(), w) {
				t.Errorf("%s: %q is there\n%s", name, w, out.String())
			}
		}
	}
	// Where calls write differences there is no set to show.
	for _, ac := range opts.Stage.Accounts {
		l := ac.Lanes["tag"]
		l.Remove = "/untag"
		ac.Lanes["tag"] = l
	}
	rep := explain.Known(opts, explain.Past{Event: &evs[0], Fates: fate(ledger.Sent, "", "/tag")})
	if i := slices.IndexFunc(rep.Rules, func(r *explain.Rule) bool { return len(r.Requests) > 0 }); i >= 0 {
		t.Errorf("%+v", rep.Rules[i].Requests)
	}
}
