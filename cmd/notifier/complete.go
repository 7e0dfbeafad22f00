package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

// completions gives every command that takes a rule, an event, a topic or one of a few words what to offer in a shell. It goes by the
// names of flags, so that a new command need not think of it.
func completions(root *cobra.Command) {
	flags := map[string]cobra.CompletionFunc{
		"rule":   completeRules,
		"event":  completeEvents,
		"topic":  completeTopics,
		"lang":   words("en", "zh", "both"),
		"color":  words("auto", "always", "never"),
		"fate":   words(fateWords...),
		"state":  words(pendingStates()...),
		"vendor": words("rongcloud", "getui"),
		"wait":   words(idle),
		"reason": words(string(ledger.Undecodable), string(ledger.TooLarge), string(ledger.BadField), string(ledger.SkippedByOperator)),
	}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for name, f := range flags {
			if name == "rule" && cmd.Name() == "test" { // whose --run is a regular expression over rule/test
				must(cmd.RegisterFlagCompletionFunc("run", completeRules))
			}
			if cmd.Flags().Lookup(name) != nil && (name != "event" || cmd.Name() != "explain") { // whose --event is a file
				must(cmd.RegisterFlagCompletionFunc(name, f))
			}
		}
		if f := cmd.Flags().Lookup("format"); f != nil { // its usage lists them: "text, json or github"
			must(cmd.RegisterFlagCompletionFunc("format", words(strings.FieldsFunc(strings.ReplaceAll(f.Usage, " or ", " "), func(r rune) bool { return r == ' ' || r == ',' })...)))
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(root)
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil && c != root { // a shell it does not know is wrong use, not a page of help
		c.Args = cobra.NoArgs
		c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		c.Example = "  notifier completion bash > /etc/bash_completion.d/notifier\n  source <(notifier completion zsh)"
		for _, shell := range c.Commands() {
			shell.Example = map[string]string{
				"bash":       "  notifier completion bash > /etc/bash_completion.d/notifier",
				"zsh":        "  source <(notifier completion zsh)",
				"fish":       "  notifier completion fish > ~/.config/fish/completions/notifier.fish",
				"powershell": "  notifier completion powershell | Out-String | Invoke-Expression",
			}[shell.Name()]
		}
	}
	for name, f := range map[string]cobra.CompletionFunc{
		"pause": completeScope, "resume": completeScope, "kill": completeRules, "revive": completeRules,
		"schema": words("events", "rules", "settings"), "skip": completeTopics, "quota charge": completeScarce, "quota assume": completeAccounts,
	} {
		cmd, _, err := root.Find(strings.Fields(name))
		if err == nil && cmd != root {
			cmd.ValidArgsFunction = f
		}
	}
}

// fateWords are the fates of design.md 2.
var fateWords = []string{string(ledger.Sent), string(ledger.Coalesced), string(ledger.Suppressed), string(ledger.Dead), string(ledger.FateUnknown)}

// must panics for a mistake in the program: a flag that does not exist, or is completed twice.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func words(list ...string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

func completeRules(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return described("", listing(cmd).Rules), cobra.ShellCompDirectiveNoFileComp
}

func completeEvents(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if cmd.Name() == "explain" { // there it is a file
		return nil, cobra.ShellCompDirectiveDefault
	}
	return described("", listing(cmd).Events), cobra.ShellCompDirectiveNoFileComp
}

func completeTopics(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return listing(cmd).Topics, cobra.ShellCompDirectiveNoFileComp
}

func completeScope(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	out := []cobra.Completion{"all", "broadcasts"}
	if s, _ := settings.Load(settingsPath(cmd), os.Environ(), nil); s != nil {
		for i := range s.Accounts {
			out = append(out, "account/"+s.Accounts[i].Name)
		}
		for i := range s.Accounts {
			for _, lane := range app.LanesOf(&s.Accounts[i]) {
				out = append(out, "lane/"+s.Accounts[i].Name+"/"+lane)
			}
		}
	}
	held := slices.DeleteFunc(listing(cmd).Rules, func(e rules.Entry) bool { return e.Tags }) // a tag rule holds nothing
	return append(out, described("rule/", held)...), cobra.ShellCompDirectiveNoFileComp
}

func completeAccounts(cmd *cobra.Command, args []string, _ string) (out []cobra.Completion, _ cobra.ShellCompDirective) {
	if s, _ := settings.Load(settingsPath(cmd), os.Environ(), nil); s != nil && len(args) == 0 {
		for _, a := range s.Accounts {
			out = append(out, a.Name)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeScarce gives the lanes that have slots.
func completeScarce(cmd *cobra.Command, args []string, _ string) (out []cobra.Completion, _ cobra.ShellCompDirective) {
	if s, _ := settings.Load(settingsPath(cmd), os.Environ(), nil); s != nil && len(args) == 0 {
		for i := range s.Accounts {
			for _, lane := range app.ScarceLanes(&s.Accounts[i]) {
				out = append(out, s.Accounts[i].Name+"/"+lane)
			}
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

func described(prefix string, entries []rules.Entry) (out []cobra.Completion) {
	for _, e := range entries {
		if e.Title == "" {
			out = append(out, prefix+e.Name)
			continue
		}
		out = append(out, cobra.CompletionWithDesc(prefix+e.Name, e.Title))
	}
	return out
}

// listing reads the names in the rules of the settings, or in rules/. The settings need not be right, and no secret must be there.
func listing(cmd *cobra.Command) rules.Listing {
	dir, file := "rules", settingsPath(cmd)
	if data, err := diag.ReadFile(file, diag.MaxBytes); err == nil {
		if name, ok := diag.Parse(file, data).Root.Get("rules").String(); ok {
			dir = name
		}
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(filepath.Dir(file), dir)
		}
	}
	files, _ := rules.Read([]string{dir})
	return rules.List(files)
}
