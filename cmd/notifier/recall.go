package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
)

func newRecallCmd() *cobra.Command {
	var c changeFlags
	cmd := &cobra.Command{
		Use:   "recall ATTEMPT",
		Short: "take a broadcast back: at RongCloud one with a message, at Getui what still waits there",
		Long: `Asks the vendor to take back what an attempt of the last 48 hours sent.
RongCloud: a broadcast with a message, to tags, a package or everyone. A push without a message, a message to online users and a
message to named users cannot be taken back.
Getui: a broadcast in lane app: its task is stopped. What waits at Getui for users who are away is not delivered any more; what
phones, makers' channels and Apple have stays.
A recall takes a slot of a lane of its own (RongCloud: 2 an hour, 3 a day), is made at most once, and is refused at once when no slot
is free.`,
		Example: `  notifier pause broadcasts --why "wrong text" --yes
  notifier attempts
  notifier recall K3F7QA-0-91 --why "wrong text"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			partition, err := attemptPartition(args[0], spoken(cmd))
			if err != nil {
				return &exitError{exitUsage, err}
			}
			r, s, err := reader(cmd)
			if err != nil {
				return err
			}
			states, err := r.Ledgers(cmd.Context())
			if err != nil {
				return &exitError{exitUnreachable, err}
			}
			at := (*ledger.Attempt)(nil)
			if st := states[partition]; st != nil {
				at = st.Attempts[args[0]]
			}
			if err := noRecall(cmd.Context(), r, args[0], at); err != nil {
				return err
			}
			what := fmt.Sprintf("recall %s: %s %q of rule %s, sent %s to everybody it reached", at.ID, at.Endpoint, at.Title, at.Rule, at.At.In(s.Zone).Format(time.DateTime))
			if err := confirm(cmd, c.yes, what, "recall"); err != nil {
				return err
			}
			answers, err := r.Send(cmd.Context(), ledger.Command{Cmd: ledger.CmdRecall, Target: args[0], Expect: string(ledger.OK), By: c.by, Why: c.why}, partition, answerWait)
			return recallAnswer(cmd, answers, err)
		},
	}
	c.addTo(cmd, "the reason, kept on record")
	return cmd
}

// noRecall refuses what can be seen to have no recall before anybody is asked to confirm. The owner decides all the same.
func noRecall(ctx context.Context, r *query.Reader, id string, at *ledger.Attempt) error {
	usage := func(format string, args ...any) error { return &exitError{exitUsage, fmt.Errorf(format, args...)} }
	switch {
	case at == nil:
		var was *ledger.Fate
		err := r.Fates(ctx, query.Filter{}, func(f ledger.Fate) error {
			if f.Attempt == id && was == nil {
				was = &f
			}
			return nil
		})
		if err != nil {
			return &exitError{exitUnreachable, err}
		}
		if was == nil {
			return usage("no attempt %q on record; next: notifier attempts", id)
		}
		return usage("attempt %s went to %s in lane %s: no recall exists for that; only a broadcast of the last 48 h can be recalled, at RongCloud one with a message, at Getui one of lane app", id, was.Endpoint, was.Lane)
	case at.Recalls != "":
		return usage("attempt %s is a recall itself", id)
	case at.State == ledger.Unknown:
		return usage("attempt %s has no known outcome, so no messageUID: nothing can be recalled by it; next: notifier attempts resolve %s, and recall in the vendor's console", id, id)
	case at.State == ledger.OK && at.Sender == "":
		return usage("attempt %s was a push without a message (%s): no recall exists for that", id, at.Endpoint)
	case at.State == ledger.OK && at.MessageUID == "":
		return usage("the vendor gave no messageUID for attempt %s: recall it in the vendor's console", id)
	}
	return nil
}

// recallAnswer tells what became of a recall: refused by a gate 5, by the vendor 1; nobody knows, or it did not leave, 4.
func recallAnswer(cmd *cobra.Command, answers []ledger.Answer, err error) error {
	if _, silent := errors.AsType[*query.SilentError](err); silent || err != nil && len(answers) == 0 {
		return unreachable(err)
	}
	for _, a := range answers {
		switch {
		case a.OK:
			fmt.Fprintf(cmd.OutOrStdout(), "%s (attempt %s)\n", diag.Visible(a.Text), a.Attempt)
		case a.Refused:
			return &exitError{exitGate, errors.New(a.Text)}
		case a.Outcome == ledger.Refused:
			return &exitError{exitFindings, errors.New(a.Text)}
		default:
			return &exitError{exitUnreachable, errors.New(a.Text)}
		}
	}
	return nil
}

// unreachable is exit code 4.
func unreachable(err error) error { return &exitError{exitUnreachable, err} }
