// Package schema carries the JSON Schemas of the files, for completion and hover text in an editor: VS Code and whatever else has a
// yaml-language-server. They know the structure; what a schema cannot say (names, conditions, texts) is said by `notifier check`.
package schema

import (
	"bytes"
	_ "embed"
	"fmt"
)

// The schemas, draft 2020-12, with descriptions in both languages.
var (
	//go:embed events.schema.json
	Events []byte // of the catalogue, events.yaml
	//go:embed rules.schema.json
	Rules []byte // of a rule file
	//go:embed settings.schema.json
	Settings []byte // of notifier.yaml
)

// Any is one schema for every kind of file: whatever is a catalogue, a rule file or settings holds.
func Any() []byte {
	return fmt.Appendf(nil, `{
 "$schema": "https://json-schema.org/draft/2020-12/schema",
 "$id": "notifier.schema.json",
 "title": "notifier: events, rules, settings · 事件、规则、设置",
 "anyOf": [
  {"$ref": "events.schema.json"},
  {"$ref": "rules.schema.json"},
  {"$ref": "settings.schema.json"}
 ],
 "$defs": {
"events": %s,
"rules": %s,
"settings": %s
 }
}
`, bytes.TrimSpace(Events), bytes.TrimSpace(Rules), bytes.TrimSpace(Settings))
}
