package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/getui"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
	shipped "github.com/notifier/notifier/rules"
	"github.com/notifier/notifier/test/schema"
)

// wantedAtGetui is design.md 4's column of Getui, written once more and otherwise: "" is impossible.
func wantedAtGetui(action intent.Action, a *intent.Audience, message, platforms, harmony, broadcast, fast bool) (endpoint, lane string) {
	if message {
		return "", ""
	}
	if action == intent.Push {
		if a != nil || platforms {
			return "", ""
		}
		return "/push/single/alias", "push"
	}
	if a == nil || !broadcast || a.Online || a.Package != "" || platforms && harmony {
		return "", ""
	}
	groups := 0
	for _, has := range []bool{len(a.AllOf) > 0, len(a.AnyOf) > 0, len(a.NoneOf) > 0, a.Everyone} {
		if has {
			groups++
		}
	}
	switch {
	case groups != 1:
		return "", ""
	case a.Everyone && !platforms:
		return "/push/all", "app"
	case fast && !platforms && !a.Everyone && len(a.NoneOf) == 0:
		return "/push/fast_custom_tag", "app-fast-tag"
	}
	return "/push/tag", "app"
}

// Every combination of action, audience, message, platforms and what the account has: the endpoint and lane of the table, or a refusal that
// names what is possible. What is possible can be built, and says "all" only for everyone.
func TestEveryCombinationAtGetuiHasItsEndpointOrIsRefused(t *testing.T) {
	possible, refused := map[string]int{}, 0
	for n := range 1 << 13 {
		bit := func(i int) bool { return n>>i&1 == 1 }
		tags := func(i int, tag string) []string {
			if bit(i) {
				return []string{tag}
			}
			return nil
		}
		in := &intent.Intent{ID: "t/0/1/r/u_1", Rule: "r", Target: "u_1", Action: intent.Broadcast, Content: &intent.Content{Title: "t", Body: "b"}}
		if bit(0) {
			in.Action = intent.Push
		}
		if bit(1) {
			in.Content.Message = &intent.Message{Type: "RC:TxtMsg", Content: map[string]string{"content": "c"}}
		}
		if bit(2) {
			in.Audience = &intent.Audience{Everyone: bit(3), Online: bit(4), AllOf: tags(5, "vip"), AnyOf: tags(6, "bj"), NoneOf: tags(7, "old")}
			if bit(8) {
				in.Audience.Package = "cn.example"
			}
		} else if n>>3&63 != 0 {
			continue
		}
		if bit(11) {
			in.Content.Platforms = []string{"ios"}
			if bit(12) {
				in.Content.Platforms = []string{"ios", "harmonyos"}
			}
		} else if bit(12) {
			continue
		}
		g := &getuiAccount{appID: "a", by: getui.ByAlias, allowEveryone: true, broadcast: bit(9), fastTag: bit(10)}
		name := fmt.Sprintf("%s to %+v, message %t, platforms %v, broadcast %t, fast %t", in.Action, in.Audience, bit(1), in.Content.Platforms, g.broadcast, g.fastTag)
		endpoint, lane := wantedAtGetui(in.Action, in.Audience, bit(1), bit(11), bit(12), bit(9), bit(10))
		route, err := g.Route(in)
		if endpoint == "" {
			refused++
			if err == nil || !strings.Contains(err.Error(), "possible: ") || strings.HasSuffix(err.Error(), "possible: ") {
				t.Errorf("%s: %+v, %v; want a refusal that names what is possible", name, route, err)
			}
			continue
		}
		if err != nil || route != (dispatch.Route{Lane: lane, Endpoint: endpoint, Users: in.Action == intent.Push}) {
			t.Errorf("%s: %+v, %v; want %s in lane %s", name, route, err, endpoint, lane)
			continue
		}
		possible[endpoint]++
		if _, ok := getuiLanes(&settings.Account{})[lane]; !ok {
			t.Errorf("there is no lane %s", lane)
		}
		body, _, err := g.body(&dispatch.Call{Endpoint: endpoint, Users: []string{"u_1"}, Content: in.Content, Audience: in.Audience, Intents: []*intent.Intent{in}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := schema.Request("POST", "/v2/a"+endpoint, body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if all := strings.Contains(string(body), `"audience":"all"`); all != (in.Audience != nil && in.Audience.Everyone && !bit(11)) {
			t.Errorf("%s: to all %t in %s", name, all, body)
		}
	}
	if len(possible) != 4 || refused == 0 {
		t.Errorf("reached %v, %d refused", possible, refused)
	}
}

// The rules that ship, those that Getui can do: what their samples send holds the vendor's schema, one by one, in a batch and as a list.
func TestWhatTheShippedRulesSendAtGetui(t *testing.T) {
	all, err := rules.ReadFS(shipped.Files)
	if err != nil {
		t.Fatal(err)
	}
	ac := settings.Account{Name: "main", Vendor: "getui", AppID: "a", Identify: "cid", AllowEveryone: true, ApprovalWaived: true, Broadcast: true}
	opt := RuleOptions(&settings.Settings{Accounts: []settings.Account{ac}})
	var files []rules.File
	for _, f := range all {
		if f.Name != "messages.yaml" && f.Name != "profile.yaml" { // messages are RongCloud's; tags have tests of their own
			files = append(files, f)
		}
	}
	set, list := rules.LoadFiles(files, opt)
	if set == nil {
		t.Fatal(list)
	}
	g := newGetuiAccount(&ac)
	fired := map[string]bool{}
	for _, spec := range set.Catalogue.Specs {
		for _, f := range files {
			if f.Name != spec.Sample {
				continue
			}
			events, err := set.Decode(event.Record{Position: event.Position{Topic: spec.Topics[0]}, Value: f.Data, Time: time.Date(2026, 11, 21, 3, 0, 1, 0, time.UTC)})
			if err != nil || len(events) != 1 {
				t.Fatalf("%s: %v, %v", f.Name, events, err)
			}
			for _, in := range set.Evaluate(&events[0]) {
				if in.Action == intent.Tags {
					continue
				}
				if in.Merge != nil {
					if in.Content, err = rules.RenderMerged(in.Content, in.Merge, []map[string]any{in.Merge.Vars, in.Merge.Vars}, 2); err != nil {
						t.Fatal(err)
					}
				}
				route, err := g.Route(in)
				if err != nil {
					t.Fatalf("%s: %v", in.ID, err)
				}
				endpoints := []string{route.Endpoint}
				if route.Users {
					endpoints = append(endpoints, getui.BatchCID.Name, getui.ListCID.Name)
				}
				for _, ep := range endpoints {
					c := &dispatch.Call{Endpoint: ep, Users: []string{in.Target}, Content: in.Content, Audience: in.Audience, Intents: []*intent.Intent{in}, Began: in.Event.Time}
					body, _, err := g.body(c)
					if err == nil && ep == getui.ListCID.Name { // body is its message
						err = schema.Request("POST", "/v2/a"+getui.ListMessage.Name, body)
						body, _ = getui.List{By: getui.ByCID, TaskID: "RASL_1", Targets: c.Users}.Body()
					}
					if err == nil {
						err = schema.Request("POST", "/v2/a"+ep, body)
					}
					if err != nil {
						t.Errorf("%s at %s: %v", in.Rule, ep, err)
					}
				}
				fired[in.Rule] = true
			}
		}
	}
	if len(fired) < 6 {
		t.Errorf("only %v made a request of their samples", fired)
	}
}

// A list push has one time to live: that of the first of its users whose push expires.
func TestAListLivesAsLongAsItsFirstExpiry(t *testing.T) {
	g := &getuiAccount{appID: "a", by: getui.ByCID}
	began := time.UnixMilli(1700000000000)
	c := &dispatch.Call{Endpoint: "/push/list/cid", Began: began}
	for i, left := range []time.Duration{0, 3 * time.Hour, time.Hour, 2 * time.Hour} {
		in := &intent.Intent{ID: intent.ID(fmt.Sprint("t/0/", i, "/r/c")), Rule: "r", Target: fmt.Sprint("c-", i), Action: intent.Push, Content: &intent.Content{Title: "t", Body: "b"}}
		if left > 0 { // zero: never
			in.Policy.Expire = began.Add(left)
		}
		c.Users, c.Intents = append(c.Users, in.Target), append(c.Intents, in)
	}
	body, _, err := g.body(c)
	if err != nil || !strings.Contains(string(body), `"ttl":3600000`) {
		t.Errorf("%s, %v", body, err)
	}
}

func TestNobodyIsReachedWithoutLeave(t *testing.T) {
	g := &getuiAccount{appID: "a", by: getui.ByAlias, broadcast: true}
	in := &intent.Intent{ID: "i", Rule: "r", Action: intent.Broadcast, Content: &intent.Content{Title: "t", Body: "b", Platforms: []string{"ios"}}}
	for _, c := range []dispatch.Call{
		{Endpoint: "/push/all", Audience: &intent.Audience{Everyone: true}}, {Endpoint: "/push/tag", Audience: &intent.Audience{Everyone: true}}, {Endpoint: "/push/tag", Audience: &intent.Audience{}},
		{Endpoint: "/push/tag", Audience: &intent.Audience{AllOf: []string{"a"}, NoneOf: []string{"b"}}}, {Endpoint: "/push/tag", Audience: &intent.Audience{Online: true}}, {Endpoint: "/push/tag"}, {Endpoint: "/push/fast_custom_tag", Audience: &intent.Audience{}},
	} {
		c.Content, c.Intents = in.Content, []*intent.Intent{in}
		if body, _, err := g.body(&c); err == nil {
			t.Errorf("%s to %+v became %s", c.Endpoint, c.Audience, body)
		}
	}
}

// The neutral keys, the expiry and the rule's own block, where docs/getui.md says they go.
func TestWhereTheNeutralKeysGoAtGetui(t *testing.T) {
	g := &getuiAccount{appID: "AppId1", by: getui.ByAlias}
	began := time.UnixMilli(1700000000000)
	in := &intent.Intent{ID: "t/0/1/order-paid/u_1", Rule: strings.Repeat("order-", 10), Target: "u_1", Action: intent.Push, Policy: intent.Policy{Expire: began.Add(time.Hour)},
		Content: &intent.Content{Title: strings.Repeat("题", 60), Body: strings.Repeat("文", 300), Link: "app://o/1", Image: "https://e.example/i.png", Group: "orders", Badge: new(0), Data: map[string]string{"k": "<v>"},
			Getui: json.RawMessage(`{"strategy":{"ios":4},"notification":{"channel_id":"order","channel_level":4},"android":{"options":{"XM":{"/extra.channel_id":"order"}}},"ios":{"sound":"default","subtitle":"s"}}`)}}
	body, _, err := g.body(&dispatch.Call{Endpoint: "/push/single/alias", Intents: []*intent.Intent{in}, Began: began})
	if err != nil {
		t.Fatal(err)
	}
	ids := getui.IDsOf("AppId1", "t/0/1/order-paid/u_1")
	title, text := strings.Repeat("题", 49)+"…", strings.Repeat("文", 255)+"…"
	payload := `{"k":"\u003cv\u003e","link":"app://o/1"}`
	want := map[string]any{
		"request_id": ids.RequestID, "group_name": strings.Repeat("order-", 10)[:40], "audience": map[string]any{"alias": []any{"u_1"}},
		"settings": map[string]any{"ttl": 3600000.0, "strategy": map[string]any{"ios": 4.0}},
		"push_message": map[string]any{"notification": map[string]any{"title": title, "body": text, "big_image": "https://e.example/i.png", "channel_id": "order", "channel_level": 4.0,
			"click_type": "payload", "payload": payload, "notify_id": float64(ids.NotifyID), "thread_id": "orders"}},
		"push_channel": map[string]any{
			"android": map[string]any{"ups": map[string]any{"notification": map[string]any{"title": title, "body": text, "click_type": "payload", "payload": payload, "notify_id": float64(ids.NotifyID)},
				"options": map[string]any{"XM": map[string]any{"/extra.channel_id": "order"}}}},
			"ios": map[string]any{"type": "notify", "payload": payload, "auto_badge": "0", "apns-collapse-id": ids.CollapseID, "multimedia": []any{map[string]any{"url": "https://e.example/i.png", "type": 1.0}},
				"aps": map[string]any{"alert": map[string]any{"title": title, "body": text, "subtitle": "s"}, "content-available": 0.0, "sound": "default", "thread-id": "orders"}},
		},
	}
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}

	in.Content.Getui = json.RawMessage(`{"transmission":true}`)
	in.Content.Title, in.Content.Body = "t", "b"
	if body, _, err = g.body(&dispatch.Call{Endpoint: "/push/single/alias", Intents: []*intent.Intent{in}, Began: began}); err != nil || strings.Contains(string(body), "notification") ||
		strings.Contains(string(body), "alert") || !strings.Contains(string(body), `"apns-collapse-id":"`+ids.CollapseID+`"`) || !strings.Contains(string(body), `"transmission":"{\"title\":\"t\",\"body\":\"b\",\"link\":\"app://o/1\"`) {
		t.Errorf("%s, %v", body, err)
	}
}

// Now or never, over Wi-Fi only, shown for a time: what the vendor's older SDK set by isOffline, pushNetWorkType and setDuration. The message of
// a list is kept for a minute all the same, for the call that names its users.
func TestWhenAndHowAtGetui(t *testing.T) {
	g := &getuiAccount{appID: "a", by: getui.ByCID}
	began := time.UnixMilli(1700000000000)
	in := &intent.Intent{ID: "t/0/1/r/c", Rule: "r", Target: "c", Action: intent.Push, Policy: intent.Policy{Expire: began.Add(time.Hour)},
		Content: &intent.Content{Title: "t", Body: "b", Getui: json.RawMessage(`{"offline":false,"network_type":1,"show_for":"2h"}`)}}
	for endpoint, ttl := range map[string]string{"/push/single/cid": "-1", "/push/single/batch/cid": "-1", "/push/list/cid": "60000"} {
		body, _, err := g.body(&dispatch.Call{Endpoint: endpoint, Users: []string{"c"}, Intents: []*intent.Intent{in}, Began: began})
		if err != nil || !strings.Contains(string(body), `"ttl":`+ttl+`}`) || !strings.Contains(string(body), `"network_type":1,"duration":"1700000000000-1700007200000"`) {
			t.Errorf("%s: %s, %v", endpoint, body, err)
		}
	}
}

// Regions and portraits narrow an audience: everyone then goes by conditions, and one tag no longer by the fast way.
func TestRegionsAndPortraitsNarrowAnAudience(t *testing.T) {
	g := &getuiAccount{appID: "a", by: getui.ByAlias, allowEveryone: true, broadcast: true, fastTag: true}
	for _, tc := range []struct {
		audience *intent.Audience
		block    string
		want     string // conditions
	}{
		{&intent.Audience{Everyone: true}, `{"region":{"or":["11000000","31000000"]}}`, `[{"key":"region","values":["11000000","31000000"],"opt_type":"or"}]`},
		{&intent.Audience{AnyOf: []string{"bj", "vip", "bj"}}, `{}`, `[{"key":"custom_tag","values":["bj","vip"],"opt_type":"or"}]`}, // two holes were filled with the same
		{&intent.Audience{AllOf: []string{"vip"}}, `{"region":{"not":["11000000"]},"portrait":{"and":["p1","p2"]}}`,
			`[{"key":"custom_tag","values":["vip"],"opt_type":"and"},{"key":"region","values":["11000000"],"opt_type":"not"},{"key":"portrait","values":["p1","p2"],"opt_type":"and"}]`},
	} {
		in := &intent.Intent{ID: "t/0/1/r/*", Rule: "r", Target: "*", Action: intent.Broadcast, Audience: tc.audience, Content: &intent.Content{Title: "t", Body: "b", Getui: json.RawMessage(tc.block)}}
		route, err := g.Route(in)
		if err != nil || route.Endpoint != "/push/tag" || route.Lane != "app" {
			t.Errorf("%s: %+v, %v", tc.block, route, err)
		}
		body, _, err := g.body(&dispatch.Call{Endpoint: route.Endpoint, Audience: in.Audience, Content: in.Content, Intents: []*intent.Intent{in}})
		if err != nil || !strings.Contains(string(body), `"audience":{"tag":`+tc.want+`}`) {
			t.Errorf("%s, %v; want %s", body, err, tc.want)
		}
		if err := schema.Request("POST", "/v2/a"+route.Endpoint, body); err != nil {
			t.Error(err)
		}
	}
	// Never wider: neither by what is no condition, nor by a way that takes none.
	for block, endpoint := range map[string]string{`{"region":{"or":["北京"]}}`: "/push/tag", `{"region":{}}`: "/push/all", `{"region":{"or":["11000000"]}}`: "/push/all", `{"portrait":{"or":["p"]}}`: "/push/fast_custom_tag"} {
		in := &intent.Intent{ID: "t/0/1/r/*", Rule: "r", Action: intent.Broadcast, Audience: &intent.Audience{Everyone: true}, Content: &intent.Content{Title: "t", Body: "b", Getui: json.RawMessage(block)}}
		if body, _, err := g.body(&dispatch.Call{Endpoint: endpoint, Audience: in.Audience, Content: in.Content, Intents: []*intent.Intent{in}}); err == nil {
			t.Errorf("%s by %s became %s", block, endpoint, body)
		}
	}
}

// A repeat is the same to the byte, whenever it leaves and whoever makes it.
func TestARepeatAtGetuiIsTheSame(t *testing.T) {
	g := &getuiAccount{appID: "a", by: getui.ByCID}
	var ins []*intent.Intent
	for i := range 3 {
		ins = append(ins, &intent.Intent{ID: intent.ID(fmt.Sprint("t/0/", i, "/r/c")), Rule: "r", Target: fmt.Sprint("c-", i), Action: intent.Push, Policy: intent.Policy{Expire: time.UnixMilli(1700000000000)},
			Content: &intent.Content{Title: "t", Body: fmt.Sprint(i), Data: map[string]string{"a": "1", "b": "2", "c": "3"}}})
	}
	first := dispatch.Call{Endpoint: "/push/single/batch/cid", Intents: ins, Began: time.UnixMilli(1699999000000), Try: 1}
	again := first
	again.Try, again.ID = 2, "other"
	a, _, err := g.body(&first)
	if err != nil {
		t.Fatal(err)
	}
	b, _, _ := (&getuiAccount{appID: "a", by: getui.ByCID}).body(&again)
	if string(a) != string(b) || strings.Count(string(a), `"ttl":1000000`) != 3 {
		t.Errorf("%s\n%s", a, b)
	}
	for i := range 3 {
		if id := getui.IDsOf("a", fmt.Sprint("t/0/", i, "/r/c")).RequestID; strings.Count(string(a), id) == 0 {
			t.Errorf("message %d is not under its own id", i)
		}
	}
}

// What an account at Getui cannot do, and what the vendor would refuse, are errors of the file, at their place, in both languages.
func TestRulesForGetuiAreCheckedWhenTheyLoad(t *testing.T) {
	opt := func(fast bool) rules.Options {
		return RuleOptions(&settings.Settings{Accounts: []settings.Account{{Name: "main", Vendor: "getui", AppID: "a", Identify: "alias", AllowEveryone: true, ApprovalWaived: true, Broadcast: true, FastTag: fast}}})
	}
	for _, tc := range []struct{ block, found, says string }{
		{"    push: {title: t, body: b}\n", "", ""},
		{"    push: {title: t, body: b, to: 'a-b'}\n", "1:35 N412", "letters, digits"},
		{"    push: {body: b}\n", "1:11 N412", "missing"},
		{"    push: {title: '" + strings.Repeat("字", 60) + "', body: b}\n", "", ""}, // cut
		{"    push: {title: t, body: b, platforms: [ios]}\n", "1:31 N407", "without `platforms`"},
		{"    push: {title: t, body: b, message: {type: 'RC:TxtMsg', content: {content: c}}}\n", "1:31 N407", "`data`"},
		{"    push: {title: t, body: b, image: 'no address'}\n", "1:38 N412", "no address"},
		{"    push: {title: t, body: b, rongcloud: {ios: {nothing: 1}}}\n", "", ""}, // for other accounts
		{"    push: {title: t, body: b, getui: {strategy: {ios: 4}, notification: {channel_level: 4}}}\n", "", ""},
		{"    push: {title: t, body: b, getui: {strategy: {ios: 5}, notification: {channel_level: 4}}}\n", "1:55 N412", "from 1 to 4"},
		{"    push: {title: t, body: b, getui: {notification: {channel_level: 9}}}\n", "1:69 N412", "from 0 to 4"},
		{"    push: {title: t, body: b, getui: {chanel: 1, notification: {click_type: 7}}}\n", "1:39 N411 1:77 N411", "strategy"},
		{"    push: {title: t, body: b, getui: {strategy: {ios: 5, hw: 0}, speed: -1, notification: {channel_level: 9, redisplay_freq: 1}}}\n", "1:55 N412 1:62 N412 1:73 N412 1:107 N412 1:126 N412", "from 1 to 4"},
		{"    push: {title: t, body: b, getui: {android: {options: {xm: {/a: 1}, FOO: {/a: 1}, HO: {/a: 1}}}}}\n", "1:59 N411 1:72 N411", "did you mean `XM`"},
		{"    push: {title: t, body: b, data: {a: '" + strings.Repeat("x", 3080) + "'}}\n", "1:31 N412", "`link` and `data` together"},
		{"    push: {title: t, body: b}\n    getui: {ios: {sond: x}}\n", "2:19 N411", "sound"},
		{"    push: {title: t, body: b, getui: {ios: {sound: '${order_id}'}}}\n", "1:52 N411", "not filled"},
		{"    push: {title: t, body: b, getui: {notification: {click_type: url}}}\n", "1:11 N412", "click_type url"},
		{"    push: {title: t, body: b, getui: {notification: {click_type: url, url: 'https://e.example/x'}}}\n", "", ""},
		{"    push: {title: t, body: b, getui: {ios: {sound: a}}}\n    getui: {ios: {sound: b}}\n", "2:12 N102", "twice"},
		{"    broadcast: {audience: everyone, title: t, body: b}\n", "", ""},
		{"    broadcast: {audience: online, title: t, body: b}\n", "1:17 N407", "`everyone`"},
		{"    broadcast: {audience: {package: p}, title: t, body: b}\n", "1:28 N407", "account"},
		{"    broadcast: {audience: {all_of: [a], none_of: [x]}, title: t, body: b}\n", "1:17 N407", "one of"},
		{"    broadcast: {audience: {any_of: [a, '${order_id}']}, title: t, body: b, platforms: [ios]}\n", "", ""},
		{"    broadcast: {audience: {any_of: [a]}, title: t, body: b, platforms: [harmonyos]}\n", "1:61 N407", "android"},
		{"    broadcast: {audience: everyone, title: t, body: b, getui: {region: {or: ['11000000']}, portrait: {not: [p1, p2]}}}\n", "", ""},
		{"    broadcast: {audience: everyone, title: t, body: b, getui: {region: {or: [北京]}}}\n", "1:73 N412", "numeric code"},
		{"    broadcast: {audience: everyone, title: t, body: b, getui: {region: {}, portrait: {or: [a], not: [b]}}}\n", "1:64 N412 1:76 N412", "one of `or`"},
		{"    broadcast: {audience: everyone, title: t, body: b, getui: {region: {or: '11000000', nor: []}}}\n", "1:77 N411 1:89 N411", "want a list"},
		{"    push: {title: t, body: b, getui: {region: {or: ['11000000']}}}\n", "1:39 N412", "a push to users has none"},
		{"    push: {title: t, body: b, getui: {network_type: 1, show_for: 2h, offline: false}}\n", "", ""},
		{"    push: {title: t, body: b, getui: {show_for: 1d}}\n", "", ""},
		{"    push: {title: t, body: b, getui: {show_for: 99999d}}\n", "1:49 N412", "like 30m"},
		{"    push: {title: t, body: b, getui: {network_type: 2}}\n", "1:53 N412", "0 or 1"},
		{"    push: {title: t, body: b, getui: {show_for: 10m}}\n", "1:49 N412", "more than 10m0s"},
		{"    push: {title: t, body: b, getui: {show_for: tomorrow}}\n", "1:49 N412", "like 30m"},
		{"    broadcast: {audience: {any_of: [" + strings.Repeat("a", 33) + "]}, title: t, body: b}\n", "1:28 N412", "at most 31"},
	} {
		for _, fast := range []bool{false, true} {
			found, list := check(t, opt(fast), tc.block)
			said := ""
			for _, d := range list {
				if d.Severity != diag.Error {
					continue
				}
				said += d.Message.EN + d.Hint.EN
				if !strings.ContainsFunc(d.Message.ZH, func(r rune) bool { return unicode.Is(unicode.Han, r) }) || d.Hint.EN != "" && d.Hint.ZH == "" {
					t.Errorf("%s: %s has no Chinese: %+v", tc.block, d.Code, d)
				}
			}
			if found != tc.found || !strings.Contains(said, tc.says) {
				t.Errorf("%s found %q, want %q that says %q\n%v", tc.block, found, tc.found, tc.says, list)
			}
		}
	}
}

// A tag that is too long there in any case is said at load, at its place.
func TestTagsForGetuiAreShorter(t *testing.T) {
	for vendor, want := range map[string]string{"getui": "5:12 N306", "rongcloud": ""} {
		opt := RuleOptions(&settings.Settings{Accounts: []settings.Account{{Name: "main", Vendor: vendor, Sender: "s", Platforms: []string{"ios"}}}})
		catalogue := "version: 1\nevents: {profile.changed: {topic: t, kind: profile, id: id, time: ts, user: u, fields: {city: {path: c, type: string}}}}\n"
		rule := fmt.Sprintf("version: 1\nrules:\n  - name: city-tag\n    event: profile.changed\n    tags: [%q, \"city_${city}\"]\n", strings.Repeat("a", 32))
		_, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte(catalogue)}, {Name: "r.yaml", Data: []byte(rule)}}, opt)
		var got []string
		for _, d := range list {
			if d.Severity == diag.Error {
				got = append(got, fmt.Sprintf("%d:%d %s", d.Line, d.Column, d.Code))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v", vendor, list)
		}
	}
}

// What the vendor says, in the dispatcher's words.
func TestOutcomesOfGetui(t *testing.T) {
	answer, status := "", 200
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/auth") {
			_, _ = io.WriteString(w, `{"code":0,"data":{"token":"tok-secret","expire_time":"9999999999999"}}`)
			return
		}
		body := answer
		if strings.HasSuffix(r.URL.Path, "/list/message") && !strings.Contains(answer, "message") {
			body = `{"code":0,"data":{"taskid":"RASL_1"}}`
		} else {
			w.WriteHeader(status)
		}
		_, _ = io.WriteString(w, body)
	}))
	defer srv.Close()
	cl, err := getui.New(getui.Options{Host: srv.URL, AppID: "a", AppKey: "k", MasterSecret: func() getui.Secret { return getui.NewSecret("s") }})
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	g := &getuiAccount{client: cl, appID: "a", by: getui.ByCID, allowEveryone: true}
	type users = map[string]dispatch.UserOutcome
	for _, tc := range []struct {
		name     string
		endpoint string
		try      int
		status   int
		answer   string
		want     dispatch.Outcome // Detail apart
		says     string
	}{
		{"taken", "/push/single/cid", 1, 200, `{"code":0,"data":{"T":{"c-0":"successed_offline"}}}`, dispatch.Outcome{Class: dispatch.ClassOK, Users: users{"c-0": {VendorID: "T"}}}, ""},
		{"ignored", "/push/single/cid", 1, 200, `{"code":0,"data":{"T":{"c-0":"successed_ignore"}}}`, dispatch.Outcome{Class: dispatch.ClassOK, Users: users{"c-0": {Refused: true, VendorID: "T", Detail: "90 days"}}}, ""},
		{"a batch", "/push/single/batch/cid", 1, 200, `{"code":0,"data":{"T":{"c-0":"successed_online"},"U":{"c-1":"busy"}}}`,
			dispatch.Outcome{Class: dispatch.ClassOK, Users: users{"c-0": {VendorID: "T"}, "c-1": {Refused: true, VendorID: "U", Detail: `"busy"`}, "c-2": {Refused: true, Detail: "no such user"}}}, ""},
		{"a list", "/push/list/cid", 1, 200, `{"code":0,"data":{"RASL_1":{"c-0":"successed_online","c-1":"successed_online","c-2":"successed_online"}}}`,
			dispatch.Outcome{Class: dispatch.ClassOK, Users: users{"c-0": {VendorID: "RASL_1"}, "c-1": {VendorID: "RASL_1"}, "c-2": {VendorID: "RASL_1"}}}, ""},
		{"a list of which nothing is known", "/push/list/cid", 1, 502, `<html>`, dispatch.Outcome{Class: dispatch.ClassUnknown}, "502"},
		{"a list whose message was not stored", "/push/list/cid", 1, 502, `<html>message`, dispatch.Outcome{Class: dispatch.ClassNotSent}, "502"},
		{"an audience", "/push/all", 1, 200, `{"code":0,"data":{"taskid":"RASA_1"}}`, dispatch.Outcome{Class: dispatch.ClassOK, VendorID: "RASA_1", Sender: "a", MessageUID: "RASA_1"}, ""},
		{"one tag", "/push/fast_custom_tag", 1, 200, `{"code":0,"data":{"taskid":"RASA_1"}}`, dispatch.Outcome{Class: dispatch.ClassOK, VendorID: "RASA_1"}, ""},
		{"seen before, on a repeat", "/push/single/cid", 2, 400, `{"code":20001,"msg":"request_id cannot be repeat."}`, dispatch.Outcome{Class: dispatch.ClassOK, Code: 20001}, "already"},
		{"seen before, on the first try", "/push/single/cid", 1, 400, `{"code":20001,"msg":"request_id cannot be repeat."}`, dispatch.Outcome{Class: dispatch.ClassPermanent, Code: 20001, IDTaken: true}, "not sent: the vendor has had another push"},
		{"no such user", "/push/single/cid", 1, 400, `{"code":20001,"msg":"target user is invalid"}`, dispatch.Outcome{Class: dispatch.ClassPermanent, Code: 20001, Target: true}, "target"},
		{"no data", "/push/single/cid", 1, 200, `{"code":0}`, dispatch.Outcome{Class: dispatch.ClassRetrySafe}, "accepted, but"},
		{"502", "/push/single/cid", 1, 502, `<html>`, dispatch.Outcome{Class: dispatch.ClassRetrySafe}, "502"},
		{"busy", "/push/single/cid", 1, 403, `{"code":30019}`, dispatch.Outcome{Class: dispatch.ClassNotSent, Code: 30019}, ""},
		{"too often", "/push/single/cid", 1, 401, `{"code":10005}`, dispatch.Outcome{Class: dispatch.ClassRetryLater, Code: 10005, Wait: time.Minute}, ""},
		{"too many lists", "/push/list/cid", 1, 403, `{"code":30015}`, dispatch.Outcome{Class: dispatch.ClassRetryLater, Code: 30015, Wait: time.Minute, Alone: true}, ""},
		{"no permission", "/push/fast_custom_tag", 1, 403, `{"code":30000}`, dispatch.Outcome{Class: dispatch.ClassConfig, Code: 30000, Service: true}, ""},
		{"black-listed", "/push/single/cid", 1, 401, `{"code":10002}`, dispatch.Outcome{Class: dispatch.ClassConfig, Code: 10002}, ""},
	} {
		status, answer = tc.status, tc.answer
		c := &dispatch.Call{ID: "x-0-1", Endpoint: tc.endpoint, Try: tc.try, Content: &intent.Content{Title: "t", Body: "b"}, Audience: &intent.Audience{AllOf: []string{"vip"}}}
		n := 3
		if strings.HasPrefix(tc.endpoint, "/push/single/cid") || !strings.HasSuffix(tc.endpoint, "cid") {
			n = 1
		}
		for i := range n {
			u := fmt.Sprint("c-", i)
			c.Users = append(c.Users, u)
			c.Intents = append(c.Intents, &intent.Intent{ID: intent.ID("t/0/1/r/" + u), Rule: "r", Target: u, Action: intent.Push, Content: c.Content})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
		got := g.Send(ctx, c)
		cancel()
		if !strings.Contains(got.Detail, tc.says) {
			t.Errorf("%s: %q, want it to say %q", tc.name, got.Detail, tc.says)
		}
		if !strings.HasPrefix(got.Detail, got.Head) || !strings.HasSuffix(got.Detail, got.Foot) {
			t.Errorf("%s: %q does not begin with %q and end with %q", tc.name, got.Detail, got.Head, got.Foot)
		}
		got.Detail, got.Head, got.Foot = "", "", ""
		for u, o := range got.Users {
			if want := tc.want.Users[u].Detail; want != "" && strings.Contains(o.Detail, want) {
				o.Detail = want
				got.Users[u] = o
			}
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, d)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
	defer cancel()
	for code, endpoint := range map[int]string{30009: "/push/single/cid", 30008: "/push/list/cid"} {
		status, answer = 403, fmt.Sprintf(`{"code":%d}`, code)
		o := g.Send(ctx, &dispatch.Call{ID: "x-0-2", Endpoint: endpoint, Users: []string{"c"}, Intents: []*intent.Intent{{ID: "i", Rule: "r", Target: "c", Content: &intent.Content{Title: "t", Body: "b"}}}})
		if o.Class != dispatch.ClassRetryLater || o.Wait <= time.Minute || o.Wait > 24*time.Hour+time.Minute || o.Alone != (code == 30008) { // of lists alone: other pushes go on
			t.Errorf("a day's quota, %d: %+v", code, o)
		}
	}
	for body, want := range map[string]dispatch.Class{`{"code":0,"data":{}}`: dispatch.ClassOK, `{"code":20001,"msg":"target user is invalid"}`: dispatch.ClassOK, `{"code":10002}`: dispatch.ClassConfig} {
		status, answer = 200, body
		if o := g.Probe(ctx, "p"); o.Class != want {
			t.Errorf("a probe that is answered %s: %+v", body, o)
		}
	}
}

func TestTheVendorsDayEndsInShanghai(t *testing.T) {
	for at, want := range map[string]time.Duration{"2026-11-28T15:59:30Z": 90 * time.Second, "2026-11-28T16:00:00Z": 24*time.Hour + time.Minute} {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := untilMidnight(now); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
		// By the vendor's clock, whatever this machine's says.
		if o := getuiOutcome(&getui.Error{Class: getui.RetryLater, Wait: getui.NextDay, Code: 30009, Date: now}, 1); o.Wait != want {
			t.Errorf("the vendor answers at %s: wait %s, want %s", at, o.Wait, want)
		}
	}
}

// What the settings have where nobody says otherwise is the vendor's own table.
func TestTheSettingsOfGetuiBeginWithTheVendorsTable(t *testing.T) {
	s, list := settings.LoadForRules("../../docs/moving/getui.yaml", nil)
	if s == nil {
		t.Fatal(list)
	}
	ac := s.Accounts[0]
	if got, want := getuiLanes(&ac), getuiLanes(&settings.Account{Identify: ac.Identify}); ac.Quota.Pushes == 0 || ac.Quota.TagDay == 0 || !cmp.Equal(got, want, cmp.Comparer(func(a, b *time.Location) bool { return a == b })) {
		t.Errorf("lanes %+v, the table %+v", got, want)
	}
}

// By alias there is no batch, and a list is never repeated.
func TestLanesOfGetui(t *testing.T) {
	for by, want := range map[string][]string{"alias": {"/push/list/alias 0", "/push/single/alias 3"}, "cid": {"/push/list/cid 0", "/push/single/batch/cid 3", "/push/single/cid 3"}} {
		p := getuiLanes(&settings.Account{Identify: by})["push"]
		var got []string
		for _, f := range p.Forms {
			got = append(got, fmt.Sprint(f.Endpoint, " ", f.Tries))
			if f.Most > 400 { // fates of one record of the ledger
				t.Errorf("%s: up to %d users", f.Endpoint, f.Most)
			}
			if f.Weight > p.Rate || f.Tries > 1 && p.Within != 10*time.Minute {
				t.Errorf("%s: %+v", by, f)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", by, got, want)
		}
		few := getuiLanes(&settings.Account{Identify: by, Quota: settings.Quota{Lists: 900}})["push"]
		if p.Forms[0].Day.String() != "2000000 per day Asia/Shanghai" || few.Forms[0].Day.N != 900 || slices.ContainsFunc(p.Forms[1:], func(f dispatch.Form) bool { return f.Day.N > 0 }) {
			t.Errorf("%s: %+v, %+v", by, p.Forms, few.Forms)
		}
	}
}
