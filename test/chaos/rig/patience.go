package rig

import "time"

// Patience ends when what is left has said nothing new for the longest time. Calls that are made again and again say the same in turns, and
// bring nobody nearer to rest.
type Patience struct {
	Most  time.Duration
	said  map[string]bool
	since time.Time
}

// Over takes what is left now.
func (p *Patience) Over(left string, now time.Time) bool {
	if p.said == nil {
		p.said = map[string]bool{}
	}
	if !p.said[left] {
		p.said[left], p.since = true, now
	}
	return now.Sub(p.since) > p.Most
}
