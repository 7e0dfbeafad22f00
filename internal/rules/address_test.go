package rules

import (
	"strings"
	"testing"
)

// Only what opens nowhere is an error in a link; how an app names its own pages is its business.
func TestLinks(t *testing.T) {
	for link, want := range map[string]string{
		"app：//orders/${order_id}":  "N311 app://",
		"app：orders":                "N311 app:",
		"app:／／orders":              "N311 app://",
		"https:、、a.cn":              "N311 https://",
		"https：//a.cn":              "N311 https://",
		"ｈｔｔｐｓ://a.cn":              "N311 https://",
		"https:/a.cn":               "N311 https://",
		"https//a.cn":               "N311 https://",
		"http:a.cn":                 "N311 http://",
		`http:\\a.cn`:               "N311 http://",
		"https:///a.cn":             "N311 https://",
		"tel：10086":                 "N311 tel:",
		"详情":                        "W312 ",
		"htps://a.cn":               "W312 https://",
		"htttp://a.cn":              "W312 http://",
		"app//orders":               "W312 app://",
		"www.a.cn/x":                "W312 https://www.a.cn/x",
		"//a.cn/x":                  "W312 https://a.cn/x",
		"https://a。cn/x":            "W312 .",
		"https://a.cn/ x":           "W312 ",
		" https://a.cn":             "W312 ",
		"app://orders/${order_id}":  "",
		"app://${city}":             "",
		"app:/orders":               "",
		"app://search?q=你好，世界。":     "",
		"app://订单/${order_id}":      "",
		"HTTPS://a.cn/x?a=1&b=2#c":  "",
		"weixin://dl/business/?t=1": "",
		"tel:10086":                 "",
		"mailto:a@b.cn":             "",
		"intent://x#Intent;end":     "",
		"intent:#Intent;end":        "",
		"file:///x":                 "",
		"/orders/${order_id}":       "",
		"pages/order?id=1":          "",
		"order-detail":              "",
		"详情/${order_id}":            "",
		"${city}":                   "",
		"${city}：//x":               "",
	} {
		for _, key := range []string{"link", "image"} {
			_, l := load(t, rule("x-y", "order.paid", "    when: amount > 5\n    push: {body: b, "+key+": "+single(link)+"}"), demoAccount())
			got := ""
			for _, d := range l {
				if strings.HasSuffix(d.Code, "311") || strings.HasSuffix(d.Code, "312") {
					got += d.Code + " " + d.Fix
				}
			}
			if got != want {
				t.Errorf("%s %s: got %q, want %q\n%s", key, link, got, want, show(l))
			}
		}
	}
}
