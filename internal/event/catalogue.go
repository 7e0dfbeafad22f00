package event

import "time"

// Kind says what an event is for.
type Kind string

const (
	Business Kind = "business" // meets the push and broadcast rules
	Profile  Kind = "profile"  // keeps the user table
)

// Format is the envelope of a topic's records.
type Format string

const (
	JSON        Format = "json"
	CloudEvents Format = "cloudevents"
	Debezium    Format = "debezium"
)

// Spec is one entry of the catalogue, checked by the loader.
type Spec struct {
	Name     string
	Title    string
	Topics   []string
	Kind     Kind
	Snapshot bool // profile: an absent field is gone; false is `patch`, an absent field is unchanged
	Format   Format
	Match    []Match // all must hold; none: every record of the topic
	ID       string  // gjson paths, `key` or `header.NAME`
	User     string
	Version  string // path to a number, or ""
	Time     TimeSpec
	Personal map[string]bool // fields masked in logs and listings
	Fields   []Field
	Sample   string // file name relative to the catalogue, or ""

	index map[string]int // name and alias -> place in Fields
}

// Match is one condition of an entry on the raw record.
type Match struct {
	Path   string
	Values []string
}

// TimeSpec says how the event's time is read: RFC 3339 or a unix number by size, or Layout in Zone.
type TimeSpec struct {
	Path   string
	Layout string
	Zone   *time.Location
}

// Field is one declared field.
type Field struct {
	Name, Title, Alias string
	Path               string // gjson path, `key` or `header.NAME`
	Type               Type
	Scale              string   // exact decimal factor of a number, "" for none
	Values             []string // the closed list, or nil for any
	Default            *Value
	Required           bool
}

// Index returns the place of a field, by name or alias.
func (s *Spec) Index(name string) (int, bool) {
	i, ok := s.index[name]
	return i, ok
}
