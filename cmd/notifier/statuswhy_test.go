package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
)

func TestAWalkOfTheGatesAsItIsShown(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)
	steps := []app.WhyStep{{Gate: "instances", What: "a, b evaluate, a send"}, {Gate: "kafka", What: "0 records behind, no open transaction"}, {Gate: "rules", What: "revision 41c9", Since: at},
		{Gate: "pauses", Holds: true, What: "broadcasts is paused by li: wrong\x1b text", Since: at, Next: "notifier resume broadcasts --why TEXT"}}
	stopped := app.WhyStep{Gate: "credentials", Holds: true, Fault: true, What: "lane main/user is stopped (credentials): 1004", Since: at, Next: "docs/runbook.md#credentials"}
	for name, v := range map[string]app.WhyView{"fault": {Schema: "notifier.status-why/v1", Holds: "pauses", Fault: "credentials", Next: stopped.Next, Steps: append(steps[:4:4], stopped)}, "holds": {Schema: "notifier.status-why/v1", Holds: "pauses", Steps: steps}, "nothing": {Schema: "notifier.status-why/v1", Rule: "sale", Steps: steps[:3]},
		"unknown": {Schema: "notifier.status-why/v1", Next: "notifier check", Steps: append(steps[:3:3], app.WhyStep{Gate: "modes", Dark: true, What: "not known: the rule files here have errors", Next: "notifier check"})}} {
		var out bytes.Buffer
		printWhy(&out, &v, time.FixedZone("", 8*3600), diag.EN)
		holdGolden(t, filepath.Join("testdata", "why", name+".txt"), out.String())
		out.Reset()
		printWhy(&out, &v, time.FixedZone("", 8*3600), diag.ZH)
		holdGolden(t, filepath.Join("testdata", "why", name+".zh.txt"), out.String())
		out.Reset()
		if err := printJSON(&out, v); err != nil {
			t.Fatal(err)
		}
		holdGolden(t, filepath.Join("testdata", "why", name+".json.txt"), out.String())
	}
}

// The walk by a real daemon: who runs, how far events are read, which rules each goes by, what an operator holds, what was sent.
func TestStatusWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.run()
	w.order("ord-1", "u-1")
	until(t, "the push", func() bool { return w.sent("ord-1") == 1 })
	walk := func(args ...string) (v app.WhyView) {
		t.Helper()
		code, out, talk := once(t, w.dir, append([]string{"status", "--why", "--format", "json"}, args...)...)
		if err := json.Unmarshal([]byte(out), &v); err != nil || code != 0 {
			t.Fatalf("status --why: exit %d, %v\n%s%s", code, err, out, talk)
		}
		return v
	}
	says := func(v app.WhyView) string {
		var parts []string
		for _, s := range v.Steps {
			parts = append(parts, s.Gate+": "+s.What)
		}
		return strings.Join(parts, "\n")
	}
	until(t, "a walk to the end", func() bool {
		v := walk("--rule", "thanks")
		all := says(v)
		return v.Holds == "" && strings.Contains(all, "instances: one evaluate, one send") && strings.Contains(all, "rules: revision ") && strings.Contains(all, "last sent: rule thanks, event ord-1, main/user")
	})
	if code, _, talk := once(t, w.dir, "pause", "rule/thanks", "--why", "test", "--by", "li", "--yes"); code != 0 {
		t.Fatal(code, talk)
	}
	if v := walk("--rule", "thanks"); v.Holds != "pauses" || !strings.Contains(says(v), "rule/thanks is paused by li: test") {
		t.Errorf("paused:\n%s", says(v))
	}
	if v := walk("--rule", "city-tag"); v.Holds != "" {
		t.Errorf("another rule is held by %s:\n%s", v.Holds, says(v))
	}
	if code, out, _ := once(t, w.dir, "status", "--why"); code != 0 || !strings.Contains(out, "… pauses") || !strings.Contains(out, "next: notifier resume rule/thanks") {
		t.Errorf("as text: exit %d\n%s", code, out)
	}
	if code, _, talk := once(t, w.dir, "status", "--why", "--rule", "thanx"); code != exitUsage || !strings.Contains(talk, `no rule "thanx": city-tag, thanks`) {
		t.Errorf("of no rule: exit %d %s", code, talk)
	}
	w.write("rules/rules.yaml", strings.Replace(testRules, "amount > 100", "amuont > 100", 1))
	p.says("the last good set stays")
	until(t, "the files to be named", func() bool {
		v := walk()
		return v.Holds == "rules" && strings.Contains(says(v), "the rule files of one have errors") && walk("--rule", "thanks").Holds == "rules"
	})
	if code, out, _ := once(t, w.dir, "status"); code != 0 || !regexp.MustCompile(`(?m)^instance one  \S+  rules [0-9a-f]+ since .*\n  the files on its disk are not live since .* N202 .*   next: notifier check$`).MatchString(out) {
		t.Errorf("status: exit %d\n%s", code, out)
	}
	for _, c := range []struct {
		args []string
		says string
	}{{[]string{"--rule", "thanks"}, "--rule goes with --why"}, {[]string{"--why", "--format", "xml"}, "unknown --format"}} {
		if code, _, talk := once(t, w.dir, append([]string{"status"}, c.args...)...); code != exitUsage || !strings.Contains(talk, c.says) {
			t.Errorf("status %v: exit %d %q, want %q", c.args, code, talk, c.says)
		}
	}
}
