package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/rules"
)

func newQuotaCmd() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "quota",
		Short: "slots used, by whom, next free",
		Example: `  notifier quota
  notifier quota charge main/broadcast --at 09:03 --count 1 --why "sent from the console"
  notifier quota assume main --used 2 --why "the console shows 2 today"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := jsonOrText(format); err != nil {
				return err
			}
			r, s, err := reader(cmd)
			if err != nil {
				return err
			}
			states, err := r.Ledgers(cmd.Context())
			if err != nil {
				return &exitError{exitUnreachable, err}
			}
			halts, err := r.Halts(cmd.Context())
			if err != nil {
				return &exitError{exitUnreachable, err}
			}
			set, list := rules.Load([]string{s.Rules}, app.RuleOptions(s))
			if set == nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "the rule files have %d mistakes: what rules reserve is not known   next: notifier check\n", list.Errors())
			}
			q := app.QuotaOf(s, set, states, time.Now())
			if format == "json" {
				return printJSON(cmd.OutOrStdout(), q)
			}
			out := cmd.OutOrStdout()
			sayHalts(out, halts)
			if len(halts) > 0 {
				fmt.Fprintln(out, "the accounts of a stopped partition send nothing, and what they used is not known")
			}
			for _, a := range q.Accounts {
				for _, l := range a.Lanes {
					fmt.Fprintf(out, "%s", l.Lane)
					for _, w := range l.Windows {
						fmt.Fprintf(out, "   %s %d/%d", w.Window, w.Used, w.Limit)
					}
					next := "now"
					if l.Next.After(time.Now()) {
						next = l.Next.In(s.Zone).Format("2006-01-02 15:04:05 -07:00")
					}
					fmt.Fprintf(out, "   next possible %s\n", next)
					for _, c := range l.Charges {
						note := ""
						switch {
						case c.Source == "external" && c.By != "":
							note = fmt.Sprintf("   %d slots, by %s: %s", c.Slots, tame(c.By), tame(c.Why))
						case c.Source == "unknown":
							note = fmt.Sprintf("   counted as used, `notifier attempts resolve %s`", c.Attempt)
						}
						fmt.Fprintf(out, "  %s  %-24s %-10s %-8s %s%s\n", c.At.In(s.Zone).Format("01-02 15:04"), c.Rule, c.State, c.Source, c.Attempt, note)
					}
					for _, r := range l.Reserves {
						fmt.Fprintf(out, "  reserved: %d for %s until %s → %s\n", r.Slots, r.Rule, r.Until.In(s.Zone).Format("15:04"), keptOf(r))
					}
					for _, x := range l.Shares {
						fmt.Fprintf(out, "  share: %s %d/%d (%s)\n", x.Rule, x.Used, x.Slots, x.Limit)
					}
					fmt.Fprintf(out, "  waiting: %d requests\n", l.Waiting)
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	cmd.AddCommand(newChargeCmd(), newAssumeCmd())
	return cmd
}

// keptOf says what is left of a reserve.
func keptOf(r app.QuotaReserve) string {
	switch {
	case r.Left > 0:
		return fmt.Sprintf("%d kept", r.Left)
	case r.Until.After(time.Now()):
		return "used"
	}
	return "free now"
}
