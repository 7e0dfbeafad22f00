package rongpush

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseExtras(t *testing.T) {
	x, err := ParseExtras(json.RawMessage(`{"forceShowPushContent":0,"android":{"hw":{"channelId":"system","category":"SYSTEM"},"oppo":{"category":"IM","notify_level":2}},"ios":{"badge":0,"thread-id":"g","extras":{"k":"v"}},"harmonyOS":{"ohos":{"category":"IM"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Extras{
		ForceShowPushContent: new(0),
		Android:              &Android{HW: &Huawei{ChannelID: "system", Category: "SYSTEM"}, OPPO: &OPPO{Category: "IM", NotifyLevel: new(2)}},
		IOS:                  &IOS{Badge: new(0), ThreadID: "g", Extras: map[string]string{"k": "v"}},
		HarmonyOS:            &HarmonyOS{OHOS: &OHOS{Category: "IM"}},
	}
	if d := cmp.Diff(want, x); d != "" {
		t.Error(d)
	}
	for _, none := range []string{"", " ", "null", "{}", `{"ios":null}`} {
		if x, err := ParseExtras(json.RawMessage(none)); err != nil || !cmp.Equal(x, Extras{}) {
			t.Errorf("%q: %+v, %v", none, x, err)
		}
	}
}

func TestParseExtrasRefuses(t *testing.T) {
	for _, tc := range []struct{ raw, field, says string }{
		{`{"andriod":{}}`, "rongcloud.andriod", "android, forceShowPushContent, harmonyOS, ios"},
		{`{"Android":{}}`, "rongcloud.Android", "unknown key"},
		{`{"android":{"HW":{}}}`, "rongcloud.android.HW", "hw"},
		{`{"android":{"channelId":"c"}}`, "rongcloud.android.channelId", "unknown key"},
		{`{"android":{"hw":{"chanelId":"c"}}}`, "rongcloud.android.hw.chanelId", "channelId"},
		{`{"ios":{"threadId":"c"}}`, "rongcloud.ios.threadId", "thread-id"},
		{`{"alert":"x"}`, "rongcloud.alert", "unknown key"},
		{`{"ios":[]}`, "rongcloud.ios", "want an object"},
		{`[]`, "rongcloud", "want an object"},
		{`{`, "rongcloud", "want an object"},
		{`{"android":{"vivo":{"classification":1}}}`, "rongcloud.android.vivo.classification", "want a text"},
		{`{"ios":{"extras":{"k":1}}}`, "rongcloud.ios.extras.k", "want a text"},
		{`{"ios":{"badge":"1"}}`, "rongcloud.ios.badge", "want a whole number"},
		{`{"ios":{"badge":1.5}}`, "rongcloud.ios.badge", "want a whole number"},
		{`{"ios":{"badge":10000}}`, "rongcloud.ios.badge", "at most 9999"},
		{`{"android":{"hw":{"category":"system"}}}`, "rongcloud.android.hw.category", "upper-case"},
		{`{"harmonyOS":{"ohos":{"image":"http://x"}}}`, "rongcloud.harmonyOS.ohos.image", "https"},
		{`{"forceShowPushContent":3}`, "rongcloud.forceShowPushContent", "0 or 1"},
	} {
		_, err := ParseExtras(json.RawMessage(tc.raw))
		bad, ok := errors.AsType[*InvalidError](err)
		if !ok || !strings.HasPrefix(bad.Field, tc.field) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: error %v; want one at %s that says %q", tc.raw, err, tc.field, tc.says)
		}
	}
}

func TestApplyLaysExtrasOverTheRest(t *testing.T) {
	base := Notification{
		Title: "t", Text: "x",
		IOS:     &IOS{Badge: new(3), ThreadID: "neutral", Extras: map[string]string{"link": "l", "k": "old"}},
		Android: &Android{HW: &Huawei{Image: "https://i"}, Extras: map[string]string{"link": "l"}},
	}
	x := Extras{
		IOS:       &IOS{Badge: new(0), Extras: map[string]string{"k": "new"}},
		Android:   &Android{HW: &Huawei{ChannelID: "c"}, MI: &Xiaomi{ChannelID: "m"}},
		HarmonyOS: &HarmonyOS{Alert: "h"},
	}
	baseBefore, xBefore := encode(t, base), encode(t, x)
	got := x.Apply(base)
	want := Notification{
		Title: "t", Text: "x",
		IOS:       &IOS{Badge: new(0), ThreadID: "neutral", Extras: map[string]string{"link": "l", "k": "new"}},
		Android:   &Android{HW: &Huawei{Image: "https://i", ChannelID: "c"}, MI: &Xiaomi{ChannelID: "m"}, Extras: map[string]string{"link": "l"}},
		HarmonyOS: &HarmonyOS{Alert: "h"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	got.IOS.Extras["k"], *got.IOS.Badge, got.Android.HW.ChannelID, got.HarmonyOS.Alert = "changed", 9, "changed", "changed"
	got.Android.Extras["link"], got.Android.MI.ChannelID = "changed", "changed"
	if encode(t, base) != baseBefore || encode(t, x) != xBefore {
		t.Error("the result shares a node with what it was made of")
	}
	if d := cmp.Diff(base, (Extras{}).Apply(base)); d != "" {
		t.Errorf("no extras: %s", d)
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPushExtOfANotification(t *testing.T) {
	n := Notification{
		Title: "t", ForceShowPushContent: new(1), Text: "x",
		IOS: &IOS{ThreadID: "g", CollapseID: "c", RichMediaURI: "r", InterruptionLevel: "active", Extras: map[string]string{"k": "v"}},
		Android: &Android{Honor: &Honor{"LOW", image}, HW: &Huawei{"c", "LOW", image, "IM"}, MI: &Xiaomi{"c", "i"}, OPPO: &OPPO{ChannelID: "c", Category: "IM"},
			Vivo: &Vivo{"1", "IM"}, FCM: &FCM{"c", "k", image}},
		HarmonyOS: &HarmonyOS{OHOS: &OHOS{"IM", image}},
	}
	got, err := n.PushExt()
	if err != nil {
		t.Fatal(err)
	}
	want := &PushExt{
		Title: "t", ForceShowPushContent: new(1), APNs: &ExtAPNs{"g", "c", "r", "active"}, HONOR: &ExtHONOR{"LOW", image}, HW: &ExtHW{"c", "LOW", image, "IM"},
		MI: &ExtMI{"c", "i"}, OPPO: &ExtOPPO{"c", "IM"}, VIVO: &ExtVIVO{"1", "IM"}, FCM: &ExtFCM{"c", "k", image}, OHOS: &ExtOHOS{"IM", image},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if p, err := (Notification{Text: "x", IOS: &IOS{Extras: map[string]string{"k": "v"}}}).PushExt(); err != nil || p.APNs != nil {
		t.Errorf("nothing for APNs: %+v, %v", p, err)
	}
	for field, n := range map[string]Notification{
		"notification.ios.alert":                 {Text: "x", IOS: &IOS{Alert: "a"}},
		"notification.ios.title":                 {Text: "x", IOS: &IOS{Title: "a"}},
		"notification.ios.category":              {Text: "x", IOS: &IOS{Category: "a"}},
		"notification.ios.badge":                 {Text: "x", IOS: &IOS{Badge: new(0)}},
		"notification.ios.contentAvailable":      {Text: "x", IOS: &IOS{ContentAvailable: new(0)}},
		"notification.android.alert":             on(Android{Alert: "a"}),
		"notification.android.oppo.notify_level": on(Android{OPPO: &OPPO{Category: "IM", NotifyLevel: new(1)}}),
		"notification.harmonyOS.alert":           {Text: "x", HarmonyOS: &HarmonyOS{Alert: "a"}},
		"notification.ios.interruption-level":    {Text: "x", IOS: &IOS{InterruptionLevel: "loud"}},
		"notification.alert":                     {},
	} {
		if _, err := n.PushExt(); err == nil || !strings.Contains(err.Error(), field+":") {
			t.Errorf("%s would be lost without a word: %v", field, err)
		}
	}
}
