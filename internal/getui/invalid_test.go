package getui

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
)

func many(n int) (out []string) {
	for i := range n {
		out = append(out, "c-"+strconv.Itoa(i))
	}
	return out
}

func singles(n int) (out []Single) {
	for i, c := range many(n) {
		out = append(out, Single{Target: c, Push: silent("b000000000000000000000000000" + strconv.Itoa(1000+i))})
	}
	return out
}

func with(change func(*Push)) Request {
	p := everyField()
	change(&p)
	return Single{ByCID, cidA, p}
}

// Each limit of getui.md 4 to 9: the last value that is taken and the first that is not, and the field that is named.
func TestInvalidRequests(t *testing.T) {
	for _, tc := range []struct {
		name  string
		good  Request // nil: none
		bad   Request
		field string
	}{
		{"request id, short", with(func(p *Push) { p.RequestID = "0123456789" }), with(func(p *Push) { p.RequestID = "012345678" }), "request_id"},
		{"request id, long", with(func(p *Push) { p.RequestID = strings.Repeat("a", 32) }), with(func(p *Push) { p.RequestID = strings.Repeat("a", 33) }), "request_id"},
		{"no request id", StoreMessage{Push{Message: Message{Transmission: "x"}}}, Everybody{true, Push{Message: Message{Transmission: "x"}}}, "request_id"},
		{"group", with(func(p *Push) { p.GroupName = strings.Repeat("g", 100) }), with(func(p *Push) { p.GroupName = strings.Repeat("g", 101) }), "group_name"},
		{"group's letters", nil, with(func(p *Push) { p.GroupName = "组" }), "group_name"},
		{"ttl", with(func(p *Push) { p.Settings.TTL = TTL(1000 * time.Hour) }), with(func(p *Push) { p.Settings.TTL = new(int64(259200001)) }), "ttl"},
		{"ttl below", with(func(p *Push) { p.Settings.TTL = new(int64(-1)) }), with(func(p *Push) { p.Settings.TTL = new(int64(-2)) }), "ttl"},
		{"ttl of a list", nil, StoreMessage{Push{Settings: &Settings{TTL: new(int64(-1))}, Message: Message{Transmission: "x"}}}, "ttl"},
		{"strategy", with(func(p *Push) { p.Settings.Strategy = map[string]int{"hoshw": 4} }), with(func(p *Push) { p.Settings.Strategy = map[string]int{"ios": 5} }), "strategy.ios"},
		{"a channel of no table", nil, with(func(p *Push) { p.Settings.Strategy = map[string]int{"nokia": 1} }), "strategy.nokia"},
		{"speed", nil, with(func(p *Push) { p.Settings.Speed = -1 }), "speed"},
		{"title", with(func(p *Push) { p.Message.Notification.Title = strings.Repeat("标", 50) }), with(func(p *Push) { p.Message.Notification.Title = strings.Repeat("标", 51) }), "title"},
		{"body", with(func(p *Push) { p.Message.Notification.Body = strings.Repeat("文", 256) }), with(func(p *Push) { p.Message.Notification.Body = strings.Repeat("文", 257) }), "body"},
		{"no body", nil, with(func(p *Push) { p.Message.Notification.Body = "" }), "body"},
		{"big text and image", nil, with(func(p *Push) { p.Message.Notification.BigImage = "https://e.example/i.png" }), "big_text"},
		{"no click type", nil, with(func(p *Push) { p.Message.Notification.ClickType = "" }), "click_type"},
		{"url without one", nil, with(func(p *Push) { p.Message.Notification.ClickType = "url" }), "url"},
		{"payload without one", nil, with(func(p *Push) { p.Message.Notification.ClickType = "payload_custom" }), "payload"},
		{"no overlay id", nil, with(func(p *Push) { p.Message.Notification.NotifyID = nil }), "notify_id"},
		{"no overlay id for makers", nil, with(func(p *Push) { p.Channel.Android.Ups.Notification.NotifyID = nil }), "android.ups.notify_id"},
		{"no overlay id for Harmony", nil, with(func(p *Push) { p.Channel.Harmony.Notification.NotifyID = nil }), "harmony.notify_id"},
		{"no overlay id for Apple", nil, with(func(p *Push) { p.Channel.IOS.CollapseID = "" }), "apns-collapse-id"},
		{"collapse id", with(func(p *Push) { p.Channel.IOS.CollapseID = strings.Repeat("c", 64) }), with(func(p *Push) { p.Channel.IOS.CollapseID = strings.Repeat("c", 65) }), "apns-collapse-id"},
		{"notify id", with(func(p *Push) { p.Message.Notification.NotifyID = new(MaxNotifyID) }), with(func(p *Push) { p.Message.Notification.NotifyID = new(MaxNotifyID + 1) }), "notify_id"},
		{"channel level", nil, with(func(p *Push) { p.Message.Notification.ChannelLevel = new(5) }), "channel_level"},
		{"redisplay", nil, with(func(p *Push) { p.Message.Notification.RedisplayFreq = new(1) }), "redisplay_freq"},
		{"two kinds", nil, with(func(p *Push) { p.Message.Transmission = "x" }), "push_message"},
		{"no kind", nil, with(func(p *Push) { p.Message.Notification = nil }), "push_message"},
		{"window", nil, with(func(p *Push) { p.Message.Duration = "1700000000000-1700000600000" }), "duration"},
		{"network", nil, with(func(p *Push) { p.Message.NetworkType = 2 }), "network_type"},
		{"transmission", Single{ByCID, cidA, Push{RequestID: ids.RequestID, Message: Message{Transmission: strings.Repeat("x", 3072)}}},
			Single{ByCID, cidA, Push{RequestID: ids.RequestID, Message: Message{Transmission: strings.Repeat("字", 1025)}}}, "transmission"},
		{"revoke by force", nil, Single{ByCID, cidA, Push{RequestID: ids.RequestID, Message: Message{Revoke: &Revoke{"RASL_1", true}}}}, "revoke.force"},
		{"media", nil, with(func(p *Push) { p.Channel.IOS.Multimedia = make([]Media, 4) }), "multimedia"},
		{"badge", with(func(p *Push) { p.Channel.IOS.AutoBadge = "-1" }), with(func(p *Push) { p.Channel.IOS.AutoBadge = "+" }), "auto_badge"},
		{"two kinds for makers", nil, with(func(p *Push) { p.Channel.Android.Ups.Transmission = "x" }), "android.ups"},
		{"alias", Single{ByAlias, strings.Repeat("户", 39), paid()}, Single{ByAlias, strings.Repeat("户", 40), paid()}, "alias"},
		{"alias's letters", nil, Single{ByAlias, "user-1", paid()}, "alias"},
		{"cid that ends the path", nil, GetTags{"a/b"}, "cid"},
		{"batch", Batch{ByCID, singles(200)}, Batch{ByCID, singles(201)}, "msg_list"},
		{"empty batch", nil, Batch{By: ByCID}, "msg_list"},
		{"a user twice in a batch", nil, Batch{ByCID, []Single{singles(2)[0], {Target: "c-0", Push: singles(2)[1].Push}}}, "msg_list"},
		{"a request id twice in a batch", nil, Batch{ByCID, []Single{singles(2)[0], {Target: "c-1", Push: singles(2)[0].Push}}}, "request_id"},
		{"list", List{ByCID, "T", many(1000)}, List{ByCID, "T", many(1001)}, "cid"},
		{"a user twice in a list", nil, List{ByCID, "T", []string{"a", "a"}}, "cid"},
		{"list without task", nil, List{ByCID, "", many(1)}, "taskid"},
		{"everybody without leave", nil, Everybody{false, paid()}, "audience"},
		{"no condition", nil, Matching{nil, paid()}, "audience.tag"},
		{"conditions", nil, Matching{make([]Condition, 11), paid()}, "audience.tag"},
		{"no values", nil, Matching{[]Condition{{"custom_tag", nil, "or"}}, paid()}, "values"},
		{"a region's name", nil, Matching{[]Condition{{"region", []string{"北京"}, "or"}}, paid()}, "values"},
		{"a key of no table", nil, Matching{[]Condition{{"city", []string{"x"}, "or"}}, paid()}, "key"},
		{"an op of no table", nil, Matching{[]Condition{{"custom_tag", []string{"x"}, "xor"}}, paid()}, "opt_type"},
		{"tag", FastTag{strings.Repeat("签", 31), paid()}, FastTag{strings.Repeat("签", 32), paid()}, "custom_tag"},
		{"a blank in a tag", nil, AddTag{"a b", many(1)}, "custom_tag"},
		{"tags", SetTags{cidA, many(100)}, SetTags{cidA, many(101)}, "custom_tag"},
		{"tags together", nil, SetTags{cidA, []string{strings.Repeat("a", 31), strings.Repeat("b", 32)}}, "custom_tag"},
		{"tagged users", RemoveTag{"t", many(1000)}, RemoveTag{"t", many(1001)}, "cid"},
		{"pairs", nil, BindAliases{make([]Pair, 1001)}, "alias"},
		{"blocked", Block{many(200)}, Unblock{many(201)}, "cid"},
		{"status", GetStatus{many(1000)}, GetStatus{many(1001)}, "cid"},
		{"badges", SetBadge{many(200), "5"}, SetBadge{many(201), "5"}, "cid"},
		{"no badge", nil, SetBadge{many(1), ""}, "badge"},
		{"reports", TaskReport{TaskIDs: many(200)}, TaskReport{TaskIDs: many(201)}, "taskid"},
		{"a day", PushDay{"2026-02-28"}, PushDay{"2026-02-30"}, "date"},
		{"a group of no name", nil, GroupReport{""}, "group_name"},
	} {
		if tc.good != nil {
			if _, err := tc.good.Body(); err != nil {
				t.Errorf("%s: %v", tc.name, err)
			}
		}
		_, err := tc.bad.Body()
		if bad, ok := errors.AsType[*InvalidError](err); !ok || bad.Field != tc.field {
			t.Errorf("%s: %v, want it at %s", tc.name, err, tc.field)
		}
	}
}

func TestFit(t *testing.T) {
	for in, want := range map[string]string{"": "", "abc": "abc", "abcd": "ab…", "支付成功": "支付…"} {
		if got := Fit(in, 3); got != want {
			t.Errorf("Fit(%q) = %q, want %q", in, got, want)
		}
	}
}
