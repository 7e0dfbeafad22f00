package rules

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

// Texts that say who gets something (`to`) or what counts as the same (`by`) load without a hole as well: as the id of one user, as one text
// for all events. Where such a text is the name of a field, or looks like one, the hole was meant.

var (
	// dressed is a name in the marks that other programs put around one, all of a word.
	dressed = regexp.MustCompile(`^(?:\$?\{\{?|[$＄:]|＄?｛|%\(?|<)\s*([\p{L}_][\p{L}\p{Nd}_.]*)\s*(?:\}\}?|｝|\)?[s%]|>)?$`)
	between = regexp.MustCompile(`[\s,，、;；+|/&]+`)
	// userID is what the id of a user is called, which is no user's id.
	userID = regexp.MustCompile(`^(?:(?i:users?|uid|userid|openid)|[A-Za-z0-9_.]*_id|[A-Za-z0-9]*[a-z0-9](?:Id|ID))$`)
	// fieldLike is a name of several words, or a path; constants are one word, or have a dash.
	fieldLike = regexp.MustCompile(userID.String() + `|^[A-Za-z][A-Za-z0-9]*(?:[_.][A-Za-z0-9]+)+$`)
)

var everybody = []string{"everyone", "everybody", "all", "online", "全部用户", "所有用户", "所有人", "全体用户"}

// meantHole finds what a text without a hole was meant to be: each of its words the name of a field, or so much like one that nothing else
// can be meant. fix is empty where no field is known that could stand there.
func (s *scope) meantHole(text string, looks *regexp.Regexp) (fix string, meant bool) {
	known := func(w string) bool {
		part, of := strings.CutPrefix(w, "event.")
		return s.fields[w] != nil || of && slices.Contains(eventFields, part)
	}
	marked := false
	words := []string{strings.TrimSpace(text)}
	if !dressed.MatchString(words[0]) { // {{ x }} is one
		words = between.Split(words[0], -1)
	}
	for i, w := range words {
		if m := dressed.FindStringSubmatch(w); m != nil {
			words[i], marked = m[1], true
		}
	}
	if !slices.ContainsFunc(words, func(w string) bool { return !known(w) }) {
		return `"${` + strings.Join(words, "}-${") + `}"`, true
	}
	if len(words) > 1 { // a sentence, in which a field's name may stand
		return "", false
	}
	if utf8.RuneCountInString(words[0]) >= 4 { // of a short word many others are near
		if near := diag.Nearest(words[0], s.known()); near != "" {
			return `"${` + near + `}"`, true
		}
	}
	return "", marked || looks.MatchString(words[0])
}

// sameForAll reports a `by` that is empty, or was meant to have a hole.
func (s *scope) sameForAll(n *diag.Node) bool {
	text, ok := n.String()
	if !ok || strings.Contains(text, "${") {
		return false
	}
	if strings.TrimSpace(text) == "" {
		n.Error("N104", diag.Text{EN: "an empty `by` is the same text for every event", ZH: "`by` 是空的，对每个事件都是同一段文字"}, diag.Text{EN: "write a field in `${}`", ZH: "请写 `\"${字段}\"`"})
		return true
	}
	fix, meant := s.meantHole(text, fieldLike)
	if !meant {
		return false
	}
	s.noHole(n, fix, diag.Text{EN: "`" + text + "` without `${}` is the same text for every event", ZH: "`" + text + "` 没有写 `${}`，对每个事件都是同一段文字"},
		diag.Text{EN: "write a field in `${}`; what is meant as one text for all has a `-`, like `only-once`", ZH: "请写 `\"${字段}\"`；确实要固定的文字，请写带 `-` 的，例如 `only-once`"})
	return true
}

// noHole reports a text that was meant to have a hole, with the field that was meant (fix) as its cure, or with the fields there are.
func (s *scope) noHole(n *diag.Node, fix string, msg, hint diag.Text) {
	if fix != "" {
		n.Error("N309", msg, diag.Text{EN: "write `" + fix + "`", ZH: "写成 `" + fix + "`"}).Fix = fix
		return
	}
	n.Error("N309", msg, hint).Note = s.describe()
}

// namedList gives the list field whose users `to` names, or "". A list that becomes part of a text would be the id of one user, whom
// nobody meant: that is reported.
func (s *scope) namedList(n *diag.Node, to *template) (field string) {
	for i := range to.parts {
		p := &to.parts[i]
		name, before := strings.CutPrefix(p.ref, "before.")
		f := s.fields[name]
		if f == nil || f.Type != event.List {
			continue
		}
		if before {
			n.ErrorAt(p.from, p.to, "N302", diag.Text{EN: "`to` cannot name the users of a list as it was before", ZH: "`to` 不能发给变更前列表里的用户"},
				diag.Text{EN: "write `${" + f.Name + "}`, the list as it is now", ZH: "写成 `${" + f.Name + "}`，即变更后的列表"})
			continue
		}
		if len(to.parts) > 1 {
			n.ErrorAt(p.from, p.to, "N309", diag.Text{EN: "with other text beside it the list `" + f.Name + "` would be the id of one user", ZH: "列表 `" + f.Name + "` 和别的文字写在一起，会被当作一个用户 ID"},
				diag.Text{EN: "write the list alone: `${" + f.Name + "}`", ZH: "只写列表：`${" + f.Name + "}`"})
			continue
		}
		field = f.Name
		for _, fl := range p.filters {
			if fl.name != "default" {
				n.ErrorAt(fl.from, fl.to, "N304", diag.Text{EN: "`" + fl.name + "` would make the list `" + f.Name + "` the id of one user", ZH: "`" + fl.name + "` 会把列表 `" + f.Name + "` 变成一个用户 ID"},
					diag.Text{EN: "remove it: of filters a list in `to` may have `default`", ZH: "请删掉：`to` 的列表只能用 `default`"})
			}
		}
	}
	return field
}

// apartUsers are marks between two users, none of which is part of an id at any vendor.
const apartUsers = ",，、;；"

// twoUsers reports a `to` that names several users: their ids would be one.
func (s *scope) twoUsers(n *diag.Node) bool {
	hint := diag.Text{EN: "for several users write a rule for each, or a list field of the event", ZH: "要发给几个人，请给每个人写一条规则，或用事件里的列表字段"}
	if n.Kind == diag.Sequence {
		if len(n.Items) == 1 {
			hint = diag.Text{EN: "write it without brackets", ZH: "请去掉方括号"}
		}
		n.Error("N111", diag.Text{EN: "`to` is one text, this is a list", ZH: "`to` 只能写一段文字，现在是列表"}, hint)
		return true
	}
	text, ok := n.String()
	if !ok {
		return false
	}
	told := func(from, to int) {
		n.ErrorAt(from, to, "N309", diag.Text{EN: "`to` names one user: written together, these are the id of one", ZH: "`to` 只能写一个用户：这样写会拼成一个用户 ID"}, hint)
	}
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(apartUsers, r) })
	if !strings.Contains(text, "${") {
		if len(words) < 2 || !strings.ContainsAny(text, apartUsers) {
			return false
		}
		told(0, utf8.RuneCountInString(text))
		return true
	}
	t, wrong := parse(text, false)
	for i := 1; i+1 < len(t.parts) && len(wrong) == 0; i++ {
		p, before, behind := &t.parts[i], &t.parts[i-1], &t.parts[i+1]
		if p.ref == "" && before.ref != "" && behind.ref != "" && strings.Trim(p.text, apartUsers+" \t\n\u3000和与") == "" {
			told(before.to+1, behind.from-2)
			return true
		}
	}
	return false
}

// noUser reports a `to` that is empty, that was meant to have a hole, or to be an audience.
func (s *scope) noUser(n *diag.Node) bool {
	text, ok := n.String()
	if !ok || strings.Contains(text, "${") {
		return false
	}
	if strings.TrimSpace(text) == "" {
		n.Error("N104", diag.Text{EN: "nobody is named", ZH: "没有写收件人"}, diag.Text{EN: "leave `to` out for the event's user, or write a field in `${}`", ZH: "发给事件里的用户就删掉 `to`；发给别人请写 `\"${字段}\"`"})
		return true
	}
	if slices.Contains(everybody, strings.ToLower(text)) {
		n.Error("N309", diag.Text{EN: "`" + text + "` would be the id of one user: a push goes to named users", ZH: "`" + text + "` 会被当作一个用户 ID：push 只发给指定的用户"},
			diag.Text{EN: "leave `to` out for the event's user; an audience is named in `broadcast`", ZH: "发给事件里的用户就删掉 `to`；发给一群人请用 `broadcast`"})
		return true
	}
	fix, meant := s.meantHole(text, userID)
	if !meant {
		return false
	}
	if strings.Count(fix, "${") > 1 { // nobody is called by two names
		fix = ""
	}
	s.noHole(n, fix, diag.Text{EN: "`" + text + "` without `${}` would be the id of a user", ZH: "`" + text + "` 没有写 `${}`，会被当作用户 ID"},
		diag.Text{EN: "leave `to` out for the event's user, or write a field in `${}`", ZH: "发给事件里的用户就删掉 `to`；发给别人请写 `\"${字段}\"`"})
	return true
}
