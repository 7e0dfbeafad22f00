package schema

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// written replaces what the cases write shorter: repeats, long texts, sequences.
func written(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = written(v[i])
		}
	case map[string]any:
		if r, ok := v["$repeat"].(map[string]any); ok {
			item, _ := json.Marshal(r["item"])
			var out []any
			for i := range int(r["n"].(float64)) {
				var x any
				_ = json.Unmarshal([]byte(strings.ReplaceAll(string(item), "{i}", fmt.Sprintf("%04d", i))), &x)
				out = append(out, written(x))
			}
			return out
		}
		if s, ok := v["$str"].(map[string]any); ok {
			return strings.Repeat(s["ch"].(string), int(s["n"].(float64)))
		}
		if s, ok := v["$seq"].(map[string]any); ok {
			return written(s)
		}
		for k := range v {
			v[k] = written(v[k])
		}
	}
	return v
}

// Getui's own cases judge the schemas: what the vendor takes is valid, and what it refuses for its form is not.
func TestGetuisCases(t *testing.T) {
	raw, err := os.ReadFile(GetuiFile("fixtures.json"))
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Cases []struct {
			ID, Method, Path string
			Body             any
			Raw              *string `json:"raw_body"`
			Expect           struct {
				HTTP int
				Code *int
				Msg  string `json:"msg_contains"`
			}
		}
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	// Taken by the vendor, and never sent by us: numbers as text, platforms in capitals, unknown fields, no results.
	stricter := []string{"auth-ok-numeric-timestamp", "single-notify-id-string", "single-unknown-field", "batch-async", "list-async-2", "tag-phone-upper"}
	// Refused for what no schema states: who there is, who signed and when, the length of a window, a cid twice in a batch.
	state := []string{"target user is invalid", "taskid is invalid", "request_id cannot be repeat", "appId is invalid", "sign is invalid", "appkey is invalid"}
	beyond := []string{"auth-stale-timestamp", "single-duration-600s", "batch-same-cid"}
	taken, refused := 0, 0
	for _, c := range f.Cases {
		if c.Expect.Code == nil || c.Raw != nil {
			continue
		}
		body, err := json.Marshal(written(c.Body))
		if err != nil {
			t.Fatal(err)
		}
		code := *c.Expect.Code
		static := code == 20001 && !slices.Contains(state, c.Expect.Msg) || code == 30005 || code == 30016
		err = Request(c.Method, c.Path, body)
		switch {
		case code == 0 && err != nil && !slices.Contains(stricter, c.ID):
			t.Errorf("%s is taken by the vendor: %v", c.ID, err)
		case code == 0 && err == nil:
			taken++
		case static && err == nil && !slices.Contains(beyond, c.ID):
			t.Errorf("%s is refused by the vendor (%d %s), and no schema sees it", c.ID, code, c.Expect.Msg)
		case static && err != nil:
			refused++
		}
	}
	if taken < 60 || refused < 40 {
		t.Errorf("%d cases are valid and %d are not; the file has more", taken, refused)
	}
}
