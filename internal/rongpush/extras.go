package rongpush

import (
	"bytes"
	"encoding/json"
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
	x, err := parseExtras(raw)
	if err := first(err); err != nil {
		return Extras{}, err
	}
	return x, nil
}

// CheckExtras is ParseExtras for a rule file: it finds all mistakes. With a message the extras travel in pushExt, which has no place
// for some of them.
func CheckExtras(raw json.RawMessage, message bool) error {
	x, err := parseExtras(raw)
	if err == nil && message {
		n := x.Apply(Notification{})
		for _, own := range []struct {
			field string
			set   bool
		}{
			{"ios.extras", n.IOS != nil && n.IOS.Extras != nil}, {"android.extras", n.Android != nil && n.Android.Extras != nil},
			{"harmonyOS.extras", n.HarmonyOS != nil && n.HarmonyOS.Extras != nil},
		} {
			if own.set {
				err = every(err, refuse("rongcloud."+own.field, "cannot travel with a message; put it into the message's content or extra",
					"带 message 时发不出去，请写进消息的 content 或 extra"))
			}
		}
		err = every(err, n.onlyExt("rongcloud"))
	}
	return err
}

func parseExtras(raw json.RawMessage) (Extras, error) {
	var x Extras
	if len(bytes.TrimSpace(raw)) == 0 {
		return x, nil
	}
	if err := knownKeys("rongcloud", raw, reflect.TypeFor[Extras]()); err != nil {
		return x, err
	}
	if err := json.Unmarshal(raw, &x); err != nil { // knownKeys has looked at every type
		return Extras{}, invalid("rongcloud", "%v", err)
	}
	return x, every(
		zeroOne("rongcloud.forceShowPushContent", x.ForceShowPushContent),
		x.IOS.validate("rongcloud.ios"),
		x.Android.validate("rongcloud.android"),
		x.HarmonyOS.validate("rongcloud.harmonyOS"),
	)
}

// knownKeys refuses what t has no field for, and values of another type. encoding/json's own check matches without case, gives no
// path, and stops at the first.
func knownKeys(path string, raw json.RawMessage, t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if string(bytes.TrimSpace(raw)) == "null" {
		return nil
	}
	switch t.Kind() {
	case reflect.Int:
		if json.Unmarshal(raw, new(int)) != nil {
			return refuse(path, "%s; want a whole number", "%s：应为整数", raw)
		}
		return nil
	case reflect.String:
		if json.Unmarshal(raw, new(string)) != nil {
			return refuse(path, "%s; want a text (in quotation marks)", "%s：应为文字（请加引号）", raw)
		}
		return nil
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return refuse(path, "want an object", "应为一组配置项")
	}
	fields := map[string]reflect.Type{}
	if t.Kind() == reflect.Struct {
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			fields[name] = t.Field(i).Type
		}
	}
	var err error
	for _, key := range slices.Sorted(maps.Keys(object)) {
		ft, ok := fields[key]
		if t.Kind() == reflect.Map {
			ft, ok = t.Elem(), true
		}
		if !ok {
			err = every(err, unknownKey(path+"."+key, slices.Sorted(maps.Keys(fields))))
			continue
		}
		err = every(err, knownKeys(path+"."+key, object[key], ft))
	}
	return err
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
