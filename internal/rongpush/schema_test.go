package rongpush

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// schemas is rongcloud-schemas.json, checked by the few keywords that it uses; an unknown keyword is an error, so that
// nothing is skipped in silence.
type schemas map[string]map[string]any

func readSchemas(t testing.TB) schemas {
	t.Helper()
	b, err := os.ReadFile("testdata/rongcloud-schemas.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schemas
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// check validates a request's body by the schema of its endpoint.
func (s schemas) check(name string, body []byte, contentType string) []string {
	root, ok := s[name]
	if !ok {
		return []string{"no schema " + name}
	}
	var v any
	if contentType == "application/json" {
		if err := json.Unmarshal(body, &v); err != nil {
			return []string{err.Error()}
		}
	} else {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return []string{err.Error()}
		}
		object := make(map[string]any)
		for k, list := range form {
			if k == "userIds" || k == "toUserId" {
				all := []any{}
				for _, e := range list {
					all = append(all, e)
				}
				object[k] = all
			} else if object[k] = list[0]; len(list) != 1 {
				return []string{k + " is repeated"}
			}
		}
		v = object
	}
	c := checker{defs: root["$defs"].(map[string]any)}
	c.value("", root, v)
	return c.problems
}

type checker struct {
	defs     map[string]any
	problems []string
}

func (c *checker) bad(at, format string, args ...any) {
	c.problems = append(c.problems, at+": "+fmt.Sprintf(format, args...))
}

func (c *checker) ref(s any) map[string]any {
	return c.defs[strings.TrimPrefix(s.(string), "#/$defs/")].(map[string]any)
}

func (c *checker) value(at string, schema map[string]any, v any) {
	str, isString := v.(string)
	num, isNumber := v.(float64)
	list, isList := v.([]any)
	object, isObject := v.(map[string]any)
	limit := func(k string) int { return int(schema[k].(float64)) }
	for k, want := range schema {
		switch k {
		case "$schema", "$defs", "title", "default", "x-note", "x-rule":
		case "$ref":
			c.value(at, c.ref(want), v)
		case "type":
			_, isBool := v.(bool)
			if ok := map[string]bool{"string": isString, "integer": isNumber && num == float64(int(num)), "array": isList, "object": isObject, "boolean": isBool}[want.(string)]; !ok {
				c.bad(at, "%v is no %v", v, want)
			}
		case "required":
			for _, r := range want.([]any) {
				if _, ok := object[r.(string)]; !ok {
					c.bad(at, "%v is missing", r)
				}
			}
		case "properties":
			for name, sub := range want.(map[string]any) {
				if e, ok := object[name]; ok {
					c.value(at+"."+name, sub.(map[string]any), e)
				}
			}
		case "additionalProperties":
			if want != false {
				continue
			}
			known, _ := schema["properties"].(map[string]any)
			for name := range object {
				if _, ok := known[name]; !ok {
					c.bad(at, "unknown property %s", name)
				}
			}
		case "dependentRequired":
			for name, needs := range want.(map[string]any) {
				if _, ok := object[name]; ok {
					for _, n := range needs.([]any) {
						if _, ok := object[n.(string)]; !ok {
							c.bad(at, "%s without %v", name, n)
						}
					}
				}
			}
		case "items":
			for i, e := range list {
				c.value(fmt.Sprintf("%s[%d]", at, i), want.(map[string]any), e)
			}
		case "minItems":
			if isList && len(list) < limit(k) {
				c.bad(at, "%d items", len(list))
			}
		case "maxItems":
			if len(list) > limit(k) {
				c.bad(at, "%d items", len(list))
			}
		case "uniqueItems":
			for i, e := range list {
				if slices.Contains(list[:i], e) {
					c.bad(at, "%v twice", e)
				}
			}
		case "minProperties":
			if len(object) < limit(k) {
				c.bad(at, "%d properties", len(object))
			}
		case "maxProperties":
			if len(object) > limit(k) {
				c.bad(at, "%d properties", len(object))
			}
		case "minLength":
			if utf8.RuneCountInString(str) < limit(k) {
				c.bad(at, "too short: %q", str)
			}
		case "maxLength":
			if utf8.RuneCountInString(str) > limit(k) {
				c.bad(at, "too long: %q", str)
			}
		case "x-maxBytes":
			if len(str) > limit(k) {
				c.bad(at, "%d bytes", len(str))
			}
		case "maximum":
			if num > want.(float64) {
				c.bad(at, "%v is too large", num)
			}
		case "pattern":
			if !regexp.MustCompile(want.(string)).MatchString(str) {
				c.bad(at, "%q does not match %s", str, want)
			}
		case "x-charset":
			if !regexp.MustCompile(`^[\p{L}\p{N}_-]+$`).MatchString(str) {
				c.bad(at, "%q has special characters", str)
			}
		case "enum":
			if !slices.Contains(want.([]any), v) {
				c.bad(at, "%v is none of %v", v, want)
			}
		case "x-json":
			var inner any
			if err := json.Unmarshal([]byte(str), &inner); err != nil {
				c.bad(at, "%v", err)
			} else {
				c.value(at+"(json)", c.ref(want), inner)
			}
		default:
			c.bad(at, "the test's validator does not know %q", k)
		}
	}
}
