package sandbox

import (
	"fmt"
	"strings"
	"testing"
)

// TestGetuiFields breaks one field at a time, at the bounds of sections 4 to 7 that
// the cases leave out. bad is what the refusal says; "" = accepted.
func TestGetuiFields(t *testing.T) {
	b := startFixed(t)
	long := func(n int) string { return `"` + strings.Repeat("长", n) + `"` }
	type row struct{ field, bad string }
	each := func(frame string, rows ...row) {
		t.Helper()
		for _, r := range rows {
			body := fmt.Sprintf(`{"request_id":"`+rid(int(b.Stats().Getui.Calls))+`","audience":{"cid":["`+f1+`"]},`+frame+`}`, r.field)
			a := b.getui("POST", singlePath, body)
			if ok := a.code == 0; ok != (r.bad == "") || !ok && (a.http != 400 || a.code != 20001 || a.msg != r.bad) {
				t.Errorf("%.120s in %.120s: %d/%d %q, want %q", r.field, frame, a.http, a.code, a.msg, r.bad)
			}
		}
	}
	each(`%s,"push_message":{"transmission":"x"}`,
		row{`"task_name":7`, "task_name type error"},
		row{`"group_name":` + `"` + strings.Repeat("g", 100) + `"`, ""},
		row{`"settings":7`, "settings type error"},
		row{`"push_channel":"x"`, "push_channel type error"},
		row{`"settings":null,"push_channel":null`, ""},
	)
	each(`"settings":{%s},"push_message":{"transmission":"x"}`,
		row{`"ttl":"259200000"`, ""}, row{`"ttl":259200001`, "ttl is invalid"}, row{`"ttl":1.5`, "ttl type error"}, row{`"ttl":null`, ""},
		row{`"strategy":{"hw":0}`, "strategy is invalid"}, row{`"strategy":{"hoshw":"4"}`, ""}, row{`"strategy":{"future":9}`, ""}, row{`"strategy":1`, "strategy type error"},
		row{`"speed":-1`, "speed is invalid"}, row{`"active_days":2`, "active_days is invalid"}, row{`"active_days":15`, ""},
		row{`"activate_filter_type":0`, "activate_filter_type is invalid"}, row{`"activate_filter_type":-1`, ""},
		row{`"ttl":10,"lst":9`, ""}, row{`"ttl":10,"lst":10`, "lst is invalid"}, row{`"lst":0`, "lst is invalid"},
		row{`"need_backup":1`, "need_backup type error"}, row{`"active_push_platform":[1,3]`, ""}, row{`"active_push_platform":[4]`, "active_push_platform is invalid"},
	)
	each(`"push_message":{%s}`,
		row{`"notification":{"title":"T","body":"B","click_type":"none"},"transmission":"x"`, "push_message: choose one of notification and transmission and revoke"},
		row{`"transmission":""`, "transmission can not be empty"}, row{`"transmission":{"a":1}`, "transmission type error"},
		row{`"transmission":` + long(3072), ""}, row{`"transmission":` + long(3073), "transmission size over limit"},
		row{`"network_type":1,"transmission":"x"`, ""}, row{`"network_type":"1","transmission":"x"`, ""},
		row{`"duration":"1700000600001-1700000000000","transmission":"x"`, "duration is invalid"}, row{`"duration":"soon","transmission":"x"`, "duration is invalid"},
		row{`"duration":"","transmission":"x"`, "duration is invalid"}, row{`"duration":"1700000000000-1700000600001","transmission":"x"`, ""},
		row{`"revoke":{"force":true}`, "old_task_id can not be empty"}, row{`"revoke":{"old_task_id":"x","force":"yes"}`, "force type error"},
		row{`"notification":7`, "notification type error"},
	)
	each(`"push_message":{"notification":{"title":"T","body":"B","click_type":"none",%s}}`,
		row{`"body":` + long(256), ""}, row{`"body":""`, "body can not be empty"}, row{`"title":7`, "title type error"},
		row{`"big_text":` + long(512), ""}, row{`"big_text":` + long(513), "big_text size over limit"},
		row{`"big_image":` + long(1024), ""}, row{`"big_image":` + long(1025), "big_image size over limit"},
		row{`"big_text":"a","big_image":"b"`, "big_text and big_image cannot both be set"},
		row{`"logo":` + long(65), "logo size over limit"}, row{`"logo_url":` + long(257), "logo_url size over limit"},
		row{`"channel_id":` + long(65), "channel_id size over limit"}, row{`"channel_name":` + long(65), "channel_name size over limit"},
		row{`"channel_level":5`, "channel_level is invalid"}, row{`"channel_level":0`, ""}, row{`"channel_level":"high"`, "channel_level type error"},
		row{`"notify_id":2147483647`, ""}, row{`"notify_id":-1`, "notify_id is invalid"},
		row{`"badge_add_num":0`, "badge_add_num is invalid"}, row{`"redisplay_freq":1`, "redisplay_freq is invalid"}, row{`"redisplay_freq":3`, ""},
		row{`"redisplay_freq":4`, "redisplay_freq is invalid"}, row{`"redisplay_duration":25`, "redisplay_duration is invalid"},
		row{`"url":` + long(1025), "url size over limit"}, row{`"thread_id":7`, "thread_id type error"},
	)
	each(`"push_message":{"notification":{"title":"T","body":"B",%s}}`,
		row{`"click_type":"intent"`, "intent can not be empty"}, row{`"click_type":"intent","intent":` + long(4096), ""}, row{`"click_type":"intent","intent":` + long(4097), "intent size over limit"},
		row{`"click_type":"url","url":` + long(1024), ""}, row{`"click_type":"payload_custom"`, "payload can not be empty"},
		row{`"click_type":"payload","payload":` + long(3073), "payload size over limit"}, row{`"click_type":"startapp"`, ""}, row{`"click_type":"want","want":"x"`, "click_type is invalid"},
	)
	each(`"push_message":{"transmission":"x"},"push_channel":{"android":{"ups":{%s}}}`,
		row{`"notification":{"title":"T","body":"B","click_type":"startapp"},"options":{"XM":{"/extra.channel_id":"o"}}`, ""},
		row{`"notification":{"title":` + long(51) + `,"body":"B","click_type":"none"}`, "title size over limit"},
		row{`"notification":{"title":"T","body":"B","click_type":"url"}`, "url can not be empty"},
		row{`"options":{}`, "ups: choose one of notification and transmission and revoke"},
		row{`"transmission":"x","options":{"XM":"o"}`, "options type error"}, row{`"transmission":` + long(3073), "transmission size over limit"},
		row{`"revoke":{}`, "old_task_id can not be empty"},
	)
	each(`"push_message":{"transmission":"x"},"push_channel":{"ios":{%s}}`,
		row{`"type":"voip","aps":{"alert":{"title":"T"},"content-available":1,"sound":"s"},"auto_badge":"+1","apns-collapse-id":` + long(64), ""},
		row{`"type":"shout"`, "type is invalid"}, row{`"auto_badge":"one"`, "auto_badge is invalid"}, row{`"auto_badge":1`, "auto_badge type error"},
		row{`"aps":{"alert":"text"}`, "alert type error"}, row{`"payload":{}`, "payload type error"},
		row{`"multimedia":[{"url":"u","type":3,"only_wifi":true}]`, ""}, row{`"multimedia":[{"url":"u","type":4}]`, "type is invalid"},
		row{`"multimedia":[{"type":1}]`, "url can not be empty"}, row{`"multimedia":[7]`, "multimedia type error"}, row{`"multimedia":[]`, ""},
	)
	each(`"push_message":{"transmission":"x"},"push_channel":{"harmony":{%s}}`,
		row{`"notification":{"title":"T","body":"B","click_type":"want","want":"w","category":"c"}`, ""},
		row{`"notification":{"title":"T","body":"B","click_type":"url","url":"u"}`, "click_type is invalid"},
		row{`"notification":{"title":"T","body":"B","click_type":"want"}`, "want can not be empty"},
		row{`"notification":{"title":"T","body":"B","click_type":"startapp","category":` + long(51) + `}`, "category size over limit"},
		row{`"transmission":"x","custom":{}`, "harmony: choose one of notification and transmission and custom and revoke"}, row{`"custom":{}`, ""},
		row{`"revoke":{"old_task_id":"x"}`, ""},
	)
}

// The first failing field in document order is the one that is named.
func TestGetuiNamesTheFirstField(t *testing.T) {
	b := startFixed(t)
	parts := []struct{ bad, good, says string }{
		{`"request_id":"short"`, `"request_id":"long-enough"`, "request_id is invalid"},
		{`"group_name":"a b"`, `"group_name":"ab"`, "group_name is invalid"},
		{`"settings":{"ttl":-2}`, `"settings":{"ttl":-1}`, "ttl is invalid"},
		{`"audience":{"cid":[]}`, `"audience":{"cid":["` + f1 + `"]}`, "cid can not be empty"},
		{`"push_message":{}`, `"push_message":{"transmission":"x"}`, "push_message: choose one of notification and transmission and revoke"},
		{`"push_channel":{"ios":{"type":"x"}}`, `"push_channel":{}`, "type is invalid"},
	}
	for first := range parts {
		fields := make([]string, len(parts))
		for i, p := range parts {
			fields[len(parts)-1-i] = p.good // the order in the text has no meaning
			if i >= first {
				fields[len(parts)-1-i] = p.bad
			}
		}
		if a := b.want("POST", singlePath, "{"+strings.Join(fields, ",")+"}", 400, 20001); a.msg != parts[first].says {
			t.Errorf("from field %d on everything is wrong: %q, want %q", first, a.msg, parts[first].says)
		}
	}
}
