package explain

import (
	"fmt"
	"strings"

	"github.com/notifier/notifier/internal/diag"
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

// whyZH is why a field has no usable value.
func whyZH(en string) string {
	switch {
	case en == "missing" || en == "absent":
		return "没有"
	case en == "unknown":
		return "没有人说过"
	case strings.HasSuffix(en, " is none of its values"):
		return strings.TrimSuffix(en, " is none of its values") + " 不是可选值"
	}
	if value, typ, ok := strings.Cut(en, " is no "); ok && types[typ] != "" {
		return value + " 不是" + types[typ]
	}
	return ""
}

var types = map[string]string{"string": "文字", "number": "数字", "bool": "真假值", "time": "时间", "list": "列表"}
