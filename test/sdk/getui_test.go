package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// The app that a sandbox has when none is given, and its devices.
const (
	getuiID     = "AppIdNotifierTest00001"
	getuiKey    = "ak-notifier-test-0001"
	getuiSecret = "ms-notifier-test-0001"

	deviceOne  = "aadaf59782dcba2ca6083e4a47e895f1"
	deviceTwo  = "aadaf59782dcba2ca6083e4a47e895f2"
	deviceFive = "aadaf59782dcba2ca6083e4a47e895f5" // of user_1001, as deviceOne
)

// getuiCall is one call of Getui's SDK and what the sandbox must make of it. The calls share one sandbox, in their order.
type getuiCall struct {
	step   string // %task is the task of the last list.message or app.all
	call   string // method and path below the app
	code   int
	why    string   // about a refusal
	says   string   // in the vendor's text of a refusal
	mode   string   // of the audience that the sandbox understood; "": none
	users  []string // mode users: the devices reached
	least  int      // devices that an audience reached
	body   string   // JSON that the request holds, among other things
	result string   // what the SDK returns of data, in JSON; task ids read TASK
}

// Java SDK 1.0.6.0. Numbers in comments are of getui.md.
var getuiCalls = []getuiCall{
	{step: "auth", call: "POST /auth", body: `{"appkey":"ak-notifier-test-0001","sign":"*"}`},
	{step: "auth.wrong", call: "POST /auth", code: 20001, says: "sign is invalid", why: "signed with another secret (2.1)"},

	// Numbers as strings (1): notify_id, channel_level. The strategy has one level in the JSON, whatever the pages show (5).
	{step: "single.cid", call: "POST /push/single/cid", mode: "users", users: []string{deviceOne},
		body: `{"request_id":"sdk-single-cid-1","settings":{"ttl":7200000,"strategy":{"default":1,"ios":4}},"audience":{"cid":["` + deviceOne + `"]},
			"push_message":{"notification":{"click_type":"payload","notify_id":"7","channel_level":"3"}},
			"push_channel":{"android":{"ups":{"options":{"XM":{"/extra.channel_id":"order"}}}},"ios":{"apns-collapse-id":"collapse","auto_badge":"+1"}}}`,
		result: `{"TASK":{"` + deviceOne + `":"successed_online"}}`},
	{step: "single.alias", call: "POST /push/single/alias", mode: "users", users: []string{deviceTwo}, result: `{"TASK":{"` + deviceTwo + `":"successed_offline"}}`},
	{step: "single.unknown", call: "POST /push/single/cid", code: 20001, says: "target user is invalid", why: "there is no such device (13.3)"},
	{step: "single.silent", call: "POST /push/single/cid", mode: "users", users: []string{deviceOne}, body: `{"push_message":{"transmission":"{\"k\":\"v\"}"}}`},
	// The old SDK made an id by itself when none was given; this one leaves it out.
	{step: "single.generated", call: "POST /push/single/cid", code: 20001, says: "request_id can not be empty", why: "single pushes need an id (4.1), and the SDK makes none"},

	{step: "batch.cid", call: "POST /push/single/batch/cid", mode: "users", users: []string{deviceOne, deviceTwo}, body: `{"is_async":false}`,
		result: `{"TASK":{"` + deviceOne + `":"successed_online"},"TASK":{"` + deviceTwo + `":"successed_offline"}}`},
	// The answer is by cid: who asked by alias cannot tell which alias reached nobody (6).
	{step: "batch.alias", call: "POST /push/single/batch/alias", mode: "users", users: []string{deviceOne, deviceFive, deviceTwo}},

	{step: "list.message", call: "POST /push/list/message", body: `{"group_name":"sdk-group"}`},
	{step: "list.cid %task", call: "POST /push/list/cid", mode: "users", users: []string{deviceOne, deviceTwo}, body: `{"is_async":false}`,
		result: `{"TASK":{"` + deviceOne + `":"successed_online","` + deviceTwo + `":"successed_offline"}}`},
	{step: "list.alias %task", call: "POST /push/list/alias", mode: "users", users: []string{deviceOne, deviceFive, deviceTwo},
		result: `{"TASK":{"` + deviceOne + `":"successed_online","` + deviceFive + `":"successed_offline","` + deviceTwo + `":"successed_offline"}}`},
	// With detail the answer has a level more than this SDK's type. Our client always asks for it: by cids alone nobody could say which
	// alias was not reached.
	{step: "list.alias.detail %task", call: "POST /push/list/alias", mode: "users", users: []string{deviceOne, deviceFive, deviceTwo}, body: `{"need_alias_detail":true}`},
	{step: "report %task", call: "GET /report/push/task/%task"},
	{step: "stop %task", call: "DELETE /task/%task"},
	{step: "list.cid %task", call: "POST /push/list/cid", code: 20001, says: "taskid is invalid", why: "the task was stopped (4.3.3)"},

	{step: "app.all", call: "POST /push/all", mode: "all", least: 1000, body: `{"audience":"all","group_name":"sdk-group"}`},
	{step: "stop %task", call: "DELETE /task/%task"},
	{step: "app.tag", call: "POST /push/tag", mode: "filter", least: 1000,
		body: `{"settings":{"speed":100},"audience":{"tag":[{"key":"phone_type","values":["android","ios"],"opt_type":"or"},{"key":"custom_tag","values":["old"],"opt_type":"not"}]}}`},
	{step: "app.fast", call: "POST /push/fast_custom_tag", code: 30000, says: "permission", why: "a package that this account has not bought (9)"},
	{step: "app.scheduled", call: "POST /push/all", code: 30002, says: "permission", why: "schedule_time needs a package (5); we schedule by ourselves"},

	{step: "alias.bind", call: "POST /user/alias", body: `{"data_list":[{"cid":"bulk-cid-0001","alias":"用户_1"}]}`},
	{step: "alias.cids", call: "GET /user/cid/alias/用户_1", result: `{"cid":["bulk-cid-0001"]}`},
	{step: "alias.unbind", call: "DELETE /user/alias", body: `{"data_list":[{"cid":"bulk-cid-0001","alias":"用户_1"}]}`},

	{step: "tag.set", call: "POST /user/custom_tag/cid/" + deviceOne, body: `{"custom_tag":["vip","北京"]}`},
	{step: "tag.set", call: "POST /user/custom_tag/cid/" + deviceOne, code: 30011, why: "a device's tags are replaced once a day (9)"},
	{step: "tag.add", call: "PUT /user/custom_tag/batch/新客", body: `{"cid":["` + deviceOne + `","` + deviceTwo + `"]}`},
	{step: "tag.get", call: "GET /user/custom_tag/cid/" + deviceOne, result: `{"` + deviceOne + `":["vip 北京 新客"]}`},
	{step: "tag.remove", call: "DELETE /user/custom_tag/batch/新客", body: `{"cid":["` + deviceOne + `","` + deviceTwo + `"]}`, result: `{"` + deviceOne + `":"true","` + deviceTwo + `":"true"}`},
	{step: "status", call: "GET /user/status/" + deviceOne},
}

var (
	taskIDs   = regexp.MustCompile(`RAS[SLA]_[0-9]{4}_[0-9a-f]{32}`)
	lastTask  = regexp.MustCompile(`"taskid":"([^"]+)"`)
	getuiHome = "/v2/" + getuiID
)

func startGetui(t *testing.T, s *sandbox) *program {
	t.Helper()
	return startWith(t, shared.getui, getuiID, getuiKey, getuiSecret, s.getui+"/")
}

func TestGetuiSDK(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--vendor", "getui")
	p := startGetui(t, s)
	task := ""
	for _, j := range getuiCalls {
		t.Run(j.step, func(t *testing.T) {
			known := len(s.journal(t))
			r := p.call(t, strings.ReplaceAll(j.step, "%task", task))
			arrived := s.journal(t)[known:]
			if j.step == "auth" { // the first call of all: the SDK gets a token for itself before
				if len(arrived) != 2 || arrived[0].Path != getuiHome+"/auth" {
					t.Fatalf("arrived %+v", arrived)
				}
				arrived = arrived[1:]
			}
			if len(arrived) != 1 {
				t.Fatalf("%d requests arrived, want 1; the SDK says %+v", len(arrived), r)
			}
			j.compare(t, arrived[0], r, task)
			if m := lastTask.FindSubmatch(r.Data); m != nil {
				task = string(m[1])
			}
		})
	}
	tags := map[string][]string{}
	s.steer(t, "GET", "/tags?app="+getuiID, "", &tags)
	if !sameTags(tags, map[string][]string{deviceOne: {"vip", "北京"}, deviceTwo: {}}) {
		t.Errorf("tag store %v", tags)
	}
}

func (j getuiCall) compare(t *testing.T, e entry, r result, task string) {
	t.Helper()
	if got, want := e.Method+" "+strings.TrimPrefix(e.Path, getuiHome), strings.ReplaceAll(j.call, "%task", task); got != want {
		t.Errorf("arrived %s, want %s", got, want)
	}
	if e.Code != j.code || e.Executed != (j.code == 0) || r.Code != j.code || r.Thrown != "" || !strings.Contains(r.Message, j.says) {
		t.Errorf("answered %d %d, executed %t; the SDK says %+v; want %d %s\nbody %s", e.HTTP, e.Code, e.Executed, r, j.code, j.why, e.Body)
	}
	if j.code != 0 && j.why == "" {
		t.Error("a refusal without an explanation")
	}
	var to struct {
		Mode  string
		Users []string
	}
	if e.Effective != nil {
		if err := json.Unmarshal(e.Effective, &to); err != nil {
			t.Fatal(err)
		}
	}
	if to.Mode != j.mode || !slices.Equal(to.Users, j.users) || len(e.Matched) < j.least {
		t.Errorf("the sandbox understood %s and reached %d, want %s to %v, at least %d", e.Effective, len(e.Matched), j.mode, j.users, j.least)
	}
	if j.body != "" {
		var got, want any
		if json.Unmarshal(e.Body, &got) != nil || json.Unmarshal([]byte(j.body), &want) != nil || !holds(got, want) {
			t.Errorf("body %s, want in it %s", e.Body, j.body)
		}
	}
	if j.result != "" { // two tasks are two equal keys: compare what they hold
		got, want := taskIDs.ReplaceAllString(string(r.Data), "TASK"), j.result
		if sorted(got) != sorted(want) {
			t.Errorf("the SDK returns %s, want %s", got, want)
		}
	}
}

// sorted orders the words of a JSON text, whose keys stand in any order.
func sorted(text string) string {
	words := regexp.MustCompile(`"[^"]*"(:"[^"]*")?`).FindAllString(text, -1)
	slices.Sort(words)
	return strings.Join(words, " ")
}

// holds reports whether want is in got: objects may have more, everything else is equal.
func holds(got, want any) bool {
	w, ok := want.(map[string]any)
	if !ok {
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		return bytes.Equal(a, b)
	}
	g, _ := got.(map[string]any)
	for k, v := range w {
		if _, there := g[k]; !there || !holds(g[k], v) {
			return false
		}
	}
	return true
}

func TestEveryStepOfTheGetuiProgramIsJudged(t *testing.T) {
	b, err := os.ReadFile("getui/Getui.java")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^            case "([a-z.]+)":`).FindAllStringSubmatch(string(b), -1) {
		if !slices.ContainsFunc(getuiCalls, func(j getuiCall) bool { name, _, _ := strings.Cut(j.step, " "); return name == m[1] }) {
			t.Errorf("step %s is judged by nobody", m[1])
		}
	}
}

// Section 1.1 on the wire: what the SDK does by itself when a call fails, and what that means for devices.
func TestGetuiSDKHabits(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--vendor", "getui")
	p := startGetui(t, s)
	since := 0
	call := func(step string) (result, []entry) {
		t.Helper()
		r := p.call(t, step)
		all := s.journal(t)
		arrived := all[since:]
		since = len(all)
		return r, arrived
	}
	fault := func(body string) { s.steer(t, "POST", "/faults", body, nil) }
	delivered := func(cid string) (n int) {
		var d struct{ Total int }
		s.steer(t, "GET", "/deliveries?cid="+cid, "", &d)
		return d.Total
	}

	_, arrived := call("single.cid")
	h := arrived[len(arrived)-1].Headers
	if h["Sdkversion"] != "1.0.6.0" || strings.Contains(strings.Join(names(h), " "), "Token") {
		t.Errorf("headers %v; want the SDK's version, and the token not shown", h)
	}

	// A refused token is replaced once and the call repeated under its id: nothing was done by the first.
	fault(`{"kind":"code","code":10001,"path":"/push/single/alias"}`)
	if r, arrived := call("single.alias"); r.Code != 0 || paths(arrived) != "/push/single/alias /auth /push/single/alias" {
		t.Errorf("a refused token: %+v, arrived %s", r, paths(arrived))
	}

	// A lost answer: the SDK sends the same body again by itself. The id makes the second one harmless ...
	before := delivered(deviceOne)
	fault(`{"kind":"reset_after","path":"/push/single/cid"}`)
	r, arrived := call("single.silent")
	if r.Code != 0 || paths(arrived) != "/push/single/cid /push/single/cid" || !bytes.Equal(arrived[0].Body, arrived[1].Body) || !slices.Equal(arrived[1].Repeats, []string{"sdk-single-silent"}) {
		t.Errorf("a lost answer: %+v, arrived %s, repeats %v", r, paths(arrived), arrived[len(arrived)-1].Repeats)
	}
	if n := delivered(deviceOne) - before; n != 1 {
		t.Errorf("a push with an id whose answer was lost was delivered %d times", n)
	}
	// ... and a list has no id (8.2): its devices get it twice. That is why ours is never repeated.
	r, _ = call("list.message")
	task := string(lastTask.FindSubmatch(r.Data)[1])
	before = delivered(deviceTwo)
	fault(`{"kind":"reset_after","path":"/push/list/cid"}`)
	if r, arrived := call("list.cid " + task); r.Code != 0 || paths(arrived) != "/push/list/cid /push/list/cid" {
		t.Errorf("a lost answer to a list: %+v, arrived %s", r, paths(arrived))
	}
	if n := delivered(deviceTwo) - before; n != 2 {
		t.Errorf("a list whose answer was lost was delivered %d times: the SDK repeats it", n)
	}

	// A limit is HTTP 401 as well, and no reason for a new token.
	fault(`{"kind":"code","code":10005,"path":"/push/single/alias"}`)
	if r, arrived := call("single.alias"); r.Code != 10005 || paths(arrived) != "/push/single/alias" {
		t.Errorf("too often: %+v, arrived %s", r, paths(arrived))
	}
}

func names(h map[string]string) (out []string) {
	for k := range h {
		out = append(out, k)
	}
	return out
}

func paths(all []entry) string {
	var out []string
	for _, e := range all {
		out = append(out, strings.TrimPrefix(e.Path, getuiHome))
	}
	return strings.Join(out, " ")
}

// What the SDK sends and our schemas of the contract do not have: exactly this. The vendor takes all of it, the sandbox as well.
func TestWhatTheGetuiSDKSendsBesides(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "journal")
	s := startSandbox(t, "--vendor", "getui", "--log", log)
	p := startGetui(t, s)
	for _, step := range []string{"single.cid", "single.silent", "app.tag", "tag.set", "alias.bind", "status"} {
		if r := p.call(t, step); r.Code != 0 || r.Thrown != "" {
			t.Fatalf("%s: %+v", step, r)
		}
	}
	in, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "run", "./test/schema/journal")
	cmd.Dir, cmd.Stdin = filepath.Join("..", ".."), in
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("nothing is out of the contract, which the fixtures say otherwise:\n%s", out)
	}
	var got []string
	for _, m := range regexp.MustCompile(`(?m)- at '([^']*)': (got [a-z]+, want [a-z]+|.*not allowed.*|.*missing.*)`).FindAllStringSubmatch(string(out), -1) {
		got = append(got, m[1]+": "+m[2])
	}
	slices.Sort(got)
	want := []string{
		"/push_channel/android/ups/notification/notify_id: got string, want integer",
		"/push_message/notification/channel_level: got string, want integer",
		"/push_message/notification/notify_id: got string, want integer", // single.cid
		"/push_message/notification/notify_id: got string, want integer", // app.tag
		"/timestamp: got number, want string",
	}
	if !slices.Equal(got, want) {
		t.Errorf("beside the contract: %q, want %q\n%s", got, want, out)
	}
}
