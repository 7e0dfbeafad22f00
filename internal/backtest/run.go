package backtest

import (
	"errors"
	"fmt"
	"hash/maphash"
	"reflect"
	"time"

	"github.com/notifier/notifier/internal/event"
)

// Source gives the records of history to take, in the order of their times. Their bytes are not written over afterwards.
type Source func(take func(event.Record) error) error

// ErrEmpty says that there was nothing to learn from: no record, or none of an event that the catalogue knows.
var ErrEmpty = errors.New("nothing to learn from")

// Run gives history to the candidate rules, and to others to compare them with unless against is nil.
func Run(src Source, candidate Side, against *Side) (*Report, error) {
	seed := maphash.MakeSeed()
	sides := []*replay{newReplay(candidate, against != nil, seed)}
	if against != nil {
		sides = append(sides, newReplay(*against, true, seed))
	}
	shared := against != nil && reflect.DeepEqual(candidate.Set.Catalogue, against.Set.Catalogue) // then a record is the same events to both
	var from, to time.Time
	n := 0
	ds := make([]decoded, len(sides))
	err := src(func(rec event.Record) error {
		n++
		known := false
		for i, x := range sides {
			if ds[i] = ds[0]; i == 0 || !shared {
				ds[i] = x.decode(rec)
			}
			known = known || ds[i].err != nil || len(ds[i].events) > 0
		}
		if !known { // a record of another topic says nothing of when history begins and ends
			for _, x := range sides {
				x.tally.records.Ignored++
			}
			return nil
		}
		if from.IsZero() {
			from = rec.Time
		}
		to = rec.Time
		for i, x := range sides {
			if err := x.take(rec, ds[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, fmt.Errorf("%w: no records", ErrEmpty)
	}
	if c := sides[0].tally.records; c.Events == 0 && len(c.Dead) == 0 {
		return nil, fmt.Errorf("%w: %d records, and the catalogue has no event for any of them", ErrEmpty, n)
	}
	for _, x := range sides {
		x.finish()
	}
	rep := sides[0].tally.report(from, to, n)
	if against != nil {
		rep.Against = compare(sides[0], sides[1])
	}
	return rep, nil
}
