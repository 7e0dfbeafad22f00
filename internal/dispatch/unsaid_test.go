package dispatch

import (
	"fmt"
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
	if o.unsay(nil, []*item{it}); o.Detail != "***" {
		t.Errorf("an unknown beginning: %q", o.Detail)
	}
	if got := intentField(intent.ID("shop.orders/4/991823/thanks/u/77")); got.String != "shop.orders/4/991823/thanks" {
		t.Errorf("an intent in the log: %s", got.String)
	}
	if got := intentField(intent.ID("odd")); got.String != "odd" {
		t.Errorf("an odd id in the log: %s", got.String)
	}
}

// However a vendor writes a personal value, it is not repeated: in another case, cut, escaped for JSON, HTML or a URL, encoded, in parts. What
// is left tells what is wrong with which field.
func TestOfARequestWithPersonalValuesOnlyKnownWordsAreSaidAgain(t *testing.T) {
	t.Parallel()
	it := &item{warm: &ledger.Pending{Intent: &intent.Intent{Target: "u-77", Content: &intent.Content{Personal: []string{"Zoë O'Hara-Qvist", "王小明", "31012345"}, Body: "Hello Zoë O'Hara-Qvist 王小明 31012345"}}}}
	head, foot := "rongcloud: POST /push/user.json at api.example:443: permanent: HTTP 400, code 1002", " (request a-77-1)"
	for say, want := range map[string]string{
		": notification.alert is invalid: ZOË O'HARA-QVIST":      ": notification.alert is invalid: ***'***",
		": pushContent too long (Zoë O'Ha…), max 128 characters": ": pushContent too long (***'***), max 128 characters",
		`: {"alert":"\u738b\u5c0f\u660e \u738b"} parse error`:    `: {"alert":"***"} parse error`,
		": alert &#29579;&#23567; and &#122;&#111; not allowed":  ": alert *** and *** not allowed",
		": alert Zo%C3%AB+O%27Hara and 5bCP5piO, wrong type":     ": alert *** and ***, wrong type",
		": value 310 123 45 or 3.1 or 310-12 is illegal":         ": value 310 *** or *** or *** is illegal",
		": message 王小…":            ": message ***",
		": invalid App-Key.":       ": invalid App-Key.",
		": target user is invalid": ": target user is invalid",
		": read tcp 10.1.2.3:5->10.1.2.4:443: read: connection reset by peer":                    ": read tcp ***:***>***:***: read: connection reset by peer",
		": tls: failed to verify certificate: x509: certificate has expired or is not yet valid": ": tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
		": context deadline exceeded": ": context deadline exceeded",
	} {
		o := Outcome{Head: head, Foot: foot, Detail: head + say + foot}
		if o.unsay(nil, []*item{it}); o.Detail != head+want+foot {
			t.Errorf("%s becomes\n%s, want\n%s", say, o.Detail, head+want+foot)
		}
	}
	refused := Outcome{Invalid: true, Detail: fmt.Sprintf("link: %q: want an https:// address", `http://x/?n="王小明"Zoë&say=\`)}
	if refused.unsay(nil, []*item{it}); refused.Detail != `link: "***": want an https:// address` {
		t.Errorf("what we refuse ourselves: %q", refused.Detail)
	}
	o := Outcome{Detail: "the process that made the call ended before its outcome was known"} // our own words
	if o.unsay(nil, []*item{it}); o.Detail != "the process that made the call ended before its outcome was known" {
		t.Errorf("our own words become %q", o.Detail)
	}
}
