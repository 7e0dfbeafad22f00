package sdk

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	toFilter = `{"mode":"filter","platforms":["ios","android"],"tag_and":["vip"],"tag_or":[],"package":null}`
	toEither = `{"mode":"filter","platforms":["ios","android"],"tag_and":[],"tag_or":["vip","x"],"package":null}`
	toTwo    = `{"mode":"users","users":["u-1","u-2"]}`
)

// Java SDK 3.3.1. Numbers in comments are of rongcloud.md.
var javaCalls = []judged{
	{step: "tag.set", path: "/user/tag/set.json", tags: map[string][]string{"u-1": {"vip", "北京"}}},
	{step: "tag.clear", users: map[string][]string{"u-1": {"old"}}, path: "/user/tag/set.json", tags: map[string][]string{"u-1": {}}},
	{step: "tag.null", why: "tags null: the SDK demands the field, so the null that rule 10.3 forbids never leaves"},
	{step: "tag.batch", users: map[string][]string{"u-1": {"old"}}, path: "/user/tag/batch/set.json",
		tags: map[string][]string{"u-1": {"vip"}, "u-2": {"vip"}, "u+3=x": {"vip"}}},
	{step: "tag.get", before: []string{"tag.batch"}, path: "/user/tags/get.json",
		result: map[string][]string{"u-1": {"vip"}, "u+3=x": {"vip"}, "nobody": {}}},

	// is_to_all stays away unless it is set (12, Java); absent means false, so strict takes it as well.
	{step: "push.tags", path: "/push.json",
		users:     map[string][]string{"u-1": {"vip", "北京", "x"}, "u-2": {"vip", "北京"}, "u-3": {"vip", "x"}, "u-4": {"vip", "北京", "y"}},
		matched:   []string{"u-1", "u-4"},
		effective: `{"mode":"filter","platforms":["ios","android"],"tag_and":["vip","北京"],"tag_or":["x","y"],"package":"cn.example.app"}`},
	{step: "push.users", path: "/push.json", effective: toTwo},                              // userid beats tag
	{step: "push.all", path: "/push.json", effective: `{"mode":"all","platforms":["ios"]}`}, // is_to_all beats tag
	// An audience that nobody filled: the SDK sends tag:[], which is no criterion. A sandbox that took it for
	// everybody would hide the worst of mistakes.
	{step: "push.nobody", path: "/push.json", code: 1002, strict: 1002, why: "no criterion in the audience (E4, A-09)"},
	// The SDK declares at most two platforms, but its table for push.json lacks the rule (12), so three arrive.
	{step: "push.harmony", path: "/push.json", effective: `{"mode":"filter","platforms":["ios","android","harmonyos"],"tag_and":["vip"],"tag_or":[],"package":null}`},
	{step: "push.custom.harmony", why: "the SDK's cap of two platforms, here in force (12)"},
	// Every node of a notification that this version has, in names and types as section 5.1 spells them.
	{step: "push.rich", path: "/push.json", effective: toFilter},
	// The constructor with two texts means channelId and classification. Section 5.1 knows no channelId of vivo.
	{step: "push.vivo.constructor", path: "/push.json", effective: `{"mode":"filter","platforms":["android"],"tag_and":["vip"],"tag_or":[],"package":null}`,
		strict: 1002, why: "android.vivo.channelId is not a field (5.1)"},
	{step: "push.message", path: "/push.json", effective: toEither},
	// (guangdong OR hunan) AND NOT 20200408: tagItems from left to right.
	{step: "push.custom", path: "/push/custom.json",
		users: map[string][]string{"u-1": {"guangdong"}, "u-2": {"hunan", "20200408"}, "u-3": {"hunan"}, "u-4": {"beijing"}, "u-5": {"20200408"}},
		effective: `{"mode":"filter","platforms":["ios","android"],"tag_and":[],"tag_or":[],"package":null,"tag_items":[
			{"tags":["guangdong","hunan"],"isNot":false,"tagsOperator":"OR","itemsOperator":"OR"},
			{"tags":["20200408"],"isNot":true,"tagsOperator":"OR","itemsOperator":"AND"}]}`,
		matched: []string{"u-1", "u-3"}},
	{step: "push.user", path: "/push/user.json", effective: toTwo},
	{step: "push.user.rich", path: "/push/user.json", effective: `{"mode":"users","users":["u-1"]}`},

	// With pushExt in its own dialect, and every flag as digits or words as E8 spells them.
	{step: "system.send", path: "/message/system/publish.json", effective: `{"mode":"users","users":["u-1","u+3=x"]}`},
	{step: "system.template", path: "/message/system/publish_template.json", effective: toTwo,
		rendered: `{"u-1":{"content":"Tom: 2","push":"hello Tom"},"u-2":{"content":"Jerry: 5","push":"hello Jerry"}}`},
	{step: "system.template.full", path: "/message/system/publish_template.json", effective: toTwo,
		rendered: `{"u-1":{"content":"Tom: 2","push":"hello Tom"},"u-2":{"content":"Jerry: 5","push":"hello Jerry"}}`},
	{step: "broadcast", path: "/message/broadcast.json", effective: `{"mode":"all"}`,
		strict: 1002, why: "os is a field of this SDK only (E5); strict mode refuses what the documentation does not know"},
	{step: "broadcast.online", path: "/message/online/broadcast.json", effective: `{"mode":"online"}`},

	// Recalls reach what was sent: the whole app, or the filter.
	{step: "recall.broadcast %uid 1767225600000", before: []string{"broadcast"}, path: "/message/broadcast/recall.json", effective: `{"mode":"all"}`, recalls: 1},
	{step: "recall.broadcast %uid 1767225600001", before: []string{"push.message"}, path: "/message/broadcast/recall.json", recalls: 1,
		effective: toEither},
	{step: "recall.broadcast %uid 1767225600002", before: []string{"broadcast.online"}, path: "/message/broadcast/recall.json", code: 1002,
		why: "an online broadcast cannot be recalled (E6, E10)"},
	// /message/recall.json recalls single messages. The contract has no such endpoint: nothing of ours calls it, and
	// a sandbox that took it would have to know conversations.
	{step: "recall.system %uid 1767225600000", before: []string{"system.send"}, path: "/message/recall.json", code: 404, strict: 404,
		why: "not one of E1 to E11"},
}

func TestJavaSDK(t *testing.T) {
	t.Parallel()
	judge(t, shared.java, javaCalls)
}

func TestEveryStepOfTheJavaProgramIsJudged(t *testing.T) {
	everyStep(t, "java/Vendor.java", `(?m)^            case "([a-z.]+)":`, javaCalls)
}

// everyStep compares the steps that a program has with those of a table.
func everyStep(t *testing.T, file, pattern string, all []judged) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var have, want []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(b), -1) {
		have = append(have, m[1])
	}
	for _, s := range steps(all) {
		name, _, _ := strings.Cut(s, " ")
		want = append(want, name)
	}
	slices.Sort(have)
	slices.Sort(want)
	if want = slices.Compact(want); !slices.Equal(have, want) {
		t.Errorf("%s has steps %v, judged are %v", file, have, want)
	}
}

// What section 12 says of the Java SDK's headers and habits, seen on the wire.
func TestJavaSDKHabits(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--lenient")
	p := startProgram(t, shared.java, s)
	for range 3 {
		p.call(t, "tag.set")
	}
	p.call(t, "push.user")
	p.call(t, "system.template.full")
	arrived := s.journal(t)
	seen := map[string]bool{}
	for _, e := range arrived[:3] {
		h := e.Headers
		if len(h["Timestamp"]) != 10 || !strings.Contains(h["Nonce"], ".") || len(h["X-Request-Id"]) != 32 || h["Connection"] != "close" {
			t.Errorf("headers %v; want seconds, a printed double as nonce, a request id of 32 and no keep-alive", h)
		}
		seen[h["Nonce"]+h["Signature"]] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d nonces in 3 calls: this SDK signs each call afresh", len(seen))
	}
	// Templates.setPushExt stores into pushData: "one" and "two" are gone, pushExt and disablePush never leave.
	body := string(arrived[4].Body)
	if !strings.Contains(body, `"pushData":["{\"title\":\"t\"}","{\"title\":\"t\"}"]`) || strings.Contains(body, `"pushExt"`) || strings.Contains(body, "disablePush") {
		t.Errorf("template body %s", body)
	}
}

// The SDK counts an error and then takes the other host for its next call. A 500 exactly is no error to it (12).
func TestJavaSDKFailsOver(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--lenient")
	p := startProgram(t, shared.java, s)
	failsOver(t, s, p, `{"kind":"answer","http":500,"body":"{\"code\":1000}","host":"primary"}`, "primary", "primary")
	failsOver(t, s, p, `{"kind":"answer","http":503,"body":"{\"code\":1000}","host":"primary"}`, "primary", "backup")
}

// failsOver makes two calls under a fault that the first one meets.
func failsOver(t *testing.T, s *sandbox, p *program, fault string, want ...string) {
	t.Helper()
	s.steer(t, "POST", "/reset", "{}", nil)
	s.steer(t, "POST", "/faults", fault, nil)
	if r := p.call(t, "tag.set"); r.Code == 200 {
		t.Fatalf("%s: the SDK tells of a success: %+v", fault, r)
	}
	if r := p.call(t, "tag.set"); r.Code != 200 {
		t.Errorf("%s: the second call: %+v", fault, r)
	}
	var hosts []string
	for _, e := range s.journal(t) {
		hosts = append(hosts, e.Host)
	}
	if !slices.Equal(hosts, want) {
		t.Errorf("%s: calls went to %v, want %v", fault, hosts, want)
	}
}

// Java's HttpURLConnection sends a POST again when the connection broke before an answer came, unless told otherwise
// (sun.net.http.retryPost). Under this SDK a push that was executed, and whose answer was lost, reaches everybody
// twice and takes two of three slots of the day. The sandbox must show it, as an executed double.
func TestJavaSDKSendsALostPushTwice(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--lenient")
	p := startProgram(t, shared.java, s)
	s.steer(t, "POST", "/faults", `{"kind":"reset_after","path":"/push.json"}`, nil)
	if r := p.call(t, "push.all"); r.Code != 200 {
		t.Errorf("%+v", r)
	}
	arrived := s.journal(t)
	if len(arrived) != 2 || !arrived[0].Executed || !arrived[1].Executed {
		t.Fatalf("%d arrivals, want two that were executed", len(arrived))
	}
	if a, b := arrived[0].Headers, arrived[1].Headers; a["X-Request-Id"] != b["X-Request-Id"] || a["Nonce"] != b["Nonce"] {
		t.Errorf("headers %v, then %v: not one call sent twice", a, b)
	}
	var stats struct {
		RongCloud struct{ Executed, Doubles int }
	}
	s.steer(t, "GET", "/stats", "", &stats)
	if stats.RongCloud.Executed != 2 || stats.RongCloud.Doubles != 1 {
		t.Errorf("stats %+v, want 2 executed, 1 of them a double", stats.RongCloud)
	}
	s.steer(t, "POST", "/faults", `{"kind":"reset_after","path":"/push.json"}`, nil)
	if r := p.call(t, "push.all"); r.Code != 1008 {
		t.Errorf("the hour's two slots are gone, yet %+v", r)
	}
}
