package diag

import (
	"regexp"
	"slices"
	"strconv"
)

// What people who write rules in Chinese put where a key takes one of a few words, or a length of time.

// words are by what they mean in English.
var words = map[string]string{
	"低": "low", "普通": "normal", "正常": "normal", "一般": "normal", "中": "normal", "高": "high", "紧急": "urgent",
	"营销": "marketing", "服务": "service", "正式": "live", "上线": "live", "试运行": "shadow", "关闭": "off", "停用": "off",
	"苹果": "ios", "安卓": "android", "鸿蒙": "harmonyos", "最新": "latest", "最后": "latest", "第一": "first", "最早": "first", "列表": "list",
	"暂缓": "hold", "不发": "drop", "等待": "wait", "无": "none", "没有": "none", "不限": "none", "不匹配": "no match",
	"是": "true", "对": "true", "否": "false",
}

// InEnglish gives the one of the words a key takes that a Chinese word means; "" for none.
func InEnglish(word string, allowed []string) string {
	if fix := words[word]; slices.Contains(allowed, fix) {
		return fix
	}
	return ""
}

var lengthInChinese = regexp.MustCompile(`^([0-9]{1,4}|[一二两三四五六七八九十半])\s*个?(秒|秒钟|分|分钟|小时|钟头|天|日|周|星期)$`)

// lengthMeant writes a length of time in Chinese, like 30分钟, as keys have it; "" where it is none.
func lengthMeant(s string) string {
	m := lengthInChinese.FindStringSubmatch(s)
	if m == nil {
		return ""
	}
	unit := map[string]string{"秒": "s", "秒钟": "s", "分": "m", "分钟": "m", "小时": "h", "钟头": "h"}[m[2]]
	n, err := strconv.Atoi(m[1])
	if err != nil {
		n = map[string]int{"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10}[m[1]]
	}
	switch {
	case m[1] == "半" && unit == "h":
		return "30m"
	case m[1] == "半" && (m[2] == "天" || m[2] == "日"):
		return "12h"
	case n == 0:
		return ""
	case unit != "":
		return strconv.Itoa(n) + unit
	case m[2] == "周" || m[2] == "星期":
		n *= 7
	}
	return strconv.Itoa(n) + "d"
}
