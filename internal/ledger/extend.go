package ledger

import "time"

// Extension lets what a rule held when an operator said so expire later. It is on record until all pending records have their new
// expiry, which may take several transactions: a new owner goes on with it. Mark keeps an intent from being moved twice.
type Extension struct {
	Mark   int64         `json:"mark"`   // the command's offset + 1: a later one has a higher mark
	Before int64         `json:"before"` // intents of lower offsets are held, later ones came after the command
	For    time.Duration `json:"for"`
	By     string        `json:"by"`
	Why    string        `json:"why"`
	At     time.Time     `json:"at"`
	ID     string        `json:"id"`
}

// Move moves the expiry of a pending intent of the rule, once; it reports whether there was one to move. The intent is changed in a copy:
// a call that is on its way has it, and one that is made again says the same as the first time.
func (x Extension) Move(p *Pending, flying bool) bool {
	at := p.Intent.Policy.Expire
	if p.Intent.Profile != nil || p.Seq >= x.Before || p.Extended >= x.Mark || at.IsZero() {
		return false
	}
	if flying && p.Left.IsZero() {
		p.Left = at
	}
	moved := *p.Intent
	moved.Policy.Expire = at.Add(x.For)
	p.Intent, p.Extended = &moved, x.Mark
	return true
}

// ArgFor is the argument of an extension: by how long.
const ArgFor = "for"

// MaxExtension bounds one extension, the longest `expire` of a rule.
const MaxExtension = 90 * 24 * time.Hour
