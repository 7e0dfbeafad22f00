package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/diag"
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

var flagName = regexp.MustCompile(`(?m)^ +(?:-[a-z], )?--([a-z-]+)`)

func flagError(cmd *cobra.Command, err error) error {
	says := err.Error()
	if _, name, ok := strings.Cut(says, "unknown flag: --"); ok {
		var known []string
		for _, m := range flagName.FindAllStringSubmatch(cmd.Flags().FlagUsages(), -1) {
			known = append(known, m[1])
		}
		says = mistaken(cmd, "--"+name, "flag", "参数", "--", nearestName(name, known))
	}
	return &exitError{exitUsage, errors.New(andNext(says, cmd.CommandPath()+" --help"))}
}

// mistaken says in the user's language that something is not there, and what was perhaps meant.
func mistaken(cmd *cobra.Command, name, en, zh, before, near string) string {
	says := diag.Text{EN: fmt.Sprintf("unknown %s %s", en, name), ZH: fmt.Sprintf("没有 %s 这个%s", name, zh)}
	if near != "" {
		says.EN += fmt.Sprintf("; did you mean `%s`?", before+near)
		says.ZH += fmt.Sprintf("，是不是想写 `%s`？", before+near)
	}
	lang, err := languageOf(cmd)
	if err != nil { // it is for the command to refuse
		lang = diag.Both
	}
	return says.In(lang)
}

// andNext puts the next command behind a sentence; behind a question stands no second mark.
func andNext(says, next string) string {
	if strings.HasSuffix(says, "?") || strings.HasSuffix(says, "？") {
		return says + " next: " + next
	}
	return says + "; next: " + next
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
		switch {
		case len(args) == 0:
			return err
		case cmd.HasSubCommands() && (err != nil || nearSub(cmd, args[0]) != "" && len(args) == 1):
			return unknownCommand(cmd, args[0])
		case err != nil && strings.HasPrefix(err.Error(), "unknown command"):
			return &exitError{exitUsage, fmt.Errorf("%s takes flags only, and %q is none; next: %[1]s --help", cmd.CommandPath(), args[0])}
		}
		return err
	}
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
	return &exitError{exitUsage, errors.New(andNext(mistaken(cmd, "`"+cmd.CommandPath()+" "+word+"`", "command", "命令", cmd.CommandPath()+" ", nearSub(cmd, word)), cmd.CommandPath()+" --help"))}
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

// nextFor is the next command to type behind an error that names none.
func nextFor(cmd *cobra.Command, code int, text string) string {
	if text == "" || strings.Contains(text, "next: ") || strings.Contains(text, "下一步：") || strings.Contains(text, "`notifier ") {
		return ""
	}
	switch code {
	case exitUsage:
		return "next: " + cmd.CommandPath() + " --help"
	case exitSettings:
		return "next: notifier config check"
	case exitUnreachable:
		return "next: notifier doctor"
	}
	return ""
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
	return &exitError{exitUsage, errors.New(cmd.CommandPath() + " is several commands: " + strings.Join(names, ", "))}
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
		what = "an argument"
	}
	for _, name := range []string{"user", "rule", "event", "account", "lane"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && f.Value.String() == "" {
			what = "--" + name
		}
	}
	if what == "" {
		return nil
	}
	return &exitError{exitUsage, fmt.Errorf("%s is empty; next: leave it out for all, or look whether a variable is unset", what)}
}
