package intent

import (
	"fmt"
	"time"
)

// Split divides an intent into what most intents of its rule and event type have in common and what is its own: shared and own are
// overwritten. DecodeOwn puts them together again. A million intents that wait hold the first of them once.
func (in *Intent) Split(shared, own *Intent) {
	*shared, *own = *in, Intent{Target: in.Target, Profile: in.Profile, Audience: in.Audience, Merge: in.Merge, Made: in.Made, Dead: in.Dead, DeadDetail: in.DeadDetail, Canary: in.Canary, Trace: in.Trace}
	shared.Target, shared.Profile, shared.Audience, shared.Merge, shared.Made, shared.Dead, shared.DeadDetail, shared.Canary, shared.Trace = "", nil, nil, nil, "", "", "", false, ""
	own.Event = EventRef{ID: in.Event.ID, Time: in.Event.Time, Partition: in.Event.Partition, Offset: in.Event.Offset}
	shared.Event = EventRef{Type: in.Event.Type, Topic: in.Event.Topic}
	own.Policy = Policy{Expire: in.Policy.Expire, Once: in.Policy.Once}
	shared.Policy.Expire, shared.Policy.Once = time.Time{}, nil
	if c := in.Content; c != nil && in.Merge == nil { // the texts of a merge are templates: they are the rule's
		rest := *c
		rest.Title, rest.Body, rest.Link, rest.Data = "", "", "", nil
		shared.Content, own.Content = &rest, &Content{Title: c.Title, Body: c.Body, Link: c.Link, Data: c.Data}
	} else if c != nil {
		own.Content = &Content{}
	}
	shared.ID, own.ID = "", ""
	var room [128]byte
	if string(in.ID) != string(appendID(room[:0], in.Position(), in.Rule, in.Target)) {
		own.ID = in.ID
	}
}

// DecodeOwn reads the wire form of what Split made an intent's own, beside what it shares with others. Nothing in shared is changed;
// the intent holds parts of it.
func DecodeOwn(shared *Intent, b []byte) (*Intent, error) {
	if len(b) == 0 || b[0] != Version {
		return nil, fmt.Errorf("decode intent: not of version %d", Version)
	}
	in := new(Intent)
	*in = *shared
	in.V, in.ID = Version, ""
	if err := in.fill(b); err != nil {
		return nil, err
	}
	if in.Profile != nil && len(in.Profile.Fields) == 0 { // as who has no fields has it
		in.Profile.Fields = nil
	}
	return in, nil
}
