package event

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Reason is why a record or an event in it cannot be used: a reason of fate DEAD.
type Reason string

const (
	Undecodable Reason = "undecodable" // not the JSON or envelope it should be
	TooLarge    Reason = "too-large"   // more bytes than events.max_bytes
	BadField    Reason = "bad-field"   // no usable id, user, time, version or required field
)

// DecodeError says why a record became a dead letter.
type DecodeError struct {
	Reason Reason
	Event  string // the catalogue entry, "" when the record as a whole is at fault
	Detail string
}

// Error gives event, reason and detail.
func (e *DecodeError) Error() string {
	if e.Event != "" {
		return e.Event + ": " + string(e.Reason) + ": " + e.Detail
	}
	return string(e.Reason) + ": " + e.Detail
}

const (
	maxDepth  = 64               // nesting of a record; gjson.Valid recurses, and a used-up stack kills the process
	MaxAhead  = 10 * time.Minute // an event's time further ahead of the broker's counts as the broker's
	maxIDSize = 512              // bytes of an event id or a user
)

// Decode gives the events of a record: every entry of its topic whose match holds. None is (nil, nil): ignored.
// The error is always a *DecodeError; when one entry of several is at fault the events of the others stand beside it.
func (c *Catalogue) Decode(rec Record) ([]Event, error) { return c.decode(nil, rec, true) }

// DecodeInto is Decode for whoever is done with each record's events before the next record: the events and their
// Values are written over those in room, which grows as it must. Their texts stay as they are, but each holds a piece of memory
// with the texts of many events: who keeps one for long clones it.
func (c *Catalogue) DecodeInto(room []Event, rec Record) ([]Event, error) {
	return c.decode(room, rec, false)
}

func (c *Catalogue) decode(room []Event, rec Record, own bool) ([]Event, error) {
	t := c.topics[rec.Topic]
	if t == nil {
		return nil, nil
	}
	if len(rec.Value) > c.MaxBytes {
		return nil, &DecodeError{Reason: TooLarge, Detail: fmt.Sprintf("%d bytes, the most is %d (events.max_bytes)", len(rec.Value), c.MaxBytes)}
	}
	var docs [formats]*document // opened when the first entry needs it
	defer func() {
		for _, d := range docs {
			d.release()
		}
	}()
	out := room[:0]
	var first error
	for i := range t.entries {
		e := &t.entries[i]
		doc := docs[e.plan.place]
		if doc == nil {
			doc = newDocument(&rec, e.plan, own)
			docs[e.plan.place] = doc
			if err := doc.open(); err != nil {
				return nil, err
			}
		}
		if !doc.matches(e) {
			continue
		}
		if len(out) == cap(out) {
			out = append(out, Event{})
		} else {
			out = out[:len(out)+1]
		}
		if err := doc.event(e, &out[len(out)-1]); err != nil {
			out = out[:len(out)-1]
			if first == nil {
				first = err
			}
		}
	}
	return out, first
}

// event decodes one entry that matches.
func (d *document) event(e *entry, ev *Event) error {
	s := e.Spec
	bad := func(what, format string, args ...any) error {
		return &DecodeError{Reason: BadField, Event: s.Name, Detail: what + ": " + fmt.Sprintf(format, args...)}
	}
	values := slices.Grow(ev.Values[:0], len(s.Fields))[:len(s.Fields)]
	clear(values)
	*ev = Event{Spec: s, Pos: d.rec.Position, Gone: d.gone && s.Kind == Profile, Values: values}
	var err error
	if ev.ID, err = d.id(e); err != nil {
		return bad("id", "%v", err)
	}
	if s.User != "" {
		if ev.User, err = d.user(e); err != nil {
			return bad("user", "%v", err)
		}
	}
	if ev.Time, err = d.time(e); err != nil {
		return bad("time", "%v", err)
	}
	if rt := d.rec.Time; !rt.IsZero() && ev.Time.After(rt.Add(MaxAhead)) {
		ev.Time = rt.UTC()
	}
	ev.Version = ev.Time.UnixMilli()
	if s.Version != "" && !d.tombstone {
		var v Value
		v.coerce(&Field{Type: Number}, d.get(e.version), d.texts)
		n, ok := wholeNumber(v)
		if !ok {
			return bad("version", "%s is not a whole number at %s", shown(v), s.Version)
		}
		ev.Version = n
	}
	if ev.Gone {
		return nil
	}
	for i := range s.Fields {
		f := &s.Fields[i]
		v := &ev.Values[i]
		if !d.quick(v, f, e.fields[i]) {
			v.coerce(f, d.get(e.fields[i]), d.texts)
		}
		if (v.State == Missing || v.State == Null) && f.Default != nil {
			*v = *f.Default
		}
		if f.Required && !v.OK() {
			return bad("field "+f.Name, "%s at %s", shown(*v), f.Path)
		}
	}
	return nil
}

// shown describes an unusable value by its kind, never by what it is: it goes into logs, and a value may be somebody's.
func shown(v Value) string {
	switch v.State {
	case Missing:
		return "nothing"
	case Null:
		return "null"
	}
	return kind(v.Str)
}

// kind names what a piece of JSON is by how it begins.
func kind(json string) string {
	switch c := (json + " ")[0]; {
	case c == '"':
		return "a text"
	case c == '{':
		return "an object"
	case c == '[':
		return "a list"
	case c == 't' || c == 'f':
		return "true or false"
	case c == '-' || c >= '0' && c <= '9':
		return "a number"
	}
	return "a value"
}

// matches asks the entry's conditions. A tombstone has no value to ask: only conditions on key and headers count,
// and it says nothing to a business entry.
func (d *document) matches(e *entry) bool {
	s := e.Spec
	if d.tombstone && s.Kind != Profile {
		return false
	}
	namesOp := false
	for i, m := range s.Match {
		if d.tombstone && m.Path != "key" && !strings.HasPrefix(m.Path, "header.") {
			continue
		}
		namesOp = namesOp || m.Path == "envelope.op"
		if !d.among(e.match[i], m.Values) {
			return false
		}
	}
	if d.plan.format == Debezium && !d.tombstone && !namesOp {
		switch d.op {
		case "c", "u":
			return true
		case "r", "d":
			return s.Kind == Profile
		}
		return false // truncate, message: no row
	}
	return true
}

// id is the event's identity. A tombstone has none of its own, so its place stands in.
func (d *document) id(e *entry) (string, error) {
	switch {
	case d.tombstone:
		return d.rec.Position.String(), nil
	case e.ID == "" && e.Format == Debezium:
		return d.sourceID(), nil
	}
	return d.identifier(e.Spec, e.id)
}

// user is whom the event is about. A tombstone names the user in its key: as plain text, or as JSON that the
// entry's own path (or its last step, for a key that is flat) leads through.
func (d *document) user(e *entry) (string, error) {
	s := e.Spec
	if !d.gone || s.Kind != Profile || s.User == "key" || strings.HasPrefix(s.User, "header.") {
		return d.identifier(s, e.user)
	}
	if !d.tombstone {
		if u, err := d.identifier(s, e.user); err == nil {
			return u, nil
		}
	}
	key := strings.TrimSpace(string(d.rec.Key))
	if key == "" {
		return "", errors.New("a tombstone without a key")
	}
	if tooDeep(d.rec.Key) >= 0 || !gjson.Valid(key) {
		t := text(key)
		return identifier(s, &t, "key")
	}
	r := gjson.Parse(key)
	if p := r.Get("payload"); p.Exists() && r.Get("schema").Exists() {
		r = p
	}
	if !r.IsObject() {
		return identifier(s, &r, "key")
	}
	v := r.Get(s.User)
	if i := strings.LastIndexByte(s.User, '.'); !v.Exists() && i >= 0 {
		v = r.Get(s.User[i+1:])
	}
	return identifier(s, &v, "key: "+s.User)
}

func (d *document) identifier(spec *Spec, path int) (string, error) {
	if s, ok := d.plain(path); ok {
		return checkIdentifier(s, d.plan.text(path))
	}
	return identifier(spec, d.get(path), d.plan.text(path))
}

// identifier takes a text or the exact digits of a number.
func identifier(spec *Spec, r *gjson.Result, path string) (string, error) {
	var s string
	switch r.Type {
	case gjson.String:
		s = r.Str
	case gjson.Number:
		s = r.Raw
	default:
		if !r.Exists() || r.Type == gjson.Null {
			return "", fmt.Errorf("nothing at %s", path)
		}
		return "", fmt.Errorf("%s at %s is neither text nor number", kind(r.Raw), path)
	}
	return checkIdentifier(s, path)
}

func checkIdentifier(s, path string) (string, error) {
	switch {
	case strings.TrimSpace(s) == "":
		return "", fmt.Errorf("empty at %s", path)
	case len(s) > maxIDSize:
		return "", fmt.Errorf("%d bytes at %s, the most is %d", len(s), path, maxIDSize)
	case !utf8.ValidString(s):
		return "", fmt.Errorf("not UTF-8 at %s", path) // two users must not become one by replacement
	}
	return s, nil
}

func (d *document) time(e *entry) (time.Time, error) {
	if n, ok := unixDigits(d.literal(e.time)); ok && e.Time.Layout == "" && !d.tombstone {
		if t := unixBySize(n); goodYear(t) {
			return t, nil
		}
	}
	r := d.get(e.time)
	if d.tombstone || (e.Time.Path == "" && !r.Exists()) {
		return d.rec.Time.UTC(), nil
	}
	if !r.Exists() || r.Type == gjson.Null {
		return time.Time{}, fmt.Errorf("nothing at %s", d.plan.text(e.time))
	}
	t, ok := parseTime(r, e.Time.Layout, e.Time.Zone)
	if !ok {
		return time.Time{}, fmt.Errorf("%s at %s is not a time", shown(Value{State: stateOf(r), Str: raw(*r)}), d.plan.text(e.time))
	}
	return t, nil
}

func stateOf(r *gjson.Result) State {
	switch {
	case !r.Exists():
		return Missing
	case r.Type == gjson.Null:
		return Null
	}
	return Bad
}
