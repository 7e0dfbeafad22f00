package app

import (
	"regexp"
	"strings"
	"sync"

	"github.com/notifier/notifier/internal/dispatch"
)

// whyZH are the sentences of the walk and what they are in Chinese. A view is one for machines too, so it has them in English, and who shows it
// to people of another language asks here. A sentence may have several: each is put in its place.
var whyZH = sync.OnceValue(func() (out []struct {
	en *regexp.Regexp
	zh string
}) {
	for _, p := range [][2]string{
		{`^partition (\d+) is stopped: `, "分区 $1 停止："},
		{`^no instance runs$`, "没有实例在运行"},
		{`^no instance evaluates events$`, "没有实例在计算规则"},
		{`^no instance sends$`, "没有实例在发送"},
		{`^(.+) evaluate, (.+) send$`, "$1 计算规则，$2 发送"},
		{`^not known: the rule files here have errors$`, "无法得知：这里的规则文件有错误"},
		{`^(\S+)\[(\d+)\] is stopped: the group's offset (\d+) is not in the log any more$`, "$1[$2] 停止了：日志里已没有要读的位置 $3"},
		{`^(\S+)\[(\d+)\]: an open transaction of its producer holds back (\d+) offsets? from offset (\d+) on$`, "$1[$2]：生产者有未结束的事务，从位置 $4 起挡住了 $3 条"},
		{`^reading is (\d+) records? behind, most in (\S+) at offset (\d+)$`, "还有 $1 条没有读，最多的是 $2，读到 $3"},
		{`^(\S+\[\d+\]) was never begun: nobody reads the (\d+) offsets? in it$`, "$1 从未开始读：里面的 $2 条没有人读"},
		{`^(\S+\[\d+\]) and (\d+) more partitions were never begun: nobody reads the (\d+) offsets in them$`, "$1 和另外 $2 个分区从未开始读：里面的 $3 条没有人读"},
		{`^(\d+) records? behind, no open transaction$`, "还有 $1 条没有读，没有未结束的事务"},
		{`^the rule files of (.+?) have errors, the last good set is live: `, "$1 的规则文件有错误，仍用上一份好的："},
		{`^the instances go by different rules: `, "各实例的规则不一样："},
		{`^no instance has said which rules it goes by`, "没有实例说明自己用的规则"},
		{`^revision (\S+?)(;|$)`, "规则版本 $1$2"},
		{`; the files here have errors$`, "；这里的规则文件有错误"},
		{`; the files here are (\S+)$`, "；这里的文件是 $1"},
		{`^(\d+) of (\d+) tag rules are live$`, "$2 条标签规则里有 $1 条 live"},
		{`^there is no rule (\S+) in the files$`, "规则文件里没有规则 $1"},
		{`^its mode is (\S+)`, "它的 mode 是 $1"},
		{`^its life is (.+) to (.+)$`, "它的有效期是 $1 到 $2"},
		{`^(\S+) is paused by (.+?): `, "$1 已暂停，操作人 $2："},
		{`^the brake of (\S+) has paused it: `, "$1 被自动刹车暂停："},
		{`; its brake had paused it before: (.+), since (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)`, "；之前已被自动刹车暂停：$1，从 $2 起"},
		{`\bthe rule sent (\d+ (?:in|per) \S+)`, "规则已发 $1"},
		{`^the rule files hold what rule (\S+) has made: `, "规则文件不让规则 $1 的待发任务发出："},
		{`; being lifted by (.+): what was made before an edit is evaluated again first`, "；$1 正在恢复：改动之前产生的先重新计算"},
		{`; beside that (\d+) intents? (?:is|are) held, the first of rule (\S+): ` + noAccount + `$`, "；另有 $1 个待发任务被暂停，第一个属于规则 $2：设置里没有它的账号"},
		{`^rule (\S+) is killed by (.+?): `, "规则 $1 已作废，操作人 $2："},
		{`^(\d+) intents? (?:is|are) held, the first of rule (\S+): `, "$1 个待发任务被暂停，第一个属于规则 $2："},
		{`^none$`, "没有"},
		{`: ` + noAccount + `$`, "：设置里没有它的账号"},
		{`^(\d+) requests? waits? for people, the first of rule (\S+)$`, "$1 个请求等人批准，第一个属于规则 $2"},
		{`^a change of the tags of (\d+) users? of account (\S+) waits for people$`, "账号 $2 有 $1 个用户的标签变更等人批准"},
		{`^nothing waits for people$`, "没有等人批准的"},
		{`^nothing is held$`, "没有在等的"},
		{`^(\d+) intents? (?:is|are) held by quiet hours or send_at, the first of rule (\S+) until (.+)$`, "$1 个待发任务在等免打扰时段或 send_at，第一个属于规则 $2，到 $3"},
		{`^the last intent was not stopped by a limit$`, "最近的待发任务没有被限制拦下"},
		{`^the last intent, of rule (\S+), was suppressed \((\S+)\)`, "最近的待发任务（规则 $1）没有发（$2）"},
		{`^nothing waits for a slot$`, "没有在等名额的"},
		{`^(\d+) requests? waits? for a slot of (\S+), the next is free at ([^(]+) \(`, "$1 个请求在等 $2 的名额，下一个 $3 空出 ("},
		{`^(\d+) requests? waits? for a slot of (\S+), the first of rule (\S+), not before (\S+ \S+ \S+): (.+?) \(`, "$1 个请求在等 $2 的名额，第一个属于规则 $3，不早于 $4：$5 ("},
		{`(\d+) slots? used by somebody else`, "别人用掉 $1 个名额"},
		{`^no predecessor left a call open`, "没有前一个实例留下的请求"},
		{`^an owner before left call (\S+) of lane (\S+) open: what it touches is held until its outcome is decided, at the latest (.+)$`, "前一个实例留下 $2 的请求 $1 还没有结果：相关的要等到有结论，最晚 $3"},
		{`^an owner before left call (\S+) of lane (\S+) open, and ` + noAccount + `: .*$`, "前一个实例留下 $2 的请求 $1 还没有结果，设置里又没有它的账号：账号恢复之后才有结论"},
		{`; (\S+) rests until (.+?), since reads are on no record and a start waits for one window`, "；$1 休息到 $2：读标签不留记录，所以启动之后先等一个窗口"},
		{`: 1 user who is forgotten keeps the tags until then`, "：1 个已删除的用户到那时才清除标签"},
		{`: (\d+) users who are forgotten keep their tags until then`, "：$1 个已删除的用户到那时才清除标签"},
		{`^the vendor takes them$`, "厂商接受凭证"},
		{`^lane (\S+) is stopped \((\S+)\): `, "发送通道 $1 停止（$2）："},
		{`^no lane is stopped$`, "没有停止的发送通道"},
		{`^lane (\S+) does not get through: `, "发送通道 $1 连不通："},
		{`; tried again with the next request that may leave$`, "；下一个可以发出的请求会再试"},
		{`; tried again (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)$`, "；$1 再试"},
		{`^nothing was sent in the last 24 h$`, "24 小时内没有发出过"},
		{`^rule (\S+), event (.+), (\S+)$`, "规则 $1，事件 $2，$3"},
		// what to type next
		{`^(docs/runbook\.zh-CN\.md#stopped-partition), then `, "$1，然后 "},
		{`^look at the log of `, "看日志："},
		{`^put account (\S+) back in notifier.yaml and restart; `, "把账号 $1 放回 notifier.yaml 并重启；"},
		{`^decide from where it is read, `, "先决定从哪里读，"},
		{`^kafka-transactions.sh find-hanging, or restart that producer$`, "kafka-transactions.sh find-hanging，或重启那个生产者"},
		{`^look at the log; if it stands at one record: `, "看日志；如果停在一条记录上："},
		{`^if the instances go by other rule files, roll these out; else look at the log of `, "如果实例用的是别的规则文件，发布这些文件；否则看日志："},
		{`^roll out the same rule files everywhere$`, "让所有实例的规则文件一致"},
		{`^mode: live in a rule file$`, "在规则文件里写 mode: live"},
		{`^mode: live in (\S+)$`, "在 $1 里写 mode: live"},
		{`^from and until in (\S+)$`, "看 $1 里的 from 和 until"},
		{`^(notifier explain --event) FILE$`, "$1 文件"},
	} {
		out = append(out, struct {
			en *regexp.Regexp
			zh string
		}{regexp.MustCompile(p[0]), strings.NewReplacer("$1", "${1}", "$2", "${2}", "$3", "${3}", "$4", "${4}", "$5", "${5}").Replace(p[1])})
	}
	return out
})

// What package dispatch says within a sentence.
var (
	laneDetail = regexp.MustCompile(`^lane \S+ (?:is stopped \(\S+\)|does not get through): (.*); tried again`)
	turnDetail = regexp.MustCompile(`, not before \S+ \S+ \S+: (.+?) \(`)
)

// WhyZH is a sentence of the walk, or what it says to type next, in Chinese. The words of people and of the vendor stay as they are.
func WhyZH(en string) string {
	if m := laneDetail.FindStringSubmatchIndex(en); m != nil {
		en = en[:m[2]] + dispatch.DetailZH(en[m[2]:m[3]]) + en[m[3]:]
	}
	if m := turnDetail.FindStringSubmatchIndex(en); m != nil {
		en = en[:m[2]] + dispatch.TurnZH(en[m[2]:m[3]]) + en[m[3]:]
	}
	for _, p := range whyZH() {
		en = p.en.ReplaceAllString(en, p.zh)
	}
	return en
}
