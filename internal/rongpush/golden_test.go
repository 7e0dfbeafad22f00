package rongpush

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

const image = "https://e.example/i.png"

func text2(s string) Notification { return Notification{Title: "标题", Text: s} }

func on(a Android) Notification { return Notification{Text: "a", Android: &a} }

// everyNode is a notification with every field of every node.
func everyNode() Notification {
	return Notification{
		Title: "t", ForceShowPushContent: new(0), Text: "d",
		IOS: &IOS{Title: "it", Alert: "i", ContentAvailable: new(1), Badge: new(0), ThreadID: "g1", CollapseID: "evt-1", Category: "cat",
			RichMediaURI: image, InterruptionLevel: "time-sensitive", Extras: map[string]string{"k": "v", "a": "<&>"}},
		Android: &Android{
			Alert: "a", Honor: &Honor{"NORMAL", image}, HW: &Huawei{"c", "LOW", image, "IM"}, MI: &Xiaomi{"c", image},
			OPPO: &OPPO{"c", "IM", new(16)}, Vivo: &Vivo{"1", "IM"}, FCM: &FCM{"c", "evt-1", image}, Extras: map[string]string{"k": "v"},
		},
		HarmonyOS: &HarmonyOS{Alert: "h", OHOS: &OHOS{"IM", image}, Extras: map[string]string{"k": "v"}},
	}
}

func everyExt() *PushExt {
	return &PushExt{
		Title: "通知", ForceShowPushContent: new(1),
		MI: &ExtMI{"c", image}, HONOR: &ExtHONOR{"LOW", image}, HW: &ExtHW{"c", "NORMAL", image, "IM"}, OPPO: &ExtOPPO{"c", "IM"},
		VIVO: &ExtVIVO{"0", "IM"}, APNs: &ExtAPNs{"g", "evt-1", image, "critical"}, FCM: &ExtFCM{"c", "evt-1", image}, OHOS: &ExtOHOS{"IM", image},
	}
}

var (
	txt      = Message{Type: "RC:TxtMsg", Content: `{"content":"您的退款已完成 & \"好\"","extra":"x=1"}`}
	both     = []string{"android", "ios"}
	filtered = Filter{AllOf: []string{"女", "vip", "女"}, AnyOf: []string{"上海", "北京"}, Package: "cn.example.app"}
)

func content(typ, json string) Request {
	return SystemMessage{From: "sys-1", Users: []string{"u-1"}, Message: Message{Type: typ, Content: json}, PushContent: "p"}
}

func ext(p PushExt) Request {
	return SystemMessage{From: "sys-1", Users: []string{"u-1"}, Message: txt, PushExt: &p}
}

var sentAt = time.UnixMilli(1767225600000)

// goldens are the requests whose bytes are on file, by file name.
var goldens = map[string]Request{
	"tags-set":       SetTags{"a+b=c", []string{"男", "bj", "bj", "level_vip"}},
	"tags-clear":     SetTags{"u-1", nil},
	"tags-batch":     BatchSetTags{[]string{"u-2", "u-1", "u-2"}, []string{"bj"}},
	"tags-batch-out": BatchSetTags{[]string{"u-1"}, []string{}},
	"tags-get":       GetTags{[]string{"u-1", "a+b=c", "u-1"}},

	"users-plain":   PushUsers{[]string{"u-2", "u-1", "u-2"}, text2("您的订单 <1> & \"2\" 已发货")},
	"users-every":   PushUsers{[]string{"u-1"}, everyNode()},
	"users-badge-0": PushUsers{[]string{"u-1"}, Notification{Text: "c", IOS: &IOS{Badge: new(0), ContentAvailable: new(0)}}},
	"users-honor":   PushUsers{[]string{"u-1"}, on(Android{Honor: &Honor{Importance: "LOW"}})},
	"users-hw":      PushUsers{[]string{"u-1"}, on(Android{HW: &Huawei{ChannelID: "system", Category: "SYSTEM"}})},
	"users-mi":      PushUsers{[]string{"u-1"}, on(Android{MI: &Xiaomi{ChannelID: "c"}})},
	"users-oppo":    PushUsers{[]string{"u-1"}, on(Android{OPPO: &OPPO{ChannelID: "c", Category: "IM", NotifyLevel: new(2)}})},
	"users-vivo":    PushUsers{[]string{"u-1"}, on(Android{Vivo: &Vivo{Classification: "0"}})},
	"users-fcm":     PushUsers{[]string{"u-1"}, on(Android{FCM: &FCM{CollapseKey: "k"}})},
	"users-harmony": PushUsers{[]string{"u-1"}, Notification{Text: "h", HarmonyOS: &HarmonyOS{OHOS: &OHOS{Category: "IM"}}}},

	"push-filter":  Broadcast{Audience: filtered, Platforms: both, Notification: text2("闪购开始")},
	"push-users":   Broadcast{Audience: Users{"u-1", "u-2"}, Notification: text2("x")},
	"push-all":     Broadcast{Audience: All{}, AllowEveryone: true, Platforms: []string{"harmonyos", "ios"}, Notification: text2("停服")},
	"push-package": Broadcast{Audience: Filter{Package: "cn.example.app"}, AllowEveryone: true, Platforms: both, Notification: text2("x")},
	"push-every":   Broadcast{Audience: Filter{AllOf: []string{"vip"}}, Platforms: both, Notification: everyNode()},
	"push-message": Broadcast{Audience: Filter{AnyOf: []string{"vip"}}, Platforms: both, Notification: text2("x"), From: "sys-1",
		Message: &Message{Type: "RC:TxtMsg", Content: `{"content":"hi"}`, DisableUpdateLastMsg: new(true)}},

	"broadcast":       MessageBroadcast{From: "sys-1", AllowEveryone: true, Message: txt},
	"broadcast-every": MessageBroadcast{Intent: "notices/0/1/notice/*", From: "sys-1", AllowEveryone: true, Message: withDisable(txt), PushContent: "维护", PushData: `{"k":"v"}`, ContentAvailable: new(0), PushExt: everyExt()},
	"online":          OnlineBroadcast{Intent: "notices/0/1/notice/*", From: "sys-1", AllowEveryone: true, Message: withDisable(txt)},
	"system":          SystemMessage{From: "sys-1", Users: []string{"u-2", "a+b=c", "u-2"}, Message: txt},
	"system-template": SystemMessage{From: "sys-1", Users: []string{"u-1"}, Message: txt, PushExt: &PushExt{TemplateID: "tpl-1"}},
	"system-every": SystemMessage{Intent: "shop.orders/3/42/refund/u-1", From: "sys-1", Users: []string{"u-1"}, Message: withDisable(txt), PushContent: "退款", PushData: "d",
		IsPersisted: new(0), IsCounted: new(1), Count: new(0), ContentAvailable: new(1), DisablePush: new(false), PushExt: everyExt()},
	"system-ext-MI":    ext(PushExt{MI: &ExtMI{"c", image}}),
	"system-ext-HONOR": ext(PushExt{HONOR: &ExtHONOR{"LOW", image}}),
	"system-ext-HW":    ext(PushExt{HW: &ExtHW{"c", "NORMAL", image, "IM"}}),
	"system-ext-OPPO":  ext(PushExt{OPPO: &ExtOPPO{"c", "IM"}}),
	"system-ext-VIVO":  ext(PushExt{VIVO: &ExtVIVO{"1", "IM"}}),
	"system-ext-APNs":  ext(PushExt{APNs: &ExtAPNs{"g", "evt-1", image, "passive"}}),
	"system-ext-FCM":   ext(PushExt{FCM: &ExtFCM{"c", "evt-1", image}}),
	"system-ext-OHOS":  ext(PushExt{OHOS: &ExtOHOS{"IM", image}}),
	"system-image":     content("RC:ImgMsg", `{"content":"/9j/4AAQ","imageUri":"https://e.example/i.jpg","user":{"id":"u-9","name":"店"}}`),
	"system-gif":       content("RC:GIFMsg", `{"gifDataSize":34563,"localPath":"/a","remoteUrl":"https://e.example/i.gif","width":263,"height":263}`),
	"system-voice":     content("RC:HQVCMsg", `{"remoteUrl":"https://e.example/v.aac","duration":60,"localPath":"/a","extra":""}`),
	"system-file":      content("RC:FileMsg", `{"name":"a.pdf","size":"1024","type":"pdf","fileUrl":"https://e.example/a.pdf"}`),
	"system-video":     content("RC:SightMsg", `{"sightUrl":"https://e.example/v.mp4","content":"/9j/4AAQ","duration":104,"size":"9100","name":"v.mp4"}`),
	"system-location":  content("RC:LBSMsg", `{"content":"/9j/4AAQ","latitude":"39.9139","longitude":"116.3917","poi":"北京"}`),
	"system-notice":    content("RC:InfoNtf", `{"message":"已升级","extra":""}`),
	"system-profile":   content("RC:ProfileNtf", `{"operation":"level","data":"{}","extra":""}`),
	"system-contact":   content("RC:ContactNtf", `{"operation":"Request","sourceUserId":"u-9","targetUserId":"u-1","message":"您好"}`),
	"system-command":   content("RC:CmdMsg", `{"name":"refresh","data":"{}"}`),
	"template":         TemplateMessage{From: "sys-1", To: []TemplateReceiver{{User: "u-1"}}, Message: txt},
	"template-every": TemplateMessage{Intent: "shop.orders/3/42/refund/u-1", From: "sys-1", Message: Message{Type: "RC:TxtMsg", Content: `{"content":"{name}，退款 {sum}","extra":"bb"}`, DisableUpdateLastMsg: new(false)},
		To: []TemplateReceiver{
			{User: "u-1", Values: map[string]string{"name": `Tom "T" \`, "sum": "¥1"}, PushContent: `{name}: {sum}`, PushData: "d"},
			{User: "a+b=c", Values: map[string]string{"name": "李", "sum": "¥2"}, PushContent: "退款"},
		}, ContentAvailable: new(0), DisablePush: new(false), PushExt: everyExt()},
	"recall":       RecallBroadcast{From: "sys-1", MessageUID: "C3A1-0000-0001-SBX1", SentTime: sentAt},
	"recall-every": RecallBroadcast{"sys-1", "C3A1-0000-0001-SBX1", sentAt, new(0), new(1), "e", new(false)},
	"custom":       CustomPush{AllowPushPlus: true, Audience: Filter{AllOf: []string{"vip"}}, Platforms: both, Notification: text2("x")},
	"custom-without": CustomPush{AllowPushPlus: true, Audience: Filter{AllOf: []string{"女", "vip"}, AnyOf: []string{"上海", "北京"}, NoneOf: []string{"退订", "old"}, Package: "cn.example.app"},
		Platforms: both, Notification: everyNode()},
	"system-custom": SystemMessage{From: "sys-1", Users: []string{"u-1"}, Message: Message{Type: "app:Coupon", Content: "free text"}, PushContent: "p", PushExt: &PushExt{}},
}

func withDisable(m Message) Message { m.DisableUpdateLastMsg = new(false); return m }

func TestGoldens(t *testing.T) {
	files, err := filepath.Glob(schema.File("golden/*.http"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, ok := goldens[strings.TrimSuffix(filepath.Base(f), ".http")]; !ok {
			t.Errorf("%s has no test", f)
		}
	}
	for name, r := range goldens {
		body, contentType, err := r.Body()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := schema.Wire(r.Endpoint().Path, contentType, body); err != nil {
			t.Errorf("%s breaks the vendor's schema: %v", name, err)
		}
		got := "POST " + r.Endpoint().Path + "\nContent-Type: " + contentType + "\n\n" + string(body) + "\n"
		file := filepath.Join(schema.File("golden"), name+".http")
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
		if again, _, _ := r.Body(); !bytes.Equal(again, body) {
			t.Errorf("%s: the same request gave other bytes", name)
		}
	}
}
