package rules

import (
	"sync"
	"time"

	"github.com/notifier/notifier/internal/event"
)

// view is a business event as its rules read it. Views are reused: what they hold is gone after release.
type view struct {
	eventSource
	missing uint64         // bits of index.needed
	found   []int32        // entries of the index
	env     map[string]any // what programs have asked for so far
	get     lookup         // for texts
}

var views = sync.Pool{New: func() any {
	v := &view{env: map[string]any{}}
	v.get = texts(v)
	return v
}}

func look(ev *event.Event, zone *time.Location) *view {
	v := views.Get().(*view)
	v.ev, v.zone = ev, zone
	return v
}

func (v *view) release() {
	v.ev = nil
	clear(v.env)
	views.Put(v)
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
