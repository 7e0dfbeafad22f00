package event

import (
	"maps"
	"slices"
	"time"
)

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
	Personal map[string]bool // fields whose values never stand in what we say of a record: logs, dead letters, listings
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

// NewSpec completes an entry with the index of its names and aliases.
func NewSpec(s Spec) *Spec {
	s.index = make(map[string]int, 2*len(s.Fields))
	for i, f := range s.Fields {
		s.index[f.Name] = i
	}
	for i, f := range s.Fields {
		if _, taken := s.index[f.Alias]; f.Alias != "" && !taken {
			s.index[f.Alias] = i
		}
	}
	return &s
}

// DefaultMaxBytes bounds a record's value unless the settings say otherwise (events.max_bytes).
const DefaultMaxBytes = 1 << 20

// Catalogue is the known events. It does not change once it is built.
type Catalogue struct {
	Specs    []*Spec // in the order of the file
	MaxBytes int     // of a record's value; more is too-large

	topics map[string]*topic
	names  map[string]*Spec
}

// NewCatalogue indexes entries by name and topic; maxBytes 0 is DefaultMaxBytes.
func NewCatalogue(specs []*Spec, maxBytes int) *Catalogue {
	if maxBytes <= 0 {
		maxBytes = DefaultMaxBytes
	}
	c := &Catalogue{Specs: specs, MaxBytes: maxBytes, topics: map[string]*topic{}, names: map[string]*Spec{}}
	for _, s := range specs {
		c.names[s.Name] = s
		for _, name := range s.Topics {
			t := c.topics[name]
			if t == nil {
				t = new(topic)
				c.topics[name] = t
			}
			t.add(s)
		}
	}
	return c
}

// Spec gives an entry by name, nil when there is none.
func (c *Catalogue) Spec(name string) *Spec { return c.names[name] }

// Topics gives the topics to read, sorted.
func (c *Catalogue) Topics() []string { return slices.Sorted(maps.Keys(c.topics)) }

// Index returns the place of a field, by name or alias.
func (s *Spec) Index(name string) (int, bool) {
	i, ok := s.index[name]
	return i, ok
}
