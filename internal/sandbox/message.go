package sandbox

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// maxContent is the most bytes of a message content: "128k", unit letter only in
// the docs, read generously here.
const maxContent = 128 << 10

var (
	objectName = text(1, 32, 0)
	content    = text(1, 0, maxContent)
)

// messageTypes lists the vendor's built-in message types and the fields their
// content must have (section 8): s string, n whole number, a string or number.
// The last two lines exist besides the documented table; their fields are unknown.
var messageTypes = map[string]map[string]byte{
	"RC:TxtMsg":     {"content": 's'},
	"RC:ImgMsg":     {"content": 's', "imageUri": 's'},
	"RC:GIFMsg":     {"gifDataSize": 'n', "localPath": 's', "remoteUrl": 's', "width": 'n', "height": 'n'},
	"RC:HQVCMsg":    {"remoteUrl": 's', "duration": 'n'},
	"RC:FileMsg":    {"name": 's', "size": 'a', "type": 's', "fileUrl": 's'},
	"RC:SightMsg":   {"sightUrl": 's', "content": 's', "duration": 'n', "size": 'a', "name": 's'},
	"RC:LBSMsg":     {"content": 's', "latitude": 'a', "longitude": 'a', "poi": 's'},
	"RC:InfoNtf":    {"message": 's'},
	"RC:ProfileNtf": {"operation": 's', "data": 's'},
	"RC:ContactNtf": {"operation": 's', "sourceUserId": 's', "targetUserId": 's', "message": 's'},
	"RC:CmdMsg":     {"name": 's', "data": 's'},
	"RC:VcMsg":      {}, "RC:ImgTextMsg": {}, "RC:ReferenceMsg": {}, "RC:CombineMsg": {}, "RC:GrpNtf": {},
	"RC:chrmKVNotiMsg": {}, "RC:TypSts": {}, "RC:ReadNtf": {}, "RC:RcCmd": {}, "RC:RcNtf": {},
}

// messageType refuses unknown types in the vendor's own name space.
func messageType(at, name string) *refusal {
	if _, known := messageTypes[name]; !known && strings.HasPrefix(name, "RC:") {
		return wrong(at, "%s is not a message type; the prefix RC: is the vendor's", name)
	}
	return nil
}

// messageContent refuses content that its built-in type cannot carry; custom
// types are free.
func messageContent(at, name, text string) *refusal {
	fields, builtIn := messageTypes[name]
	if !builtIn {
		return nil
	}
	v, err := decodeJSON([]byte(text))
	if err != nil {
		return wrong(at, "must be the JSON text of %s: %v", name, err)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return wrong(at, "must be the JSON object of %s", name)
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		kind := fields[field]
		_, isText := m[field].(string)
		n, isNumber := m[field].(json.Number)
		if isNumber && kind == 'n' {
			_, err := n.Int64()
			isNumber = err == nil
		}
		if !(isText && kind != 'n' || isNumber && kind != 's') {
			return wrong(join(at, field), "is required by %s", name)
		}
	}
	return nil
}

// messageFields is the cross-field rule of a body with objectName and content.
func messageFields(_ bool, at string, v any) *refusal {
	m, _ := v.(map[string]any)
	name := stringOf(m, "objectName")
	if r := messageType(join(at, "objectName"), name); r != nil {
		return r
	}
	return messageContent(join(at, "content"), name, stringOf(m, "content"))
}
