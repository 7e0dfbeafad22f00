package rongcloud

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"testing"
	"time"
)

// The vendor's status table, row by row as rongcloud.md 3 has it: who may be at fault, whether it was executed, and the class that
// follows, for a send and for a call that may be repeated. Every error names its try and its host.
func TestStatusTable(t *testing.T) {
	for _, row := range []struct {
		code, status int
		text         string
		executed     string // yes, no, unknown
		send, repeat Class
	}{
		{200, 200, "", "yes", OK, OK},
		{404, 404, "", "no", Config, Config},
		{1000, 500, "internal logic error", "unknown", Unknown, RetrySafe},
		{1001, 401, "key and secret do not match", "no", Config, Config},
		{1002, 400, "parameter error", "no", Permanent, Permanent},
		{1002, 400, "invalid App-Key.", "no", Config, Config},
		{1002, 400, "Invalidate App-Key.", "no", Config, Config},
		{1003, 400, "no POST data", "no", Permanent, Permanent},
		{1004, 401, "signature", "no", Config, Config},
		{1005, 400, "too long", "no", Permanent, Permanent},
		{1006, 401, "app locked", "no", Config, Config},
		{1007, 401, "method restricted", "no", Config, Config},
		{1008, 429, "frequency", "no", RetryLater, RetryLater},
		{1009, 430, "service not enabled", "no", Config, Config},
		{1015, 200, "chatroom, not ours", "unknown", Unknown, RetrySafe},
		{1016, 403, "chatroom, not ours", "no", Config, Config},
		{1050, 504, "internal timeout", "unknown", Unknown, RetrySafe},
		{1501, 400, "wrong type", "no", Permanent, Permanent},
		{1502, 400, "too many", "no", Permanent, Permanent},
		{1508, 400, "body too large", "no", Permanent, Permanent},
		{2007, 403, "plan's quota of users", "no", Config, Config},
		{0, 405, "", "no", Unknown, RetrySafe}, // no code, no JSON: not understood, so nothing is known
	} {
		body := fmt.Sprintf(`{"code":%d,"errorMessage":%q}`, row.code, row.text)
		if row.code == 0 {
			body = "method not allowed"
		}
		v := newVendor(t, nil, say(strconv.Itoa(row.status)+" X", body))
		c := newClient(t, Options{Hosts: []string{v.url()}})
		for ep, want := range map[Endpoint]Class{push: row.send, tagSet: row.repeat} {
			_, err := call(t, c, ep, 20*time.Second)
			if err == nil {
				if want != OK {
					t.Errorf("code %d: ok, want %s", row.code, want)
				}
				continue
			}
			if err.Class != want || err.Code != row.code || err.HTTPStatus != row.status || err.RequestID != "call-1-1" || err.Host != v.ln.Addr().String() || !err.Sent {
				t.Errorf("code %d: %+v, want %s", row.code, err, want)
			}
			if row.code != 0 && (err.Message != row.text || err.Class.Executed() != row.executed) {
				t.Errorf("code %d: %q, executed %s; want %q, %s", row.code, err.Message, err.Class.Executed(), row.text, row.executed)
			}
		}
	}
}

// An answer of any status and body, cut anywhere: never a panic, and ok only for a whole one with HTTP 2xx and code 200.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{ok200, `{"code":"200"}`, `{"code":1000}`, `{"code":1008,"errorMessage":"x"}`, `<html>`, ``, `{"code":200`, "\xff\xfe", `[{"code":200}]`} {
		for _, status := range []int{200, 201, 302, 400, 429, 430, 500, 504, 101, 7} {
			f.Add(status, []byte(body), 1<<20, false)
		}
		f.Add(200, []byte(body), 60, false)
		f.Add(200, []byte(body), 1<<20, true)
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, cut int, chunked bool) {
		whole := fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
		if chunked {
			whole = fmt.Sprintf("HTTP/1.1 %d X\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", status, len(body), body)
		}
		sent := whole
		if cut >= 0 && cut < len(whole) {
			sent = whole[:cut]
		}
		v := newVendor(t, nil, func(_ request, c net.Conn) bool {
			_, _ = io.WriteString(c, sent)
			return false
		})
		_, err := call(t, newClient(t, Options{Hosts: []string{v.url()}}), push, 20*time.Second)
		if err != nil {
			if err.Class == OK || err.Class == RetrySafe || err.Class == NotSent || err.Class == "" || !err.Sent {
				t.Fatalf("%q: %+v", sent, err)
			}
			return
		}
		var m struct{ Code any }
		if e := json.Unmarshal(body, &m); e != nil || sent != whole || status/100 != 2 || m.Code != 200.0 && m.Code != "200" {
			t.Fatalf("ok for %q", sent)
		}
	})
}
