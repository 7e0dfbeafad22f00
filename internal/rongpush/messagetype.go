package rongpush

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// kind is what a field of a message's content holds.
type kind byte

const (
	plain   kind = iota // a text
	needed              // a text that is not empty
	picture             // base64 of a thumbnail, without line breaks
	whole               // a whole number, not below 0
	seconds             // a whole number from 0 to 60
	sender              // the user object: id, name, portrait, extra
)

// messageType is the fields that a type of the vendor must and may have.
type messageType struct{ required, optional map[string]kind }

// with is the two optional fields that most types have.
func with(more ...string) map[string]kind {
	out := map[string]kind{"extra": plain}
	for _, k := range more {
		out[k] = plain
		if k == "user" {
			out[k] = sender
		}
	}
	return out
}

// messageTypes is the vendor's table (rongcloud.md 8). The media types carry addresses of what was uploaded elsewhere.
// size, latitude and longitude are texts, as the table types them, though its samples show numbers. The vendor's other
// types (RC:VcMsg, RC:ReferenceMsg, ...) have no documented fields and are refused.
var messageTypes = map[string]messageType{
	"RC:TxtMsg":     {map[string]kind{"content": needed}, with("user")},
	"RC:ImgMsg":     {map[string]kind{"content": picture, "imageUri": needed}, with("user")},
	"RC:GIFMsg":     {map[string]kind{"gifDataSize": whole, "localPath": needed, "remoteUrl": needed, "width": whole, "height": whole}, with("user")},
	"RC:HQVCMsg":    {map[string]kind{"remoteUrl": needed, "duration": seconds}, with("user", "localPath")},
	"RC:FileMsg":    {map[string]kind{"name": needed, "size": needed, "type": needed, "fileUrl": needed}, with("user")},
	"RC:SightMsg":   {map[string]kind{"sightUrl": needed, "content": picture, "duration": whole, "size": needed, "name": needed}, with("user")},
	"RC:LBSMsg":     {map[string]kind{"content": picture, "latitude": needed, "longitude": needed, "poi": needed}, with("user")},
	"RC:InfoNtf":    {map[string]kind{"message": needed}, with()},
	"RC:ProfileNtf": {map[string]kind{"operation": needed, "data": needed}, with()},
	"RC:ContactNtf": {map[string]kind{"operation": needed, "sourceUserId": needed, "targetUserId": needed, "message": needed}, with()},
	"RC:CmdMsg":     {map[string]kind{"name": needed, "data": needed}, nil},
}

// MessageTypes are the vendor's types that may be sent, sorted.
func MessageTypes() []string { return slices.Sorted(maps.Keys(messageTypes)) }

func (t messageType) kind(field string) kind {
	if k, ok := t.required[field]; ok {
		return k
	}
	return t.optional[field]
}

func (t messageType) fields() []string {
	return slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Keys(t.required)), slices.Collect(maps.Keys(t.optional)))))
}

// isJSON reports whether a rule's text is itself the JSON that a field wants: a number, or the user object.
func (k kind) isJSON(s string) bool {
	switch k {
	case whole, seconds:
		return k.problem("", json.RawMessage(s)) == nil
	case sender:
		return json.Valid([]byte(s)) && strings.HasPrefix(strings.TrimSpace(s), "{")
	}
	return false
}

// check finds what is missing, unknown, or of another kind; fields for which open reports true have no value yet.
func (t messageType) check(typ string, content map[string]json.RawMessage, open func(field string) bool) error {
	var err error
	for _, k := range slices.Sorted(maps.Keys(t.required)) {
		if _, ok := content[k]; !ok {
			err = every(err, refuse("content."+k, "missing; %s wants %s", "缺少；%s 必须有 %s", typ, strings.Join(slices.Sorted(maps.Keys(t.required)), ", ")))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(content)) {
		switch {
		case !slices.Contains(t.fields(), k):
			err = every(err, &InvalidError{Field: "content." + k, Reason: "unknown; " + typ + " has " + strings.Join(t.fields(), ", "), ZH: "没有这一项；" + typ + " 有 " + strings.Join(t.fields(), ", "), Known: t.fields()})
		case open == nil || !open(k):
			err = every(err, t.kind(k).problem("content."+k, content[k]))
		}
	}
	return err
}

// problem judges one value.
func (k kind) problem(field string, v json.RawMessage) error {
	switch k {
	case whole, seconds:
		var n int64
		if json.Unmarshal(v, &n) != nil || n < 0 || k == seconds && n > 60 || bytes.Equal(bytes.TrimSpace(v), []byte("null")) {
			if k == seconds {
				return refuse(field, "%s: want a whole number from 0 to 60", "%s：应为 0 到 60 的整数", v)
			}
			return refuse(field, "%s: want a whole number", "%s：应为整数", v)
		}
		return nil
	case sender:
		return userObject(field, v)
	}
	var s string
	if json.Unmarshal(v, &s) != nil || string(v) == "null" {
		return refuse(field, "want a text", "应为文字")
	}
	switch {
	case s == "" && k != plain:
		return refuse(field, "empty", "是空的")
	case k == picture:
		if _, err := base64.StdEncoding.DecodeString(s); err != nil || strings.ContainsAny(s, "\r\n") {
			return refuse(field, "want base64 in one line", "应为一行 base64")
		}
	}
	return nil
}

func userObject(field string, v json.RawMessage) error {
	var user map[string]string
	if json.Unmarshal(v, &user) != nil || user == nil {
		return refuse(field, "want an object of texts, as JSON", "应为 JSON 对象，值都是文字")
	}
	for _, k := range slices.Sorted(maps.Keys(user)) {
		if !slices.Contains([]string{"id", "name", "portrait", "extra"}, k) {
			return refuse(field+"."+k, "unknown; there are %s", "没有这一项；可用：%s", "id, name, portrait, extra")
		}
	}
	return nil
}
