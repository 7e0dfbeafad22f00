// Package schema holds request bodies to the vendors' contracts: the JSON Schemas of testdata/rongcloud/schemas.json and
// testdata/getui/schemas.json with their own keywords. Tests of every layer use it: golden files, what the demo sends, what a simulated daemon sends.
package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// lists are the form fields whose key repeats.
var lists = map[string]bool{"userIds": true, "toUserId": true}

// File is the path of a file of the vendor's contract, testdata/rongcloud/NAME, from any test's folder.
func File(name string) string { return file("rongcloud", name) }

func file(vendor, name string) string { return filepath.Join(checkout, "testdata", vendor, name) }

// checkout is the folder of the sources, above the one where the process began: a program built with -trimpath does not know where it was built.
var checkout = func() string {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.work")); missing == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return "."
}()

// compiled is the schemas by their names, such as `POST /user/tag/set.json`.
var compiled = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	raw, err := os.ReadFile(File("schemas.json"))
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("read the schemas: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.RegisterVocabulary(vocabulary())
	c.AssertVocabs()
	out := map[string]*jsonschema.Schema{}
	for name, s := range doc.(map[string]any) {
		if err := known(s); err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
		at := "https://schemas.example/" + url.PathEscape(name)
		if err := c.AddResource(at, s); err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
		if out[name], err = c.Compile(at); err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
	}
	return out, nil
})

// Wire checks a request as it leaves: the bytes of its body and their content type.
func Wire(path, contentType string, body []byte) error {
	if contentType == "application/json" {
		return Request("POST", path, body)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return fmt.Errorf("%s: not a form: %w", path, err)
	}
	object := map[string]any{}
	for k, all := range form {
		switch {
		case lists[k]:
			object[k] = all
		case len(all) != 1:
			return fmt.Errorf("%s: %s is repeated", path, k)
		default:
			object[k] = all[0]
		}
	}
	decoded, err := json.Marshal(object)
	if err != nil {
		return err
	}
	return Request("POST", path, decoded)
}

// Request checks a request as the sandbox's journal shows it: forms are decoded to an object. What begins with /v2/ is Getui's.
func Request(method, path string, body json.RawMessage) error {
	if strings.HasPrefix(path, getuiPrefix) {
		return getuiRequest(method, path, body)
	}
	all, err := compiled()
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	name := method + " " + path
	if path == "/push.json" { // one endpoint, two products: a message brings its sender
		name += "#push"
		if m, _ := v.(map[string]any); m["message"] != nil || m["fromuserid"] != nil {
			name = method + " " + path + "#message"
		}
	}
	s := all[name]
	if s == nil {
		return errors.New("no schema " + name)
	}
	if err := s.Validate(v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
