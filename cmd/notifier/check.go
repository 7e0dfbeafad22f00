package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

type checkOptions struct {
	paths  []string
	given  []string // of the paths those of the command line
	config string   // -c, "" when it was not given
	format string
	lang   string
	strict bool
	watch  bool
}

func newCheckCmd() *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check [PATH...]",
		Short: "find every error in rules",
		Long: `Finds every mistake in the event catalogue and the rules, of all files in one run.

PATH is a folder or a file; without one it is what the settings given with -c say, else rules/. Accounts come from the settings (-c, or a notifier.yaml beside
the rules); without settings every account name is taken as known.`,
		Example: `  notifier check
  notifier check rules/vip.yaml
  notifier check --watch            again after each change, until Ctrl-C
  notifier check --format github --strict rules/`,
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
			if o.watch {
				ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
				defer stop()
				poll := time.NewTicker(500 * time.Millisecond)
				defer poll.Stop()
				return watchCheck(ctx, o, os.Environ(), out, cmd.ErrOrStderr(), poll.C)
			}
			return check(o, os.Environ(), out, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&o.format, "format", "text", "text, json or github")
	cmd.Flags().String("lang", "", "en, zh or both (default from the locale)")
	cmd.Flags().BoolVar(&o.strict, "strict", false, "warnings count as errors")
	cmd.Flags().BoolVar(&o.watch, "watch", false, "check again whenever a file changes")
	return cmd
}

// check writes the findings to out and notes to talk.
func check(o checkOptions, env []string, out, talk io.Writer) error {
	lang, err := language(o.lang, env)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if o.format != "text" && o.format != "json" && o.format != "github" {
		return &exitError{exitUsage, fmt.Errorf(mostly(lang, "unknown --format %q: text, json or github", "没有 --format %q：text、json 或 github"), o.format)}
	}
	opt, _, err := ruleSettings(o, lang, env, talk)
	if err != nil {
		return err
	}
	files, list := rules.Read(o.paths)
	unreadable := list.Errors() > 0
	if !unreadable && len(files) == 0 {
		if err := diag.WriteText(talk, list, lang); err != nil {
			return fmt.Errorf("write the findings: %w", err)
		}
		return noRuleFiles(o.paths, lang)
	}
	opt.Partly = unreadable
	set, found := rules.LoadFiles(files, opt)
	if list = append(list, found...); set != nil {
		list = append(list, set.Advice...)
	}
	var n rules.FileInfo
	summary := rules.Summary(files)
	for _, f := range summary {
		n.Rules += f.Rules
	}
	list = list.Sorted()
	switch o.format {
	case "json":
		err = diag.WriteJSON(out, list, len(summary), n.Rules)
	case "github":
		err = diag.WriteGitHub(out, list, lang)
	default:
		err = writeCheck(out, summary, list, n.Rules, lang, o)
	}
	switch {
	case err != nil:
		return fmt.Errorf("write the findings: %w", err)
	case unreadable:
		return &exitError{code: exitUsage}
	case list.Errors() > 0 || (o.strict && list.Warnings() > 0):
		return &exitError{code: exitFindings}
	}
	return nil
}

// writeCheck is the text form: a line for each file, the findings, the sum, what to do next.
func writeCheck(out io.Writer, summary []rules.FileInfo, list diag.List, ruleCount int, lang diag.Lang, o checkOptions) error {
	wide := 0
	for _, f := range summary {
		wide = max(wide, runewidth.StringWidth(diag.Visible(f.Name)))
	}
	var b strings.Builder
	for _, f := range summary {
		fmt.Fprintf(&b, "%s  ", runewidth.FillRight(diag.Visible(f.Name), wide))
		switch {
		case f.Events > 0 && lang == diag.ZH:
			fmt.Fprintf(&b, "%d 个事件\n", f.Events)
		case f.Events > 0:
			fmt.Fprintf(&b, "%s\n", many(f.Events, "event"))
		case lang == diag.ZH:
			fmt.Fprintf(&b, "%d 条规则  %d 个测试\n", f.Rules, f.Tests)
		default:
			fmt.Fprintf(&b, "%-9s %s\n", many(f.Rules, "rule"), many(f.Tests, "test"))
		}
	}
	if err := diag.WriteText(&b, list, lang); err != nil {
		return err
	}
	if lang == diag.ZH {
		fmt.Fprintf(&b, "%d 个文件（%d 条规则）：%d 个错误，%d 个告警\n", len(summary), ruleCount, list.Errors(), list.Warnings())
	} else {
		fmt.Fprintf(&b, "%s, %s in %s (%s)\n", many(list.Errors(), "error"), many(list.Warnings(), "warning"), many(len(summary), "file"), many(ruleCount, "rule"))
	}
	isError := func(d diag.Diagnostic) bool { return d.Severity == diag.Error }
	if i := slices.IndexFunc(list, isError); i >= 0 && !slices.ContainsFunc(list, func(d diag.Diagnostic) bool { return isError(d) && d.Code != "N118" }) {
		b.WriteString(mostly(lang, "next: ", "下一步：") + "notifier config check -c " + shellWord(list[i].File) + "\n")
	} else if i >= 0 {
		next := diag.Text{EN: "next: mend the errors, then `" + checkOf(o.given) + "` again (`notifier explain-code " + list[i].Code + "` tells more); until then the rules in force stay",
			ZH: "下一步：改好错误，再运行 `" + checkOf(o.given) + "`（`notifier explain-code " + list[i].Code + "` 有说明）；在那之前，正在用的规则不变"}
		if lang != diag.ZH {
			next.ZH = ""
		}
		b.WriteString(next.In(lang) + "\n")
	} else if o.strict && list.Warnings() > 0 {
		fails := diag.Text{EN: "not passed: with --strict warnings count as errors", ZH: "未通过：`--strict` 时告警按错误算"}
		if lang != diag.ZH {
			fails.ZH = ""
		}
		b.WriteString(fails.In(lang) + "\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// languageOf is the language of a command's --lang, or of the locale.
func languageOf(cmd *cobra.Command) (diag.Lang, error) {
	flag := ""
	if f := cmd.Flag("lang"); f != nil {
		flag = f.Value.String()
	}
	return language(flag, os.Environ())
}

// mostly is a sentence around a result: one language is enough for it, and it is Chinese where everything is.
func mostly(lang diag.Lang, en, zh string) string {
	if lang == diag.ZH {
		return zh
	}
	return en
}

// language is --lang, or what the locale says; both for a locale that says nothing.
func language(flag string, env []string) (diag.Lang, error) {
	switch l := diag.Lang(flag); l {
	case diag.EN, diag.ZH, diag.Both:
		return l, nil
	case "":
	default:
		return "", fmt.Errorf("unknown --lang %q: en, zh or both", flag)
	}
	locale := ""
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		for _, e := range env {
			if v, ok := strings.CutPrefix(e, name+"="); ok && v != "" && locale == "" {
				locale = v
			}
		}
	}
	switch {
	case strings.HasPrefix(locale, "zh"):
		return diag.ZH, nil
	case strings.HasPrefix(locale, "en"):
		return diag.EN, nil
	}
	return diag.Both, nil
}

// rulesOf is where rules are if nobody says: where the settings named with -c have them, else rules/. Settings that cannot be read are named
// later, by whoever needs them.
func rulesOf(config string, env []string) []string {
	if config != "" {
		if s, _ := settings.LoadForRules(config, env); s != nil {
			return []string{s.Rules}
		}
	}
	return []string{"rules/"}
}

func noRuleFiles(paths []string, lang diag.Lang) error {
	where := strings.Join(paths, ", ")
	return &exitError{exitUsage, errors.New(mostly(lang, "no rule files in "+where+": name a folder with .yaml files", where+" 里没有规则文件：请写有 .yaml 文件的文件夹"))}
}

// ruleSettings gives the loader what the settings say, and the settings; where none can be used a stand-in that knows every account, which
// is said, and nil.
func ruleSettings(o checkOptions, lang diag.Lang, env []string, talk io.Writer) (rules.Options, *settings.Settings, error) {
	standIn := func(en, zh string) rules.Options {
		fmt.Fprintln(talk, mostly(lang, "note: "+en+": account names and permissions are not checked", "提示："+zh+"，所以不检查账号名和权限"))
		return app.AnyRuleOptions()
	}
	path := o.config
	if path == "" {
		if path = besideRules(o.paths); path == "" {
			return standIn("no notifier.yaml beside the rules", "规则旁边没有 notifier.yaml"), nil, nil
		}
	}
	s, list := settings.LoadForRules(path, env) // who edits rules need not have the secrets that the settings refer to
	if s == nil && o.config != "" {
		if err := diag.WriteText(talk, list, lang); err != nil {
			return rules.Options{}, nil, err
		}
		return rules.Options{}, nil, &exitError{exitSettings, errors.New(mostly(lang, "the settings are invalid: `notifier config check`", "设置有错误：`notifier config check`"))}
	}
	if s == nil {
		why := firstError(list)
		return standIn(fmt.Sprintf("%s cannot be used here (%s)", path, why.EN), fmt.Sprintf("%s 在这里用不了（%s）", path, why.ZH)), nil, nil
	}
	return app.RuleOptions(s), s, nil
}

func firstError(list diag.List) diag.Text {
	for _, d := range list {
		if d.Severity == diag.Error {
			return d.Message
		}
	}
	return diag.Text{EN: "unknown", ZH: "原因不明"}
}

// besideRules finds the settings in the folder of the rules or the one above it.
func besideRules(paths []string) string {
	for _, p := range paths {
		dir := filepath.Clean(p)
		if isFile(dir) {
			dir = filepath.Dir(dir)
		}
		for range 2 {
			if name := filepath.Join(dir, "notifier.yaml"); isFile(name) {
				return name
			}
			dir = filepath.Join(dir, "..")
		}
	}
	return ""
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}
