package main

import (
	"net/http"
	"strings"
	"testing"
)

func call(t *testing.T, v *vendor, path, body string) {
	t.Helper()
	res, err := http.Post(v.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, res.Status)
	}
}

func started(t *testing.T) *vendor {
	t.Helper()
	v, err := startVendor()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.close)
	return v
}

// What the vendor writes down is what the latency and memory benches are judged by.
func TestTheVendorWritesDownWhatCame(t *testing.T) {
	v := started(t)
	push := `{"userIds":["u1"],"notification":{"title":"x","pushContent":"your order o-000000007 is on its way"}}`
	call(t, v, "/push/user.json", push)
	call(t, v, "/push/user.json", push)
	call(t, v, "/bare", "o-000000008")
	if n, m := len(v.arrived("o-000000007")), len(v.arrived("o-000000008")); n != 2 || m != 1 {
		t.Errorf("%d and %d arrivals, want 2 and 1", n, m)
	}
	call(t, v, "/user/tag/set.json", `{"userId":"u1","tags":["a"]}`)
	call(t, v, "/user/tag/batch/set.json", `{"userIds":["u2","u1"],"tags":["b"]}`)
	if err := v.has(map[string][]string{"u1": {"b"}, "u2": {"b"}}); err != nil {
		t.Error(err)
	}
	for _, wrong := range []map[string][]string{{"u1": {"b"}}, {"u1": {"a"}, "u2": {"b"}}, {"u1": {"b"}, "u3": {"b"}}} {
		if v.has(wrong) == nil {
			t.Errorf("the vendor is said to have %v", wrong)
		}
	}
	v.reset()
	if len(v.arrived("o-000000007")) != 0 || v.has(nil) != nil {
		t.Error("something is left after a reset")
	}
}

func TestTheVendorNoticesWhatNobodyExpects(t *testing.T) {
	for path, body := range map[string]string{
		"/push.json":         `{}`,
		"/push/user.json":    `{"userIds":["u1","u2"],"notification":{"pushContent":"o-000000001"}}`,
		"/bare":              "no order",
		"/user/tag/set.json": `not JSON`,
	} {
		v := started(t)
		call(t, v, path, body)
		if v.failure() == nil {
			t.Errorf("%s %s: no failure", path, body)
		}
	}
}

// What a bench's daemon sends is held to the vendor's contract, so that no bench measures calls that the vendor would refuse.
func TestTheVendorHoldsRequestsToItsSchemas(t *testing.T) {
	v := started(t)
	call(t, v, "/user/tags/get.json", "userIds=u1&userIds=u2")
	call(t, v, "/user/tag/set.json", `{"userId":"u1","tags":[]}`)
	if err := v.hold(t.Context(), ".."); err != nil {
		t.Error(err)
	}
	call(t, v, "/push/user.json", `{"userIds":["u1"],"notification":{"alert":"your order o-000000007 is on its way"}}`)
	if err := v.hold(t.Context(), ".."); err == nil || !strings.Contains(err.Error(), "1 requests, 1 break") {
		t.Errorf("alert instead of pushContent: %v", err)
	}
}
