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
	if got := intentField(intent.ID("shop.orders/4/991823/thanks/u/77")); got.String != "shop.orders/4/991823/thanks" {
		t.Errorf("an intent in the log: %s", got.String)
	}
	if got := intentField(intent.ID("odd")); got.String != "odd" {
		t.Errorf("an odd id in the log: %s", got.String)
	}
}
