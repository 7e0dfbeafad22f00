package intent

import (
	"fmt"
	"time"
)

// Halves are an intent divided into what most intents of its rule and event type have in common and what is its own. DecodeOwn puts them
// together again. A million intents that wait hold the first of them once.
type Halves struct {
	Shared, Own Intent

	rest, texts Content // room
}

// Split divides an intent. The halves hold parts of it, and are overwritten by the next Split.
func (h *Halves) Split(in *Intent) {
	shared, own := &h.Shared, &h.Own
	*shared, *own = *in, Intent{Target: in.Target, Profile: in.Profile, Audience: in.Audience, Merge: in.Merge, Made: in.Made, Dead: in.Dead, DeadDetail: in.DeadDetail, Canary: in.Canary, Trace: in.Trace}
	shared.Target, shared.Profile, shared.Audience, shared.Merge, shared.Made, shared.Dead, shared.DeadDetail, shared.Canary, shared.Trace = "", nil, nil, nil, "", "", "", false, ""
	own.Event = EventRef{ID: in.Event.ID, Time: in.Event.Time, Partition: in.Event.Partition, Offset: in.Event.Offset}
	shared.Event = EventRef{Type: in.Event.Type, Topic: in.Event.Topic}
	own.Policy = Policy{Expire: in.Policy.Expire, Once: in.Policy.Once}
	shared.Policy.Expire, shared.Policy.Once = time.Time{}, nil
	if c := in.Content; c != nil {
		h.rest, h.texts = *c, Content{}
		shared.Content, own.Content = &h.rest, &h.texts
		if in.Merge == nil { // the texts of a merge are templates: they are the rule's
			h.texts = Content{Title: c.Title, Body: c.Body, Link: c.Link, Data: c.Data, Personal: c.Personal}
			h.rest.Title, h.rest.Body, h.rest.Link, h.rest.Data, h.rest.Personal = "", "", "", nil, nil
		}
	}
	shared.ID, own.ID = "", ""
	var room [128]byte
	if string(in.ID) != string(appendID(room[:0], in.Position(), in.Rule, in.Target)) {
		own.ID = in.ID
	}
}

// DecodeOwn reads the wire form of the half that is an intent's own, beside what it shares with others. Nothing in shared is changed;
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
