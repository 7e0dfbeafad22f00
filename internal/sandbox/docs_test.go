package sandbox

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestThePageListsEverything: control calls, options, knobs, stats, fault kinds and fields,
// in both languages.
func TestThePageListsEverything(t *testing.T) {
	want := slices.Collect(maps.Keys(faultKinds))
	want = append(want, kindRefuse)
	for call := range controls {
		_, name, _ := strings.Cut(call, " ")
		want = append(want, name)
	}
	for _, v := range []any{Switches{}, Services{}, VendorStats{}, GetuiStats{}, Knobs{}} {
		for f := range fields(reflect.TypeOf(v)) {
			want = append(want, f)
		}
	}
	for _, page := range []string{"../../docs/sandbox.md", "../../docs/sandbox.zh-CN.md"} {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range want {
			if !strings.Contains(string(b), "`"+word+"`") && !strings.Contains(string(b), "`"+word+"?") {
				t.Errorf("%s does not explain %s", page, word)
			}
		}
		for f := range fields(reflect.TypeOf(Fault{})) {
			if !slices.Contains([]string{"vendor", "status"}, f) && !strings.Contains(string(b), "`"+f+"`") {
				t.Errorf("%s does not explain a fault's %s", page, f)
			}
		}
	}
}

// fields are the JSON names of a struct.
func fields(typ reflect.Type) map[string]bool {
	out := map[string]bool{}
	for f := range typ.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" { // else embedded
			out[name] = true
		}
	}
	return out
}
