package sandbox

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
)

const (
	singlePath  = "/push/single/cid"
	batchPath   = "/push/single/batch/cid"
	messagePath = "/push/list/message"
	listPath    = "/push/list/cid"
)

// knobTests has a test for every value of every knob that the cases leave out.
var knobTests = map[string]func(t *testing.T, b *bench){
	"auth_skew_ms": func(_ *testing.T, b *bench) {
		b.knobs(`{"auth_skew_ms":5}`)
		b.want("POST", "/auth", b.authBody(5), 200, 0)
		b.want("POST", "/auth", b.authBody(-5), 200, 0)
		b.want("POST", "/auth", b.authBody(6), 400, 20001)
		b.want("POST", "/auth", b.authBody(-6), 400, 20001)
	},
	"token_ttl_ms": func(t *testing.T, b *bench) {
		b.knobs(`{"token_ttl_ms":1000}`)
		a := b.want("POST", "/auth", b.authBody(0), 200, 0)
		if got, want := a.data["expire_time"], fmt.Sprint(fixedGetuiStart+1000); got != want {
			t.Errorf("expires at %v, want %v", got, want)
		}
		for at, want := range []int{200, 401} {
			b.SetGetuiClock(fixedGetuiStart + 999 + int64(at))
			r := b.getuiRequest("POST", singlePath, toCID(rid(at), f1))
			r.Header.Set("token", a.data["token"].(string))
			if got := b.sendGetui(r); got.http != want {
				t.Errorf("%d ms into its life: %d, want %d", 999+at, got.http, want)
			}
		}
	},
	"single_active_token": func(_ *testing.T, b *bench) {
		b.want("POST", "/auth", b.authBody(0), 200, 0)
		b.want("POST", singlePath, toCID(rid(1), f1), 200, 0) // the older token lives on
		b.knobs(`{"single_active_token":true}`)
		newest := b.want("POST", "/auth", b.authBody(0), 200, 0)
		b.want("POST", singlePath, toCID(rid(2), f1), 401, 10001)
		r := b.getuiRequest("POST", singlePath, toCID(rid(2), f1))
		r.Header.Set("token", newest.data["token"].(string))
		if got := b.sendGetui(r); got.code != 0 {
			b.t.Errorf("the newest token: %d %s", got.code, got.msg)
		}
	},
	"auth_bad_sign_code": func(_ *testing.T, b *bench) {
		bad := fmt.Sprintf(`{"sign":"0","timestamp":%d,"appkey":%q}`, b.GetuiClock(), getuiKey)
		b.want("POST", "/auth", bad, 400, 20001)
		b.knobs(`{"auth_bad_sign_code":10001}`)
		b.want("POST", "/auth", bad, 401, 10001)
	},
	"dup_window_ms": func(t *testing.T, b *bench) {
		b.knobs(`{"dup_window_ms":1000}`)
		first := b.want("POST", singlePath, toCID(rid(1), f1), 200, 0)
		b.AdvanceGetuiClock(999)
		if again := b.want("POST", singlePath, toCID(rid(1), f1), 200, 0); again.taskID() != first.taskID() || b.delivered(f1) != 1 {
			t.Errorf("within the window: %v after %v, %d deliveries", again.data, first.data, b.delivered(f1))
		}
		b.AdvanceGetuiClock(1)
		if again := b.want("POST", singlePath, toCID(rid(1), f1), 200, 0); again.taskID() == first.taskID() || b.delivered(f1) != 2 {
			t.Errorf("after the window: %v after %v, %d deliveries", again.data, first.data, b.delivered(f1))
		}
		if n := b.Stats().Getui.DuplicateDeliveries; n != 1 {
			t.Errorf("duplicate_deliveries %d, want 1", n)
		}
	},
	"batch_bad_target": func(t *testing.T, b *bench) {
		for i, c := range []struct {
			mode            string
			http, tasks, at int
		}{{"omit", 200, 1, 1}, {"status", 200, 2, 2}, {"reject_all", 400, 0, 2}} {
			b.knobs(`{"batch_bad_target":"` + c.mode + `"}`)
			a := b.getui("POST", batchPath, batchOf(toCID(rid(2*i), f1), toCID(rid(2*i+1), "nobody")))
			if a.http != c.http || len(a.data) != c.tasks || b.delivered(f1) != c.at {
				t.Errorf("%s: %d %v, %d deliveries", c.mode, a.http, a.data, b.delivered(f1))
			}
			for _, statuses := range a.data {
				word, bad := statuses.(map[string]any)["nobody"]
				if bad && (c.mode != "status" || slices.Contains([]any{online, offline, ignored}, word)) {
					t.Errorf("%s: %v", c.mode, a.data)
				}
			}
		}
		b.want("POST", batchPath, batchOf(toCID(rid(3), f2)), 200, 0) // what was refused is not a repeat
		if b.delivered(f2) != 1 {
			t.Error("a request_id without a target is remembered")
		}
	},
	"alias_list_inner": func(t *testing.T, b *bench) {
		task := b.want("POST", messagePath, `{`+textMessage+`}`, 200, 0).taskID()
		for knob, want := range map[string]string{
			"cid":   `{"` + f1 + `":"successed_online","` + f2 + `":"successed_offline","` + f5 + `":"successed_offline"}`,
			"alias": `{"user_1001":"successed_online","user_1002":"successed_offline"}`,
		} {
			b.knobs(`{"alias_list_inner":"` + knob + `"}`)
			a := b.want("POST", "/push/list/alias", listTo("alias", task, "user_1001", "user_1002"), 200, 0)
			if got, _ := json.Marshal(a.data[task]); string(got) != want {
				t.Errorf("%s: %s, want %s", knob, got, want)
			}
		}
	},
	"numeric_times": func(t *testing.T, b *bench) {
		b.knobs(`{"numeric_times":true}`)
		if a := b.want("POST", "/auth", b.authBody(0), 200, 0); a.data["expire_time"] != float64(fixedGetuiStart+chinaDay) {
			t.Errorf("expire_time %v", a.data["expire_time"])
		}
		if a := b.want("GET", "/user/status/"+f1, "", 200, 0); a.data[f1].(map[string]any)["last_login_time"] != float64(fixedGetuiStart-second) {
			t.Errorf("status %v", a.data)
		}
	},
	"schedule_enabled": func(t *testing.T, b *bench) {
		at := func(ms int64) string {
			return fmt.Sprintf(`{"request_id":%q,"audience":"all","settings":{"schedule_time":%d},%s}`, rid(int(ms)), fixedGetuiStart+ms, textMessage)
		}
		b.want("POST", "/push/all", at(1000), 403, 30002)
		b.knobs(`{"schedule_enabled":true}`)
		b.want("POST", "/push/all", at(0), 400, 22002)
		b.want("POST", "/push/all", at(7*chinaDay), 200, 0)
		b.want("POST", "/push/all", at(7*chinaDay+1), 400, 22002)
		runs := b.want("POST", "/push/all", at(1000), 200, 0).taskID()
		stopped := b.want("POST", "/push/all", at(1001), 200, 0).taskID()
		removed := b.want("POST", "/push/all", at(1002), 200, 0).taskID()
		b.want("DELETE", "/task/"+stopped, "", 200, 0)
		b.want("DELETE", "/task/schedule/"+removed, "", 200, 0)
		b.want("DELETE", "/task/schedule/"+removed, "", 400, 22002)
		b.want("GET", "/task/schedule/"+removed, "", 400, 22002)
		b.AdvanceGetuiClock(999)
		if n := b.delivered(f1); n != 0 {
			t.Errorf("%d deliveries before the time", n)
		}
		b.AdvanceGetuiClock(1000)
		if n := b.delivered(f1); n != 1 {
			t.Errorf("%d deliveries, want that of the one task that was left", n)
		}
		for task, word := range map[string]string{runs: "success", stopped: "stopped"} {
			a := b.want("GET", "/task/schedule/"+task, "", 200, 0)
			if got := a.data[task].(map[string]any)["send_result"]; got != word {
				t.Errorf("send_result %v, want %s", got, word)
			}
		}
		b.want("DELETE", "/task/schedule/"+runs, "", 400, 22001)
	},
	"fast_tag_enabled": func(t *testing.T, b *bench) {
		body := `{"request_id":"rid-fast-tag","audience":{"fast_custom_tag":"vip"},` + textMessage + `}`
		b.want("PUT", "/user/custom_tag/batch/vip", `{"cid":["`+f2+`"]}`, 200, 0)
		b.want("POST", "/push/fast_custom_tag", body, 403, 30000)
		b.knobs(`{"fast_tag_enabled":true}`)
		b.want("POST", "/push/fast_custom_tag", body, 200, 0)
		if b.delivered(f2) != 1 || b.delivered(f1) != 0 {
			t.Errorf("%d with the tag, %d without", b.delivered(f2), b.delivered(f1))
		}
	},
	"app_day_limit": func(_ *testing.T, b *bench) {
		b.knobs(`{"app_day_limit":2,"app_minute_limit":9}`)
		b.want("POST", "/push/all", toAll(rid(1)), 200, 0)
		b.want("POST", "/push/tag", toTag(rid(2), `{"key":"phone_type","values":["ios"],"opt_type":"or"}`), 200, 0)
		b.want("POST", "/push/all", toAll(rid(3)), 403, 30007)
		b.want("POST", "/push/all", toAll(rid(1)), 200, 0) // a repeat costs nothing
		b.SetGetuiClock(1700063999999)                     // 2023-11-15 23:59:59.999 in China
		b.want("POST", "/push/all", toAll(rid(3)), 403, 30007)
		b.SetGetuiClock(1700064000000)
		b.want("POST", "/push/all", toAll(rid(3)), 200, 0)
	},
	"app_minute_limit": func(_ *testing.T, b *bench) {
		b.knobs(`{"app_minute_limit":1}`)
		b.want("POST", "/push/all", toAll(rid(1)), 200, 0)
		b.want("POST", "/push/all", toAll(rid(2)), 403, 30014)
		b.want("POST", "/push/tag", toTag(rid(3), `{"key":"phone_type","values":["ios"],"opt_type":"or"}`), 403, 30014)
		b.SetGetuiClock(1700000040000) // the next fixed minute
		b.want("POST", "/push/all", toAll(rid(2)), 200, 0)
	},
	"list_day_limit": func(_ *testing.T, b *bench) {
		b.knobs(`{"list_day_limit":4}`)
		task := b.want("POST", messagePath, `{`+textMessage+`}`, 200, 0).taskID()
		b.want("POST", listPath, listTo("cid", task, f1, f2), 200, 0)
		b.want("POST", listPath, listTo("cid", task, f1, f2), 403, 30008)
		b.want("POST", "/push/list/alias", listTo("alias", task, "user_1002"), 200, 0)
		b.want("POST", messagePath, `{`+textMessage+`}`, 403, 30008)
	},
	"auth_minute_limit": func(_ *testing.T, b *bench) {
		b.knobs(`{"auth_minute_limit":2}`)
		b.want("POST", "/auth", `{}`, 400, 20001) // a refused attempt counts
		b.want("POST", "/auth", b.authBody(0), 200, 0)
		b.want("POST", "/auth", b.authBody(0), 401, 10003)
		b.want("POST", singlePath, toCID(rid(1), f1), 200, 0)
		b.SetGetuiClock(1700000040000)
		b.want("POST", "/auth", b.authBody(0), 200, 0)
	},
	"tag_minute_limit": func(_ *testing.T, b *bench) {
		b.knobs(`{"tag_minute_limit":1}`)
		b.want("PUT", "/user/custom_tag/batch/vip", `{"cid":["`+f1+`"]}`, 200, 0)
		b.want("DELETE", "/user/custom_tag/batch/vip", `{"cid":["`+f1+`"]}`, 403, 30012)
		b.SetGetuiClock(1700000040000)
		b.want("DELETE", "/user/custom_tag/batch/vip", `{"cid":["`+f1+`"]}`, 200, 0)
	},
	"tag_day_limit": func(_ *testing.T, b *bench) {
		b.knobs(`{"tag_day_limit":1}`)
		b.want("POST", "/user/custom_tag/cid/"+f1, `{"custom_tag":["a"]}`, 200, 0)
		b.want("POST", "/user/custom_tag/cid/"+f2, `{"custom_tag":["a"]}`, 403, 30011)
		b.want("PUT", "/user/custom_tag/batch/vip", `{"cid":["`+f1+`"]}`, 403, 30011)
	},
	"single_minute_limit": func(_ *testing.T, b *bench) {
		b.knobs(`{"single_minute_limit":2}`)
		b.want("POST", singlePath, toCID(rid(1), f1), 200, 0)
		b.want("POST", batchPath, batchOf(toCID(rid(2), f1), toCID(rid(3), f2)), 401, 10005)
		b.want("POST", "/push/single/alias", `{"request_id":"rid-alias-1","audience":{"alias":["user_1002"]},`+textMessage+`}`, 200, 0)
		b.want("POST", singlePath, "not json", 401, 10005) // before the body
		b.SetGetuiClock(1700000040000)
		b.want("POST", batchPath, batchOf(toCID(rid(2), f1), toCID(rid(3), f2)), 200, 0)
	},
	"push_day_limit": func(_ *testing.T, b *bench) {
		b.knobs(`{"push_day_limit":2}`)
		b.want("POST", singlePath, toCID(rid(1), f1), 200, 0)
		b.want("POST", batchPath, batchOf(toCID(rid(1), f1), toCID(rid(2), f2)), 200, 0) // one of the two is a repeat
		b.want("POST", batchPath, batchOf(toCID(rid(3), f1)), 403, 30009)
		b.want("POST", singlePath, toCID(rid(3), "nobody"), 403, 30009) // before the target
		b.want("POST", singlePath, toCID(rid(1), f1), 200, 0)
	},
	"list_max": func(_ *testing.T, b *bench) {
		b.knobs(`{"list_max":1}`)
		task := b.want("POST", messagePath, `{`+textMessage+`}`, 200, 0).taskID()
		b.want("POST", listPath, listTo("cid", task, f1), 200, 0)
		b.want("POST", listPath, listTo("cid", task, f1, f2), 400, 20001)
	},
	"batch_max": func(_ *testing.T, b *bench) {
		b.knobs(`{"batch_max":1}`)
		b.want("POST", batchPath, batchOf(toCID(rid(1), f1)), 200, 0)
		b.want("POST", batchPath, batchOf(toCID(rid(2), f1), toCID(rid(3), f2)), 400, 20001)
	},
	"app_black": func(_ *testing.T, b *bench) {
		b.knobs(`{"app_black":true}`)
		b.want("POST", singlePath, "not json", 401, 10002) // before the body
		r := b.getuiRequest("POST", singlePath, "")
		r.Header.Del("token")
		if a := b.sendGetui(r); a.code != 10001 { // after the token
			b.t.Errorf("%d %s, want 10001", a.code, a.msg)
		}
	},
	"dup_mode": everyDupMode,
}

// everyDupMode repeats a message of every kind that has a request_id.
func everyDupMode(t *testing.T, b *bench) {
	for i, c := range []struct {
		mode        string
		http        int
		same, again bool
	}{{"replay", 200, true, false}, {"drop_new_task", 200, false, false}, {"reject", 400, false, false}, {"leak", 200, false, true}} {
		b.knobs(`{"dup_mode":"` + c.mode + `","app_minute_limit":99}`)
		id := func(j int) string { return rid(10*i + j) }
		for _, call := range []struct{ path, body string }{
			{singlePath, toCID(id(1), f1)},
			{batchPath, batchOf(toCID(id(2), f1))},
			{messagePath, `{"request_id":"` + id(3) + `",` + textMessage + `}`},
			{"/push/all", toAll(id(4))},
		} {
			before := b.delivered(f1)
			first := b.want("POST", call.path, call.body, 200, 0)
			reaches := b.delivered(f1) - before
			again := b.getui("POST", call.path, call.body)
			if again.http != c.http || again.http == 200 && (again.taskID() == first.taskID()) != c.same {
				t.Errorf("%s %s: %d %v after %v", c.mode, call.path, again.http, again.data, first.data)
			}
			want := reaches
			if c.again {
				want *= 2
			}
			if got := b.delivered(f1) - before; got != want {
				t.Errorf("%s %s: %d deliveries, want %d", c.mode, call.path, got, want)
			}
			if e := b.last(); e.Executed != c.again || c.again == (len(e.Repeats) == 1) {
				t.Errorf("%s %s: journal has executed %v, repeats %v", c.mode, call.path, e.Executed, e.Repeats)
			}
			if call.path == messagePath && c.mode == "drop_new_task" { // a task that nothing is behind
				b.want("POST", listPath, listTo("cid", again.taskID(), f2), 400, 20001)
			}
		}
	}
	if n := b.Stats().Getui.DuplicateDeliveries; n != 0 {
		t.Errorf("duplicate_deliveries %d, want 0: leaks are the vendor's", n)
	}
}

func TestGetuiKnobs(t *testing.T) {
	for name := range fields(reflect.TypeFor[Knobs]()) {
		test := knobTests[name]
		if test == nil {
			t.Errorf("knob %s has no test", name)
			continue
		}
		t.Run(name, func(t *testing.T) { test(t, startFixed(t)) })
	}
}

func TestGetuiKnobsThatMakeNoSense(t *testing.T) {
	b := startFixed(t)
	for _, body := range []string{
		`{"dup_mode":"maybe"}`, `{"batch_bad_target":""}`, `{"alias_list_inner":"x"}`, `{"auth_bad_sign_code":1}`,
		`{"app_day_limit":-1}`, `{"unknown":1}`, `{"app_black":"yes"}`,
	} {
		mustStatus(t, body, b.control("POST", b.Ready().Control+"/knobs", body, nil), 400)
	}
	if b.Knobs() != DefaultKnobs() {
		t.Errorf("a refused call turned a knob: %+v", b.Knobs())
	}
	b.knobs(`{"list_max":7}`)
	var got Knobs
	b.control("GET", b.Ready().Control+"/knobs", "", &got)
	if want := DefaultKnobs(); got.ListMax != 7 || got.BatchMax != want.BatchMax || got.DupMode != want.DupMode {
		t.Errorf("knobs %+v", got)
	}
	mustStatus(t, "reset", b.control("POST", b.Ready().Control+"/reset", `{"knobs":{"batch_max":3}}`, nil), 200)
	if got := b.Knobs(); got.ListMax != 1000 || got.BatchMax != 3 {
		t.Errorf("after a reset: %+v", got)
	}
}
