package getui

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/test/schema"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	cidA = "aadaf59782dcba2ca6083e4a47e895f1"
	cidB = "aadaf59782dcba2ca6083e4a47e895f2"
)

var ids = IDsOf("AppIdNotifierTest00001", "shop.orders/3/42/order-paid/u-1")

func paid() Push {
	return Push{RequestID: ids.RequestID, GroupName: "order-paid", Settings: &Settings{TTL: TTL(2 * time.Hour), Strategy: map[string]int{"ios": 4, "default": 1}},
		Message: Message{Notification: &Notification{Title: "支付成功", Body: "订单 <42> & \"已支付\"", ClickType: "payload", Payload: `{"order":"42"}`, NotifyID: new(ids.NotifyID)}},
		Channel: &Channel{
			Android: &Android{Ups{Notification: &UpsNotification{Title: "支付成功", Body: "订单 42", ClickType: "startapp", NotifyID: new(ids.NotifyID)},
				Options: map[string]map[string]any{"XM": {"/extra.channel_id": "order"}, "HW": {"/message/android/category": "WORK"}}}},
			IOS: &IOS{Type: "notify", Payload: `{"order":"42"}`, Aps: Aps{Alert: &Alert{Title: "支付成功", Body: "订单 42"}, ContentAvailable: new(0)}, AutoBadge: "+1", CollapseID: ids.CollapseID},
		}}
}

func silent(id string) Push {
	return Push{RequestID: id, Message: Message{Transmission: `{"n":1}`}}
}

func everyField() Push {
	p := paid()
	p.TaskName = "t"
	p.Settings = &Settings{TTL: new(int64(-1)), Speed: 100, CustomCallback: "cb", FilterNotifyOff: true, ActiveDays: new(7), NeedBackup: new(true)}
	p.Message.NetworkType, p.Message.Duration = 1, Window(time.UnixMilli(1700000000000), time.UnixMilli(1700000600001))
	p.Message.Notification = &Notification{Title: "t", Body: "b", BigText: "long", Logo: "push.png", LogoURL: "https://e.example/l.png", ChannelID: "order", ChannelName: "订单", ChannelLevel: new(4),
		ClickType: "intent", Intent: "intent://a#Intent;end", NotifyID: new(0), RingName: "ring", BadgeAddNum: new(1), ThreadID: "g", RedisplayFreq: new(2), RedisplayDuration: new(24),
		Want: "{}", SlotType: "1", Category: "IM"}
	p.Channel.IOS.Aps = Aps{Alert: &Alert{"t", "b", "s"}, ContentAvailable: new(1), Sound: "default", Category: "c", ThreadID: "g", Timestamp: new(int64(1)), Event: "update", DismissalDate: new(int64(2)), ContentState: []byte(`{"a":1}`)}
	p.Channel.IOS.Type, p.Channel.IOS.LaID = "liveactivity", "la"
	p.Channel.IOS.Multimedia = []Media{{"https://e.example/i.png", 1, true}, {"https://e.example/v.mp4", 3, false}}
	p.Channel.Harmony = &Harmony{Notification: &HarmonyNotification{Title: "t", Body: "b", Category: "IM", ClickType: "want", Want: "{}", NotifyID: new(1)}, Options: map[string]map[string]any{"HO": {"/a": 1}}}
	return p
}

// goldens are the requests whose bytes are on file, by file name.
var goldens = map[string]Request{
	"single-cid":    Single{ByCID, cidA, paid()},
	"single-alias":  Single{ByAlias, "用户_1001", paid()},
	"single-every":  Single{ByCID, cidA, everyField()},
	"single-silent": Single{ByCID, cidA, silent("b0000000000000000000000000000001")},
	"single-revoke": Single{ByCID, cidA, Push{RequestID: "b0000000000000000000000000000001", Message: Message{Revoke: &Revoke{OldTaskID: "RASS_1121_0f"}}}},
	"batch-cid":     Batch{ByCID, []Single{{Target: cidA, Push: silent("b0000000000000000000000000000001")}, {Target: cidB, Push: silent("b0000000000000000000000000000002")}}},
	"batch-alias":   Batch{ByAlias, []Single{{Target: "user_1001", Push: silent("b0000000000000000000000000000001")}}},
	"list-message":  StoreMessage{paid()},
	"list-cid":      List{ByCID, "RASL_1121_9a", []string{cidA, cidB}},
	"list-alias":    List{ByAlias, "RASL_1121_9a", []string{"user_1001"}},
	"app-all":       Everybody{true, paid()},
	"app-tag":       Matching{[]Condition{{"phone_type", []string{"android", "ios"}, "or"}, {"region", []string{"11000000", "31000000"}, "or"}, {"custom_tag", []string{"vip", "开心"}, "and"}, {"custom_tag", []string{"old"}, "not"}}, silent(ids.RequestID)},
	"app-tag-every": Matching{[]Condition{{"phone_type", []string{"ios"}, "not"}, {"region", []string{"44000000"}, "not"}, {"custom_tag", []string{"vip", "new"}, "or"},
		{"portrait", []string{"10001", "10002"}, "and"}, {"portrait", []string{"10003"}, "or"}, {"portrait", []string{"10004"}, "not"}}, paid()},
	"app-fast-tag":   FastTag{"开心", paid()},
	"task-stop":      StopTask{"RASL_1121_9a"},
	"schedule-get":   GetSchedule{"RASA_1121_77"},
	"schedule-del":   DeleteSchedule{"RASA_1121_77"},
	"task-detail":    GetDetail{cidA, "RASS_1121_0f"},
	"report-task":    TaskReport{TaskIDs: []string{"RASL_1", "RASA_2"}},
	"report-detail":  TaskReport{[]string{"RASL_1"}, true},
	"report-group":   GroupReport{"camp-2026-11"},
	"report-push":    PushDay{"2026-11-28"},
	"report-user":    UserDay{"2026-11-28"},
	"report-online":  OnlineUsers{},
	"report-count":   Allowance{},
	"alias-bind":     BindAliases{[]Pair{{cidA, "user_1001"}, {cidB, "用户_1"}}},
	"alias-of":       GetAlias{cidA},
	"alias-cids":     GetCIDs{"用户_1"},
	"alias-unbind":   UnbindAliases{[]Pair{{cidA, "user_1001"}}},
	"alias-unbind-1": UnbindAlias{"用户_1"},
	"tag-set":        SetTags{cidA, []string{"happy", "开心"}},
	"tag-add":        AddTag{"开心", []string{cidA, cidB}},
	"tag-remove":     RemoveTag{"a/b?c", []string{cidA}},
	"tag-get":        GetTags{cidA},
	"black-add":      Block{[]string{cidA, cidB}},
	"black-remove":   Unblock{[]string{cidA}},
	"user-status":    GetStatus{[]string{cidA, cidB}},
	"user-badge":     SetBadge{[]string{cidA}, "+1"},
	"user-count":     CountUsers{[]Condition{{"phone_type", []string{"android"}, "or"}}},
}

func TestGoldens(t *testing.T) {
	dir := "../../testdata/getui/golden"
	files, err := filepath.Glob(dir + "/*.http")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, ok := goldens[strings.TrimSuffix(filepath.Base(f), ".http")]; !ok {
			t.Errorf("%s has no test", f)
		}
	}
	used := map[Endpoint]bool{authEndpoint: true, dropEndpoint: true}
	for name, r := range goldens {
		ep := r.Endpoint()
		used[ep] = true
		body, err := r.Body()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := schema.Request(ep.Method, "/v2/app"+r.Path(), body); err != nil {
			t.Errorf("%s breaks the vendor's schema: %v", name, err)
		}
		got := ep.Method + " " + r.Path() + "\n"
		if body != nil {
			got += "\n" + string(body) + "\n"
		}
		file := filepath.Join(dir, name+".http")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if again, _ := r.Body(); !bytes.Equal(again, body) {
			t.Errorf("%s: the same request gave other bytes", name)
		}
	}
	for _, ep := range endpoints {
		if !used[ep] {
			t.Errorf("%s %s has no golden", ep.Method, ep.Name)
		}
	}
}
