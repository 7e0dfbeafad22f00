package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// row is a user's row of the profile table; a field that is not in it is unknown.
type row map[string]intent.Value

func (r row) get(name string) (intent.Value, bool) { v, ok := r[name]; return v, ok }

func str(s string) intent.Value { return intent.Value{Type: event.String, Str: s} }
func num(s string) intent.Value { return intent.Value{Type: event.Number, Str: s} }

const tagRules = `
  - {name: city-tag, event: profile.changed, account: main, tags: ["city_${city}"]}
  - {name: level-tag, event: profile.changed, account: main, when: 'level in ["vip", "svip"]', tags: ["level_${level}", member]}
  - {name: rich-tag, event: profile.changed, account: main, when: score > 100, unless: 'city == "火星"', tags: [rich]}
  - {name: new-tag, event: profile.changed, account: main, when: not has(level), tags: [newcomer]}
  - {name: off-tag, event: profile.changed, account: main, mode: off, tags: [never]}
  - {name: others, event: profile.changed, account: second, tags: [elsewhere]}
`

func tagSet(t testing.TB) *Set {
	two := Options{Accounts: []Account{{Name: "main", Vendor: "rongcloud"}, {Name: "second", Vendor: "rongcloud"}}}
	return mustLoad(t, tagRules, two)
}

func TestTags(t *testing.T) {
	s := tagSet(t)
	for _, c := range []struct {
		name    string
		row     row
		current string
		want    string
	}{
		{"all known", row{"city": str("北京"), "level": str("vip"), "score": num("101")}, "", "city_北京 level_vip member rich"},
		{"absent fields give nothing", row{"city": {}, "level": {}, "score": {}}, "city_北京 level_vip member rich never", "newcomer"},
		{"unknown fields keep what their templates could have given", row{}, "city_北京 level_vip member rich foreign newcomer", "city_北京 level_vip member newcomer rich"},
		{"unknown fields add nothing", row{}, "", ""},
		{"an unknown city keeps its tag, a known level moves", row{"level": str("svip"), "score": num("1")}, "city_上海 level_vip", "city_上海 level_svip member"},
		{"a level that no longer matches", row{"city": str("北京"), "level": str("normal"), "score": num("1")}, "level_vip member", "city_北京"},
		{"unless", row{"city": str("火星"), "level": {}, "score": num("500")}, "rich", "city_火星 newcomer"},
		{"not rich, whatever the unknown city", row{"level": {}, "score": num("1")}, "rich", "newcomer"},
		{"perhaps rich: the city is unknown", row{"level": {}, "score": num("500")}, "rich", "newcomer rich"},
		{"a forbidden character", row{"city": str("a b"), "level": {}, "score": {}}, "city_北京", "newcomer"},
		{"a comma", row{"city": str("a,b"), "level": {}, "score": {}}, "", "newcomer"},
		{"too long", row{"city": str(strings.Repeat("城", 12)), "level": {}, "score": {}}, "", "newcomer"},
		{"longest", row{"city": str(strings.Repeat("城", 11) + "ab"), "level": {}, "score": {}}, "", "city_" + strings.Repeat("城", 11) + "ab newcomer"},
		{"empty text", row{"city": str(""), "level": {}, "score": {}}, "city_x", "newcomer"},
		{"a type that changed in the catalogue", row{"city": num("5"), "level": {}, "score": str("999")}, "", "city_5 newcomer rich"},
	} {
		if got := strings.Join(s.Tags("main", c.row.get, strings.Fields(c.current)), " "); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
	before := s.Rule("city-tag").Missing()
	if s.Tags("main", row{"city": str("a b"), "level": {}}.get, nil); s.Rule("city-tag").Missing() != before+1 {
		t.Error("a tag that is left out is not counted")
	}
	if got := s.Tags("second", row{}.get, nil); !slices.Equal(got, []string{"elsewhere"}) {
		t.Errorf("another account: %v", got)
	}
	if got := s.Tags("nobody", row{}.get, []string{"x"}); len(got) != 0 {
		t.Errorf("no account: %v", got)
	}
}

func TestAtMostTwentyTags(t *testing.T) {
	var b strings.Builder
	for i := range 2 {
		fmt.Fprintf(&b, "  - name: tags-%d\n    event: profile.changed\n    tags: [", i)
		for j := range 15 {
			fmt.Fprintf(&b, "t%d_%02d, ", i, j)
		}
		b.WriteString("]\n")
	}
	s := mustLoad(t, b.String(), demoAccount())
	if got := s.Tags("main", row{}.get, nil); len(got) != 20 || got[19] != "t1_04" {
		t.Errorf("%d tags: %v", len(got), got)
	}
}

// Of the tags a user has, forgetting a field never removes one and never adds one that was not there.
func TestUnknownNeitherAddsNorRemoves(t *testing.T) {
	s := tagSet(t)
	rapid.Check(t, func(t *rapid.T) {
		full := row{
			"city": rapid.SampledFrom([]intent.Value{str("北京"), str("火星"), str("a b"), {}}).Draw(t, "city"), "level": rapid.SampledFrom([]intent.Value{str("vip"), str("normal"), {}}).Draw(t, "level"),
			"score": rapid.SampledFrom([]intent.Value{num("500"), num("1"), {}}).Draw(t, "score"),
		}
		have := s.Tags("main", full.get, nil)
		less := row{}
		for k, v := range full {
			if rapid.Bool().Draw(t, "keep "+k) {
				less[k] = v
			}
		}
		if got := s.Tags("main", less.get, have); !slices.Equal(got, have) {
			t.Fatalf("row %v of %v: had %v, now %v", less, full, have, got)
		}
		for _, tag := range s.Tags("main", less.get, nil) {
			if !slices.Contains(have, tag) {
				t.Fatalf("row %v of %v adds %s", less, full, tag)
			}
		}
	})
}

func TestProfilePushes(t *testing.T) {
	s := mustLoad(t, rule("level-up", "profile.changed", "    when: changed(level) and level in [\"vip\", \"svip\"]\n    push: {body: \"${before.level | default(\\\"新\\\")} → ${level}，${city | default(\\\"?\\\")}\"}\n    limits: {expire: 1h}")+
		rule("got-richer", "profile.changed", "    when: changed(score) and score > before.score\n    push: {body: \"${score}\"}")+
		strings.Replace(rule("city-try", "profile.changed", "    when: changed(city)\n    push: {body: \"${since}\"}"), "live", "shadow", 1), demoAccount())
	in := s.Evaluate(happen(t, s, "users", `{"id":"p-1","at":1795230000000,"user":"u-1"}`))[0]
	in.Key = "rongcloud:app"
	for _, c := range []struct {
		name          string
		before, after row
		want          string
	}{
		{"promoted", row{"level": str("normal")}, row{"level": str("vip"), "city": str("北京")}, "level-up:normal → vip，北京"},
		{"first sight is no change", row{}, row{"level": str("vip")}, ""},
		{"cleared before", row{"level": {}}, row{"level": str("vip"), "city": {}}, "level-up:新 → vip，?"},
		{"unchanged", row{"level": str("vip")}, row{"level": str("vip"), "city": str("上海")}, ""},
		{"demoted", row{"level": str("vip")}, row{"level": str("normal")}, ""},
		{"cleared now", row{"level": str("vip")}, row{"level": {}}, ""},
		{"richer", row{"score": num("9")}, row{"score": num("10")}, "got-richer:10"},
		{"poorer", row{"score": num("10")}, row{"score": num("9")}, ""},
		{"before is missing", row{"score": {}}, row{"score": num("9")}, ""},
		{"text cannot be made", row{"city": str("a")}, row{"city": str("b")}, "city-try:dead"},
		{"time in the zone", row{"city": str("a")}, row{"city": str("b"), "since": {Type: event.Time, Str: "2026-11-21T03:00:00Z"}}, "city-try:2026-11-21 11:00"},
	} {
		var got []string
		for _, p := range s.ProfilePushes(in, c.before.get, c.after.get) {
			if p.Dead != "" {
				got = append(got, p.Rule+":dead")
			} else {
				got = append(got, p.Rule+":"+p.Content.Body)
			}
			if p.Key != in.Key || p.Target != "u-1" || p.ID != intent.ID("users/2/7/"+p.Rule+"/u-1") || p.Shadow != (p.Rule == "city-try") || p.Action != intent.Push {
				t.Errorf("%s: %+v", c.name, p)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %v, want %s", c.name, got, c.want)
		}
	}
	gone := *in
	gone.Profile = &intent.Profile{Gone: true}
	if got := s.ProfilePushes(&gone, row{"level": str("normal")}.get, row{"level": str("vip")}.get); got != nil {
		t.Errorf("a user who is gone gets %v", got)
	}
	other := *in
	other.Account = "second"
	if got := s.ProfilePushes(&other, row{"level": str("normal")}.get, row{"level": str("vip")}.get); got != nil {
		t.Errorf("another account's intent makes %v", got)
	}
}

func TestMergedTextsSpeakOfTheirTriggers(t *testing.T) {
	s := mustLoad(t, rule("merged", "order.paid", `    when: always
    push: {title: "${city}：${count} 单", body: "${first.order_id}…${latest.order_id}，${list.order_id | join}，${latest.amount | money}，${list.items | join}，${latest.paid_at | date(\"HH:mm\")}", data: {n: "${count}"}, message: {type: "RC:TxtMsg", content: {content: "${latest.level | default(\"-\")}"}}}
    merge: {by: "${city}", wait: 3s, extend: true, max_wait: 1m, keep: first, one: {title: "${城市} 一单", body: "${order_id} ${金额 | money}"}}
    limits: {expire: 1h}`), demoAccount())
	var items []map[string]any
	var first *intent.Intent
	for i, v := range []string{paid, strings.Replace(strings.ReplaceAll(paid, "o-1", "o-2"), "81250", "100", 1), strings.Replace(strings.ReplaceAll(paid, "o-1", "o-3"), `"level":"vip",`, "", 1)} {
		in := s.Evaluate(happen(t, s, "orders", v))[0]
		// The ledger is JSON: what the intent carries must survive the way.
		b, err := in.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if in, err = intent.Decode(b); err != nil || in.Dead != "" {
			t.Fatal(err, in.DeadDetail)
		}
		if i == 0 {
			first = in
		}
		items = append(items, in.Merge.Vars)
	}
	m := first.Merge
	if m.Key != "merged|u-1|北京" || m.Wait.Seconds() != 3 || !m.Extend || m.MaxWait.Minutes() != 1 || m.Keep != intent.KeepFirst {
		t.Errorf("merge %+v", m)
	}
	got, err := RenderMerged(first.Content, m, items, 5)
	if err != nil {
		t.Fatal(err)
	}
	want := *first.Content
	want.Title, want.Body, want.Data = "北京：5 单", "o-1…o-3，o-1、o-2、o-3，812.50，茶、杯、茶、杯、茶、杯，11:00", map[string]string{"n": "5"}
	want.Message = &intent.Message{Type: "RC:TxtMsg", Content: map[string]string{"content": "-"}}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if one, err := RenderMerged(first.Content, m, items[:1], 1); err != nil || one.Title != "北京 一单" || one.Body != "o-1 812.50" {
		t.Errorf("a single trigger: %+v %v", one, err)
	}
	if first.Content.Title != "${city}：${count} 单" {
		t.Error("rendering changed the templates")
	}
	if _, err := RenderMerged(first.Content, m, []map[string]any{{}}, 2); err == nil {
		t.Error("a missing value is rendered")
	}
	for _, bad := range []func() (*intent.Content, error){
		func() (*intent.Content, error) { return RenderMerged(nil, m, items, 1) }, func() (*intent.Content, error) { return RenderMerged(first.Content, nil, items, 1) },
		func() (*intent.Content, error) { return RenderMerged(first.Content, m, nil, 0) }, func() (*intent.Content, error) { return RenderMerged(&intent.Content{Body: "${"}, m, items, 2) },
	} {
		if c, err := bad(); err == nil {
			t.Errorf("rendered %+v", c)
		}
	}
}

// The worst texts that are accepted, made of what JSON writes with six bytes each, still encode.
func TestTheLargestIntentEncodes(t *testing.T) {
	s := mustLoad(t, rule("large", "order.paid", "    when: always\n    push: {body: \"${city}\", data: {a: \"${order_id}\", b: \"${items | join | default(\\\"-\\\")}\"}}")+
		rule("merged", "order.paid", "    when: always\n    push: {body: \"${first.city}\", data: {a: \"${first.order_id}\"}}\n    merge: {wait: 1s, by: \"${level | default(\\\"-\\\")}\"}\n    limits: {expire: 1h}"), demoAccount())
	for _, n := range []int{100, 4090, 5000} {
		for _, extra := range []string{"", `,"items":["` + strings.Repeat("<", n) + `","<"]`} {
			v := strings.Repeat("<", n)
			for _, in := range s.Evaluate(happen(t, s, "orders", `{"id":"o","at":1795230000,"user":"u","order_id":"`+v+`","city":"`+v+`"`+extra+`}`)) {
				b, err := in.Encode()
				if err != nil || len(b) > intent.MaxBytes {
					t.Errorf("%s with %d: %d bytes, %v", in.Rule, n, len(b), err)
				}
			}
		}
	}
}

// A bare name in a held merge is the kept trigger's, should the triggers differ after all.
func TestKeepDecidesForABareName(t *testing.T) {
	items := []map[string]any{{"x": "old"}, {"x": "new"}}
	for keep, want := range map[intent.Keep]string{intent.KeepFirst: "old", intent.KeepLatest: "new", intent.KeepList: "new"} {
		if c, err := RenderMerged(&intent.Content{Body: "${x}"}, &intent.Merge{Keep: keep}, items, 2); err != nil || c.Body != want {
			t.Errorf("%s: %+v %v", keep, c, err)
		}
	}
}

// Whatever an event brings, twenty merged triggers and the intent itself stay within their bounds.
func TestMergedIntentsStayBounded(t *testing.T) {
	s := mustLoad(t, rule("merged", "order.paid", "    when: always\n    push: {body: \"${list.city | join | max(100)} ${list.items | join | max(50)} ${first.order_id | max(9)}\"}\n    merge: {wait: 3s}\n    limits: {expire: 1h}"), demoAccount())
	long := strings.Repeat("城", 4000)
	items := `"` + strings.Repeat(long+`","`, 40) + `x"`
	in := s.Evaluate(happen(t, s, "orders", `{"id":"o","at":1795230000,"user":"u","order_id":"`+long+`","city":"`+long+`","items":[`+items+`]}`))[0]
	if b, err := in.Encode(); err != nil || in.Dead != "" || len(b) > 8<<10 {
		t.Fatalf("%d bytes, %v, %s", len(b), err, in.DeadDetail)
	}
	var all []map[string]any
	for range 20 {
		all = append(all, in.Merge.Vars)
	}
	if c, err := RenderMerged(in.Content, in.Merge, all, 1000); err != nil || len(c.Body) > 1000 {
		t.Errorf("%v", err)
	}
}

// Known users are evaluated again when the fingerprint changes, so it changes with what decides their sets, and with nothing else.
func TestTheFingerprintOfTagRules(t *testing.T) {
	two := Options{Accounts: []Account{{Name: "main", Vendor: "rongcloud"}, {Name: "second", Vendor: "rongcloud"}}}
	of := func(edits ...string) string {
		t.Helper()
		text := strings.NewReplacer(edits...).Replace(tagRules)
		if len(edits) > 0 && text == tagRules {
			t.Fatalf("%v edits nothing", edits)
		}
		tags, set := mustLoad(t, text, two).TagRules("main")
		if tags == "" || set == "" {
			t.Fatalf("fingerprint %q of %q", tags, set)
		}
		return tags
	}
	base := of()
	for _, same := range [][]string{{"city-tag", "town-tag"}, {"tags: [elsewhere]", "tags: [far]"}, {"tags: [never]", "tags: [ever]"},
		{"  - {name: city-tag, event: profile.changed, account: main, tags: [\"city_${city}\"]}\n", "", "  - {name: others", "  - {name: city-tag, event: profile.changed, account: main, title: 城市, tags: [\"city_${city}\"]}\n  - {name: others"}} {
		if of(same...) != base {
			t.Errorf("%q: users would be evaluated again for nothing", same)
		}
	}
	seen := map[string][]string{base: nil}
	for _, other := range [][]string{{"city_${city}", "town_${city}"}, {"score > 100", "score > 99"}, {`city == "火星"`, `city == "水星"`}, {"mode: off, ", ""}, {"account: main, when: score", "account: main, mode: off, when: score"}, {"${city}", "${level}"}} {
		if was, ok := seen[of(other...)]; ok {
			t.Errorf("%q has the fingerprint of %q", other, was)
		}
		seen[of(other...)] = other
	}
	if tags, _ := mustLoad(t, tagRules, two).TagRules("third"); tags == base || tags != hashTagRules(nil) {
		t.Errorf("an account without tag rules has %q", tags)
	}
}

// After a field's type is edited in the catalogue, what the table has of the old type is read as a record with it would be: losslessly, or
// not at all. And it has not changed.
func TestStoredValuesFollowTheTypeOfTheirField(t *testing.T) {
	lists := func(s string) intent.Value { return intent.Value{Type: event.List, Str: "1", List: []string{s}} }
	stored := func(of event.Type, s string) intent.Value { return intent.Value{Type: of, Str: s} }
	for _, c := range []struct {
		was   intent.Value
		field event.Field
		want  string // "" when there is none
	}{
		{stored(event.Number, "20"), event.Field{Type: event.String}, "20"},
		{stored(event.Bool, "true"), event.Field{Type: event.String}, "true"},
		{stored(event.String, "020"), event.Field{Type: event.Number}, "20"},
		{stored(event.String, "2050"), event.Field{Type: event.Number, Scale: "0.01"}, "20.50"},
		{stored(event.String, "a dozen"), event.Field{Type: event.Number}, ""},
		{stored(event.String, "20.50"), event.Field{Type: event.Number}, "20.5"},
		{stored(event.String, "1"), event.Field{Type: event.Bool}, "true"},
		{stored(event.String, "yes"), event.Field{Type: event.Bool}, ""},
		{stored(event.String, "2026-01-02T08:00:00+08:00"), event.Field{Type: event.Time}, "2026-01-02T00:00:00Z"},
		{stored(event.Number, "20"), event.Field{Type: event.String, Values: []string{"20"}}, "20"},
		{stored(event.Number, "20"), event.Field{Type: event.String, Values: []string{"30"}}, ""},
		{stored(event.String, "a"), event.Field{Type: event.List}, ""},
		{lists("a"), event.Field{Type: event.String}, ""},
		{intent.Value{}, event.Field{Type: event.String}, ""},
	} {
		c.field.Name = "f"
		src := tableSource{table: map[string]*event.Field{"f": &c.field}, zone: time.UTC,
			after: func(string) (intent.Value, bool) { return c.was, true }}
		_, v, ok := src.field("f")
		if v.text != c.want || ok != (c.want != "") {
			t.Errorf("%+v as a %s: %q, %t, want %q", c.was, c.field.Type, v.text, ok, c.want)
		}
		if c.want == "" {
			continue
		}
		src.old, src.after = src.after, func(string) (intent.Value, bool) { return intent.Value{Type: c.field.Type, Str: c.want}, true }
		if src.changed("f") {
			t.Errorf("%+v as a %s: an event that says %q is a change", c.was, c.field.Type, c.want)
		}
	}
}
