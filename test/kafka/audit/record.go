package audit

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Record is one Kafka record as it was read back, committed, from a topic.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Key       []byte
	Value     []byte // nil: a tombstone
	Headers   map[string]string
	Time      time.Time
}

// Place is the record's position as intents and dead letters write it: topic/partition/offset.
func (r Record) Place() string { return fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset) }

// maxBytes is events.max_bytes, the product's default.
const maxBytes = 1 << 20

// delivery is a decoded record: the envelope's words and the webhook payload.
type delivery struct {
	id   string // "" when there is none
	kind string // issues, star, ...: the webhook's event name
	at   time.Time
	doc  any // the payload
}

// open decodes a record. dead is the reason of a dead letter, "" when the record can be read.
func open(r Record) (d delivery, dead string) {
	if len(r.Value) > maxBytes {
		return d, "too-large"
	}
	var root any
	dec := json.NewDecoder(strings.NewReader(string(r.Value)))
	dec.UseNumber() // ids beyond 2^53 and texts of numbers stay exact
	if err := dec.Decode(&root); err != nil || dec.More() || !utf8.Valid(r.Value) {
		return d, "undecodable"
	}
	if v, ok := r.Headers["ce_specversion"]; ok && v != "" { // CloudEvents, binary
		at, err := time.Parse(time.RFC3339, r.Headers["ce_time"])
		if err != nil {
			return d, "bad-field"
		}
		return delivery{id: r.Headers["ce_id"], kind: strings.TrimPrefix(r.Headers["ce_type"], "com.github."), at: at, doc: root}, ""
	}
	idPath, kindPath, timePath, docPath := "delivery", "event", "at", "payload"
	if _, ok := look(root, "specversion"); ok { // CloudEvents, structured
		idPath, kindPath, timePath, docPath = "id", "type", "time", "data"
	}
	d.id, _ = str(root, idPath)
	d.kind, _ = str(root, kindPath)
	d.kind = strings.TrimPrefix(d.kind, "com.github.")
	d.doc, _ = look(root, docPath)
	at, _ := look(root, timePath)
	switch v := at.(type) {
	case json.Number: // unix milliseconds
		ms, err := strconv.ParseInt(v.String(), 10, 64)
		if err != nil {
			return d, "bad-field"
		}
		d.at = time.UnixMilli(ms)
	case string:
		t, err := time.Parse(time.RFC3339, v)
		if err != nil {
			return d, "bad-field"
		}
		d.at = t
	}
	return d, ""
}

// look follows a path of object keys. ok is false when there is nothing; a JSON null is (nil, true).
func look(v any, path string) (any, bool) {
	for key := range strings.SplitSeq(path, ".") {
		m, isMap := v.(map[string]any)
		if !isMap {
			return nil, false
		}
		next, ok := m[key]
		if !ok {
			return nil, false
		}
		v = next
	}
	return v, true
}

// str gives a text, or the digits of a number, at a path; ok is false for anything else.
func str(v any, path string) (string, bool) {
	x, _ := look(v, path)
	switch s := x.(type) {
	case string:
		return s, true
	case json.Number:
		return s.String(), true
	}
	return "", false
}

// text is str without the second answer.
func text(v any, path string) string {
	s, _ := str(v, path)
	return s
}

// num gives a number, also one that is written as a text.
func num(v any, path string) (float64, bool) {
	s, ok := str(v, path)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// yes gives a JSON true or false.
func yes(v any, path string) (value, ok bool) {
	x, _ := look(v, path)
	value, ok = x.(bool)
	return value, ok
}

// each gives one text of every object in an array: issue.assignees and login give all logins.
func each(v any, path, key string) []string {
	x, _ := look(v, path)
	list, _ := x.([]any)
	var out []string
	for _, item := range list {
		if s, ok := str(item, key); ok {
			out = append(out, s)
		}
	}
	return out
}

// vendorUser says whether RongCloud takes the user id (rongcloud.md 4): 1 to 64 of A-Za-z0-9 + = - _.
func vendorUser(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && !strings.ContainsRune("+=-_", c) {
			return false
		}
	}
	return true
}
