package sandbox

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestRulesBeyondTheVendorCases covers limits and cross-field rules that the
// vendor cases leave out. Every row starts from a fresh server.
func TestRulesBeyondTheVendorCases(t *testing.T) {
	text := func(n int) string { return `{"content":"` + strings.Repeat("x", n-len(`{"content":""}`)) + `"}` }
	notify := func(fields string) string {
		return `{"platform":["ios"],"audience":{"tag":["vip"]},"notification":{"alert":"a",` + fields + `}}`
	}
	push := func(audience string) string {
		return `{"platform":["ios"],"audience":` + audience + `,"notification":{"alert":"a"}}`
	}
	template := func(tail string) string {
		return `{"fromUserId":"s","toUserId":["1","2"],"objectName":"RC:TxtMsg","content":"{\"content\":\"{c}\"}",` + tail + `}`
	}
	message := func(pairs ...string) string {
		return form(append([]string{"fromUserId", "s", "objectName", "RC:TxtMsg", "content", `{"content":"x"}`}, pairs...)...)
	}
	const (
		system   = "/message/system/publish.json"
		online   = "/message/online/broadcast.json"
		recall   = "/message/broadcast/recall.json"
		custom   = "/push/custom.json"
		userPush = "/push/user.json"
		tmpl     = "/message/system/publish_template.json"
	)
	cases := []struct {
		name, path, contentType, body string
		code                          int
	}{
		{"tag of 40 bytes", setTag, jsonType, `{"userId":"u","tags":["` + strings.Repeat("x", 40) + `"]}`, 200},
		{"tag of 41 bytes", setTag, jsonType, `{"userId":"u","tags":["` + strings.Repeat("x", 41) + `"]}`, 1005},
		{"tag of 14 Han characters", setTag, jsonType, `{"userId":"u","tags":["` + strings.Repeat("一", 14) + `"]}`, 1005},
		{"20 tags", setTag, jsonType, `{"userId":"u","tags":["` + strings.Join(strings.Split("abcdefghijklmnopqrst", ""), `","`) + `"]}`, 200},
		{"empty tag", setTag, jsonType, `{"userId":"u","tags":[""]}`, 1002},
		{"user id of 64 bytes", setTag, jsonType, `{"userId":"` + strings.Repeat("u", 64) + `","tags":[]}`, 200},
		{"user id of 65 bytes", setTag, jsonType, `{"userId":"` + strings.Repeat("u", 65) + `","tags":[]}`, 1005},
		{"user id with a dot", setTag, jsonType, `{"userId":"u.1","tags":[]}`, 1002},
		{"no user id", setTag, jsonType, `{"tags":[]}`, 1002},
		{"body is not JSON", setTag, jsonType, `{`, 1002},
		{"two JSON values", setTag, jsonType, setTagBox + setTagBox, 1002},
		{"a bracket too many", setTag, jsonType, setTagBox + "}", 1002},
		{"body is an array", setTag, jsonType, `[]`, 1002},
		{"not UTF-8", setTag, jsonType, "{\"userId\":\"u\",\"tags\":[\"\xff\"]}", 1002},
		{"charset parameter", setTag, jsonType + "; charset=utf-8", setTagBox, 200},
		{"no users in a batch", "/user/tag/batch/set.json", jsonType, `{"userIds":[],"tags":[]}`, 1002},

		{"is_to_all absent counts as false", pushPath, jsonType, push(`{"tag":["vip"]}`), 200},
		{"is_to_all needs platforms", pushPath, jsonType, `{"audience":{"is_to_all":true},"notification":{"alert":"a"}}`, 1002},
		{"named users need none", pushPath, jsonType, `{"audience":{"userid":["u"]},"notification":{"alert":"a"}}`, 200},
		{"filter needs platforms", pushPath, jsonType, `{"audience":{"tag":["vip"]},"notification":{"alert":"a"}}`, 1002},
		{"platform twice", pushPath, jsonType, `{"platform":["ios","ios"],"audience":{"tag":["v"]},"notification":{"alert":"a"}}`, 1002},
		{"platform in capitals", pushPath, jsonType, `{"platform":["iOS"],"audience":{"tag":["v"]},"notification":{"alert":"a"}}`, 1002},
		{"HarmonyOS in any case", pushPath, jsonType, `{"platform":["HarmonyOS"],"audience":{"tag":["v"]},"notification":{"alert":"a"}}`, 200},
		{"only empty arrays", pushPath, jsonType, push(`{"tag":[],"tag_or":[],"userid":[],"packageName":""}`), 1002},
		{"tagItems belong to push plus", pushPath, jsonType, push(`{"tagItems":[{"tags":["a"]}]}`), 1002},
		{"sender without message", pushPath, jsonType, `{"platform":["ios"],"fromuserid":"s","audience":{"tag":["v"]},"notification":{"alert":"a"}}`, 1002},
		{"message without sender", pushPath, jsonType, `{"platform":["ios"],"audience":{"tag":["v"]},"message":{"content":"{}","objectName":"a:b"}}`, 1002},
		{"message without notification", pushPath, jsonType, `{"platform":["ios"],"fromuserid":"s","audience":{"tag":["v"]},"message":{"content":"{}","objectName":"a:b"}}`, 200},
		{"1001 named users", pushPath, jsonType, push(`{"userid":["` + strings.Repeat(`u","`, 1000) + `u"]}`), 1002},

		{"title of 50 Han characters", pushPath, jsonType, notify(`"title":"` + strings.Repeat("一", 50) + `"`), 200},
		{"threadId is not thread-id", pushPath, jsonType, notify(`"ios":{"threadId":"g"}`), 1002},
		{"badge 9999", pushPath, jsonType, notify(`"ios":{"badge":9999}`), 200},
		{"badge 10000", pushPath, jsonType, notify(`"ios":{"badge":10000}`), 1002},
		{"badge below 0 clears", pushPath, jsonType, notify(`"ios":{"badge":-1}`), 200},
		{"badge as a string", pushPath, jsonType, notify(`"ios":{"badge":"1"}`), 1002},
		{"empty alert of a platform", pushPath, jsonType, notify(`"ios":{"alert":""}`), 1002},
		{"http image", pushPath, jsonType, notify(`"android":{"hw":{"image":"http://e.example/i.png"}}`), 1002},
		{"upper-case vendor node", pushPath, jsonType, notify(`"android":{"HW":{"channelId":"c"}}`), 1002},
		{"hw category in lower case", pushPath, jsonType, notify(`"android":{"hw":{"category":"im"}}`), 1002},
		{"vivo category without classification", pushPath, jsonType, notify(`"android":{"vivo":{"category":"IM"}}`), 1002},
		{"vivo classification as a number", pushPath, jsonType, notify(`"android":{"vivo":{"classification":1}}`), 1002},
		{"oppo level 3", pushPath, jsonType, notify(`"android":{"oppo":{"notify_level":3}}`), 1002},
		{"interruption level", pushPath, jsonType, notify(`"ios":{"interruption-level":"loud"}`), 1002},
		{"extras as text", pushPath, jsonType, notify(`"ios":{"extras":"{}"}`), 1002},

		{"alert in a user push", userPush, jsonType, `{"userIds":["u"],"notification":{"alert":"a"}}`, 1002},
		{"no users in a user push", userPush, jsonType, `{"userIds":[],"notification":{"pushContent":"a"}}`, 1002},
		{"100 users in a user push", userPush, jsonType, `{"userIds":["` + strings.Repeat(`u","`, 99) + `u"],"notification":{"pushContent":"a"}}`, 200},

		{"content of 131072 bytes", online, formType, form("fromUserId", "s", "objectName", "RC:TxtMsg", "content", text(maxContent)), 200},
		{"content of 131073 bytes", online, formType, form("fromUserId", "s", "objectName", "RC:TxtMsg", "content", text(maxContent+1)), 1005},
		{"content without its field", online, formType, form("fromUserId", "s", "objectName", "RC:TxtMsg", "content", `{"text":"x"}`), 1002},
		{"content that is a JSON string", online, formType, form("fromUserId", "s", "objectName", "RC:TxtMsg", "content", `"x"`), 1002},
		{"free content of a custom type", online, formType, form("fromUserId", "s", "objectName", "my:thing", "content", "hello"), 200},
		{"objectName of 33 characters", online, formType, form("fromUserId", "s", "objectName", strings.Repeat("n", 33), "content", "x"), 1005},
		{"duration must be whole", online, formType, form("fromUserId", "s", "objectName", "RC:HQVCMsg", "content", `{"remoteUrl":"x","duration":1.5}`), 1002},
		{"size may be text", online, formType, form("fromUserId", "s", "objectName", "RC:FileMsg", "content", `{"name":"x","size":"1","type":"t","fileUrl":"u"}`), 200},
		{"push fields in an online broadcast", online, formType, message("pushContent", "x"), 1002},
		{"field given twice", online, formType, message("content", "x"), 1002},
		{"malformed form", online, formType, "content=%zz", 1002},
		{"word for a boolean", system, formType, message("toUserId", "u", "disablePush", "1"), 1002},
		{"digit for a boolean", system, formType, message("toUserId", "u", "isPersisted", "true"), 1002},
		{"no receiver", system, formType, message(), 1002},
		{"msgRandom", system, formType, message("toUserId", "u", "msgRandom", "12345678901234567890"), 1002},
		{"pushExt is JSON text", system, formType, message("toUserId", "u", "pushExt", `{"title":`), 1002},
		{"pushExt with a long title", system, formType, message("toUserId", "u", "pushExt", `{"title":"`+strings.Repeat("x", 51)+`"}`), 1005},
		{"pushExt with lower-case keys", system, formType, message("toUserId", "u", "pushExt", `{"pushConfigs":[{"hw":{}}]}`), 1002},
		{"pushExt, HW", system, formType, message("toUserId", "u", "pushExt", `{"pushConfigs":[{"HW":{"channelId":"c","importance":"LOW","image":"https://x/i.png","category":"IM"}},{"APNs":{"thread-id":"t","interruption-level":"active"}}]}`), 200},
		{"pushExt, HW as JSON bodies never spell it", system, formType, message("toUserId", "u", "pushExt", `{"pushConfigs":[{"HW":{"channel_id":"c"}}]}`), 1002},
		{"pushExt, HW of no importance", system, formType, message("toUserId", "u", "pushExt", `{"pushConfigs":[{"HW":{"importance":"MIDDLE"}}]}`), 1002},
		{"pushExt, OPPO with a level", system, formType, message("toUserId", "u", "pushExt", `{"pushConfigs":[{"OPPO":{"category":"c","notify_level":2}}]}`), 1002},
		{"pushExt, VIVO without a classification", system, formType, message("toUserId", "u", "pushExt", `{"pushConfigs":[{"VIVO":{"category":"IM"}}]}`), 1002},
		{"pushExt, APNs at a level that is none", system, formType, message("toUserId", "u", "pushExt", `{"pushConfigs":[{"APNs":{"interruption-level":"loud"}}]}`), 1002},
		{"pushExt with two keys in one", system, formType, message("toUserId", "u", "pushExt", `{"pushConfigs":[{"HW":{},"MI":{}}]}`), 1002},
		{"recall with a time in seconds", recall, formType, form("fromUserId", "s", "messageUID", "m", "sentTime", "1767225600"), 1002},
		{"recall without a time", recall, formType, form("fromUserId", "s", "messageUID", "m"), 1002},

		{"template", tmpl, jsonType, template(`"values":[{"{c}":"a"},{"{c}":"b"}],"pushContent":["p","q"]`), 200},
		{"template values short", tmpl, jsonType, template(`"values":[{"{c}":"a"}],"pushContent":["p","q"]`), 1002},
		{"template pushContent short", tmpl, jsonType, template(`"values":[{"{c}":"a"},{"{c}":"b"}],"pushContent":["p"]`), 1002},
		{"template pushData short", tmpl, jsonType, template(`"values":[{"{c}":"a"},{"{c}":"b"}],"pushContent":["p","q"],"pushData":["d"]`), 1002},
		{"template value that breaks the JSON", tmpl, jsonType, template(`"values":[{"{c}":"a"},{"{c}":"say \"b\""}],"pushContent":["p","q"]`), 1002},
		{"template value that is a number", tmpl, jsonType, template(`"values":[{"{c}":1},{"{c}":"b"}],"pushContent":["p","q"]`), 1002},

		{"push plus without tags in an item", custom, jsonType, push(`{"tagItems":[{"tags":[]}]}`), 1002},
		{"push plus operator", custom, jsonType, push(`{"tagItems":[{"tags":["a"],"tagsOperator":"XOR"}]}`), 1002},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, Options{FixedClock: true})
			status, out := b.send(b.request(context.Background(), b.Ready().Primary, c.path, c.contentType, c.body))
			if codeOf(out) != c.code || status != httpStatus(c.code) {
				t.Errorf("got %d %s, want %d/%d", status, out, httpStatus(c.code), c.code)
			}
		})
	}
}

// Section 9 in its order: a call that is wrong at every step is told of the first, and mended there of the next. What the first three steps
// refuse takes no quota.
func TestTheFirstStepThatRefusesAnswers(t *testing.T) {
	t.Parallel()
	b := start(t, Options{FixedClock: true})
	mustStatus(t, "services", b.control("POST", b.Ready().Control+"/services", `{"broadcast":false}`, nil), 200)
	path, method, nonce, key, secret, contentType, body := "/push.jsom", "PUT", strings.Repeat("7", 19), "nobody", "wrong", formType, ""
	for _, step := range []struct {
		status, code int
		says         string
		mend         func()
	}{
		{404, 404, "path", func() { path = pushPath }},
		{405, 405, "POST", func() { method = "POST" }},
		{401, 1004, "Nonce", func() { nonce = "7" }},
		{400, 1002, "invalid App-Key.", func() { key = DefaultKey }},
		{401, 1004, "signature", func() { secret = DefaultSecret }},
		{400, 1003, "no POST data", func() { body = "{}" }},
		{400, 1002, "Content-Type", func() { contentType = jsonType }},
		{430, 1009, "broadcast", func() {}}, // the first two that are counted
		{430, 1009, "broadcast", func() {}},
		{429, 1008, "frequency", func() { b.AdvanceClock(dayMS) }},
		{430, 1009, "broadcast", func() {
			b.AdvanceClock(dayMS)
			mustStatus(t, "services", b.control("POST", b.Ready().Control+"/services", `{"broadcast":true}`, nil), 200)
		}},
		{400, 1002, "audience", func() { body = pushBox }},
		{200, 200, "", nil},
	} {
		r, err := http.NewRequestWithContext(t.Context(), method, b.Ready().Primary+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		stamp := fmt.Sprint(b.Clock())
		for name, value := range map[string]string{"App-Key": key, "Nonce": nonce, "Timestamp": stamp, "Signature": sign(secret, nonce, stamp), "Content-Type": contentType} {
			r.Header.Set(name, value)
		}
		status, out := b.send(r)
		if status != step.status || codeOf(out) != step.code || !strings.Contains(string(out), step.says) {
			t.Fatalf("%s %s: got %d %s, want %d/%d about %q", method, path, status, out, step.status, step.code, step.says)
		}
		if step.mend != nil {
			step.mend()
		}
	}
}

// Without the broadcast service, each endpoint of it is refused for that, whatever is in the call; with it, an invalid body is.
func TestAServiceIsLookedAtBeforeTheBody(t *testing.T) {
	const recall = "/message/broadcast/recall.json"
	for _, c := range []struct{ path, contentType, valid, invalid string }{
		{pushPath, jsonType, pushBox, `{}`},
		{pushPath, jsonType, pushBox, `{`},
		{"/message/broadcast.json", formType, broadcastForm, form("fromUserId", "s")},
		{"/message/online/broadcast.json", formType, broadcastForm, form("fromUserId", "s")},
		{recall, formType, form("fromUserId", "s", "messageUID", "m", "sentTime", "1767225600000"), form("fromUserId", "s")},
	} {
		t.Run(c.path+" "+c.invalid, func(t *testing.T) {
			t.Parallel()
			b := start(t, Options{FixedClock: true})
			for _, step := range []struct {
				on   string
				body string
				http int
				code int
			}{
				{"false", c.valid, 430, 1009},
				{"false", c.invalid, 430, 1009},
				{"true", c.invalid, 400, 1002},
				{"true", c.valid, 200, 200},
			} {
				b.AdvanceClock(dayMS) // the slots of another day
				mustStatus(t, "services", b.control("POST", b.Ready().Control+"/services", `{"broadcast":`+step.on+`}`, nil), 200)
				if status, code := b.post(c.path, c.contentType, step.body); status != step.http || code != step.code {
					t.Errorf("broadcast %s, body %q: %d/%d, want %d/%d", step.on, step.body, status, code, step.http, step.code)
				}
			}
		})
	}
}

func TestHeadersAndMethods(t *testing.T) {
	cases := []struct {
		name         string
		change       func(*http.Request)
		status, code int
	}{
		{"RC- prefixed headers", func(r *http.Request) {
			for _, name := range []string{"App-Key", "Nonce", "Timestamp", "Signature"} {
				r.Header.Set("RC-"+name, r.Header.Get(name))
				r.Header.Del(name)
			}
		}, 200, 200},
		{"no Nonce", func(r *http.Request) { r.Header.Del("Nonce") }, 401, 1004},
		{"no App-Key", func(r *http.Request) { r.Header.Del("App-Key") }, 401, 1004},
		{"GET", func(r *http.Request) { r.Method = "GET" }, 405, 405},
		{"six minutes old", func(r *http.Request) { restamp(r, fixedStart-360_000) }, 401, 1004},
		{"six minutes ahead", func(r *http.Request) { restamp(r, fixedStart+360_000) }, 401, 1004},
		{"five minutes old", func(r *http.Request) { restamp(r, fixedStart-300_000) }, 200, 200},
		{"upper-case signature", func(r *http.Request) { r.Header.Set("Signature", strings.ToUpper(r.Header.Get("Signature"))) }, 401, 1004},
		{"negative timestamp", func(r *http.Request) { r.Header.Set("Timestamp", "-176722560000") }, 401, 1004},
		{"no Content-Type", func(r *http.Request) { r.Header.Del("Content-Type") }, 400, 1002},
		{"X-Request-ID of 36", func(r *http.Request) { r.Header.Set("X-Request-ID", strings.Repeat("x", 36)) }, 200, 200},
		{"X-Request-ID of 37", func(r *http.Request) { r.Header.Set("X-Request-ID", strings.Repeat("x", 37)) }, 400, 1005},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, Options{FixedClock: true})
			r := b.request(context.Background(), b.Ready().Primary, setTag, jsonType, setTagBox)
			c.change(r)
			status, out := b.send(r)
			if status != c.status || codeOf(out) != c.code {
				t.Errorf("got %d %s, want %d/%d", status, out, c.status, c.code)
			}
		})
	}
}

// restamp signs a request for another time.
func restamp(r *http.Request, ms int64) {
	stamp := fmt.Sprint(ms)
	r.Header.Set("Timestamp", stamp)
	r.Header.Set("Signature", sign(DefaultSecret, r.Header.Get("Nonce"), stamp))
}

// TestLenientAcceptsWhatProductionAccepts sends each request to a strict and to a
// lenient server; only the latter may take it.
func TestLenientAcceptsWhatProductionAccepts(t *testing.T) {
	cases := []struct {
		name, path, body string
		change           func(*http.Request)
	}{
		{"seconds", setTag, setTagBox, func(r *http.Request) { restamp(r, fixedStart/1000) }},
		{"signed an hour ago, as the Node SDK does", setTag, setTagBox, func(r *http.Request) { restamp(r, fixedStart-3600_000) }},
		{"long nonce", setTag, setTagBox, func(r *http.Request) {
			r.Header.Set("Nonce", strings.Repeat("7", 19))
			restamp(r, fixedStart)
		}},
		{"boolean as a string", pushPath, `{"platform":["ios"],"audience":{"tag":["v"],"is_to_all":"false"},"notification":{"alert":"a"}}`, nil},
		{"missing notification", pushPath, `{"platform":["ios"],"audience":{"tag":["v"]}}`, nil},
		{"unknown field", setTag, `{"userId":"u","tags":[],"why":"x"}`, nil},
		{"platform as the prose writes it", pushPath, `{"platform":["iOS"],"audience":{"tag":["v"]},"notification":{"alert":"a"}}`, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, lenient := range []bool{false, true} {
				b := start(t, Options{FixedClock: true, Lenient: lenient})
				r := b.request(context.Background(), b.Ready().Primary, c.path, jsonType, c.body)
				if c.change != nil {
					c.change(r)
				}
				if status, out := b.send(r); (status == 200) != lenient {
					t.Errorf("lenient %v: %d %s", lenient, status, out)
				}
			}
		})
	}
}

// A string "false" must not broadcast, "true" must.
func TestLenientReadsStringBooleans(t *testing.T) {
	for word, mode := range map[string]string{"false": "filter", "true": "all"} {
		b := start(t, Options{FixedClock: true, Lenient: true})
		b.post(pushPath, jsonType, `{"platform":["ios"],"audience":{"tag":["v"],"is_to_all":"`+word+`"},"notification":{"alert":"a"}}`)
		if e := b.last(); e.Effective == nil || e.Effective.Mode != mode {
			t.Errorf("%q: effective %+v, want mode %s", word, e.Effective, mode)
		}
	}
}

func TestEffectiveAudience(t *testing.T) {
	message := form("fromUserId", "s", "objectName", "a:b", "content", "x")
	cases := []struct{ name, path, contentType, body, want string }{
		{"is_to_all beats everything", pushPath, jsonType,
			`{"platform":["ios","android"],"audience":{"is_to_all":true,"tag":["a"],"userid":["u"],"packageName":"p"},"notification":{"alert":"a"}}`,
			`{"mode":"all","platforms":["ios","android"]}`},
		{"broadcast", "/message/broadcast.json", formType, message, `{"mode":"all"}`},
		{"online", "/message/online/broadcast.json", formType, message, `{"mode":"online"}`},
		{"system message", "/message/system/publish.json", formType, message + "&toUserId=u-1&toUserId=u-2", `{"mode":"users","users":["u-1","u-2"]}`},
		{"user push", "/push/user.json", jsonType, `{"userIds":["u-1"],"notification":{"pushContent":"c"}}`, `{"mode":"users","users":["u-1"]}`},
		{"push plus", "/push/custom.json", jsonType, `{"platform":["ios"],"audience":{"tagItems":[{"tags":["a"]}]},"notification":{"alert":"a"}}`,
			`{"mode":"filter","package":null,"platforms":["ios"],"tag_and":[],"tag_items":[{"tags":["a"]}],"tag_or":[]}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, Options{FixedClock: true})
			if status, code := b.post(c.path, c.contentType, c.body); status != 200 {
				t.Fatalf("got %d/%d", status, code)
			}
			if got := strings.TrimSpace(encode(t, b.last().Effective)); got != c.want {
				t.Errorf("effective\n got %s\nwant %s", got, c.want)
			}
		})
	}
}
