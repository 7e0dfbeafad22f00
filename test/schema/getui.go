package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// getuiPrefix begins the path of every call at Getui; the app's id follows.
const getuiPrefix = "/v2/"

// getui is the schemas of testdata/getui/schemas.json by their names, such as `POST /user/custom_tag/cid/{cid}`.
var getui = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	raw, err := os.ReadFile(GetuiFile("schemas.json"))
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("read Getui's schemas: %w", err)
	}
	if err := known(doc); err != nil {
		return nil, fmt.Errorf("schemas of Getui: %w", err)
	}
	const at = "https://schemas.example/getui"
	c := jsonschema.NewCompiler()
	c.RegisterVocabulary(vocabulary())
	c.AssertVocabs()
	if err := c.AddResource(at, doc); err != nil {
		return nil, fmt.Errorf("schemas of Getui: %w", err)
	}
	out := map[string]*jsonschema.Schema{}
	for name := range doc.(map[string]any)["requests"].(map[string]any) {
		pointer := url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
		if out[name], err = c.Compile(at + "#/requests/" + pointer); err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
	}
	return out, nil
})

// GetuiFile is the path of a file of Getui's contract, testdata/getui/NAME, from any test's folder.
func GetuiFile(name string) string { return file("getui", name) }

// getuiRequest checks a request at Getui; path begins with /v2/ and the app's id, body is JSON or empty.
func getuiRequest(method, path string, body json.RawMessage) error {
	all, err := getui()
	if err != nil {
		return err
	}
	_, route, _ := strings.Cut(strings.TrimPrefix(path, getuiPrefix), "/")
	name := getuiName(all, method, "/"+route)
	if name == "" {
		return fmt.Errorf("no schema for %s %s", method, path)
	}
	if len(body) == 0 {
		body = json.RawMessage("null")
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := all[name].Validate(v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// getuiName finds the schema of a path; one whose parts are all the same goes before one with {}.
func getuiName(all map[string]*jsonschema.Schema, method, path string) (found string) {
	if all[method+" "+path] != nil {
		return method + " " + path
	}
	parts := strings.Split(path, "/")
	for name := range all {
		m, route, _ := strings.Cut(name, " ")
		want := strings.Split(route, "/")
		same := m == method && len(want) == len(parts)
		for i := 0; same && i < len(want); i++ {
			same = want[i] == parts[i] || strings.HasPrefix(want[i], "{") && parts[i] != ""
		}
		if same {
			found = name
		}
	}
	return found
}
