package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/diag"
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
	for line, want := range map[string]string{
		"check --fromat json":              "did you mean --format?; next: notifier check --help",
		"approvals approve X --why":        "next: notifier approvals approve --help",
		"status --wyh":                     "did you mean --why?",
		"pending list --lnag en":           "did you mean --lang?",
		"check --color red":                `unknown --color "red": auto, always or never`,
		"new":                              "notifier new is several commands: rule",
		"pending":                          "notifier pending is several commands: cancel, extend, list",
		"check --color never --lang en ..": "",
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

func TestAnErrorEndsWithTheNextCommand(t *testing.T) {
	started := false
	check, _, err := newRootCmd(&started).Find([]string{"config", "check"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code       int
		text, want string
	}{
		{exitUsage, "no such file", "next: notifier config check --help"}, {exitSettings, "bad", "next: notifier config check"}, {exitUnreachable, "no broker", "next: notifier doctor"},
		{exitUsage, "x; next: notifier dead ls", ""}, {exitFindings, "3 errors", ""}, {exitUsage, "", ""},
	} {
		if got := nextFor(check, c.code, c.text); c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
			t.Errorf("%d %q: %q", c.code, c.text, got)
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
