package sandbox

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTwoHostsHaveOneState(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	primary, backup := b.Ready().Primary, b.Ready().Backup
	if primary == backup {
		t.Fatalf("one address for both: %s", primary)
	}
	for i, base := range []string{primary, backup, primary} {
		status, out := b.send(b.request(context.Background(), base, pushPath, jsonType, pushBox))
		if want := []int{200, 200, 429}[i]; status != want {
			t.Errorf("call %d at %s: %d %s, want %d", i+1, base, status, out, want)
		}
	}
	var hosts []string
	var in struct{ Requests []Entry }
	b.control("GET", backup+"/_sbx/journal", "", &in)
	for _, e := range in.Requests {
		hosts = append(hosts, e.Host)
	}
	if diff := cmp.Diff([]string{"primary", "backup", "primary"}, hosts); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
}

func TestJournalOverHTTP(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	r := b.request(context.Background(), b.Ready().Primary, "/message/system/publish.json", formType, broadcastForm+"&toUserId=u-1")
	r.Header.Set("X-Request-ID", "call-1")
	signature := r.Header.Get("Signature")
	if status, out := b.send(r); status != 200 {
		t.Fatalf("%d %s", status, out)
	}
	b.post(setTag, jsonType, setTagBox)
	b.post(setTag, jsonType, "not json")

	var raw json.RawMessage
	mustStatus(t, "journal", b.control("GET", b.Ready().Control+"/journal?since=0", "", &raw), 200)
	for _, secret := range []string{signature, DefaultSecret} {
		if strings.Contains(string(raw), secret) {
			t.Errorf("the journal shows %s", secret)
		}
	}
	var in struct{ Requests []map[string]any }
	if err := json.Unmarshal(raw, &in); err != nil || len(in.Requests) != 3 {
		t.Fatalf("%d entries, %v in %s", len(in.Requests), err, raw)
	}
	first := in.Requests[0]
	want := map[string]any{
		"seq": 1.0, "at_ms": float64(fixedStart), "vendor": "rongcloud", "host": "primary", "app": DefaultKey,
		"method": "POST", "path": "/message/system/publish.json", "conn": 1.0, "http": 200.0, "code": 200.0, "executed": true,
		"body":      map[string]any{"fromUserId": "s", "objectName": "RC:TxtMsg", "content": `{"content":"x"}`, "toUserId": []any{"u-1"}},
		"effective": map[string]any{"mode": "users", "users": []any{"u-1"}},
	}
	answer, _ := first["answer"].(map[string]any)
	if uids, _ := answer["messageUIDs"].([]any); len(uids) != 1 {
		t.Errorf("answer %v", answer)
	}
	headers, _ := first["headers"].(map[string]any)
	if headers["X-Request-Id"] != "call-1" || headers["Nonce"] == "" {
		t.Errorf("headers %v", headers)
	}
	delete(first, "answer")
	delete(first, "headers")
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
	if body := in.Requests[2]["body"]; body != "not json" {
		t.Errorf("a body that cannot be decoded is %v, want its text", body)
	}

	b.control("GET", b.Ready().Control+"/journal?since=2", "", &in)
	if len(in.Requests) != 1 || in.Requests[0]["seq"] != 3.0 {
		t.Errorf("since=2: %v", in.Requests)
	}
	mustStatus(t, "since=x", b.control("GET", b.Ready().Control+"/journal?since=x", "", nil), 400)
}

func TestTagsOverHTTP(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	b.post(setTag, jsonType, `{"userId":"u-1","tags":["b","a","b"]}`)
	b.post(setTag, jsonType, `{"userId":"u-2","tags":["x"]}`)
	b.post(setTag, jsonType, `{"userId":"u-2","tags":[]}`)
	var got map[string][]string
	mustStatus(t, "tags", b.control("GET", b.Ready().Control+"/tags?app="+DefaultKey, "", &got), 200)
	if diff := cmp.Diff(map[string][]string{"u-1": {"b", "a"}, "u-2": {}}, got); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	mustStatus(t, "tags of nobody", b.control("GET", b.Ready().Control+"/tags?app=nobody", "", nil), 400)
}

func TestReset(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	reset := func(body string, want int) {
		t.Helper()
		var out struct{ Error string }
		if status := b.control("POST", b.Ready().Control+"/reset", body, &out); status != want {
			t.Fatalf("reset %s: %d %s, want %d", body, status, out.Error, want)
		}
	}
	b.post(pushPath, jsonType, pushBox)
	b.post(pushPath, jsonType, pushBox)
	b.post(setTag, jsonType, setTagBox)
	b.AdvanceClock(5)
	b.arm(`{"kind":"stall","times":9}`)
	b.arm(`{"kind":"refuse","host":"backup"}`)

	reset(`{}`, 200)
	if n := b.Clock(); n != fixedStart {
		t.Errorf("clock %d, want %d", n, fixedStart)
	}
	if st := b.Stats(); st != (Stats{}) {
		t.Errorf("stats %+v, want none", st)
	}
	if len(b.Journal(0)) != 0 || len(b.Tags(DefaultKey)) != 0 {
		t.Errorf("journal %v, tags %v", b.Journal(0), b.Tags(DefaultKey))
	}
	if status, _ := b.post(pushPath, jsonType, pushBox); status != 200 {
		t.Errorf("quota or faults survived: %d", status)
	}
	if seq := b.last().Seq; seq != 1 {
		t.Errorf("seq %d, want 1", seq)
	}
	if status, _ := b.send(b.request(context.Background(), b.Ready().Backup, setTag, jsonType, setTagBox)); status != 200 {
		t.Errorf("the backup did not come back: %d", status)
	}

	reset(`{"mode":"lenient","services":{"broadcast":false},"options":{"count_rejected":false,"hour":"clock"}}`, 200)
	for range 3 {
		if status, code := b.post(pushPath, jsonType, pushBox); status != 430 || code != 1009 {
			t.Errorf("service off, rejected calls free: %d/%d, want 430/1009", status, code)
		}
	}
	if status, _ := b.post("/push/custom.json", jsonType, pushBox); status != 200 {
		t.Errorf("the other service: %d", status)
	}
	reset(`{"services":{"push_plus":false}}`, 200)
	if status, code := b.post("/push/custom.json", jsonType, pushBox); status != 430 || code != 1009 {
		t.Errorf("push plus off: %d/%d", status, code)
	}
	if status, _ := b.post(pushPath, jsonType, pushBox); status != 200 {
		t.Errorf("a reset starts from the start, not from the last reset: %d", status)
	}

	for _, bad := range []string{
		`{"mode":"loose"}`, `{"services":{"sms":true}}`, `{"options":{"hour":"lunar"}}`, `{"options":{"day_zone":"Mars/Base"}}`,
		`{} {}`, `{"options":{"skew_ms":0}}`, `{"options":{"speed":1}}`, `{"knobs":{"dup_mode":"maybe"}}`, `{"knobs":{"dup":"replay"}}`, `{"what":1}`, `[`,
	} {
		reset(bad, 400)
	}
	if len(b.Journal(0)) == 0 {
		t.Error("a refused reset wiped the journal")
	}
}

// Services are those of an account, and switch without a reset: what it has used
// and the tags it has stay.
func TestServicesOfOneAccount(t *testing.T) {
	const second = "second"
	b := start(t, Options{FixedClock: true, Apps: []App{{Vendor: "rongcloud", Key: DefaultKey, Secret: DefaultSecret}, {Vendor: "rongcloud", Key: second, Secret: DefaultSecret}}})
	at := b.Ready().Control + "/services"
	switched := func(body string, wantStatus int, want map[string]Services) {
		t.Helper()
		var got map[string]Services
		mustStatus(t, body, b.control("POST", at, body, &got), wantStatus)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
	pushes := func(key string, want int) {
		t.Helper()
		r := b.request(context.Background(), b.Ready().Primary, "/push/custom.json", jsonType, pushBox)
		r.Header.Set("App-Key", key)
		if status, out := b.send(r); codeOf(out) != want {
			t.Errorf("%s: %d %s, want %d", key, status, out, want)
		}
	}
	b.post(setTag, jsonType, setTagBox)
	switched(`{"app":"second","push_plus":false}`, 200, map[string]Services{DefaultKey: {true, true}, second: {true, false}})
	pushes(DefaultKey, 200)
	pushes(second, 1009)
	switched(`{"broadcast":false}`, 200, map[string]Services{DefaultKey: {false, true}, second: {false, false}})
	if _, code := b.post(pushPath, jsonType, pushBox); code != 1009 {
		t.Errorf("code %d without the broadcast service, want 1009", code)
	}
	switched(`{"app":"second","broadcast":true,"push_plus":true}`, 200, map[string]Services{DefaultKey: {false, true}, second: {true, true}})
	pushes(second, 200)
	if len(b.Tags(DefaultKey)) != 1 || len(b.Journal(0)) != 5 {
		t.Errorf("tags %v, %d entries: switching a service is no reset", b.Tags(DefaultKey), len(b.Journal(0)))
	}
	var out struct{ Error string }
	for _, bad := range []string{`{"app":"nobody","broadcast":true}`, `{"sms":true}`} {
		if status := b.control("POST", at, bad, &out); status != 400 || out.Error == "" {
			t.Errorf("%s: %d %q, want 400 and words", bad, status, out.Error)
		}
	}
	b.control("POST", b.Ready().Control+"/reset", `{}`, nil)
	var got map[string]Services
	b.control("GET", at, "", &got)
	if diff := cmp.Diff(map[string]Services{DefaultKey: {true, true}, second: {true, true}}, got); diff != "" {
		t.Errorf("after a reset (-want +got):\n%s", diff)
	}
}

func TestClockOverHTTP(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	clock := func(method, body string, wantStatus int, want, getui int64) {
		t.Helper()
		var out struct {
			RongCloud int64 `json:"rongcloud"`
			Getui     int64 `json:"getui"`
			Error     string
		}
		if status := b.control(method, b.Ready().Control+"/clock", body, &out); status != wantStatus || wantStatus == 200 && (out.RongCloud != want || out.Getui != getui) {
			t.Errorf("%s %s: %d %+v, want %d %d %d", method, body, status, out, wantStatus, want, getui)
		}
	}
	clock("GET", "", 200, fixedStart, fixedGetuiStart)
	clock("POST", `{"now_ms":1800000000000}`, 200, 1800000000000, 1800000000000)
	clock("POST", `{"vendor":"rongcloud","advance_ms":-500}`, 200, 1799999999500, 1800000000000)
	clock("POST", `{"vendor":"getui","advance_ms":1}`, 200, 1799999999500, 1800000000001)
	clock("POST", `{"vendor":"getui","now_ms":5}`, 200, 1799999999500, 5)
	clock("POST", `{"advance_ms":10}`, 200, 1799999999510, 15)
	clock("POST", `{"vendor":"apple","advance_ms":1}`, 400, 0, 0)
	clock("POST", `{}`, 400, 0, 0)
	clock("POST", `{"now_ms":1,"advance_ms":1}`, 400, 0, 0)
	clock("GET", "", 200, 1799999999510, 15)
}

func TestTheRealClockFollowsTheMachineFromWhereItWasSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startVirtual(t, Options{})
		if got := b.Clock(); got != time.Now().UnixMilli() {
			t.Errorf("clock %d, want the machine's", got)
		}
		b.SetClock(fixedStart)
		time.Sleep(90 * time.Second)
		if got := b.Clock(); got != fixedStart+90_000 {
			t.Errorf("clock %d, want 90 s later", got)
		}
		b.SetClock(fixedStart - 1) // may go back
		if got := b.Clock(); got != fixedStart-1 {
			t.Errorf("clock %d, want %d", got, fixedStart-1)
		}
	})
}

func TestStatsOverHTTP(t *testing.T) {
	b := start(t, Options{FixedClock: true})
	for range 5 {
		b.post("/user/tags/get.json", formType, form("userIds", "u"))
	}
	b.client.CloseIdleConnections()
	b.post(setTag, jsonType, setTagBox)
	b.post("/nowhere.json", jsonType, setTagBox)
	var got map[string]map[string]int
	mustStatus(t, "stats", b.control("GET", b.Ready().Control+"/stats", "", &got), 200)
	want := map[string]int{
		"calls": 7, "executed": 6, "refused_by_quota": 0, "overruns": 0, "doubles": 0,
		"request_id_conflicts": 0, "deliveries": 0, "max_per_connection": 5,
	}
	if diff := cmp.Diff(want, got["rongcloud"]); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

func TestControlCallsThatDoNotExist(t *testing.T) {
	b := start(t, Options{})
	at := b.Ready().Control
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/nothing", 404}, {"GET", "", 404}, {"GET", "/reset", 405}, {"PUT", "/faults", 405},
		{"PUT", "/knobs", 405}, {"GET", "/deliveries", 400}, {"GET", "/tags?app=x", 400},
	} {
		var out struct{ Error string }
		if status := b.control(c.method, at+c.path, "", &out); status != c.want || out.Error == "" {
			t.Errorf("%s %s: %d %q, want %d and words", c.method, c.path, status, out.Error, c.want)
		}
	}
	if n := b.Stats().RongCloud.Calls; n != 0 {
		t.Errorf("control calls count as %d vendor calls", n)
	}
}

func TestIDsAre22CharactersAndFollowTheSeed(t *testing.T) {
	ids := func(seed int64) []string {
		b := start(t, Options{FixedClock: true, Seed: seed})
		var out []string
		for range 2 {
			_, body := b.send(b.request(context.Background(), b.Ready().Primary, pushPath, jsonType, pushBox))
			var answer reply
			if err := json.Unmarshal(body, &answer); err != nil || len(answer.ID) != 22 {
				t.Fatalf("answer %s, %v", body, err)
			}
			out = append(out, answer.ID)
		}
		return out
	}
	one, again, other := ids(1), ids(1), ids(2)
	if !slices.Equal(one, again) || slices.Equal(one, other) || one[0] == one[1] {
		t.Errorf("seed 1: %v and %v, seed 2: %v", one, again, other)
	}
}
