package rules

import "github.com/notifier/notifier/internal/intent"

// press is where intents are made: in a room that is used again, or new.
type press struct {
	room *intent.Room // nil: everything is new
	text []byte       // scratch of the content at hand
}

// intent gives an empty intent.
func (p *press) intent() *intent.Intent {
	if p.room == nil {
		return new(intent.Intent)
	}
	return p.room.Intent()
}

// content gives an empty content.
func (p *press) content() *intent.Content {
	if p.room == nil {
		return new(intent.Content)
	}
	return p.room.Content()
}

// profile gives an empty profile.
func (p *press) profile() *intent.Profile {
	if p.room == nil {
		return &intent.Profile{Fields: map[string]intent.Value{}}
	}
	return p.room.Profile()
}

// list gives an empty list for up to n intents.
func (p *press) list(n int) []*intent.Intent {
	if p.room == nil {
		return make([]*intent.Intent, 0, n)
	}
	return p.room.List(n)
}
