package rongcloud

import (
	"encoding/json"
	"testing"
)

func TestClassify(t *testing.T) {
	for _, tc := range []struct {
		name         string
		status       int
		body         string
		send, repeat Class // not repeatable, repeatable
		away         bool  // the host counts as unavailable
	}{
		{"ok", 200, `{"code":200,"id":"x"}`, OK, OK, false},
		{"201 is a 2xx", 201, `{"code":200}`, OK, OK, false},
		{"code as text", 200, `{"code":"200"}`, OK, OK, false},
		{"5xx with code 200", 500, `{"code":200}`, Unknown, RetrySafe, true},
		{"4xx with code 200", 400, `{"code":200}`, Unknown, RetrySafe, false},
		{"3xx with code 200", 302, `{"code":200}`, Unknown, RetrySafe, false},
		{"1000", 500, `{"code":1000}`, Unknown, RetrySafe, true},
		{"1000 under HTTP 200", 200, `{"code":1000}`, Unknown, RetrySafe, true},
		{"1050", 504, `{"code":1050}`, Unknown, RetrySafe, true},
		{"5xx with a refusal's code", 502, `{"code":1002}`, Unknown, RetrySafe, true},
		{"404", 404, `{"code":404}`, Config, Config, false},
		{"1001", 401, `{"code":1001}`, Config, Config, false},
		{"1002", 400, `{"code":1002,"errorMessage":"tags too many"}`, Permanent, Permanent, false},
		{"1002 under HTTP 200", 200, `{"code":1002,"errorMessage":"x"}`, Permanent, Permanent, false},
		{"1002 for the App-Key", 400, `{"code":1002,"errorMessage":"invalid App-Key."}`, Config, Config, false},
		{"1002, the other spelling", 400, `{"code":1002,"errorMessage":"Invalidate App-Key."}`, Config, Config, false},
		{"1002, appKey", 400, `{"code":1002,"errorMessage":"appKey is wrong"}`, Config, Config, false},
		{"1003", 400, `{"code":1003}`, Permanent, Permanent, false},
		{"1004", 401, `{"code":1004}`, Config, Config, false},
		{"1005", 400, `{"code":1005}`, Permanent, Permanent, false},
		{"1006", 401, `{"code":1006}`, Config, Config, false},
		{"1007", 401, `{"code":1007}`, Config, Config, false},
		{"1008", 429, `{"code":1008}`, RetryLater, RetryLater, false},
		{"1008 under HTTP 200", 200, `{"code":1008}`, RetryLater, RetryLater, false},
		{"1009 by its odd status", 430, `{"code":1009}`, Config, Config, false},
		{"1009 under any status", 403, `{"code":1009}`, Config, Config, false},
		{"1502", 400, `{"code":1502}`, Permanent, Permanent, false},
		{"2007", 403, `{"code":2007}`, Config, Config, false},
		{"a code of no table", 400, `{"code":31999}`, Permanent, Permanent, false},
		{"a code of no table, 401", 401, `{"code":31999}`, Config, Config, false},
		{"a code of no table, 429", 429, `{"code":31999}`, RetryLater, RetryLater, false},
		{"another API's success", 200, `{"code":0}`, Unknown, RetrySafe, false},
		{"the ultra-group success", 200, `{"code":10000}`, Unknown, RetrySafe, false},
		{"HTML 502", 502, `<html>bad gateway</html>`, Unknown, RetrySafe, true},
		{"HTML 200", 200, `<html>login</html>`, Unknown, RetrySafe, true},
		{"HTML 400", 400, `<html>bad request</html>`, Unknown, RetrySafe, true},
		{"HTML 429", 429, `slow down`, Unknown, RetryLater, true},
		{"empty", 200, ``, Unknown, RetrySafe, true},
		{"null", 200, `null`, Unknown, RetrySafe, true},
		{"truncated", 200, `{"code":200,"id":"x`, Unknown, RetrySafe, true},
		{"two values", 200, `{"code":200}{"code":200}`, Unknown, RetrySafe, true},
		{"no code", 200, `{"id":"x"}`, Unknown, RetrySafe, true},
		{"code in another case", 200, `{"CODE":200}`, Unknown, RetrySafe, true},
		{"code +200", 200, `{"code":"+200"}`, Unknown, RetrySafe, true},
		{"code null", 200, `{"code":null}`, Unknown, RetrySafe, true},
		{"code true", 200, `{"code":true}`, Unknown, RetrySafe, true},
		{"code 200.5", 200, `{"code":200.5}`, Unknown, RetrySafe, true},
		{"array", 200, `[200]`, Unknown, RetrySafe, true},
		{"redirect", 307, ``, Unknown, RetrySafe, true},
		{"408", 408, `{"code":1}`, Unknown, RetrySafe, false},
	} {
		send, repeat := classify(false, tc.status, []byte(tc.body)), classify(true, tc.status, []byte(tc.body))
		if send.class != tc.send || repeat.class != tc.repeat {
			t.Errorf("%s (HTTP %d %s): a send is %s, a repeatable call %s; want %s, %s", tc.name, tc.status, tc.body, send.class, repeat.class, tc.send, tc.repeat)
		}
		if send.unavailable != tc.away {
			t.Errorf("%s: unavailable = %t, want %t", tc.name, send.unavailable, tc.away)
		}
	}
}

// An answer is OK only with HTTP 2xx and a top-level code of 200, and a send is never called repeatable.
func FuzzClassify(f *testing.F) {
	for _, s := range []string{`{"code":200}`, `{"code":"200"}`, `{"code":1002,"errorMessage":"invalid App-Key."}`, `<html>`, `{"code":2e2}`, `{"code":"2\u00300"}`, `{"code":1008}`, `{"code":` + "200", `null`} {
		f.Add(200, []byte(s))
		f.Add(502, []byte(s))
		f.Add(430, []byte(s))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		send, repeat := classify(false, status, body), classify(true, status, body)
		if send.class == RetrySafe || repeat.class == Unknown || send.class == NotSent || send.class == "" || repeat.class == "" {
			t.Fatalf("HTTP %d %q: a send is %q, a repeatable call %q", status, body, send.class, repeat.class)
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
		if status/100 != 2 || !(number && n == 200 || text && s == "200") {
			t.Fatalf("ok for HTTP %d %q", status, body)
		}
	})
}
