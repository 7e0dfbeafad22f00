package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// refusal says why a request is not accepted: a vendor code (section 3) and the
// words for errorMessage.
type refusal struct {
	code int
	text string
}

const (
	codeParameter = 1002 // parameter error: type, count, charset, missing, unknown
	codeTooLong   = 1005 // a string over its length
)

func wrong(at, format string, args ...any) *refusal {
	return &refusal{codeParameter, at + ": " + fmt.Sprintf(format, args...)}
}

func tooLong(at string, limit int, unit string) *refusal {
	return &refusal{codeTooLong, fmt.Sprintf("%s: longer than %d %s", at, limit, unit)}
}

// check judges one decoded value (map[string]any, []any, string, bool,
// json.Number, nil) found at a path such as "audience.tag[3]"; nil accepts it.
// Lenient mode takes booleans as strings and ignores unknown fields.
type check func(lenient bool, at string, v any) *refusal

// field is one key of an object.
type field struct {
	name     string
	required bool
	check    check
}

func req(name string, c check) field { return field{name, true, c} }
func opt(name string, c check) field { return field{name, false, c} }

// object accepts an object with these fields and, in strict mode, no others:
// that is what catches fromUserId for fromuserid and threadId for thread-id.
func object(fields ...field) check {
	known := make(map[string]bool, len(fields))
	for _, f := range fields {
		known[f.name] = true
	}
	return func(lenient bool, at string, v any) *refusal {
		m, ok := v.(map[string]any)
		if !ok {
			return wrong(at, "must be an object")
		}
		for _, f := range fields {
			value, present := m[f.name]
			if !present {
				if f.required {
					return wrong(join(at, f.name), "is required")
				}
				continue
			}
			if r := f.check(lenient, join(at, f.name), value); r != nil {
				return r
			}
		}
		if lenient {
			return nil
		}
		for _, name := range sortedKeys(m) {
			if !known[name] {
				return wrong(join(at, name), "is not a field of this request")
			}
		}
		return nil
	}
}

// both applies one check after another to the same value.
func both(first check, more ...check) check {
	return func(lenient bool, at string, v any) *refusal {
		if r := first(lenient, at, v); r != nil {
			return r
		}
		for _, c := range more {
			if r := c(lenient, at, v); r != nil {
				return r
			}
		}
		return nil
	}
}

// list accepts an array of least..most items; most 0 means unbounded.
func list(least, most int, item check) check {
	return func(lenient bool, at string, v any) *refusal {
		items, ok := v.([]any)
		if !ok {
			return wrong(at, "must be an array")
		}
		if len(items) < least || most > 0 && len(items) > most {
			return wrong(at, "has %d items, allowed are %d to %d", len(items), least, most)
		}
		for i, x := range items {
			if r := item(lenient, fmt.Sprintf("%s[%d]", at, i), x); r != nil {
				return r
			}
		}
		return nil
	}
}

// text accepts a string of at least least bytes, at most maxChars code points
// and at most maxBytes UTF-8 bytes; 0 means no such limit.
func text(least, maxChars, maxBytes int) check {
	return func(_ bool, at string, v any) *refusal {
		s, ok := v.(string)
		switch {
		case !ok:
			return wrong(at, "must be a string")
		case len(s) < least:
			return wrong(at, "must not be empty")
		case maxChars > 0 && utf8.RuneCountInString(s) > maxChars:
			return tooLong(at, maxChars, "characters")
		case maxBytes > 0 && len(s) > maxBytes:
			return tooLong(at, maxBytes, "bytes")
		}
		return nil
	}
}

// matching accepts a string that the expression matches; what names it in words.
func matching(expression, what string) check {
	re := regexp.MustCompile(expression)
	return func(_ bool, at string, v any) *refusal {
		if s, ok := v.(string); !ok || !re.MatchString(s) {
			return wrong(at, "must be %s", what)
		}
		return nil
	}
}

// oneOf accepts one of the literals, written as JSON: strings and numbers differ.
func oneOf(literals ...string) check {
	return func(_ bool, at string, v any) *refusal {
		got, err := json.Marshal(v)
		if err != nil || !slices.Contains(literals, string(got)) {
			return wrong(at, "must be one of %s", strings.Join(literals, ", "))
		}
		return nil
	}
}

// integer accepts a whole number up to most.
func integer(most int64) check {
	return func(_ bool, at string, v any) *refusal {
		n, ok := v.(json.Number)
		if !ok {
			return wrong(at, "must be a number")
		}
		i, err := n.Int64()
		if err != nil || i > most {
			return wrong(at, "must be a whole number up to %d", most)
		}
		return nil
	}
}

// boolean accepts true and false; lenient mode also the strings, which old docs
// used.
func boolean(lenient bool, at string, v any) *refusal {
	if _, ok := v.(bool); ok {
		return nil
	}
	if s, ok := v.(string); ok && lenient && (s == "true" || s == "false") {
		return nil
	}
	return wrong(at, "must be true or false")
}

// anyObject accepts every object: extras and other open maps.
func anyObject(_ bool, at string, v any) *refusal {
	if _, ok := v.(map[string]any); !ok {
		return wrong(at, "must be an object")
	}
	return nil
}

// stringMap accepts an object whose values are strings.
func stringMap(_ bool, at string, v any) *refusal {
	m, ok := v.(map[string]any)
	if !ok {
		return wrong(at, "must be an object")
	}
	for _, name := range sortedKeys(m) {
		if _, ok := m[name].(string); !ok {
			return wrong(join(at, name), "must be a string")
		}
	}
	return nil
}

// jsonText accepts a string that holds a JSON value which the inner check accepts.
func jsonText(inner check) check {
	return func(lenient bool, at string, v any) *refusal {
		s, ok := v.(string)
		if !ok {
			return wrong(at, "must be a string")
		}
		value, err := decodeJSON([]byte(s))
		if err != nil {
			return wrong(at, "must hold JSON text: %v", err)
		}
		return inner(lenient, at, value)
	}
}

// flag and digitFlag are the booleans of JSON numbers and of form fields.
var (
	flag      = oneOf(`0`, `1`)
	digitFlag = oneOf(`"0"`, `"1"`)
	boolWord  = oneOf(`"true"`, `"false"`)
	anyText   = text(0, 0, 0)
	someText  = text(1, 0, 0)
	httpsURL  = matching(`^https://`, "an https URL")

	// userID: 1 to 64 bytes of A-Za-z0-9 + = - _ (section 4, common limits).
	userID = both(text(1, 0, 64), matching(`^[A-Za-z0-9+=_-]+$`, "letters, digits, + = - _"))
	// tag: up to 40 bytes; the vendor bans "special characters" without a list,
	// the sandbox allows letters, digits, _ and - (A-10).
	tag = both(text(1, 0, 40), matching(`^[\p{L}\p{N}_-]+$`, "letters, digits, _ or -"))
)

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

// decodeJSON decodes exactly one JSON value, numbers kept as json.Number.
func decodeJSON(b []byte) (any, error) {
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("not UTF-8")
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF { // More would take a closing bracket for the end
		return nil, fmt.Errorf("more than one value")
	}
	return v, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// stringOf, stringsOf and boolOf read fields of a body that its check accepted;
// an absent field is the zero value.
func stringOf(m map[string]any, name string) string {
	s, _ := m[name].(string)
	return s
}

func stringsOf(m map[string]any, name string) []string {
	items, _ := m[name].([]any)
	out := make([]string, 0, len(items))
	for _, x := range items {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func boolOf(m map[string]any, name string) bool {
	return m[name] == true || m[name] == "true"
}

func objectOf(m map[string]any, name string) map[string]any {
	o, _ := m[name].(map[string]any)
	return o
}
