package app

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
	"github.com/notifier/notifier/test/schema"
)

// check loads one rule with the given block beside the shipped catalogue; findings are `line:column CODE`, the line counted from the
// block's first.
func check(t *testing.T, opt rules.Options, block string) (found string, list diag.List) {
	t.Helper()
	catalogue, err := os.ReadFile("../../rules/events.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files, err := rules.ReadFS(os.DirFS("../../rules"))
	if err != nil {
		t.Fatal(err)
	}
	kept := []rules.File{{Name: "events.yaml", Data: catalogue}}
	for _, f := range files {
		if strings.HasSuffix(f.Name, ".json") {
			kept = append(kept, f)
		}
	}
	head := "version: 1\nrules:\n  - name: x-y-z\n    event: order.paid\n    mode: live\n    class: service\n    when: always\n    limits: {expire: 1h}\n    tests: [{name: n, event: {}, expect: no match}]\n"
	_, list = rules.LoadFiles(append(kept, rules.File{Name: "r.yaml", Data: []byte(head + block)}), opt)
	var out []string
	for _, d := range list {
		if d.Severity == diag.Error {
			out = append(out, fmt.Sprintf("%d:%d %s", d.Line-strings.Count(head, "\n"), d.Column, d.Code))
		}
	}
	return strings.Join(out, " "), list
}

func account(broadcast, plus bool) rules.Options {
	s := &settings.Settings{Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud", Sender: "system", Platforms: []string{"ios", "android"},
		AllowEveryone: true, ApprovalWaived: true, Broadcast: broadcast, PushPlus: plus}}}
	return RuleOptions(s)
}

// What an account cannot do is an error when rules load, at the key, and the hint names what is possible.
func TestImpossibleRoutesAreErrorsOfTheFile(t *testing.T) {
	for _, tc := range []struct {
		block           string
		broadcast, plus bool
		found, hint     string
	}{
		{"    broadcast: {audience: everyone, body: b}\n", true, false, "", ""},
		{"    broadcast: {audience: everyone, body: b}\n", false, false, "1:5 N407", "push"},
		{"    broadcast: {audience: {all_of: [a]}, body: b}\n", false, true, "1:5 N407", "push"},
		{"    broadcast: {audience: online, body: b}\n", true, false, "1:17 N407", "message"},
		{"    broadcast: {audience: online, body: b, message: {type: 'RC:TxtMsg', content: {content: c}}}\n", true, false, "", ""},
		{"    broadcast: {audience: online, body: b, message: {type: 'RC:TxtMsg', content: {content: c}}, rongcloud: {ios: {badge: 1}}}\n", true, false, "1:97 N411", "remove"},
		{"    broadcast: {audience: {all_of: [a], none_of: [x]}, body: b}\n", true, false, "1:41 N407", "services.push_plus: true"},
		{"    broadcast: {audience: {all_of: [a], none_of: [x]}, body: b}\n", false, true, "", ""},
		{"    broadcast: {audience: {none_of: [x]}, body: b, message: {type: 'RC:TxtMsg', content: {content: c}}}\n", true, true, "1:28 N407", "without `message`"},
		{"    push: {body: b, platforms: [ios]}\n", true, true, "1:21 N407", "remove"},
		{"    broadcast: {audience: everyone, body: b, platforms: [ios]}\n", true, true, "", ""},
		{"    broadcast: {audience: everyone, body: b, platforms: [ios], message: {type: 'RC:TxtMsg', content: {content: c}}}\n", true, true, "1:46 N407", "remove"},
		{"    broadcast: {audience: everyone, body: b, platforms: [ios, harmonyos]}\n", true, true, "1:57 N407", "ios, android"},
		{"    broadcast: {audience: {all_of: [a]}, title: t, body: b, message: {type: 'RC:TxtMsg', content: {content: c}}, rongcloud: {ios: {badge: 1, title: t}, android: {extras: {k: v}, oppo: {channelId: c, category: IM, notify_level: 2}}}}\n", true, false, "", ""},
	} {
		found, list := check(t, account(tc.broadcast, tc.plus), tc.block)
		hint := ""
		for _, d := range list {
			if d.Severity == diag.Error {
				hint += d.Hint.EN
			}
		}
		if found != tc.found || !strings.Contains(hint, tc.hint) {
			t.Errorf("%s found %q %v, want %q with a hint of %q", tc.block, found, list, tc.found, tc.hint)
		}
		for _, d := range list {
			if d.Severity == diag.Error && (d.Message.ZH == "" || d.Hint.EN != "" && d.Hint.ZH == "") {
				t.Errorf("%s: %s has no Chinese: %+v", tc.block, d.Code, d)
			}
		}
	}
}

// A message that its type does not allow, and a block that the vendor does not know, are errors of the file: all of them, each at its
// place, with settings and without.
func TestTheVendorsContractIsCheckedWhenRulesLoad(t *testing.T) {
	for _, tc := range []struct{ name, block, found, says string }{
		{"well", "    push:\n      body: b\n      message: {type: 'RC:TxtMsg', content: {content: '${order_id}'}}\n", "", ""},
		{"required field", "    push:\n      body: b\n      message: {type: 'RC:TxtMsg', content: {contnt: x}}\n", "3:45 N410 3:46 N410", "missing; RC:TxtMsg wants content"},
		{"unknown type", "    push:\n      body: b\n      message: {type: 'RC:Nothing', content: {content: x}}\n", "3:23 N410", "RC:TxtMsg"},
		{"empty field", "    push:\n      body: b\n      message: {type: 'RC:InfoNtf', content: {message: ''}}\n", "3:56 N410", "empty"},
		{"number", "    push:\n      body: b\n      message: {type: 'RC:HQVCMsg', content: {remoteUrl: 'https://x/v.aac', duration: 61}}\n", "3:87 N410", "0 to 60"},
		{"number in a hole", "    push:\n      body: b\n      message: {type: 'RC:HQVCMsg', content: {remoteUrl: 'https://x/v.aac', duration: '${order_id}'}}\n", "", ""},
		{"numbers as text and plain", "    push:\n      body: b\n      message: {type: 'RC:GIFMsg', content: {gifDataSize: 1, localPath: l, remoteUrl: r, width: '2', height: 3}}\n", "", ""},
		{"user", "    push:\n      body: b\n      message: {type: 'RC:TxtMsg', content: {content: x, user: '{\"id\":\"1\"}'}}\n", "", ""},
		{"user of another kind", "    push:\n      body: b\n      message: {type: 'RC:TxtMsg', content: {content: x, user: bob}}\n", "3:64 N410", "object"},
		{"extra of a command", "    push:\n      body: b\n      message: {type: 'RC:CmdMsg', content: {name: n, data: d}, extra: e}\n", "3:65 N410", "RC:CmdMsg has"},
		{"custom type", "    push:\n      body: b\n      message: {type: 'app:order', content: {anything: x}}\n", "", ""},
		{"sender", "    push:\n      body: b\n      message: {type: 'app:order', from: '张三', content: {}}\n", "3:42 N412", "A-Z"},
		{"receiver", "    push: {to: 'a b', body: b}\n", "1:16 N412", "A-Z"},

		{"block", "    push:\n      body: b\n      rongcloud: {android: {hw: {channelId: c, category: IM}, vivo: {classification: '1'}}, ios: {badge: 0}}\n", "", ""},
		{"several mistakes", "    push:\n      body: b\n      rongcloud:\n        ios: {threadId: g, badge: '1'}\n        android:\n          hw: {category: im}\n          vivo: {category: IM}\n          OPPO: {}\n",
			"4:15 N411 4:35 N411 8:11 N411", "thread-id"},
		{"several values", "    push:\n      body: b\n      rongcloud:\n        ios: {badge: 10000}\n        android:\n          hw: {category: im}\n          vivo: {category: IM}\n",
			"4:22 N411 6:26 N411 7:28 N411", "9999"},
		{"block of the rule", "    push: {body: b}\n    rongcloud:\n      ios: {interruption-level: loud}\n", "3:33 N411", "time-sensitive"},
		{"with a message", "    push:\n      body: b\n      message: {type: 'RC:TxtMsg', content: {content: x}}\n      rongcloud: {ios: {badge: 1, thread-id: g}, android: {extras: {k: v}}}\n", "4:25 N411 4:60 N411", "cannot travel"},

		{"title", "    push: {title: '" + strings.Repeat("字", 51) + "', body: b}\n", "1:19 N412", "at most 50"},
		{"title with a hole", "    push: {title: '" + strings.Repeat("字", 50) + "${order_id}', body: b}\n", "", ""},
		{"title of a message", "    push: {title: '" + strings.Repeat("字", 51) + "', body: b, message: {type: 'app:x', content: {}}}\n", "1:19 N412", "at most 50"},
		{"image", "    push: {body: b, image: 'http://x/i.png'}\n", "1:28 N412", "https"},
		{"image in a hole", "    push: {body: b, image: '${order_id}'}\n", "", ""},
		{"body", "    push: {body: '" + strings.Repeat("字", 1001) + "'}\n", "1:18 N412", "at most 1000"},
		{"21 tags", "    broadcast: {audience: {any_of: [" + strings.TrimSuffix(strings.Repeat("t%d, ", 21), ", ") + "]}, body: b}\n", "1:28 N412", "at most 20"},
		{"two texts", "    push: {title: '" + strings.Repeat("字", 51) + "', body: '" + strings.Repeat("字", 1001) + "'}\n", "1:19 N412 1:80 N412", "at most 1000"},
		{"a single trigger's title", "    push: {title: t, body: '${count}'}\n    merge: {wait: 1s, one: {title: '" + strings.Repeat("字", 51) + "', body: b}}\n", "2:36 N412", "at most 50"},
	} {
		if strings.Contains(tc.block, "%d") {
			n := make([]any, 21)
			for i := range n {
				n[i] = i
			}
			tc.block = fmt.Sprintf(tc.block, n...)
		}
		for with, opt := range map[string]rules.Options{"settings": account(true, true), "no settings": AnyRuleOptions()} {
			found, list := check(t, opt, tc.block)
			if d := cmp.Diff(tc.found, found); d != "" {
				t.Errorf("%s with %s: %v (-want +got):\n%s", tc.name, with, list, d)
				continue
			}
			text := ""
			for _, d := range list {
				text += d.Message.EN + "\n"
				if strings.HasPrefix(d.Code, "N41") && d.Message.ZH == "" {
					t.Errorf("%s: no Chinese: %s", tc.name, d.Message.EN)
				}
			}
			if !strings.Contains(text, tc.says) {
				t.Errorf("%s: says %q, want %q", tc.name, text, tc.says)
			}
		}
	}
}

// A neutral key that has no place beside a message is told of, not lost in silence.
func TestWhatAMessageDoesNotCarryIsSaid(t *testing.T) {
	const keys, message = "link: 'app://x', data: {k: v}, badge: 1, image: 'https://x/i.png', group: g, ", "message: {type: 'RC:TxtMsg', content: {content: c}}}\n"
	for block, want := range map[string]string{
		"    push: {title: t, body: b, " + keys + message:                               "link data badge",
		"    broadcast: {audience: everyone, title: t, body: b, " + keys + message:      "link data badge",
		"    broadcast: {audience: online, title: t, body: b, " + keys + message:        "link data badge image group", // without a notification
		"    broadcast: {audience: {all_of: [a]}, title: t, body: b, " + keys + message: "",
		"    push: {title: t, body: b, " + strings.TrimSuffix(keys, ", ") + "}\n":       "",
		"    broadcast: {audience: online, title: t, body: b, " + message:               "",
	} {
		_, list := check(t, account(true, true), block)
		var got []string
		for _, d := range list {
			if d.Code == "W407" {
				got = append(got, strings.Split(d.Message.EN, "`")[1])
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s warns of %v, want %s", block, got, want)
		}
	}
}

// What only the account does not allow hides nothing that the vendor cannot do.
func TestAMissingApprovalHidesNoImpossibleRoute(t *testing.T) {
	opt := RuleOptions(&settings.Settings{Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud", Sender: "system", AllowEveryone: true, Broadcast: true}}})
	if found, list := check(t, opt, "    broadcast: {audience: online, body: b}\n"); !strings.Contains(found, "N402") || !strings.Contains(found, "1:17 N407") {
		t.Errorf("%s\n%v", found, list)
	}
}

// Without settings nobody knows of which vendor the account is: a mistake in the block of either is found.
func TestWithoutSettingsBothBlocksAreChecked(t *testing.T) {
	for _, c := range []struct{ block, want string }{
		{"    push: {title: t, body: b}\n    getui: {settings: {nope: 1}}\n", "2:13 N411"},
		{"    push: {title: t, body: b}\n    rongcloud: {android: {hw: {chanelId: x}}}\n", "2:32 N411"},
		{"    push: {title: t, body: b, getui: {speed: many}, rongcloud: {nope: 1}}\n", "1:46 N411 1:65 N411"},
		{"    broadcast: {audience: {all_of: [a]}, title: t, body: b, getui: {sped: 1}}\n", "1:69 N411"},
		{"    push: {title: t, body: b, getui: {speed: 1}, rongcloud: {ios: {badge: 1}}}\n", ""},
	} {
		if found, list := check(t, AnyRuleOptions(), c.block); found != c.want {
			t.Errorf("%s: got %q, want %q: %v", c.block, found, c.want, list)
		}
	}
}

// That an account may not reach everyone is said once, whoever the vendor is.
func TestAMissingPermissionIsSaidOnce(t *testing.T) {
	for _, ac := range []settings.Account{{Name: "main", Vendor: "rongcloud", Sender: "system", Platforms: []string{"ios"}, ApprovalWaived: true, Broadcast: true, PushPlus: true},
		{Name: "main", Vendor: "getui", AppID: "a", Identify: "cid", ApprovalWaived: true, Broadcast: true}} {
		for _, audience := range []string{"everyone", "{none_of: [a]}"} {
			opt := RuleOptions(&settings.Settings{Accounts: []settings.Account{ac}})
			if found, list := check(t, opt, "    broadcast: {audience: "+audience+", title: t, body: b}\n"); found != "1:27 N401" && found != "1:28 N401" {
				t.Errorf("%s at %s: %q %v", audience, ac.Vendor, found, list)
			}
		}
	}
}

// A block for a vendor that no account has is told of; without settings nobody knows.
func TestABlockThatNobodyReads(t *testing.T) {
	advice := func(opt rules.Options) (out []string) {
		set, list := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: []byte("version: 1\nevents: {order.paid: {topic: orders, id: id, user: user, fields: {city: city}}}\n")},
			{Name: "r.yaml", Data: []byte("version: 1\nrules:\n  - name: x-y\n    event: order.paid\n    mode: live\n    class: service\n    when: always\n    push: {title: t, body: b, getui: {speed: 1}, rongcloud: {ios: {badge: 1}}}\n")}}, opt)
		if set == nil {
			t.Fatal(list)
		}
		for _, d := range set.Advice {
			out = append(out, d.Code+" "+d.Message.EN)
		}
		return out
	}
	if got := advice(account(true, true)); len(got) != 1 || !strings.HasPrefix(got[0], "I411 nobody reads the `getui` blocks") {
		t.Errorf("%q", got)
	}
	if got := advice(AnyRuleOptions()); len(got) != 0 {
		t.Errorf("without settings: %q", got)
	}
}

// The rules that ship hold the contract.
func TestShippedRulesHoldTheContract(t *testing.T) {
	files, err := rules.ReadFS(os.DirFS("../../rules"))
	if err != nil {
		t.Fatal(err)
	}
	for with, opt := range map[string]rules.Options{"settings": account(true, false), "no settings": AnyRuleOptions()} {
		if _, list := rules.LoadFiles(files, opt); len(list) > 0 {
			t.Errorf("with %s: %v", with, list)
		}
	}
}

// Every request that the shipped rules make of the shipped samples is valid by the vendor's schemas.
func TestShippedRulesSendWhatTheSchemasAllow(t *testing.T) {
	files, err := rules.ReadFS(os.DirFS("../../rules"))
	if err != nil {
		t.Fatal(err)
	}
	set, list := rules.LoadFiles(files, account(true, false))
	if set == nil {
		t.Fatal(list)
	}
	r := &rongAccount{sender: "system", platforms: []string{"ios", "android"}, allowEveryone: true, broadcast: true}
	fired := map[string]bool{}
	send := func(name string, call *dispatch.Call) {
		t.Helper()
		req, err := r.request(call)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		body, contentType, err := req.Body()
		if err == nil {
			err = schema.Wire(req.Endpoint().Path, contentType, body)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		fired[name] = true
	}
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
					get := func(k string) (intent.Value, bool) { v, ok := in.Profile.Fields[k]; return v, ok }
					tags := set.Tags("main", get, nil)
					send("tags", &dispatch.Call{Endpoint: "/user/tag/set.json", Users: []string{in.Target}, Tags: tags})
					send("tags", &dispatch.Call{Endpoint: "/user/tag/batch/set.json", Users: []string{in.Target}, Tags: tags})
					continue
				}
				c := in.Content
				if in.Merge != nil {
					if c, err = rules.RenderMerged(c, in.Merge, []map[string]any{in.Merge.Vars, in.Merge.Vars}, 2); err != nil {
						t.Fatal(err)
					}
				}
				route, err := r.Route(in)
				if err != nil {
					t.Fatalf("%s: %v", in.ID, err)
				}
				send(in.Rule, &dispatch.Call{Endpoint: route.Endpoint, Users: []string{in.Target}, Content: c, Audience: in.Audience, First: in.ID})
			}
		}
	}
	if len(fired) < 7 {
		t.Errorf("only %v made a request of their samples", fired)
	}
}

// What the vendor cannot do is shown like every other mistake, see package rules' goldens.
func TestWhatTheVendorCannotDoIsShownAsWritten(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, name := range []string{"safe-vendor-audience", "vendor-contract", "unread-block"} {
		set, l := rules.LoadFiles([]rules.File{{Name: "events.yaml", Data: read("../rules/testdata/events.yaml")}, {Name: name + ".yaml", Data: read("testdata/" + name + ".yaml")}}, account(true, false))
		if set != nil {
			l = append(l, set.Advice...)
		}
		var got bytes.Buffer
		for _, lang := range []diag.Lang{diag.EN, diag.ZH} {
			if err := diag.WriteText(&got, l, lang); err != nil {
				t.Fatal(err)
			}
			if lang == diag.EN {
				got.WriteString("----\n")
			}
		}
		if diff := cmp.Diff(string(read("testdata/"+name+".txt")), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", name, diff, got.String())
		}
	}
}

// A rule that names who sends its message is not refused for the account's own sender.
func TestARuleWithASenderNeedsNoneOfTheAccount(t *testing.T) {
	for _, sender := range []string{"", "客服"} {
		s := &settings.Settings{Accounts: []settings.Account{{Name: "main", Vendor: "rongcloud", Sender: sender, Platforms: []string{"ios"}, AllowEveryone: true, ApprovalWaived: true, Broadcast: true}}}
		for _, block := range []string{
			"    push: {body: b, message: {from: svc, type: 'RC:TxtMsg', content: {content: c}}}\n",
			"    broadcast: {audience: everyone, body: b, message: {from: svc, type: 'RC:TxtMsg', content: {content: c}}}\n",
			"    broadcast: {audience: {all_of: [a]}, body: b, message: {from: svc, type: 'RC:TxtMsg', content: {content: c}}}\n",
		} {
			if found, list := check(t, RuleOptions(s), block); found != "" {
				t.Errorf("sender %q, %s: %s %v", sender, block, found, list)
			}
		}
		if found, _ := check(t, RuleOptions(s), "    push: {body: b, message: {type: 'RC:TxtMsg', content: {content: c}}}\n"); found == "" {
			t.Errorf("sender %q is taken for a rule without one", sender)
		}
	}
}
