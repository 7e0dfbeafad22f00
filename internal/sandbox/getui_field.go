package sandbox

import (
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"
)

// fieldCheck reads fields of a body in document order and keeps the first refusal;
// what is read after it has no meaning. Unknown fields are ignored, null is absent.
type fieldCheck struct{ refused *getuiRefusal }

func (k *fieldCheck) fail(msg string) { k.refuse(badParameter(msg)) }

func (k *fieldCheck) refuse(r *getuiRefusal) {
	if k.refused == nil {
		k.refused = r
	}
}

// field is whether the field is there; a required one must be.
func (k *fieldCheck) field(m map[string]any, name string, required bool) (any, bool) {
	v := m[name]
	if v == nil && required {
		k.fail(name + " can not be empty")
	}
	return v, v != nil
}

// text is a string of at most most characters, 0 = any number of them.
func (k *fieldCheck) text(m map[string]any, name string, most int, required bool) string {
	v, there := k.field(m, name, required)
	if !there {
		return ""
	}
	s, is := v.(string)
	switch {
	case !is:
		k.fail(name + " type error")
	case s == "" && required:
		k.fail(name + " can not be empty")
	case most > 0 && utf8.RuneCountInString(s) > most:
		k.fail(name + " size over limit")
	}
	return s
}

// choice is one of the words, "" when it is absent.
func (k *fieldCheck) choice(m map[string]any, name string, required bool, words ...string) string {
	s := k.text(m, name, 0, required)
	if s != "" && !slices.Contains(words, s) {
		k.fail(name + " is invalid")
	}
	return s
}

// integer takes a number or its digits in a string, as the vendor's own kits send
// either; 0 when it is absent.
func (k *fieldCheck) integer(m map[string]any, name string, least, most int64, required bool) int64 {
	v, there := k.field(m, name, required)
	if !there {
		return 0
	}
	n, is := integerOf(v)
	switch {
	case v == "" && required:
		k.fail(name + " can not be empty")
	case !is:
		k.fail(name + " type error")
	case n < least || n > most:
		k.fail(name + " is invalid")
	}
	return n
}

func integerOf(v any) (int64, bool) {
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = v
	default:
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

func (k *fieldCheck) flag(m map[string]any, name string) bool {
	v, there := k.field(m, name, false)
	b, is := v.(bool)
	if there && !is {
		k.fail(name + " type error")
	}
	return b
}

func (k *fieldCheck) object(m map[string]any, name string, required bool) map[string]any {
	v, there := k.field(m, name, required)
	o, is := v.(map[string]any)
	if there && !is {
		k.fail(name + " type error")
	}
	return o
}

// list is an array of one to most items.
func (k *fieldCheck) list(m map[string]any, name string, most int, required bool) []any {
	v, there := k.field(m, name, required)
	if !there {
		return nil
	}
	l, is := v.([]any)
	switch {
	case !is:
		k.fail(name + " type error")
	case len(l) == 0 && required:
		k.fail(name + " can not be empty")
	case len(l) > most:
		k.fail(name + " size over limit")
	}
	return l
}

// texts is a required array of one to most strings that are not empty.
func (k *fieldCheck) texts(m map[string]any, name string, most int) []string {
	var out []string
	for _, x := range k.list(m, name, most, true) {
		s, is := x.(string)
		switch {
		case !is:
			k.fail(name + " type error")
		case s == "":
			k.fail(name + " can not be empty")
		}
		out = append(out, s)
	}
	return out
}

// unique refuses a value that stands twice.
func (k *fieldCheck) unique(name string, values []string) {
	seen := map[string]bool{}
	for _, v := range values {
		if seen[v] {
			k.fail("contains duplicate " + name)
		}
		seen[v] = true
	}
}
