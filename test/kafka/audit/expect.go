package audit

import (
	"maps"
	"slices"
)

// want is one intent that must exist.
type want struct {
	id              string // see key
	place           string // topic/partition/offset of the event
	event           string // event id
	rule            string // rule name, "tags" for a profile event
	account, target string
	action          string // tags | push | broadcast
	def             *rule  // nil for tags
	body            string
	expired         bool // older than the rule's expiry when the run began
	badUser         bool // no vendor takes the id: DEAD, and never at the vendor
	nobody          bool // the rule matched with an empty list of receivers: DEAD(render-error), or no intent at all
}

// expectation is all that must come of an input.
type expectation struct {
	wants map[string]*want
	dead  map[string]string // place -> reason
	may   map[string]bool   // places that may be dead letters instead of DEAD intents: a user no vendor takes
	tags  table
	quiet int // events and records of which nothing comes
}

// expect reads the whole input. now decides what has expired.
func expect(in Input) *expectation {
	x := &expectation{wants: map[string]*want{}, dead: map[string]string{}, may: map[string]bool{}, tags: table{}}
	for _, r := range in.Events {
		x.record(r, in)
	}
	return x
}

func (x *expectation) record(r Record, in Input) {
	if r.Value == nil { // only Senders has tombstones; the key names the user
		x.profile(r, "", profile{user: string(r.Key), at: r.Time, gone: true})
		return
	}
	d, dead := open(r)
	if dead != "" {
		x.dead[r.Place()] = dead
		return
	}
	before := len(x.wants)
	for _, e := range profileEntries {
		if e.topic != r.Topic || !e.is(d) {
			continue
		}
		p, ok := e.profileOf(d)
		if !ok || d.id == "" {
			x.dead[r.Place()] = "bad-field"
			continue
		}
		x.profile(r, d.id, p)
	}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		if e := entries[name]; e.topic == r.Topic && e.is(d) {
			x.business(r, in, name, e, d)
		}
	}
	if len(x.wants) == before {
		x.quiet++
	}
}

func (x *expectation) profile(r Record, event string, p profile) {
	x.tags.add(p)
	for _, account := range Accounts() {
		x.add(r, &want{event: event, rule: "tags", account: account, target: p.user, action: "tags"})
	}
}

func (x *expectation) business(r Record, in Input, name string, e entry, d delivery) {
	user := ""
	if e.user != "" {
		if user, _ = str(d.doc, e.user); user == "" {
			x.dead[r.Place()] = "bad-field"
			return
		}
	}
	for _, f := range e.must {
		if _, ok := num(d.doc, f); !ok {
			x.dead[r.Place()] = "bad-field"
			return
		}
	}
	if d.id == "" {
		x.dead[r.Place()] = "bad-field"
		return
	}
	for _, def := range rules {
		if def.entry != name || !def.when(d) {
			continue
		}
		to, action := []string{user}, "push"
		if def.to != nil {
			to = def.to(d)
		}
		if len(to) == 0 {
			x.add(r, &want{event: d.id, rule: def.name, account: def.account, target: user, action: action, def: def, nobody: true})
		}
		if def.broadcast() {
			to, action = []string{"*"}, "broadcast"
		}
		for _, target := range to {
			w := &want{event: d.id, rule: def.name, account: def.account, target: target, action: action, def: def}
			w.expired = in.Start.Sub(d.at) > def.expire
			if def.body != nil {
				w.body = def.body(d)
			}
			x.add(r, w)
		}
	}
}

// key names an intent by where its event stands and what it is for. A profile event makes one intent an account.
func key(r Record, rule, target, account string) string {
	return r.Place() + "/" + rule + "/" + target + "@" + account
}

func (x *expectation) add(r Record, w *want) {
	w.id, w.place = key(r, w.rule, w.target, w.account), r.Place()
	if w.badUser = w.target != "*" && !vendorUser(w.target); w.badUser {
		x.may[r.Place()] = true
	}
	x.wants[w.id] = w
}
