package event

import "time"

// Type is the declared type of a catalogue field.
type Type string

// The field types of rules-format.md 1.
const (
	String Type = "string"
	Number Type = "number"
	Bool   Type = "bool"
	Time   Type = "time"
	List   Type = "list"
)

// State says whether a value is there.
type State uint8

const (
	Missing State = iota // the path leads nowhere
	Null                 // the path leads to a JSON null: explicitly absent (a patch clears the field)
	Bad                  // there, but not of the declared type: counts as missing, Str keeps what was seen
	Known                // there and of the declared type
)

// Value is one extracted, typed field. Only the parts that the field's type needs are set.
type Value struct {
	State State
	Type  Type
	Str   string    // string: the text; number: the exact decimal after scale; bool: true/false; time: RFC 3339; Bad: the raw JSON, cut to 64 bytes
	Num   float64   // number
	Bool  bool      // bool
	Time  time.Time // time
	List  []string  // list: its first 32 items
	// Beyond is what a list has behind those, up to the 101st item: only who reads the recipients of a push looks here.
	Beyond []string
}

// OK reports whether the value may be used.
func (v Value) OK() bool { return v.State == Known }
