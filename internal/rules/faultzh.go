package rules

import (
	"regexp"
	"strings"
	"sync"
)

// faultsZH are the reasons for which a rule's texts or recipients cannot be made (dead), and what they are in Chinese. They stand in
// fates in English; who shows them to people of another language asks here.
var faultsZH = sync.OnceValue(func() (out []faultZH) {
	for _, d := range [][2]string{
		{`(\$\{.*\}) is missing`, "$1 没有值"},
		{`(\$\{.*\}) is empty`, "$1 是空的"},
		{`(\$\{.*\}): its value is not a time`, "$1 的值不是时间"},
		{`(\$\{.*\}): its value is not a number`, "$1 的值不是数字"},
		{`(.*) gives no tag: 1 to (\d+) bytes of letters, digits, _ and -`, "$1 拼不成标签：标签是 1 到 $2 字节的文字、数字、_ 和 -"},
		{`(\$\{.*\}) has more than (\d+) entries: .*`, "$1 超过 $2 项，一个也不发：一个列表最多写 $2 个收件人；请拆成几个事件"},
		{`(\$\{.*\}) has more entries than the (\d+) that the user table keeps: .*`, "$1 超过用户表能存的 $2 项，一个也不发：请在业务事件里写收件人"},
		{`field (\S+) is unknown`, "字段 $1 没有人说过"},
		{`the user has (\d+) tags without it, the most there may be`, "没有它用户也已有 $1 个标签，这是上限"},
		{`nobody is named`, "没有写收件人"},
		{`field (\S+) is required and missing`, "必须有的字段 $1 没有值"},
		{`the event has no user`, "事件没有用户"},
		{`the body is empty`, "正文是空的"},
		{`the texts have (\d+) bytes, the most is (\d+)`, "文字共 $1 字节，最多 $2 字节"},
		{`the text has more than (\d+) bytes`, "文字超过 $1 字节"},
		{`(\d+) bytes, the most is (\d+)`, "$1 字节，最多 $2 字节"},
		{`rule (\S+) is parked: .*`, "规则 $1 被停用：它处理别的事件太慢，没有问它"},
		{`internal fault in rule (\S+): (.*)`, "规则 $1 内部错误：$2"},
	} {
		out = append(out, faultZH{regexp.MustCompile(`(?s)^` + d[0] + `$`), d[1]})
	}
	return out
})

type faultZH struct {
	en *regexp.Regexp
	zh string
}

// FaultZH is the detail of DEAD(render-error) in Chinese; what is no text of this package stays as it is.
func FaultZH(en string) string {
	where, fault := "", en
	for _, w := range [][2]string{{"audience: ", "人群："}, {"to: ", "to："}, {"limits.once.by: ", "limits.once.by："}, {"merge.by: ", "merge.by："}} {
		if rest, ok := strings.CutPrefix(en, w[0]); ok {
			where, fault = w[1], rest
			break
		}
	}
	for _, f := range faultsZH() {
		if f.en.MatchString(fault) {
			return where + f.en.ReplaceAllString(fault, f.zh)
		}
	}
	return en
}
