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
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/settings"
)

func newUserCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "everything held on one user: show, forget",
		Example: `  notifier user show u-77
  notifier user forget u-77 --why "deletion request 4711"`,
		Args: cobra.NoArgs,
		RunE: wantsSub,
	}
	cmd.AddCommand(newUserShowCmd(), newUserForgetCmd())
	return cmd
}

// heldOn reads everything that is held on a user.
func heldOn(cmd *cobra.Command, user string) (*query.Reader, *settings.Settings, *app.UserView, error) {
	r, s, err := reader(cmd)
	if err != nil {
		return nil, nil, nil, err
	}
	states, err := r.Ledgers(cmd.Context())
	if err != nil {
		return nil, nil, nil, unreachable(err)
	}
	var fates []ledger.Fate
	if err := r.Fates(cmd.Context(), query.Filter{User: user}, func(f ledger.Fate) error { fates = append(fates, f); return nil }); err != nil {
		return nil, nil, nil, unreachable(err)
	}
	v := app.UserOf(s, states, fates, user, time.Now())
	if v.Empty() {
		return nil, nil, nil, &exitError{exitUsage, fmt.Errorf("nothing is held on user %q", user)}
	}
	return r, s, &v, nil
}

func newUserShowCmd() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "profile fields, tags, caps, duplicates and what waits, with personal data",
		Long: `Reads the ledger and prints personal data as it is. Why the user has these tags: notifier explain --user ID. What became of each event:
notifier fates --user ID.`,
		Example: `  notifier user show u-77`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := jsonOrText(spoken(cmd), format); err != nil {
				return err
			}
			_, s, v, err := heldOn(cmd, args[0])
			if err != nil {
				return err
			}
			return printUser(cmd.OutOrStdout(), format, v, s.Zone)
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	return cmd
}

func printUser(out io.Writer, format string, v *app.UserView, zone *time.Location) error {
	if format == "json" {
		return printJSON(out, v)
	}
	when := func(t time.Time) string { return t.In(zone).Format("2006-01-02 15:04:05 -07:00") }
	fmt.Fprintf(out, "user %s\n", diag.Tame(v.User))
	for i := range v.Accounts {
		a := &v.Accounts[i]
		fmt.Fprintf(out, "account %s%s\n", a.Account, map[bool]string{true: "  is being forgotten"}[a.Gone])
		for _, name := range slices.Sorted(maps.Keys(a.Fields)) {
			f := a.Fields[name]
			text := diag.Tame(f.Str)
			switch {
			case f.Type == event.List && len(f.List) == 0:
				text = "(empty)" // Str is how many items there were
			case len(f.List) > 0:
				text = diag.Tame(strings.Join(f.List, ", "))
			case f.Type == "" && f.Str == "":
				text = "(absent)"
			}
			fmt.Fprintf(out, "  field %-16s %s   version %d\n", name, text, f.Version)
		}
		state := "acknowledged"
		if !a.Certain {
			state = "not certain: the outcome of the last write is not known"
		}
		if a.Known {
			fmt.Fprintf(out, "  tags %s   %s\n", orNone(a.Tags), state)
		}
		if a.InFlight != nil {
			fmt.Fprintf(out, "  tags in flight %s\n", orNone(a.InFlight))
		}
		if len(a.Foreign) > 0 {
			fmt.Fprintf(out, "  tags not ours %s\n", orNone(a.Foreign))
		}
		for _, scope := range slices.Sorted(maps.Keys(a.Caps)) {
			at := a.Caps[scope]
			if len(at) > 0 {
				fmt.Fprintf(out, "  cap %-18s %d counted, last %s\n", scope, len(at), when(at[len(at)-1]))
			}
		}
	}
	for _, p := range v.Pending {
		fmt.Fprintf(out, "pending %s  event %s  rule %s  %s  %s\n", p.ID, diag.Tame(p.Event), p.Rule, p.Lane, p.State)
	}
	for _, d := range v.Duplicates {
		fmt.Fprintf(out, "remembered  event %s  rule %s  account %s  until %s\n", diag.Tame(d.Event), d.Rule, d.Account, when(d.Until))
	}
	fmt.Fprintf(out, "%s on record   next: notifier fates --user %s\n", many(v.Fates, "fate"), diag.Tame(v.User))
	return nil
}

func orNone(tags []string) string {
	if len(tags) == 0 {
		return "none"
	}
	return diag.Tame(strings.Join(tags, " "))
}

func newUserForgetCmd() *cobra.Command {
	var c changeFlags
	cmd := &cobra.Command{
		Use:   "forget ID --why TEXT",
		Short: "clear a user's tags at the vendor, then what the ledger holds on the user",
		Long: `As a tombstone on a profile topic does: the tags are cleared through the tag lane, then the row goes. Pushes that wait for the user are
SUPPRESSED(cancelled), and caps are forgotten. What has left is not called back. Records of events, fates and dead letters stay until
their topics' retention; the duplicate keys that stay are hashes. A later profile event makes the user known again. There is no undo.`,
		Example: `  notifier user forget u-77 --why "deletion request 4711"`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return forget(cmd, args[0], c) },
	}
	c.add(cmd)
	return cmd
}

func forget(cmd *cobra.Command, user string, c changeFlags) error {
	if err := c.check(spoken(cmd)); err != nil {
		return err
	}
	if strings.TrimSpace(user) == "" || user == "*" {
		return &exitError{exitUsage, errors.New("the ID of a user is missing")}
	}
	r, _, v, err := heldOn(cmd, user)
	if err != nil {
		return err
	}
	ask := fmt.Sprintf("user forget %s: tags and fields in %s are cleared, what waits is given up, %s", diag.Tame(user), many(len(v.Accounts), "account"), many(len(v.Pending), "intent"))
	if err := confirm(cmd, c.yes, ask, user); err != nil {
		return err
	}
	answers, err := r.Send(cmd.Context(), ledger.Command{Cmd: ledger.CmdForget, Target: user, By: c.by, Why: c.why}, -1, answerWait)
	return printAnswers(cmd, "user forget "+diag.Tame(user), answers, err)
}
