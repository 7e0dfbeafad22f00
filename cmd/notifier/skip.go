package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/rules"
)

func newSkipCmd() *cobra.Command {
	var c changeFlags
	cmd := &cobra.Command{
		Use:   "skip TOPIC/PARTITION@OFFSET --why TEXT",
		Short: "pass a record at which reading is stuck; it becomes a dead letter (skipped-by-operator)",
		Long: `For a record of an event topic, or of the intents, that stops its partition: a batch that is too large to be unpacked, an intent of a newer
release. The log and notifier_event_partitions_parked name it. Only the record at which the partition stands can be skipped; a batch that
cannot be unpacked is skipped whole. There is no undo: what it held is not acted on. Exit code 5: the partition does not stand there.`,
		Example: `  notifier skip shop.orders/3@991823 --why "a batch of 1 GiB"`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return skip(cmd, args[0], c) },
	}
	c.add(cmd)
	return cmd
}

func skip(cmd *cobra.Command, place string, c changeFlags) error {
	at, err := ledger.ParsePlace(place)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if err := c.check(spoken(cmd)); err != nil {
		return err
	}
	r, s, err := reader(cmd)
	if err != nil {
		return err
	}
	owner := int32(0) // of the answer: those of stage 1 stand under partition 0
	if at.Topic == r.Topics.Intents {
		owner = at.Partition
	} else {
		set, list := rules.Load([]string{s.Rules}, app.RuleOptions(s))
		topics := append(slices.Clone(eventTopics(s, set)), r.Topics.Intents)
		if !slices.Contains(topics, at.Topic) {
			more := ""
			if set == nil { // the topics that can be made out go by their names
				more = fmt.Sprintf("; the rule files have %s, so there may be more; next: notifier check", many(list.Errors(), "error"))
			}
			return &exitError{exitUsage, fmt.Errorf("no topic %q is read: %s%s", at.Topic, strings.Join(topics, ", "), more)}
		}
	}
	if err := confirm(cmd, c.yes, fmt.Sprintf("skip %s: what it holds is never acted on", at), strconv.FormatInt(at.Offset, 10)); err != nil {
		return err
	}
	n, err := r.Partitions(cmd.Context(), at.Topic)
	if err != nil {
		return unreachable(err)
	}
	if int(at.Partition) >= n { // nobody would ever answer
		return &exitError{exitUsage, fmt.Errorf("there is no partition %d: %s has %s, counted from 0", at.Partition, at.Topic, many(n, "partition"))}
	}
	answers, err := r.Send(cmd.Context(), ledger.Command{Cmd: ledger.CmdSkip, Target: at.String(), By: c.by, Why: c.why}, owner, answerWait)
	if silent, ok := errors.AsType[*query.SilentError](err); ok {
		return unreachable(fmt.Errorf("command %s: no instance that reads %s[%d] has answered; it stands for a day; next: notifier status", silent.ID, at.Topic, at.Partition))
	}
	if err != nil {
		return unreachable(err)
	}
	for _, a := range answers {
		if !a.OK {
			return &exitError{exitGate, errors.New(a.Text)}
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s   next: notifier dead ls --reason skipped-by-operator\n", diag.Visible(a.Text))
	}
	return nil
}
