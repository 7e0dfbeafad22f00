package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/diag"
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
				return noRule(cmd, mostly(spoken(cmd), "RULE is missing: say which rule to give up", "缺少规则：请写要作废哪条规则"))
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
	lang := spoken(cmd)
	for _, c := range given.Standing(states) {
		if c.Cmd != ledger.CmdKill {
			continue
		}
		if killed[c.Target] = true; c.Target == rule {
			stands = fmt.Sprintf(mostly(lang, ": the kill by %s of %s stands and is obeyed first, what the rule holds then is given up", "：%s 于 %s 下的作废还没执行，会先执行，规则那时持有的都放弃"), c.By, c.At.In(s.Zone).Format(time.DateTime))
		}
	}
	ask, word := fmt.Sprintf(mostly(lang, "kill %s: what it holds now is given up for good, %s", "作废 %s：它现在的 %s都放弃，不能恢复"), rule, mostly(lang, many(held, "intent"), fmt.Sprintf("%d 个待发任务", held))), rule
	if what == ledger.CmdKill {
		err = killable(s, rule, held, lang)
	} else if ask = mostly(lang, "revive ", "恢复 ") + rule + stands; len(killed) == 0 {
		err = fmt.Errorf(mostly(lang, "rule %q is not killed, and no other is; next: notifier status", "规则 %q 没有作废，别的规则也没有；下一步：notifier status"), rule)
	} else if !killed[rule] {
		err = fmt.Errorf(mostly(lang, "rule %q is not killed; killed: %s", "规则 %q 没有作废；已作废：%s"), rule, strings.Join(slices.Sorted(maps.Keys(killed)), mostly(lang, ", ", "、")))
	}
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if err := c.check(lang); err != nil {
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
	s, err := loadForKafka(cmd)
	if err != nil {
		return err
	}
	entries, errs := ruleEntries(s)
	what += mostly(spoken(cmd), ": ", "：") + strings.Join(namesOf(entries), "  ")
	if errs > 0 {
		what += mostly(spoken(cmd), fmt.Sprintf(" (the rule files have %s: there may be more)", many(errs, "error")), fmt.Sprintf("（规则文件有 %d 个错误：可能还有别的）", errs))
	}
	return &exitError{exitUsage, errors.New(what)}
}

// killable refuses what holds nothing: a typing mistake, and tag rules. A rule that is not in the files any more may hold intents.
func killable(s *settings.Settings, rule string, held int, lang diag.Lang) error {
	if held > 0 {
		return nil
	}
	if err := knownScope(s, "rule/"+rule, lang); err != nil {
		return err
	}
	if isTagRule(s, rule) {
		return fmt.Errorf(mostly(lang, "%s is a tag rule, it holds no intents: set `mode: off` to take its tags away", "%s 是标签规则，没有待发任务：要去掉它的标签，写 `mode: off`"), rule)
	}
	return nil
}
