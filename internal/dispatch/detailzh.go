package dispatch

import (
	"cmp"
	"regexp"
	"sync"

	"github.com/notifier/notifier/internal/ledger"
)

// detailsZH are the details of fates in this package's own words, and what they are in Chinese. Fates are records: they stand in English,
// and who shows them to people of another language asks here.
var detailsZH = sync.OnceValue(func() (out []detailZH) {
	for _, d := range [][2]string{
		{`before it was taken in`, "收到时已经过期"},
		{`too many pending`, "待发任务太多"},
		{`user_when is not met: (.*)`, "user_when 不成立：$1"},
		{`once in (\S+), sent (.*)`, "$1 内已经发过：$2"},
		{`rule (\d+ (?:in|per) .*)`, "规则次数上限 $1"},
		{`no free slot before (.*)`, "没有空名额，最早 $1"},
		{`the slot is reserved before (.*)`, "名额是预留的，最早 $1"},
		{`the rule's quota is used: (.*) before (.*)`, "规则的配额 $1 已用完，最早 $2"},
		{`(\d+) of (\d+) approved in time`, "要 $2 人批准，到时只有 $1 人"},
		{`rejected`, "驳回"},
		{`the rule was removed from the rule files`, "规则已从规则文件里删除"},
		{`handed over to account (\S+): lane (\S+) is stopped: (.*)`, "交给账号 $1：发送通道 $2 停了：$3"},
		{`handed over to account (\S+): (\d+) calls of lane (\S+) in a row did not leave`, "交给账号 $1：发送通道 $3 连续 $2 次没有发出"},
		{`the process that made the call ended before its outcome was known`, "发出请求的进程在知道结果之前就结束了"},
		{regexp.QuoteMeta(ledger.LostWaiting), "等待期间账本丢失：可能已发出"},
	} {
		out = append(out, detailZH{regexp.MustCompile(`(?s)^` + d[0] + `$`), d[1]})
	}
	return out
})

type detailZH struct {
	en *regexp.Regexp
	zh string
}

// waitedFor is what an intent waited for when it expired, and the brake that paused its rule.
var waitedFor = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^while it waited for (\w+)(?:, by the brake: the rule sent (.*))?$`)
})

// DetailZH is a fate's detail in Chinese; what is not this package's own, as the vendor's words, stays as it is.
func DetailZH(en string) string {
	if m := waitedFor().FindStringSubmatch(en); m != nil {
		state := map[string]string{"merging": "等待合并", "approval": "等待批准", "quiet": "等待免打扰时段结束", "quota": "等待名额", "paused": "暂停", "in_flight": "等待厂商回答"}[m[1]]
		zh := cmp.Or(state, "等待 "+m[1]) + "期间过期"
		if m[2] != "" {
			zh += "，自动刹车：规则已发 " + m[2]
		}
		return zh
	}
	for _, d := range detailsZH() {
		if d.en.MatchString(en) {
			return d.en.ReplaceAllString(en, d.zh)
		}
	}
	return en
}
