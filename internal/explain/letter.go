package explain

import (
	"regexp"
	"strings"

	"github.com/notifier/notifier/internal/event"
)

// LetterZH is in Chinese why a record is a dead letter. What the JSON library says stays as it is.
func LetterZH(e *event.DecodeError) string {
	what, why, ok := strings.Cut(e.Detail, ": ")
	if !ok || strings.Contains(what, " at ") { // of the record as a whole
		what, why = "", e.Detail
	}
	for _, t := range [][2]string{
		{`nothing at (.*)`, "$1 处没有值"},
		{`empty at (.*)`, "$1 处是空的"},
		{`not UTF-8 at (.*)`, "$1 处不是 UTF-8"},
		{`(.*) at (.*) is neither text nor number`, "$2 处是$1，既不是文字也不是数字"},
		{`(.*) at (.*) is not a time`, "$2 处是$1，不是时间"},
		{`(.*) is not a whole number at (.*)`, "$2 处是$1，不是整数"},
		{`(\d+) bytes at (.*), the most is (\d+)`, "$2 处有 $1 字节，最多 $3 字节"},
		{`(\d+) bytes, the most is (\d+) (\(events.max_bytes\))`, "$1 字节，最多 $2 字节 $3"},
		{`invalid JSON at byte (\d+): (.*)`, "第 $1 字节处不是正确的 JSON：$2"},
		{`a tombstone without a key`, "空记录没有 key"},
		{`([a-z ]+) at (\S+)`, "$2 处是$1"}, // a field's
	} {
		if re := regexp.MustCompile(`(?s)^` + t[0] + `$`); re.MatchString(why) {
			why = kindsZH.Replace(re.ReplaceAllString(why, t[1]))
			break
		}
	}
	out := string(e.Reason) + "："
	if e.Event != "" {
		out = e.Event + "：" + out
	}
	if what != "" {
		out += strings.Replace(what, "field ", "字段 ", 1) + "："
	}
	return out + why
}

// kindsZH is what stands at a path; values are left out.
var kindsZH = strings.NewReplacer("处是a text", "处是文字", "处是an object", "处是对象", "处是a list", "处是列表", "处是true or false", "处是真假值", "处是a number", "处是数字", "处是a value", "处是别的值")
