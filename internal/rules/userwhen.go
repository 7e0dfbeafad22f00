package rules

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// userScope is what names mean in user_when and behind `user.`: the columns of the profile table, by name and by alias.
func userScope(table map[string]*event.Field, specs []*event.Spec) *scope {
	s := &scope{fields: map[string]*event.Field{}, hides: map[string]bool{}, apart: map[string]diag.Text{}, table: true}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		f := table[name]
		s.list = append(s.list, f)
		s.fields[name] = f
	}
	var profiles []*event.Spec
	for _, sp := range specs {
		if sp.Kind == event.Profile {
			s.events, profiles = append(s.events, sp.Name), append(profiles, sp)
			maps.Copy(s.hides, sp.Personal)
		}
	}
	s.aliases(profiles, false)
	return s
}

// userWhen reads the condition over the profile table that is asked when the call leaves.
func (l *loader) userWhen(n *diag.Node, r *Rule) {
	c := n.Get("user_when")
	switch {
	case c == nil:
	case r.Action != intent.Push:
		n.Key("user_when").Error("N533", diag.Text{EN: "`user_when` is for pushes to named users", ZH: "`user_when` 只用于发给指定用户的 push"}, diag.Text{EN: "a broadcast narrows its audience by tags, a tag rule has `when`", ZH: "人群推送用标签缩小人群，标签规则用 `when`"})
	case len(l.users.list) == 0 && !l.users.open:
		c.Error("N533", diag.Text{EN: "there is no profile table: the catalogue has no event of `kind: profile`", ZH: "没有用户资料表：事件目录里没有 `kind: profile` 的事件"}, diag.Text{EN: "ask an engineer to declare one", ZH: "请工程师在事件目录里声明一个"})
	default:
		r.userWhen = compile(c, l.users)
	}
}

// userConditions are the compiled user_when of a revision, by their source: its own rules', and those of older revisions that intents
// still carry. They are bounded: an intent's source was a rule's once, but nobody counts for how long.
type userConditions struct {
	scope *scope

	mu       sync.Mutex // guards compiled
	compiled map[string]*condition
}

// maxUserConditions is more than a revision has rules that send. Beyond it all are forgotten and compiled again when asked.
const maxUserConditions = 1000

// get gives the condition of a source; nil when this revision cannot ask it: a field is gone, or is of another type now.
func (u *userConditions) get(source string) *condition {
	u.mu.Lock()
	defer u.mu.Unlock()
	c, ok := u.compiled[source]
	if !ok {
		if len(u.compiled) >= maxUserConditions {
			clear(u.compiled)
		}
		if d := diag.Parse("user_when", []byte("user_when: '"+strings.ReplaceAll(source, "'", "''")+"'")); d.Root != nil {
			c = compile(d.Root.Get("user_when"), u.scope)
		}
		u.compiled[source] = c
	}
	return c
}

// Meets reports whether a user's row meets a user_when. A field that is absent or unknown does not; neither does a source that this
// revision's catalogue does not understand. It may be called from several goroutines.
func (s *Set) Meets(source string, row func(field string) (v intent.Value, known bool)) (met bool) {
	c := s.users.get(source)
	if c == nil {
		return false
	}
	defer func() {
		if recover() != nil {
			met = false
		}
	}()
	src := tableSource{after: row, table: s.table, zone: s.opt.Zone}
	return c.holds(src, environment(c.env, src))
}

// asksUsers reports whether sending the rule's pushes asks the profile table.
func (r *Rule) asksUsers() bool {
	if r.userWhen != nil {
		return true
	}
	if r.content == nil {
		return false
	}
	_, user := r.content.open()
	return user
}
