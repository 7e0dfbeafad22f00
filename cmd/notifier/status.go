package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
)

func newStatusCmd() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "who owns what, what waits, what is stopped",
		Args:  cobra.NoArgs,
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
			st := app.StatusOf(s, states)
			if format == "json" {
				return printJSON(cmd.OutOrStdout(), st)
			}
			out := cmd.OutOrStdout()
			for _, p := range st.Partitions {
				fmt.Fprintf(out, "partition %d  owner %s  intents %d = %d fates + %d pending  users %d\n", p.Partition, p.Owner, p.Intents, p.Fates, p.Pending, p.Users)
			}
			for _, scope := range slices.Sorted(maps.Keys(st.Pauses)) {
				p := st.Pauses[scope]
				fmt.Fprintf(out, "paused  %s  by %s: %s  since %s   next: notifier resume %s\n", scope, p.By, p.Why, p.At.In(s.Zone).Format(time.DateTime), scope)
			}
			for _, lane := range slices.Sorted(maps.Keys(st.Lanes)) {
				l := st.Lanes[lane]
				fmt.Fprintf(out, "stopped  %s  %s since %s, tried again %s: %s\n", lane, l.Reason, l.Since.In(s.Zone).Format(time.DateTime), l.Retry.In(s.Zone).Format(time.DateTime), l.Detail)
			}
			if st.Unknown > 0 {
				fmt.Fprintf(out, "unknown  %d calls wait for a human   next: notifier attempts --unknown\n", st.Unknown)
			}
			if !st.Balanced {
				fmt.Fprintln(out, "the books do not balance   next: keep the topics and report it")
				return &exitError{code: exitFindings}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	return cmd
}
