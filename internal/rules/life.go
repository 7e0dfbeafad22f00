package rules

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
)

// life is when a rule acts: from the first moment, until the first one after, each zero where there is no bound.
type life struct{ from, until time.Time }

// life reads from and until. Whether a rule is alive is asked of the event's time, as package event gives it (a time ahead of the
// broker's is the broker's), not of the clock: so a verdict is the same in every instance, when a batch is evaluated again after a
// crash, and when old events are tried with a rule; and an event of the last minute counts although a backlog delays it, within the
// rule's expire.
func (l *loader) life(n *diag.Node, r *Rule) {
	for _, key := range []string{"from", "until"} {
		if k := n.Key(key); k != nil && r.Action == intent.Tags {
			k.Error("N531", diag.Text{EN: "a tag rule has no `" + key + "`: tags follow the profile, not the clock", ZH: "标签规则不用 `" + key + "`：标签跟着用户资料走，不看时间"},
				diag.Text{EN: "remove it; `mode: off` takes the rule's tags away", ZH: "请删掉；要停用请写 `mode: off`"})
			return
		}
	}
	from, until := n.Get("from"), n.Get("until")
	if from == nil && until == nil {
		return
	}
	r.life = &life{l.moment(from), l.moment(until)}
	switch {
	case r.life.until.IsZero():
	case !r.life.from.IsZero() && !r.life.until.After(r.life.from):
		until.Error("N532", diag.Text{EN: "`until` is not after `from`: the rule would never act", ZH: "`until` 不晚于 `from`：规则永远不会触发"}, diag.Text{EN: "a later `until`, or an earlier `from`", ZH: "请把 `until` 改晚，或把 `from` 改早"})
	case !r.life.until.After(l.opt.Now):
		until.Warn("W532", diag.Text{EN: "the rule is over: it acts on no event from `until` on", ZH: "这条规则已经结束：`until` 之后的事件不再触发"}, diag.Text{EN: "remove the rule, or a later `until`", ZH: "请删掉这条规则，或把 `until` 改晚"})
	}
}

// alive reports whether the rule acts on events of a time: from is the first moment, until the first one after.
func (r *Rule) alive(at time.Time) bool {
	l := r.life
	return l == nil || (l.from.IsZero() || !at.Before(l.from)) && (l.until.IsZero() || at.Before(l.until))
}

// Life gives from and until of the rule, zero where it has no bound, and whether it acts on events of a time.
func (r *Rule) Life(at time.Time) (from, until time.Time, alive bool) {
	if r.life != nil {
		from, until = r.life.from, r.life.until
	}
	return from, until, r.alive(at)
}

// bounded reports whether the rule has a life of its own.
func (r *Rule) bounded() bool { return r.life != nil }

var momentText = regexp.MustCompile(`^([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?$`)

// moment reads a date and time, with its zone or in the settings'.
func (l *loader) moment(n *diag.Node) time.Time {
	text, ok := n.String()
	if !ok {
		return time.Time{}
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t
	}
	m := momentText.FindStringSubmatch(text)
	if m == nil && n.Wide(momentText.MatchString) {
		return time.Time{}
	}
	if m == nil {
		hint := diag.Text{EN: "like 2026-11-11 00:00 (in the settings' timezone) or 2026-11-11T00:00:00+08:00", ZH: "例如 2026-11-11 00:00（按设置里的时区），或 2026-11-11T00:00:00+08:00"}
		if day := dayInChinese.FindStringSubmatch(text); day != nil && day[4] == "" {
			n.Error("N531", diag.Text{EN: "`" + text + "` is a whole day: from which time of it?", ZH: "`" + text + "` 只有日期：从当天几点算？"}, hint)
			return time.Time{}
		}
		better(n.Error("N531", diag.Text{EN: "`" + text + "` is not a date and time", ZH: "`" + text + "` 不是日期时间"}, hint), dayMeant(text))
		return time.Time{}
	}
	var p [6]int
	for i := range p {
		p[i], _ = strconv.Atoi(m[i+1]) // digits, or none for the seconds
	}
	if _, err := time.Parse("2006-1-2 15:4:5", fmt.Sprintf("%d-%d-%d %d:%d:%d", p[0], p[1], p[2], p[3], p[4], p[5])); err != nil {
		n.Error("N531", diag.Text{EN: "there is no such time: `" + text + "`", ZH: "没有这个时间：`" + text + "`"}, diag.Text{EN: "check the day of the month and the hour, which is 00 to 23", ZH: "请检查日期，小时是 00 到 23"})
		return time.Time{}
	}
	return intent.Wall(p[0], time.Month(p[1]), p[2], p[3], p[4], p[5], l.opt.Zone)
}
