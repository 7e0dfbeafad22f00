package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/settings"
)

func newDeadCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "dead letters: ls, show, replay",
		Example: `  notifier dead ls --since 1h
  notifier dead show 0@17
  notifier dead replay --topic shop.orders --reason undecodable`,
		Args: cobra.NoArgs,
		RunE: wantsSub,
	}
	cmd.AddCommand(newDeadLsCmd(), newDeadShowCmd(), newDeadReplayCmd())
	return cmd
}

// deadFlags choose dead letters.
type deadFlags struct{ since, topic, reason string }

func (f *deadFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.since, "since", "", "from this time on: 1h, 2026-11-21 09:00")
	cmd.Flags().StringVar(&f.topic, "topic", "", "whose records were in this topic")
	cmd.Flags().StringVar(&f.reason, "reason", "", "with this reason: undecodable, too-large, bad-field, skipped-by-operator")
}

// letters reads what the flags and ids choose.
func (f *deadFlags) letters(cmd *cobra.Command, ids []string) (*query.Reader, *settings.Settings, []*query.Letter, error) {
	r, s, err := reader(cmd)
	if err != nil {
		return nil, nil, nil, err
	}
	q := query.DeadFilter{IDs: ids, Topic: f.topic, Reason: f.reason}
	if q.Since, err = sinceWhen(f.since, time.Now(), s.Zone, spoken(cmd)); err != nil {
		return nil, nil, nil, &exitError{exitUsage, err}
	}
	var found []*query.Letter
	if err := r.Dead(cmd.Context(), q, func(l *query.Letter) error { found = append(found, l); return nil }); err != nil {
		return nil, nil, nil, unreachable(err)
	}
	for _, id := range ids {
		if !slices.ContainsFunc(found, func(l *query.Letter) bool { return l.ID == id }) {
			return nil, nil, nil, &exitError{exitUsage, fmt.Errorf(mostly(spoken(cmd), "no dead letter %q is on record; next: notifier dead ls", "没有死信 %q；下一步：notifier dead ls"), id)}
		}
	}
	return r, s, found, nil
}

func newDeadLsCmd() *cobra.Command {
	var f deadFlags
	var format string
	var limit int
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "records that could not be used, newest last",
		Example: `  notifier dead ls --since 1h
  notifier dead ls --topic shop.orders --format jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := listFormat(spoken(cmd), format); err != nil {
				return err
			}
			if limit < 0 {
				return &exitError{exitUsage, errors.New("--limit is a number of dead letters, 0 for all")}
			}
			_, s, found, err := f.letters(cmd, nil)
			if err != nil {
				return err
			}
			return printDead(cmd.OutOrStdout(), cmd.ErrOrStderr(), format, found, limit, s.Zone)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&format, "format", "text", "text, json or jsonl")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many to show, the newest; 0 for all")
	return cmd
}

func printDead(out, talk io.Writer, format string, found []*query.Letter, limit int, zone *time.Location) error {
	total := len(found)
	if limit > 0 && total > limit {
		found = found[total-limit:]
	}
	list := []ledger.DeadLetter{}
	for _, l := range found {
		list = append(list, l.DeadLetter)
	}
	more := fmt.Sprintf("%d older ones; next: --limit 0 for all, or --since, --topic, --reason", total-len(list))
	switch format {
	case "json":
		return printJSON(out, map[string]any{"schema": "notifier.dead/v1", "total": total, "letters": list})
	case "jsonl":
		for _, l := range list {
			b, err := json.Marshal(l)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%s\n", b)
		}
		if total > len(list) {
			fmt.Fprintln(talk, more)
		}
		return nil
	}
	if total == 0 {
		fmt.Fprintln(out, "no dead letters")
		return nil
	}
	w := &columns{to: out}
	fmt.Fprintln(w, "ID\tTIME\tRECORD\tREASON\tDETAIL")
	for i := range list {
		l := &list[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.ID, l.At.In(zone).Format("01-02 15:04:05"), place(l), l.Reason, diag.Tame(deadText(l)))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if total > len(list) {
		fmt.Fprintln(out, more)
	}
	fmt.Fprintf(out, "%d dead letters   next: notifier dead show ID, or notifier dead replay\n", total)
	return nil
}

// place is where the original was, as skip and explain write it.
func place(l *ledger.DeadLetter) string {
	return fmt.Sprintf("%s/%d@%d", l.Topic, l.Partition, l.Offset)
}

func deadText(l *ledger.DeadLetter) string {
	parts := []string{l.Detail}
	if l.Replays == 1 {
		parts = append(parts, "sent again")
	} else if l.Replays > 1 {
		parts = append(parts, fmt.Sprintf("sent again %d times", l.Replays))
	}
	if l.Replayed != "" {
		parts = append(parts, "was sent again from "+l.Replayed)
	}
	if l.Cut != "" {
		parts = append(parts, "cannot be replayed: "+l.Cut)
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}

func newDeadShowCmd() *cobra.Command {
	var format string
	var payload bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "one dead letter: where it was, why it died, its key and headers",
		Long: `The value of the record is shown only with --payload, because it may hold personal data. JSON has it as text, or as base64 in value_base64
if it is no UTF-8.`,
		Example: `  notifier dead show 0@17
  notifier dead show 0@17 --payload`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := jsonOrText(spoken(cmd), format); err != nil {
				return err
			}
			_, s, found, err := (&deadFlags{}).letters(cmd, args)
			if err != nil {
				return err
			}
			return showDead(cmd.OutOrStdout(), format, found[0], payload, s.Zone)
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	cmd.Flags().BoolVar(&payload, "payload", false, "show the value too")
	return cmd
}

func showDead(out io.Writer, format string, l *query.Letter, payload bool, zone *time.Location) error {
	if format == "json" {
		return printJSON(out, deadJSON(l, payload))
	}
	row := func(key, text string) { fmt.Fprintf(out, "%-9s %s\n", key, text) }
	row("letter", l.ID)
	row("record", place(&l.DeadLetter))
	row("died", l.At.In(zone).Format("2006-01-02 15:04:05 -07:00"))
	row("reason", string(l.Reason))
	row("detail", diag.Tame(deadText(&l.DeadLetter)))
	row("key", diag.Tame(string(l.Key)))
	for _, h := range l.Headers {
		row("header", diag.Tame(h.Key)+": "+diag.Tame(string(h.Value)))
	}
	if payload {
		row("value", diag.Tame(string(l.Value)))
		return nil
	}
	row("value", fmt.Sprintf("%d bytes, shown by --payload", l.Bytes))
	return nil
}

func newDeadReplayCmd() *cobra.Command {
	var c changeFlags
	var f deadFlags
	var send, again bool
	cmd := &cobra.Command{
		Use:   "replay [ID...]",
		Short: "say which records would go to their topics again; with --send, send them",
		Long: `The original record (key, value and headers) goes to its partition again, with the header n-replayed, and is an event like any other: mend
what made it die first, or it dies again. Events of the record that were acted on before are duplicates as long as they are remembered.
Left out are letters whose record was not kept whole and, without --again, those that were sent again already. Who did it and why stays on
record. There is no undo. Exit code 5: somebody else sent one of them meanwhile, nothing was sent; 6: some of those chosen could not be sent.`,
		Example: `  notifier dead replay --topic shop.orders --since 2h
  notifier dead replay --topic shop.orders --since 2h --send --why "catalogue mended"
  notifier dead replay 0@17 0@18 --send --why "catalogue mended"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if send {
				if err := c.check(spoken(cmd)); err != nil {
					return err
				}
			}
			r, _, found, err := f.letters(cmd, args)
			if err != nil {
				return err
			}
			return replay(cmd, r, found, again, send, c)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&send, "send", false, "send them; asks to type how many")
	cmd.Flags().BoolVar(&again, "again", false, "also those that were sent again already")
	c.addTo(cmd, "the reason, kept on record (required with --send)")
	return cmd
}

func replay(cmd *cobra.Command, r *query.Reader, found []*query.Letter, again, send bool, c changeFlags) error {
	out := cmd.OutOrStdout()
	var good []*query.Letter
	left := 0
	for _, l := range found {
		switch {
		case l.Cut == "" && l.Topic == r.Topics.Intents:
			l.Cut = "it was no event but an intent"
			fallthrough
		case l.Cut != "":
			left++
			fmt.Fprintf(out, "%s  %s  left out: %s\n", l.ID, place(&l.DeadLetter), diag.Tame(l.Cut))
		case l.Replays > 0 && !again:
			fmt.Fprintf(out, "%s  %s  left out: sent again already; to send it once more, add --again\n", l.ID, place(&l.DeadLetter))
		default:
			good = append(good, l)
			fmt.Fprintf(out, "%s  %s  %d bytes to %s[%d]  it died of %s: %s\n", l.ID, place(&l.DeadLetter), l.Bytes, l.Topic, l.Partition, l.Reason, diag.Tame(l.Detail))
		}
	}
	if len(good) == 0 {
		return &exitError{exitUsage, fmt.Errorf("none of %d dead letters can be sent again; next: notifier dead ls", len(found))}
	}
	if !send {
		fmt.Fprintf(out, "%d records would be sent, %d cannot be   next: the same with --send --why TEXT\n", len(good), left)
		return nil
	}
	n := strconv.Itoa(len(good))
	if err := confirm(cmd, c.yes, fmt.Sprintf("dead replay: %s records go to their topics again, and what comes of them may be sent to people", n), n); err != nil {
		return err
	}
	if err := r.Replay(cmd.Context(), good, c.by, c.why); errors.Is(err, query.ErrTooManyLetters) {
		return &exitError{exitUsage, fmt.Errorf("%w; next: --since, --topic, --reason", err)}
	} else if errors.Is(err, query.ErrReplayed) {
		return &exitError{exitGate, fmt.Errorf("dead letter %w; next: notifier dead ls", err)}
	} else if err != nil {
		return unreachable(err)
	}
	fmt.Fprintf(out, "%s records sent   next: notifier dead ls --since 1m\n", n)
	if left > 0 {
		return &exitError{exitPartial, fmt.Errorf("%d of %d dead letters could not be sent", left, len(good)+left)}
	}
	return nil
}
