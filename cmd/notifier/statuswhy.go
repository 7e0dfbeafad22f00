package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

// statusWhy walks the gates: ✓ lets pass, … holds as it should, ✗ is a fault, ? cannot be told.
func statusWhy(cmd *cobra.Command, rule, format string) error {
	r, s, err := reader(cmd)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	f := app.WhyFacts{Settings: s, Rule: rule, Now: time.Now()}
	f.Set, _ = rules.Load([]string{s.Rules}, app.RuleOptions(s)) // with errors in the files the walk says so
	if rule != "" && f.Set != nil {
		if err := knownRule(s, rule, spoken(cmd)); err != nil {
			return &exitError{exitUsage, err}
		}
	}
	if f.States, err = r.Ledgers(ctx); err != nil {
		return unreachable(err)
	}
	if f.Halts, err = r.Halts(ctx); err != nil {
		return unreachable(err)
	}
	if f.Evaluate, f.Dispatch, err = r.Members(ctx); err != nil {
		return unreachable(err)
	}
	if f.Instances, err = r.Instances(ctx); err != nil {
		return unreachable(err)
	}
	if f.Flows, err = r.Flows(ctx, eventTopics(s, f.Set)); err != nil {
		return unreachable(err)
	}
	err = r.Fates(ctx, query.Filter{Rule: app.OnRecord(f.Set, rule), Since: f.Now.Add(-24 * time.Hour)}, func(x ledger.Fate) error { f.Fates = append(f.Fates, x); return nil })
	if err != nil {
		return unreachable(err)
	}
	v := app.WhyOf(f)
	if format == "json" {
		return printJSON(cmd.OutOrStdout(), v)
	}
	printWhy(cmd.OutOrStdout(), &v, s.Zone, spoken(cmd))
	return nil
}

// eventTopics are the topics of the catalogue; of rule files with errors (a nil set) those that can be made out.
func eventTopics(s *settings.Settings, set *rules.Set) []string {
	if set != nil {
		return set.Topics()
	}
	files, _ := rules.Read([]string{s.Rules})
	return slices.Sorted(slices.Values(rules.List(files).Topics))
}

// whyOf is the command that tells why a rule waits.
func whyOf(rule string) string { return "notifier status --why --rule " + rule }

func printWhy(out io.Writer, v *app.WhyView, zone *time.Location, lang diag.Lang) {
	in := func(en string) string { return mostly(lang, en, app.WhyZH(nextIn(lang, en))) }
	var dark []string
	for _, s := range v.Steps {
		mark, since, next := "✓", "", ""
		switch {
		case s.Fault:
			mark = "✗"
		case s.Holds:
			mark = "…"
		case s.Dark:
			mark, dark = "?", append(dark, s.Gate)
		}
		if !s.Since.IsZero() {
			since = fmt.Sprintf(mostly(lang, "  since %s", "  从 %s 起"), s.Since.In(zone).Format("2006-01-02 15:04:05 -07:00"))
		}
		if s.Next != "" {
			next = mostly(lang, "   next: ", "   下一步：") + in(s.Next)
		}
		fmt.Fprintf(out, "%s %-12s %s%s%s\n", mark, s.Gate, diag.Tame(mostly(lang, s.What, app.WhyZH(s.What))), since, next)
	}
	switch {
	case v.Holds == "" && len(dark) > 0:
		fmt.Fprintf(out, mostly(lang, "nothing else holds; not known: %s   next: %s\n", "没有其他挡住的；无法得知：%s   下一步：%s\n"), strings.Join(dark, mostly(lang, ", ", "、")), in(v.Next))
	case v.Holds == "":
		fmt.Fprintln(out, mostly(lang, "nothing holds", "没有挡住的"))
	case v.Fault != "" && v.Fault != v.Holds:
		fmt.Fprintf(out, mostly(lang, "mend %s first   next: %s\n", "先修 %s   下一步：%s\n"), v.Fault, in(v.Next))
	}
}
