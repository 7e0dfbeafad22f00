package event

import (
	"encoding/json"
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
	maxAhead  = 10 * time.Minute // an event's time further ahead of the broker's counts as the broker's
	maxIDSize = 512              // bytes of an event id or a user
)

// Decode gives the events of a record: every entry of its topic whose match holds. None is (nil, nil): ignored.
// The error is always a *DecodeError; when one entry of several is at fault the events of the others stand beside it.
func (c *Catalogue) Decode(rec Record) ([]Event, error) {
	specs := c.topics[rec.Topic]
	if len(specs) == 0 {
		return nil, nil
	}
	if len(rec.Value) > c.MaxBytes {
		return nil, &DecodeError{Reason: TooLarge, Detail: fmt.Sprintf("%d bytes, the most is %d (events.max_bytes)", len(rec.Value), c.MaxBytes)}
	}
	d := decoder{rec: &rec}
	var out []Event
	var first error
	for _, s := range specs {
		ev, err := d.event(s)
		if err != nil {
			var de *DecodeError
			if errors.As(err, &de) && de.Reason == Undecodable && de.Event == "" {
				return nil, err
			}
			if first == nil {
				first = err
			}
		}
		if ev != nil {
			out = append(out, *ev)
		}
	}
	return out, first
}

// decoder holds what the entries of one record share.
type decoder struct {
	rec  *Record
	docs [3]*document // by format, built when the first entry needs it
}

func (d *decoder) document(f Format) (*document, error) {
	i := slices.Index([]Format{JSON, CloudEvents, Debezium}, f)
	if i < 0 {
		i = 0
	}
	if d.docs[i] == nil {
		doc, err := open(d.rec, f)
		if err != nil {
			return nil, err
		}
		d.docs[i] = doc
	}
	return d.docs[i], nil
}

// event decodes one entry; nil when the record is not that event.
func (d *decoder) event(s *Spec) (*Event, error) {
	doc, err := d.document(s.Format)
	if err != nil {
		return nil, err
	}
	if !doc.matches(s) {
		return nil, nil
	}
	bad := func(what, format string, args ...any) error {
		return &DecodeError{Reason: BadField, Event: s.Name, Detail: what + ": " + fmt.Sprintf(format, args...)}
	}
	ev := &Event{Spec: s, Pos: d.rec.Position, Gone: doc.gone && s.Kind == Profile, Values: make([]Value, len(s.Fields))}

	if ev.ID, err = doc.id(s); err != nil {
		return nil, bad("id", "%v", err)
	}
	if s.User != "" {
		if ev.User, err = doc.user(s); err != nil {
			return nil, bad("user", "%v", err)
		}
	}
	if ev.Time, err = doc.time(s); err != nil {
		return nil, bad("time", "%v", err)
	}
	if rt := d.rec.Time; !rt.IsZero() && ev.Time.After(rt.Add(maxAhead)) {
		ev.Time = rt.UTC()
	}
	ev.Version = ev.Time.UnixMilli()
	if s.Version != "" && !doc.tombstone {
		v := coerce(&Field{Type: Number}, doc.get(s.Version))
		n, ok := wholeNumber(v)
		if !ok {
			return nil, bad("version", "%s is not a whole number at %s", shown(v), s.Version)
		}
		ev.Version = n
	}
	if ev.Gone {
		return ev, nil
	}
	for i := range s.Fields {
		f := &s.Fields[i]
		v := coerce(f, doc.get(f.Path))
		if (v.State == Missing || v.State == Null) && f.Default != nil {
			v = *f.Default
		}
		if f.Required && !v.OK() {
			return nil, bad("field "+f.Name, "%s at %s", shown(v), f.Path)
		}
		ev.Values[i] = v
	}
	return ev, nil
}

// shown describes an unusable value.
func shown(v Value) string {
	switch v.State {
	case Missing:
		return "nothing"
	case Null:
		return "null"
	}
	return v.Str
}

// document is one record behind one format: what paths are read from.
type document struct {
	rec       *Record
	format    Format
	body      string // the JSON that paths lead into; debezium: the row
	envelope  string // debezium: the envelope
	op        string // debezium: c, u, d, r, t, m
	gone      bool   // a tombstone or a delete
	tombstone bool   // no value at all
}

// get reads a path, `key` or `header.NAME`.
func (d *document) get(path string) gjson.Result {
	switch {
	case path == "":
		return gjson.Result{}
	case path == "key":
		if d.rec.Key == nil {
			return gjson.Result{}
		}
		return text(string(d.rec.Key))
	case strings.HasPrefix(path, "header."):
		name := path[len("header."):]
		for _, h := range d.rec.Headers {
			if h.Key == name && h.Value != nil {
				return text(string(h.Value))
			}
		}
		return gjson.Result{}
	case d.format == Debezium && strings.HasPrefix(path, "envelope."):
		return gjson.Get(d.envelope, path[len("envelope."):])
	}
	return gjson.Get(d.body, path)
}

// text is a string that did not come from JSON.
func text(s string) gjson.Result {
	raw, err := json.Marshal(s)
	if err != nil {
		return gjson.Result{}
	}
	return gjson.Result{Type: gjson.String, Str: s, Raw: string(raw)}
}

// matches asks the entry's conditions. A tombstone has no value to ask: only conditions on key and headers count,
// and it says nothing to a business entry.
func (d *document) matches(s *Spec) bool {
	if d.tombstone && s.Kind != Profile {
		return false
	}
	namesOp := false
	for _, m := range s.Match {
		if d.tombstone && m.Path != "key" && !strings.HasPrefix(m.Path, "header.") {
			continue
		}
		namesOp = namesOp || m.Path == "envelope.op"
		r := d.get(m.Path)
		if !r.Exists() || r.Type == gjson.Null || !slices.Contains(m.Values, r.String()) {
			return false
		}
	}
	if d.format == Debezium && !d.tombstone && !namesOp {
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
func (d *document) id(s *Spec) (string, error) {
	if d.tombstone {
		return d.rec.Position.String(), nil
	}
	path := s.ID
	if path == "" {
		switch s.Format {
		case Debezium:
			return d.sourceID(), nil
		case CloudEvents:
			path = "id"
		}
	}
	return identifier(d.get(path), path)
}

// user is whom the event is about. A tombstone names the user in its key: as plain text, or as JSON that the
// entry's own path (or its last step, for a key that is flat) leads through.
func (d *document) user(s *Spec) (string, error) {
	if !d.gone || s.Kind != Profile || s.User == "key" || strings.HasPrefix(s.User, "header.") {
		return identifier(d.get(s.User), s.User)
	}
	if !d.tombstone {
		if u, err := identifier(d.get(s.User), s.User); err == nil {
			return u, nil
		}
	}
	key := strings.TrimSpace(string(d.rec.Key))
	if key == "" {
		return "", errors.New("a tombstone without a key")
	}
	if tooDeep(d.rec.Key) >= 0 || !gjson.Valid(key) {
		return identifier(text(key), "key")
	}
	r := gjson.Parse(key)
	if p := r.Get("payload"); p.Exists() && r.Get("schema").Exists() {
		r = p
	}
	if !r.IsObject() {
		return identifier(r, "key")
	}
	v := r.Get(s.User)
	if i := strings.LastIndexByte(s.User, '.'); !v.Exists() && i >= 0 {
		v = r.Get(s.User[i+1:])
	}
	return identifier(v, "key: "+s.User)
}

// identifier takes a text or the exact digits of a number.
func identifier(r gjson.Result, path string) (string, error) {
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
		return "", fmt.Errorf("%s at %s is neither text nor number", cut(r.Raw, 64), path)
	}
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

func (d *document) time(s *Spec) (time.Time, error) {
	path, must := s.Time.Path, true
	if path == "" {
		must = false
		switch s.Format {
		case CloudEvents:
			path = "time"
		case Debezium:
			path = "envelope.ts_ms"
		}
	}
	r := d.get(path)
	if d.tombstone || (!must && !r.Exists()) {
		return d.rec.Time.UTC(), nil
	}
	t, ok := parseTime(r, s.Time.Layout, s.Time.Zone)
	if !ok {
		return time.Time{}, fmt.Errorf("%s at %s is not a time", shown(Value{State: stateOf(r), Str: cut(r.Raw, 64)}), path)
	}
	return t, nil
}

func stateOf(r gjson.Result) State {
	switch {
	case !r.Exists():
		return Missing
	case r.Type == gjson.Null:
		return Null
	}
	return Bad
}
