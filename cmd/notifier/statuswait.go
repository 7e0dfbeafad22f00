package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

// idle is what status --wait waits for.
const idle = "idle"

// How often status --wait looks, and how often it says so where nothing can be drawn over.
const (
	lookEvery = time.Second
	sayEvery  = 10 * time.Second
)

// statusWait returns when nothing is left to do now, or exits 1: when the time is over, or a partition is stopped, which no waiting mends.
func statusWait(cmd *cobra.Command, timeout time.Duration, format string) error {
	r, s, err := reader(cmd)
	if err != nil {
		return err
	}
	if set, _ := rules.Load([]string{s.Rules}, app.RuleOptions(s)); set == nil {
		sayDark(cmd, "so there may be more event topics, and what rules reserve is not known", "所以可能还有别的事件主题，也不知道规则预留了什么")
	}
	ctx := cmd.Context()
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	talk := newProgressLine(cmd.ErrOrStderr())
	first := cmd.Context() // the first look ends, however short the time is: without one there is no answer
	v, err := waitIdle(ctx, func() (app.IdleView, error) {
		at := first
		first = ctx
		return lookIdle(at, r, s)
	}, talk.say, tick.C, time.Now, spoken(cmd))
	talk.clear()
	if err != nil {
		return unreachable(err)
	}
	out := cmd.OutOrStdout()
	if format == "json" {
		err = printJSON(out, v)
	} else {
		_, err = fmt.Fprintln(out, idleText(v, s.Zone, spoken(cmd)))
	}
	if err == nil && !v.Idle {
		return &exitError{code: exitFindings}
	}
	return err
}

// sayDark says what an answer does not know of rule files with errors.
func sayDark(cmd *cobra.Command, en, zh string) {
	lang := spoken(cmd)
	fmt.Fprintf(cmd.ErrOrStderr(), mostly(lang, "note: the rule files here have errors, %s; next: notifier check\n", "提示：这里的规则文件有错误，%s；下一步：notifier check\n"), mostly(lang, en, zh))
}

// waitIdle looks until nothing is left to do, a partition is stopped or ctx ends; then the last look counts.
func waitIdle(ctx context.Context, look func() (app.IdleView, error), say func(string), tick <-chan time.Time, now func() time.Time, lang diag.Lang) (last app.IdleView, err error) {
	began := now()
	for seen := false; ; {
		v, err := look()
		if err != nil && (ctx.Err() == nil || !seen) {
			return last, err
		}
		if err == nil {
			last, seen = v, true
		}
		last.Waited = now().Sub(began).Round(time.Millisecond).Seconds()
		if last.Idle || len(last.Halts) > 0 || len(last.Lost) > 0 || ctx.Err() != nil {
			return last, nil
		}
		say(fmt.Sprintf(mostly(lang, "waiting since %.0f s: %s", "已等 %.0f 秒：%s"), last.Waited, busyText(&last, lang)))
		select {
		case <-ctx.Done():
			last.Waited = now().Sub(began).Round(time.Millisecond).Seconds()
			return last, nil
		case <-tick:
		}
	}
}

// lookIdle reads from the events on downwards: what moves on meanwhile is seen where it comes to.
func lookIdle(ctx context.Context, r *query.Reader, s *settings.Settings) (v app.IdleView, err error) {
	f := app.IdleFacts{Settings: s, Now: time.Now()}
	f.Set, _ = rules.Load([]string{s.Rules}, app.RuleOptions(s))
	if f.Flows, err = r.AllFlows(ctx, eventTopics(s, f.Set)); err != nil {
		return v, err
	}
	if f.States, err = r.Ledgers(ctx); err != nil {
		return v, err
	}
	if f.Backlogs, err = r.Backlogs(ctx, f.States); err != nil {
		return v, err
	}
	halts, err := r.Halts(ctx)
	if err != nil {
		return v, err
	}
	f.Halts = slices.Sorted(maps.Keys(halts))
	return app.IdleOf(f), nil
}

// busyText tells what is still on its way.
func busyText(v *app.IdleView, lang diag.Lang) string {
	var parts []string
	one := strings.NewReplacer("events", "event", "intents", "intent", "calls", "call", "changes", "change", "resyncs", "resync", "users", "user")
	add := func(n int64, en, zh string) {
		if n == 1 {
			en = one.Replace(en)
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, mostly(lang, en, zh)))
		}
	}
	add(v.Events, "events to read", "个事件要读")
	add(v.Intents, "intents to take in", "个待发任务要接收")
	for _, b := range []struct{ key, en, zh string }{{"ready", "ready to leave", "个可以发出"}, {"in_flight", "in flight", "个正在发出"}, {app.StateStopped, "in stopped lanes", "个在停止的通道里"}, {"calls", "other calls in flight", "个别的请求正在进行"},
		{"tag_changes", "changes of tag rules", "处标签规则改动"}, {"resyncs", "resyncs of tags", "次标签重新核对"}, {"clearing", "users whose tags are to be cleared", "个用户的标签要清除"}, {"rewrites", "users whose tags are to be written once more", "个用户的标签要再写一次"}} {
		add(int64(v.Busy[b.key]), b.en, b.zh)
	}
	for _, p := range v.Halts {
		parts = append(parts, fmt.Sprintf(mostly(lang, "partition %d is stopped", "分区 %d 停止了"), p))
	}
	for _, p := range v.Lost {
		parts = append(parts, fmt.Sprintf(mostly(lang, "%s is stopped: the next offset is not in the log any more", "%s 停止了：日志里已没有下一个要读的位置"), p))
	}
	return strings.Join(parts, mostly(lang, ", ", "，"))
}

// idleText is the answer.
func idleText(v app.IdleView, zone *time.Location, lang diag.Lang) string {
	if !v.Idle {
		next := "notifier status --why"
		switch {
		case len(v.Halts) > 0:
			next = nextIn(lang, "docs/runbook.md#stopped-partition")
		case len(v.Lost) > 0:
			next = nextIn(lang, "docs/runbook.md#lost-offset")
		}
		return fmt.Sprintf(mostly(lang, "not idle after %.0f s: %s   next: %s", "%.0f 秒后还没有空闲：%s   下一步：%s"), v.Waited, busyText(&v, lang), next)
	}
	held, n := []string{}, 0
	for _, state := range pendingStates() {
		if c := v.Held[state]; c > 0 {
			held, n = append(held, fmt.Sprintf("%d %s", c, state)), n+c
		}
	}
	switch {
	case n == 0:
		return fmt.Sprintf(mostly(lang, "idle after %.0f s: nothing is pending", "%.0f 秒后空闲：没有待发任务"), v.Waited)
	case v.Next.IsZero():
		return fmt.Sprintf(mostly(lang, "idle after %.0f s; %d held: %s   next: notifier pending list", "%.0f 秒后空闲；%d 个暂缓：%s   下一步：notifier pending list"), v.Waited, n, strings.Join(held, mostly(lang, ", ", "，")))
	}
	return fmt.Sprintf(mostly(lang, "idle after %.0f s; %d held: %s; the first goes on at %s   next: notifier pending list", "%.0f 秒后空闲；%d 个暂缓：%s；最早的 %s 继续   下一步：notifier pending list"), v.Waited, n, strings.Join(held, mostly(lang, ", ", "，")), v.Next.In(zone).Format(time.DateTime))
}

// progressLine is a line that is drawn again on a terminal, and elsewhere said again from time to time.
type progressLine struct {
	to    io.Writer
	drawn bool // on a terminal
	shown time.Time
}

func newProgressLine(talk io.Writer) *progressLine {
	f, ok := fileOf(talk)
	return &progressLine{to: talk, drawn: ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"}
}

func (p *progressLine) say(text string) {
	switch {
	case p.drawn:
		fmt.Fprint(p.to, "\r\033[K"+text)
	case time.Since(p.shown) >= sayEvery:
		p.shown = time.Now()
		fmt.Fprintln(p.to, text)
	}
}

func (p *progressLine) clear() {
	if p.drawn {
		fmt.Fprint(p.to, "\r\033[K")
	}
}

// partitionsView is what status --partitions shows.
type partitionsView struct {
	Schema     string          `json:"schema"`
	Partitions []partitionView `json:"partitions"`     // of intents and ledger: stage 2
	Events     []eventFlowView `json:"events"`         // of the event topics: stage 1
	Missing    []string        `json:"missing_topics"` // event topics that do not exist
}

type partitionView struct {
	app.PartitionView
	Lag     int64        `json:"lag"` // intents that are not taken in
	Stopped *ledger.Halt `json:"stopped,omitempty"`
}

type eventFlowView struct {
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Begun     bool      `json:"begun"` // stage 1 has read here, or said where it begins
	At        int64     `json:"at"`
	End       int64     `json:"end"` // up to which anybody can read
	Lag       int64     `json:"lag"`
	Open      int64     `json:"open,omitempty"`  // behind an open transaction of their producer
	Oldest    time.Time `json:"oldest,omitzero"` // of the next event
	Lost      bool      `json:"lost,omitempty"`  // At is not in the log any more: the partition is stopped
}

// statusPartitions shows each partition of both stages: who has it, what waits, what is stopped.
func statusPartitions(cmd *cobra.Command, format string) error {
	r, s, err := reader(cmd)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	set, _ := rules.Load([]string{s.Rules}, app.RuleOptions(s))
	topics := eventTopics(s, set)
	flows, err := r.AllFlows(ctx, topics)
	if err != nil {
		return unreachable(err)
	}
	states, err := r.Ledgers(ctx)
	if err != nil {
		return unreachable(err)
	}
	lags, err := r.Backlogs(ctx, states)
	if err != nil {
		return unreachable(err)
	}
	halts, err := r.Halts(ctx)
	if err != nil {
		return unreachable(err)
	}
	now := time.Now()
	v := partitionsOf(app.StatusOf(s, states, halts, now).Partitions, lags, halts, flows, topics)
	if format == "json" {
		err = printJSON(cmd.OutOrStdout(), v)
	} else {
		err = printPartitions(cmd.OutOrStdout(), &v, now, s.Zone, spoken(cmd))
	}
	if set == nil {
		sayDark(cmd, "so there may be more event topics", "所以可能还有别的事件主题")
	}
	if err == nil && v.stopped() {
		return &exitError{code: exitFindings}
	}
	return err
}

// stopped reports whether nothing moves in a partition, of either stage.
func (v *partitionsView) stopped() bool {
	return slices.ContainsFunc(v.Partitions, func(p partitionView) bool { return p.Stopped != nil }) || slices.ContainsFunc(v.Events, func(e eventFlowView) bool { return e.Lost })
}

func partitionsOf(owned []app.PartitionView, lags map[int32]int64, halts map[int32]ledger.Halt, flows []ledger.Flow, topics []string) partitionsView {
	v := partitionsView{Schema: "notifier.partitions/v1", Partitions: []partitionView{}, Events: []eventFlowView{}, Missing: []string{}}
	all := map[int32]*partitionView{}
	at := func(p int32) *partitionView {
		if all[p] == nil {
			all[p] = &partitionView{PartitionView: app.PartitionView{Partition: p, Owner: "nobody"}}
		}
		return all[p]
	}
	for _, p := range owned {
		at(p.Partition).PartitionView = p
	}
	for p, n := range lags {
		at(p).Lag = n
	}
	for p, h := range halts {
		at(p).Stopped = &h
	}
	for _, p := range slices.Sorted(maps.Keys(all)) {
		v.Partitions = append(v.Partitions, *all[p])
	}
	for _, f := range flows {
		v.Events = append(v.Events, eventFlowView{Topic: f.Topic, Partition: f.Partition, Begun: !f.Fresh, At: f.At, End: f.Stable, Lag: max(0, f.Stable-f.At), Open: max(0, f.End-f.Stable), Oldest: f.Oldest, Lost: f.Lost})
	}
	for _, t := range topics {
		if !slices.ContainsFunc(flows, func(f ledger.Flow) bool { return f.Topic == t }) {
			v.Missing = append(v.Missing, t)
		}
	}
	return v
}

func printPartitions(out io.Writer, v *partitionsView, now time.Time, zone *time.Location, lang diag.Lang) error {
	w := &columns{to: out}
	fmt.Fprintln(w, mostly(lang, "PARTITION\tOWNER\tLAG\tPENDING\tINTENTS\tFATES\tUSERS\tSTOPPED", "分区\t负责实例\t未读\t没处理完\t待发任务\t处理结果\t用户\t停止"))
	for i := range v.Partitions {
		p := &v.Partitions[i]
		stopped := "-"
		if h := p.Stopped; h != nil {
			stopped = fmt.Sprintf(mostly(lang, "since %s (%s): %s   next: docs/runbook.md#stopped-partition", "从 %s 起（%s）：%s   下一步：docs/runbook.zh-CN.md#stopped-partition"), h.At.In(zone).Format(time.DateTime), h.Instance, diag.Tame(h.What))
		}
		fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", p.Partition, diag.Tame(p.Owner), p.Lag, p.Pending, p.Intents, p.Fates, p.Users, stopped)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	w = &columns{to: out}
	fmt.Fprintln(w, mostly(lang, "EVENTS\tAT\tEND\tLAG\tOLDEST\tNOTE", "事件主题\t读到\t末尾\t未读\t最早未读\t说明"))
	for i := range v.Events {
		e := &v.Events[i]
		oldest, note := "-", "-"
		if !e.Oldest.IsZero() {
			oldest = now.Sub(e.Oldest).Round(time.Second).String() + mostly(lang, " ago", " 前")
		}
		switch {
		case e.Lost:
			note = mostly(lang, "stopped: this offset is not in the log any more   next: docs/runbook.md#lost-offset", "已停止：日志里已没有这个位置   下一步：docs/runbook.zh-CN.md#lost-offset")
		case !e.Begun:
			note = mostly(lang, "never begun   next: notifier status --why", "从未开始读   下一步：notifier status --why")
		case e.Open > 0:
			note = fmt.Sprintf(mostly(lang, "%d behind an open transaction of the producer   next: notifier status --why", "%d 条在生产者未结束的事务之后   下一步：notifier status --why"), e.Open)
		}
		fmt.Fprintf(w, "%s/%d\t%d\t%d\t%d\t%s\t%s\n", e.Topic, e.Partition, e.At, e.End, e.Lag, oldest, note)
	}
	for _, t := range v.Missing {
		fmt.Fprintf(w, mostly(lang, "%s\t-\t-\t-\t-\tthere is no such topic   next: notifier doctor\n", "%s\t-\t-\t-\t-\t没有这个主题   下一步：notifier doctor\n"), t)
	}
	return w.Flush()
}
