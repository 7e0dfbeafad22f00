// Package event turns a Kafka record into domain events: the words that every other package shares.
//
// A Record is what Kafka gives. A Catalogue (rules/events.yaml, loaded by package rules) says which events a
// topic may carry and which typed fields they have. Decode applies it: one record may be several events, none
// (ignored), or undecodable (a *DecodeError, which stage 1 turns into a dead letter).
//
// The package knows nothing of rules, vendors or the ledger, and keeps no state.
package event

import (
	"fmt"
	"time"
)

// Position is where a record stands in Kafka.
type Position struct {
	Topic     string
	Partition int32
	Offset    int64
}

// String gives the position as operators type it, shop.orders[4]@991823.
func (p Position) String() string { return fmt.Sprintf("%s[%d]@%d", p.Topic, p.Partition, p.Offset) }

// Header is one Kafka record header.
type Header struct {
	Key   string
	Value []byte
}

// Record is one Kafka record. A nil Value is a tombstone.
type Record struct {
	Position
	Key, Value []byte
	Headers    []Header
	Time       time.Time // the record's Kafka timestamp
}

// Event is one decoded domain event.
type Event struct {
	Spec    *Spec // the catalogue entry it was decoded by
	ID      string
	Time    time.Time // the event's own time, never more than 10 minutes ahead of the record's
	User    string    // "" when the entry declares no user
	Version int64     // newer wins: the entry's `version` field, else Time in unix milliseconds
	Pos     Position
	Values  []Value // parallel to Spec.Fields
	Gone    bool    // profile events only: a tombstone or a delete, the user is gone
}

// Value returns the value of a declared field; a name the entry does not declare is Missing.
func (e *Event) Value(name string) Value {
	if i, ok := e.Spec.Index(name); ok {
		return e.Values[i]
	}
	return Value{}
}
