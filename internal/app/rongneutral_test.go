package app

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rongpush"
)

// sentTo is the request of a call at RongCloud as JSON, forms too; pushExt and a message's content, which are JSON in a text, as they are.
func sentTo(t *testing.T, endpoint string, c *intent.Content) map[string]any {
	t.Helper()
	return sentFor(t, []string{"ios", "android"}, endpoint, c)
}

// sentFor is sentTo of an account with other platforms.
func sentFor(t *testing.T, platforms []string, endpoint string, c *intent.Content) map[string]any {
	t.Helper()
	r := &rongAccount{sender: "system", platforms: platforms, allowEveryone: true, broadcast: true, pushPlus: true}
	call := &dispatch.Call{Endpoint: endpoint, Users: []string{"u-1"}, First: "t/0/1/r/u-1", Content: c}
	switch endpoint {
	case rongpush.Push.Path:
		call.Audience = &intent.Audience{AllOf: []string{"vip"}}
	case rongpush.PushCustom.Path:
		call.Audience = &intent.Audience{AllOf: []string{"vip"}, NoneOf: []string{"blocked"}}
	case rongpush.BroadcastMessage.Path:
		call.Audience = &intent.Audience{Everyone: true}
	case rongpush.OnlineMessage.Path:
		call.Audience = &intent.Audience{Online: true}
	}
	body, kind, err := r.body(call)
	if err != nil {
		t.Fatalf("%s: %v", endpoint, err)
	}
	if strings.HasPrefix(kind, "application/x-www-form-urlencoded") {
		if body, err = formJSON(body); err != nil {
			t.Fatal(err)
		}
	}
	return asMap(t, string(body))
}

func asMap(t *testing.T, src string) (out map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(src), &out); err != nil {
		t.Fatalf("%v in %s", err, src)
	}
	return out
}

// Each neutral key where docs/vendor.md says that it goes, and nowhere else: with one key alone nothing of another is in the request.
func TestWhereEachNeutralKeyGoesAtRongCloud(t *testing.T) {
	const image = "https://e.example/i.png"
	text := &intent.Message{Type: "RC:TxtMsg", Content: map[string]string{"content": "c"}}
	for name, c := range map[string]struct {
		content intent.Content
		push    string // of `notification`, beside title and text
		ext     string // of `pushExt`, beside the title: what stands in its pushConfigs, one channel in each
	}{
		"none":             {intent.Content{}, `{}`, `{}`},
		"link":             {intent.Content{Link: "app://o/1"}, `{"ios":{"extras":{"link":"app://o/1"}},"android":{"extras":{"link":"app://o/1"}}}`, `{}`},
		"data":             {intent.Content{Data: map[string]string{"k": "<v>"}}, `{"ios":{"extras":{"k":"<v>"}},"android":{"extras":{"k":"<v>"}}}`, `{}`},
		"link beside data": {intent.Content{Link: "app://o/1", Data: map[string]string{"k": "v"}}, `{"ios":{"extras":{"k":"v","link":"app://o/1"}},"android":{"extras":{"k":"v","link":"app://o/1"}}}`, `{}`},
		"image": {intent.Content{Image: image}, `{"ios":{"richMediaUri":"` + image + `"},"android":{"hw":{"image":"` + image + `"},"honor":{"image":"` + image + `"},"fcm":{"imageUrl":"` + image + `"}}}`,
			`{"APNs":{"richMediaUri":"` + image + `"},"HW":{"image":"` + image + `"},"HONOR":{"image":"` + image + `"},"FCM":{"imageUrl":"` + image + `"}}`},
		"group":    {intent.Content{Group: "orders"}, `{"ios":{"thread-id":"orders"}}`, `{"APNs":{"thread-id":"orders"}}`},
		"badge":    {intent.Content{Badge: new(7)}, `{"ios":{"badge":7}}`, `{}`},
		"no badge": {intent.Content{Badge: new(0)}, `{"ios":{"badge":0}}`, `{}`}, // 0 takes it away, which is not the same as saying nothing
		"the rule's own block wins": {intent.Content{Image: image, Group: "orders", RongCloud: json.RawMessage(`{"ios":{"thread-id":"own"},"android":{"hw":{"channelId":"c"},"honor":{"image":"https://e.example/own.png"}}}`)},
			`{"ios":{"thread-id":"own","richMediaUri":"` + image + `"},"android":{"hw":{"channelId":"c","image":"` + image + `"},"honor":{"image":"https://e.example/own.png"},"fcm":{"imageUrl":"` + image + `"}}}`,
			`{"APNs":{"thread-id":"own","richMediaUri":"` + image + `"},"HW":{"channelId":"c","image":"` + image + `"},"HONOR":{"image":"https://e.example/own.png"},"FCM":{"imageUrl":"` + image + `"}}`},
	} {
		for endpoint, body := range map[string]string{rongpush.PushUser.Path: "pushContent", rongpush.Push.Path: "alert", rongpush.PushCustom.Path: "alert"} {
			content := c.content
			content.Title, content.Body = "题", "文"
			want := asMap(t, c.push)
			want["title"], want[body] = "题", "文"
			if d := cmp.Diff(want, sentTo(t, endpoint, &content)["notification"]); d != "" {
				t.Errorf("%s by %s (-want +got):\n%s", name, endpoint, d)
			}
		}
		for _, endpoint := range []string{rongpush.SystemPublish.Path, rongpush.BroadcastMessage.Path} {
			content := c.content
			content.Title, content.Body, content.Message = "题", "文", text
			got := sentTo(t, endpoint, &content)
			ext := asMap(t, got["pushExt"].(string))
			channels := map[string]any{}
			configs, _ := ext["pushConfigs"].([]any)
			for _, c := range configs {
				maps.Copy(channels, c.(map[string]any))
			}
			if len(configs) != len(channels) || ext["title"] != "题" {
				t.Errorf("%s by %s: pushExt %v", name, endpoint, ext)
			}
			if d := cmp.Diff(asMap(t, c.ext), channels); d != "" || got["pushContent"] != "文" || got["objectName"] != "RC:TxtMsg" {
				t.Errorf("%s by %s: pushContent %v (-want +got):\n%s", name, endpoint, got["pushContent"], d)
			}
			if d := cmp.Diff(map[string]any{"content": "c"}, asMap(t, got["content"].(string))); d != "" {
				t.Errorf("%s by %s: it is in the message (-want +got):\n%s", name, endpoint, d)
			}
		}
		content := c.content
		content.Title, content.Body, content.Message = "题", "文", text
		got := sentTo(t, rongpush.OnlineMessage.Path, &content)
		for _, key := range []string{"pushExt", "pushContent", "notification"} {
			if got[key] != nil {
				t.Errorf("%s to those online has %s: %v", name, key, got[key])
			}
		}
	}
}

// The whole request of a push and of a broadcast with every neutral key; the broadcast with a message carries both.
func TestARequestWithEveryNeutralKeyAtRongCloud(t *testing.T) {
	c := &intent.Content{Title: "题", Body: "文", Link: "app://o/1", Image: "https://e.example/i.png", Group: "orders", Badge: new(3), Data: map[string]string{"k": "v"}}
	const notification = `"ios":{"badge":3,"thread-id":"orders","richMediaUri":"https://e.example/i.png","extras":{"k":"v","link":"app://o/1"}},
		"android":{"hw":{"image":"https://e.example/i.png"},"honor":{"image":"https://e.example/i.png"},"fcm":{"imageUrl":"https://e.example/i.png"},"extras":{"k":"v","link":"app://o/1"}}}`
	if d := cmp.Diff(asMap(t, `{"userIds":["u-1"],"notification":{"title":"题","pushContent":"文",`+notification+`}`), sentTo(t, rongpush.PushUser.Path, c)); d != "" {
		t.Errorf("push (-want +got):\n%s", d)
	}
	some := *c
	some.Platforms = []string{"harmonyos", "android"} // what the account does not list is never sent to
	audience := `"audience":{"tag":["vip"],"is_to_all":false},"notification":{"title":"题","alert":"文",` + notification
	if d := cmp.Diff(asMap(t, `{"platform":["android"],`+audience+`}`), sentTo(t, rongpush.Push.Path, &some)); d != "" {
		t.Errorf("broadcast (-want +got):\n%s", d)
	}
	both := *c
	both.Message = &intent.Message{Type: "RC:TxtMsg", From: "shop", Content: map[string]string{"content": "c"}, Extra: "x"}
	if d := cmp.Diff(asMap(t, `{"platform":["ios","android"],"fromuserid":"shop","message":{"objectName":"RC:TxtMsg","content":"{\"content\":\"c\",\"extra\":\"x\"}"},`+audience+`}`), sentTo(t, rongpush.Push.Path, &both)); d != "" {
		t.Errorf("broadcast with a message (-want +got):\n%s", d)
	}
}

// HarmonyOS gets what its node has room for, and only where the account lists it: the tests above are of an account that does not.
func TestWhereTheNeutralKeysGoAtHarmonyOS(t *testing.T) {
	const image = "https://e.example/i.png"
	all := []string{"ios", "android", "harmonyos"}
	for name, c := range map[string]struct {
		content intent.Content
		node    any // harmonyOS of the notification; nil: none
		ext     any // OHOS of pushConfigs; nil: none
	}{
		"none":           {intent.Content{}, nil, nil},
		"link and data":  {intent.Content{Link: "app://o/1", Data: map[string]string{"k": "v"}}, asMap(t, `{"extras":{"k":"v","link":"app://o/1"}}`), nil},
		"image":          {intent.Content{Image: image}, asMap(t, `{"ohos":{"image":"`+image+`"}}`), asMap(t, `{"image":"`+image+`"}`)},
		"the rule's own": {intent.Content{Image: image, RongCloud: json.RawMessage(`{"harmonyOS":{"ohos":{"category":"IM"}}}`)}, asMap(t, `{"ohos":{"image":"`+image+`","category":"IM"}}`), asMap(t, `{"image":"`+image+`","category":"IM"}`)},
		"the rule's image wins": {intent.Content{Image: image, RongCloud: json.RawMessage(`{"harmonyOS":{"ohos":{"image":"https://e.example/own.png"}}}`)},
			asMap(t, `{"ohos":{"image":"https://e.example/own.png"}}`), asMap(t, `{"image":"https://e.example/own.png"}`)},
	} {
		for _, endpoint := range []string{rongpush.PushUser.Path, rongpush.Push.Path, rongpush.PushCustom.Path} {
			content := c.content
			content.Title, content.Body = "题", "文"
			if d := cmp.Diff(c.node, sentFor(t, all, endpoint, &content)["notification"].(map[string]any)["harmonyOS"]); d != "" {
				t.Errorf("%s by %s (-want +got):\n%s", name, endpoint, d)
			}
		}
		for _, endpoint := range []string{rongpush.SystemPublish.Path, rongpush.BroadcastMessage.Path} {
			content := c.content
			content.Title, content.Body, content.Message = "题", "文", &intent.Message{Type: "RC:TxtMsg", Content: map[string]string{"content": "c"}}
			var node any
			configs, _ := asMap(t, sentFor(t, all, endpoint, &content)["pushExt"].(string))["pushConfigs"].([]any)
			for _, c := range configs {
				if v, ok := c.(map[string]any)["OHOS"]; ok {
					node = v
				}
			}
			if d := cmp.Diff(c.ext, node); d != "" {
				t.Errorf("%s by %s (-want +got):\n%s", name, endpoint, d)
			}
		}
	}
}
