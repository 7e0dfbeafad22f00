package rules

import (
	"slices"

	"github.com/notifier/notifier/internal/diag"
)

// Entry is a name with what it is called for people.
type Entry struct {
	Name, Title string
	Tags        bool // a tag rule
}

// Listing is what files name: for completion in a shell, and while they have errors.
type Listing struct {
	Rules, Events []Entry
	Topics        []string
}

// List reads names from files, whether these are right or not: who mends a file needs its names.
func List(files []File) (l Listing) {
	for _, f := range files {
		if !isYAML(f.Name) {
			continue
		}
		d := diag.Parse(f.Name, f.Data)
		if d.Root == nil {
			continue
		}
		for _, r := range d.Root.Get("rules").List() {
			if name, ok := r.Get("name").String(); ok {
				title, _ := r.Get("title").String()
				l.Rules = append(l.Rules, Entry{name, title, r.Get("tags") != nil})
			}
		}
		events := d.Root.Get("events")
		if events == nil {
			continue
		}
		for _, e := range events.Fields {
			title, _ := e.Value.Get("title").String()
			l.Events = append(l.Events, Entry{Name: e.Key.Text, Title: title})
			topics, _ := e.Value.Get("topic").Strings()
			for _, t := range topics {
				if !slices.Contains(l.Topics, t) {
					l.Topics = append(l.Topics, t)
				}
			}
		}
	}
	return l
}
