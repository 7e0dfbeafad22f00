package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/ruletest"
)

func newNewCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "new", Short: "write a new rule", Args: cobra.NoArgs, Example: "  notifier new rule", RunE: wantsSub}
	cmd.AddCommand(newNewRuleCmd())
	return cmd
}

func newNewRuleCmd() *cobra.Command {
	var d ruletest.Draft
	var dir, action string
	cmd := &cobra.Command{
		Use:   "rule",
		Short: "a rule with two tests, from a few answers",
		Long: `Writes DIR/NAME.yaml: a rule with one test that it acts on and one that it does not, both tried out; of a rule that acts
always the second one shows a limit. On a terminal it asks for what no flag says. A push or broadcast begins in shadow mode:
evaluated and recorded, not sent. A tag rule is live once it is loaded.`,
		Example: `  notifier new rule
  notifier new rule --name big-order --event order.paid --when "amount > 500" --class service \
      --subject "感谢支持" --body "您的订单已支付 ${amount | money} 元"
  notifier new rule --name city-tag-2 --action tags --event profile.changed --tag 'city_${city}'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d.Action = intent.Action(action)
			f, ok := cmd.InOrStdin().(*os.File)
			lang, err := languageOf(cmd)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			return newRule(&d, dir, lang, cmd.InOrStdin(), ok && term.IsTerminal(int(f.Fd())), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&dir, "dir", "rules", "folder of the rule files")
	f.StringVar(&d.Name, "name", "", "name of the rule: a-z, 0-9 and -")
	f.StringVar(&d.Title, "title", "", "what people call it")
	f.StringVar(&d.Event, "event", "", "event of the catalogue")
	f.StringVar(&action, "action", "", "push (default), broadcast or tags")
	f.StringVar(&d.When, "when", "", "condition over the event's fields, or always")
	f.StringVar(&d.Class, "class", "", "service or marketing: consent, limits and quiet hours go by it")
	f.StringVar(&d.Mode, "mode", "shadow", "shadow or live")
	f.StringVar(&d.Subject, "subject", "", "title of the message")
	f.StringVar(&d.Body, "body", "", "text of the message")
	f.StringSliceVar(&d.Audience, "audience", nil, "tags of a broadcast's users, who have all of them")
	f.StringVar(&d.Tag, "tag", "", "tag of a tag rule, for example city_${city}")
	return cmd
}

func newRule(d *ruletest.Draft, dir string, lang diag.Lang, in io.Reader, terminal bool, out, talk io.Writer) error {
	beside, list := rules.Read([]string{dir})
	if list.Errors() > 0 {
		if err := diag.WriteText(talk, list, lang); err != nil {
			return err
		}
		return noCatalogue(dir, lang)
	}
	if len(rules.List(beside).Events) == 0 {
		return noCatalogue(dir, lang)
	}
	_, list = rules.LoadFiles(beside, app.AnyRuleOptions())
	list = slices.DeleteFunc(list, func(x diag.Diagnostic) bool { return x.Code == "N110" }) // there are no rules: this is the first one
	if list.Errors() > 0 {                                                                   // no rule can be tried beside them, whatever is answered
		if err := diag.WriteText(talk, list, lang); err != nil {
			return err
		}
		return &exitError{exitFindings, fmt.Errorf(mostly(lang, "the rule files have errors, nothing was written; next: mend them, then notifier check %s", "规则文件有错误，什么也没有写；下一步：改好以后运行 notifier check %s"), shellWord(dir))}
	}
	if err := answers(d, dir, beside, lang, in, terminal, talk); err != nil {
		return err
	}
	file := draftFile(dir, d.Name)
	if _, err := os.Stat(file); err == nil {
		return &exitError{exitUsage, fmt.Errorf(mostly(lang, "%s exists already: take another --name, or edit it", "%s 已经有了：请换一个 --name，或者改它"), file)}
	}
	text, list, err := d.Write(file, beside, app.AnyRuleOptions(), func(set *rules.Set) ruletest.Options {
		b := app.AnyBench(set, nil)
		return ruletest.Options{Set: set, Stage: b.Options, Identities: b.Identities, Request: b.Request, Snapshots: &ruletest.Snapshots{}}
	})
	if err != nil {
		return &exitError{exitFindings, err}
	}
	if len(list) > 0 {
		if err := diag.WriteText(talk, list, lang); err != nil {
			return err
		}
		return &exitError{exitFindings, errors.New(mostly(lang, "nothing was written", "什么也没有写"))}
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return &exitError{exitUsage, fmt.Errorf("write the rule: %w", err)}
	}
	fmt.Fprintln(out, file)
	begins := mostly(lang, "it begins in mode "+d.Mode, "它以 `mode: "+d.Mode+"` 开始")
	if d.Action == intent.Tags {
		begins = mostly(lang, "a tag rule has no shadow: it is live once the daemon has loaded it", "标签规则不能试运行：守护进程读到就生效")
	}
	fmt.Fprintf(talk, mostly(lang, "next: `notifier check %s`, `notifier test %s`; %s\n", "下一步：`notifier check %s`，`notifier test %s`；%s\n"), shellWord(dir), shellWord(file), begins)
	if strings.Count(text, "- {name: ") < 2 {
		return &exitError{exitPartial, errors.New(mostly(lang, "it has one test only, no values were found for the other; next: write it by hand: docs/testing.md", "只有一个测试，另一个没有试出来；下一步：手写另一个：docs/testing.zh-CN.md"))}
	}
	return nil
}

// noCatalogue is the error of a folder without events, of which a rule names one.
func noCatalogue(dir string, lang diag.Lang) error {
	return &exitError{exitUsage, fmt.Errorf(mostly(lang, "no event is declared in %s, and a rule is about one; next: notifier new rule --dir FOLDER, where events.yaml is (how to write one: docs/rules.md)",
		"%s 里没有声明事件，而规则总是关于某个事件；下一步：notifier new rule --dir 文件夹，选 events.yaml 所在的文件夹（怎样写它：docs/rules.zh-CN.md）"), dir)}
}

// question is what somebody who writes a rule is asked.
type question struct {
	to    *string
	flag  string
	text  diag.Text
	one   []string          // of which it is one; nil: any text
	words map[string]string // other words for those
	or    string            // what an empty line means
	after func()            // once it is answered
	fault func() string     // what is wrong with the answer; nil: nothing can be
}

// answers asks for what is missing, on a terminal; elsewhere it names the flag. There what is wrong with an answer is said at once, and it is
// asked for again: at the end all the others would be lost.
func answers(d *ruletest.Draft, dir string, beside []rules.File, lang diag.Lang, in io.Reader, terminal bool, talk io.Writer) error {
	lines := bufio.NewReader(in)
	wrong := func(q question) string {
		if q.after != nil {
			q.after()
		}
		if q.fault == nil || !terminal {
			return ""
		}
		return q.fault()
	}
	ask := func(q question) error {
		if *q.to != "" {
			if why := wrong(q); why != "" { // a flag said it
				return &exitError{exitFindings, fmt.Errorf(mostly(lang, "--%s: %s; nothing was written", "--%s：%s；什么也没有写"), q.flag, why)}
			}
			return nil
		}
		if !terminal {
			if *q.to = q.or; q.or != "" {
				return nil
			}
			return &exitError{exitUsage, fmt.Errorf(mostly(lang, "--%s is missing: %s", "缺少 --%s：%s"), q.flag, q.text.In(lang))}
		}
		for *q.to == "" {
			fmt.Fprintf(talk, mostly(lang, "%s: ", "%s："), q.text.In(lang))
			line, err := lines.ReadString('\n')
			says := strings.TrimSpace(line)
			if err != nil && says == "" {
				return &exitError{exitUsage, errors.New(mostly(lang, "no more answers, nothing was written", "没有回答完，什么也没有写"))}
			}
			if says == "" {
				says = q.or
			}
			if says == "" {
				fmt.Fprintln(talk, diag.Text{EN: "an answer is needed here", ZH: "这里不能留空"}.In(lang))
				continue
			}
			says = cmp.Or(q.words[says], says)
			if q.one != nil && !slices.Contains(q.one, says) {
				hint := diag.Text{EN: "one of " + strings.Join(q.one, ", "), ZH: "请写其中一个：" + strings.Join(q.one, "、")}
				if near := nearestName(says, q.one); near != "" {
					hint = diag.Text{EN: fmt.Sprintf("did you mean `%s`?", near), ZH: fmt.Sprintf("是不是想写 `%s`？", near)}
				}
				fmt.Fprintln(talk, hint.In(lang))
				continue
			}
			*q.to = says
			if why := wrong(q); why != "" {
				fmt.Fprintln(talk, why)
				*q.to = ""
			}
		}
		return nil
	}
	listed := rules.List(beside)
	var events []string
	titles := map[string]string{}
	for _, e := range listed.Events {
		events = append(events, e.Name)
		titles[e.Title] = e.Name
	}
	action := string(d.Action)
	if err := ask(question{to: &action, flag: "action", text: diag.Text{EN: "push to users (empty: this), broadcast to an audience, or tags", ZH: "push 发给用户（留空就是它）、broadcast 发给人群、tags 打标签"}, one: []string{"push", "broadcast", "tags"},
		words: map[string]string{"推送": "push", "人群推送": "broadcast", "广播": "broadcast", "标签": "tags", "打标签": "tags"}, or: "push"}); err != nil {
		return err
	}
	d.Action = intent.Action(action)
	event := diag.Text{EN: "event: " + strings.Join(events, ", "), ZH: "事件"}
	if lang == diag.ZH { // in both the list stands there already
		event.ZH += "：" + strings.Join(events, "、")
	}
	loads := func() string { return faultsOf(d, dir, beside, lang) }
	name := func() string {
		if slices.ContainsFunc(listed.Rules, func(e rules.Entry) bool { return e.Name == d.Name }) {
			return diag.Text{EN: fmt.Sprintf("there is a rule `%s` already: take another name", d.Name), ZH: fmt.Sprintf("已经有规则 `%s`：请换一个名字", d.Name)}.In(lang)
		}
		try := ruletest.Draft{Name: d.Name, Action: intent.Push, Event: events[0]} // whatever else is wrong with that is of no interest
		var own diag.List
		for _, x := range try.Faults(draftFile(dir, "a"), beside, app.AnyRuleOptions()) {
			if x.Line == nameLine {
				own = append(own, x)
			}
		}
		return told(own, lang)
	}
	questions := []question{
		{to: &d.Name, flag: "name", text: diag.Text{EN: "name of the rule, like vip-thanks", ZH: "规则名，例如 vip-thanks"}, fault: name},
		{to: &d.Event, flag: "event", text: event, one: events, words: titles},
	}
	var tags string
	switch d.Action {
	case intent.Tags:
		questions[1].fault = loads
		questions = append(questions, question{to: &d.Tag, flag: "tag", text: diag.Text{EN: "tag, like city_${city}", ZH: "标签，例如 city_${city}"}, fault: loads})
		if d.When == "" {
			d.When = "always"
		}
	case intent.Push, intent.Broadcast:
		questions = append(questions,
			question{to: &d.When, flag: "when", text: diag.Text{EN: "condition, like amount > 500, or always", ZH: "条件，例如 amount > 500，或 always"}, words: map[string]string{"总是": "always", "始终": "always"}, fault: loads},
			question{to: &d.Class, flag: "class", text: diag.Text{EN: "class: service (what the user did or asked for) or marketing (everything else)", ZH: "类别：service（用户自己的事）或 marketing（其他都是营销）"}, one: []string{"service", "marketing"}, words: map[string]string{"服务": "service", "营销": "marketing"}, fault: loads},
			question{to: &d.Subject, flag: "subject", text: diag.Text{EN: "title of the message", ZH: "消息标题"}, fault: loads},
			question{to: &d.Body, flag: "body", text: diag.Text{EN: "text of the message", ZH: "消息正文"}, fault: loads})
		if d.Action == intent.Broadcast && len(d.Audience) == 0 {
			split := func() {
				d.Audience = strings.FieldsFunc(tags, func(r rune) bool { return r == ',' || r == '，' || r == '、' || r == ' ' })
			}
			questions = append(questions, question{to: &tags, flag: "audience", text: diag.Text{EN: "tags of the users, with commas", ZH: "人群标签，用逗号分开"}, after: split, fault: loads})
		}
	default:
		return &exitError{exitUsage, fmt.Errorf(mostly(lang, "unknown --action %q: push, broadcast or tags", "没有 --action %q：push、broadcast 或 tags"), d.Action)}
	}
	for _, q := range questions {
		if err := ask(q); err != nil {
			return err
		}
	}
	return nil
}

// nameLine is where a draft has its name.
const nameLine = 3

func draftFile(dir, name string) string { return filepath.ToSlash(filepath.Join(dir, name+".yaml")) }

// faultsOf says what is wrong with what was answered so far; "" is nothing.
func faultsOf(d *ruletest.Draft, dir string, beside []rules.File, lang diag.Lang) string {
	return told(d.Faults(draftFile(dir, d.Name), beside, app.AnyRuleOptions()), lang)
}

// told are findings without their places: the answer was typed a moment ago.
func told(list diag.List, lang diag.Lang) string {
	var says []string
	for _, x := range list {
		text := x.Message.In(lang)
		if hint := x.Hint.In(lang); hint != "" {
			text += mostly(lang, ": ", "：") + hint
		}
		says = append(says, text)
	}
	return strings.Join(says, "\n")
}
