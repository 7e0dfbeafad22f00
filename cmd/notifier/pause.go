package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

// answerWait is how long a command waits for the owners (design.md 3, Commands).
const answerWait = 30 * time.Second

type changeFlags struct {
	why, by string
	yes     bool
}

func (c *changeFlags) add(cmd *cobra.Command) { c.addTo(cmd, "the reason, kept on record (required)") }

func (c *changeFlags) addTo(cmd *cobra.Command, why string) {
	cmd.Flags().StringVar(&c.why, "why", "", why)
	cmd.Flags().StringVar(&c.by, "by", whoami(), "who does it")
	cmd.Flags().BoolVar(&c.yes, "yes", false, "do not ask")
}

func (c *changeFlags) check(lang diag.Lang) error {
	if strings.TrimSpace(c.why) == "" {
		return &exitError{exitUsage, errors.New(mostly(lang, `--why is missing: say why, it stays on record; for example --why "vendor incident 4711"`, `缺少 --why：请写原因，会留在记录里，例如 --why "厂商故障 4711"`))}
	}
	return nil
}

func newPauseCmd() *cobra.Command {
	var c changeFlags
	cmd := &cobra.Command{
		Use:   "pause SCOPE",
		Short: "hold back: all | broadcasts | account/X | lane/X/Y | rule/X",
		Long: `Nothing of the scope leaves any more; what waits is kept. Returns when the whole fleet obeys and says how many calls
had left already, or exits 4 and names who did not answer.`,
		Example: `  notifier pause broadcasts --why "wrong text in the sale rule"
  notifier pause rule/flash-sale-by-city --why "stock is gone" --yes`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return noScope(cmd, mostly(spoken(cmd), "SCOPE is missing: say what to hold back", "缺少范围：请写要暂停什么"))
			}
			return pauseScope(cmd, args[0], c)
		},
	}
	c.add(cmd)
	return cmd
}

func pauseScope(cmd *cobra.Command, scope string, c changeFlags) error {
	s, err := loadForKafka(cmd)
	if err != nil {
		return err
	}
	if name, is := strings.CutPrefix(scope, "rule/"); is && isTagRule(s, name) {
		return &exitError{exitUsage, fmt.Errorf(mostly(spoken(cmd), "%s is a tag rule, it holds no intents: to hold the tags of all rules, notifier pause each of %s; to take its tags away, `mode: off`", "%s 是标签规则，没有待发任务：要暂停所有规则的标签，请对 %s 逐个执行 notifier pause；要去掉它的标签，写 `mode: off`"), name, strings.Join(tagLanes(s), ", "))}
	}
	r, _, err := changing(cmd, scope, c)
	if err != nil {
		return err
	}
	if err := confirm(cmd, c.yes, "pause "+scope, scope); err != nil {
		return err
	}
	answers, err := r.Send(cmd.Context(), ledger.Command{Cmd: ledger.CmdPause, Target: scope, By: c.by, Why: c.why}, -1, answerWait)
	return printAnswers(cmd, "pause "+scope, answers, err)
}

// changing sees that a command has a reason and a scope that names something.
func changing(cmd *cobra.Command, scope string, c changeFlags) (*query.Reader, *settings.Settings, error) {
	r, s, err := reader(cmd)
	if err != nil {
		return nil, nil, err
	}
	if unknown := knownScope(s, scope, spoken(cmd)); unknown != nil {
		if states, err := r.Ledgers(cmd.Context()); err != nil || !onRecord(states, scope) {
			return nil, nil, &exitError{exitUsage, unknown}
		}
	}
	if err := c.check(spoken(cmd)); err != nil {
		return nil, nil, err
	}
	return r, s, nil
}

// onRecord reports whether a scope is paused, or a rule holds something, whatever settings and rule files name by now: what has gone from
// them can still be let go, and what a rule has made be held.
func onRecord(states map[int32]*ledger.State, scope string) bool {
	kind, rule, _ := strings.Cut(scope, "/")
	if !slices.Contains([]string{"account", "lane", "rule"}, kind) { // what the rule files hold, they let go
		return false
	}
	for _, st := range states {
		if _, paused := st.Pauses[scope]; paused {
			return true
		}
		for _, p := range st.Pending {
			if kind == "rule" && p.Intent.Rule == rule && p.Intent.Profile == nil {
				return true
			}
		}
	}
	return false
}

// noScope is the error of a command without its scope; it lists what there is.
func noScope(cmd *cobra.Command, what string) error {
	s, err := loadForKafka(cmd)
	if err != nil {
		return err
	}
	return &exitError{exitUsage, fmt.Errorf("%s\n%s", what, strings.Join(scopes(s, spoken(cmd)), "\n"))}
}

// scopes are all that a pause can name, a line for each kind.
func scopes(s *settings.Settings, lang diag.Lang) []string {
	accounts, lanes, names := []string{}, []string{}, []string{}
	for i := range s.Accounts {
		a := &s.Accounts[i]
		accounts = append(accounts, "account/"+a.Name)
		for _, lane := range app.LanesOf(a) {
			lanes = append(lanes, "lane/"+a.Name+"/"+lane)
		}
	}
	out := []string{"all", "broadcasts", strings.Join(accounts, "  "), strings.Join(lanes, "  ")}
	known, errs := ruleEntries(s)
	for _, e := range known {
		if !e.Tags {
			names = append(names, "rule/"+e.Name)
		}
	}
	out = append(out, strings.Join(names, "  "))
	if errs > 0 {
		out = append(out, mostly(lang, fmt.Sprintf("(the rule files have %s: there may be more rules)", many(errs, "error")), fmt.Sprintf("（规则文件有 %d 个错误：可能还有别的规则）", errs)))
	}
	return out
}

// knownScope refuses a scope that names nothing, so that a typing mistake is never a pause of nothing.
func knownScope(s *settings.Settings, scope string, lang diag.Lang) error {
	list := func(names []string) string { return strings.Join(names, mostly(lang, ", ", "、")) }
	kind, name, _ := strings.Cut(scope, "/")
	switch kind {
	case "all", "broadcasts":
		if name == "" {
			return nil
		}
	case "account":
		_, err := accountNamed(s, name, lang)
		return err
	case "lane":
		account, lane, _ := strings.Cut(name, "/")
		a, err := accountNamed(s, account, lang)
		if err != nil {
			return err
		}
		if lane == "" {
			var lanes []string
			for _, l := range app.LanesOf(a) {
				lanes = append(lanes, a.Name+"/"+l)
			}
			return fmt.Errorf(mostly(lang, "account %s without its lane: write one of %s", "只写了账号 %s，没有写发送通道：请写 %s 中的一个"), account, list(lanes))
		}
		if lanes := app.LanesOf(a); !slices.Contains(lanes, lane) { // those of another vendor hold nothing here
			return fmt.Errorf(mostly(lang, "no lane %q in account %s: %s", "没有发送通道 %q，账号 %s 有：%s"), lane, account, list(lanes))
		}
		return nil
	case "rule":
		entries, errs := ruleEntries(s)
		names := namesOf(entries)
		if slices.Contains(names, name) {
			return nil
		}
		if errs > 0 {
			return fmt.Errorf(mostly(lang, "no rule %q: %s; the rule files have %s, so there may be more; next: notifier check", "没有规则 %q，有：%s；规则文件有 %s，所以可能还有；下一步：notifier check"), name, list(names), mostly(lang, many(errs, "error"), fmt.Sprintf("%d 个错误", errs)))
		}
		hint := ""
		if near := nearestName(name, names); near != "" {
			hint = fmt.Sprintf(mostly(lang, "; did you mean %s?", "；是不是想写 %s？"), near)
		}
		return fmt.Errorf(mostly(lang, "no rule %q: %s%s", "没有规则 %q，有：%s%s"), name, list(names), hint)
	}
	return fmt.Errorf(mostly(lang, "unknown scope %q: all | broadcasts | account/NAME | lane/ACCOUNT/LANE | rule/NAME", "没有范围 %q：all | broadcasts | account/账号 | lane/账号/通道 | rule/规则"), scope)
}

// knownRule is knownScope of a rule by which a list is narrowed: what all tag rules do stands there under one name.
func knownRule(s *settings.Settings, rule string, lang diag.Lang) error {
	if rule == rules.TagsRule {
		return nil
	}
	return knownScope(s, "rule/"+rule, lang)
}

// isTagRule reports whether the files have a tag rule of a name. Nobody can hold it by that: its tags go with those of all others.
func isTagRule(s *settings.Settings, rule string) bool {
	entries, _ := ruleEntries(s)
	return slices.ContainsFunc(entries, func(e rules.Entry) bool { return e.Name == rule && e.Tags })
}

// tagLanes are the lanes by which tags are changed.
func tagLanes(s *settings.Settings) (out []string) {
	for i := range s.Accounts {
		for _, lane := range app.LanesOf(&s.Accounts[i]) {
			if lane == "tag" || lane == "tag-batch" {
				out = append(out, "lane/"+s.Accounts[i].Name+"/"+lane)
			}
		}
	}
	return out
}

func accountNamed(s *settings.Settings, name string, lang diag.Lang) (*settings.Account, error) {
	var names []string
	for i := range s.Accounts {
		if s.Accounts[i].Name == name {
			return &s.Accounts[i], nil
		}
		names = append(names, s.Accounts[i].Name)
	}
	return nil, fmt.Errorf(mostly(lang, "no account %q: %s", "没有账号 %q，有：%s"), name, strings.Join(names, mostly(lang, ", ", "、")))
}

// ruleEntries are the rules in the files, and how many errors these have: the last good set is live while they have some, and its rules
// can be held back all the same.
func ruleEntries(s *settings.Settings) (out []rules.Entry, errs int) {
	if set, list := rules.Load([]string{s.Rules}, app.RuleOptions(s)); set == nil {
		errs = list.Errors()
	}
	files, _ := rules.Read([]string{s.Rules}) // what cannot be read is among the errors
	return rules.List(files).Rules, errs
}

func namesOf(entries []rules.Entry) (names []string) {
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names
}

// printAnswers tells what the owners said. Silence is exit 4, a refusal 5, a mixture 6.
func printAnswers(cmd *cobra.Command, what string, answers []ledger.Answer, err error) error {
	out, lang := cmd.OutOrStdout(), spoken(cmd)
	flying, refused := 0, 0
	for _, a := range answers {
		who := a.Instance
		if who == "" {
			who = mostly(lang, "nobody", "没有实例")
		}
		fmt.Fprintf(out, mostly(lang, "partition %d (%s): %s\n", "分区 %d（%s）：%s\n"), a.Partition, who, diag.Visible(mostly(lang, a.Text, dispatch.AnswerZH(a.Text))))
		flying += a.Flying
		if !a.OK {
			refused++
		}
	}
	if silent, ok := errors.AsType[*query.SilentError](err); ok {
		return silent
	}
	if err != nil {
		return &exitError{exitUnreachable, err}
	}
	switch {
	case refused == len(answers) && refused > 0:
		return &exitError{exitGate, fmt.Errorf(mostly(lang, "%s was refused", "%s 被拒绝"), what)}
	case refused > 0:
		return &exitError{exitPartial, fmt.Errorf(mostly(lang, "%s: %d of %d partitions refused", "%s：%d 个分区拒绝，共 %d 个"), what, refused, len(answers))}
	}
	if flying > 0 {
		fmt.Fprintln(out, mostly(lang, many(flying, "call")+" had left already", fmt.Sprintf("此前已发出 %d 个请求", flying)))
	}
	fmt.Fprintf(out, mostly(lang, "done: %s\n", "完成：%s\n"), what)
	return nil
}
