package rongpush

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Ours are the requests of the contract's cases as our types say them, by case; Refused are what the contract's cases do
// wrong as far as our types can say it at all. Both are for the tests against the sandbox.
var (
	notice  = Message{Type: "RC:TxtMsg", Content: `{"content":"maintenance at 22:00","extra":""}`}
	shipped = Notification{Text: "order shipped"}
	vip     = Filter{AllOf: []string{"vip"}}
	bj      = []string{"男", "bj"}

	Ours = map[string]Request{
		"TAG-01": SetTags{"u-1001", bj}, "TAG-02": SetTags{"u-1001", []string{"vip"}}, "TAG-03": SetTags{"u-1001", nil},
		"TAG-06": SetTags{"u-1001", []string{"一二三四五六七八九十一二三"}}, "TAG-09": BatchSetTags{[]string{"u-1", "u-2"}, bj},
		"TAG-11":  GetTags{[]string{"u-1", "a+b=c"}},
		"PUSH-01": Broadcast{Audience: Filter{AllOf: []string{"年轻", "女"}}, Platforms: both, Notification: shipped},
		"PUSH-02": Broadcast{Audience: Filter{AllOf: []string{"女"}, AnyOf: []string{"北京", "上海"}}, Platforms: both, Notification: shipped, From: "sys-1",
			Message: &Message{Type: "RC:TxtMsg", Content: `{"content":"hi","extra":""}`}},
		"PUSH-03": Broadcast{Audience: Users{"u-1", "u-2"}, Platforms: []string{"ios"}, Notification: shipped},
		"PUSH-04": Broadcast{Audience: Filter{AllOf: []string{"vip"}, Package: "cn.example.teacher"}, Platforms: []string{"android"}, Notification: shipped},
		"PUSH-14": Broadcast{Audience: vip, Platforms: both, Notification: Notification{
			Title: "t", ForceShowPushContent: new(0), Text: "d",
			IOS: &IOS{Alert: "i", Badge: new(0), ThreadID: "g1", CollapseID: "evt-1", InterruptionLevel: "active", Extras: map[string]string{"k": "v"}},
			Android: &Android{Alert: "a", Honor: &Honor{"NORMAL", image}, HW: &Huawei{"c", "NORMAL", image, "IM"}, MI: &Xiaomi{"c", image},
				OPPO: &OPPO{"c", "IM", new(2)}, Vivo: &Vivo{"1", "IM"}, FCM: &FCM{"c", "evt-1", image}, Extras: map[string]string{"k": "v"}},
			HarmonyOS: &HarmonyOS{Alert: "h", OHOS: &OHOS{"IM", image}, Extras: map[string]string{"k": "v"}},
		}},
		"PUSH-20":  Broadcast{Audience: Users{"u-1"}, Platforms: both, Notification: shipped},
		"PUSER-01": PushUsers{[]string{"u-1", "u-2"}, Notification{Title: "t", Text: "c"}},
		"BC-01": MessageBroadcast{From: "sys-1", AllowEveryone: true, Message: notice, PushContent: "maintenance",
			PushExt: &PushExt{Title: "Notice", ForceShowPushContent: new(1), HW: &ExtHW{ChannelID: "c"}, APNs: &ExtAPNs{ThreadID: "g"}}},
		"BC-04": OnlineBroadcast{From: "sys-1", AllowEveryone: true, Message: notice},
		"BC-06": RecallBroadcast{From: "sys-1", MessageUID: "C3A1-0000-0001-SBX1", SentTime: sentAt, IsDelete: new(1)},
		"SYS-01": SystemMessage{From: "sys-1", Users: []string{"u-1", "u-2"}, Message: Message{Type: "RC:TxtMsg", Content: `{"content":"your refund is done","extra":""}`},
			PushContent: "refund", IsPersisted: new(1)},
		"SYS-03": TemplateMessage{From: "sys-1", Message: Message{Type: "RC:TxtMsg", Content: `{"content":"{c}{d}","extra":"bb"}`}, To: []TemplateReceiver{
			{User: "21", Values: map[string]string{"c": "Tom", "d": ":2"}, PushContent: "hello {c}"},
			{User: "22", Values: map[string]string{"c": "Jerry", "d": ":5"}, PushContent: "hello {c}"}}},
		"PLUS-01": CustomPush{AllowPushPlus: true, Audience: Filter{AnyOf: []string{"guangdong", "hunan"}, NoneOf: []string{"20200408"}}, Platforms: both, Notification: shipped},
	}

	// Differs says why a request of ours is not the case's, field by field, though it means the same.
	Differs = map[string]string{
		"PUSH-03": "what the vendor ignores beside named users cannot be said", "PUSH-20": "empty arrays are never sent",
		"SYS-03":  "push texts are filled here, where they are not escaped",
		"PLUS-01": "items are joined so that no reading of their operators matters",
	}

	Refused = map[string]Request{
		"TAG-05": SetTags{"u-1001", ids(21)}, "TAG-08": SetTags{"u-1001", []string{"a&b"}}, "TAG-10": BatchSetTags{ids(1001), []string{"x"}},
		"TAG-13": GetTags{ids(51)}, "PUSH-06": filter(Filter{}), "PUSH-10": filter(Filter{AnyOf: ids(21)}),
		"PUSH-16":  Broadcast{Audience: vip, Platforms: both, Notification: Notification{Title: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", Text: "d"}},
		"PUSH-17":  Broadcast{Audience: vip, Platforms: []string{"web"}, Notification: shipped},
		"PUSH-18":  Broadcast{Audience: vip, Platforms: both, Notification: Notification{IOS: &IOS{Alert: "i"}}},
		"PUSH-19":  Broadcast{Audience: vip, Platforms: both, Notification: shipped, From: "sys-1", Message: &Message{Type: "RC:MyThing", Content: "{}"}},
		"PUSER-02": PushUsers{ids(101), Notification{Title: "t", Text: "c"}},
		"BC-05":    OnlineBroadcast{From: "sys-1", AllowEveryone: true, Message: Message{Type: "RC:TxtMsg", Content: "hello everyone"}},
		"BC-07":    RecallBroadcast{From: "sys-1", SentTime: sentAt},
		"SYS-02":   SystemMessage{From: "sys-1", Users: ids(101), Message: notice},
	}

	// Unsayable are the cases that our types leave no way to write.
	Unsayable = map[string]string{
		"AUTH-01": "signature of the Client", "AUTH-02": "App Key of the Client", "AUTH-04": "milliseconds always", "AUTH-05": "18 digits always",
		"AUTH-07": "every request has a body", "AUTH-08": "paths are constants", "TAG-04": "tags are [] at least", "TAG-14": "the content type belongs to the endpoint",
		"PUSH-08": "is_to_all is a bool", "PUSH-11": "content is a string", "PUSH-12": "each endpoint spells its own", "BC-02": "the content type belongs to the endpoint",
		"SYS-05": "the content type belongs to the endpoint",
	}
)

// What the contract's cases do wrong is refused before anything leaves.
func TestContractRefusals(t *testing.T) {
	for id, r := range Refused {
		if _, err := Send(t.Context(), nobody{t}, "c", r); err == nil {
			t.Errorf("%s was sent", id)
		} else if _, ok := errors.AsType[*InvalidError](err); !ok {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// What is left out is left out under every reading of the vendor's operators: "not" has one tag, and all items are joined
// by AND, so neither the order of evaluation nor what "not" of several tags means can matter.
func TestTagItemsHaveOneReading(t *testing.T) {
	items := tagItems([]string{"a"}, []string{"b", "c"}, []string{"x", "y"})
	for _, it := range items {
		if it.ItemsOperator != "AND" || it.IsNot && len(it.Tags) != 1 {
			t.Errorf("item %+v depends on a reading", it)
		}
	}
	if d := cmp.Diff([]tagItem{{[]string{"a"}, false, "AND", "AND"}, {[]string{"b", "c"}, false, "OR", "AND"}, {[]string{"x"}, true, "AND", "AND"}, {[]string{"y"}, true, "AND", "AND"}}, items); d != "" {
		t.Error(d)
	}
}
