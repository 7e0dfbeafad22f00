package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
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
				fmt.Fprintf(cmd.ErrOrStderr(), "the rule files have %s: what rules reserve is not known   next: notifier check\n", many(list.Errors(), "error"))
			}
			q := app.QuotaOf(s, set, states, time.Now())
			for p, accounts := range accountsOf(s) {
				for _, ac := range accounts {
					i := slices.IndexFunc(q.Accounts, func(a app.QuotaAccount) bool { return a.Account == ac.Name })
					_, q.Accounts[i].Stopped = halts[p]
				}
			}
			var lately []ledger.Fate
			if format == "text" {
				err := r.Fates(cmd.Context(), query.Filter{Since: time.Now().Add(-app.RatesOver)}, func(f ledger.Fate) error { lately = append(lately, f); return nil })
				if err != nil {
					return &exitError{exitUnreachable, err}
				}
			}
			if format == "json" {
				return printJSON(cmd.OutOrStdout(), q)
			}
			out := cmd.OutOrStdout()
			sayHalts(out, halts)
			if len(halts) > 0 {
				fmt.Fprintln(out, "the accounts of a stopped partition send nothing, and what they used is not known")
			}
			for _, a := range q.Accounts {
				if a.Stopped {
					for _, l := range a.Lanes {
						fmt.Fprintf(out, "%s   used unknown   next possible unknown: its partition is stopped\n", l.Lane)
					}
					continue
				}
				for _, l := range a.Lanes {
					fmt.Fprintf(out, "%s", l.Lane)
					for _, w := range l.Windows {
						fmt.Fprintf(out, "   %s %d/%d", windowWords(w.Window, time.Now()), w.Used, w.Limit)
					}
					next := "now"
					if l.Next.After(time.Now()) {
						next = l.Next.In(s.Zone).Format("2006-01-02 15:04:05 -07:00")
					}
					fmt.Fprintf(out, "   next possible %s\n", next)
					for _, c := range l.Charges {
						fmt.Fprintf(out, "  %s  %-24s %-10s %-8s %s%s\n", c.At.In(s.Zone).Format("01-02 15:04"), c.Rule, c.State, c.Source, c.Attempt, chargeNote(c))
					}
					for _, r := range l.Reserves {
						fmt.Fprintf(out, "  reserved: %d for %s until %s → %s\n", r.Slots, r.Rule, r.Until.In(s.Zone).Format("15:04"), keptOf(r))
					}
					for _, x := range l.Shares {
						fmt.Fprintf(out, "  share: %s %d/%d (%s)\n", x.Rule, x.Used, x.Slots, x.Limit)
					}
					fmt.Fprintf(out, "  waiting: %s\n", waitingWords(l, s.Zone))
				}
				for _, d := range a.Days {
					fmt.Fprintf(out, "%s   %s %d/%d, users and calls   above it users are called in other ways\n", d.Name, windowWords(d.Window, time.Now()), d.Used, d.Limit)
				}
				if r := a.Reads; r != nil {
					fmt.Fprintf(out, "%s   rests until %s: reads of tags are on no record, so after a start they wait for one window\n", r.Lane, r.Until.In(s.Zone).Format("15:04:05 -07:00"))
				}
				sayRates(out, app.RatesOf(s, a.Account, lately))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	cmd.AddCommand(newChargeCmd(), newAssumeCmd())
	return cmd
}

// chargeNote says what is not seen of a call in its row.
func chargeNote(c app.QuotaCharge) string {
	switch {
	case c.Source == "external" && c.By != "":
		return fmt.Sprintf("   %d slots, by %s: %s", c.Slots, tame(c.By), tame(c.Why))
	case c.Source == "unknown" && c.Slots == 0:
		return fmt.Sprintf("   %s, `notifier attempts resolve %s`", noSlot, c.Attempt)
	case c.Source == "unknown":
		return fmt.Sprintf("   counted as used, `notifier attempts resolve %s`", c.Attempt)
	}
	return ""
}

// noSlot says of an outcome that is unknown since the ledger was lost what it takes.
const noSlot = "takes no slot beside what `notifier quota assume` said"

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

// windowWords tells a window as people count: 1h rolling is the last 60 min, day Asia/Shanghai is day +08:00.
func windowWords(window string, now time.Time) string {
	if long, ok := strings.CutSuffix(window, " rolling"); ok {
		if d, err := time.ParseDuration(long); err == nil && d >= time.Minute && d < 24*time.Hour {
			return fmt.Sprintf("last %.0f min", d.Minutes())
		}
		return "last " + long
	}
	if name, ok := strings.CutPrefix(window, "day "); ok {
		if zone, err := time.LoadLocation(name); err == nil && zone != time.UTC {
			return "day " + now.In(zone).Format("-07:00")
		}
	}
	return window
}

// waitingWords tells what waits in a lane and what will become of it.
func waitingWords(l app.QuotaLane, zone *time.Location) string {
	text := fmt.Sprintf("%d requests", l.Waiting)
	if l.Waiting == 1 {
		text = "1 request"
	}
	if l.Merged > 0 {
		text += fmt.Sprintf(" (%d triggers came together)", l.Merged)
	}
	f := l.Forecast
	if f.Today+f.Later+f.Expire == 0 {
		return text
	}
	var parts []string
	for _, part := range []struct {
		n    int
		text string
	}{{f.Today, "%d by midnight"}, {f.Later, "%d on a later day"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf(part.text, part.n))
		}
	}
	if f.Expire > 0 {
		parts = append(parts, fmt.Sprintf("%d without a slot in time, the first expires %s", f.Expire, f.Expires.In(zone).Format("01-02 15:04")))
	}
	if f.More > 0 {
		parts = append(parts, fmt.Sprintf("%d more not looked at", f.More))
	}
	return text + "; forecast, if no other comes: " + strings.Join(parts, ", ")
}

// sayRates tells how busy the lanes are that have a rate instead of slots.
func sayRates(out io.Writer, rates []app.QuotaRate) {
	var parts []string
	for _, r := range rates {
		text := fmt.Sprintf("%s %.1f/s of %.0f", r.Lane, r.PerSecond, r.Limit)
		if r.Receivers {
			text += " receivers"
		}
		parts = append(parts, text)
	}
	if len(parts) > 0 {
		fmt.Fprintln(out, strings.Join(parts, "   "))
	}
}
