package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/explain"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

type explainOptions struct {
	checkOptions
	event string // FILE or -
	user  string
	topic string
	key   string
	rule  string
	now   string
	since string
	say   diag.Lang // of --lang or the locale
}

func newExplainCmd() *cobra.Command {
	var o explainOptions
	order, _ := dispatch.OrderText()
	cmd := &cobra.Command{
		Use:   "explain [EVENT_ID]",
		Short: "why each rule did or did not act",
		Long: `EVENT_ID says what became of a real event, from our own topics, reads its record again for the clauses and the request, and
says what holds what is left of it. An event that no rule wanted is searched in its topics. --user ID says which rule gives each
of a user's tags, from the ledger; with --rule what that rule says of the user, clause by clause. Both need Kafka, but no daemon.

--event FILE takes a record through the code of the daemon: decoder, each condition clause by clause, gates, quota and merging in
virtual time, to the exact request that would leave. It has no connection, so nothing can be sent. Caps, quota and what is
known of the user start empty.

Rules are those of --rules, a folder or file, rules/ without it. Accounts, time zone, consent and user limits come from
the settings (-c, or a notifier.yaml beside the rules); without settings every account may do everything.

The gates in their order, the first that stops an event names the reason:
` + order,
		Example: `  notifier explain ord-88231
  notifier explain --user u-77
  notifier explain --user u-77 --rule city-tag
  notifier explain --event order.json
  notifier explain --event - --topic shop.orders --rule vip-thanks < order.json
  notifier explain --event order.json --now '2026-11-21 23:30'     what the quiet hours do
  notifier explain --event order.json --format json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f := cmd.Flag("config"); f != nil && f.Changed {
				o.config = f.Value.String()
			}
			if !cmd.Flags().Changed("rules") {
				o.paths = rulesOf(o.config, os.Environ())
			}
			o.given = givenRules(cmd, o.paths)
			out, err := coloured(cmd)
			if err != nil {
				return err
			}
			cmd.SetOut(out)
			if o.say, err = language(o.lang, os.Environ()); err != nil {
				return &exitError{exitUsage, err}
			}
			if len(args) == 1 && (o.event != "" || o.user != "") || o.event != "" && o.user != "" {
				return &exitError{exitUsage, errors.New(mostly(o.say, "EVENT_ID, --event and --user exclude each other", "EVENT_ID、--event、--user 只能写一个"))}
			}
			for _, name := range []string{"topic", "key", "now"} {
				if o.event == "" && cmd.Flags().Changed(name) {
					return &exitError{exitUsage, fmt.Errorf(mostly(o.say, "--%s is for --event", "--%s 只和 --event 一起用"), name)}
				}
			}
			if len(args) == 0 && o.since != "" {
				return &exitError{exitUsage, errors.New(mostly(o.say, "--since is for EVENT_ID", "--since 只和 EVENT_ID 一起用"))}
			}
			if len(args) == 1 {
				return explainKnown(cmd, o, args[0])
			}
			if o.user != "" {
				return explainUser(cmd, o, o.user)
			}
			return explainRecord(o, os.Environ(), cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.event, "event", "", "a record's value, JSON, in a file or (-) on stdin; an empty file is a tombstone")
	f.StringVar(&o.user, "user", "", "why a user has the tags, from the ledger")
	f.StringVar(&o.topic, "topic", "", "the record's topic (default: every topic of the catalogue is tried)")
	f.StringVar(&o.key, "key", "", "the record's key, if the catalogue reads it")
	f.StringVar(&o.rule, "rule", "", "only this rule; with --user: what it says of the user")
	f.StringVar(&o.now, "now", "", "when the record comes in: 2026-11-21 23:30, RFC 3339 (default the event's own time)")
	f.StringVar(&o.since, "since", "", "EVENT_ID: how far back its topics are searched if it left no trace (default "+searchedBack+")")
	f.StringArrayVar(&o.paths, "rules", []string{"rules/"}, "folder or file of rules (with -c: what the settings say)")
	f.StringVar(&o.format, "format", "text", "text or json")
	f.StringVar(&o.lang, "lang", "", "en, zh or both (default from the locale)")
	return cmd
}

// explainRecord explains the events of a record in hand; notes go to talk.
func explainRecord(o explainOptions, env []string, in io.Reader, out, talk io.Writer) error {
	if err := jsonOrText(o.say, o.format); err != nil {
		return err
	}
	if o.event == "" {
		return &exitError{exitUsage, errors.New(mostly(o.say, "name an event, EVENT_ID, a user, --user ID, or a record: --event FILE, or --event - for stdin", "请写一个事件 EVENT_ID、一个用户 --user ID，或一条记录：--event 文件，--event - 读标准输入"))}
	}
	value, err := readRecord(o.event, in, o.say)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	switch {
	case len(value) == 0: // a file cannot say whether a record has no value or an empty one, and nobody produces an empty one
		value = nil
		fmt.Fprintln(talk, mostly(o.say, "note: an empty record is taken as a tombstone, which has no value: its key (--key) names the user who is gone", "提示：内容为空，当作墓碑记录（没有值）：已删除的用户由记录的 key（--key）指明"))
	case strings.TrimSpace(string(value)) == "null":
		fmt.Fprintln(talk, mostly(o.say, "note: the text null is a value, as it is to the daemon; a tombstone has none: give an empty file, as --event /dev/null", "提示：文字 null 也是值，守护进程同样这样看；墓碑记录没有值，请给空文件，例如 --event /dev/null"))
	}
	set, s, err := rulesToExplain(o, env, talk)
	if err == nil {
		err = ruleThere(o, set)
	}
	if err != nil {
		return err
	}
	now := time.Now()
	if o.now != "" {
		if now, err = parseSince(o.now, now, set.Zone(), o.say); err != nil {
			return &exitError{exitUsage, fmt.Errorf("--now: %w", err)}
		}
	}
	evs, faults, err := eventsOf(set, o, value, now, talk)
	if err != nil {
		return err
	}
	for i := range evs {
		at := now
		if o.now == "" { // counters start empty, so nothing ties it to today: an old sample would only be expired
			at = evs[i].Time
		}
		rep, err := explain.Event(explaining(o, set, s, at), &evs[i])
		if err != nil {
			return err
		}
		if err := writeExplained(out, rep, o, set.Zone()); err != nil {
			return err
		}
	}
	for _, f := range faults {
		says := f.Error()
		if letter, ok := errors.AsType[*event.DecodeError](f); ok {
			says = mostly(o.say, says, explain.LetterZH(letter))
		}
		fmt.Fprintln(talk, mostly(o.say, "dead letter: ", "死信：")+diag.Tame(says))
	}
	if topics := set.Topics(); len(evs) == 0 && len(faults) > 1 && o.topic == "" { // it cannot have been meant for all of them
		return &exitError{exitFindings, fmt.Errorf(mostly(o.say, "no entry of the catalogue can use the record, and its topic was not said; next: once more with --topic, which is one of %s", "事件目录里没有哪个事件能用这条记录，也没有写它的主题；下一步：加上 --topic 再试，可以是 %s"), strings.Join(topics, mostly(o.say, ", ", "、")))}
	}
	if len(evs) == 0 {
		return &exitError{exitFindings, errors.New(mostly(o.say, "the record is no usable event, the daemon would make it a dead letter; next: mend the record or rules/events.yaml", "这条记录不是可用的事件，守护进程会把它当作死信；下一步：改记录或 rules/events.yaml"))}
	}
	return nil
}

func explaining(o explainOptions, set *rules.Set, s *settings.Settings, now time.Time) explain.Options {
	var bench *app.Bench
	if s != nil {
		bench = app.NewBench(s, nil)
	} else {
		bench = app.AnyBench(set, nil)
	}
	return explain.Options{Set: set, Stage: bench.Options, Identities: bench.Identities, Request: bench.Request, Now: now, Only: o.rule}
}

func writeExplained(out io.Writer, rep *explain.Report, o explainOptions, zone *time.Location) error {
	if o.format == "json" {
		return printJSON(out, rep)
	}
	return rep.WriteText(out, zone, o.say)
}

// maxRecord bounds a record in hand, far above what a broker takes: a device or a pipe may have no end.
const maxRecord = 64 << 20

func readRecord(name string, in io.Reader, lang diag.Lang) ([]byte, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // nothing was written
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxRecord+1))
	switch {
	case err != nil && name == "-":
		return nil, fmt.Errorf("read stdin: %w", err)
	case err == nil && len(b) > maxRecord:
		return nil, fmt.Errorf(mostly(lang, "the record has more than %d MiB: none in Kafka is as large", "这条记录超过 %d MiB：Kafka 里没有这么大的记录"), maxRecord>>20)
	}
	return b, err
}

// rulesToExplain loads the rules as `check` does.
func rulesToExplain(o explainOptions, env []string, talk io.Writer) (*rules.Set, *settings.Settings, error) {
	known, s, err := ruleSettings(o.checkOptions, o.say, env, talk)
	if err != nil {
		return nil, nil, err
	}
	set, list := rules.Load(o.paths, known)
	if set == nil {
		if err := diag.WriteText(talk, list, o.say); err != nil {
			return nil, nil, err
		}
		code := exitFindings
		if slices.ContainsFunc(list, func(d diag.Diagnostic) bool { return d.Code == "N117" }) { // a path that cannot be read
			code = exitUsage
		}
		return nil, nil, &exitError{code, errors.New(mostly(o.say, "the rules have errors, nothing was explained; next: ", "规则有错误，无法说明；下一步：") + checkOf(o.given))}
	}
	return set, s, nil
}

// ruleThere sees that --rule is one of the rules.
func ruleThere(o explainOptions, set *rules.Set) error {
	if o.rule == "" || set.Rule(o.rule) != nil {
		return nil
	}
	var names []string
	for _, r := range set.Rules {
		names = append(names, r.Name)
	}
	hint := ""
	if n := nearestName(o.rule, names); n != "" {
		hint = fmt.Sprintf(mostly(o.say, "; did you mean %s?", "；是不是想写 %s？"), n)
	}
	return &exitError{exitUsage, fmt.Errorf(mostly(o.say, "there is no rule %q in %s: %s%s", "没有规则 %q，%s 里有：%s%s"), o.rule, strings.Join(o.paths, ", "), some(names, o.say), hint)}
}

// eventsOf decodes a record, on its topic or on every one of the catalogue, each entry once. The faults are why entries whose match
// holds could not use it.
func eventsOf(set *rules.Set, o explainOptions, value []byte, now time.Time, talk io.Writer) (evs []event.Event, faults []error, err error) {
	topics := set.Topics()
	if o.topic != "" {
		if !slices.Contains(topics, o.topic) {
			hint := ""
			if n := diag.Nearest(o.topic, topics); n != "" {
				hint = fmt.Sprintf(mostly(o.say, "; did you mean %s?", "；是不是想写 %s？"), n)
			}
			return nil, nil, &exitError{exitUsage, fmt.Errorf(mostly(o.say, "no entry of the catalogue reads topic %q%s", "事件目录里没有用主题 %q 的事件%s"), o.topic, hint)}
		}
		topics = []string{o.topic}
	}
	seen, told := map[*event.Spec]bool{}, map[string]bool{}
	for _, topic := range topics {
		rec := event.Record{Position: event.Position{Topic: topic}, Value: value, Time: now}
		if o.key != "" {
			rec.Key = []byte(o.key)
		}
		found, err := set.Decode(rec)
		for _, ev := range found {
			if !seen[ev.Spec] {
				seen[ev.Spec] = true
				evs = append(evs, ev)
			}
		}
		if err != nil && !told[err.Error()] {
			told[err.Error()] = true
			faults = append(faults, err)
		}
	}
	if len(evs) == 0 && len(faults) == 0 {
		return nil, nil, &exitError{exitUsage, fmt.Errorf(mostly(o.say, "no entry of the catalogue takes this record (topics tried: %s): the daemon would ignore it", "事件目录里没有哪个事件接受这条记录（试过的主题：%s）：守护进程会忽略它"), strings.Join(topics, ", "))}
	}
	if o.topic == "" {
		var names []string
		for _, ev := range evs {
			names = append(names, fmt.Sprintf(mostly(o.say, "%s (topic %s)", "%s（主题 %s）"), ev.Spec.Name, ev.Pos.Topic))
		}
		if len(names) > 0 {
			fmt.Fprintln(talk, mostly(o.say, fmt.Sprintf("note: no --topic: of %s in the catalogue it is %s", many(len(topics), "topic"), strings.Join(names, ", ")),
				fmt.Sprintf("提示：没有 --topic：在目录的 %d 个主题里是 %s", len(topics), strings.Join(names, "、"))))
			faults = nil // of entries that it was never meant for
		}
	}
	return evs, faults, nil
}
