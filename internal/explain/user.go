package explain

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/tagsync"
)

// User says why a user has the tags, by account. Its JSON is notifier.explain-user/v1.
type User struct {
	Schema   string    `json:"schema"`
	User     string    `json:"user"`
	Accounts []Account `json:"accounts"`
	Pending  []Waiting `json:"pending"`         // what else is on its way to the user
	Rules    []*OfRule `json:"rules,omitempty"` // the one rule that was asked about, in each account that has the user
}

// OfRule is what a rule says of a user: of a tag rule its conditions, of a push its user_when.
type OfRule struct {
	Rule     string   `json:"rule"`
	Revision string   `json:"revision"`
	Mode     string   `json:"mode"`
	Account  string   `json:"account"`
	Verdict  string   `json:"verdict"` // match, no match, unsure, off; event: it asks the event, not the user
	Clauses  []Clause `json:"clauses"`

	rule *rules.Rule
}

// OfUser asks a rule about a user's row in an account; a rule of another account says nothing.
func OfUser(set *rules.Set, r *rules.Rule, account string, u *tagsync.User) []*OfRule {
	if r.Account != account {
		return nil
	}
	out := &OfRule{Rule: r.Name, Revision: r.Revision, Mode: string(r.Mode), Account: account, Clauses: []Clause{}, rule: r}
	var v rules.Verdict
	if r.Action == intent.Tags {
		v = set.AskTags(r, u.Get)
	} else {
		v = set.AskUser(r, u.Get)
	}
	for _, c := range v.Clauses {
		out.Clauses = append(out.Clauses, clause(c))
	}
	switch {
	case r.Mode == rules.Off:
		out.Verdict = "off"
	case r.Action != intent.Tags && v.Always:
		out.Verdict = "event"
	case v.Unsure:
		out.Verdict = "unsure"
	case v.Match:
		out.Verdict = "match"
	default:
		out.Verdict = "no match"
	}
	return []*OfRule{out}
}

// Only leaves what one rule has to do with.
func (u *User) Only(rule string) {
	for i := range u.Accounts {
		u.Accounts[i].Tags = slices.DeleteFunc(u.Accounts[i].Tags, func(t TagShown) bool {
			return !slices.ContainsFunc(t.From, func(g Giver) bool { return g.Rule == rule })
		})
		u.Accounts[i].LeftOut = slices.DeleteFunc(u.Accounts[i].LeftOut, func(l TagLeft) bool { return l.Rule != rule })
		u.Accounts[i].one = true
	}
	u.Pending = slices.DeleteFunc(u.Pending, func(w Waiting) bool { return w.Rule != rule })
}

func (o *OfRule) write(b *strings.Builder, s say) {
	f := Rule{Rule: o.Rule, Revision: o.Revision, Mode: o.Mode, Verdict: o.Verdict, rule: o.rule}
	state := f.status(nil, time.Time{}, s)
	if o.Verdict == "event" {
		state = s.line("it asks the event, not the user; next: notifier explain EVENT_ID --rule %s", "它只问事件，不问用户；下一步：notifier explain EVENT_ID --rule %s", o.Rule)
	}
	fmt.Fprintf(b, "  %s  %s\n", runewidth.FillRight(s.word("rule %s (rev %s, %s)", "规则 %s（版本 %s，%s）", o.Rule, shortRevision(o.Revision), f.mode(s)), 46), state)
	for i := range o.Clauses {
		writeClause(b, &o.Clauses[i], o.Verdict, s)
	}
}

// Account is the user's row in one account.
type Account struct {
	Account string       `json:"account"`
	Certain bool         `json:"certain"` // the outcome of the last write of tags is clear
	Gone    bool         `json:"gone,omitempty"`
	Tags    []TagShown   `json:"tags"`
	LeftOut []TagLeft    `json:"left_out,omitempty"` // what rules that match give no tag of
	Fields  []FieldShown `json:"fields"`
	Change  *TagChange   `json:"tag_change,omitempty"` // of the tag rules, for which some of the tags wait
	Refused string       `json:"refused,omitempty"`    // the vendor's last word on the user's tags, where it refused them

	one bool // only what one rule gives is shown
}

// TagChange is a change of an account's tag rules that the known users do not get now.
type TagChange struct {
	State ledger.TagState `json:"state"` // approval, rejected, counting; settled: a new owner has other rules and goes by them later
	At    time.Time       `json:"at"`
	Until time.Time       `json:"until,omitzero"` // when the new owner does
	By    string          `json:"by,omitempty"`
	Why   string          `json:"why,omitempty"`
}

// Await says of the tags that would be set or removed that this waits, for people or for more: so it is for the known users while their
// account's tag rules have changed and are not written. Who calls it knows that nothing else is on its way to the user.
func (a *Account) Await(c *ledger.TagChange) {
	if c == nil || a.Gone || c.State == ledger.TagsWriting || c.State == ledger.TagsSettled && c.Waits.IsZero() {
		return
	}
	waits := map[string]string{"to be set": "would be set", "to be removed": "would be removed"}
	for i := range a.Tags {
		if state := waits[a.Tags[i].State]; state != "" {
			a.Tags[i].State = state
			a.Change = &TagChange{State: c.State, At: c.At.UTC(), Until: c.Waits, By: c.By, Why: c.Why}
		}
	}
}

// text says what the tags wait for.
func (c *TagChange) text(zone *time.Location, s say) string {
	switch {
	case !c.Until.IsZero():
		at := c.Until.In(zone).Format("2006-01-02 15:04:05 -07:00")
		return s.line("the tag rules have changed: the users are evaluated again at %s", "标签规则有改动：%s 重新判断用户", at)
	case c.State == ledger.TagsApproval:
		return s.line("the tag rules have changed and wait for approval: the tags stay as they are; next: notifier approvals list", "标签规则有改动，正在等批准：标签暂时不变；下一步：notifier approvals list")
	case c.State == ledger.TagsRejected:
		return s.line("the changed tag rules were rejected by %s: %s; the tags stay as they are until the next reload or a profile event of the user", "标签规则的改动被 %s 驳回：%s；标签不变，直到下次重新加载规则，或这个用户有新的资料事件", c.By, diag.Tame(c.Why))
	}
	return s.line("the tag rules have changed: the users who get other tags are being counted", "标签规则有改动：正在数哪些用户的标签会变")
}

// TagShown is one tag, why it is given, and whether the vendor has it.
type TagShown struct {
	Tag   string  `json:"tag"`
	State string  `json:"state"` // set, to be set, to be removed, unclear; would be set, would be removed: for that a change of the tag rules waits
	From  []Giver `json:"from"`
	Kind  string  `json:"kind"` // rule, kept (nobody can say whether its rule gives it), foreign, none
}

// Giver is a rule that gives a tag.
type Giver struct {
	Rule     string `json:"rule"`
	Template string `json:"template"`
	File     string `json:"file"`
	Line     int    `json:"line"`
}

// FieldShown is a field of the row.
type FieldShown struct {
	Field   string   `json:"field"`
	Absent  bool     `json:"absent,omitempty"` // known to be absent
	Value   string   `json:"value,omitempty"`
	List    []string `json:"list,omitempty"`
	Version int64    `json:"version"`
}

// Row explains a user's row by the rules as they are now.
func Row(set *rules.Set, account string, u *tagsync.User) Account {
	out := Account{Account: account, Certain: u.Acked != nil && u.Had == nil, Gone: u.Gone, Tags: []TagShown{}, Fields: []FieldShown{}}
	has := u.Acked
	if u.Had != nil { // all that may be there
		has = u.Had
	}
	tags := map[string]*TagShown{}
	shown := func(tag string) *TagShown {
		if tags[tag] == nil {
			tags[tag] = &TagShown{Tag: tag, Kind: "none", From: []Giver{}}
		}
		return tags[tag]
	}
	if !u.Gone {
		current := has
		if u.Anew { // nothing stays for a field's being unknown
			current = nil
		}
		wanted := set.Tags(account, u.Get, current)
		for _, g := range set.Givers(account, u.Get, current) {
			if !slices.Contains(wanted, g.Tag) {
				continue // beyond the most tags a user may have
			}
			t := shown(g.Tag)
			t.From = append(t.From, Giver{Rule: g.Rule.Name, Template: g.Template, File: g.Rule.File, Line: g.Rule.Line})
			if t.Kind != "rule" {
				t.Kind = map[bool]string{true: "kept", false: "rule"}[g.Kept]
			}
		}
		out.LeftOut = leftOut(set, account, u.Get, current)
		for _, tag := range u.Foreign {
			if t := shown(tag); t.Kind == "none" {
				t.Kind = "foreign"
			}
		}
	}
	for _, tag := range has {
		shown(tag)
	}
	for _, tag := range slices.Sorted(maps.Keys(tags)) {
		t := tags[tag]
		switch there := slices.Contains(has, tag); {
		case !out.Certain:
			t.State = "unclear"
		case there && t.Kind == "none":
			t.State = "to be removed"
		case there:
			t.State = "set"
		default:
			t.State = "to be set"
		}
		out.Tags = append(out.Tags, *t)
	}
	for _, name := range slices.Sorted(maps.Keys(u.Fields)) {
		f := u.Fields[name]
		s := FieldShown{Field: name, Value: f.Str, List: f.List, Version: f.Version, Absent: f.Type == "" && f.Str == "" && len(f.List) == 0}
		if f.Type == event.List {
			s.Value = ""
		}
		out.Fields = append(out.Fields, s)
	}
	return out
}

// WriteText writes it for people of a language, times in a zone.
func (u *User) WriteText(w io.Writer, zone *time.Location, lang diag.Lang) error {
	var b strings.Builder
	s := say(lang)
	fmt.Fprintf(&b, "%s %s\n", s.word("user", "用户"), diag.Tame(u.User))
	for i := range u.Accounts {
		u.Accounts[i].write(&b, zone, s)
	}
	for _, r := range u.Rules {
		r.write(&b, s)
	}
	for _, p := range u.Pending {
		fmt.Fprintf(&b, s.word("  on its way: rule %s since %s, %s\n", "  还在路上：规则 %s，自 %s，%s\n"), p.Rule, p.Since.In(zone).Format("2006-01-02 15:04:05"), p.waits(zone, s))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (a *Account) write(b *strings.Builder, zone *time.Location, s say) {
	fmt.Fprintf(b, "  %s %s\n", s.word("account", "账号"), a.Account)
	if a.Gone {
		b.WriteString("     " + s.line("the user is gone upstream: the tags are taken away", "上游已删除这个用户：标签会被去掉") + "\n")
	}
	switch {
	case a.Certain:
	case a.Refused != "":
		b.WriteString("     " + s.line("the vendor refused the last write of tags: %s", "上次写标签被厂商拒绝：%s", diag.Tame(a.Refused)) + "\n")
	default:
		b.WriteString("     " + s.line("what the vendor has is not certain: it was not read yet, or the last write had no clear answer", "厂商那边是什么还不确定：没有读过，或上次写入的结果未知") + "\n")
	}
	if a.Change != nil {
		b.WriteString("     " + a.Change.text(zone, s) + "\n")
	}
	for _, t := range a.Tags {
		mark := map[string]string{"set": "✓", "to be set": "→", "to be removed": "✗", "unclear": "?", "would be set": "–", "would be removed": "–"}[t.State]
		fmt.Fprintf(b, "     %s %s %s\n", mark, runewidth.FillRight(diag.Tame(t.Tag), 24), t.why(s))
	}
	if len(a.Tags) == 0 && a.one {
		b.WriteString("     " + s.line("the rule gives no tag", "这条规则没有给标签") + "\n")
	} else if len(a.Tags) == 0 {
		b.WriteString("     " + s.line("no tags", "没有标签") + "\n")
	}
	for i := range a.LeftOut {
		l := &a.LeftOut[i]
		fmt.Fprintf(b, "     – %s %s\n", runewidth.FillRight(l.Template, 24), s.word("rule %s, %s:%d, ", "规则 %s，%s:%d，", l.Rule, l.File, l.Line)+l.why(s))
	}
	for _, f := range a.Fields {
		value := diag.Tame(f.Value)
		switch {
		case f.Absent:
			value = s.word("(absent)", "（没有）")
		case f.List != nil:
			value = diag.Tame("[" + strings.Join(f.List, ", ") + "]")
		}
		fmt.Fprintf(b, "       %s = %s\n", f.Field, value)
	}
}

func (t *TagShown) why(s say) string {
	var from []string
	for _, g := range t.From {
		from = append(from, s.word("rule %s %q, %s:%d", "规则 %s %q，%s:%d", g.Rule, g.Template, g.File, g.Line))
	}
	out := strings.Join(from, "; ")
	switch t.Kind {
	case "kept":
		out += s.word(": kept, a field that it asks is unknown", "：保留，它问的字段没有人说过")
	case "foreign":
		out = s.word("foreign: no rule of ours gives it", "外来的：不是我们的规则给的")
	case "none":
		out = s.word("no rule gives it any more", "已没有规则给它")
	}
	switch t.State {
	case "to be set":
		out += s.word(", to be set", "，将要打上")
	case "to be removed":
		out += s.word(", to be removed", "，将要去掉")
	case "would be set":
		out += s.word(", would be set", "，改动生效前不打")
	case "would be removed":
		out += s.word(", would be removed", "，改动生效前不去掉")
	}
	return out
}
