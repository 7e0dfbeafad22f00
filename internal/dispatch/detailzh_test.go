package dispatch

import (
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/ledger"
)

// What stage 2 adds to a fate reads in Chinese; a vendor's words stay as they are.
func TestDetailsInChinese(t *testing.T) {
	t.Parallel()
	for en, want := range map[string]string{
		"before it was taken in":      "收到时已经过期",
		"too many pending":            "待发任务太多",
		"while it waited for merging": "等待合并期间过期",
		"while it waited for quota":   "等待名额期间过期",
		"while it waited for send_at": "等待 send_at 的时间期间过期",
		"while it waited for paused":  "暂停期间过期",
		"while it waited for quota: the rule's quota is used: 1 per day":       "等待名额期间过期：规则的配额 1 per day 已用完",
		"while it waited for quota: the slot is reserved for storm":            "等待名额期间过期：名额是预留给规则 storm 的",
		"while it waited for paused, by the brake: the rule sent 500 in 10m0s": "暂停期间过期，自动刹车：规则已发 500 in 10m0s",
		"user_when is not met: push_ok and (level == \"vip\")":                 "user_when 不成立：push_ok and (level == \"vip\")",
		"once in 24h0m0s, sent 2026-11-21T22:41:07Z":                           "24h0m0s 内已经发过：2026-11-21T22:41:07Z",
		"rule 100 in 1h0m0s":                                                              "规则次数上限 100 in 1h0m0s",
		"rule 1 per day":                                                                  "规则次数上限 1 per day",
		"no free slot before 2026-11-21T22:41:07Z":                                        "没有空名额，最早 2026-11-21T22:41:07Z",
		"the slot is reserved before 2026-11-21T22:41:07Z":                                "名额是预留的，最早 2026-11-21T22:41:07Z",
		"the rule's quota is used: 1 per day before 2026-11-21T22:41:07Z":                 "规则的配额 1 per day 已用完，最早 2026-11-21T22:41:07Z",
		"the slot is reserved for storm, flood before 2026-11-21T22:41:07Z":               "名额是预留给规则 storm, flood 的，最早 2026-11-21T22:41:07Z",
		"1 in 24h, last 2026-11-21T22:41:07Z":                                             "用户次数上限 1 in 24h，上次 2026-11-21T22:41:07Z",
		"user_limits marketing 4 per day, last 2026-11-21T22:41:07Z":                      "user_limits marketing 次数上限 4 per day，上次 2026-11-21T22:41:07Z",
		"1 of 2 approved in time":                                                         "要 2 人批准，到时只有 1 人",
		"rejected":                                                                        "驳回",
		"the rule was removed from the rule files":                                        "规则已从规则文件里删除",
		"handed over to account second: lane main/user is stopped: credentials":           "交给账号 second：发送通道 main/user 停了：credentials",
		"handed over to account second: 3 calls of lane main/user in a row did not leave": "交给账号 second：发送通道 main/user 连续 3 次没有发出",
		overtaken: "等名额期间被更新的一条取代",
		outstayed: "前面已有一条在等名额，保留前面那条",
		"evaluated again with the edited rule: its text differs":                                  "按改后的规则重新判断：文案不同",
		"evaluated again with the edited rule: no match":                                          "按改后的规则重新判断：no match",
		"7 calls in a row did not get through, the last: refused":                                 "连续 7 次没有连通，最近一次：refused",
		"3 ambiguous outcomes in a row, the last: timed out":                                      "连续 3 次结果不明，最近一次：timed out",
		"5 requests of different events refused in a row, a setting may be wrong; the last: 1002": "连续 5 个不同事件的请求被拒绝，设置可能有错；最近一次：1002",
		ownerGone: "发出请求的实例还没记下结果就结束了，或失去了分区（例如 Kafka 卡住之后）",
		"the process that made the call ended before its outcome was known": "发出请求的进程在知道结果之前就结束了",
		ledger.LostWaiting: "等待期间账本丢失：可能已发出",
		"invalid request: notification.title: 57 characters (UTF-16 units); at most 50": "没有发出：notification.title 有 57 个字（按 UTF-16 计，一个表情算两个或更多），最多 50 个",
		"getui: payload: 4000 characters; at most 3072":                                 "没有发出：payload 有 4000 个字符，最多 3072 个",
		"invalid request: user id: 70 bytes; want 1 to 64":                              "没有发出：user id 长 70 字节，应为 1 到 64",
		`invalid request: user id: "a b": want only A-Z a-z 0-9 + = - _`:                `没有发出：user id "a b"：只能用 A-Z a-z 0-9 + = - _`,
		`invalid request: image: "http://a": want an https:// address`:                  `没有发出：image "http://a"：应为 https:// 地址`,
		"getui: title: missing": "没有发出：缺少 title",
		"the tag is not valid":  "the tag is not valid",
		"":                      "",
	} {
		if got := DetailZH(en); got != want {
			t.Errorf("%q is %q, want %q", en, got, want)
		}
	}
}

// A record holds times in UTC and lengths of time with all their zeros; people read neither.
func TestDetailsAreShownInTheZoneOfTheSettings(t *testing.T) {
	t.Parallel()
	shanghai := time.FixedZone("CST", 8*3600)
	for detail, want := range map[string]string{
		"once in 24h0m0s, sent 2026-01-05T04:00:00Z":                      "once in 24h, sent 2026-01-05 12:00:00 +08:00",
		"rule 100 in 1h0m0s":                                              "rule 100 in 1h",
		"rule 100 in 1h30m0s":                                             "rule 100 in 1h30m",
		"rule 100 in 10m0s":                                               "rule 100 in 10m",
		"rule 100 in 1m30s":                                               "rule 100 in 1m30s",
		"no free slot before 2026-11-21T22:41:07+08:00":                   "no free slot before 2026-11-21 22:41:07 +08:00",
		"the rule's quota is used: 1 per day before 2026-01-05T04:00:00Z": "the rule's quota is used: 1 per day before 2026-01-05 12:00:00 +08:00",
		"rejected": "rejected",
	} {
		if got := DetailAt(detail, shanghai); got != want {
			t.Errorf("%q is %q, want %q", detail, got, want)
		}
	}
	if got := DetailZH(DetailAt("once in 24h0m0s, sent 2026-01-05T04:00:00Z", shanghai)); got != "24h 内已经发过：2026-01-05 12:00:00 +08:00" {
		t.Error(got)
	}
}

// What an owner answers to an approval or a rejection reads in Chinese; so does wherever the request is then.
func TestAnswersInChinese(t *testing.T) {
	t.Parallel()
	for en, want := range map[string]string{
		"rejected: the request is suppressed (not-approved)":                                                     "已驳回：这条请求不发了（not-approved）",
		"approved by anna and bob: it is in the queue of lane main/broadcast now":                                "anna and bob 已批准：在发送通道 main/broadcast 排队",
		"1 of 2 approved: 1 more, under another name, must approve":                                              "要 2 人批准，已有 1 人：还差 1 人，名字不能相同",
		"approved: the tags of 12 users are written, after everything else; how far it is: notifier status":      "已批准：12 个用户的标签会在其他任务之后写入；进度见 notifier status",
		"rejected: the tags of 12 users stay as they are; the next reload of the rule files asks again":          "已驳回：12 个用户的标签不变；下次重新加载规则文件时再问",
		"more triggers may still come until 2026-12-01T00:00:00Z, and change the text: approve it then":          "2026-12-01T00:00:00Z 之前还可能有新的触发，正文会变：到时再批准",
		"the brake (the rule sent 5 in 10m0s) is released; resumed, 3 intents go on":                             "已解除刹车（规则已发 5 in 10m0s）；已恢复，3 个待发任务继续",
		"the pause by li (lunch (long)) is released; resumed, 3 intents go on":                                   "已解除 li 的暂停（lunch (long)）；已恢复，3 个待发任务继续",
		"the pause by li (lunch) and the brake (the rule sent 5 in 10m0s) is released; resumed, 3 intents go on": "已解除 li 的暂停（lunch）和刹车（规则已发 5 in 10m0s）；已恢复，3 个待发任务继续",
		releasedText(ledger.Pause{By: "li", Why: "lunch"}) + resumedText(1, 0):                                   "已解除 li 的暂停（lunch）；已恢复，1 个待发任务继续",
		releasedText(ledger.Pause{By: "li", Why: "lunch"}) + resumedText(0, 1):                                   "已解除 li 的暂停（lunch）；正在恢复：1 个待发任务是规则旧版本生成的，先重新判断；改后的规则不再生成、或文案不同的，记为 SUPPRESSED(superseded-by-rule-change)",
		releasedText(ledger.Pause{By: "li", Why: "lunch"}) + resumedText(0, 2):                                   "已解除 li 的暂停（lunch）；正在恢复：2 个待发任务是规则旧版本生成的，先重新判断；改后的规则不再生成、或文案不同的，记为 SUPPRESSED(superseded-by-rule-change)",
		"was not paused": "没有暂停",
		"paused":         "已暂停",
		"killed, " + many(1, "intent is given up", "intents are given up"):                                           "已作废，放弃 1 个待发任务",
		"cancelled, with the " + many(3, "trigger", "triggers") + " merged into it":                                  "已取消，连同并入它的 3 次触发",
		many(2, "intent expires", "intents expire") + " 2h later":                                                    "2 个待发任务推迟 2h 过期",
		many(2, "intent is", "intents are") + " SENT now":                                                            "2 个待发任务现在是 SENT",
		"the attempt is " + resolvedNotSent + " already, by li: no":                                                  "这条发送记录已经有结论 not-sent，操作人 li：no",
		"1 slot of main/broadcast is charged as used by somebody else, 2 in 1h: 1/2":                                 "main/broadcast 的 1 个名额记为别人已用，2 in 1h: 1/2",
		"partition 0 goes on, 2 slots of each scarce lane count as used":                                             "分区 0 继续运行，每个有名额的通道按已用 2 个计算",
		"partition 0 goes on, 2 slots of each scarce lane count as used; the ledger was lost: what waited and so on": "分区 0 继续运行，每个有名额的通道按已用 2 个计算；账本已丢失：等待中、没有处理结果的都是 UNKNOWN，用户标签、次数上限和重复记录从空开始",
		"the rule files hold it: mode: off; next: edit the rule":                                                     "规则文件让它暂缓：mode: off；下一步：修改规则",
		"the next call of main/user, main/tags finds out at once whether the vendor serves it now":                   "main/user, main/tags 的下一次请求会立即查明厂商是否已恢复",
		"approved by anna, but it is not sent: SUPPRESSED(quiet); next: notifier fates":                              "anna 已批准，但不发：SUPPRESSED(quiet)；下一步：notifier fates",
		"approved by anna: another of its merge key goes out in its place":                                           "anna 已批准：由同一合并的另一条请求代替它发出",
		"it is approved already, by anna: it is held by a pause now":                                                 "anna 已经批准，不再等待批准",
		"the settings of this instance have no such account":                                                         "the settings of this instance have no such account",
	} {
		if got := AnswerZH(en); got != want {
			t.Errorf("%q is %q, want %q", en, got, want)
		}
	}
	if got := resumedText(0, 1); !strings.HasPrefix(got, "resuming: 1 intent was made by an older revision of its rule and is evaluated again first; ") {
		t.Errorf("%q", got)
	}
	for _, at := range []state{quiet, paused, inFlight, queued, gone} {
		it := &item{berth: &berth{ac: &account{Account: &Account{Name: "main"}}, route: Route{Lane: "user"}}, state: at}
		if en := "approved by anna: it is " + whereabouts(it) + " now"; AnswerZH(en) == en {
			t.Errorf("%q has no Chinese", en)
		}
	}
}
