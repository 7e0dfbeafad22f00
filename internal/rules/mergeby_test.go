package rules

import (
	"strings"
	"testing"
)

// Only what is the same in all events of a merge may stand in its texts by its own name.
func TestTextsOfAMergeSayWhatAllItsEventsSay(t *testing.T) {
	for _, c := range []struct{ by, body, want string }{
		{"${city}", "${city | max(3)}", ""},
		{"${city | urlencode}${level}", "${city} ${level}", ""},
		{"${city | max(2)}", "${city}", "N305"},
		{"${city | max(2)}", "${city | max(3)}", "N305"},
		{"${city | max(2)}", "${城市 | max(2) | upper}", ""},
		{"${city | max(2)}${city}", "${city}", ""},
		{`${paid_at | date("YYYY-MM-DD")}`, `${paid_at | date("YYYY-MM-DD")} ${count}`, ""},
		{`${paid_at | date("YYYY-MM-DD")}`, "${paid_at}", "N305"},
		{"${paid_at}", "${paid_at}", ""},
		{"${paid_at}", `${paid_at | date("MM-DD")} ${paid_at | date("HH:mm") | max(9)}`, ""},
		{"${paid_at | urlencode} ${city}", `${paid_at | date("YYYY-MM-DD")}`, ""},
		{"${paid_at}", `${paid_at | date("HH:mm:ss")}`, "N305"}, // events of one minute are merged
		{`${paid_at | date("YYYY-MM-DD")}`, `${paid_at | date("MM-DD")}`, ""},
		{`${paid_at | date("MM-DD")}`, `${paid_at | date("YYYY-MM-DD")}`, "N305"},
		{`${paid_at | date("YYYY-MM-DD") | max(4)}`, `${paid_at | date("YYYY-MM")}`, "N305"},
		{"${event.time}", `${event.time | date("MM-DD")}`, ""},
		{"${amount}", "${amount | money}", ""},
		{"${amount | money}", "${amount}", "N305"},
		{"${city}", "${event.id}", "N305"},
		{"${city}", `${event.time | date("MM-DD")}`, "N305"},
		{`${event.time | date("MM-DD")}`, `${event.time | date("MM-DD")}`, ""},
		// a default merges what is absent or empty with what has its text: the text must not tell them apart
		{`${city | default("x")}`, "${city}", "N305"},
		{`${city | default("x")}`, "${city | max(3)}", "N305"},
		{`${city | default("x")}`, `${city | default("y")}`, "N305"},
		{`${city | default("x")}`, `${city | max(3) | default("x")}`, "N305"},
		{`${city | default("x")}`, `${city | default("")}`, "N305"},
		{`${city | default("x")}`, `${city | default("x")}`, ""},
		{`${city | default("x")}`, `${城市 | default("x") | upper}`, ""},
		{`${city | default("x")}${city | default("y")}`, `${city | default("y")}`, ""},
		{`${city | default("x")}${city}`, "${city}", ""},
		{`${city | default("")}`, "${city}", ""},
		{`${city | default("")}`, `${city | default("y")}`, ""},
		{"${city}", `${city | default("y")}`, ""},
		{`${level | default("x")}`, "${level}", ""}, // of these none is empty, and without one there is no text
		{`${amount | default("0")}`, "${amount | money}", ""},
		{`${amount | default("0")}`, `${amount | default("0") | money}`, ""},
		{`${amount | default("0")}`, `${amount | money | default("0")}`, "N305"},
		{`${paid_at | default("x")}`, `${paid_at | date("YYYY")}`, ""},
		{`${paid_at | default("x")}`, `${paid_at | date("YYYY") | default("x")}`, ""},
		{`${paid_at | default("x")}`, `${paid_at | date("YYYY") | default("y")}`, "N305"},
		{`${items | default("x")}`, `${items | join(",") | default("x")}`, ""},
		{`${items | default("x")}`, `${items | join(",")}`, "N305"},
		{`${event.time | default("x")}`, "${event.time}", ""},
		{"${city}", "${first.event.id} ${latest.event.time} ${event.type}", ""},
		{"${city}", "${first.event.no}", "N202"},
		{"${city}", `a", one: {body: "${event.id} ${order_id}"}, data: {x: "b`, ""},
	} {
		body, one, _ := strings.Cut(c.body, `", one: `)
		one, _, _ = strings.Cut(one, `, data`)
		if one != "" {
			one = ", one: " + one
		}
		_, l := load(t, rule("any-rule", "order.paid", "    when: amount > 1\n    push: {body: "+single(body)+"}\n    merge: {by: "+single(c.by)+", wait: 1m"+one+"}\n    limits: {expire: 1h}\n    tests: [{name: t, event: {amount: 1}, expect: no match}]\n"), demoAccount())
		if got := codes(l); got != c.want {
			t.Errorf("by %s, text %s: got %s\nwant %s\n%s", c.by, c.body, got, c.want, show(l))
		}
	}
}

func TestMergesOfSeveralFieldsAreApart(t *testing.T) {
	s := mustLoad(t, rule("any-rule", "order.paid", `    when: always
    push: {body: "${first.event.id} ${latest.event.time | date(\"HH:mm\")} ${city}"}
    merge: {by: "${order_id}${city}", wait: 1m}
    limits: {expire: 1h}
`), demoAccount())
	seen := map[string]bool{}
	for _, fields := range []string{`"order_id":"1","city":"11"`, `"order_id":"11","city":"1"`, `"order_id":"1","city":"11"`} {
		in := s.Evaluate(happen(t, s, "orders", `{"id":"1","at":"2026-11-21T12:00:00+08:00","user":"u",`+fields+`}`))
		seen[in[0].Merge.Key] = true
		if in[0].Dead != "" {
			t.Error(in[0].Dead)
		}
		if c, err := RenderMerged(in[0].Content, in[0].Merge, []map[string]any{in[0].Merge.Vars}, 1); err != nil || !strings.HasPrefix(c.Body, "1 ") || strings.Contains(c.Body, "$") {
			t.Errorf("%+v, %v", c, err)
		}
	}
	if len(seen) != 2 {
		t.Errorf("keys %v", seen)
	}
}

// Whether merge.one is used is known only when the merge closes: what a trigger lacks of one text does not end it while the other can be written.
func TestATriggerThatFitsOneOfItsTexts(t *testing.T) {
	for _, keep := range []string{"latest", "first", "list"} {
		s := mustLoad(t, rule("any-rule", "order.paid", `    when: always
    push: {body: "${first.city} ${count}"}
    merge: {wait: 1m, keep: `+keep+`, one: {body: "${order_id}"}}
    limits: {expire: 1h}
`), demoAccount())
		for fields, want := range map[string]string{ // what is dead at once, alone and of two
			`"order_id":"1","city":"a"`: "", `"order_id":"1"`: "of two", `"city":"a"`: "alone", `"x":1`: "at once",
		} {
			in := s.Evaluate(happen(t, s, "orders", `{"id":"1","at":"2026-11-21T12:00:00+08:00","user":"u",`+fields+`}`))[0]
			got := ""
			switch {
			case in.Dead != "":
				got = "at once"
				if in.DeadDetail != "${order_id} is missing" {
					t.Errorf("%s, %s: %s", keep, fields, in.DeadDetail)
				}
			default:
				for count, what := range map[int]string{1: "alone", 2: "of two"} {
					if _, err := RenderMerged(in.Content, in.Merge, []map[string]any{in.Merge.Vars}, count); err != nil {
						got += what
					}
				}
			}
			if got != want {
				t.Errorf("%s, %s: dead %q, want %q", keep, fields, got, want)
			}
		}
	}
}
