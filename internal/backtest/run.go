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
	err := src(func(rec event.Record) error {
		if n++; n == 1 {
			from, to = rec.Time, rec.Time
		}
		if rec.Time.After(to) {
			to = rec.Time
		}
		var d decoded
		for i, x := range sides {
			if i == 0 || !shared {
				d = x.decode(rec)
			}
			if err := x.take(rec, d); err != nil {
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
