package rongpush

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/notifier/notifier/internal/intent"
)

// Message is an in-app message: a type and its content, which on the wire is a string.
type Message struct {
	Type                 string // objectName: RC:TxtMsg, RC:InfoNtf, RC:CmdMsg or a custom type of the app
	Content              string // JSON text for the RC: types, free for custom ones
	DisableUpdateLastMsg *bool  // true: do not move the conversation list's last message
}

// builtin are the RC: types that may be sent and their fields (rongcloud.md 8); the media types need an upload
// elsewhere first and are refused.
var builtin = map[string]struct{ required, optional []string }{
	"RC:TxtMsg":  {[]string{"content"}, []string{"extra", "user"}},
	"RC:InfoNtf": {[]string{"message"}, []string{"extra", "user"}},
	"RC:CmdMsg":  {[]string{"name", "data"}, []string{"user"}},
}

// NewMessage builds a message from a rule's fields; keys are written in order of their names, so equal fields give
// equal bytes. extra "" is absent.
func NewMessage(typ string, fields map[string]string, extra string) (Message, error) {
	all := maps.Clone(fields)
	if extra != "" {
		if _, twice := fields["extra"]; twice {
			return Message{}, invalid("message.content.extra", "given twice")
		}
		if all == nil {
			all = make(map[string]string)
		}
		all["extra"] = extra
	}
	if all == nil {
		all = map[string]string{}
	}
	for k, v := range all {
		if err := first(text("message.content", k, maxShortBytes), text("message.content."+k, v, MaxContentBytes)); err != nil {
			return Message{}, err
		}
	}
	b, err := compactJSON(all)
	if err != nil {
		return Message{}, err
	}
	m := Message{Type: typ, Content: string(b)}
	return m, m.validate()
}

func (m Message) validate() error {
	if m.Type == "" || units(m.Type) > MaxObjectName {
		return invalid("objectName", "%q: want 1 to %d characters", m.Type, MaxObjectName)
	}
	if strings.ContainsFunc(m.Type, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return invalid("objectName", "%q: want visible ASCII", m.Type)
	}
	if m.Content == "" || len(m.Content) > MaxContentBytes {
		return invalid("content", "%d bytes; want 1 to %d", len(m.Content), MaxContentBytes)
	}
	if !utf8.ValidString(m.Content) {
		return invalid("content", "not valid UTF-8")
	}
	fields, known := builtin[m.Type]
	if !known {
		if strings.HasPrefix(strings.ToUpper(m.Type), "RC:") {
			return invalid("objectName", "%q; want %s or a custom type, which must not begin with RC:", m.Type, strings.Join(slices.Sorted(maps.Keys(builtin)), ", "))
		}
		return nil
	}
	var content map[string]json.RawMessage
	if err := json.Unmarshal([]byte(m.Content), &content); err != nil || content == nil {
		return invalid("content", "%s wants a JSON object", m.Type)
	}
	for _, k := range fields.required {
		if _, ok := content[k]; !ok {
			return invalid("content."+k, "missing; %s wants %s", m.Type, strings.Join(fields.required, " and "))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(content)) {
		var s string
		switch {
		case !slices.Contains(fields.required, k) && !slices.Contains(fields.optional, k):
			return invalid("content."+k, "unknown; %s has %s", m.Type, strings.Join(slices.Concat(fields.required, fields.optional), ", "))
		case k == "user":
			var user map[string]string
			if json.Unmarshal(content[k], &user) != nil || user == nil {
				return invalid("content.user", "want an object of texts")
			}
		case string(content[k]) == "null" || json.Unmarshal(content[k], &s) != nil:
			return invalid("content."+k, "want a text")
		case s == "" && slices.Contains(fields.required, k):
			return invalid("content."+k, "empty")
		}
	}
	return nil
}

// MsgRandom is the message endpoints' dedupe field, the same for the same intent. The vendor acts on it only where it
// was enabled by ticket, and for a minute: sent, never relied on.
func MsgRandom(id intent.ID) int64 {
	sum := sha256.Sum256([]byte(id))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 1)
}

// msgRandom is the form value; "" without an intent.
func msgRandom(id intent.ID) string {
	if id == "" {
		return ""
	}
	return strconv.FormatInt(MsgRandom(id), 10)
}
