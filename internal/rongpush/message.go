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
	Type                 string // objectName: one of MessageTypes, or a custom type of the app
	Content              string // JSON text for the RC: types, free for custom ones
	DisableUpdateLastMsg *bool  // true: do not move the conversation list's last message
}

// NewMessage builds a message from a rule's fields, which are texts; keys are written in order of their names, so equal
// fields give equal bytes. Where the type has a whole number (width, duration) the text must be one and is sent as a
// number; `user` is the JSON text of an object. extra "" is absent.
func NewMessage(typ string, fields map[string]string, extra string) (Message, error) {
	all, err := messageFields(typ, fields, extra)
	if err != nil {
		return Message{}, first(err)
	}
	b, err := compactJSON(all)
	if err != nil {
		return Message{}, err
	}
	m := Message{Type: typ, Content: string(b)}
	return m, first(m.validate())
}

// CheckMessage is NewMessage for a rule file, where a text may be known only when an event comes: open names those
// fields, of which nothing but their names is checked. It finds all mistakes.
func CheckMessage(typ string, fields map[string]string, extra string, open func(field string) bool) error {
	if err := validType(typ); err != nil {
		return err
	}
	all, err := messageFields(typ, fields, extra)
	if t, builtin := messageTypes[typ]; builtin {
		err = every(err, t.check(typ, all, open))
	}
	return err
}

// messageFields gives each field the JSON that its type wants.
func messageFields(typ string, fields map[string]string, extra string) (map[string]json.RawMessage, error) {
	all := maps.Clone(fields)
	if all == nil {
		all = map[string]string{}
	}
	var err error
	if extra != "" {
		if _, twice := all["extra"]; twice {
			err = every(err, refuse("content.extra", "given twice, here and as extra of the message", "写了两次：这里和 message.extra"))
		}
		all["extra"] = extra
	}
	out := make(map[string]json.RawMessage, len(all))
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if bad := every(text("content", k, maxShortBytes), text("content."+k, all[k], MaxContentBytes)); bad != nil {
			err = every(err, bad)
			continue
		}
		if messageTypes[typ].kind(k).isJSON(all[k]) {
			out[k] = json.RawMessage(all[k])
			continue
		}
		b, bad := compactJSON(all[k])
		out[k], err = b, every(err, bad)
	}
	return out, err
}

func validType(typ string) error {
	if typ == "" || units(typ) > MaxObjectName {
		return refuse("objectName", "%q: want 1 to %d characters", "%q：应为 1 到 %d 个字符", typ, MaxObjectName)
	}
	if strings.ContainsFunc(typ, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return refuse("objectName", "%q: want visible ASCII", "%q：只能用可见的 ASCII 字符", typ)
	}
	if _, known := messageTypes[typ]; !known && strings.HasPrefix(strings.ToUpper(typ), "RC:") {
		return refuse("objectName", "%q; want one of %s, or a custom type, which must not begin with RC:", "没有消息类型 %q；可用：%s；自定义类型不能以 RC: 开头",
			typ, strings.Join(MessageTypes(), ", "))
	}
	return nil
}

func (m Message) validate() error {
	if err := validType(m.Type); err != nil {
		return err
	}
	if m.Content == "" || len(m.Content) > MaxContentBytes {
		return refuse("content", "%d bytes; want 1 to %d", "长 %d 字节，应为 1 到 %d", len(m.Content), MaxContentBytes)
	}
	if !utf8.ValidString(m.Content) {
		return refuse("content", "not valid UTF-8", "不是 UTF-8")
	}
	t, builtin := messageTypes[m.Type]
	if !builtin {
		return nil
	}
	var content map[string]json.RawMessage
	if err := json.Unmarshal([]byte(m.Content), &content); err != nil || content == nil {
		return refuse("content", "%s wants a JSON object", "%s 应为 JSON 对象", m.Type)
	}
	return t.check(m.Type, content, nil)
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
