package main

import (
	"errors"
	"fmt"
	"regexp"
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
	hint := ""
	if _, name, ok := strings.Cut(err.Error(), "unknown flag: --"); ok {
		var known []string
		for _, m := range flagName.FindAllStringSubmatch(cmd.Flags().FlagUsages(), -1) {
			known = append(known, m[1])
		}
		if near := nearestName(name, known); near != "" {
			hint = "; did you mean --" + near + "?"
		}
	}
	return &exitError{exitUsage, fmt.Errorf("%w%s; next: %s --help", err, hint, cmd.CommandPath())}
}

// nextFor is the next command to type behind an error that names none.
func nextFor(cmd *cobra.Command, code int, text string) string {
	if text == "" || strings.Contains(text, "next: ") || strings.Contains(text, "`notifier ") {
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
