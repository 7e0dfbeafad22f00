package rongpush

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/rongcloud"
	"github.com/notifier/notifier/test/schema"
)

func ids(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("u%04d", i)
	}
	return out
}

func msg(typ, content string) Message { return Message{Type: typ, Content: content} }

func system(m Message) SystemMessage {
	return SystemMessage{From: "sys-1", Users: []string{"u-1"}, Message: m}
}

func tmpl(content string, to ...TemplateReceiver) TemplateMessage {
	return TemplateMessage{From: "s", To: to, Message: msg("RC:TxtMsg", content)}
}

func toUser(n Notification) PushUsers { return PushUsers{Users: []string{"u-1"}, Notification: n} }

func filter(f Filter) Broadcast {
	return Broadcast{Audience: f, Platforms: both, Notification: text2("x")}
}

// Each request breaks one rule; field is where the error says it is.
func TestInvalidRequestsNeverLeave(t *testing.T) {
	long := strings.Repeat("a", 51)
	vip := Filter{AllOf: []string{"vip"}}
	for _, tc := range []struct {
		name  string
		r     Request
		field string
	}{
		{"no user id", SetTags{"", nil}, "userId"},
		{"user id of 65 bytes", SetTags{strings.Repeat("a", 65), nil}, "userId"},
		{"user id with a space", SetTags{"a b", nil}, "userId"},
		{"user id in Chinese", SetTags{"用户", nil}, "userId"},
		{"21 tags", SetTags{"u-1", ids(21)}, "tags"},
		{"empty tag", SetTags{"u-1", []string{""}}, "tags"},
		{"tag of 42 bytes", SetTags{"u-1", []string{strings.Repeat("一", 14)}}, "tags"},
		{"tag with a special character", SetTags{"u-1", []string{"a&b"}}, "tags"},
		{"tag that is no UTF-8", SetTags{"u-1", []string{"a\xff"}}, "tags"},
		{"batch of nobody", BatchSetTags{nil, nil}, "userIds"},
		{"batch of 1001", BatchSetTags{ids(1001), nil}, "userIds"},
		{"batch with a bad tag", BatchSetTags{ids(2), []string{"a b"}}, "tags"},
		{"get of nobody", GetTags{}, "userIds"},
		{"get of 51", GetTags{ids(51)}, "userIds"},

		{"push to nobody", PushUsers{Notification: text2("x")}, "userIds"},
		{"push to 101", PushUsers{ids(101), text2("x")}, "userIds"},
		{"no text", toUser(Notification{Title: "t"}), "notification.pushContent"},
		{"long text", toUser(text2(strings.Repeat("a", 1001))), "notification.pushContent"},
		{"text that is no UTF-8", toUser(text2("a\xff")), "notification.pushContent"},
		{"title of 51", toUser(Notification{Title: long, Text: "x"}), "notification.title"},
		{"title of 26 emoji", toUser(Notification{Title: strings.Repeat("😀", 26), Text: "x"}), "notification.title"},
		{"forceShow 2", toUser(Notification{Text: "x", ForceShowPushContent: new(2)}), "notification.forceShowPushContent"},
		{"badge", toUser(Notification{Text: "x", IOS: &IOS{Badge: new(10000)}}), "notification.ios.badge"},
		{"ios title", toUser(Notification{Text: "x", IOS: &IOS{Title: long}}), "notification.ios.title"},
		{"contentAvailable", toUser(Notification{Text: "x", IOS: &IOS{ContentAvailable: new(-1)}}), "notification.ios.contentAvailable"},
		{"interruption level", toUser(Notification{Text: "x", IOS: &IOS{InterruptionLevel: "loud"}}), "notification.ios.interruption-level"},
		{"collapse id", toUser(Notification{Text: "x", IOS: &IOS{CollapseID: strings.Repeat("a", 65)}}), "notification.ios.apns-collapse-id"},
		{"extras", toUser(Notification{Text: "x", IOS: &IOS{Extras: map[string]string{"k": "\xff"}}}), "notification.ios.extras.k"},
		{"honor importance", toUser(on(Android{Honor: &Honor{Importance: "normal"}})), "notification.android.honor.importance"},
		{"honor image", toUser(on(Android{Honor: &Honor{Image: "http://x"}})), "notification.android.honor.image"},
		{"hw category", toUser(on(Android{HW: &Huawei{Category: "im"}})), "notification.android.hw.category"},
		{"hw importance", toUser(on(Android{HW: &Huawei{Importance: "HIGH"}})), "notification.android.hw.importance"},
		{"oppo level", toUser(on(Android{OPPO: &OPPO{Category: "IM", NotifyLevel: new(3)}})), "notification.android.oppo.notify_level"},
		{"oppo level alone", toUser(on(Android{OPPO: &OPPO{NotifyLevel: new(2)}})), "notification.android.oppo.notify_level"},
		{"vivo class", toUser(on(Android{Vivo: &Vivo{Classification: "2"}})), "notification.android.vivo.classification"},
		{"vivo category alone", toUser(on(Android{Vivo: &Vivo{Category: "IM"}})), "notification.android.vivo.category"},
		{"fcm image", toUser(on(Android{FCM: &FCM{ImageURL: "x"}})), "notification.android.fcm.imageUrl"},
		{"mi icon", toUser(on(Android{MI: &Xiaomi{LargeIconURI: strings.Repeat("a", 1025)}})), "notification.android.mi.large_icon_uri"},
		{"harmony image", toUser(Notification{Text: "x", HarmonyOS: &HarmonyOS{OHOS: &OHOS{Image: "x"}}}), "notification.harmonyOS.ohos.image"},

		{"no audience", Broadcast{Platforms: both, Notification: text2("x")}, "audience"},
		{"empty filter", filter(Filter{}), "audience"},
		{"empty filter though everybody is allowed", Broadcast{Audience: Filter{}, AllowEveryone: true, Platforms: both, Notification: text2("x")}, "audience"},
		{"no users", Broadcast{Audience: Users{}, Platforms: both, Notification: text2("x")}, "audience.userid"},
		{"1001 users", Broadcast{Audience: Users(ids(1001)), Notification: text2("x")}, "audience.userid"},
		{"all without permission", Broadcast{Audience: All{}, Platforms: both, Notification: text2("x")}, "audience"},
		{"only a package without permission", filter(Filter{Package: "cn.example"}), "audience"},
		{"package with a space", filter(Filter{AllOf: []string{"vip"}, Package: "cn example"}), "audience.packageName"},
		{"21 tags in all_of", filter(Filter{AllOf: ids(21)}), "audience.tag"},
		{"21 tags in any_of", filter(Filter{AnyOf: ids(21)}), "audience.tag_or"},
		{"bad audience tag", filter(Filter{AnyOf: []string{"city_", "a b"}}), "audience.tag_or"},
		{"no platform", Broadcast{Audience: vip, Notification: text2("x")}, "platform"},
		{"unknown platform", Broadcast{Audience: vip, Platforms: []string{"web"}, Notification: text2("x")}, "platform"},
		{"iOS is written ios", Broadcast{Audience: vip, Platforms: []string{"iOS"}, Notification: text2("x")}, "platform"},
		{"no alert", Broadcast{Audience: vip, Platforms: both}, "notification.alert"},
		{"a sender without a message", Broadcast{Audience: vip, Platforms: both, Notification: text2("x"), From: "sys-1"}, "fromuserid"},
		{"a message without a sender", Broadcast{Audience: vip, Platforms: both, Notification: text2("x"), Message: &txt}, "fromuserid"},
		{"a bad message", Broadcast{Audience: vip, Platforms: both, Notification: text2("x"), From: "s", Message: new(msg("RC:TxtMsg", "{}"))}, "content.content"},

		{"broadcast without permission", MessageBroadcast{From: "s", Message: txt}, "/message/broadcast.json"},
		{"online without permission", OnlineBroadcast{From: "s", Message: txt}, "/message/online/broadcast.json"},
		{"broadcast without a sender", MessageBroadcast{AllowEveryone: true, Message: txt}, "fromUserId"},
		{"online without a type", OnlineBroadcast{AllowEveryone: true, From: "s"}, "objectName"},
		{"101 receivers", SystemMessage{From: "s", Users: ids(101), Message: txt}, "toUserId"},
		{"count for two", SystemMessage{From: "s", Users: ids(2), Message: txt, Count: new(1)}, "count"},
		{"isPersisted", SystemMessage{From: "s", Users: ids(1), Message: txt, IsPersisted: new(2)}, "isPersisted"},
		{"isCounted", SystemMessage{From: "s", Users: ids(1), Message: txt, IsCounted: new(2)}, "isCounted"},
		{"contentAvailable of a message", SystemMessage{From: "s", Users: ids(1), Message: txt, ContentAvailable: new(2)}, "contentAvailable"},
		{"pushContent", SystemMessage{From: "s", Users: ids(1), Message: txt, PushContent: strings.Repeat("a", 1001)}, "pushContent"},
		{"template beside a title", SystemMessage{From: "s", Users: ids(1), Message: txt, PushExt: &PushExt{TemplateID: "t", Title: "x"}}, "pushExt.templateId"},
		{"template beside pushContent", SystemMessage{From: "s", Users: ids(1), Message: txt, PushContent: "p", PushExt: &PushExt{TemplateID: "t"}}, "pushExt.templateId"},
		{"ext title", SystemMessage{From: "s", Users: ids(1), Message: txt, PushExt: &PushExt{Title: long}}, "pushExt.title"},
		{"ext HW", SystemMessage{From: "s", Users: ids(1), Message: txt, PushExt: &PushExt{HW: &ExtHW{Category: "im"}}}, "pushExt.pushConfigs.HW.category"},
		{"ext VIVO", SystemMessage{From: "s", Users: ids(1), Message: txt, PushExt: &PushExt{VIVO: &ExtVIVO{Category: "IM"}}}, "pushExt.pushConfigs.VIVO.category"},
		{"ext APNs", SystemMessage{From: "s", Users: ids(1), Message: txt, PushExt: &PushExt{APNs: &ExtAPNs{InterruptionLevel: "x"}}}, "pushExt.pushConfigs.APNs.interruption-level"},

		{"content is no JSON", system(msg("RC:TxtMsg", "hello everyone")), "content"},
		{"content is null", system(msg("RC:TxtMsg", "null")), "content"},
		{"text without content", system(msg("RC:TxtMsg", `{"extra":"x"}`)), "content.content"},
		{"text with empty content", system(msg("RC:TxtMsg", `{"content":""}`)), "content.content"},
		{"text with a number", system(msg("RC:TxtMsg", `{"content":1}`)), "content.content"},
		{"text with an unknown field", system(msg("RC:TxtMsg", `{"content":"x","contnt":"y"}`)), "content.contnt"},
		{"text with a user that is none", system(msg("RC:TxtMsg", `{"content":"x","user":"y"}`)), "content.user"},
		{"notice without message", system(msg("RC:InfoNtf", `{"content":"x"}`)), "content.message"},
		{"command without data", system(msg("RC:CmdMsg", `{"name":"x"}`)), "content.data"},
		{"command without name", system(msg("RC:CmdMsg", `{"data":"x"}`)), "content.name"},
		{"command with extra", system(msg("RC:CmdMsg", `{"name":"x","data":"y","extra":"z"}`)), "content.extra"},
		{"unknown RC type", system(msg("RC:MyThing", "{}")), "objectName"},
		{"unknown rc type in lower case", system(msg("rc:thing", "{}")), "objectName"},
		{"a type without documented fields", system(msg("RC:ReferenceMsg", "{}")), "objectName"},
		{"notice with a user", system(msg("RC:InfoNtf", `{"message":"x","user":{}}`)), "content.user"},
		{"user with an unknown key", system(msg("RC:TxtMsg", `{"content":"x","user":{"icon":"y"}}`)), "content.user.icon"},
		{"image without address", system(msg("RC:ImgMsg", `{"content":"/9j/"}`)), "content.imageUri"},
		{"image that is no base64", system(msg("RC:ImgMsg", `{"content":"?","imageUri":"u"}`)), "content.content"},
		{"image in two lines", system(msg("RC:ImgMsg", `{"content":"/9j/\n/9j/","imageUri":"u"}`)), "content.content"},
		{"gif with a text as width", system(msg("RC:GIFMsg", `{"gifDataSize":1,"localPath":"l","remoteUrl":"r","width":"2","height":3}`)), "content.width"},
		{"gif of half a pixel", system(msg("RC:GIFMsg", `{"gifDataSize":1,"localPath":"l","remoteUrl":"r","width":2.5,"height":3}`)), "content.width"},
		{"gif below 0", system(msg("RC:GIFMsg", `{"gifDataSize":-1,"localPath":"l","remoteUrl":"r","width":2,"height":3}`)), "content.gifDataSize"},
		{"voice of 61 s", system(msg("RC:HQVCMsg", `{"remoteUrl":"r","duration":61}`)), "content.duration"},
		{"voice of null s", system(msg("RC:HQVCMsg", `{"remoteUrl":"r","duration":null}`)), "content.duration"},
		{"file with a number as size", system(msg("RC:FileMsg", `{"name":"n","size":1,"type":"t","fileUrl":"f"}`)), "content.size"},
		{"video without name", system(msg("RC:SightMsg", `{"sightUrl":"s","content":"/9j/","duration":1,"size":"1"}`)), "content.name"},
		{"place without poi", system(msg("RC:LBSMsg", `{"content":"/9j/","latitude":"1","longitude":"1"}`)), "content.poi"},
		{"profile without data", system(msg("RC:ProfileNtf", `{"operation":"o"}`)), "content.data"},
		{"contact without target", system(msg("RC:ContactNtf", `{"operation":"o","sourceUserId":"s","message":"m"}`)), "content.targetUserId"},

		{"template for nobody", TemplateMessage{From: "s", Message: txt}, "toUserId"},
		{"template for 101", TemplateMessage{From: "s", To: make([]TemplateReceiver, 101), Message: txt}, "toUserId"},
		{"template for one twice", tmpl(`{}`, TemplateReceiver{User: "u"}, TemplateReceiver{User: "u"}), "toUserId"},
		{"template without a sender", TemplateMessage{To: []TemplateReceiver{{User: "u"}}, Message: txt}, "fromUserId"},
		{"template with other names", tmpl(`{"content":"{a}"}`, TemplateReceiver{User: "u", Values: map[string]string{"a": "1"}}, TemplateReceiver{User: "v"}), "values"},
		{"template with braces in a name", tmpl(`{"content":"{a}"}`, TemplateReceiver{User: "u", Values: map[string]string{"{a}": "1"}}), "values"},
		{"template with a hole in a value", tmpl(`{"content":"{a}{b}"}`, TemplateReceiver{User: "u", Values: map[string]string{"a": "{b}", "b": "1"}}), "values.a"},
		{"template with a hole in the data", tmpl(`{"content":"{a}"}`, TemplateReceiver{User: "u", Values: map[string]string{"a": "1"}, PushData: "{a}"}), "pushData"},
		{"template whose message is empty once filled", tmpl(`{"content":"{a}"}`, TemplateReceiver{User: "u", Values: map[string]string{"a": ""}}), "content.content"},
		{"template without required fields", tmpl(`{"extra":"{a}"}`, TemplateReceiver{User: "u", Values: map[string]string{"a": "1"}}), "content.content"},
		{"template with a long push", tmpl(`{"content":"x"}`, TemplateReceiver{User: "u", PushContent: strings.Repeat("a", 1001)}), "pushContent"},
		{"template with a bad ext", TemplateMessage{From: "s", To: []TemplateReceiver{{User: "u"}}, Message: txt, PushExt: &PushExt{Title: long}}, "pushExt.title"},

		{"recall of nothing", RecallBroadcast{From: "s", SentTime: sentAt}, "messageUID"},
		{"recall without time", RecallBroadcast{From: "s", MessageUID: "m"}, "sentTime"},
		{"recall without sender", RecallBroadcast{MessageUID: "m", SentTime: sentAt}, "fromUserId"},
		{"recall isDelete", RecallBroadcast{From: "s", MessageUID: "m", SentTime: sentAt, IsDelete: new(2)}, "isDelete"},
		{"recall isAdmin", RecallBroadcast{From: "s", MessageUID: "m", SentTime: sentAt, IsAdmin: new(2)}, "isAdmin"},

		{"custom push without the product", CustomPush{Audience: vip, Platforms: both, Notification: text2("x")}, "/push/custom.json"},
		{"custom push to nobody", CustomPush{AllowPushPlus: true, Platforms: both, Notification: text2("x")}, "audience"},
		{"custom push without platform", CustomPush{AllowPushPlus: true, Audience: vip, Notification: text2("x")}, "platform"},
		{"custom push to all without permission", CustomPush{AllowPushPlus: true, Audience: All{}, Platforms: both, Notification: text2("x")}, "audience"},
		{"custom push to all but some without permission", CustomPush{AllowPushPlus: true, Audience: Filter{NoneOf: []string{"a"}}, Platforms: both, Notification: text2("x")}, "audience"},
		{"custom push with a bad tag", CustomPush{AllowPushPlus: true, Audience: Filter{NoneOf: []string{"a b"}}, AllowEveryone: true, Platforms: both, Notification: text2("x")}, "audience.tagItems"},
		{"/push.json cannot leave out", filter(Filter{AllOf: []string{"vip"}, NoneOf: []string{"old"}}), "audience"},
		{"type of 33 characters", system(msg(strings.Repeat("a", 33), "{}")), "objectName"},
		{"type with a line break", system(msg("app:\nx", "{}")), "objectName"},
		{"empty content", system(msg("app:x", "")), "content"},
		{"content over 32 KiB", system(msg("app:x", strings.Repeat("a", MaxContentBytes+1))), "content"},
		{"content that is no UTF-8", system(msg("app:x", "a\xff")), "content"},
		{"body over 100,000 bytes", SystemMessage{From: "s", Users: ids(100), Message: msg("app:x", strings.Repeat("一", MaxContentBytes/3)), PushContent: strings.Repeat("一", 1000)}, "body"},
	} {
		body, _, err := tc.r.Body()
		bad, ok := errors.AsType[*InvalidError](err)
		if !ok || body != nil {
			t.Errorf("%s: %d bytes, error %v; want an *InvalidError", tc.name, len(body), err)
			continue
		}
		if bad.Field != tc.field || bad.Class() != "invalid" {
			t.Errorf("%s: the error is at %s, want %s (%v)", tc.name, bad.Field, tc.field, err)
		}
		if _, err := Send(t.Context(), nobody{t}, "c", tc.r); err == nil {
			t.Errorf("%s was sent", tc.name)
		}
	}
}

type nobody struct{ t *testing.T }

func (n nobody) Call(context.Context, string, rongcloud.Endpoint, string, []byte) (*rongcloud.Answer, error) {
	n.t.Error("an invalid request was called")
	return nil, nil
}

// The largest that is allowed is allowed.
func TestLimitsAreInclusive(t *testing.T) {
	for name, r := range map[string]Request{
		"20 tags of 40 bytes": SetTags{strings.Repeat("a", 64), func() []string {
			tags := ids(20)
			for i := range tags {
				tags[i] += strings.Repeat("x", 40-len(tags[i]))
			}
			return tags
		}()},
		"21 tags, two alike":    SetTags{"u-1", append(ids(20), "u0000")},
		"13 Han characters":     SetTags{"u-1", []string{strings.Repeat("一", 13)}},
		"1000 users":            BatchSetTags{ids(1000), ids(20)},
		"50 users":              GetTags{ids(50)},
		"100 users":             PushUsers{ids(100), Notification{Title: strings.Repeat("国", 50), Text: strings.Repeat("国", 1000)}},
		"1000 audience users":   Broadcast{Audience: Users(ids(1000)), Notification: text2("x")},
		"25 emoji":              toUser(Notification{Title: strings.Repeat("😀", 25), Text: "x"}),
		"badge 9999":            toUser(Notification{Text: "x", IOS: &IOS{Badge: new(9999)}}),
		"badge below 0":         toUser(Notification{Text: "x", IOS: &IOS{Badge: new(-1)}}),
		"32 KiB of content":     system(msg("app:x", strings.Repeat("a", MaxContentBytes))),
		"type of 32":            system(msg(strings.Repeat("a", 32), "x")),
		"notice":                system(msg("RC:InfoNtf", `{"message":"x","extra":""}`)),
		"command":               system(msg("RC:CmdMsg", `{"name":"x","data":"{}"}`)),
		"a user in the message": system(msg("RC:TxtMsg", `{"content":"x","user":{"id":"1","name":"n"}}`)),
		"count for one":         SystemMessage{From: "s", Users: ids(1), Message: txt, Count: new(9999)},
	} {
		body, contentType, err := r.Body()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := schema.Wire(r.Endpoint().Path, contentType, body); err != nil {
			t.Errorf("%s breaks the vendor's schema: %v", name, err)
		}
	}
}

func TestReceivers(t *testing.T) {
	for name, tc := range map[string]struct {
		r    Request
		want int
	}{
		"set":       {SetTags{User: "u"}, 1},
		"batch":     {BatchSetTags{Users: []string{"a", "b", "a"}}, 2},
		"get":       {GetTags{[]string{"a", "b"}}, 2},
		"push":      {PushUsers{Users: []string{"a", "b", "a"}}, 2},
		"users":     {Broadcast{Audience: Users{"a", "a"}}, 1},
		"filter":    {Broadcast{Audience: Filter{}}, 0},
		"all":       {Broadcast{Audience: All{}}, 0},
		"broadcast": {MessageBroadcast{}, 0},
		"recall":    {RecallBroadcast{}, 0},
		"template":  {TemplateMessage{To: make([]TemplateReceiver, 3)}, 3},
		"custom":    {CustomPush{Audience: Users{"a", "a"}}, 1},
		"online":    {OnlineBroadcast{}, 0},
		"system":    {SystemMessage{Users: []string{"a", "b"}}, 2},
	} {
		if got := tc.r.Receivers(); got != tc.want {
			t.Errorf("%s: %d receivers, want %d", name, got, tc.want)
		}
	}
}

// What may be repeated is what changes nothing the second time; what is scarce never shares a connection.
func TestEndpoints(t *testing.T) {
	for _, r := range goldens {
		ep := r.Endpoint()
		if want := strings.HasPrefix(ep.Path, "/user/"); ep.Repeatable != want {
			t.Errorf("%s: repeatable = %t", ep.Path, ep.Repeatable)
		}
		if want := slices.Contains([]string{"/push.json", "/message/broadcast.json", "/message/broadcast/recall.json"}, ep.Path); ep.Fresh != want {
			t.Errorf("%s: fresh = %t", ep.Path, ep.Fresh)
		}
	}
}
