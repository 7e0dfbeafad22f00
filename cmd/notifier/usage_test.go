package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/embedded"
)

// walk calls f for a command and all below it.
func walk(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, c := range cmd.Commands() {
		walk(c, f)
	}
}

func TestHelpBeginsWithExamples(t *testing.T) {
	started := false
	root := newRootCmd(&started)
	n := 0
	walk(root, func(cmd *cobra.Command) {
		if cmd.Hidden {
			return
		}
		if cmd.Example == "" {
			if cmd.Runnable() {
				t.Errorf("%s runs and has no example", cmd.CommandPath())
			}
			return
		}
		n++
		var b bytes.Buffer
		cmd.SetOut(&b)
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(b.String(), cmd.Example+"\n") || strings.Count(b.String(), cmd.Example) != 1 || !strings.Contains(b.String(), "Usage:") {
			t.Errorf("%s --help:\n%s", cmd.CommandPath(), b.String())
		}
	})
	if n < 20 {
		t.Errorf("only %d commands have examples", n)
	}
}

// Every command takes --color and --lang, and a flag that is misspelled is named with what to type next.
func TestFlagsOfEveryCommand(t *testing.T) {
	t.Setenv("LC_ALL", "en_US.UTF-8")
	for line, want := range map[string]string{
		"check --fromat json":              "unknown flag --fromat; did you mean `--format`? next: notifier check --help",
		"approvals approve X --why":        "next: notifier approvals approve --help",
		"status --wyh":                     "did you mean `--why`?",
		"pending list --lnag en":           "did you mean `--lang`?",
		"check --color red":                `unknown --color "red": auto, always or never`,
		"new":                              "notifier new is several commands: rule",
		"pending":                          "notifier pending is several commands: cancel, extend, list",
		"check --color never --lang en ..": "",
		"explain --user a --user b":        `"--user" flag: it takes one value, and "a" was given before`,
		"fates --rule a --rule b":          `"--rule" flag: it takes one value, and "a" was given before`,
	} {
		started := false
		root := newRootCmd(&started)
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		root.SetArgs(strings.Fields(line))
		err := root.Execute()
		if want == "" {
			if err == nil || strings.Contains(err.Error(), "flag") {
				t.Errorf("%s: %v", line, err)
			}
			continue
		}
		if err == nil || exitCode(err, started) != exitUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", line, err)
		}
	}
	started := false
	walk(newRootCmd(&started), func(cmd *cobra.Command) {
		for _, name := range []string{"color", "lang"} {
			if cmd.Flag(name) == nil && cmd.InheritedFlags().Lookup(name) == nil {
				t.Errorf("%s has no --%s", cmd.CommandPath(), name)
			}
		}
	})
}

// What was perhaps meant is said in the language of the user, for words and for flags, at every level.
func TestWhatWasPerhapsMeant(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ locale, line, want string }{
		{"en", "chekc", "notifier: unknown command `notifier chekc`; did you mean `notifier check`? next: notifier --help\n"},
		{"zh_CN.UTF-8", "chekc", "notifier: 没有 `notifier chekc` 这个命令，是不是想写 `notifier check`？下一步：notifier --help\n"},
		{"", "validate", "notifier: unknown command `notifier validate`; did you mean `notifier check`? · 没有 `notifier validate` 这个命令，是不是想写 `notifier check`？ next: notifier --help\n"},
		{"en", "zzzzz", "notifier: unknown command `notifier zzzzz`; next: notifier --help\n"},
		{"en", "new ruel", "notifier: unknown command `notifier new ruel`; did you mean `notifier new rule`? next: notifier new --help\n"},
		{"en", "approvals aprove X --why x", "notifier: unknown flag --why; next: notifier approvals --help\n"},
		{"en", "approvals aprove X", "notifier: unknown command `notifier approvals aprove`; did you mean `notifier approvals approve`? next: notifier approvals --help\n"},
		{"en", "attempts resovle", "notifier: unknown command `notifier attempts resovle`; did you mean `notifier attempts resolve`? next: notifier attempts --help\n"},
		{"en", "quota chrage main/broadcast", "notifier: unknown command `notifier quota chrage`; did you mean `notifier quota charge`? next: notifier quota --help\n"},
		{"en", "completion bsh", "notifier: unknown command `notifier completion bsh`; did you mean `notifier completion bash`? next: notifier completion --help\n"},
		{"en", "help nosuch", "notifier: unknown command `notifier nosuch`; next: notifier --help\n"},
		{"en", "help statsu", "notifier: unknown command `notifier statsu`; did you mean `notifier status`? next: notifier --help\n"},
		{"zh_CN.UTF-8", "help approvals aprove", "notifier: 没有 `notifier approvals aprove` 这个命令，是不是想写 `notifier approvals approve`？下一步：notifier approvals --help\n"},
		{"en", "status main", "notifier: notifier status takes flags only, and \"main\" is none; next: notifier status --help\n"},
		{"zh_CN.UTF-8", "check --fromat json", "notifier: 没有 --fromat 这个参数，是不是想写 `--format`？下一步：notifier check --help\n"},
		{"en", "check --lang zh --fromat json", "notifier: 没有 --fromat 这个参数，是不是想写 `--format`？下一步：notifier check --help\n"},
		{"", "check --fromat json", "notifier: unknown flag --fromat; did you mean `--format`? · 没有 --fromat 这个参数，是不是想写 `--format`？ next: notifier check --help\n"},
	} {
		cmd := command(t, dir, strings.Fields(c.line)...)
		cmd.Env = append(cmd.Env, "LC_ALL="+c.locale, "LC_MESSAGES=", "LANG=")
		var out, talk bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &talk
		err := cmd.Run()
		if x, ok := errors.AsType[*exec.ExitError](err); !ok || x.ExitCode() != exitUsage || talk.String() != c.want || out.Len() > 0 {
			t.Errorf("%s, locale %q: %v\n%s%swant\n%s", c.line, c.locale, err, out.String(), talk.String(), c.want)
		}
	}
}

// The help of a command, and of one below it, is asked for in two ways; words behind it are its own.
func TestHelpOfACommandIsItsHelp(t *testing.T) {
	for line, want := range map[string]string{"help": "notifier demo", "help approvals approve": "notifier approvals approve", "help pause all": "notifier pause", "help help": "notifier help check"} {
		started := false
		root := newRootCmd(&started)
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetArgs(strings.Fields(line))
		if err := root.Execute(); err != nil || !strings.Contains(out.String(), "Usage:") || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %v\n%s", line, err, out.String())
		}
	}
}

// Names from other programs lead to commands that there are.
func TestOtherWordsLeadToCommands(t *testing.T) {
	started := false
	root := newRootCmd(&started)
	for word, name := range otherWords {
		if cmd, _, err := root.Find([]string{name}); err != nil || cmd == root {
			t.Errorf("%s leads to %s, which is no command", word, name)
		}
		if cmd, _, err := root.Find([]string{word}); err == nil && cmd != root {
			t.Errorf("%s is a command of its own", word)
		}
	}
}

func TestAnErrorEndsWithTheNextCommand(t *testing.T) {
	started := false
	check, _, err := newRootCmd(&started).Find([]string{"config", "check"})
	if err != nil {
		t.Fatal(err)
	}
	room := fmt.Errorf("%w: %w", embedded.ErrFailed, &fs.PathError{Op: "write", Path: "data/0.dat", Err: syscall.EFBIG})
	for _, c := range []struct {
		code int
		err  error
		want string
		zh   string
	}{
		{exitUsage, errors.New("no such file"), "next: notifier config check --help", "下一步：notifier config check --help"},
		{exitSettings, errors.New("bad"), "next: notifier config check", "下一步：notifier config check"},
		{exitUnreachable, errors.New("no broker"), "next: notifier doctor", "下一步：notifier doctor"},
		{exitUsage, errors.New("x; next: notifier dead ls"), "", ""},
		{exitUsage, errors.New("x；下一步：notifier dead ls"), "", ""},
		{exitFindings, errors.New("3 errors"), "", ""},
		{exitUsage, errors.New(""), "", ""},
		{exitSettings, &app.TopicError{Problems: []string{"n.intents has 4 partitions and n.ledger has 3"}}, "next: notifier doctor", "下一步：notifier doctor"},
		{exitUnreachable, room, "next: make room there, or raise the limit, then start again with the same command", "下一步：在那里腾出空间（或放宽限制），再用同样的命令启动"},
		{exitUnreachable, fmt.Errorf("%w: input/output error", embedded.ErrFailed), "next: mend what is said of the disk, then start again with the same command", "下一步：先解决上面说的磁盘问题，再用同样的命令启动"},
		{exitUsage, fmt.Errorf("%w: stop it, or use another directory", embedded.ErrLocked), "", ""},
	} {
		for lang, want := range map[string]string{"en": c.want, "zh": c.zh} {
			if err := check.Flag("lang").Value.Set(lang); err != nil {
				t.Fatal(err)
			}
			if got := nextFor(check, c.code, c.err); got != want {
				t.Errorf("%d %q: %q, want %q", c.code, c.err, got, want)
			}
		}
	}
}

func TestNearestName(t *testing.T) {
	names := []string{"vip-beijing-thanks", "big-order", "birthday"}
	for name, want := range map[string]string{"vip-bejing": "vip-beijing-thanks", "big-ordr": "big-order", "birthdya": "birthday", "zzz-zzz": "", "b": ""} {
		if got := nearestName(name, names); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestColours(t *testing.T) {
	cmd := &cobra.Command{}
	cmd.Flags().String("color", "always", "")
	var b bytes.Buffer
	cmd.SetOut(&b)
	w, err := coloured(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.WriteString(w, "error[N101]: x\n  error[ inside\nPASS a\n"); n != 38 || err != nil {
		t.Error(n, err)
	}
	if want := "\x1b[31merror[\x1b[0mN101]: x\n  error[ inside\n\x1b[32mPASS \x1b[0ma\n"; b.String() != want {
		t.Errorf("%q", b.String())
	}
	for _, s := range []diag.Severity{diag.Error, diag.Warning, diag.Advice} {
		b.Reset()
		if err := diag.WriteText(w, diag.List{{Code: "X1", Severity: s}}, diag.EN); err != nil || !strings.HasPrefix(b.String(), "\x1b[") {
			t.Errorf("%s: %q, %v", s, b.String(), err)
		}
	}
	for _, mode := range []string{"never", "auto"} { // a buffer is no terminal
		if err := cmd.Flags().Set("color", mode); err != nil {
			t.Fatal(err)
		}
		if w, err := coloured(cmd); err != nil || w != io.Writer(&b) {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

// An unset variable of a script must not mean everybody.
func TestEmptyWordsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"tags", "verify", "--user", "", "--repair", "--yes", "--why", "x"}, {"user", "show", ""}, {"fates", ""}, {"fates", "--user", ""},
		{"explain", "--user="}, {"pending", "list", "--lane", ""}} {
		if code, _, talk := once(t, t.TempDir(), args...); code != exitUsage || !strings.Contains(talk, " is empty; next: ") {
			t.Errorf("%q: exit %d %s", args, code, talk)
		}
	}
}

// Who reads Chinese is told in Chinese what is wrong with a command for rule files.
func TestCommandsForRulesRefuseInChinese(t *testing.T) {
	files := backtestFiles()
	files["bad.jsonl"], files["empty.jsonl"] = "{\"topic\":1}\n", ""
	for name, text := range explainFiles() {
		files["x/"+name] = text
	}
	inDir(t, files)
	for _, c := range []struct {
		line string
		want string
	}{
		{"backtest", "需要且只能有一份历史"},
		{"backtest --since 7d", "--since 要读 Kafka"},
		{"backtest --from bad.jsonl", "bad.jsonl:1 不是记录："},
		{"backtest --from empty.jsonl", "empty.jsonl 里没有可用的记录"},
		{"explain", "请写一个事件 EVENT_ID"},
		{"explain e-1 --user u", "只能写一个"},
		{"explain e-1 --key k", "--key 只和 --event 一起用"},
		{"explain --user u --since 1h", "--since 只和 EVENT_ID 一起用"},
		{"explain --rules x/rules --event x/order.json --rule big-ordr", "没有规则 \"big-ordr\"，x/rules 里有：vip-beijing-thanks"},
		{"explain --rules x/rules --event x/order.json --topic shop.order", "事件目录里没有用主题 \"shop.order\" 的事件；是不是想写 shop.orders？"},
		{"test --format xml", "没有 --format \"xml\"：text、json 或 junit"},
		{"test --run (", "--run 不是正则表达式："},
		{"check --format xml", "没有 --format \"xml\"：text、json 或 github"},
	} {
		code, out, talk, err := runLine(t, append(strings.Fields(c.line), "--lang", "zh")...)
		if code != exitUsage || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: exit %d, %v, want %q\n%s%s", c.line, code, err, c.want, out, talk)
		}
		if code, _, _, err = runLine(t, append(strings.Fields(c.line), "--lang", "en")...); code != exitUsage || err == nil || strings.Contains(err.Error(), "，") {
			t.Errorf("%s in English: exit %d, %v", c.line, code, err)
		}
	}
}

// An error that names the next command gets no second one, in either language.
func TestTheNextCommandIsNamedOnce(t *testing.T) {
	started := false
	root := newRootCmd(&started)
	for text, want := range map[string]string{
		"x; next: notifier status":              "",
		"x；下一步：notifier status":                 "",
		"x, and nothing that could be tried":    "next: notifier --help",
		"the settings: `notifier config check`": "",
	} {
		if got := nextFor(root, exitUsage, errors.New(text)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
