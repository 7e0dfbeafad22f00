// Package schema carries the JSON Schemas of the files, for completion and hover text in an editor: VS Code and whatever else has a
// yaml-language-server. They know the structure; what a schema cannot say (names, conditions, texts) is said by `notifier check`.
package schema

import _ "embed"

// The schemas, draft 2020-12, with descriptions in both languages.
var (
	//go:embed events.schema.json
	Events []byte // of the catalogue, events.yaml
	//go:embed rules.schema.json
	Rules []byte // of a rule file
	//go:embed settings.schema.json
	Settings []byte // of notifier.yaml
)
