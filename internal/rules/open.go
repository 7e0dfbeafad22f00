package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// Open holes are those that an event cannot fill: ${user.x}, of the profile table, and ${now}. They stay open until stage 2 fixes the
// text, after the merge and before the approval: whoever approves sees what is sent. Until then a text is written with its literal
// parts in quotation marks where they could be read as something else.

const (
	userPrefix = "user."
	nowRef     = "now"
)

func isOpen(ref string) bool { return ref == nowRef || strings.HasPrefix(ref, userPrefix) }

// open reports whether a text of the content has an open hole; user whether one asks the profile table.
func (c *content) open() (open, user bool) {
	for _, t := range c.templates() {
		for _, ref := range t.refs() {
			open = open || isOpen(ref)
			user = user || strings.HasPrefix(ref, userPrefix)
		}
	}
	return open, user
}

// openHole checks a reference to the profile table or the time and gives the field it means; nil when there is a mistake.
func (l *loader) openHole(n *diag.Node, s *scope, p *part) *event.Field {
	if p.ref == nowRef {
		if !s.now {
			n.ErrorAt(p.from, p.to, "N539", diag.Text{EN: "`${now}` is only there in the texts of a push or broadcast", ZH: "`${now}` 只能用在 push 或 broadcast 的文案里"}, diag.Text{EN: "`${event.time}` is the event's", ZH: "事件的时间是 `${event.time}`"})
			return nil
		}
		return &event.Field{Name: nowRef, Type: event.Time}
	}
	name := strings.TrimPrefix(p.ref, userPrefix)
	if !s.user {
		n.ErrorAt(p.from, p.to, "N539", diag.Text{EN: "`${user.…}` is only there in the texts of a push: the profile of the one who gets it", ZH: "`${user.…}` 只能用在 push 的文案里：它是收件人的资料"}, diag.Text{EN: "a field of the event is written without `user.`", ZH: "事件的字段不加 `user.`"})
		return nil
	}
	f := l.users.fields[name]
	if f == nil {
		at := p.from + strings.Index(" "+p.ref, name) - 1
		l.users.unknownField(n, at, at+len([]rune(name)), name)
		return nil
	}
	p.ref = userPrefix + f.Name
	return f
}

// partial fills all holes but the open ones; parseFilled reads the result.
func (t *template) partial(get lookup) (string, error) {
	if t == nil {
		return "", nil
	}
	var b strings.Builder
	for i := range t.parts {
		p := &t.parts[i]
		if isOpen(p.ref) {
			b.WriteString((&template{parts: []part{*p}}).String())
			continue
		}
		text := p.text
		if p.ref != "" {
			var err error
			if text, err = p.fill(get, nil); err != nil {
				return "", err
			}
		}
		if strings.Contains(text, "$") {
			text = `${"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"}`
		}
		if b.WriteString(text); b.Len() > maxContent {
			return "", fmt.Errorf("the text has more than %d bytes", maxContent)
		}
	}
	return b.String(), nil
}

// Fill fixes the texts of a content with open holes: row is the recipient's in the profile table, now the moment. Both are written as
// this revision's catalogue and zone say. A missing value without default is an error.
func (s *Set) Fill(c *intent.Content, row func(field string) (v intent.Value, known bool), now time.Time) (*intent.Content, error) {
	src := tableSource{after: row, table: s.table, zone: s.opt.Zone}
	get := func(ref string) (value, bool) {
		if ref == nowRef {
			return value{text: now.In(s.opt.Zone).Format(time.RFC3339)}, true
		}
		_, v, ok := src.field(strings.TrimPrefix(ref, userPrefix))
		return v, ok
	}
	personal := slices.Clip(c.Personal)
	out, err := eachText(c, func(text string) (string, error) {
		t, terr := parseFilled(text)
		if terr != nil {
			return "", terr
		}
		personal = t.told(personal, func(ref string) bool { return isOpen(ref) && s.users.scope.hides[fieldOf(ref)] }, get)
		return t.render(get)
	})
	if err != nil {
		return nil, err
	}
	out.Open, out.Personal = false, personal
	return out, nil
}

// eachText gives a content whose texts are what write makes of them.
func eachText(c *intent.Content, write func(string) (string, error)) (*intent.Content, error) {
	out := *c
	var first error
	size := 0
	text := func(s string) string {
		s, err := write(s)
		if first == nil {
			first = err
		}
		size += len(s)
		return s
	}
	texts := func(in map[string]string) map[string]string {
		if in == nil {
			return nil
		}
		res := make(map[string]string, len(in))
		for _, k := range sortedKeys(in) {
			res[k] = text(in[k])
		}
		return res
	}
	out.Title, out.Body, out.Link, out.Image, out.Group = text(c.Title), text(c.Body), text(c.Link), text(c.Image), text(c.Group)
	out.Data = texts(c.Data)
	if m := c.Message; m != nil {
		out.Message = &intent.Message{From: text(m.From), Type: m.Type, Content: texts(m.Content), Extra: text(m.Extra)}
	}
	switch {
	case first != nil:
		return nil, first
	case strings.TrimSpace(out.Body) == "":
		return nil, errors.New("the body is empty")
	case size > maxContent:
		return nil, fmt.Errorf("the texts have %d bytes, the most is %d", size, maxContent)
	}
	return &out, nil
}
