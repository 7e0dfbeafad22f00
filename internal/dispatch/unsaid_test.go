package dispatch

import (
	"testing"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
)

func TestWhatAVendorQuotesIsNotSaidAgain(t *testing.T) {
	t.Parallel()
	it := &item{warm: &ledger.Pending{Intent: &intent.Intent{Target: "u-77", Content: &intent.Content{Personal: []string{"王小明", "Bo", "Nqq0"}, Title: "Thanks", Body: "Thanks, Li", Data: map[string]string{"k": "order 99"}, Message: &intent.Message{Content: map[string]string{"content": "你好世界"}}}}}}
	for _, c := range []struct{ say, want string }{
		{"", ""},
		{"HTTP 400, code 1003: toUserId u-77 is wrong", "HTTP 400, code 1003: toUserId *** is wrong"},
		{`["u-77","u-7"]`, `["***","***"]`},
		{"u-777 and xu-77 are others", "u-777 and xu-77 are others"},
		{"bad body Thanks, Li and title Thanks", "bad body *** and title ***"},
		{"nickname=Nqq0; 收件人王小明的昵称 Bo, body Bold", "nickname=***; 收件人***的昵称 ***, body Bold"},
		{"order 99 in 你好世界", "*** in ***"},
		{"call 13800138000, not 138001380001 or 23800138000", "call 138****8000, not 138001380001 or 23800138000"},
		{"user 用户u-77的", "user 用户u-77的"},
	} {
		if got := unsaid(c.say, []string{"u-7"}, []*item{it}); got != c.want {
			t.Errorf("unsaid(%q) = %q, want %q", c.say, got, c.want)
		}
	}
	it.warm.Intent.Content = &intent.Content{Personal: []string{"a", "22", "1", "2.5", "王", "Li", "1002"}}
	for say, want := range map[string]string{
		"bad value in field a: code 1 at position 22": "bad value in field a: code 1 at position 22",
		"value '王' of 'Li', 1002 and 2.5":             "value '***' of '***', *** and ***",
	} {
		for _, o := range []Outcome{{Detail: say}, {Head: "POST /push/user.json at 127.0.0.1:1002 for Li: ", Foot: " (request 1002-1-22-u-77)"}} {
			o.Detail = o.Head + say + o.Foot
			if o.unsay([]string{"u-7"}, []*item{it}); o.Detail != o.Head+want+o.Foot {
				t.Errorf("%q becomes %q", say, o.Detail)
			}
		}
	}
	o := Outcome{Head: "another", Detail: "Li said so"}
	if o.unsay(nil, []*item{it}); o.Detail != "*** said so" {
		t.Errorf("an unknown beginning: %q", o.Detail)
	}
	if got := intentField(intent.ID("shop.orders/4/991823/thanks/u/77")); got.String != "shop.orders/4/991823/thanks" {
		t.Errorf("an intent in the log: %s", got.String)
	}
	if got := intentField(intent.ID("odd")); got.String != "odd" {
		t.Errorf("an odd id in the log: %s", got.String)
	}
}
