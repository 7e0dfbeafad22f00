package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/settings"
)

func newKillCmd() *cobra.Command {
	var c changeFlags
	cmd := &cobra.Command{
		Use:   "kill RULE",
		Short: "give up what a rule holds, refuse what comes of it until revive",
		Long: `What the rule holds is SUPPRESSED(killed), and so is what comes of it, until notifier revive. Calls that have left are not called
back. There is no undo for what was given up. To hold instead of giving up: notifier pause rule/RULE.`,
		Example: `  notifier kill flash-sale-by-city --why "wrong price in the text"`,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return noRule(cmd, "RULE is missing: say which rule to give up")
			}
			return changeRule(cmd, ledger.CmdKill, args[0], c)
		},
	}
	c.add(cmd)
	return cmd
}

func newReviveCmd() *cobra.Command {
	var c changeFlags
	cmd := &cobra.Command{
		Use:     "revive RULE",
		Short:   "let a killed rule act again",
		Example: `  notifier revive flash-sale-by-city --why "price mended"`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return changeRule(cmd, ledger.CmdRevive, args[0], c) },
	}
	c.add(cmd)
	return cmd
}

func changeRule(cmd *cobra.Command, what, rule string, c changeFlags) error {
	r, s, err := reader(cmd)
	if err != nil {
		return err
	}
	given, err := r.Given(cmd.Context())
	if err != nil {
		return unreachable(err)
	}
	states, err := r.Ledgers(cmd.Context())
	if err != nil {
		return unreachable(err)
	}
	held, killed, stands := 0, map[string]bool{}, ""
	for _, st := range states {
		for _, p := range st.Pending {
			if p.Intent.Rule == rule && p.Intent.Profile == nil {
				held++
			}
		}
		for name := range st.Kills {
			killed[name] = true
		}
	}
	for _, c := range given.Standing(states) {
		if c.Cmd != ledger.CmdKill {
			continue
		}
		if killed[c.Target] = true; c.Target == rule {
			stands = fmt.Sprintf(": the kill by %s of %s stands and is obeyed first, what the rule holds then is given up", c.By, c.At.In(s.Zone).Format(time.DateTime))
		}
	}
	ask, word := fmt.Sprintf("kill %s: the %d intents it holds now are given up for good", rule, held), rule
	if what == ledger.CmdKill {
		err = killable(s, rule, held)
	} else if ask = "revive " + rule + stands; len(killed) == 0 {
		err = fmt.Errorf("rule %q is not killed, and no other is; next: notifier status", rule)
	} else if !killed[rule] {
		err = fmt.Errorf("rule %q is not killed; killed: %s", rule, strings.Join(slices.Sorted(maps.Keys(killed)), ", "))
	}
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if err := c.check(); err != nil {
		return err
	}
	if err := confirm(cmd, c.yes, ask, word); err != nil {
		return err
	}
	answers, err := r.Send(cmd.Context(), ledger.Command{Cmd: what, Target: rule, By: c.by, Why: c.why}, -1, answerWait)
	return printAnswers(cmd, what+" "+rule, answers, err)
}

// noRule is the error of a command without its rule; it lists the rules.
func noRule(cmd *cobra.Command, what string) error {
	s, err := loadSettings(cmd)
	if err != nil {
		return err
	}
	entries, errs := ruleEntries(s)
	what += ": " + strings.Join(namesOf(entries), "  ")
	if errs > 0 {
		what += fmt.Sprintf(" (the rule files have %s: there may be more)", many(errs, "error"))
	}
	return &exitError{exitUsage, errors.New(what)}
}

// killable refuses what holds nothing: a typing mistake, and tag rules. A rule that is not in the files any more may hold intents.
func killable(s *settings.Settings, rule string, held int) error {
	if held > 0 {
		return nil
	}
	if err := knownScope(s, "rule/"+rule); err != nil {
		return err
	}
	if isTagRule(s, rule) {
		return fmt.Errorf("%s is a tag rule, it holds no intents: set `mode: off` to take its tags away", rule)
	}
	return nil
}
