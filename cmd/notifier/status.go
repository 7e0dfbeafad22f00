package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/ledger"
)

func newStatusCmd() *cobra.Command {
	var format, rule, wait string
	var why, partitions bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "who owns what, what waits, what is stopped; --why: each gate that holds; --wait idle: when all is done",
		Long: `What stands was given as a command and is not obeyed by all yet: it is when the owners of those partitions run.

Exit 1: a partition is stopped, the books do not balance, or --wait idle was not idle in time.

--wait idle returns when everything that came is read, taken in and has left, but for what waits for time (quiet hours, send_at, a
merge, a slot of the quota) or for people (an approval, a pause). What waits in a lane that the vendor has stopped is waited for. A
stopped partition ends the waiting: no waiting mends that. Progress is on stderr.`,
		Example: `  notifier status
  notifier status --why
  notifier status --why --rule flash-sale-by-city
  notifier status --partitions
  notifier status --wait idle --timeout 5m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := jsonOrText(format); err != nil {
				return err
			}
			if rule != "" && !why {
				return &exitError{exitUsage, errors.New("--rule goes with --why: notifier status --why --rule " + rule)}
			}
			if why && (partitions || wait != "") || partitions && wait != "" {
				return &exitError{exitUsage, errors.New("--why, --partitions and --wait are one at a time")}
			}
			if wait != "" && wait != idle {
				return &exitError{exitUsage, fmt.Errorf("unknown --wait %q: %s", wait, idle)}
			}
			if cmd.Flags().Changed("timeout") && (wait == "" || timeout <= 0) {
				return &exitError{exitUsage, errors.New("--timeout goes with --wait and is more than nothing: notifier status --wait idle --timeout 5m")}
			}
			switch {
			case why:
				return statusWhy(cmd, rule, format)
			case partitions:
				return statusPartitions(cmd, format)
			case wait != "":
				return statusWait(cmd, timeout, format)
			}
			r, s, err := reader(cmd)
			if err != nil {
				return err
			}
			given, err := r.Given(cmd.Context())
			if err != nil {
				return &exitError{exitUnreachable, err}
			}
			states, err := r.Ledgers(cmd.Context())
			if err != nil {
				return &exitError{exitUnreachable, err}
			}
			halts, err := r.Halts(cmd.Context())
			if err != nil {
				return &exitError{exitUnreachable, err}
			}
			st := app.StatusOf(s, states, halts, time.Now())
			if st.Instances, err = r.Running(cmd.Context()); err != nil {
				return &exitError{exitUnreachable, err}
			}
			st.Commands = app.CommandsOf(s, given.Standing(states))
			if format == "json" {
				return printJSON(cmd.OutOrStdout(), st)
			}
			out := cmd.OutOrStdout()
			sayHalts(out, halts)
			sayInstances(out, st.Instances, s.Zone)
			if len(st.Partitions) == 0 && len(halts) == 0 {
				fmt.Fprintln(out, "no partition has an owner yet: nothing was ever sent, or the first instance is still starting   next: notifier status --why")
			}
			for _, p := range st.Partitions {
				fmt.Fprintf(out, "partition %d  owner %s  intents %d = %d fates + %d pending  users %d\n", p.Partition, p.Owner, p.Intents, p.Fates, p.Pending, p.Users)
			}
			for _, scope := range slices.Sorted(maps.Keys(st.Pauses)) {
				p := st.Pauses[scope]
				next := app.AfterPause(scope, p)
				if rule, off := strings.CutPrefix(scope, "off/"); off {
					fmt.Fprintf(out, "held  rule %s  %s  since %s%s%s   next: %s\n", rule, p.Why, p.At.In(s.Zone).Format(time.DateTime), beingResumed(p), afterFiles(p), next)
					continue
				}
				if p.Brake {
					fmt.Fprintf(out, "brake  %s  paused itself: %s  since %s   next: %s\n", scope, p.Why, p.At.In(s.Zone).Format(time.DateTime), next)
					continue
				}
				fmt.Fprintf(out, "paused  %s  by %s: %s  since %s%s   next: %s\n", scope, p.By, p.Why, p.At.In(s.Zone).Format(time.DateTime), beingResumed(p), next)
			}
			for _, rule := range slices.Sorted(maps.Keys(st.Kills)) {
				k := st.Kills[rule]
				fmt.Fprintf(out, "killed  %s  by %s: %s  since %s   next: %s\n", rule, k.By, k.Why, k.At.In(s.Zone).Format(time.DateTime), app.AfterKill(rule))
			}
			sayCommands(out, st.Commands, s.Zone)
			sayStopped(out, st.Lanes, time.Now(), s.Zone)
			for _, x := range st.External {
				what := fmt.Sprintf("somebody else used %d slots in 24 h", x.N)
				if x.Refusals {
					what = fmt.Sprintf("somebody else uses this App Key: the vendor refused %d calls in 24 h as too many although we kept its limit", x.N)
				}
				fmt.Fprintf(out, "external  %s  %s, last %s   next: docs/runbook.md#app-key\n", x.Lane, what, x.Last.In(s.Zone).Format(time.DateTime))
			}
			for _, x := range st.Resyncs {
				fmt.Fprintf(out, "resync  %s  by %s since %s  %s\n", x.Account, x.By, x.At.In(s.Zone).Format(time.DateTime), howFar(&x, s.Zone))
			}
			if st.Approvals > 0 {
				fmt.Fprintf(out, "approval  %d wait for people   next: notifier approvals list\n", st.Approvals)
			}
			for i := range st.TagChanges {
				fmt.Fprintf(out, "tag rules  %s  %s\n", st.TagChanges[i].Account, tagChangeText(&st.TagChanges[i], s.Zone))
			}
			if st.Unknown > 0 {
				fmt.Fprintf(out, "unknown  %d calls wait for a human   next: notifier attempts --unknown\n", st.Unknown)
			}
			if !st.Balanced {
				fmt.Fprintln(out, "the books do not balance   next: keep the topics and report it")
				return &exitError{code: exitFindings}
			}
			if len(halts) > 0 {
				return &exitError{code: exitFindings}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	cmd.Flags().BoolVar(&why, "why", false, "walk the gates in the order in which an event passes them")
	cmd.Flags().StringVar(&rule, "rule", "", "with --why: of this rule")
	cmd.Flags().BoolVar(&partitions, "partitions", false, "of each partition the owner, what is not read yet, what is pending, what is stopped")
	cmd.Flags().StringVar(&wait, "wait", "", "idle: return when nothing is left to do now")
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "with --wait: exit 1 after this time, like 5m (default: never)")
	return cmd
}

// tagChangeText tells how far the known users are evaluated by the present tag rules.
func tagChangeText(t *app.TagChangeView, zone *time.Location) string {
	since := t.At.In(zone).Format(time.DateTime)
	switch {
	case !t.Waits.IsZero():
		return fmt.Sprintf("the owner took over with other rules than users were last evaluated by: it evaluates them again at %s   next: roll out the same rule files everywhere",
			t.Waits.In(zone).Format(time.DateTime))
	case t.State == ledger.TagsCounting:
		return "changed: the users who get other tags are counted since " + since
	case t.State == ledger.TagsApproval:
		return fmt.Sprintf("changed: %d of %d known users would get other tags, more than %d: they wait since %s   next: notifier approvals list", t.Users, t.Known, t.Limit, since)
	case t.State == ledger.TagsRejected:
		return fmt.Sprintf("changed, and rejected by %s: %s, at %s: %d users keep their tags until the next reload", t.By, t.Why, since, t.Users)
	}
	return fmt.Sprintf("changed: users are written since %s, %d of %d parts done, %d users written, %d refused", since, t.Part, t.Parts, t.Written, t.Refused)
}

// howFar tells where a resync stands.
func howFar(x *app.ResyncView, zone *time.Location) string {
	if x.Ended.IsZero() {
		return fmt.Sprintf("%d of %d parts done: %s", x.Part, x.Parts, x.Results)
	}
	return fmt.Sprintf("ended %s: %s", x.Ended.In(zone).Format(time.DateTime), x.Results)
}

// sayHalts names the partitions on which nobody works: what other lines say of them is what an earlier ledger knew, or nothing.
func sayHalts(out io.Writer, halts map[int32]ledger.Halt) {
	for _, p := range slices.Sorted(maps.Keys(halts)) {
		h := halts[p]
		fmt.Fprintf(out, "stopped  partition %d since %s (%s): %s   next: docs/runbook.md#stopped-partition\n", p, h.At.Format(time.DateTime+"Z"), h.Instance, h.What)
	}
}

// sayInstances tells which rules each process goes by.
func sayInstances(out io.Writer, instances []ledger.Instance, zone *time.Location) {
	for _, i := range instances {
		fmt.Fprintf(out, "instance %s  %s  rules %s since %s\n", i.Name, i.Version, i.RuleSet, i.Since.In(zone).Format(time.DateTime))
		if i.Failed != "" {
			fmt.Fprintf(out, "  the files on its disk are not live since %s: %s   next: notifier check\n", i.FailedAt.In(zone).Format(time.DateTime), tame(i.Failed))
		}
		if i.Parked != "" {
			fmt.Fprintf(out, "  parked, they took too long: %s   next: docs/runbook.md#parked-rule\n", i.Parked)
		}
	}
}

// mostCommands bounds how many commands are named: those of months may stand for a partition that has lost its ledger.
const mostCommands = 20

// sayCommands names the commands that stand, those given last if they are many.
func sayCommands(out io.Writer, all []app.CommandView, zone *time.Location) {
	if n := len(all) - mostCommands; n > 0 {
		fmt.Fprintf(out, "stands  %d older commands   next: notifier status --format json\n", n)
		all = all[n:]
	}
	for _, c := range all {
		why := ""
		if c.Why != "" {
			why = ": " + tame(c.Why)
		}
		fmt.Fprintf(out, "stands  %s  by %s%s  since %s  not obeyed yet by the owners of partitions %v   next: %s\n", tame(c.What), tame(c.By), why, c.At.In(zone).Format(time.DateTime), c.Partitions, c.Next())
	}
}

// afterFiles says what becomes of what the rule files hold.
func afterFiles(p ledger.Pause) string {
	if p.Why == dispatch.GoneFromSet {
		return "; it is given up after two minutes, unless the rule comes back"
	}
	return "; mode: live lets it go (after a restart that takes two minutes)"
}

// sayStopped names the stopped lanes, those of one account with the same cause in one line.
func sayStopped(out io.Writer, lanes map[string]ledger.LaneState, now time.Time, zone *time.Location) {
	type cause struct{ account, reason, detail, next string }
	var order []cause
	same := map[cause][]string{}
	for _, lane := range slices.Sorted(maps.Keys(lanes)) {
		l := lanes[lane]
		account, name, _ := strings.Cut(lane, "/")
		c := cause{account, l.Reason, l.Detail, app.AfterStop(lane, l)}
		if same[c] == nil {
			order = append(order, c)
		}
		same[c] = append(same[c], name)
	}
	for _, c := range order {
		names := same[c]
		first, next := lanes[c.account+"/"+names[0]], lanes[c.account+"/"+names[0]]
		for _, name := range names[1:] {
			l := lanes[c.account+"/"+name]
			if l.Since.Before(first.Since) {
				first = l
			}
			if l.Retry.Before(next.Retry) {
				next = l
			}
		}
		what := c.account + "/" + names[0]
		if len(names) > 1 {
			what = fmt.Sprintf("%d lanes of %s (%s)", len(names), c.account, strings.Join(names, ", "))
		}
		fmt.Fprintf(out, "stopped  %s  %s since %s, %s: %s   next: %s\n", what, c.reason, first.Since.In(zone).Format(time.DateTime), app.TriedAgain(next, now, zone), tame(c.detail), c.next)
	}
}
