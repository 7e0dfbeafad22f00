package getui

import (
	"encoding/json"
	"fmt"
	"testing"
)

// Every line of getui.md 10, on a lane that may be repeated and on one that may not.
func TestClassify(t *testing.T) {
	for _, tc := range []struct {
		name         string
		status       int
		body         string
		send, repeat Class // list push, single push
		wait         Wait
		service      bool
	}{
		{"0", 200, `{"code":0,"msg":"success","data":{}}`, OK, OK, "", false},
		{"0 as text", 200, `{"code":"0"}`, OK, OK, "", false},
		{"0 without msg", 200, `{"code":0,"map":{}}`, OK, OK, "", false},
		{"0 under 502", 502, `{"code":0}`, Unknown, RetrySafe, "", false},
		{"0 under 400", 400, `{"code":0}`, Unknown, RetrySafe, "", false},
		{"1", 200, `{"code":1}`, Permanent, Permanent, "", false},
		{"2", 200, `{"code":2}`, RetryLater, RetryLater, Moment, false},
		{"301", 200, `{"code":301,"data":{"host_list":[]}}`, Config, Config, "", false},
		{"404", 404, `{"code":404}`, Config, Config, "", true},
		{"405", 405, `{"code":405}`, Config, Config, "", true},
		{"10001", 401, `{"code":10001}`, Config, Config, "", false},
		{"10002", 401, `{"code":10002}`, Config, Config, "", false},
		{"10003", 401, `{"code":10003}`, RetryLater, RetryLater, Minute, false},
		{"10004", 401, `{"code":10004}`, Permanent, Permanent, "", false},
		{"10005", 401, `{"code":10005}`, RetryLater, RetryLater, Minute, false},
		{"20001", 400, `{"code":20001,"msg":"title is invalid"}`, Permanent, Permanent, "", false},
		{"20001 of the target", 400, `{"code":20001,"msg":"target user is invalid"}`, Permanent, Permanent, "", false},
		{"20001 of a repeat", 400, `{"code":20001,"msg":"request_id cannot be repeat."}`, Permanent, Permanent, "", false},
		{"20001 of the app", 400, `{"code":20001,"msg":"appId is invalid"}`, Config, Config, "", false},
		{"21001", 400, `{"code":21001}`, Permanent, Permanent, "", false},
		{"22001", 400, `{"code":22001}`, Permanent, Permanent, "", false},
		{"22002", 400, `{"code":22002}`, Permanent, Permanent, "", false},
		{"23001", 400, `{"code":23001}`, RetryLater, RetryLater, Moment, false},
		{"30000", 403, `{"code":30000}`, Config, Config, "", true},
		{"30001", 403, `{"code":30001}`, Config, Config, "", true},
		{"30002", 403, `{"code":30002}`, Config, Config, "", true},
		{"30003", 403, `{"code":30003}`, Config, Config, "", true},
		{"30004", 403, `{"code":30004}`, RetryLater, RetryLater, NextDay, false},
		{"30005", 403, `{"code":30005}`, Permanent, Permanent, "", false},
		{"30006", 403, `{"code":30006}`, RetryLater, RetryLater, NextDay, false},
		{"30007", 403, `{"code":30007}`, RetryLater, RetryLater, NextDay, false},
		{"30008", 403, `{"code":30008}`, RetryLater, RetryLater, NextDay, false},
		{"30009", 403, `{"code":30009}`, RetryLater, RetryLater, NextDay, false},
		{"30010", 403, `{"code":30010}`, RetryLater, RetryLater, NextDay, false},
		{"30011", 403, `{"code":30011}`, RetryLater, RetryLater, NextDay, false},
		{"30012", 403, `{"code":30012}`, RetryLater, RetryLater, Minute, false},
		{"30013", 403, `{"code":30013}`, RetryLater, RetryLater, Minute, false},
		{"30014", 403, `{"code":30014}`, RetryLater, RetryLater, Minute, false},
		{"30015", 403, `{"code":30015}`, RetryLater, RetryLater, Minute, false},
		{"30016", 403, `{"code":30016}`, Permanent, Permanent, "", false},
		{"30017", 403, `{"code":30017}`, Config, Config, "", true},
		{"30018", 403, `{"code":30018}`, RetryLater, RetryLater, Minute, false},
		{"30019", 403, `{"code":30019}`, RetryLater, RetryLater, Moment, false},
		{"30020, of no table", 403, `{"code":30020}`, Permanent, Permanent, "", false},
		{"30028, of no table", 403, `{"code":30028}`, Permanent, Permanent, "", false},
		{"an unknown 401", 401, `{"code":10009}`, Config, Config, "", false},
		{"an unknown 400", 400, `{"code":20009}`, Permanent, Permanent, "", false},
		{"an unknown 200", 200, `{"code":5000}`, Unknown, RetrySafe, "", false},
		{"a refusal's code under 503", 503, `{"code":20001}`, Unknown, RetrySafe, "", false},
		{"502 of a gateway", 502, `<html>bad gateway</html>`, Unknown, RetrySafe, "", false},
		{"no JSON, 200", 200, `<html>`, Unknown, RetrySafe, "", false},
		{"cut short", 200, `{"code":0,"data":{"RASS`, Unknown, RetrySafe, "", false},
		{"empty", 200, ``, Unknown, RetrySafe, "", false},
		{"no code", 200, `{"msg":"success"}`, Unknown, RetrySafe, "", false},
		{"CODE", 200, `{"CODE":0}`, Unknown, RetrySafe, "", false},
		{"code null", 200, `{"code":null}`, Unknown, RetrySafe, "", false},
		{"code 00", 200, `{"code":"00"}`, Unknown, RetrySafe, "", false},
		{"code +0", 200, `{"code":"+0"}`, Unknown, RetrySafe, "", false},
		{"no JSON, 403", 403, `<html>`, Permanent, Permanent, "", false},
		{"no JSON, 408", 408, ``, Unknown, RetrySafe, "", false},
		{"no JSON, 429", 429, `slow down`, RetryLater, RetryLater, Minute, false},
		{"redirect", 302, ``, Unknown, RetrySafe, "", false},
	} {
		send, repeat := classify(ListCID, tc.status, []byte(tc.body)), classify(SingleCID, tc.status, []byte(tc.body))
		if send.class != tc.send || repeat.class != tc.repeat || send.wait != tc.wait || repeat.service != tc.service {
			t.Errorf("%s (HTTP %d %s): a list push is %s, a single one %s, wait %q, service %t; want %s, %s, %q, %t", tc.name, tc.status, tc.body,
				send.class, repeat.class, send.wait, repeat.service, tc.send, tc.repeat, tc.wait, tc.service)
		}
	}
}

// What differs by lane.
func TestClassifyByLane(t *testing.T) {
	for _, tc := range []struct {
		ep     Endpoint
		status int
		code   int
		want   Class
	}{
		{authEndpoint, 400, 20001, Config}, {authEndpoint, 401, 10001, Config}, {authEndpoint, 401, 10002, Config}, {authEndpoint, 200, 777, Config},
		{authEndpoint, 401, 10003, RetryLater}, {authEndpoint, 200, 2, RetryLater}, {authEndpoint, 200, 0, OK}, {authEndpoint, 502, 20001, RetrySafe},
		{ScheduleDelete, 400, 22001, OK}, {TaskStop, 400, 22001, OK}, {SingleCID, 400, 22001, Permanent}, {ScheduleDelete, 400, 22002, Permanent},
	} {
		if v := classify(tc.ep, tc.status, fmt.Appendf(nil, `{"code":%d}`, tc.code)); v.class != tc.want {
			t.Errorf("%s %s: HTTP %d, code %d is %s, want %s", tc.ep.Method, tc.ep.Name, tc.status, tc.code, v.class, tc.want)
		}
	}
	// getui.md 8.2: what may be sent again by itself after an ambiguous outcome.
	for _, ep := range endpoints {
		again := ep != ListCID && ep != ListAlias && ep != UserBadge
		if ep.Repeatable != again {
			t.Errorf("%s %s: repeatable %t", ep.Method, ep.Name, ep.Repeatable)
		}
	}
}

func TestMarks(t *testing.T) {
	for msg, want := range map[string][2]bool{
		"target user is invalid": {true, false}, "request_id cannot be repeat.": {false, true}, "request_id is invalid": {false, false}, "title is invalid": {false, false},
	} {
		v := classify(SingleCID, 400, fmt.Appendf(nil, `{"code":20001,"msg":%q}`, msg))
		if v.target != want[0] || v.repeated != want[1] {
			t.Errorf("%q: target %t, repeated %t", msg, v.target, v.repeated)
		}
	}
}

// An answer is OK only with HTTP 2xx and code 0, and a list push is never called repeatable.
func FuzzClassify(f *testing.F) {
	for _, s := range []string{`{"code":0}`, `{"code":"0"}`, `{"code":22001}`, `<html>`, `{"code":0.0}`, `{"code":30009}`, `null`, `{"code":0,"data":null}`} {
		f.Add(200, []byte(s))
		f.Add(401, []byte(s))
		f.Add(502, []byte(s))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		send, repeat := classify(ListCID, status, body), classify(SingleCID, status, body)
		if send.class == RetrySafe || repeat.class == Unknown || send.class == NotSent || send.class == "" || repeat.class == "" {
			t.Fatalf("HTTP %d %q: a list push is %q, a single one %q", status, body, send.class, repeat.class)
		}
		if (send.class == OK) != (repeat.class == OK) {
			t.Fatalf("HTTP %d %q: ok depends on the endpoint", status, body)
		}
		if send.class != OK {
			return
		}
		var m map[string]any
		if err := json.Unmarshal(body, &m); err != nil {
			t.Fatalf("ok without JSON: %q", body)
		}
		n, number := m["code"].(float64)
		s, text := m["code"].(string)
		if status/100 != 2 || !(number && n == 0 || text && s == "0") {
			t.Fatalf("ok for HTTP %d %q", status, body)
		}
	})
}
