package rules

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// happen decodes a record on a topic of the test catalogue at 2026-11-21 11:00 +08:00.
func happen(t testing.TB, s *Set, topic, value string) *event.Event {
	t.Helper()
	at := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	evs, err := s.Decode(event.Record{Position: event.Position{Topic: topic, Partition: 2, Offset: 7}, Key: []byte("k"), Value: []byte(value), Time: at})
	if err != nil || len(evs) != 1 {
		t.Fatalf("%s: %v %v", value, evs, err)
	}
	return &evs[0]
}

const paid = `{"id":"o-1","at":1795230000,"user":"u-1","order_id":"o-1","amount_fen":81250,"city":"北京","level":"vip","items":["茶","杯"],"followers":["f1","f2","f1",""]}`

func rule(name, event, rest string) string {
	return "  - name: " + name + "\n    event: " + event + "\n    mode: live\n    class: service\n" + rest + "\n"
}

func TestIntentOfABusinessEvent(t *testing.T) {
	s := mustLoad(t, rule("thanks", "order.paid", `    when: [金额 > 500, 'city == "北京"']
    unless: level == "svip"
    push: {title: "${city | upper}", body: "${amount | money} 元 ${paid_at} ${items | join(\"、\")}", link: "app://o?c=${city | urlencode}", badge: 3, group: g, platforms: [ios], data: {id: "${order_id}"}}
    limits: {priority: high, per_user: [1 in 24h, 2 per week], quiet: ["Sat,Sun 21:00-10:00", "22:00-08:00"], expire: 14h}
    rongcloud: {android: {hw: {channelId: "1", importance: 2}}, flag: true}`), demoAccount())
	got := s.Evaluate(happen(t, s, "orders", paid))
	at := time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
	badge := 3
	want := &intent.Intent{ID: "orders/2/7/thanks/u-1", Event: intent.EventRef{ID: "o-1", Type: "order.paid", Time: at, Topic: "orders", Partition: 2, Offset: 7},
		Rule: "thanks", RuleSet: s.Hash, Revision: s.Rule("thanks").Revision, Account: "main", Target: "u-1", Action: intent.Push, Class: "service",
		Content: &intent.Content{Title: "北京", Body: "812.50 元 2026-11-21 11:00 茶、杯", Link: "app://o?c=%E5%8C%97%E4%BA%AC", Badge: &badge, Group: "g", Platforms: []string{"ios"}, Data: map[string]string{"id": "o-1"},
			RongCloud: json.RawMessage(`{"android":{"hw":{"channelId":"1","importance":2}},"flag":true}`)},
		Policy: intent.Policy{Priority: intent.High, Expire: at.Add(14 * time.Hour), PerUser: []intent.Cap{{N: 1, In: 24 * time.Hour}, {N: 2, Each: "week"}},
			Quiet: []intent.Quiet{{From: 21 * 60, To: 10 * 60, Weekdays: 1<<6 | 1}, {From: 22 * 60, To: 8 * 60}}}}
	if diff := cmp.Diff([]*intent.Intent{want}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, miss := range []string{strings.Replace(paid, "81250", "50000", 1), strings.Replace(paid, "北京", "上海", 1), strings.Replace(paid, "vip", "svip", 1), strings.Replace(paid, "amount_fen", "x", 1), strings.Replace(paid, "81250", `"many"`, 1)} {
		if in := s.Evaluate(happen(t, s, "orders", miss)); len(in) != 0 {
			t.Errorf("%s makes %v", miss, in[0].ID)
		}
	}
	if in := s.Evaluate(happen(t, s, "orders", strings.Replace(paid, `"level":"vip",`, "", 1))); len(in) != 1 {
		t.Error("`unless` on a missing field is not met, so it does not hold the rule back")
	}
}

func TestTargetsAndModes(t *testing.T) {
	push := "    when: always\n    push: {body: b%s}"
	s := mustLoad(t, rule("to-list", "order.paid", fmt.Sprintf(push, `, to: "${followers}"`))+rule("to-field", "order.paid", fmt.Sprintf(push, `, to: "x-${city}"`))+
		strings.Replace(rule("a-shadow", "order.paid", fmt.Sprintf(push, "")), "live", "shadow", 1)+strings.Replace(rule("is-off", "order.paid", fmt.Sprintf(push, "")), "live", "off", 1)+
		rule("no-caps", "order.paid", fmt.Sprintf(push, "")+"\n    limits: {per_user: none}"), demoAccount())
	var got []string
	for _, in := range s.Evaluate(happen(t, s, "orders", paid)) {
		got = append(got, fmt.Sprintf("%s %s %t %t", in.Rule, in.Target, in.Shadow, in.Policy.NoCaps))
	}
	want := []string{"to-list f1 false false", "to-list f2 false false", "to-field x-北京 false false", "a-shadow u-1 true false", "no-caps u-1 false true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The detail of a fate names fields, not their values: those may be personal.
func TestWhatCannotBeRenderedIsSaidWithoutItsValue(t *testing.T) {
	s := mustLoad(t, rule("a-tag", "sale.opened", "    when: always\n    broadcast: {audience: {all_of: [\"city_${city}\"]}, body: b}\n    limits: {expire: 1h}"), demoAccount())
	got := s.Evaluate(happen(t, s, "sales", `{"id":"1","stock":5,"city":"se cret"}`))
	if len(got) != 1 || got[0].Dead != intent.RenderError || !strings.Contains(got[0].DeadDetail, "${city} gives no tag") || strings.Contains(got[0].DeadDetail, "cret") {
		t.Errorf("got %+v", got)
	}
	for name, arg := range map[string]string{"money": "se cret", "date": "se cret"} {
		if _, err := (&filter{name: name}).apply(value{text: arg}); err == nil || strings.Contains(err.Error(), "cret") {
			t.Errorf("%s of a text: %v", name, err)
		}
	}
}

// What cannot be rendered is carried to its fate and is never a wider audience.
func TestWhatCannotBeRenderedIsDead(t *testing.T) {
	s := mustLoad(t, rule("missing-text", "sale.opened", "    when: always\n    broadcast: {audience: {all_of: [x]}, body: \"${product}\"}\n    limits: {expire: 1h}")+
		rule("empty-tag", "sale.opened", "    when: always\n    broadcast: {audience: {all_of: [x, \"city_${city}\"]}, body: b}\n    limits: {expire: 1h}")+
		rule("defaulted", "sale.opened", "    when: always\n    broadcast: {audience: {any_of: [x], package: com.app}, body: \"${product | default(\\\"好物\\\")}\"}\n    limits: {expire: 1h}")+
		rule("merge-by", "sale.opened", "    when: always\n    broadcast: {audience: {all_of: [x]}, body: b}\n    merge: {by: \"${product}\", wait: 1s}\n    limits: {expire: 1h}")+
		rule("merge-text", "sale.opened", "    when: always\n    broadcast: {audience: {all_of: [x]}, body: \"${first.product}\"}\n    merge: {wait: 1s}\n    limits: {expire: 1h}")+
		rule("merge-one", "sale.opened", "    when: always\n    broadcast: {audience: {all_of: [x]}, body: \"${latest.product}\"}\n    merge: {wait: 1s, one: {body: alone}}\n    limits: {expire: 1h}"), demoAccount())
	for value, want := range map[string]string{ // merge-one has a text for when it stays alone: TestATriggerThatFitsOneOfItsTexts
		`{"id":"1","stock":5}`:                             "missing-text:dead empty-tag:dead defaulted:好物 merge-by:dead merge-text:dead merge-one:${latest.product}",
		`{"id":"1","city":"","product":" "}`:               "missing-text:dead empty-tag:dead defaulted:dead merge-by:b merge-text:dead merge-one:${latest.product}",
		`{"id":"1","city":"a b","product":"p"}`:            "missing-text:p empty-tag:dead defaulted:p merge-by:b merge-text:${first.product} merge-one:${latest.product}",
		`{"id":"1","city":"a,b","product":"p"}`:            "missing-text:p empty-tag:dead defaulted:p merge-by:b merge-text:${first.product} merge-one:${latest.product}",
		`{"id":"1","city":"北京","product":"p"}`:             "missing-text:p empty-tag:b defaulted:p merge-by:b merge-text:${first.product} merge-one:${latest.product}",
		`{"id":"1","city":"北京市朝阳区三里屯街道办事处","product":"p"}`: "missing-text:p empty-tag:dead defaulted:p merge-by:b merge-text:${first.product} merge-one:${latest.product}",
	} {
		var got []string
		for _, in := range s.Evaluate(happen(t, s, "sales", value)) {
			if in.Dead != "" {
				if in.Dead != intent.RenderError || in.DeadDetail == "" || in.Content != nil || in.Audience != nil || in.Merge != nil {
					t.Errorf("%s: a dead intent with content: %+v", value, in)
				}
				got = append(got, in.Rule+":dead")
				continue
			}
			if len(in.Audience.AllOf)+len(in.Audience.AnyOf) == 0 {
				t.Errorf("%s: %s reaches too many: %+v", value, in.Rule, in.Audience)
			}
			got = append(got, in.Rule+":"+in.Content.Body)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s:\n got %s\nwant %s", value, strings.Join(got, " "), want)
		}
	}
}

// A Set is shared by all partitions of stage 1 and by stage 2.
func TestASetServesSeveralGoroutines(t *testing.T) {
	s := mustLoad(t, rule("thanks", "order.paid", "    when: [amount > 500, 'any(items, # == \"茶\")']\n    push: {body: \"${amount | money}\"}")+"  - {name: city-tag, event: profile.changed, tags: [\"city_${city}\"]}\n", demoAccount())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				evs, err := s.Decode(event.Record{Position: event.Position{Topic: "orders"}, Value: []byte(paid)})
				if err != nil {
					t.Error(err)
					return
				}
				if in := s.Evaluate(&evs[0]); len(in) != 1 || in[0].Content.Body != "812.50" {
					t.Errorf("got %v", in)
					return
				}
				if tags := s.Tags("main", row{"city": str("北京")}.get, nil); len(tags) != 1 {
					t.Errorf("got %v", tags)
					return
				}
			}
		})
	}
	wg.Wait()
}

// A rule that panics makes a dead intent; the other rules run.
func TestAPanicStaysInItsRule(t *testing.T) {
	s := mustLoad(t, rule("broken", "order.paid", "    when: always\n    push: {body: \"b ${event.id}\"}")+rule("healthy", "order.paid", "    when: always\n    push: {body: b}"), demoAccount())
	s.Rule("broken").content = nil
	got := s.Evaluate(happen(t, s, "orders", paid))
	if len(got) != 2 || got[0].Dead != intent.RenderError || !strings.Contains(got[0].DeadDetail, "internal fault in rule broken") || got[1].Dead != "" {
		t.Errorf("got %+v", got)
	}
}

func TestProfileEventGoesToEachAccountThatKeepsUsers(t *testing.T) {
	rules := "  - {name: city-tag, event: profile.changed, account: main, tags: [\"city_${city}\"]}\n" + rule("level-up", "profile.changed", "    account: second\n    when: changed(level)\n    push: {body: b}") + rule("none", "order.paid", "    account: third\n    when: always\n    push: {body: b}")
	two := Options{Accounts: []Account{{Name: "main", Vendor: "rongcloud"}, {Name: "second", Vendor: "rongcloud"}, {Name: "third", Vendor: "rongcloud"}}}
	s := mustLoad(t, rules, two)
	got := s.Evaluate(happen(t, s, "users", `{"id":"p-1","at":1795230000000,"user":"u","city":"北京","level":null,"score":"x"}`))
	if len(got) != 2 || got[0].Account != "main" || got[1].Account != "second" || got[0].ID == got[1].ID || !s.HasProfile("second") || s.HasProfile("third") {
		t.Fatalf("got %+v", got)
	}
	want := map[string]intent.Value{"city": {Type: event.String, Str: "北京"}, "level": {}} // level is cleared, score is nonsense, since is not spoken of
	if diff := cmp.Diff(want, got[0].Profile.Fields); diff != "" || got[0].Profile.Version != 1795230000000 || got[0].Action != intent.Tags || got[0].Rule != "tags" {
		t.Errorf("%+v (-want +got):\n%s", got[0], diff)
	}
	gone, err := s.Decode(event.Record{Position: event.Position{Topic: "users"}, Key: []byte("u")})
	if err != nil || len(gone) != 1 {
		t.Fatal(gone, err)
	}
	if in := s.Evaluate(&gone[0]); len(in) != 2 || !in[0].Profile.Gone || len(in[0].Profile.Fields) != 0 {
		t.Errorf("a tombstone: %+v", in)
	}
	single := mustLoad(t, "  - {name: city-tag, event: profile.changed, tags: [\"city_${city}\"]}\n", demoAccount())
	if in := single.Evaluate(happen(t, single, "users", `{"id":"p-1","at":1,"user":"u"}`)); len(in) != 1 || in[0].ID != "users/2/7/tags/u" || len(in[0].Profile.Fields) != 0 {
		t.Errorf("got %+v", in)
	}
}

func TestSnapshotSpeaksOfEveryField(t *testing.T) {
	events := strings.Replace(string(readFile(t, "testdata/events.yaml")), "update: patch", "update: snapshot", 1)
	s, l := LoadFiles([]File{{"events.yaml", []byte(events)}, {"r.yaml", []byte("version: 1\nrules:\n  - {name: city-tag, event: profile.changed, tags: [\"city_${city}\"]}\n")}}, demoAccount())
	if s == nil {
		t.Fatal(show(l))
	}
	got := s.Evaluate(happen(t, s, "users", `{"id":"p","at":1,"user":"u","city":"北京"}`))[0].Profile.Fields
	want := map[string]intent.Value{"city": {Type: event.String, Str: "北京"}, "level": {}, "score": {}, "since": {}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// members is n users as JSON, without the brackets.
func members(n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%q", fmt.Sprint("u-", i)))
	}
	return strings.Join(out, ",")
}

// Whom a list names gets the push or has a dead letter that says why; conditions and texts are given 32 items.
func TestEverybodyAListNamesHasAFate(t *testing.T) {
	s := mustLoad(t, rule("to-list", "order.paid", "    when: len(followers) < 33\n    push: {to: \"${followers}\", body: \"${followers | join}\"}"), demoAccount())
	for _, n := range []int{1, 32, 33, 100} {
		got := s.Evaluate(happen(t, s, "orders", `{"id":"o","at":1,"user":"buyer","followers":[`+members(n)+`]}`))
		if len(got) != n {
			t.Errorf("%d named, %d intents", n, len(got))
			continue
		}
		last := got[n-1]
		if last.Dead != "" || last.Target != fmt.Sprint("u-", n-1) || strings.Count(last.Content.Body, "u-") != min(n, 32) {
			t.Errorf("%d named, the last is %+v", n, last)
		}
	}
	for _, n := range []int{101, 500} {
		got := s.Evaluate(happen(t, s, "orders", `{"id":"o","at":1,"user":"buyer","followers":[`+members(n)+`]}`))
		if len(got) != 1 || got[0].Dead != intent.RenderError || !strings.Contains(got[0].DeadDetail, "${followers} has more than 100 entries") {
			t.Errorf("%d named: %+v", n, got)
		}
	}
}

// A list in `to` may have a default, for when it is missing or empty. Whatever would make one text of it, and so one user, does not load.
func TestFiltersOfAListInTo(t *testing.T) {
	events := string(readFile(t, "testdata/events.yaml")) +
		"  friends.changed:\n    topic: friends\n    kind: profile\n    update: patch\n    id: id\n    user: user\n    fields: {friends: {path: friends, type: list, alias: 好友}}\n"
	try := func(event, when, to string) (*Set, diag.List) {
		return LoadFiles([]File{{"events.yaml", []byte(events)}, {"r.yaml", []byte("version: 1\nrules:\n" +
			rule("a-list", event, "    when: "+when+"\n    push: {to: '"+to+"', body: b}"))}}, demoAccount())
	}
	for to, want := range map[string]string{
		`${followers}`:                                  "dead dead a,b dead",
		`${ followers | default("admin") }`:             "admin admin a,b dead",
		`${followers | default("") | default("admin")}`: "admin admin a,b dead",
		`${followers | default("a、b")}`:                 "a、b a、b a,b dead",
	} {
		s, l := try("order.paid", "always", to)
		if s == nil {
			t.Errorf("%s: %s", to, show(l))
			continue
		}
		var got []string
		for _, list := range []string{``, `,"followers":[]`, `,"followers":["a","b","a"]`, `,"followers":[` + members(101) + `]`} {
			var named []string
			for _, in := range s.Evaluate(happen(t, s, "orders", `{"id":"o","at":1,"user":"buyer"`+list+`}`)) {
				if named = append(named, in.Target); in.Dead != "" {
					named = []string{"dead"}
				}
			}
			got = append(got, strings.Join(named, ","))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s, want %s", to, strings.Join(got, " "), want)
		}
	}
	for to, want := range map[string]string{
		`${followers | upper}`: "N304", `${followers | join(",")}`: "N304", `${followers | max(20)}`: "N304", `${followers | urlencode}`: "N304",
		`${followers | default("admin") | upper}`: "N304", `${followers | join | upper}`: "N304 N304",
		`u-${followers}`: "N309", `${followers} `: "N309", `${city}${followers}`: "N309", `${followers}${items}`: "N309 N309",
		`${city | upper}`: "", `x-${city | default("b")}`: "", // of texts
	} {
		if _, l := try("order.paid", "always", to); codes(l) != want {
			t.Errorf("%s: %s, want %s", to, codes(l), want)
		}
	}
	for to, want := range map[string]string{`${before.friends}`: "N302", `${before.好友 | join}`: "N302", `${好友 | upper}`: "N304", `${好友 | default("admin")}`: "W801"} {
		if _, l := try("friends.changed", "changed(friends)", to); codes(l) != want {
			t.Errorf("%s: %s, want %s", to, codes(l), want)
		}
	}
	s, _ := try("friends.changed", "changed(friends)", `${friends | default("admin")}`)
	in := s.Evaluate(happen(t, s, "friends", `{"id":"f","user":"u","friends":[]}`))[0]
	if got := s.ProfilePushes(in, row{"friends": {Type: event.List, List: []string{"a"}}}.get, row{"friends": in.Profile.Fields["friends"]}.get); len(got) != 1 || got[0].Target != "admin" || got[0].Dead != "" {
		t.Errorf("no friends: %+v", got)
	}
}

// The user table keeps 32 items: a push that would leave somebody out goes to nobody, and says so. How many there were is no change.
func TestAProfileListThatIsNotKeptWholeSendsToNobody(t *testing.T) {
	events := string(readFile(t, "testdata/events.yaml")) +
		"  friends.changed:\n    topic: friends\n    kind: profile\n    update: patch\n    id: id\n    user: user\n    fields: {friends: {path: friends, type: list}}\n"
	s, l := LoadFiles([]File{{"events.yaml", []byte(events)}, {"r.yaml", []byte("version: 1\nrules:\n" +
		rule("tell-friends", "friends.changed", "    when: changed(friends)\n    push: {to: \"${friends}\", body: b}"))}}, demoAccount())
	if s == nil {
		t.Fatal(show(l))
	}
	kept := func(n int) (*intent.Intent, row) {
		in := s.Evaluate(happen(t, s, "friends", `{"id":"f","user":"u","friends":[`+members(n)+`]}`))[0]
		return in, row{"friends": in.Profile.Fields["friends"]}
	}
	_, before := kept(3)
	in, after := kept(32)
	if got := s.ProfilePushes(in, before.get, after.get); len(got) != 32 || got[31].Target != "u-31" || got[31].Dead != "" {
		t.Errorf("32 friends: %d intents", len(got))
	}
	in, after = kept(33)
	if got := s.ProfilePushes(in, before.get, after.get); len(got) != 1 || got[0].Dead != intent.RenderError ||
		!strings.Contains(got[0].DeadDetail, "more entries than the 32 that the user table keeps") {
		t.Errorf("33 friends: %+v", got)
	}
	old := after["friends"]
	old.Str = "32" // as older versions counted
	if got := s.ProfilePushes(in, row{"friends": old}.get, after.get); len(got) != 0 {
		t.Errorf("the same friends are a change: %+v", got)
	}
}
