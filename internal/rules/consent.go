package rules

import (
	"slices"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

// Consent is a setting that names a column of the profile table, which is asked before a push leaves.
type Consent struct {
	Setting string     // consent.never
	Field   string     // a bool
	Class   string     // of the pushes that it is asked for; "" for all
	At      *diag.Node // where the settings name it; nil: nowhere
}

const noConsent = "N708"

// consent sees that the catalogue has what the settings name. Of a name that no profile event has nothing is known of anybody: who must not
// be sent to would be sent to, and who agreed would not.
func (l *loader) consent() {
	var bools, columns []string
	for _, f := range l.users.list {
		columns = append(columns, f.Name)
		if f.Type == event.Bool {
			bools = append(bools, f.Name)
		}
	}
	for _, c := range l.opt.Consent {
		f := l.users.fields[c.Field]
		if f == nil && l.users.open || f != nil && f.Name == c.Field && f.Type == event.Bool {
			continue
		}
		hint, fix := diag.DidYouMean(c.Field, bools)
		if fix == "" {
			hint = diag.Text{EN: "name a field of a `kind: profile` event that has `type: bool`", ZH: "请写用户资料事件（`kind: profile`）里 `type: bool` 的字段"}
		}
		var msg diag.Text
		switch {
		case len(columns) == 0:
			msg = diag.Text{EN: "`" + c.Setting + "` cannot be asked: the catalogue has no event of `kind: profile`", ZH: "`" + c.Setting + "` 没处可查：事件目录里没有 `kind: profile` 的事件"}
			hint = diag.Text{EN: "ask an engineer to declare one with `" + c.Field + "`, or remove the setting", ZH: "请工程师声明一个带 `" + c.Field + "` 字段的，或删掉这个设置"}
		case f == nil:
			msg = diag.Text{EN: "`" + c.Setting + "`: no profile event has a field `" + c.Field + "`", ZH: "`" + c.Setting + "`：用户资料事件里没有字段 `" + c.Field + "`"}
		case f.Type != event.Bool:
			msg = diag.Text{EN: "`" + c.Setting + "`: `" + c.Field + "` is a " + string(f.Type) + " field, not a bool", ZH: "`" + c.Setting + "`：字段 `" + c.Field + "` 的类型是 " + string(f.Type) + "，不是 bool"}
		default:
			msg = diag.Text{EN: "`" + c.Setting + "`: `" + c.Field + "` is an alias, which only conditions know", ZH: "`" + c.Setting + "`：`" + c.Field + "` 是别名，只能在条件里用"}
			fix = f.Name
			hint = diag.Text{EN: "write `" + fix + "`", ZH: "写成 `" + fix + "`"}
		}
		d := c.At.Finding(noConsent, msg, hint)
		d.Fix, d.Note = fix, diag.OneOf("bool fields", "bool 字段", bools)
		l.list = append(l.list, d)
	}
}

// ConsentFindings is what of the findings of LoadFiles concerns the settings: the fields that their consent names. The rest is for who
// looks at the rules.
func ConsentFindings(files []File, opt Options) diag.List {
	_, list := LoadFiles(files, opt)
	return slices.DeleteFunc(list, func(d diag.Diagnostic) bool { return d.Code != noConsent })
}
