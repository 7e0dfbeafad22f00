package rules

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/notifier/notifier/internal/event"
)

// testUser is whom the events of tests are about, unless their sample says otherwise.
const testUser = "u1"

// Only is the set with one of its rules, in a mode. The rule is changed: s must not be asked afterwards.
func (s *Set) Only(r *Rule, as Mode) *Set {
	r.Mode = as
	out := &Set{Hash: s.Hash, Catalogue: s.Catalogue, Rules: []*Rule{r}, opt: s.opt, samples: s.samples, watch: newWatch()}
	out.index(s.table)
	return out
}

// TestEvent makes the n-th event (from 0) of a test as the decoder gives it, at a time. The error says why the event would be a dead
// letter.
func (s *Set) TestEvent(t *Test, n int, at time.Time) (*event.Event, error) {
	spec := s.Catalogue.Spec(t.Event)
	ev := &event.Event{ID: "test"}
	if t.Sample {
		if s.samples[t.Event] == nil {
			return nil, fmt.Errorf("event %s has no sample: add `sample: FILE.json` to it in the catalogue", t.Event)
		}
		rec := event.Record{Position: event.Position{Topic: spec.Topics[0]}, Key: []byte("sample"), Value: s.samples[t.Event], Time: at}
		evs, err := event.NewCatalogue([]*event.Spec{spec}, maxSample).Decode(rec)
		if err != nil {
			return nil, err
		}
		if len(evs) == 0 {
			return nil, fmt.Errorf("the sample is not event %s", t.Event)
		}
		ev = &evs[0]
	} else {
		ev.Values = make([]event.Value, len(spec.Fields))
		if spec.User != "" {
			ev.User = testUser
		}
		for i, f := range spec.Fields {
			if f.Default != nil {
				ev.Values[i] = *f.Default
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Values)) {
		if i, ok := spec.Index(name); ok {
			ev.Values[i] = t.Values[name]
		}
	}
	for i, f := range spec.Fields {
		if f.Required && !ev.Values[i].OK() {
			return nil, fmt.Errorf("field %s is required and missing", f.Name)
		}
	}
	ev.Spec, ev.Time, ev.Version = spec, at, at.UnixMilli()
	ev.Pos = event.Position{Topic: spec.Topics[0], Offset: int64(n)}
	if n > 0 {
		ev.ID += "-" + strconv.Itoa(n+1)
	}
	return ev, nil
}
