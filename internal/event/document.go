package event

import (
	"encoding/json"
	"slices"
	"strconv"
	"sync"

	"github.com/tidwall/gjson"
)

// document is one record behind one format: what paths are read from.
type document struct {
	rec       Record
	plan      *plan
	body      []byte // the JSON that paths lead into; debezium: the row
	envelope  string // debezium: the envelope
	op        string // debezium: c, u, d, r, t, m
	gone      bool   // a tombstone or a delete
	tombstone bool   // no value at all

	known bool                 // the spans are the whole answer for paths in the body
	spans []span               // by place in the plan, within body
	kept  string               // a copy of what the spans of body stand for: an event must not hold the record's memory
	whole string               // body as text, for gjson
	slow  map[int]gjson.Result // what gjson found, by place in the plan
	at    gjson.Result         // what get has given last

	texts  *texts // where the event's texts stand; nil: each has memory of its own
	shared texts
}

// documents are used again: one is needed for every record, and none outlives its record.
var documents = sync.Pool{New: func() any { return new(document) }}

func newDocument(rec *Record, p *plan, own bool) *document {
	d := documents.Get().(*document)
	d.rec, d.plan, d.texts = *rec, p, &d.shared
	if own {
		d.texts = nil
	}
	return d
}

// release gives the document back; nil is none.
func (d *document) release() {
	if d == nil {
		return
	}
	*d = document{spans: d.spans[:0], shared: d.shared}
	documents.Put(d)
}

// scan checks the body and finds what the plan's plain paths lead to; false for what is not JSON or nested deeper
// than deepest.
func (d *document) scan(body []byte, deepest int) (ok bool) {
	d.body, d.spans = body, d.spans[:0]
	if d.plan.root != nil {
		d.spans = slices.Grow(d.spans, len(d.plan.paths))[:len(d.plan.paths)]
		clear(d.spans)
	}
	d.known, ok = scan(body, d.plan.root, d.spans, deepest)
	return ok
}

// get reads a path by its place in the plan. What it gives is large, so it stands in the document until the next get.
func (d *document) get(place int) *gjson.Result {
	d.at = gjson.Result{}
	if place == noPath {
		return &d.at
	}
	p := &d.plan.paths[place]
	switch p.where {
	case inKey:
		if d.rec.Key != nil {
			d.at = text(d.texts.keep(d.rec.Key))
		}
		return &d.at
	case inHeader:
		for _, h := range d.rec.Headers {
			if h.Key == p.name && h.Value != nil {
				d.at = text(d.texts.keep(h.Value))
				break
			}
		}
		return &d.at
	case inBody:
		if d.known {
			d.found(place)
			return &d.at
		}
	}
	r, ok := d.slow[place]
	if !ok {
		if p.where == inEnvelope {
			r = gjson.Get(d.envelope, p.name)
		} else {
			r = gjson.Get(d.all(), p.text)
		}
		if d.slow == nil {
			d.slow = map[int]gjson.Result{}
		}
		d.slow[place] = r
	}
	d.at = r
	return &d.at
}

// plain gives the text of a path in the body that holds one without escapes: most values are such, and need no gjson.Result.
func (d *document) plain(place int) (string, bool) {
	if s := d.literal(place); s != "" && s[0] == '"' {
		return s[1 : len(s)-1], true
	}
	return "", false
}

// literal gives the JSON of a value in the body that means what is written: no string with escapes. "" says nothing.
func (d *document) literal(place int) string {
	if place == noPath || d.plan.paths[place].where != inBody || !d.known {
		return ""
	}
	sp := &d.spans[place]
	if sp.to == 0 || sp.escaped {
		return ""
	}
	if d.kept == "" {
		d.keep()
	}
	return d.kept[sp.kept : sp.kept+sp.to-sp.from]
}

// quick reads a value that is what its type says and needs no gjson.Result: most are. v is zero before; false says nothing.
func (d *document) quick(v *Value, f *Field, place int) bool {
	s := d.literal(place)
	if s == "" || f.Values != nil {
		return false
	}
	switch c := s[0]; f.Type {
	case String:
		if c != '"' {
			return false
		}
		v.Str = shortText(s[1 : len(s)-1])
	case Number:
		if c != '-' && (c < '0' || c > '9') || !v.number(s, f.Scale, d.texts) {
			return false
		}
	case Bool:
		if c != 't' && c != 'f' {
			return false
		}
		v.Str, v.Bool = s, c == 't'
	default:
		return false
	}
	v.State, v.Type = Known, f.Type
	return true
}

// all is the body as text.
func (d *document) all() string {
	if d.whole == "" {
		d.whole = d.texts.keep(d.body)
	}
	return d.whole
}

// found reads what a plain path leads to, as gjson would.
func (d *document) found(place int) {
	sp := &d.spans[place]
	if sp.to == 0 {
		return
	}
	if d.kept == "" {
		d.keep()
	}
	parse(&d.at, d.kept[sp.kept:sp.kept+sp.to-sp.from], sp.escaped)
}

// keep copies the values that were found, all of them at once.
func (d *document) keep() {
	size := 0
	for i := range d.spans {
		size += d.spans[i].to - d.spans[i].from
	}
	if d.whole != "" || size >= len(d.body) { // paths may lead to a value and to what is in it
		d.kept = d.all()
		for i := range d.spans {
			d.spans[i].kept = d.spans[i].from
		}
		return
	}
	b := d.texts.room(size)
	from := b.Len()
	for i := range d.spans {
		sp := &d.spans[i]
		sp.kept = b.Len() - from
		b.Write(d.body[sp.from:sp.to])
	}
	d.kept = b.String()[from:]
}

// parse gives one JSON value the form gjson gives it; r is zero before.
func parse(r *gjson.Result, raw string, escaped bool) {
	r.Raw = raw
	switch raw[0] {
	case '"':
		if escaped {
			*r = gjson.Parse(raw)
			return
		}
		r.Type, r.Str = gjson.String, raw[1:len(raw)-1]
	case '{', '[':
		r.Type = gjson.JSON
	case 't':
		r.Type = gjson.True
	case 'f':
		r.Type = gjson.False
	case 'n':
		r.Type = gjson.Null
	default:
		r.Type = gjson.Number
		r.Num, _ = strconv.ParseFloat(raw, 64)
	}
}

// among reports whether a path leads to one of the values. Most records are of no entry's kind: those are told
// without a copy.
func (d *document) among(place int, values []string) bool {
	if place != noPath && d.plan.paths[place].where == inBody && d.known {
		sp := d.spans[place]
		if raw := d.body[sp.from:sp.to]; len(raw) > 0 && raw[0] == '"' && !sp.escaped {
			for _, v := range values {
				if string(raw[1:len(raw)-1]) == v {
					return true
				}
			}
			return false
		}
	}
	r := d.get(place)
	return r.Exists() && r.Type != gjson.Null && slices.Contains(values, r.String())
}

// text is a string that did not come from JSON.
func text(s string) gjson.Result { return gjson.Result{Type: gjson.String, Str: s} }

// raw is the JSON of a value.
func raw(r gjson.Result) string {
	if r.Type == gjson.String && r.Raw == "" {
		b, err := json.Marshal(r.Str)
		if err != nil {
			return ""
		}
		return string(b)
	}
	return r.Raw
}
