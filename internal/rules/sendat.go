package rules

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
)

var timeOfDay = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])$`)

// sendAt reads the time of day at which the rule's requests leave.
func (l *loader) sendAt(n *diag.Node, r *Rule) {
	at := n.Get("send_at")
	if at == nil {
		return
	}
	if r.Action == intent.Tags {
		n.Key("send_at").Error("N534", diag.Text{EN: "tags do not wait for a time of day", ZH: "标签不等到几点再发"}, diag.Text{EN: "remove it: `tags.delay` of the settings says how long they wait", ZH: "请删掉：标签等多久由设置里的 `tags.delay` 决定"})
		return
	}
	text, ok := at.String()
	if !ok {
		return
	}
	m := timeOfDay.FindStringSubmatch(text)
	if m == nil && at.Wide(timeOfDay.MatchString) {
		return
	}
	if m == nil {
		d := at.Error("N534", diag.Text{EN: "`" + text + "` is not a time of day", ZH: "`" + text + "` 不是一天里的时间"}, diag.Text{EN: "two digits each, in quotation marks: \"09:00\", up to \"23:59\"", ZH: "时和分各两位，加引号：\"09:00\"，最晚 \"23:59\""})
		if fix := clockMeant(text); fix != "" {
			better(d, `"`+fix+`"`)
		}
		return
	}
	hour, _ := strconv.Atoi(m[1])
	minute, _ := strconv.Atoi(m[2])
	minute += hour * 60
	r.policy.SendAt = &minute
}

// holds reports whether quiet hours hold at a minute of the day, on the days on which they do.
func holds(q intent.Quiet, minute int) bool {
	if q.From > q.To {
		return minute >= q.From || minute < q.To
	}
	return minute >= q.From && minute < q.To
}

// waits judges send_at beside quiet hours and expire. It runs when the limits have been read.
func (r *Rule) waits(n *diag.Node) {
	p := r.policy
	r.addUp(n)
	if p.SendAt == nil {
		return
	}
	at := n.Get("send_at")
	for _, q := range p.Quiet {
		switch {
		case !holds(q, *p.SendAt) || q.Weekdays != 0 && q.Weekdays != 1<<7-1:
		case p.DropOn:
			at.Error("N535", diag.Text{EN: "`send_at` lies in the quiet hours, which drop: nothing would ever be sent", ZH: "`send_at` 在免打扰时段里，而那时不发：永远发不出去"}, diag.Text{EN: "a time outside of them, or `when_quiet: hold`", ZH: "请改成时段外的时间，或写 `when_quiet: hold`"})
		default:
			end := fmt.Sprintf("%02d:%02d", q.To/60, q.To%60)
			at.Warn("W535", diag.Text{EN: "`send_at` lies in the quiet hours: what waits for it leaves at " + end, ZH: "`send_at` 在免打扰时段里：要到 " + end + " 才发出"}, diag.Text{EN: "write `send_at: \"" + end + "\"`", ZH: "请直接写 `send_at: \"" + end + "\"`"})
		}
	}
	if r.expire > 0 && r.expire < 24*time.Hour {
		at.Warn("W536", diag.Text{EN: "`send_at` waits up to 24 hours, but the message expires after " + diag.FormatDuration(r.expire), ZH: "`send_at` 最多要等 24 小时，但 " + diag.FormatDuration(r.expire) + " 就过期作废了"},
			diag.Text{EN: "a longer `expire`: what comes too early for the time is not sent", ZH: "请加长 `expire`：来得太早的消息等不到那个时间"})
	}
}

// addUp warns of waits that follow each other and together outlast the message. What outlasts it alone is told by others.
func (r *Rule) addUp(n *diag.Node) {
	p := r.policy
	var sum time.Duration
	var en, zh []string
	add := func(d time.Duration, inEN, inZH string) {
		if d > 0 {
			sum += d
			en, zh = append(en, inEN+" "+diag.FormatDuration(d)), append(zh, inZH+" "+diag.FormatDuration(d))
		}
	}
	told := false // a wait is longer alone
	if m := r.merge; m != nil {
		told = max(m.wait, m.max) >= r.expire
		add(max(m.wait, m.max), "merging", "合并")
	}
	if p.Approval != nil {
		told = told || p.Approval.Within > r.expire
		add(p.Approval.Within, "approval", "批准")
	}
	quiet := longestQuiet(p.Quiet)
	if p.SendAt != nil {
		told = told || 24*time.Hour > r.expire
		add(24*time.Hour, "`send_at`", "`send_at`")
		quiet = 0
		for _, q := range p.Quiet { // they may hold on when its time has come
			if rest := time.Duration((q.To-*p.SendAt+24*60)%(24*60)) * time.Minute; holds(q, *p.SendAt) {
				quiet = max(quiet, rest)
			}
		}
	}
	if !p.DropOn && quiet < week {
		told = told || quiet >= r.expire
		add(quiet, "quiet hours", "免打扰时段")
	}
	if r.expire == 0 || told || len(en) < 2 || sum <= r.expire {
		return
	}
	at := n.Get("limits").Get("expire")
	if at == nil {
		at = n.Key("limits")
	}
	if at == nil {
		at = n
	}
	at.Warn("W536", diag.Text{EN: "what waits one after the other adds up to " + diag.FormatDuration(sum) + " (" + strings.Join(en, ", ") + "), but the message expires after " + diag.FormatDuration(r.expire),
		ZH: "几个等待加起来最多 " + diag.FormatDuration(sum) + "（" + strings.Join(zh, "、") + "），但 " + diag.FormatDuration(r.expire) + " 就过期作废了"},
		diag.Text{EN: "a longer `expire`, or shorter waits", ZH: "加长 `expire`，或缩短等待"})
}
