package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestSchemaPrintsTheSchemaOfEachKind(t *testing.T) {
	for kind, key := range map[string]string{"events": "events", "rules": "rules", "settings": "accounts"} {
		var b bytes.Buffer
		if err := writeSchema(&b, kind, "en"); err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Schema     string `json:"$schema"`
			Properties map[string]any
		}
		if err := json.Unmarshal(b.Bytes(), &doc); err != nil || doc.Schema != "https://json-schema.org/draft/2020-12/schema" || doc.Properties[key] == nil {
			t.Errorf("%s: %v %+v", kind, err, doc)
		}
	}
	err := writeSchema(new(bytes.Buffer), "rule", "en")
	if exitCode(err, true) != exitUsage || !strings.Contains(err.Error(), "did you mean rules?") {
		t.Errorf("got %v", err)
	}
}

// Without a word it is one schema for every kind, not a riddle.
func TestSchemaWithoutAKindIsOfAllKinds(t *testing.T) {
	cmd := newSchemaCmd()
	var b bytes.Buffer
	cmd.SetOut(&b)
	cmd.SetArgs([]string{}) // nil would be those of the test
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Schema string                     `json:"$schema"`
		Defs   map[string]json.RawMessage `json:"$defs"`
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil || doc.Schema == "" || len(doc.Defs) != 3 {
		t.Errorf("%v: %s", err, b.String()[:200])
	}
}
