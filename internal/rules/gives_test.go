package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// Givers explains what Tags decides: the same tags, whatever is known of the user.
func TestGiversAgreeWithTags(t *testing.T) {
	set, list := LoadFiles([]File{{Name: "events.yaml", Data: []byte(`version: 1
events:
  user.changed: {topic: users, kind: profile, update: patch, id: id, user: user, fields: {city: city, level: level, vip: {path: vip, type: bool}}}
`)}, {Name: "r.yaml", Data: []byte(`version: 1
rules:
  - {name: city-tag, event: user.changed, tags: ["city_${city}", "l_${level}"]}
  - {name: vip-tag, event: user.changed, when: vip, tags: [vip, "v_${city}"]}
  - {name: no-vip, event: user.changed, when: 'has(city)', unless: vip, tags: [plain]}
  - {name: off-tag, event: user.changed, mode: 'off', tags: [never]}
`)}}, Options{AnyAccount: true})
	if set == nil {
		t.Fatal(list)
	}
	states := []*intent.Value{nil, {}, {Type: event.String, Str: "a"}, {Type: event.String, Str: "b"}}
	flags := []*intent.Value{nil, {}, {Type: event.Bool, Str: "true"}, {Type: event.Bool, Str: "false"}}
	for i := range 4 * 4 * 4 * 3 {
		row := map[string]*intent.Value{"city": states[i%4], "level": states[i/4%4], "vip": flags[i/16%4]}
		current := [][]string{nil, {"city_a", "l_b", "plain", "vip", "x"}, {"never", "v_a"}}[i/64]
		get := func(name string) (intent.Value, bool) {
			if v := row[name]; v != nil {
				return *v, true
			}
			return intent.Value{}, false
		}
		var got []string
		for _, g := range set.Givers("main", get, current) {
			got = append(got, g.Tag)
		}
		slices.Sort(got)
		if got, want := slices.Compact(got), set.Tags("main", get, current); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v, had %v: givers give %v, the set is %v", row, current, got, want)
		}
		for _, r := range set.Rules { // and the verdict is that of AskTags
			gives := slices.ContainsFunc(set.Givers("main", get, nil), func(g Given) bool { return g.Rule == r && !g.Kept })
			if v := set.AskTags(r, get); gives && !v.Match || v.Match && v.Unsure {
				t.Errorf("%v: rule %s gives a tag: %v, its verdict is %+v", row, r.Name, gives, v)
			}
		}
	}
}

// Every template of a rule that matches gives a tag, or keeps what the user has of it, or says why not; others say nothing.
func TestLeftOutSaysWhatGiversDoNot(t *testing.T) {
	tags := make([]string, maxTags)
	for i := range tags {
		tags[i] = fmt.Sprintf("%q", fmt.Sprintf("a%02d", i))
	}
	set, list := LoadFiles([]File{{Name: "events.yaml", Data: []byte(`version: 1
events:
  user.changed: {topic: users, kind: profile, update: patch, id: id, user: user, fields: {city: city, level: level, vip: {path: vip, type: bool}}}
`)}, {Name: "r.yaml", Data: []byte(`version: 1
rules:
  - {name: city-tag, event: user.changed, tags: ["city_${city}", "l_${level}", plain]}
  - {name: vip-tag, event: user.changed, when: vip, tags: [` + strings.Join(tags, ", ") + `]}
  - {name: off-tag, event: user.changed, mode: 'off', tags: ["o_${city}"]}
`)}}, Options{AnyAccount: true})
	if set == nil {
		t.Fatal(list)
	}
	str := func(s string) *intent.Value { return &intent.Value{Type: event.String, Str: s} }
	full := fmt.Sprintf("the user has %d tags without it, the most there may be", maxTags)
	for name, c := range map[string]struct {
		row     map[string]*intent.Value
		current []string
		want    []string
	}{
		"all given":               {map[string]*intent.Value{"city": str("a"), "level": str("1"), "vip": {}}, nil, nil},
		"a value that makes none": {map[string]*intent.Value{"city": str("bad city"), "level": str("1"), "vip": {}}, nil, []string{"city_${city}: ${city} gives no tag: 1 to 40 bytes of letters, digits, _ and - (city = \"bad city\")"}},
		"absent":                  {map[string]*intent.Value{"city": {}, "level": str("1"), "vip": {}}, nil, []string{"city_${city}: ${city} is missing ()"}},
		"unknown":                 {map[string]*intent.Value{"city": str("a"), "vip": {}}, nil, []string{"l_${level}: field level is unknown ()"}},
		"unknown, and kept":       {map[string]*intent.Value{"city": str("a"), "vip": {}}, []string{"l_9"}, nil},
		"no place left": {map[string]*intent.Value{"city": str("a"), "level": {}, "vip": {Type: event.Bool, Str: "true"}}, nil,
			[]string{"city_${city}: " + full + " (city = \"a\")", "l_${level}: ${level} is missing ()", "plain: " + full + " ()"}},
	} {
		get := func(name string) (intent.Value, bool) {
			if v := c.row[name]; v != nil {
				return *v, true
			}
			return intent.Value{}, false
		}
		var got []string
		for _, l := range set.LeftOut("main", get, c.current) {
			got = append(got, fmt.Sprintf("%s: %s (%s)", l.Template, l.Why, l.Seen))
			if FaultZH(l.Why) == l.Why {
				t.Errorf("%q has no Chinese", l.Why)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
