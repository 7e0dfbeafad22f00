package explain

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
)

// say writes for people of a language. Rule files, fates and what JSON has stay as they are: they are names.
type say diag.Lang

// line is a sentence: in both languages if both are asked for.
func (s say) line(en, zh string, args ...any) string {
	if len(args) > 0 {
		en, zh = fmt.Sprintf(en, args...), fmt.Sprintf(zh, args...)
	}
	return diag.Text{EN: en, ZH: zh}.In(diag.Lang(s))
}

// word is a part of a line: Chinese only where everything is.
func (s say) word(en, zh string, args ...any) string {
	if diag.Lang(s) == diag.ZH {
		en = zh
	}
	if len(args) == 0 {
		return en
	}
	return fmt.Sprintf(en, args...)
}

// told is a text of this package's own, in Chinese if there is one.
func (s say) told(en, zh string) string {
	if zh == "" {
		return en
	}
	if diag.Lang(s) == diag.ZH {
		return zh
	}
	return en
}

// gate is what a gate is called in a sentence.
func (s say) gate(name string) string {
	if name == "share" { // the rule's key for it
		name = "quota"
	}
	return s.told(name, gatesZH[name])
}

// whyOf is the command that tells why a rule waits.
func whyOf(rule string) string { return "notifier status --why --rule " + rule }

// stopped names the reason for which a lane is stopped.
func (s say) stopped(reason string) string {
	zh := map[string]string{"credentials": "凭证", "service": "厂商未开通", "breaker": "熔断", "clock": "时钟", "takeover": "接管"}[reason]
	return s.word("lane stopped (%s)", "通道停止（%s）", s.told(reason, zh))
}

// fate is a fate with its reason: the record has the words, the manual explains them.
func (s say) fate(kind ledger.FateKind, reason ledger.Reason) string {
	zh := map[ledger.FateKind]string{ledger.Sent: "已发出", ledger.Coalesced: "已并入", ledger.Suppressed: "不发", ledger.Dead: "死信", ledger.FateUnknown: "结果未知"}[kind]
	en := string(kind)
	if reason != "" {
		en += " " + string(reason)
		zh += "（" + string(reason) + "）"
	}
	return s.told(en, string(kind)+" "+zh)
}

// action is what a request does.
func (s say) action(what string) string {
	return s.told(what, map[string]string{"tags": "标签", "push": "推送", "broadcast": "人群推送", "message": "消息"}[what])
}

// mode is a rule's, as rule files write it.
func (f *Rule) mode(s say) string {
	if f.rule != nil && f.rule.Mode == rules.Canary {
		_, below := f.rule.CanaryOf("")
		return s.word("canary %d%%", "canary %d%% 灰度", below)
	}
	return s.told(f.Mode, map[string]string{"live": "live", "shadow": "shadow 试运行", "canary": "canary 灰度", "off": "off"}[f.Mode])
}

// DetailZH is what stage 1 and stage 2 add to a reason, in Chinese as far as the words are their own.
func DetailZH(en string) string { return dispatch.DetailZH(rules.FaultZH(en)) }

// HoldsZH is what package app says holds an intent, beside the gates.
func HoldsZH(en string) string {
	for _, by := range [][2]string{{"pause and brake ", "暂停和刹车 "}, {"pause ", "暂停 "}, {"brake ", "刹车 "}} {
		if scope, ok := strings.CutPrefix(en, by[0]); ok {
			return by[1] + scope
		}
	}
	if rest, ok := strings.CutPrefix(en, "take-over: an owner before left call "); ok {
		return "接管：前一个实例留下的请求 " + strings.TrimSuffix(rest, " open") + " 还没有结果"
	}
	if why, ok := strings.CutPrefix(en, dispatch.CannotLeave); ok {
		return "照这样发不出去，轮到时成为 DEAD：" + why
	}
	if why, ok := strings.CutPrefix(en, "the rule files: "); ok {
		return "规则文件：" + cmp.Or(map[string]string{dispatch.GoneFromSet: "里面没有这条规则"}[why], why)
	}
	return cmp.Or(map[string]string{"its account is not in the settings": "设置里没有它的账号", "the rule is killed": "规则已作废"}[en], en)
}

// HeldByFilesZH is why the rule files hold what a rule has made.
func HeldByFilesZH(why string) string {
	return cmp.Or(map[string]string{dispatch.GoneFromSet: "规则文件里没有这条规则"}[why], why)
}

// seenZH is a clause with its values. A field without one stands there as a word of ours, outside of quotation marks.
func seenZH(en string) string {
	var b strings.Builder
	word, quoted := 0, false // where the word begins that is being read
	flush := func(to int) {
		b.WriteString(cmp.Or(map[string]string{"missing": "没有", "absent": "没有", "unknown": "没有人说过"}[en[word:to]], en[word:to]))
	}
	for i := 0; i < len(en); i++ {
		switch c := en[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			if quoted = !quoted; quoted {
				flush(i)
				word = i
			}
		case !quoted && (c == ' ' || c == '(' || c == ')' || c == ',' || c == '[' || c == ']'):
			flush(i)
			b.WriteByte(c)
			word = i + 1
		}
	}
	flush(len(en))
	return b.String()
}
