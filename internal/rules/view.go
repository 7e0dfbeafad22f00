package rules

import (
	"strings"
	"sync"
	"time"

	"github.com/notifier/notifier/internal/event"
)

// view is a business event as its rules read it. Views are reused: what they hold is gone after release.
type view struct {
	eventSource
	missing uint64         // bits of index.needed
	found   []found        // entries of the index
	values  []uint32       // by tables.fields: the event's values, as far as they were asked
	env     map[string]any // what programs have asked for so far
	get     lookup         // for texts
	press   press
}

var views = sync.Pool{New: func() any {
	v := &view{env: map[string]any{}}
	v.get = v.text
	return v
}}

func look(ev *event.Event, zone *time.Location) *view {
	v := views.Get().(*view)
	v.ev, v.zone = ev, zone
	return v
}

func (v *view) release() {
	v.ev, v.press.room = nil, nil
	clear(v.env)
	views.Put(v)
}

// text is texts for an event: it makes no value for conditions beside.
func (v *view) text(ref string) (value, bool) {
	part, ok := strings.CutPrefix(ref, "event.")
	if !ok {
		i, ok := v.ev.Spec.Index(ref)
		if !ok || !v.ev.Values[i].OK() {
			return value{}, false
		}
		return v.write(&v.ev.Values[i]), true
	}
	t := ""
	switch part {
	case "id":
		t = v.ev.ID
	case "type":
		t = v.ev.Spec.Name
	case "topic":
		t = v.ev.Pos.Topic
	case "user":
		t = v.ev.User
	default:
		_, out := v.event(part)
		return out, out.text != ""
	}
	return value{text: t}, t != ""
}

// environment fills in what a program reads beyond what others have read.
func (v *view) environment(names []string) map[string]any {
	for _, name := range names {
		if _, ok := v.env[name]; !ok {
			v.env[name] = variable(name, v)
		}
	}
	return v.env
}
