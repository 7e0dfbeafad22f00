package rongpush

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Extras is a rule's `rongcloud:` block: the parts of a Notification for which there is no neutral key, spelled as
// /push.json spells them.
type Extras struct {
	ForceShowPushContent *int       `json:"forceShowPushContent,omitempty"`
	IOS                  *IOS       `json:"ios,omitempty"`
	Android              *Android   `json:"android,omitempty"`
	HarmonyOS            *HarmonyOS `json:"harmonyOS,omitempty"`
}

// ParseExtras reads the block and holds it to the vendor's contract. Every key is checked by its exact name and case;
// the error names the whole path and what there is. Empty or null is no extras.
func ParseExtras(raw json.RawMessage) (Extras, error) {
	var x Extras
	if len(bytes.TrimSpace(raw)) == 0 {
		return x, nil
	}
	if err := knownKeys("rongcloud", raw, reflect.TypeFor[Extras]()); err != nil {
		return x, err
	}
	if err := json.Unmarshal(raw, &x); err != nil {
		if bad, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && bad.Field != "" {
			return Extras{}, invalid("rongcloud."+bad.Field, "a %s; want a %s", bad.Value, bad.Type)
		}
		return Extras{}, invalid("rongcloud", "%v", err)
	}
	return x, first(
		zeroOne("rongcloud.forceShowPushContent", x.ForceShowPushContent),
		x.IOS.validate("rongcloud.ios"),
		x.Android.validate("rongcloud.android"),
		x.HarmonyOS.validate("rongcloud.harmonyOS"),
	)
}

// knownKeys refuses what t has no field for. encoding/json's own check matches without case and gives no path.
func knownKeys(path string, raw json.RawMessage, t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || string(bytes.TrimSpace(raw)) == "null" {
		return nil
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return invalid(path, "want an object")
	}
	fields := make(map[string]reflect.Type, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields[name] = t.Field(i).Type
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		ft, ok := fields[key]
		if !ok {
			return invalid(path+"."+key, "unknown key; there are %s", strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
		if err := knownKeys(path+"."+key, object[key], ft); err != nil {
			return err
		}
	}
	return nil
}

// Apply gives n with the extras over it, key by key: what the block sets wins, the rest of n stays. Neither n nor x is
// changed, and the result shares no node with them.
func (x Extras) Apply(n Notification) Notification {
	out := n
	out.ForceShowPushContent = over(n.ForceShowPushContent, x.ForceShowPushContent)
	out.IOS = over(n.IOS, x.IOS)
	out.Android = over(n.Android, x.Android)
	out.HarmonyOS = over(n.HarmonyOS, x.HarmonyOS)
	return out
}

func over[T any](base, top *T) *T {
	out := reflect.New(reflect.TypeFor[*T]()).Elem()
	overlay(out, reflect.ValueOf(base))
	overlay(out, reflect.ValueOf(top))
	return out.Interface().(*T)
}

// overlay writes what src sets into dst, copying pointers and maps.
func overlay(dst, src reflect.Value) {
	if src.IsZero() && src.Kind() != reflect.Struct {
		return
	}
	switch src.Kind() {
	case reflect.Pointer:
		if dst.IsNil() {
			dst.Set(reflect.New(src.Type().Elem()))
		}
		if src.Elem().Kind() == reflect.Struct {
			overlay(dst.Elem(), src.Elem())
		} else {
			dst.Elem().Set(src.Elem()) // a number of which 0 means something
		}
	case reflect.Struct:
		for i := range src.NumField() {
			overlay(dst.Field(i), src.Field(i))
		}
	case reflect.Map:
		if dst.IsNil() {
			dst.Set(reflect.MakeMap(src.Type()))
		}
		for _, k := range src.MapKeys() {
			dst.SetMapIndex(k, src.MapIndex(k))
		}
	default:
		dst.Set(src)
	}
}
