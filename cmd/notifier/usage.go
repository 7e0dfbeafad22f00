package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/embedded"
	"github.com/notifier/notifier/internal/ledger"
)

// helpful makes every command's help begin with examples, and gives a mistake in a flag the flag that was meant.
func helpful(root *cobra.Command) {
	root.SetHelpTemplate(`{{with .Example}}{{.}}

{{end}}{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}{{if or .Runnable .HasSubCommands}}{{.UsageString}}{{end}}`)
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), `{{if .HasExample}}

Examples:
{{.Example}}{{end}}`, "", 1))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return flagError(cmd, err) })
}

// helpOf makes `help WORD` refuse a word that is no command, as the word alone is refused: the library says so and exits with 0.
func helpOf(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil { // it was added just now
		panic(err)
	}
	help.Run, help.Example = nil, "  notifier help check"
	help.RunE = func(_ *cobra.Command, args []string) error {
		cmd := root
		for _, word := range args {
			if !cmd.HasSubCommands() { // what it takes is no command
				break
			}
			i := slices.IndexFunc(cmd.Commands(), func(c *cobra.Command) bool { return c.Name() == word })
			if i < 0 {
				return unknownCommand(cmd, word)
			}
			cmd = cmd.Commands()[i]
		}
		cmd.InitDefaultHelpFlag()
		return cmd.Help()
	}
}

var flagName = regexp.MustCompile(`(?m)^ +(?:-[a-z], )?--([a-z-]+)`)

func flagError(cmd *cobra.Command, err error) error {
	says := mostly(spoken(cmd), err.Error(), flagZH(err.Error()))
	if _, name, ok := strings.Cut(err.Error(), "unknown flag: --"); ok {
		var known []string
		for _, m := range flagName.FindAllStringSubmatch(cmd.Flags().FlagUsages(), -1) {
			known = append(known, m[1])
		}
		says = mistaken(cmd, "--"+name, "flag", "参数", "--", nearestName(name, known))
	}
	return &exitError{exitUsage, errors.New(andNext(spoken(cmd), says, cmd.CommandPath()+" --help"))}
}

// mistaken says in the user's language that something is not there, and what was perhaps meant.
func mistaken(cmd *cobra.Command, name, en, zh, before, near string) string {
	says := diag.Text{EN: fmt.Sprintf("unknown %s %s", en, name), ZH: fmt.Sprintf("没有 %s 这个%s", name, zh)}
	if near != "" {
		says.EN += fmt.Sprintf("; did you mean `%s`?", before+near)
		says.ZH += fmt.Sprintf("，是不是想写 `%s`？", before+near)
	}
	return says.In(spoken(cmd))
}

// andNext puts the next command behind a sentence; behind a question stands no second mark.
func andNext(lang diag.Lang, says, next string) string {
	if strings.HasSuffix(says, "?") || strings.HasSuffix(says, "？") {
		return says + mostly(lang, " next: ", "下一步：") + next
	}
	return says + mostly(lang, "; next: ", "；下一步：") + next
}

// otherWords are names that people bring from other programs.
var otherWords = map[string]string{"validate": "check", "lint": "check", "verify": "check", "format": "fmt", "start": "run", "serve": "run", "daemon": "run", "simulate": "backtest", "dlq": "dead", "undo": "recall"}

// wrongWords makes every command name what was perhaps meant by a word that is none of its commands, and say of a word that it does not
// take that it takes none.
func wrongWords(cmd *cobra.Command) {
	cmd.DisableSuggestions = true // the program's own are in both languages
	for _, c := range cmd.Commands() {
		wrongWords(c)
	}
	takes := cmd.Args
	if takes == nil { // the root: see unknownCommand
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := takes(cmd, args)
		if err != nil && spoken(cmd) == diag.ZH {
			err = errors.New(argsZH(err.Error()))
		}
		switch {
		case len(args) == 0:
			return err
		case cmd.HasSubCommands() && (err != nil || nearSub(cmd, args[0]) != "" && len(args) == 1):
			return unknownCommand(cmd, args[0])
		case err != nil && strings.HasPrefix(err.Error(), "unknown command"):
			return &exitError{exitUsage, fmt.Errorf(mostly(spoken(cmd), "%s takes flags only, and %q is none; next: %[1]s --help", "%s 只接受参数（--…），%q 不是；下一步：%[1]s --help"), cmd.CommandPath(), args[0])}
		}
		return err
	}
}

// The words of the library for flags and arguments, in Chinese.
var (
	argCount   = regexp.MustCompile(`^(accepts at most|requires at least|accepts) (\d+) arg\(s\), (?:only )?received (\d+)$`)
	flagFaults = []struct {
		en *regexp.Regexp
		zh string
	}{
		{regexp.MustCompile(`^flag needs an argument: (?:'.' in )?(\S+)$`), "$1 后面缺少值"},
		{regexp.MustCompile(`^unknown shorthand flag: '(.)' in \S+$`), "没有 -$1 这个参数"},
		{regexp.MustCompile(`^invalid argument ("(?:[^"\\]|\\.)*") for "([^"]*)" flag: it takes one value, and (.*) was given before$`), "$2 只能写一个值，前面已经写了 $3，又写了 $1"},
		{regexp.MustCompile(`^invalid argument ("(?:[^"\\]|\\.)*") for "([^"]*)" flag: .*$`), "$2 的值 $1 不对"},
	}
)

func argsZH(en string) string {
	m := argCount.FindStringSubmatch(en)
	if m == nil {
		return en
	}
	return fmt.Sprintf("%s %s 个参数，给了 %s 个", map[string]string{"accepts at most": "最多", "requires at least": "至少要", "accepts": "要"}[m[1]], m[2], m[3])
}

func flagZH(en string) string {
	for _, f := range flagFaults {
		if f.en.MatchString(en) {
			return f.en.ReplaceAllString(en, f.zh)
		}
	}
	return en
}

// pathZH is what is wrong with a path, in Chinese as far as that is common.
func pathZH(e *fs.PathError) string {
	op := cmp.Or(map[string]string{"open": "打开", "read": "读取", "write": "写入", "mkdir": "创建文件夹"}[e.Op], e.Op)
	why := e.Err.Error()
	for errno, zh := range map[syscall.Errno]string{syscall.ENOENT: "没有这个文件或文件夹", syscall.EACCES: "没有权限", syscall.EISDIR: "这是文件夹", syscall.ENOTDIR: "路径里有一段不是文件夹", syscall.ENOSPC: "磁盘已满", syscall.EROFS: "文件系统只读"} {
		if errors.Is(e.Err, errno) {
			why = zh
		}
	}
	return op + " " + e.Path + "：" + why
}

// saidOnce makes the flags that choose one thing refuse a second value: the last would win, and the answer would pass for one about both.
// Flags with which a script may override what an alias says, like --config and --format, are left as they are.
func saidOnce(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		saidOnce(c)
	}
	for _, name := range []string{"user", "rule", "event", "fate", "since"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Value.Type() == "string" {
			f.Value = &oneValue{flagValue: f.Value}
		}
	}
}

type flagValue interface {
	String() string
	Set(string) error
	Type() string
}

type oneValue struct {
	flagValue
	set bool
}

func (o *oneValue) Set(s string) error {
	if o.set && s != o.String() {
		return fmt.Errorf("it takes one value, and %q was given before", o.String())
	}
	o.set = true
	return o.flagValue.Set(s)
}

// unknownCommand is the error for a word that is no command of cmd.
func unknownCommand(cmd *cobra.Command, word string) error {
	return &exitError{exitUsage, errors.New(andNext(spoken(cmd), mistaken(cmd, "`"+cmd.CommandPath()+" "+word+"`", "command", "命令", cmd.CommandPath()+" ", nearSub(cmd, word)), cmd.CommandPath()+" --help"))}
}

func nearSub(cmd *cobra.Command, word string) string {
	var known []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			known = append(known, c.Name())
		}
	}
	if other := otherWords[word]; slices.Contains(known, other) {
		return other
	}
	return nearestName(word, known)
}

// said is an error as it is told.
func said(cmd *cobra.Command, err error) string {
	text := strings.TrimSpace(err.Error())
	if e, ok := errors.AsType[*fs.PathError](err); ok && spoken(cmd) == diag.ZH {
		text = strings.Replace(text, e.Error(), pathZH(e), 1)
	}
	if e, ok := errors.AsType[*embedded.DownError](err); ok && spoken(cmd) == diag.ZH {
		text = strings.Replace(text, e.Error(), fmt.Sprintf("%s 里的内置 broker 没有运行：先启动 `notifier run`", e.Dir), 1)
	}
	return text
}

// nextFor is the next command to type behind an error that names none.
func nextFor(cmd *cobra.Command, code int, err error) string {
	text := said(cmd, err)
	if text == "" || strings.Contains(text, "next: ") || strings.Contains(text, "下一步：") || strings.Contains(text, "`notifier ") {
		return ""
	}
	lang := spoken(cmd)
	next := mostly(lang, "next: ", "下一步：")
	switch {
	case noRoom(err):
		return next + mostly(lang, "make room there, or raise the limit, then start again with the same command", "在那里腾出空间（或放宽限制），再用同样的命令启动")
	case errors.Is(err, embedded.ErrFailed):
		return next + mostly(lang, "mend what is said of the disk, then start again with the same command", "先解决上面说的磁盘问题，再用同样的命令启动")
	case errors.Is(err, embedded.ErrLocked): // the command line is right, and the error says what to do
		return ""
	case errors.Is(err, ledger.ErrNewer):
		return next + mostly(lang, "the same command with the program of the newer release, see docs/upgrade.md#too-old", "用新版本的程序运行同样的命令，见 docs/upgrade.zh-CN.md#too-old")
	case errors.Is(err, app.ErrListen) && !errors.Is(err, syscall.EADDRINUSE): // a port below 1024, an address of another machine
		return next + mostly(lang, "give admin.listen an address of this machine and a port that this user may take, then start again with the same command", "给 admin.listen 写本机的地址和本用户可以使用的端口，再用同样的命令启动")
	case errors.Is(err, app.ErrListen):
		return next + mostly(lang, "stop what has the address, or give admin.listen another one, then start again with the same command", "停掉占用这个地址的进程，或给 admin.listen 换一个地址，再用同样的命令启动")
	}
	if _, ok := errors.AsType[*app.TopicError](err); ok { // nothing is wrong with the settings file
		return next + "notifier doctor"
	}
	switch code {
	case exitUsage:
		if errors.Is(err, fs.ErrPermission) { // the command line is right
			return next + mostly(lang, "let this user at it (`ls -l` shows whose it is), then the same command", "让当前用户有权限访问（`ls -l` 可以看属主），再运行同样的命令")
		}
		return next + cmd.CommandPath() + " --help"
	case exitSettings:
		return next + "notifier config check"
	case exitUnreachable:
		return next + "notifier doctor"
	}
	return ""
}

// spoken is the language of errors. A --lang that is none is for the command to refuse.
func spoken(cmd *cobra.Command) diag.Lang {
	lang, err := languageOf(cmd)
	if err != nil {
		return diag.Both
	}
	return lang
}

// wantsSub is what a command does that is only a name for others.
func wantsSub(cmd *cobra.Command, _ []string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	cmd.SetOut(cmd.ErrOrStderr())
	if err := cmd.Help(); err != nil {
		return err
	}
	return &exitError{exitUsage, errors.New(cmd.CommandPath() + mostly(spoken(cmd), " is several commands: ", " 包含几个命令：") + strings.Join(names, mostly(spoken(cmd), ", ", "、")))}
}

// nearestName is the name that was perhaps meant: one like it, or the only one that begins like it.
func nearestName(name string, known []string) string {
	if near := diag.Nearest(name, known); near != "" {
		return near
	}
	found := ""
	for _, k := range known {
		for _, more := range []int{0, 1, -1} { // a letter left out, one too many
			n := len(name) + more
			if n < 4 || n >= len(k) || diag.Nearest(name, []string{k[:n]}) == "" {
				continue
			}
			if found != "" && found != k {
				return ""
			}
			found = k
		}
	}
	return found
}

// emptyWord refuses an argument, or a flag that names whom a command is about, that is given and empty: it is a script's unset variable, and would
// mean everybody.
func emptyWord(cmd *cobra.Command, args []string) error {
	what := ""
	if slices.Contains(args, "") && !strings.HasPrefix(cmd.Name(), cobra.ShellCompRequestCmd) { // what a shell completes may have no letter yet
		what = mostly(spoken(cmd), "an argument", "有一个参数")
	}
	for _, name := range []string{"user", "rule", "event", "account", "lane"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && f.Value.String() == "" {
			what = "--" + name
		}
	}
	if what == "" {
		return nil
	}
	return &exitError{exitUsage, fmt.Errorf(mostly(spoken(cmd), "%s is empty; next: leave it out for all, or look whether a variable is unset", "%s 是空的；下一步：要全部就不写它，或检查变量是否没有赋值"), what)}
}
