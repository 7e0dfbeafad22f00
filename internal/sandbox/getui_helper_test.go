package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const (
	getuiApp1   = "AppIdNotifierTest00001"
	getuiKey    = "ak-notifier-test-0001"
	getuiMaster = "ms-notifier-test-0001"

	f1 = "aadaf59782dcba2ca6083e4a47e895f1" // online, user_1001
	f2 = "aadaf59782dcba2ca6083e4a47e895f2" // offline, user_1002
	f3 = "aadaf59782dcba2ca6083e4a47e895f3" // inactive
	f4 = "aadaf59782dcba2ca6083e4a47e895f4" // black-listed
	f5 = "aadaf59782dcba2ca6083e4a47e895f5" // offline, user_1001
)

// answered is what a call of Getui was answered with.
type answered struct {
	http, code int
	msg        string
	data       map[string]any
}

func (a answered) taskID() string {
	if id, is := a.data["taskid"].(string); is {
		return id
	}
	for id := range a.data {
		return id
	}
	return ""
}

// getuiRequest is a call with the token of the cases, at the default app.
func (b *bench) getuiRequest(method, path, body string) *http.Request {
	b.t.Helper()
	r, err := http.NewRequest(method, b.Ready().Getui+"/"+getuiApp1+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("token", "tok-valid")
	return r
}

func (b *bench) getui(method, path, body string) answered {
	b.t.Helper()
	return b.sendGetui(b.getuiRequest(method, path, body))
}

func (b *bench) sendGetui(r *http.Request) answered {
	b.t.Helper()
	status, out := b.send(r)
	var envelope struct {
		Code int
		Msg  string
		Data map[string]any
	}
	if err := json.Unmarshal(out, &envelope); err != nil {
		b.t.Fatalf("%s %s: %v in %s", r.Method, r.URL, err, out)
	}
	return answered{status, envelope.Code, envelope.Msg, envelope.Data}
}

// want makes a call and holds its answer to a status and a code.
func (b *bench) want(method, path, body string, http, code int) answered {
	b.t.Helper()
	a := b.getui(method, path, body)
	if a.http != http || a.code != code {
		b.t.Fatalf("%s %s %.200s: got %d/%d %s, want %d/%d", method, path, body, a.http, a.code, a.msg, http, code)
	}
	return a
}

func (b *bench) knobs(body string) {
	b.t.Helper()
	mustStatus(b.t, "knobs "+body, b.control("POST", b.Ready().Control+"/knobs", body, nil), 200)
}

func (b *bench) delivered(cid string) int {
	_, total := b.Deliveries(cid)
	return total
}

// authBody is signed at the server's time plus a skew.
func (b *bench) authBody(skew int64) string {
	stamp := fmt.Sprint(b.GetuiClock() + skew)
	return fmt.Sprintf(`{"sign":%q,"timestamp":%q,"appkey":%q}`, getuiSign(getuiKey, stamp, getuiMaster), stamp, getuiKey)
}

const textMessage = `"push_message":{"transmission":"x"}`

func toCID(rid, cid string) string {
	return fmt.Sprintf(`{"request_id":%q,"audience":{"cid":[%q]},%s}`, rid, cid, textMessage)
}

func rid(i int) string { return fmt.Sprintf("rid-%06d", i) }

func batchOf(messages ...string) string {
	return `{"is_async":false,"msg_list":[` + strings.Join(messages, ",") + `]}`
}

func toAll(rid string) string {
	return fmt.Sprintf(`{"request_id":%q,"audience":"all",%s}`, rid, textMessage)
}

func toTag(rid, conditions string) string {
	return fmt.Sprintf(`{"request_id":%q,"audience":{"tag":[%s]},%s}`, rid, conditions, textMessage)
}

func listTo(kind, task string, targets ...string) string {
	return fmt.Sprintf(`{"audience":{%q:["%s"]},"taskid":%q,"is_async":false}`, kind, strings.Join(targets, `","`), task)
}

func startFixed(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	return start(t, Options{FixedClock: true})
}
