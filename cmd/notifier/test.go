package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/ruletest"
)

type testOptions struct {
	checkOptions
	run      string
	update   bool
	coverage bool
}

func newTestCmd() *cobra.Command {
	var o testOptions
	cmd := &cobra.Command{
		Use:   "test [PATH...]",
		Short: "run the tests in rule files",
		Long: `Runs the tests that stand in rule files, each through the code of the daemon: decoder, conditions, gates, quota and
merging in virtual time, to the request that would leave. It has no connection, so nothing can be sent.

PATH is a folder or a file; without one it is what the settings given with -c say, else rules/. Accounts, time zone, consent and user limits come from the
settings (-c, or a notifier.yaml beside the rules); without settings every account may do everything.`,
		Example: `  notifier test
  notifier test rules/vip.yaml --run 'vip-.*/夜里'
  notifier test --coverage          which clauses no test has seen true and false
  notifier test --update            write the requests of tests with snapshot: true
  notifier test --format junit > report.xml`,
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f := cmd.Flag("config"); f != nil && f.Changed {
				o.config = f.Value.String()
			}
			if o.paths, o.given = args, args; len(args) == 0 {
				o.paths = rulesOf(o.config, os.Environ())
			}
			if f := cmd.Flag("lang"); f != nil {
				o.lang = f.Value.String()
			}
			out, err := coloured(cmd)
			if err != nil {
				return err
			}
			return runTests(o, os.Environ(), out, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&o.format, "format", "text", "text, json or junit")
	cmd.Flags().String("lang", "", "en, zh or both (default from the locale)")
	cmd.Flags().StringVar(&o.run, "run", "", "only tests whose RULE/NAME this regular expression finds")
	cmd.Flags().BoolVar(&o.update, "update", false, "write the requests of tests with snapshot: true")
	cmd.Flags().BoolVar(&o.coverage, "coverage", false, "say which clauses and rules are not proved; with --run of the rules whose tests it finds")
	return cmd
}

// runTests writes the run to out and notes to talk.
func runTests(o testOptions, env []string, out, talk io.Writer) error {
	lang, err := language(o.lang, env)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if o.format != "text" && o.format != "json" && o.format != "junit" {
		return &exitError{exitUsage, fmt.Errorf(mostly(lang, "unknown --format %q: text, json or junit", "没有 --format %q：text、json 或 junit"), o.format)}
	}
	var filter *regexp.Regexp
	if o.run != "" {
		if filter, err = regexp.Compile(o.run); err != nil {
			return &exitError{exitUsage, fmt.Errorf(mostly(lang, "--run: %w", "--run 不是正则表达式：%w"), err)}
		}
	}
	known, s, err := ruleSettings(o.checkOptions, lang, env, talk)
	if err != nil {
		return err
	}
	files, unread := rules.Read(o.paths)
	if unread.Errors() == 0 && len(files) == 0 { // as check
		return noRuleFiles(o.paths, lang)
	}
	set, list := rules.Load(o.paths, known)
	if set == nil {
		return mistakes(o, list, lang, out, talk)
	}
	bench := app.AnyBench(set, nil)
	if s != nil {
		bench = app.NewBench(s, nil)
	}
	shots := &ruletest.Snapshots{Update: o.update}
	rep := ruletest.Run(ruletest.Options{Set: set, Stage: bench.Options, Identities: bench.Identities, Request: bench.Request, Run: filter, Snapshots: shots})
	if len(rep.Results) == 0 {
		where := strings.Join(o.paths, ", ")
		what := mostly(lang, "no rule in "+where+" has `tests`; next: docs/testing.md", where+" 里没有规则写了 `tests`；下一步：docs/testing.zh-CN.md")
		if o.run != "" {
			what = fmt.Sprintf(mostly(lang, "no test in %s matches --run %q", "%s 里没有测试符合 --run %q"), where, o.run)
		}
		return &exitError{exitUsage, errors.New(mostly(lang, "no tests were run: ", "没有运行任何测试：") + what)}
	}
	switch o.format {
	case "json":
		err = rep.WriteJSON(out, nil)
	case "junit":
		err = rep.WriteJUnit(out)
	default:
		err = rep.WriteText(out, lang, o.coverage)
	}
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	if o.update {
		changed, err := shots.Write(o.run == "")
		for _, path := range changed {
			fmt.Fprintln(talk, mostly(lang, "written: ", "已写入：")+path)
		}
		if err != nil {
			return err
		}
	}
	if rep.Failed() > 0 {
		return &exitError{code: exitFindings}
	}
	return nil
}

// mistakes tells why the files cannot be tested.
func mistakes(o testOptions, list diag.List, lang diag.Lang, out, talk io.Writer) error {
	var err error
	switch o.format {
	case "json":
		err = (&ruletest.Report{}).WriteJSON(out, list)
	case "junit":
		err = diag.WriteText(talk, list, lang)
	default:
		err = diag.WriteText(out, list, lang)
	}
	if err != nil {
		return fmt.Errorf("write the findings: %w", err)
	}
	for _, d := range list {
		if d.Code == "N117" { // a path that cannot be read
			return &exitError{code: exitUsage}
		}
	}
	return &exitError{exitFindings, errors.New(mostly(lang, "the rules have errors, no test was run; next: ", "规则有错误，没有运行测试；下一步：") + checkOf(o.given))}
}
