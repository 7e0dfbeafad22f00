package sandbox

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// shows is a message with a notification and, or without, what replaces it.
func shows(rid, notifyID, collapseID string) string {
	id, ios := "", ""
	if notifyID != "" {
		id = `,"notify_id":` + notifyID
	}
	if collapseID != "" {
		ios = `,"push_channel":{"ios":{"apns-collapse-id":"` + collapseID + `"}}`
	}
	return `{"request_id":"` + rid + `","audience":{"cid":["` + f1 + `"]},"push_message":{"notification":{"title":"T","body":"B","click_type":"none"` + id + `}}` + ios + `}`
}

// statTests has a walk for each counter that Getui has beside the common ones.
var statTests = map[string]func(b *bench, count func(want int)){
	"auth_calls": func(b *bench, count func(int)) {
		b.want("POST", "/auth", b.authBody(0), 200, 0)
		b.want("POST", "/auth", `{}`, 400, 20001)
		b.want("DELETE", "/auth/nothing", "", 401, 10001) // is no attempt
		count(2)
	},
	"auth_calls_max_day": func(b *bench, count func(int)) {
		for range 3 {
			b.want("POST", "/auth", b.authBody(0), 200, 0)
		}
		b.AdvanceGetuiClock(chinaDay)
		b.want("POST", "/auth", b.authBody(0), 200, 0)
		count(3)
	},
	"duplicate_deliveries": func(b *bench, count func(int)) {
		b.want("POST", singlePath, toCID(rid(1), f1), 200, 0)
		b.want("POST", singlePath, toCID(rid(1), f1), 200, 0)
		b.want("POST", batchPath, batchOf(toCID(rid(1), f1)), 200, 0)
		count(0)
		b.knobs(`{"dup_window_ms":1}`)
		b.AdvanceGetuiClock(1)
		b.want("POST", singlePath, toCID(rid(1), f1), 200, 0)
		b.want("POST", singlePath, toCID(rid(2), f1), 200, 0)
		count(1)
	},
	"calls_while_closed": func(b *bench, count func(int)) {
		b.knobs(`{"app_minute_limit":1,"app_day_limit":2}`)
		b.want("POST", "/push/all", toAll(rid(1)), 200, 0)
		b.want("POST", "/push/all", toAll(rid(2)), 403, 30014)
		count(0) // the refusal itself was not foreseeable
		b.want("POST", "/push/tag", toTag(rid(3), `{"key":"phone_type","values":["ios"],"opt_type":"or"}`), 403, 30014)
		b.want("POST", singlePath, toCID(rid(4), f1), 200, 0) // another lane
		count(1)
		b.SetGetuiClock(1700000040000)
		b.want("POST", "/push/all", toAll(rid(2)), 200, 0)
		count(1)
		b.SetGetuiClock(1700000100000)
		b.want("POST", "/push/all", toAll(rid(5)), 403, 30007)
		b.SetGetuiClock(1700063999999)
		b.want("POST", "/push/all", toAll(rid(5)), 403, 30007)
		count(2)
		b.SetGetuiClock(1700064000000)
		b.want("POST", "/push/all", toAll(rid(5)), 200, 0)
		count(2)
		b.arm(`{"kind":"code","code":30009,"lane":"single_cid"}`) // a fault's word is the vendor's
		b.want("POST", singlePath, toCID(rid(6), f1), 403, 30009)
		b.want("POST", batchPath, batchOf(toCID(rid(6), f1)), 200, 0)
		count(3)
	},
	"forced_revokes": func(b *bench, count func(int)) {
		revoke := `{"request_id":"%s","audience":{"cid":["` + f1 + `"]},"push_message":{"revoke":{"old_task_id":"x","force":%v}}}`
		b.want("POST", singlePath, fmt.Sprintf(revoke, rid(1), false), 200, 0)
		count(0)
		b.want("POST", singlePath, fmt.Sprintf(revoke, rid(2), true), 200, 0)
		b.want("POST", batchPath, batchOf(fmt.Sprintf(revoke, rid(3), true)), 200, 0)
		count(2)
	},
	"scheduled_calls": func(b *bench, count func(int)) {
		b.want("POST", singlePath, `{"request_id":"rid-schedule","settings":{"schedule_time":1},"audience":{"cid":["`+f1+`"]},`+textMessage+`}`, 200, 0)
		b.want("POST", "/push/all", `{"request_id":"rid-schedule2","settings":{"schedule_time":1700003600000},"audience":"all",`+textMessage+`}`, 403, 30002)
		count(2)
	},
	"without_overlay": func(b *bench, count func(int)) {
		b.want("POST", singlePath, toCID(rid(1), f1), 200, 0) // shows nothing
		b.want("POST", singlePath, shows(rid(2), "7", "c"), 200, 0)
		count(0)
		b.want("POST", singlePath, shows(rid(3), "", "c"), 200, 0)
		b.want("POST", singlePath, shows(rid(4), "7", ""), 200, 0)
		count(2)
		ups := `,"push_channel":{"android":{"ups":{"notification":{"title":"T","body":"B","click_type":"none"%s}}},"ios":{"apns-collapse-id":"c"}}`
		b.want("POST", messagePath, `{`+textMessage+fmt.Sprintf(ups, ``)+`}`, 200, 0)
		b.want("POST", messagePath, `{`+textMessage+fmt.Sprintf(ups, `,"notify_id":1`)+`}`, 200, 0)
		b.want("POST", messagePath, `{`+textMessage+`,"push_channel":{"ios":{"aps":{"alert":{"title":"T"}}}}}`, 200, 0)
		count(4)
	},
	"oversized_calls": func(b *bench, count func(int)) {
		b.knobs(`{"list_max":2000,"batch_max":300}`)
		var messages, cids []string
		for i := range 1001 {
			cid := fmt.Sprintf("bulk-cid-%04d", i)
			messages, cids = append(messages, toCID(rid(i), cid)), append(cids, cid)
		}
		task := b.want("POST", messagePath, `{`+textMessage+`}`, 200, 0).taskID()
		b.want("POST", batchPath, batchOf(messages[:200]...), 200, 0)
		b.want("POST", listPath, listTo("cid", task, cids[:1000]...), 200, 0)
		count(0)
		b.want("POST", batchPath, batchOf(messages[:201]...), 200, 0)
		b.want("POST", listPath, listTo("cid", task, cids...), 200, 0)
		b.knobs(`{"list_max":1000}`)
		b.want("POST", listPath, listTo("cid", task, cids...), 400, 20001) // refused, and counted
		count(3)
	},
	// those that both vendors have
	"request_id_conflicts": func(b *bench, count func(int)) {
		b.want("POST", singlePath, toCID(rid(1), f1), 200, 0)
		b.want("POST", singlePath, toCID(rid(1), f1), 200, 0)
		b.want("POST", batchPath, batchOf(toCID(rid(1), f1)), 200, 0) // the same message by another call
		count(0)
		b.want("POST", singlePath, toCID(rid(1), f2), 200, 0)
		b.want("POST", "/push/all", toAll(rid(1)), 200, 0)
		b.want("POST", batchPath, batchOf(toCID(rid(2), f1), toCID(rid(2), f2)), 200, 0)
		count(3)
		if b.delivered(f2) != 0 {
			b.t.Error("a conflicting message was delivered")
		}
	},
	"doubles": func(b *bench, count func(int)) {
		task := b.want("POST", messagePath, `{`+textMessage+`}`, 200, 0).taskID()
		for i, id := range []string{"call-1", "call-2", "other-1"} {
			r := b.getuiRequest("POST", listPath, listTo("cid", task, f1))
			r.Header.Set("X-Request-ID", id)
			if a := b.sendGetui(r); a.code != 0 {
				b.t.Fatal(a)
			}
			count(min(i, 1))
		}
	},
	"overruns": func(b *bench, count func(int)) {
		b.knobs(`{"app_minute_limit":99,"app_day_limit":99,"tag_minute_limit":99,"auth_minute_limit":200}`)
		for i := range 6 {
			b.want("POST", "/push/all", toAll(rid(i)), 200, 0)
		}
		count(1)
		for range 6 {
			b.want("PUT", "/user/custom_tag/batch/vip", `{"cid":["`+f1+`"]}`, 200, 0)
		}
		count(2)
		for range 101 {
			b.want("POST", "/auth", b.authBody(0), 200, 0)
		}
		count(3)
	},
	"refused_by_quota": func(b *bench, count func(int)) {
		b.knobs(`{"app_minute_limit":0,"auth_minute_limit":0}`)
		b.want("POST", "/push/all", toAll(rid(1)), 403, 30014)
		b.want("POST", "/auth", b.authBody(0), 401, 10003)
		b.want("POST", singlePath, toCID(rid(1), "nobody"), 400, 20001)
		b.arm(`{"kind":"code","code":30009}`)
		b.want("POST", singlePath, toCID(rid(1), f1), 403, 30009) // a fault's
		count(2)
	},
	"calls": func(b *bench, count func(int)) {
		b.want("POST", singlePath, toCID(rid(1), f1), 200, 0)
		b.want("POST", "/nowhere", "", 404, 404)
		b.post(setTag, jsonType, setTagBox) // RongCloud's
		count(2)
	},
	"executed": func(b *bench, count func(int)) {
		b.want("POST", singlePath, toCID(rid(1), f1), 200, 0)
		b.want("POST", singlePath, toCID(rid(1), f1), 200, 0) // a repeat
		b.want("POST", singlePath, toCID(rid(2), f3), 200, 0) // ignored, but done
		b.want("GET", "/user/status/"+f1, "", 200, 0)
		b.want("GET", "/user/status/nobody", "", 400, 20001)
		count(3)
	},
	"deliveries": func(b *bench, count func(int)) {
		b.want("POST", batchPath, batchOf(toCID(rid(1), f1), toCID(rid(2), f3), toCID(rid(3), f2)), 200, 0)
		count(2)
		b.want("POST", "/push/tag", toTag(rid(4), `{"key":"phone_type","values":["ios"],"opt_type":"or"}`), 200, 0)
		count(3) // f5; f3 and f4 are left out
	},
	"max_per_connection": func(b *bench, count func(int)) {
		for i := range 4 {
			b.want("POST", singlePath, toCID(rid(i), f1), 200, 0)
		}
		count(4)
	},
}

func TestGetuiStats(t *testing.T) {
	names := fields(reflect.TypeFor[GetuiStats]())
	for name := range fields(reflect.TypeFor[VendorStats]()) {
		names[name] = true
	}
	for name := range names {
		walk := statTests[name]
		if walk == nil {
			t.Errorf("counter %s has no test", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			b := startFixed(t)
			walk(b, func(want int) {
				t.Helper()
				var got struct{ Getui map[string]int }
				mustStatus(t, "stats", b.control("GET", b.Ready().Control+"/stats", "", &got), 200)
				if n, there := got.Getui[name]; !there || n != want {
					t.Errorf("%s is %d, want %d", name, n, want)
				}
			})
			if got := b.Stats().RongCloud; got != (VendorStats{}) && name != "calls" {
				t.Errorf("the other vendor counts: %+v", got)
			}
		})
	}
}

// A client that behaves, among faults, leaves every counter of section 13.6 at 0.
func TestAGetuiClientThatBehavesCountsNothing(t *testing.T) {
	b := startFixed(t)
	b.arm(`{"kind":"reset_after","lane":"single_cid"}`)
	body := strings.Replace(shows(rid(1), "7", "c"), `"title"`, `"thread_id":"x","title"`, 1)
	if _, err := b.client.Do(b.getuiRequest("POST", singlePath, body)); err == nil {
		t.Error("answered")
	}
	b.want("POST", singlePath, body, 200, 0)
	b.want("POST", "/auth", b.authBody(0), 200, 0)
	got := b.Stats().Getui
	want := GetuiStats{VendorStats: VendorStats{Calls: 3, Executed: 2, Deliveries: 1, MaxPerConnection: got.MaxPerConnection}, AuthCalls: 1, AuthCallsMaxDay: 1}
	if got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}
