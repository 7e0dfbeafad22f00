package rongcloud

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"
)

// The FAULT cases of the contract: what is injected, and the class the client must give.
func TestConformanceFaults(t *testing.T) {
	ran := 0
	for _, tc := range readFixtures(t).Cases {
		if tc.Class == "" {
			continue
		}
		ran++
		t.Run(tc.ID+" "+tc.Title, func(t *testing.T) {
			timeout := 20 * time.Second
			answer := say("500 Internal Server Error", "")
			switch in := tc.Inject; {
			case in.AfterRead == "reset":
				answer = func(_ request, c net.Conn) bool {
					_ = c.(*net.TCPConn).SetLinger(0)
					return false
				}
			case in.Stall > 0:
				timeout = 100 * time.Millisecond
				answer = func(_ request, c net.Conn) bool {
					_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"))
					return true
				}
			case in.Raw != nil:
				var raw string
				if err := json.Unmarshal(in.Raw, &raw); err != nil {
					t.Fatal(err)
				}
				answer = say(itoa(in.HTTP)+" X", raw)
			case in.JSON != nil:
				answer = say(itoa(in.HTTP)+" X", string(in.JSON))
			}
			v := newVendor(t, nil, answer)
			if tc.Inject.Primary == "refuse" {
				_ = v.ln.Close()
			}
			ep := Endpoint{Path: tc.Endpoint, Repeatable: strings.HasPrefix(tc.Endpoint, "/user/")}
			_, err := call(t, newClient(t, Options{Hosts: []string{v.url()}}), ep, timeout)
			got := OK
			if err != nil {
				got = err.Class
			}
			if want := Class(strings.ReplaceAll(tc.Class, "-", "_")); got != want {
				t.Errorf("class = %s, want %s (%v)", got, want, err)
			}
			want := 1
			if tc.Inject.Primary == "refuse" {
				want = 0
			}
			if n := len(v.requests()); n != want {
				t.Errorf("%d requests arrived, want %d", n, want)
			}
			if tc.ID == "FAULT-03" && (err.HTTPStatus != 502 || err.Message != "<html>bad gateway</html>") {
				t.Errorf("status and first bytes are lost: %v", err)
			}
		})
	}
	if ran != 10 {
		t.Errorf("%d FAULT cases ran, want 10", ran)
	}
}
