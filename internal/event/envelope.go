package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// open checks the record and unwraps its format.
func (d *document) open() error {
	if d.rec.Value == nil {
		d.gone, d.tombstone = true, true
		return nil
	}
	switch d.plan.format {
	case CloudEvents:
		if header(&d.rec, "ce_specversion") != "" {
			return d.binary()
		}
		if err := d.check(); err != nil {
			return err
		}
		if !d.get(d.plan.specversion).Exists() {
			return undecodable("not a CloudEvent: neither specversion in the JSON nor a ce_specversion header")
		}
		return nil
	case Debezium:
		if err := check(d.rec.Value); err != nil {
			return err
		}
		return d.debezium()
	}
	return d.check()
}

// check is check for a record whose value is the body.
func (d *document) check() error {
	if d.scan(d.rec.Value, maxDepth) {
		return nil
	}
	return check(d.rec.Value)
}

func undecodable(format string, args ...any) error {
	return &DecodeError{Reason: Undecodable, Detail: fmt.Sprintf(format, args...)}
}

func header(rec *Record, name string) string {
	for _, h := range rec.Headers {
		if strings.EqualFold(h.Key, name) {
			return string(h.Value)
		}
	}
	return ""
}

func isJSON(contentType string) bool {
	t, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	t = strings.TrimSpace(t)
	return t == "" || t == "application/json" || t == "text/json" || strings.HasSuffix(t, "+json")
}

// binary gives a CloudEvent in binary mode the shape of structured mode, so that one set of paths serves both: the
// ce_ headers are the attributes at the top, the value is `data`, as a string when it is not JSON.
func (d *document) binary() error {
	data := d.rec.Value
	if err := check(data); err != nil {
		if isJSON(header(&d.rec, "content-type")) {
			return err
		}
		if data, err = json.Marshal(string(bytes.ToValidUTF8(data, []byte("\uFFFD")))); err != nil {
			return undecodable("%v", err)
		}
	}
	attrs := map[string]string{}
	for _, h := range d.rec.Headers {
		name := strings.ToLower(h.Key)
		if name == "content-type" {
			attrs["datacontenttype"] = string(h.Value)
		} else if a, ok := strings.CutPrefix(name, "ce_"); ok && a != "" && a != "data" {
			attrs[a] = string(bytes.ToValidUTF8(h.Value, []byte("\uFFFD")))
		}
	}
	head, err := json.Marshal(attrs)
	if err != nil {
		return undecodable("ce_ headers: %v", err)
	}
	d.scan(slices.Concat(head[:len(head)-1], []byte(`,"data":`), data, []byte("}")), maxDepth+1)
	return nil
}

// debezium finds the envelope, with or without the {"schema","payload"} wrapper, and the row in it.
func (d *document) debezium() error {
	root := gjson.ParseBytes(d.rec.Value)
	if p := root.Get("payload"); p.Exists() && root.Get("schema").Exists() {
		root = p
	}
	if root.Type == gjson.Null {
		d.gone, d.tombstone = true, true
		return nil
	}
	op := root.Get("op")
	if op.Type != gjson.String || op.Str == "" {
		return undecodable("not a Debezium envelope: no op")
	}
	d.envelope, d.op = root.Raw, op.Str
	row := root.Get("after")
	if d.op == "d" {
		d.gone = true
		row = root.Get("before")
	}
	if row.IsObject() {
		d.scan([]byte(row.Raw), maxDepth)
	} else if d.op == "c" || d.op == "u" || d.op == "r" {
		return undecodable("a Debezium envelope of op %q without a row", d.op)
	}
	return nil
}

// sourcePosition are the parts of a Debezium source that say where in the database's log a change stands. The rest
// (connector version, time of capture, PostgreSQL's sequence) may differ when the connector sends the change again.
var sourcePosition = []string{"name", "db", "schema", "table", "collection", "file", "pos", "row", "gtid", "lsn", "txId",
	"scn", "commit_scn", "change_lsn", "commit_lsn", "event_serial_no", "ord", "sec"}

// sourceID is the identity of a change that declares none: a hash of source position, op and key.
func (d *document) sourceID() string {
	h := sha256.New()
	src := gjson.Get(d.envelope, "source")
	for _, name := range sourcePosition {
		fmt.Fprintf(h, "%s=%s\n", name, src.Get(name).Raw)
	}
	fmt.Fprintf(h, "op=%s\nkey=%d:%s\n", d.op, len(d.rec.Key), d.rec.Key)
	if len(d.rec.Key) == 0 {
		h.Write(d.body) // without a key the row tells the rows of one transaction apart
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// check refuses a value before any recursive parser sees it.
func check(b []byte) error {
	if _, ok := scan(b, nil, nil, maxDepth); ok {
		return nil
	}
	if at := tooDeep(b); at >= 0 {
		return undecodable("nested deeper than %d at byte %d", maxDepth, at)
	}
	if gjson.ValidBytes(b) {
		return nil
	}
	var raw json.RawMessage
	err := json.Unmarshal(b, &raw)
	if se, ok := errors.AsType[*json.SyntaxError](err); ok {
		return undecodable("invalid JSON at byte %d: %v", se.Offset, err)
	}
	return undecodable("invalid JSON")
}

// tooDeep gives the byte at which JSON is nested deeper than maxDepth, or -1, in one pass without recursion.
func tooDeep(b []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return i
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return -1
}
