package ruletest

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/dispatch"
	"github.com/notifier/notifier/internal/rules"
)

// WriteText writes a run as people read it (cli.md 4).
func (r *Report) WriteText(w io.Writer, lang diag.Lang, coverage bool) error {
	var b strings.Builder
	for i := range r.Results {
		r.Results[i].write(&b, lang)
	}
	n, failed := len(r.Results), r.Failed()
	sum := diag.Text{EN: fmt.Sprintf("%d tests, %d passed, %d failed", n, n-failed, failed), ZH: fmt.Sprintf("%d 个测试：%d 个通过，%d 个未通过", n, n-failed, failed)}
	if n == 1 {
		sum.EN = strings.Replace(sum.EN, "1 tests", "1 test", 1)
	}
	b.WriteString(sum.In(lang) + "\n")
	if coverage {
		b.WriteString(diag.Visible(r.Coverage.text().In(lang)) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// placed is the column at which the place of a failed test begins.
const placed = 50

func (t *Result) write(b *strings.Builder, lang diag.Lang) {
	name := t.Rule + "/" + diag.Visible(t.Name)
	if t.OK {
		fmt.Fprintf(b, "PASS %s\n", name)
		return
	}
	fmt.Fprintf(b, "FAIL %s  %s:%d\n", runewidth.FillRight(name, placed-len("FAIL  ")), t.File, t.Line)
	expected, got, because := "expected", "got     ", "because "
	if lang == diag.ZH {
		expected, got, because = "期望", "实际", "因为"
	}
	for _, d := range t.Diffs {
		if lang == diag.ZH {
			d.Expected, d.Got = inChinese(d.Expected), inChinese(d.Got)
		}
		fmt.Fprintf(b, "     %s  %s\n     %s  %s\n", expected, diag.Visible(d.Expected), got, diag.Visible(d.Got))
		for l := range strings.Lines(d.Lines) {
			b.WriteString("       " + diag.Visible(strings.TrimRight(l, "\n")) + "\n")
		}
	}
	for _, c := range t.because() {
		fmt.Fprintf(b, "     %s  %s  %s  %s:%d:%d\n", because, runewidth.FillRight(diag.Visible(c.Label()), 16), diag.Visible(saw(&c, lang)), c.File, c.Line, c.Column)
	}
}

// openings are how what is expected and what came begins; the rest are texts and keys of the file.
var openings = []struct{ en, zh string }{
	{"no match", "不匹配"}, {"nothing leaves", "没有请求发出"}, {"held: ", "暂缓："}, {"suppressed: ", "不发："}, {"dead letter: ", "死信："}, {"because ", "因为 "}, {"tags [", "标签 ["},
	{"never leaves: ", "一直没有发出："}, {"leaves at ", "发出时间 "}, {"internal fault: ", "内部错误："}, {"no event but a dead letter: ", "不是可用的事件，成了死信："},
	{"a push with ", "一条推送："}, {"a broadcast with ", "一条人群推送："}, {"a push", "一条推送"}, {"a broadcast", "一条人群推送"}, {"push to ", "推送给 "}, {"broadcast to ", "人群推送给 "},
	{"push without ", "推送里没有 "}, {"broadcast without ", "人群推送里没有 "}, {"push ", "推送的 "}, {"broadcast ", "人群推送的 "},
	{"it stays where it is", "留在原处"}, {"the rule has no condition that decides", "规则里没有起决定作用的条件"},
	{"the event is outside the rule's `from` and `until`", "事件不在规则的起止时间内（`from`、`until`）"},
	{"the snapshot in ", "快照 "}, {"the snapshot", "快照"}, {"other requests; if they are meant: ", "请求与快照不同；确认无误请运行 "}, {"there is none yet: `notifier test --update` writes it", "还没有快照：运行 `notifier test --update` 生成"},
}

func inChinese(s string) string {
	for _, o := range openings {
		if rest, ok := strings.CutPrefix(s, o.en); ok {
			return o.zh + restInChinese(o.en, rest)
		}
	}
	return s
}

// restInChinese is what follows an opening, as far as it is no text of the file.
func restInChinese(opening, s string) string {
	switch opening {
	case "held: ":
		return strings.Replace(s, " until ", "，到 ", 1)
	case "never leaves: ":
		return inChinese(s)
	case "no event but a dead letter: ":
		return rules.FaultZH(s)
	case "suppressed: ", "dead letter: ": // behind the reason, in brackets, the detail
		if reason, detail, ok := strings.Cut(s, " ("); ok && strings.HasSuffix(detail, ")") {
			return reason + "（" + dispatch.DetailZH(rules.FaultZH(strings.TrimSuffix(detail, ")"))) + "）"
		}
	case "because ":
		if decided, none, ok := strings.Cut(s, ", and `"); ok && strings.HasSuffix(none, "` is no clause of the rule") {
			return inChinese(decided) + "，而且规则里没有条件 `" + strings.TrimSuffix(none, "` is no clause of the rule") + "`"
		}
		return inChinese(s)
	case "broadcast to ":
		whom, title, _ := strings.Cut(s, ` "`)
		if zh := map[string]string{"everyone": "全部用户", "online": "在线用户"}[whom]; zh != "" {
			whom = zh
		}
		return strings.NewReplacer("any of ", "任一 ", "none of ", "排除 ", "package ", "包名 ").Replace(whom) + ` "` + title
	}
	return s
}

// because are the clauses that decided the verdict of a failed test.
func (t *Result) because() (out []rules.Clause) {
	if t.Verdict == nil {
		return nil
	}
	for _, c := range t.Verdict.Clauses {
		if c.Decided {
			out = append(out, c)
		}
	}
	return out
}

// saw is a clause with its values: 500.00 >= 500 → true.
func saw(c *rules.Clause, lang diag.Lang) string {
	if len(c.Missing) > 0 {
		var out []string
		for _, m := range c.Missing {
			if lang == diag.ZH {
				m.Why = rules.WhyZH(m.Why)
			}
			out = append(out, m.Field+" "+m.Why)
		}
		return strings.Join(out, ", ") + " → false"
	}
	return fmt.Sprintf("%s → %t", c.Seen, c.Result)
}

func (c *Coverage) text() diag.Text {
	out := diag.Text{EN: fmt.Sprintf("coverage: clauses %d/%d proved both ways", c.Both, c.Clauses), ZH: fmt.Sprintf("覆盖：%d/%d 个条件两种结果都测过", c.Both, c.Clauses)}
	for _, o := range c.Open {
		if slices.Contains(c.Untested, o.Rule) { // which says it all
			continue
		}
		word := map[string]diag.Text{"true": {EN: "true", ZH: "成立"}, "false": {EN: "false", ZH: "不成立"}}[o.Never]
		out.EN += fmt.Sprintf("; never %s: %s (%s:%d)", word.EN, o.Label, o.File, o.Line)
		out.ZH += fmt.Sprintf("；没有测过%s：%s（%s:%d）", word.ZH, o.Label, o.File, o.Line)
	}
	for _, name := range c.Untested {
		out.EN += "; rule " + name + " has no test"
		out.ZH += "；规则 " + name + " 没有测试"
	}
	return out
}

// Schema names the JSON shape of a run.
const Schema = "notifier.test/v1"

type jsonReport struct {
	Schema      string            `json:"schema"`
	Tests       int               `json:"tests"`
	Passed      int               `json:"passed"`
	Failed      int               `json:"failed"`
	Results     []jsonResult      `json:"results"`
	Coverage    Coverage          `json:"coverage"`
	Diagnostics []diag.Diagnostic `json:"diagnostics,omitempty"`
}

type jsonResult struct {
	Rule     string       `json:"rule"`
	Test     string       `json:"test"`
	File     string       `json:"file"`
	Line     int          `json:"line"`
	OK       bool         `json:"ok"`
	Diffs    []Diff       `json:"diffs,omitempty"`
	Because  []jsonClause `json:"because,omitempty"`
	Requests []Request    `json:"requests,omitempty"`
}

type jsonClause struct {
	Text   string `json:"text"`
	Seen   string `json:"seen"`
	Result bool   `json:"result"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// WriteJSON writes a run for machines, with the mistakes that kept it from being one.
func (r *Report) WriteJSON(w io.Writer, mistakes diag.List) error {
	failed := r.Failed()
	out := jsonReport{Schema: Schema, Tests: len(r.Results), Passed: len(r.Results) - failed, Failed: failed, Results: []jsonResult{}, Coverage: r.Coverage, Diagnostics: mistakes}
	for i := range r.Results {
		t := &r.Results[i]
		j := jsonResult{Rule: t.Rule, Test: t.Name, File: t.File, Line: t.Line, OK: t.OK, Diffs: t.Diffs, Requests: t.Requests}
		for _, c := range t.because() {
			j.Because = append(j.Because, jsonClause{Text: c.Text, Seen: c.Seen, Result: c.Result, File: c.File, Line: c.Line, Column: c.Column})
		}
		out.Results = append(out.Results, j)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(out)
}

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	File     string      `xml:"file,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes a run as CI systems read it: a suite for each rule.
func (r *Report) WriteJUnit(w io.Writer) error {
	out := junitSuites{Tests: len(r.Results), Failures: r.Failed()}
	for i := range r.Results {
		t := &r.Results[i]
		if len(out.Suites) == 0 || out.Suites[len(out.Suites)-1].Name != t.Rule {
			out.Suites = append(out.Suites, junitSuite{Name: t.Rule, File: t.File})
		}
		s := &out.Suites[len(out.Suites)-1]
		s.Tests++
		c := junitCase{Name: t.Name, Class: t.Rule, File: t.File, Line: t.Line}
		if !t.OK {
			s.Failures++
			var b strings.Builder
			t.write(&b, diag.EN)
			c.Failure = &junitFailure{Text: b.String()}
			if len(t.Diffs) > 0 {
				c.Failure.Message = "expected " + t.Diffs[0].Expected + ", got " + t.Diffs[0].Got
			}
		}
		s.Cases = append(s.Cases, c)
	}
	b, err := xml.MarshalIndent(out, "", " ")
	if err != nil {
		return fmt.Errorf("write junit: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, b)
	return err
}
