package sandbox

import (
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Every kind of fault at Getui: it meets one call of its lane, leaves other lanes
// alone and executes the call or not as the list in fault.go says.
func TestEveryFaultKindAtGetui(t *testing.T) {
	executes := map[string]bool{
		"answer": false, "code": false, "http_5xx": false, "redirect": false, "reset_before": false, "stall": false, "token_storm": false,
		"answer_after": true, "reset_after": true, "timeout_after": true, "late": true, "stall_after": true, "truncate": true, "drip": true,
		"numeric_times": true, "extra_fields": true, "no_msg": true, "empty_msg": true,
	}
	if want, got := slices.Sorted(maps.Keys(executes)), kindsOf(vendorGetui); !slices.Equal(want, got) {
		t.Fatalf("kinds %v, this test knows %v", got, want)
	}
	for kind, want := range executes {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := startVirtual(t, Options{})
				b.arm(`{"vendor":"getui","kind":"` + kind + `","lane":"single_cid","delay_ms":500}`)
				call := func(path, body string) (string, error) {
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
					defer cancel()
					resp, err := b.client.Do(b.getuiRequest("POST", path, body).WithContext(ctx))
					if err != nil {
						return "", err
					}
					defer resp.Body.Close()
					out, err := io.ReadAll(resp.Body)
					return string(out), err
				}
				own := func(body string, err error) bool { // whole, and as the contract shows it
					return err == nil && strings.Contains(body, `"msg":"success"`) && strings.HasSuffix(body, "}") && !strings.Contains(body, "future_field")
				}
				if out, err := call("/push/single/alias", `{"request_id":"rid-alias-1","audience":{"alias":["user_1002"]},`+textMessage+`}`); !own(out, err) {
					t.Errorf("another lane is disturbed: %s, %v", out, err)
				}
				// numeric_times has no time to change here
				undisturbed := kind == "timeout_after" || kind == "drip" || kind == "numeric_times"
				if out, err := call(singlePath, toCID(rid(1), f1)); own(out, err) != undisturbed {
					t.Errorf("answered %s, %v", out, err)
				}
				time.Sleep(time.Second) // what is late
				synctest.Wait()
				if e := b.last(); e.Executed != want || e.Fault != kind || e.Vendor != "getui" {
					t.Errorf("journal: executed %v, fault %q at %s; want executed %v", e.Executed, e.Fault, e.Vendor, want)
				}
				if n := b.delivered(f1); n == 1 != want {
					t.Errorf("%d deliveries, executed %v", n, want)
				}
				// The same call again: whatever happened to the first, one delivery in all.
				if out, err := call(singlePath, toCID(rid(1), f1)); !own(out, err) {
					t.Errorf("met twice, armed for one call: %s, %v", out, err)
				}
				if n := b.delivered(f1); n != 1 {
					t.Errorf("%d deliveries after the repeat", n)
				}
			})
		})
	}
}

func TestGetuiFaultsThatAnswer(t *testing.T) {
	for _, c := range []struct {
		fault          string
		http           int
		body, location string
	}{
		{`{"kind":"code","code":10001}`, 401, `{"code":10001,"msg":"injected"}`, ""},
		{`{"kind":"code","code":10003}`, 401, `{"code":10003,"msg":"injected"}`, ""},
		{`{"kind":"code","code":2}`, 200, `{"code":2,"msg":"injected"}`, ""},
		{`{"kind":"code","code":301,"body":"x"}`, 200, `{"code":301,"msg":"x"}`, ""},
		{`{"kind":"code","code":20001}`, 400, `{"code":20001,"msg":"injected"}`, ""},
		{`{"kind":"code","code":405}`, 405, `{"code":405,"msg":"injected"}`, ""},
		{`{"kind":"code","code":30009,"http":200}`, 200, `{"code":30009,"msg":"injected"}`, ""},
		{`{"kind":"code"}`, 403, `{"code":30019,"msg":"injected"}`, ""},
		{`{"kind":"token_storm"}`, 401, `{"code":10001,"msg":"token is invalid"}`, ""},
		{`{"kind":"http_5xx","http":503}`, 503, `<html>bad gateway</html>`, ""},
		{`{"kind":"answer","http":429,"body":"slow"}`, 429, `slow`, ""},
		{`{"kind":"redirect","location":"http://127.0.0.1:1/"}`, 302, `<html>moved</html>`, "http://127.0.0.1:1/"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			b := startFixed(t)
			b.arm(c.fault)
			resp, err := b.client.Do(b.getuiRequest("POST", singlePath, toCID(rid(1), f1)))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if out, _ := io.ReadAll(resp.Body); resp.StatusCode != c.http || string(out) != c.body || resp.Header.Get("Location") != c.location {
				t.Errorf("got %d %s to %q, want %d %s", resp.StatusCode, out, resp.Header.Get("Location"), c.http, c.body)
			}
			if b.delivered(f1) != 0 || b.last().Executed {
				t.Error("executed")
			}
		})
	}
}

// The variations of shape are legal: a client reads them as it reads the plain ones.
func TestGetuiFaultsOfShape(t *testing.T) {
	b := startFixed(t)
	raw := func(kind, method, path, body string) string {
		t.Helper()
		b.arm(`{"kind":"` + kind + `"}`)
		status, out := b.send(b.getuiRequest(method, path, body))
		mustStatus(t, kind, status, 200)
		return string(out)
	}
	if out := raw("numeric_times", "POST", "/auth", b.authBody(0)); !strings.Contains(out, `"expire_time":1700086400000`) {
		t.Errorf("numeric_times: %s", out)
	}
	if out := raw("numeric_times", "GET", "/user/status/"+f1, ""); !strings.Contains(out, `"last_login_time":1699999999000`) {
		t.Errorf("numeric_times: %s", out)
	}
	if out := raw("extra_fields", "POST", messagePath, `{`+textMessage+`}`); !strings.Contains(out, `"map":{}`) || strings.Count(out, "future_field") != 2 {
		t.Errorf("extra_fields: %s", out)
	}
	// data is keyed by task: a further key there would be a task
	if out := raw("extra_fields", "POST", singlePath, toCID(rid(1), f1)); strings.Count(out, "future_field") != 1 {
		t.Errorf("extra_fields: %s", out)
	}
	if out := raw("no_msg", "POST", singlePath, toCID(rid(2), f1)); strings.Contains(out, `"msg"`) || !strings.Contains(out, `"code":0`) {
		t.Errorf("no_msg: %s", out)
	}
	if out := raw("empty_msg", "POST", singlePath, toCID(rid(3), f1)); !strings.Contains(out, `"msg":""`) {
		t.Errorf("empty_msg: %s", out)
	}
	if b.delivered(f1) != 3 {
		t.Errorf("%d deliveries, want 3", b.delivered(f1))
	}
	if e := b.last(); e.Code != 0 || !strings.Contains(string(e.Answer), "success") {
		t.Errorf("the journal has what the vendor did: %s", e.Answer)
	}
}

func TestATokenStormLeavesAuthAlone(t *testing.T) {
	b := startFixed(t)
	b.arm(`{"kind":"token_storm","times":2}`)
	for i, want := range []int{401, 401, 200} {
		a := b.want("POST", "/auth", b.authBody(0), 200, 0)
		r := b.getuiRequest("POST", singlePath, toCID(rid(1), f1))
		r.Header.Set("token", a.data["token"].(string))
		if got := b.sendGetui(r); got.http != want {
			t.Errorf("call %d: %d %s, want %d", i+1, got.http, got.msg, want)
		}
	}
	if n := b.delivered(f1); n != 1 {
		t.Errorf("%d deliveries: a refused token remembers no request_id", n)
	}
}

func TestGetuiFaultSelectors(t *testing.T) {
	stop := "/task/RASL_0000_none"
	for _, c := range []struct {
		fault     string
		push, del int // statuses of a push and of a stop, which is refused anyhow
	}{
		{`{"kind":"http_5xx","path":"/push/single/cid"}`, 502, 400},
		{`{"kind":"http_5xx","path":"/v2/` + getuiApp1 + `/push/single/cid"}`, 502, 400},
		{`{"kind":"http_5xx","path":"/v2/another/push/single/cid"}`, 200, 400},
		{`{"kind":"http_5xx","path":"/task/{taskid}"}`, 200, 502},
		{`{"kind":"http_5xx","lane":"task_stop"}`, 200, 502},
		{`{"kind":"http_5xx","vendor":"getui","times":-1}`, 502, 502},
		{`{"kind":"http_5xx","vendor":"rongcloud","times":-1}`, 200, 400},
		{`{"kind":"http_5xx","path":"/push.json","times":-1}`, 200, 400},
		{`{"kind":"http_5xx","host":"backup","times":-1}`, 200, 400},
		{`{"kind":"http_5xx","host":"*","path":"*","times":-1}`, 502, 502},
	} {
		t.Run(c.fault, func(t *testing.T) {
			b := startFixed(t)
			b.arm(c.fault)
			for path, want := range map[string]int{singlePath: c.push, stop: c.del} {
				method := map[string]string{singlePath: "POST", stop: "DELETE"}[path]
				if status, out := b.send(b.getuiRequest(method, path, toCID(rid(1), f1))); status != want {
					t.Errorf("%s: %d %s, want %d", path, status, out, want)
				}
			}
		})
	}
}

// What has no app, path or verb is refused before a fault is asked for.
func TestAFaultWaitsForACallThatHasARoute(t *testing.T) {
	b := startFixed(t)
	b.arm(`{"kind":"http_5xx"}`)
	b.want("POST", "/push/nowhere", "", 404, 404)
	b.want("GET", singlePath, "", 405, 405)
	b.knobs(`{"app_black":true}`) // and it stands before token, black list and body
	if status, _ := b.send(b.getuiRequest("POST", singlePath, "")); status != 502 {
		t.Errorf("status %d, want 502", status)
	}
}

// The clock of a call that a fault holds back is that of its execution.
func TestALateGetuiCallIsExecutedAtItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startVirtual(t, Options{FixedClock: true})
		b.arm(`{"kind":"late","vendor":"getui","delay_ms":1000}`)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.client.Do(b.getuiRequest("POST", singlePath, toCID(rid(1), f1)).WithContext(ctx)); err == nil {
			t.Error("answered")
		}
		b.AdvanceGetuiClock(chinaDay) // past the end of the token
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if e := b.last(); e.Code != 10001 || e.AtMS != fixedGetuiStart+chinaDay {
			t.Errorf("journal: code %d at %d, want the token to have expired", e.Code, e.AtMS)
		}
	})
}
