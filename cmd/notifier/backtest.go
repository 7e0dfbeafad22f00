package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/term"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/backtest"
	"github.com/notifier/notifier/internal/consumer"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

type backtestOptions struct {
	from    string
	since   string
	rules   string
	against string
	approve bool
	config  string // -c, "" when it was not given
	lang    string
	format  string
}

func newBacktestCmd() *cobra.Command {
	var o backtestOptions
	cmd := &cobra.Command{
		Use:   "backtest --from FILE | --since 7d",
		Short: "history through candidate rules",
		Long: `Runs history through rules, the daemon's own gates, quota and merging in virtual time, and counts: notifications a day
for each rule, how many a user gets, what was coalesced or suppressed and why, which broadcast slots were used. It has
no credentials of the vendor and makes no call.

FILE has a record a line: {"topic","key","headers","timestamp","value"}, or what kcat -J prints. --since reads the
topics of the catalogue instead, without a consumer group; it needs the settings for Kafka. With --against it says
what the rules in --rules do otherwise than those, and ends with exit code 1 if anything.`,
		Example: `  kcat -C -e -J -b kafka:9092 -t shop.orders > orders.jsonl
  notifier backtest --from orders.jsonl
  notifier backtest --from orders.jsonl --rules candidate/ --against rules/
  notifier backtest --since 7d --rules candidate/ --against rules/ -c notifier.yaml`,
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f := cmd.Flag("config"); f != nil && f.Changed {
				o.config = f.Value.String()
			}
			if !cmd.Flags().Changed("rules") {
				if o.since != "" && o.config == "" && isFile("notifier.yaml") { // where Kafka is, and the rules
					o.config = "notifier.yaml"
				}
				o.rules = rulesOf(o.config, os.Environ())[0]
			}
			if f := cmd.Flag("lang"); f != nil {
				o.lang = f.Value.String()
			}
			return runBacktest(cmd.Context(), o, os.Environ(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "file with the records of history, one a line")
	f.StringVar(&o.since, "since", "", "read the topics from this time on instead: 7d, 2026-11-21 09:00")
	f.StringVar(&o.rules, "rules", "rules/", "the candidate rules, a folder or a file (with -c: what the settings say)")
	f.StringVar(&o.against, "against", "", "rules to compare them with: those that are live")
	f.BoolVar(&o.approve, "approve", false, "take every request as approved at once (else nobody approves)")
	f.StringVar(&o.format, "format", "text", "text or json")
	f.String("lang", "", "en, zh or both (default from the locale)")
	return cmd
}

// runBacktest writes the report to out and notes to talk.
func runBacktest(ctx context.Context, o backtestOptions, env []string, out, talk io.Writer) error {
	lang, err := language(o.lang, env)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if err := jsonOrText(lang, o.format); err != nil {
		return err
	}
	if (o.from == "") == (o.since == "") {
		return &exitError{exitUsage, errors.New(mostly(lang, "one history is needed: --from FILE, with a record a line, or --since 7d; next: notifier backtest --help", "需要且只能有一份历史：--from 文件（每行一条记录），或 --since 7d；下一步：notifier backtest --help"))}
	}
	if o.since != "" && o.config == "" && isFile("notifier.yaml") { // where Kafka is, wherever the candidate rules are
		o.config = "notifier.yaml"
	}
	known, s, err := ruleSettings(checkOptions{paths: []string{o.rules}, config: o.config}, lang, env, talk)
	if err != nil {
		return err
	}
	candidate, err := o.side(o.rules, known, s, lang, talk)
	if err != nil {
		return err
	}
	var against *backtest.Side
	if o.against != "" {
		if against, err = o.side(o.against, known, s, lang, talk); err != nil {
			return err
		}
	}
	var rep *backtest.Report
	if o.from != "" {
		rep, err = o.runFile(candidate, against, lang, talk)
	} else {
		rep, err = o.runTopics(ctx, s, candidate, against, lang, talk)
	}
	if err != nil {
		return err
	}
	if o.format == "json" {
		err = printJSON(out, rep)
	} else {
		err = rep.WriteText(out, o.against, lang)
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if rep.Against != nil && rep.Against.Differs() {
		return &exitError{code: exitFindings}
	}
	return nil
}

// side loads one set of rules with what the settings put around it.
func (o *backtestOptions) side(path string, known rules.Options, s *settings.Settings, lang diag.Lang, talk io.Writer) (*backtest.Side, error) {
	set, list := rules.Load([]string{path}, known)
	if set == nil {
		if err := diag.WriteText(talk, list, lang); err != nil {
			return nil, err
		}
		for _, d := range list {
			if d.Code == "N117" { // a path that cannot be read
				return nil, &exitError{code: exitUsage}
			}
		}
		return nil, &exitError{exitFindings, fmt.Errorf(mostly(lang, "the rules in %s have errors, nothing was run; next: notifier check %s", "%s 里的规则有错误，没有运行；下一步：notifier check %s"), path, shellWord(path))}
	}
	if len(set.Rules) == 0 {
		return nil, &exitError{exitUsage, fmt.Errorf(mostly(lang, "no rules in %s: name a folder with rules", "%s 里没有规则：请写有规则的文件夹"), path)}
	}
	bench := app.AnyBench(set, nil)
	if s != nil {
		bench = app.NewBench(s, nil)
	}
	return &backtest.Side{Set: set, Stage: bench.Options, Identities: bench.Identities, Request: bench.Request, Approve: o.approve}, nil
}

// runFile reads the file. What is wrong with it is wrong use.
func (o *backtestOptions) runFile(candidate, against *backtest.Side, lang diag.Lang, talk io.Writer) (*backtest.Report, error) {
	file, err := backtest.OpenFile(o.from)
	if err != nil {
		return nil, &exitError{exitUsage, noRecord(err, lang)}
	}
	defer file.Close()
	rep, err := backtest.Run(withProgress(file.Each, file.Len, talk, lang), *candidate, against)
	if _, bad := errors.AsType[*backtest.LineError](err); bad {
		return nil, &exitError{exitUsage, noRecord(err, lang)}
	}
	if errors.Is(err, backtest.ErrEmpty) {
		return nil, &exitError{exitUsage, errors.New(mostly(lang, o.from+": "+err.Error()+"; the topics of its records must be those of events.yaml", o.from+" 里没有可用的记录：记录的主题要和 events.yaml 里的一样"))}
	}
	return rep, err
}

// noRecord says which line of a file is no record.
func noRecord(err error, lang diag.Lang) error {
	if bad, ok := errors.AsType[*backtest.LineError](err); ok && lang == diag.ZH {
		return errors.New(bad.ZH())
	}
	return err
}

// runTopics reads the topics of both catalogues.
func (o *backtestOptions) runTopics(ctx context.Context, s *settings.Settings, candidate, against *backtest.Side, lang diag.Lang, talk io.Writer) (*backtest.Report, error) {
	if s == nil {
		return nil, &exitError{exitUsage, errors.New(mostly(lang, "--since reads Kafka, and where that is stands in the settings: -c notifier.yaml (in place of the vendor's secret any text will do)", "--since 要读 Kafka，地址写在设置里：请加 -c notifier.yaml（厂商密钥随便写什么都行）"))}
	}
	since, err := parseSince(o.since, time.Now(), s.Zone, lang)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	opts, err := app.Connect(s)
	if err != nil {
		return nil, err
	}
	topics := candidate.Set.Topics()
	if against != nil {
		topics = append(topics, against.Set.Topics()...)
		slices.Sort(topics)
		topics = slices.Compact(topics)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	var refused error // by a side, not by Kafka
	total := 0
	src := func(take func(event.Record) error) error {
		r := query.Reader{Kafka: opts}
		missing, err := r.History(ctx, topics, since, func(n int) { total = n }, func(k *kgo.Record) error {
			refused = take(consumer.RecordOf(k))
			return refused
		})
		for _, topic := range missing {
			fmt.Fprintf(talk, mostly(lang, "note: there is no topic %s\n", "提示：没有主题 %s\n"), topic)
		}
		return err
	}
	rep, err := backtest.Run(withProgress(src, func() int { return total }, talk, lang), *candidate, against)
	switch {
	case errors.Is(err, backtest.ErrEmpty):
		return nil, &exitError{exitUsage, errors.New(mostly(lang, "since "+since.Format(time.RFC3339)+": "+err.Error(), "从 "+since.Format(time.RFC3339)+" 起没有可用的记录"))}
	case err != nil && refused == nil:
		return nil, &exitError{exitUnreachable, err}
	}
	return rep, err
}

// withProgress shows how far a source is, if talk is a terminal. Its total is known once it has begun.
func withProgress(src backtest.Source, total func() int, talk io.Writer, lang diag.Lang) backtest.Source {
	f, ok := fileOf(talk)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return src
	}
	return progress(src, total, talk, lang, time.Now)
}

// barWide is how many characters the bar has.
const barWide = 30

// progress draws a bar at most five times a second, and takes it away at the end.
func progress(src backtest.Source, total func() int, talk io.Writer, lang diag.Lang, now func() time.Time) backtest.Source {
	return func(take func(event.Record) error) error {
		n, began := 0, now()
		shown := began
		defer fmt.Fprint(talk, "\r\033[K")
		return src(func(rec event.Record) error {
			if n++; n%1000 == 0 && now().Sub(shown) > 200*time.Millisecond {
				shown = now()
				all := max(n, total())
				done := barWide * n / all
				fmt.Fprintf(talk, "\r\033[K[%s%s] "+mostly(lang, "%d of %d (%d %%) records, %.0f a second", "第 %d 条，共 %d 条（%d%%），每秒 %.0f 条"), strings.Repeat("#", done), strings.Repeat(".", barWide-done), n, all, 100*n/all, float64(n)/shown.Sub(began).Seconds())
			}
			return take(rec)
		})
	}
}
