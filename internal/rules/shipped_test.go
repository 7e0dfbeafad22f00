package rules

import (
	"bytes"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	shipped "github.com/notifier/notifier/rules"
)

// one account that may do everything, as the demo has it.
func demoAccount() Options {
	return Options{Accounts: []Account{{Name: "main", Vendor: "rongcloud", AllowEveryone: true, ApprovalWaived: true, Sender: "system"}}}
}

func show(l diag.List) string {
	var b bytes.Buffer
	if err := diag.WriteText(&b, l, diag.Both); err != nil {
		return err.Error()
	}
	return b.String()
}

func shippedFiles(t testing.TB) []File {
	t.Helper()
	files, err := ReadFS(shipped.Files)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func shippedSet(t testing.TB) *Set {
	t.Helper()
	s, l := LoadFiles(shippedFiles(t), demoAccount())
	if s == nil || len(l) > 0 {
		t.Fatalf("the shipped rules must be clean:\n%s", show(l))
	}
	return s
}

// Every sample that ships makes exactly the intents that its rules promise.
func TestShippedRulesActOnTheirSamples(t *testing.T) {
	s := shippedSet(t)
	got := map[string][]*intent.Intent{}
	for _, f := range shippedFiles(t) {
		for _, spec := range s.Catalogue.Specs {
			if f.Name != spec.Sample {
				continue
			}
			evs, err := s.Decode(event.Record{Position: event.Position{Topic: spec.Topics[0], Offset: 3}, Value: f.Data, Time: time.Date(2026, 11, 21, 3, 0, 1, 0, time.UTC)})
			if err != nil || len(evs) != 1 {
				t.Fatalf("%s: %v %v", f.Name, evs, err)
			}
			got[spec.Name] = s.Evaluate(&evs[0])
			for _, in := range got[spec.Name] {
				if in.Dead != "" {
					t.Errorf("%s: %s", in.ID, in.DeadDetail)
				}
			}
		}
	}
	for ev, want := range map[string]string{
		"order.paid": "小明，感谢支持|您的订单已支付 812.00 元，积分稍后到账|app://orders/ord-88231", "shipment.sent": "您的包裹已发出|顺丰 SF1234567890 正在路上|app://orders/ord-88231",
		"message.received": "小融 回复了您|您好，退款已经提交，预计一个工作日到账。|", "user.birthday": "小明，生日快乐|送您一张 20.00 元生日券，当天有效|app://coupons",
		"notice.published": "今晚停服维护|今晚 23:00 到 24:00 停服维护，期间无法下单。|",
	} {
		if len(got[ev]) != 1 {
			t.Errorf("%s: %d intents", ev, len(got[ev]))
			continue
		}
		c := got[ev][0].Content
		if have := c.Title + "|" + c.Body + "|" + c.Link; have != want {
			t.Errorf("%s:\n got %s\nwant %s", ev, have, want)
		}
	}
	if in := got["notice.published"][0]; !in.Audience.Everyone || in.Policy.Priority != intent.Urgent || in.Policy.Approval != nil || in.Target != "*" {
		t.Errorf("notice: %+v", in)
	}
	if in := got["sale.opened"][0]; in.Audience.Key() != "all=city_北京 any= none= package=" || in.Merge.Key != "flash-sale-by-city|all=city_北京 any= none= package=|北京" || !in.Policy.DropOn {
		t.Errorf("sale: %+v %+v", in, in.Merge)
	}
	if in := got["profile.changed"][0]; in.Action != intent.Tags || in.Profile.Fields["city"].Str != "北京" || len(in.Profile.Fields) != 4 {
		t.Errorf("profile: %+v", in)
	}
	if m := got["message.received"][0].Content.Message; m == nil || m.Type != "RC:TxtMsg" || m.Content["content"] == "" {
		t.Errorf("message: %+v", m)
	}
}
