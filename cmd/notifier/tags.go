package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
)

func newTagsCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "tags", Short: "the vendor's tags against ours: verify, resync", Args: cobra.NoArgs,
		Example: `  notifier tags verify --user u-77
  notifier tags resync --why "the vendor restored a backup"`,
		RunE: wantsSub}
	cmd.AddCommand(newVerifyCmd(), newResyncCmd())
	return cmd
}

func newVerifyCmd() *cobra.Command {
	var c changeFlags
	var sample int
	var user, account, format string
	var repair bool
	cmd := &cobra.Command{
		Use:   "verify [--sample N | --user ID]",
		Short: "compare the vendor's tags with ours: drift, and with --repair our sets again",
		Long: `The owner reads the tags of a random sample of the known users, or of one, and compares them with the sets that the vendor
acknowledged. A user whose tags are on their way is left out. Tags that no rule gives are no drift while the account has
tags.foreign: keep. --repair writes the sets of the users that differ again, as the rules give them now. Exit code 1: drift that
was not repaired.`,
		Example: `  notifier tags verify
  notifier tags verify --user u-77
  notifier tags verify --sample 10000 --repair --why "somebody cleared tags in the console"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := jsonOrText(spoken(cmd), format); err != nil {
				return err
			}
			if user != "" && cmd.Flags().Changed("sample") {
				return &exitError{exitUsage, errors.New("--user and --sample exclude each other")}
			}
			if user == "" && (sample < 1 || sample > 50000) {
				return &exitError{exitUsage, errors.New("--sample is 1 to 50000 users; all of them: notifier tags resync")}
			}
			args := map[string]string{"sample": strconv.Itoa(sample)}
			if user != "" {
				args = map[string]string{"user": user}
			}
			if repair {
				args[ledger.ArgRepair] = ledger.RepairYes
				if err := confirm(cmd, c.yes, "tags verify --repair: the tags of users that differ are written again", "repair"); err != nil {
					return err
				}
			}
			answers, err := askAccounts(cmd, account, ledger.Command{Cmd: ledger.CmdVerify, Args: args, By: c.by, Why: c.why})
			if err != nil {
				return err
			}
			return tellDrift(cmd.OutOrStdout(), format, user, answers)
		},
	}
	f := cmd.Flags()
	f.IntVar(&sample, "sample", 1000, "how many users, chosen at random in each account")
	f.StringVar(&user, "user", "", "this user only")
	f.StringVar(&account, "account", "", "this account only")
	f.BoolVar(&repair, "repair", false, "write the sets of users that differ again")
	f.StringVar(&format, "format", "text", "text or json")
	c.addTo(cmd, "the reason, kept in the log")
	return cmd
}

func newResyncCmd() *cobra.Command {
	var c changeFlags
	var account string
	cmd := &cobra.Command{
		Use:   "resync",
		Short: "compare all known users and repair what differs, in the background",
		Long: `Begins, and returns. It reads all known users with what is left of the lane of reads, 50 users a call, and writes the sets of
those that differ again. It goes on after a restart or a take-over. How far it is: notifier status. It rests while the lane is paused:
notifier pause lane/main/tag-get (which also holds the first writes of new users).`,
		Example: `  notifier tags resync --why "the vendor restored a backup"
  notifier status`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := confirm(cmd, c.yes, "tags resync: all known users are read, and those that differ are written again", "resync"); err != nil {
				return err
			}
			answers, err := askAccounts(cmd, account, ledger.Command{Cmd: ledger.CmdResync, By: c.by, Why: c.why})
			for _, a := range answers {
				fmt.Fprintln(cmd.OutOrStdout(), diag.Visible(a.Text))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&account, "account", "", "this account only")
	c.addTo(cmd, "the reason, kept on record")
	return cmd
}

// askAccounts sends a command to the owner of each account, or of one, and gives the answers of those that obeyed.
func askAccounts(cmd *cobra.Command, account string, c ledger.Command) (answers []ledger.Answer, err error) {
	r, s, err := reader(cmd)
	if err != nil {
		return nil, err
	}
	var names, refused []string
	asked := 0
	for i := range s.Accounts {
		ac := &s.Accounts[i]
		if names = append(names, ac.Name); account != "" && ac.Name != account {
			continue
		}
		asked++
		c.Target = app.Identity(ac)
		as, err := r.Send(cmd.Context(), c, int32(ledger.HashPartition([]byte(c.Target), s.Kafka.Partitions)), answerWait)
		if err != nil {
			return answers, unreachable(err)
		}
		for _, a := range as {
			if a.OK {
				answers = append(answers, a)
			} else {
				refused = append(refused, ac.Name+": "+a.Text)
			}
		}
	}
	switch text := strings.Join(refused, "; "); {
	case asked == 0:
		return nil, &exitError{exitUsage, fmt.Errorf("no account %q: %s", account, strings.Join(names, ", "))}
	case len(refused) > 0 && len(answers) > 0:
		return answers, &exitError{exitPartial, errors.New(text)}
	case len(refused) > 0:
		return nil, &exitError{exitGate, errors.New(text)}
	}
	return answers, nil
}

// tellDrift tells what was found. Drift that stays is exit code 1, a user that no account knows 2.
func tellDrift(out io.Writer, format, user string, answers []ledger.Answer) error {
	left, known := 0, user == ""
	for _, a := range answers {
		if d := a.Drift; d != nil {
			left += d.Differ - d.Repaired
			known = known || d.Checked+d.Unsettled+d.Refused > 0
		}
	}
	if format == "json" {
		if err := printJSON(out, map[string]any{"schema": "notifier.tags/v1", "accounts": answers}); err != nil {
			return err
		}
	} else {
		for _, a := range answers {
			fmt.Fprintln(out, diag.Visible(a.Text))
			if a.Drift == nil {
				continue
			}
			for _, u := range a.Drift.Users {
				fmt.Fprintf(out, "  %s%s%s%s\n", diag.Tame(u.User), list("  missing", u.Missing), list("  too many", u.Extra), list("  not ours, kept", u.Foreign))
			}
		}
	}
	switch {
	case !known:
		return &exitError{exitUsage, fmt.Errorf("no account knows user %q: no profile event of theirs has come", user)}
	case left > 0:
		return &exitError{exitFindings, fmt.Errorf("the tags of %d users differ; next: notifier tags verify --repair, for all users notifier tags resync", left)}
	}
	return nil
}

func list(what string, tags []string) string {
	if len(tags) == 0 {
		return ""
	}
	return what + " " + strings.Join(tags, " ")
}
