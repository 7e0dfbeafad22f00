package rules

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/notifier/notifier/internal/diag"
)

// What a link opens is the app's business: a page of its own may be any text. So only the marks of a keyboard and the spelling of the web's
// own schemes are looked at, in what stands before the first hole.

var (
	schemed = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*)(:?[/\\]*)`)
	domain  = regexp.MustCompile(`(?i)^(www\.[^/]+|[a-z0-9-]+(\.[a-z0-9-]+)*\.(com|cn|net|org|io))(/|$)`)
)

// address checks a link or the place of an image.
func address(n *diag.Node, t *template) {
	if t == nil || len(t.parts) == 0 || t.parts[0].ref != "" {
		return
	}
	lead := strings.TrimLeft(t.parts[0].text, " ")
	if lead != t.parts[0].text || lead == "" {
		doubt(n, 0, 1, diag.Text{EN: "a space in a link", ZH: "链接里有空格"}, diag.Text{EN: "remove it; inside a link it is `%20`", ZH: "请删掉；链接中间的空格写成 `%20`"})
		return
	}
	plain := asASCII(lead)
	m := schemed.FindStringSubmatch(plain)
	if m == nil || m[2] == "" {
		doubtRest(n, t, lead)
		return
	}
	scheme, marks := m[1], m[2]
	length := len(scheme) + len(marks) // in runes as well: asASCII writes one for one
	web := strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")
	want := scheme + ":" // mailto:x
	if web || len(marks) > 1 {
		want += "//"
	}
	if marks == ":///" && !web { // file:///x
		want += "/"
	}
	found := string([]rune(lead)[:length])
	switch {
	case found == want:
		if _, fix := diag.DidYouMean(scheme, []string{"http", "https"}); !web && marks == "://" && fix != "" {
			doubt(n, 0, length, diag.Text{EN: "`" + scheme + "://` is opened by no browser", ZH: "浏览器打不开 `" + scheme + "://`"}, diag.Text{EN: "did you mean `" + fix + "://`?", ZH: "是不是想写 `" + fix + "://`？"}).Fix = fix + "://"
		}
	case marks == "//" && !web:
		doubt(n, 0, length, diag.Text{EN: "`" + found + "` begins no link", ZH: "链接不能以 `" + found + "` 开头"}, diag.Text{EN: "did you mean `" + scheme + "://`?", ZH: "是不是想写 `" + scheme + "://`？"}).Fix = scheme + "://"
		return
	case web && (marks[0] == ':' || len(marks) == 2) || found != plain[:length]:
		advise(n, n.ErrorAt(0, length, "N311", diag.Text{EN: "`" + found + "` begins no link", ZH: "链接不能以 `" + found + "` 开头"}, diag.Text{}), want)
		return
	}
	doubtRest(n, t, lead)
}

// doubtRest warns of what is hardly meant in a link behind its scheme, or where it has none.
func doubtRest(n *diag.Node, t *template, lead string) {
	r := []rune(lead)
	path := true // what is behind it may be a text
	for i, c := range r {
		path = path && !strings.ContainsRune("?#", c)
		if unicode.IsSpace(c) {
			doubt(n, i, i+1, diag.Text{EN: "a space in a link", ZH: "链接里有空格"}, diag.Text{EN: "remove it; inside a link it is `%20`", ZH: "请删掉；链接中间的空格写成 `%20`"})
			return
		}
		if mark := asASCII(string(c)); path && strings.ContainsRune("：／？＆＝＃．。、＿－％＠", c) {
			doubt(n, i, i+1, diag.Text{EN: "a full-width mark `" + string(c) + "` in a link", ZH: "链接里有全角符号 `" + string(c) + "`"}, diag.Text{EN: "write `" + mark + "`", ZH: "写成 `" + mark + "`"}).Fix = mark
			return
		}
	}
	switch {
	case domain.MatchString(lead) || strings.HasPrefix(lead, "//"):
		fix := "https://" + strings.TrimLeft(lead, "/")
		doubt(n, 0, len(r), diag.Text{EN: "the link does not say how it is opened", ZH: "链接缺少 `https://`"}, diag.Text{EN: "write `" + fix + "`", ZH: "写成 `" + fix + "`"}).Fix = fix
	case !strings.ContainsAny(lead, ":/") && len(t.parts) == 1 && strings.ContainsFunc(lead, func(c rune) bool { return unicode.Is(unicode.Han, c) }):
		doubt(n, 0, len(r), diag.Text{EN: "`" + lead + "` is hardly a link", ZH: "`" + lead + "` 不像链接"}, diag.Text{EN: "like app://orders/${order_id} or https://...", ZH: "例如 app://orders/${order_id}、https://..."})
	}
}

func doubt(n *diag.Node, from, to int, msg, hint diag.Text) *diag.Diagnostic {
	return n.WarnAt(from, to, "W312", msg, hint)
}

// asASCII writes the marks and letters of a Chinese keyboard as a link has them, rune by rune.
func asASCII(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= '！' && c <= '～':
			return c - '！' + '!'
		case c == '、':
			return '/'
		case c == '。':
			return '.'
		}
		return c
	}, s)
}
