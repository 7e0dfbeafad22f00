package rules

import "github.com/notifier/notifier/internal/intent"

// press is where intents are made. Its memory is taken for several at once: one event often makes more than one, and an
// allocation costs more than what is written into it.
type press struct {
	each     int // how many at once; 0 is one
	intents  []intent.Intent
	contents []intent.Content
	text     []byte // scratch of the content at hand
}

// intent gives an empty intent.
func (p *press) intent() *intent.Intent {
	if len(p.intents) == 0 {
		p.intents = make([]intent.Intent, max(1, p.each))
	}
	in := &p.intents[0]
	p.intents = p.intents[1:]
	return in
}

// content gives an empty content.
func (p *press) content() *intent.Content {
	if len(p.contents) == 0 {
		p.contents = make([]intent.Content, max(1, p.each))
	}
	c := &p.contents[0]
	p.contents = p.contents[1:]
	return c
}
