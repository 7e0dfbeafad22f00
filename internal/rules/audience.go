package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
)

// The vendor's limits of a tag set: rongcloud.md, the tag endpoints.
const (
	maxTags    = 20
	maxTagSize = 40 // bytes
)

var tagText = regexp.MustCompile(`^[\p{L}\p{N}_-]+$`)

// audience is whom a broadcast reaches, compiled.
type audience struct {
	everyone, online bool
	all, any, none   []*template
	pkg              string
}

// wide reports whether the audience is as wide as everybody.
func (a *audience) wide() bool {
	return a != nil && (a.everyone || a.online || (a.pkg != "" && len(a.all)+len(a.any)+len(a.none) == 0) || (len(a.none) > 0 && len(a.all)+len(a.any) == 0))
}

// broadcast reads the block of a rule for an audience.
func (l *loader) broadcast(n *diag.Node, r *Rule, a Account, known bool) {
	if !n.Keys("audience", "title", "body", "link", "image", "data", "badge", "group", "platforms", "message", "variants", "rongcloud", "getui") {
		return
	}
	if aud := n.Need("audience"); aud != nil {
		l.audience(aud, r, a, known)
	}
	l.texts(n, r, a)
}

func (l *loader) audience(n *diag.Node, r *Rule, a Account, known bool) {
	out := &audience{}
	r.audience = out
	if tags := r.scope.loneTags(n); len(tags) > 0 {
		fix := "{all_of: [" + tags[0] + "]}"
		d := n.Error("N111", diag.Text{EN: "`" + n.Text + "` alone is no audience", ZH: "人群不能只写 `" + n.Text + "`"}, diag.Text{EN: "write `" + fix + "` for the users with the tag", ZH: "要发给有这个标签的用户，写成 `" + fix + "`"})
		if d.Fix = fix; len(tags) > 1 {
			d.Hint, d.Fix = togetherHint("["+strings.Join(tags, ", ")+"]"), ""
		} else if tags[0] == noTag {
			d.Fix = ""
		}
	} else if n.Kind == diag.Scalar {
		switch w, _ := n.Enum("everyone", "online"); w {
		case "everyone":
			out.everyone = true
		case "online":
			out.online = true
		}
	} else if mixedEveryone(n) {
		return
	} else if n.Kind == diag.Sequence && len(n.Items) > 0 {
		list := listOf(n)
		n.Error("N111", diag.Text{EN: "an audience says how its tags go together", ZH: "人群要写明标签之间的关系"}, togetherHint(list))
	} else if n.Keys("all_of", "any_of", "none_of", "package") {
		out.all, out.any, out.none = l.audienceTags(n, "all_of", r), l.audienceTags(n, "any_of", r), l.audienceTags(n, "none_of", r)
		out.pkg, _ = n.Get("package").String()
		if len(n.Fields) == 0 || (out.pkg == "" && n.Get("package") == nil && len(n.Get("all_of").List())+len(n.Get("any_of").List())+len(n.Get("none_of").List()) == 0) && !lostTags(n) && !otherKeys(n, "all_of", "any_of", "none_of", "package") {
			n.Error("N403", diag.Text{EN: "the audience is empty", ZH: "人群是空的"}, diag.Text{EN: "write `everyone` if you mean everybody", ZH: "要发给全部用户请写 `everyone`"})
		} else {
			for _, key := range []string{"all_of", "any_of", "none_of"} {
				emptyList(n.Get(key), diag.Text{EN: "write at least one tag, or remove `" + key + "`", ZH: "至少写一个标签，或删掉 `" + key + "`"})
			}
		}
	}
	if out.wide() && known && !a.AllowEveryone {
		n.Error("N401", diag.Text{EN: "account `" + a.Name + "` may not reach everyone", ZH: "账号 `" + a.Name + "` 不允许发给全部用户"}, diag.Text{EN: "an engineer adds `allow: [everyone]` to the account, or name tags", ZH: "请工程师在账号设置里加 `allow: [everyone]`，或写明标签"})
	}
}

// togetherHint is the cure for tags of which is not said how they go together.
func togetherHint(list string) diag.Text {
	return diag.Text{EN: "write `{all_of: " + list + "}` for users with all of them, `{any_of: " + list + "}` for users with one of them", ZH: "要有全部标签写 `{all_of: " + list + "}`，有其中一个就行写 `{any_of: " + list + "}`"}
}

var betweenTags = regexp.MustCompile(`\s*[,，、;；]\s*`)

const noTag = `"..."` // in place of a text that is none

// loneTags gives the tags, in quotation marks, of an audience that is written as a text. To offer `everyone` instead would be the widest
// audience there is for a narrow one: only a word that means everybody, or nearly is one of the two words, is left to them.
func (s *scope) loneTags(n *diag.Node) (tags []string) {
	if n.Kind != diag.Scalar || n.Text == "" {
		return nil
	}
	words := []string{"everyone", "online"}
	if low := strings.ToLower(strings.Trim(n.Text, "\"'“”‘’ ")); slices.Contains(words, low) || slices.Contains(everybody, low) || diag.Nearest(low, words) != "" {
		return nil
	}
	for _, t := range betweenTags.Split(strings.TrimSpace(n.Text), -1) {
		literal := ""
		if parsed, wrong := parseTemplate(t); wrong == nil {
			for _, p := range parsed.parts {
				if literal += p.text; p.ref != "" {
					literal += "x"
				}
			}
		}
		switch {
		case s.fields[t] != nil:
			t = "${" + t + "}"
		case !tagText.MatchString(literal) || strings.Contains(t, `"`):
			return []string{noTag}
		}
		tags = append(tags, `"`+t+`"`)
	}
	return tags
}

// listOf writes a list of texts as one line has it.
func listOf(n *diag.Node) string {
	var out []string
	for _, it := range n.Items {
		s := it.Text
		if it.Quoted() {
			s = strconv.Quote(s)
		}
		out = append(out, s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// otherKeys reports whether a mapping has keys that are none of these, which is said already: what it lacks may be there under another name.
func otherKeys(n *diag.Node, known ...string) bool {
	return slices.ContainsFunc(n.Fields, func(f diag.Field) bool { return !slices.Contains(known, f.Key.Text) })
}

func lostTags(n *diag.Node) bool {
	return n.Get("all_of").Lost() || n.Get("any_of").Lost() || n.Get("none_of").Lost()
}

func (l *loader) audienceTags(n *diag.Node, key string, r *Rule) (out []*template) {
	for _, t := range n.Get(key).List() {
		if x := l.tagText(t, r); x != nil {
			out = append(out, x)
			r.tagNodes = append(r.tagNodes, tagNode{x, t, key == "none_of"})
		}
	}
	return out
}

// tagNode remembers an audience tag for the question whether any rule gives it.
type tagNode struct {
	t    *template
	n    *diag.Node
	none bool // stands in none_of
}

// tagText reads a template for a tag: its literal parts must already be such as a tag may have.
func (l *loader) tagText(n *diag.Node, r *Rule) *template {
	if n.Kind == diag.Scalar && strings.Contains(n.Text, "，") {
		n.Error("N103", diag.Text{EN: "a full-width comma `，` joins two tags", ZH: "全角逗号 `，` 把两个标签连在了一起"}, diag.Text{EN: "write `, `", ZH: "改成半角逗号加空格 `, `"})
		return nil
	}
	t := l.text(n, r.scope)
	if t == nil {
		return nil
	}
	size := 0
	for i, p := range t.parts {
		if p.ref != "" {
			l.tagHole(n, r, &t.parts[i])
			continue
		}
		size += len(p.text)
		if !tagText.MatchString(p.text) {
			n.Error("N306", diag.Text{EN: "a tag has letters, digits, _ and - only", ZH: "标签只能用文字、字母、数字、_ 和 -"}, diag.Text{EN: "this would never be a tag", ZH: "这样写永远得不到标签"})
			return nil
		}
	}
	if size > maxTagSize || len(t.parts) == 0 {
		n.Error("N306", diag.Text{EN: fmt.Sprintf("a tag has 1 to %d bytes, this one %d", maxTagSize, size), ZH: fmt.Sprintf("标签长 1 到 %d 字节，这个有 %d 字节", maxTagSize, size)},
			diag.Text{EN: fmt.Sprintf("a Chinese character takes 3 bytes: at most %d of them", maxTagSize/3), ZH: fmt.Sprintf("一个汉字占 3 字节，最多 %d 个汉字", maxTagSize/3)})
		return nil
	}
	return t
}

// holes names the fields of a template, without their values: those may be personal, and what is said here stands in fates.
func (t *template) holes() string {
	var out []string
	for i := range t.parts {
		if ref := t.parts[i].ref; ref != "" {
			out = append(out, "${"+ref+"}")
		}
	}
	return strings.Join(out, " ")
}

// renderTag gives a valid tag, or why there is none. A hole that is empty would leave a bare prefix.
func renderTag(t *template, get lookup) (string, error) {
	var b strings.Builder
	for i := range t.parts {
		p := &t.parts[i]
		if p.ref == "" {
			b.WriteString(p.text)
			continue
		}
		v, err := p.value(get)
		if err != nil {
			return "", err
		}
		s := flat(v)
		if s == "" {
			return "", fmt.Errorf("${%s} is empty", p.ref)
		}
		b.WriteString(s)
	}
	s := b.String()
	if !validTag(s) {
		return "", fmt.Errorf("%s gives no tag: 1 to %d bytes of letters, digits, _ and -", t.holes(), maxTagSize)
	}
	return s, nil
}

func validTag(s string) bool { return len(s) > 0 && len(s) <= maxTagSize && tagText.MatchString(s) }

func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// render makes the audience of one intent.
func (a *audience) render(get lookup) (*intent.Audience, error) {
	out := &intent.Audience{Everyone: a.everyone, Online: a.online, Package: a.pkg}
	for _, g := range []struct {
		from []*template
		to   *[]string
	}{{a.all, &out.AllOf}, {a.any, &out.AnyOf}, {a.none, &out.NoneOf}} {
		for _, t := range g.from {
			s, err := renderTag(t, get)
			if err != nil {
				return nil, fmt.Errorf("audience: %w", err)
			}
			*g.to = append(*g.to, s)
		}
	}
	return out, nil
}

// tagTemplate is one template of a tag rule with what it can have given.
type tagTemplate struct {
	t       *template
	fields  []string
	pattern *regexp.Regexp
}

// tagList reads `tags` of a profile rule.
func (l *loader) tagList(n *diag.Node, r *Rule, account Account) {
	items := n.List()
	emptyList(n, diag.Text{EN: "write at least one tag, or remove the rule", ZH: "至少写一个标签，或删掉这条规则"})
	if len(items) > maxTags {
		n.Error("N306", diag.Text{EN: fmt.Sprintf("a user has at most %d tags", maxTags), ZH: fmt.Sprintf("一个用户最多 %d 个标签", maxTags)}, diag.Text{EN: "remove what is not needed", ZH: "请删掉不需要的"})
	}
	for _, it := range items {
		t := l.tagText(it, r)
		if t == nil {
			continue
		}
		tt := &tagTemplate{t: t}
		var b strings.Builder
		b.WriteByte('^')
		chars := 0
		for _, p := range t.parts {
			if p.ref == "" {
				chars += utf8.RuneCountInString(p.text)
				b.WriteString(regexp.QuoteMeta(p.text))
				continue
			}
			if strings.Contains(p.ref, ".") {
				it.Error("N302", diag.Text{EN: "`" + p.ref + "` is no field: a tag is made of fields of the profile", ZH: "`" + p.ref + "` 不是字段：标签只能由用户资料字段组成"}, diag.Text{EN: "write `${field}` with a field of the event", ZH: "请写 `${字段}`，用事件里的字段"})
			}
			tt.fields = append(tt.fields, p.ref)
			b.WriteString(".+")
		}
		if account.MaxTag > 0 && chars > account.MaxTag {
			it.Error("N306", diag.Text{EN: fmt.Sprintf("a tag has at most %d characters at account `%s`, this one %d", account.MaxTag, account.Name, chars), ZH: fmt.Sprintf("账号 `%s` 的标签最多 %d 个字符，这个有 %d 个", account.Name, account.MaxTag, chars)},
				diag.Text{EN: "shorten it", ZH: "请缩短"})
		}
		b.WriteByte('$')
		tt.pattern = regexp.MustCompile(b.String())
		r.tags = append(r.tags, tt)
	}
}

// across checks what only all rules together can show.
func (l *loader) across() {
	if l.tagsUnclear {
		return
	}
	for _, r := range l.rules {
		for _, tn := range r.tagNodes {
			given := false
			for _, o := range l.rules {
				if o.Account == r.Account && o.Mode != Off {
					for _, tt := range o.tags {
						given = given || mayMeet(tn.t, tt.t)
					}
				}
			}
			if given {
				continue
			}
			hint := diag.Text{EN: "unless somebody else sets it, the broadcast reaches nobody", ZH: "除非别处会打，否则一个人也收不到"}
			if tn.none {
				hint = diag.Text{EN: "unless somebody else sets it, it leaves nobody out", ZH: "除非别处会打，否则一个人也不会被排除"}
			}
			tn.n.Warn("W307", diag.Text{EN: "no tag rule gives this tag", ZH: "没有标签规则会打这个标签"}, hint).Rule = r.Name
		}
	}
}

// mayMeet reports whether two templates can give the same tag, judged by their literal beginnings.
func mayMeet(a, b *template) bool {
	pa, wholeA := prefixOf(a)
	pb, wholeB := prefixOf(b)
	switch {
	case wholeA && wholeB:
		return pa == pb
	case wholeA:
		return strings.HasPrefix(pa, pb)
	case wholeB:
		return strings.HasPrefix(pb, pa)
	}
	return strings.HasPrefix(pa, pb) || strings.HasPrefix(pb, pa)
}

func prefixOf(t *template) (string, bool) {
	if len(t.parts) > 0 && t.parts[0].ref == "" {
		return t.parts[0].text, len(t.parts) == 1
	}
	return "", false
}
