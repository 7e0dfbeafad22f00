package getui

import (
	"strings"
	"testing"
	"time"
)

// Every mistake of a block is named at its place; what is right goes into the push.
func TestExtras(t *testing.T) {
	for block, want := range map[string]string{
		`{}`: "", ``: "", `{"strategy":{"ios":4},"ios":{"content-available":1}}`: "", `{"android":{"options":{"XM":{"/a":1,"/b":"x","/c":{"d":[1]}}}}}`: "",
		`[]`: " want a mapping", `{"speed":"1"}`: "speed want a whole number", `{"speed":1.5}`: "speed want a whole number", `{"transmission":1}`: "transmission want true or false",
		`{"notification":{"title":"x","logo":1},"a":2}`: "a unknown key|notification.logo want a text|notification.title unknown key",
		`{"strategy":{"ios":"4"}}`:                      "strategy.ios want a whole number", `{"ios":{"thread_id":"x"}}`: "ios.thread_id unknown key", `{"strategy":{"iso":4}}`: "strategy.iso unknown key",
		`{"android":{"options":{"xm":{"/a":1},"FOO":{},"HO":{}}}}`: "android.options.FOO unknown key|android.options.xm unknown key", `{`: "getui is no JSON",
	} {
		var got []string
		for _, bad := range Problems(CheckExtras([]byte(block))) {
			got = append(got, bad.Field+" "+strings.SplitN(bad.Reason, ";", 2)[0])
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%s: %q, want %q", block, got, want)
		}
		if _, err := ParseExtras([]byte(block)); (err == nil) != (want == "") {
			t.Errorf("%s is read: %v", block, err)
		}
	}
	x, err := ParseExtras([]byte(`{"strategy":{"default":2},"speed":5,"filter_notify_off":true,"active_days":7,"need_backup":true,"notification":{"click_type":"intent","intent":"i","big_text":"long","logo":"l","logo_url":"https://e.example/l","channel_id":"c","channel_name":"n","channel_level":0,"ring_name":"r","badge_add_num":1,"redisplay_freq":2,"redisplay_duration":3,"slot_type":"s","category":"k"},"ios":{"subtitle":"s","sound":"d","category":"c","content-available":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	p := paid()
	p.Message.Notification.BigImage = "https://e.example/i.png"
	if err := x.Apply(&p, time.Now(), "{}"); err != nil {
		t.Fatal(err)
	}
	body, err := Single{ByCID, cidA, p}.Body()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{`"strategy":{"default":2}`, `"speed":5`, `"filter_notify_off":true`, `"active_days":7`, `"need_backup":true`, `"big_text":"long"`, `"logo":"l"`, `"logo_url":"https://e.example/l"`, `"channel_id":"c"`, `"channel_name":"n"`,
		`"channel_level":0`, `"ring_name":"r"`, `"badge_add_num":1`, `"redisplay_freq":2`, `"redisplay_duration":3`, `"slot_type":"s"`, `"category":"k"`, `"subtitle":"s"`, `"sound":"d"`, `"content-available":1`, `"ttl":7200000`} {
		if !strings.Contains(string(body), s) {
			t.Errorf("%s is missing in %s", s, body)
		}
	}
	if strings.Contains(string(body), "big_image") || strings.Count(string(body), `"click_type":"intent","intent":"i"`) != 2 {
		t.Errorf("%s", body)
	}
}
