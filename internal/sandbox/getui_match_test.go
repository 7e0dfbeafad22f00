package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/google/go-cmp/cmp"
)

// How an answer is held to a case's "data" and "data_shape".

// differs compares with a case's data: a key that begins with * is any one key, the
// value * any scalar.
func (w *getuiWalk) differs(want, got any) string {
	switch want := want.(type) {
	case string:
		if want == "*" {
			switch got.(type) {
			case string, json.Number, bool:
				return ""
			}
			return fmt.Sprintf("%v is no scalar", got)
		}
		return cmp.Diff(any(w.fill(want)), got)
	case map[string]any:
		object, is := got.(map[string]any)
		if !is || len(object) != len(want) {
			return fmt.Sprintf("%v, want the keys of %v", got, want)
		}
		left := maps.Clone(object)
		for key, x := range want { // named keys first
			if name := w.fill(key); key[0] != '*' {
				if why := w.differs(x, left[name]); why != "" {
					return name + ": " + why
				}
				delete(left, name)
			}
		}
		for _, key := range sortedKeys(want) {
			if key[0] != '*' {
				continue
			}
			met, why := "", ""
			for name, y := range left {
				if why = w.differs(want[key], y); why == "" {
					met = name
					break
				}
			}
			if met == "" {
				return fmt.Sprintf("%v has nothing like %v: %s", left, want[key], why)
			}
			delete(left, met)
		}
		return ""
	case []any:
		list, is := got.([]any)
		if !is || len(list) != len(want) {
			return fmt.Sprintf("%v, want %v", got, want)
		}
		for i := range want {
			if why := w.differs(want[i], list[i]); why != "" {
				return why
			}
		}
		return ""
	default:
		return cmp.Diff(want, got)
	}
}

// shapeOf judges a named shape, or one given as key -> type.
func shapeOf(shape, data any, has bool) string {
	if shape == "none" {
		if data != nil {
			return "want none"
		}
		return ""
	}
	fields, is := data.(map[string]any)
	if !has || !is {
		return "want an object"
	}
	text := func(v any) bool { s, is := v.(string); return is && s != "" }
	switch shape := shape.(type) {
	case map[string]any:
		for name, kind := range shape {
			_, isNumber := fields[name].(json.Number)
			if kind == "string" && !text(fields[name]) || kind == "number" && !isNumber {
				return name + " is no " + kind.(string)
			}
		}
		return ""
	case string:
		want := map[string][]string{
			"token": {"token", "expire_time"}, "task_schedule": {"create_time", "push_time", "send_result"},
		}[shape]
		switch shape {
		case "token":
			for _, name := range want {
				if !text(fields[name]) {
					return name + " is missing"
				}
			}
			return ""
		case "task_cid_status", "task_schedule":
			if len(fields) == 0 {
				return "is empty"
			}
			for task, x := range fields {
				inner, is := x.(map[string]any)
				if !is || len(inner) == 0 {
					return task + " is no object"
				}
				for name, word := range inner {
					if !text(word) {
						return name + " has no word"
					}
				}
				for _, name := range want {
					if inner[name] == nil {
						return name + " is missing"
					}
				}
			}
			return ""
		}
	}
	return fmt.Sprintf("unknown shape %v", shape)
}
