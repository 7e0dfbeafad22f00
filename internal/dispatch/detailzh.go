package dispatch

import (
	"cmp"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/notifier/notifier/internal/ledger"
)

// detailsZH are the details of fates in this package's own words, and what they are in Chinese. Fates are records: they stand in English,
// and who shows them to people of another language asks here.
var detailsZH = sync.OnceValue(func() []detailZH {
	return inChinese([][2]string{
		{`before it was taken in`, "收到时已经过期"},
		{`too many pending`, "待发任务太多"},
		{`user_when is not met: (.*)`, "user_when 不成立：$1"},
		{`once in (\S+), sent (.*)`, "$1 内已经发过：$2"},
		{`rule (\d+ (?:in|per) .*)`, "规则次数上限 $1"},
		{classCap + `(\S+) (\d+ (?:in|per) .*), last (.*)`, "user_limits $1 次数上限 $2，上次 $3"},
		{`(\d+ (?:in|per) .*), last (.*)`, "用户次数上限 $1，上次 $2"},
		{`no free slot before (.*)`, "没有空名额，最早 $1"},
		{`the slot is reserved before (.*)`, "名额是预留的，最早 $1"}, // of older releases
		{`the slot is reserved for (.*) before (.*)`, "名额是预留给规则 $1 的，最早 $2"},
		{`the rule's quota is used: (.*) before (.*)`, "规则的配额 $1 已用完，最早 $2"},
		{`(\d+) of (\d+) approved in time`, "要 $2 人批准，到时只有 $1 人"},
		{`rejected`, "驳回"},
		{`the rule was removed from the rule files`, "规则已从规则文件里删除"},
		{`(\d+) calls in a row did not get through, the last: (.*)`, "连续 $1 次没有连通，最近一次：$2"},
		{`(\d+) ambiguous outcomes in a row, the last: (.*)`, "连续 $1 次结果不明，最近一次：$2"},
		{`(\d+) requests of different events refused in a row, a setting may be wrong; the last: (.*)`, "连续 $1 个不同事件的请求被拒绝，设置可能有错；最近一次：$2"},
		{`handed over to account (\S+): lane (\S+) is stopped: (.*)`, "交给账号 $1：发送通道 $2 停了：$3"},
		{`handed over to account (\S+): (\d+) calls of lane (\S+) in a row did not leave`, "交给账号 $1：发送通道 $3 连续 $2 次没有发出"},
		{`evaluated again with the edited rule: its text differs`, "按改后的规则重新判断：文案不同"},
		{`evaluated again with the edited rule: (.*)`, "按改后的规则重新判断：$1"},
		{overtaken, "等名额期间被更新的一条取代"},
		{outstayed, "前面已有一条在等名额，保留前面那条"},
		{`whoever made the call ended or lost its partition, as after a stall of Kafka, before the outcome was on record`, "发出请求的实例还没记下结果就结束了，或失去了分区（例如 Kafka 卡住之后）"},
		{`the process that made the call ended before its outcome was known`, "发出请求的进程在知道结果之前就结束了"}, // of fates of earlier releases
		{regexp.QuoteMeta(ledger.LostWaiting), "等待期间账本丢失：可能已发出"},
		// what packages rongpush and getui refuse to send, where the value of a field can be the reason
		{notLeft + `([^:]+): (\d+) characters \(UTF-16 units\); at most (\d+)`, "没有发出：$1 有 $2 个字（按 UTF-16 计，一个表情算两个或更多），最多 $3 个"},
		{notLeft + `([^:]+): (\d+) characters; at most (\d+)`, "没有发出：$1 有 $2 个字符，最多 $3 个"},
		{notLeft + `([^:]+): (\d+) bytes; want 1 to (\d+)`, "没有发出：$1 长 $2 字节，应为 1 到 $3"},
		{notLeft + `([^:]+): (".*"): want only (.*)`, "没有发出：$1 $2：只能用 $3"},
		{notLeft + `([^:]+): (".*"): want an https:// address`, "没有发出：$1 $2：应为 https:// 地址"},
		{notLeft + `([^:]+): missing`, "没有发出：缺少 $1"},
	})
})

// How resumedText ends an answer.
const (
	resumed    = `resumed, (\d+) intents? go(?:es)? on`
	resuming   = `resuming: (\d+) intents? (?:was|were) made by an older revision .*`
	resumingZH = "个待发任务是规则旧版本生成的，先重新判断；改后的规则不再生成、或文案不同的，记为 SUPPRESSED(superseded-by-rule-change)"
)

// answersZH are the answers to commands, those of people who look after tags, users and records left out.
var answersZH = sync.OnceValue(func() []detailZH {
	return inChinese([][2]string{
		{`paused`, "已暂停"},
		{`killed, (\d+) intents? (?:is|are) given up`, "已作废，放弃 $1 个待发任务"},
		{`revived`, "已恢复"},
		{`was not killed`, "没有作废"},
		{`cancelled`, "已取消"},
		{`cancelled, with the (\d+) triggers? merged into it`, "已取消，连同并入它的 $1 次触发"},
		{`it is not pending any more: it has its fate; next: notifier fates`, "它已不在等待：已有处理结果；下一步：notifier fates"},
		{`it is in flight: what has left cannot be cancelled; next: notifier fates`, "它正在发送：已发出的不能取消；下一步：notifier fates"},
		{`it is a profile event, whose fields are on record already: it cannot be cancelled`, "它是用户资料事件，字段已经记录：不能取消"},
		{`(\d+) intents? expires? (.+) later`, "$1 个待发任务推迟 $2 过期"},
		{`the rule is killed: it holds nothing`, "规则已作废：没有待发任务"},
		{`(\d+) slots? of (\S+) (?:is|are) charged as used by somebody else, (.*)`, "$2 的 $1 个名额记为别人已用，$3"},
		{`partition (\d+) goes on, (\d+) slots of each scarce lane count as used`, "分区 $1 继续运行，每个有名额的通道按已用 $2 个计算"},
		{`partition (\d+) goes on, (\d+) slots of each scarce lane count as used; the ledger was lost: .*`, "分区 $1 继续运行，每个有名额的通道按已用 $2 个计算；账本已丢失：等待中、没有处理结果的都是 UNKNOWN，用户标签、次数上限和重复记录从空开始"},
		{`noted; partition (\d+) goes on once the same is said of (.*)`, "已记录；对 $2 也说明以后，分区 $1 继续运行"},
		{`the partition is not stopped, or not by what was shown: look again; next: notifier status`, "分区没有停止，或原因和刚才显示的不同：请再看一遍；下一步：notifier status"},
		{`(\d+) intents? (?:is|are) (SENT|SUPPRESSED) now`, "$1 个待发任务现在是 $2"},
		{`the recall of (\S+) is on record as (\S+)`, "对 $1 的撤回记为 $2"},
		{`no such attempt without outcome`, "没有这条结果未知的发送记录"},
		{`the attempt is resolved as (\S+) already, by (.+?): (.*)`, "这条发送记录已经有结论 $1，操作人 $2：$3"},
		{stillOpen + `it is judged when lane (\S+) is back in the settings; next: .*`, "这个请求从 $1 起没有结果，还不是结果未知：设置里有了 $2 之后才有结论；下一步：把账号放回 notifier.yaml 并重启"},
		{stillOpen + `it is made again at (\S+) under the same id; next: (.*)`, "这个请求从 $1 起没有结果，还不是结果未知：$2 用同一个编号再发一次；下一步：$3"},
		{stillOpen + `it is judged at (\S+) at the latest; next: (.*)`, "这个请求从 $1 起没有结果，还不是结果未知：最晚 $2 有结论；下一步：$3"},
		{stillOpen + `the vendor's answer or the time-out decides; next: (.*)`, "这个请求从 $1 起没有结果，还不是结果未知：由厂商的回答或超时决定；下一步：$2"},
		{`rejected: the request is suppressed \(not-approved\)`, "已驳回：这条请求不发了（not-approved）"},
		{`rejected: the tags of (\d+) users stay as they are; the next reload of the rule files asks again`, "已驳回：$1 个用户的标签不变；下次重新加载规则文件时再问"},
		{`approved: the tags of (\d+) users are written, after everything else; how far it is: notifier status`, "已批准：$1 个用户的标签会在其他任务之后写入；进度见 notifier status"},
		{`(\d+) of (\d+) approved: (\d+) more, under another name, must approve`, "要 $2 人批准，已有 $1 人：还差 $3 人，名字不能相同"},
		{`(.+) has approved already; (\d+) more, under another name, must approve`, "$1 已经批准过；还差 $2 人，名字不能相同"},
		{`approved by (.+): it is held by its quiet hours now`, "$1 已批准：现在等免打扰时段结束"},
		{`approved by (.+): it is held by a pause now`, "$1 已批准：现在处于暂停"},
		{`approved by (.+): it is on its way now`, "$1 已批准：正在发送"},
		{`approved by (.+): it is in the queue of lane (\S+) now`, "$1 已批准：在发送通道 $2 排队"},
		{`approved by (.+): it is not pending: it has its fate now`, "$1 已批准：已有处理结果"},
		{`approved by (.+), but it is not sent: SUPPRESSED\((.+)\); next: notifier fates`, "$1 已批准，但不发：SUPPRESSED($2)；下一步：notifier fates"},
		{`approved by (.+), but it is not sent: DEAD\((.+)\); next: notifier fates`, "$1 已批准，但发不出：DEAD($2)；下一步：notifier fates"},
		{`approved by (.+): another of its merge key goes out in its place`, "$1 已批准：由同一合并的另一条请求代替它发出"},
		{`it is approved already, by (.+): it is .+ now`, "$1 已经批准，不再等待批准"},
		{`it needs no approval: it is .+`, "它不需要批准"},
		{`more triggers may still come until (\S+), and change the text: approve it then`, "$1 之前还可能有新的触发，正文会变：到时再批准"},
		{`the brake \(the rule sent (.+?)\) is released; ` + resumed, "已解除刹车（规则已发 $1）；已恢复，$2 个待发任务继续"},
		{`the pause by (\S+) \((.+)\) and the brake \(the rule sent (.+)\) is released; ` + resumed, "已解除 $1 的暂停（$2）和刹车（规则已发 $3）；已恢复，$4 个待发任务继续"},
		{`the pause by (\S+) \((.+)\) is released; ` + resumed, "已解除 $1 的暂停（$2）；已恢复，$3 个待发任务继续"},
		{`the brake \(the rule sent (.+?)\) is released; ` + resuming, "已解除刹车（规则已发 $1）；正在恢复：$2 " + resumingZH},
		{`the pause by (\S+) \((.+)\) and the brake \(the rule sent (.+)\) is released; ` + resuming, "已解除 $1 的暂停（$2）和刹车（规则已发 $3）；正在恢复：$4 " + resumingZH},
		{`the pause by (\S+) \((.+)\) is released; ` + resuming, "已解除 $1 的暂停（$2）；正在恢复：$3 " + resumingZH},
		{`was not paused`, "没有暂停"},
		{`the rule files hold it: (.*); next: edit the rule`, "规则文件让它暂缓：$1；下一步：修改规则"},
		{`the next call of (.+) finds out at once whether the vendor serves it now`, "$1 的下一次请求会立即查明厂商是否已恢复"},
		{`nobody's name stands on it`, "没有写批准人的名字"},
		{`the request does not wait any more: it has its fate; next: notifier fates`, "请求已不再等待：已有处理结果；下一步：notifier fates"},
		{`its rule is killed or removed: it is given up already`, "它的规则已作废或已删除：请求已放弃"},
		{`the request is not the one that was shown: look again; next: notifier approvals list`, "请求和刚才显示的不一样了：请再看一遍；下一步：notifier approvals list"},
		{`too late: nobody's approval was enough in time, the request is suppressed`, "太晚了：到时批准的人数不够，请求已不发"},
		{`no change of tags of account (\S+) waits for approval; next: notifier status`, "账号 $1 没有等待批准的标签变更；下一步：notifier status"},
		{`the change of tags is not the one that was shown, the rules have changed since: look again; next: notifier approvals list`, "标签变更和刚才显示的不一样了，之后规则改过：请再看一遍；下一步：notifier approvals list"},
	})
})

// stillOpen begins the answer about a call that waits for no human yet.
const stillOpen = `the call is open since (\S+) and not without outcome yet: `

// notLeft begins the detail of a request that was refused before it left.
const notLeft = `(?:invalid request|getui): `

// turnsZH are what a Turn waits for.
var turnsZH = sync.OnceValue(func() []detailZH {
	return inChinese([][2]string{
		{noSlot, "没有空名额"},
		{slotReserved + `(.*)`, "名额是预留给规则 $1 的"},
		{shareUsed + `(.*)`, "规则的配额 $1 已用完"},
	})
})

// TurnZH is what a Turn waits for, in Chinese.
func TurnZH(en string) string { return first(turnsZH(), en) }

type detailZH struct {
	en *regexp.Regexp
	zh string
}

func inChinese(pairs [][2]string) (out []detailZH) {
	for _, d := range pairs {
		out = append(out, detailZH{regexp.MustCompile(`(?s)^` + d[0] + `$`), d[1]})
	}
	return out
}

var (
	detailTime   = regexp.MustCompile(`\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:Z|[+-]\d{2}:\d{2})`)
	detailLength = regexp.MustCompile(`\b(?:\d+h)?\d+m\d+s\b`)
)

// DetailAt is a fate's detail for people, with times in a zone and lengths of time without zero parts. In records they stand as Go writes
// them, in UTC.
func DetailAt(detail string, zone *time.Location) string {
	detail = detailTime.ReplaceAllStringFunc(detail, func(s string) string {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return s
		}
		return at.In(zone).Format("2006-01-02 15:04:05 -07:00")
	})
	return detailLength.ReplaceAllStringFunc(detail, func(s string) string {
		if minutes, ok := strings.CutSuffix(s, "m0s"); ok {
			s = minutes + "m"
		}
		if hours, ok := strings.CutSuffix(s, "h0m"); ok {
			s = hours + "h"
		}
		return s
	})
}

// AnswerZH is an owner's answer to a person's approval, rejection or resume in Chinese.
func AnswerZH(en string) string { return first(answersZH(), en) }

// waitedFor is what an intent waited for when it expired, and the brake that paused its rule or what kept the slot from it.
var waitedFor = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^` + waitedForText + `(\w+)(?:, by the brake: the rule sent (.*)|: ` + shareUsed + `(.*)|: ` + slotReserved + `(.*))?$`)
})

// DetailZH is a fate's detail in Chinese; what is not this package's own, as the vendor's words, stays as it is.
func DetailZH(en string) string {
	if m := waitedFor().FindStringSubmatch(en); m != nil {
		state := map[string]string{"merging": "等待合并", "approval": "等待批准", "quiet": "等待免打扰时段结束", "send_at": "等待 send_at 的时间", "quota": "等待名额", "paused": "暂停", "in_flight": "等待厂商回答"}[m[1]]
		zh := cmp.Or(state, "等待 "+m[1]) + "期间过期"
		if m[2] != "" {
			zh += "，自动刹车：规则已发 " + m[2]
		}
		if m[3] != "" {
			zh += "：规则的配额 " + m[3] + " 已用完"
		}
		if m[4] != "" {
			zh += "：名额是预留给规则 " + m[4] + " 的"
		}
		return zh
	}
	return first(detailsZH(), en)
}

// first translates by the pattern that meets the text, and leaves one that none meets.
func first(patterns []detailZH, en string) string {
	for _, d := range patterns {
		if d.en.MatchString(en) {
			return d.en.ReplaceAllString(en, d.zh)
		}
	}
	return en
}
