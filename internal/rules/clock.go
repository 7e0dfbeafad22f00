package rules

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/notifier/notifier/internal/diag"
)

// Times of day, days and numbers of times as people write them in Chinese, for the cures of those keys.

var clockInChinese = regexp.MustCompile(`^(凌晨|早上|早|上午|中午|下午|傍晚|晚上|晚)?\s*([0-9]{1,2}|[一二两三四五六七八九十]{1,3})\s*[点时:：]\s*([0-9]{1,2}|半)?\s*分?$`)

// clockMeant writes a time of day, like 上午9点 or 9:00, with two digits each; "" where it is none.
func clockMeant(s string) string {
	m := clockInChinese.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return ""
	}
	number := func(s string) int {
		if n, err := strconv.Atoi(s); err == nil {
			return n
		}
		return numeral(s)
	}
	hour, minute := number(m[2]), 0
	switch m[3] {
	case "":
	case "半":
		minute = 30
	default:
		minute = number(m[3])
	}
	switch m[1] {
	case "下午", "傍晚":
		if hour > 0 && hour < 12 {
			hour += 12
		}
	case "晚上", "晚":
		switch {
		case hour < 5: // which night?
			return ""
		case hour <= 12:
			hour += 12
		}
	case "中午":
		if hour < 3 {
			hour += 12
		}
	case "凌晨":
		hour %= 12
	}
	if hour == 24 && minute == 0 {
		hour = 0
	}
	if hour > 23 || minute > 59 {
		return ""
	}
	return fmt.Sprintf("%02d:%02d", hour, minute)
}

// quietMeant writes a time between two clocks as quiet hours have it; "" where it is none.
func quietMeant(s string) string {
	if diag.InEnglish(s, []string{"none"}) != "" {
		return "none"
	}
	for _, to := range []string{"到", "至", "-", "~", "～", "—", "－"} {
		if a, b, ok := strings.Cut(s, to); ok {
			if from, until := clockMeant(a), clockMeant(b); from != "" && until != "" {
				return from + "-" + until
			}
		}
	}
	return ""
}

var (
	eachInChinese = regexp.MustCompile(`^每(?:人每)?(天|日|周|月)\s*([0-9]+)\s*[次条]$`)
	counted       = regexp.MustCompile(`([0-9])\s*[次条]`)
)

// capMeant writes how often as limits have it, like 每天1次 or `1次 per day`; "" where it is no limit.
func capMeant(s string) string {
	if diag.InEnglish(s, []string{"none"}) != "" {
		return "none"
	}
	if m := eachInChinese.FindStringSubmatch(s); m != nil {
		return m[2] + " per " + map[string]string{"天": "day", "日": "day", "周": "week", "月": "month"}[m[1]]
	}
	if fix := counted.ReplaceAllString(s, "$1"); fix != s {
		if _, ok := parseCap(fix); ok {
			return fix
		}
	}
	return ""
}

var dayInChinese = regexp.MustCompile(`^([0-9]{4})[年/.-]([0-9]{1,2})[月/.-]([0-9]{1,2})日?\s*(.*)$`)

// dayMeant writes a date and a time of day as the life of a rule has it; "" where it is none. A day alone leaves open which end of it is meant.
func dayMeant(s string) string {
	m := dayInChinese.FindStringSubmatch(s)
	if m == nil || clockMeant(m[4]) == "" {
		return ""
	}
	return fmt.Sprintf("%s-%02s-%02s %s", m[1], m[2], m[3], clockMeant(m[4]))
}

// better gives a finding the cure that was meant, if there is one.
func better(d *diag.Diagnostic, fix string) {
	if fix != "" {
		d.Hint, d.Fix = diag.Text{EN: "write `" + fix + "`", ZH: "写成 `" + fix + "`"}, fix
	}
}
