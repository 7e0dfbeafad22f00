package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/diag"
)

const revisedCatalogue = `version: 1
events:
  order.paid: {topic: orders, id: id, user: user, fields: {amount: {path: amount, type: number}}}
  order.sent: {topic: orders, id: id, user: user}
`

const revisedRules = `version: 1
defaults: {class: service, limits: {expire: 1h}}
rules:
  - name: thanks
    event: order.paid
    mode: live
    when: amount > 100
    push: {title: "t", body: "b", data: {title: "d"}}
  - name: sent
    event: order.sent
    mode: live
    when: always
    push: {body: "c"}
`

// A rule's revision changes with what the rule does and with nothing else: held intents are compared by it.
func TestARulesRevisionIsItsOwn(t *testing.T) {
	load := func(catalogue, rules string) *Set {
		t.Helper()
		s, ds := LoadFiles([]File{{"events.yaml", []byte(catalogue)}, {"r.yaml", []byte(rules)}}, demoAccount())
		if s == nil {
			t.Fatal(ds)
		}
		return s
	}
	was := load(revisedCatalogue, revisedRules)
	for _, c := range []struct {
		name, in, old, text string
		thanks, sent        bool // whether its revision is another
	}{
		{"its text", "rules", `body: "b"`, `body: "x"`, true, false},
		{"the title that people read", "rules", `title: "t"`, `title: "x"`, true, false},
		{"data that are named like what is for people", "rules", `title: "d"`, `title: "x"`, true, false},
		{"its condition", "rules", "amount > 100", "amount > 200", true, false},
		{"the other's text", "rules", `body: "c"`, `body: "x"`, false, true},
		{"a default", "rules", "expire: 1h", "expire: 2h", true, true},
		{"a comment, a title, an order of words", "rules", "    event: order.paid\n", "    # look\n    title: T\n    owner: me\n    event:   order.paid\n", false, false},
		{"switched off", "rules", "mode: live", "mode: off", false, false},
		{"shadow", "rules", "mode: live", "mode: shadow", true, false},
		{"its event", "catalogue", "type: number}", "type: number, scale: 0.01}", true, false},
		{"what a field is called for people", "catalogue", "type: number}", "type: number, title: T}", false, false},
		{"a field that is named like what is for people", "catalogue", "fields: {", "fields: {title: {path: t}, ", true, false},
		{"its event's title", "catalogue", "{topic: orders, id: id, user: user, fields", "{title: T, topic: orders, id: id, user: user, fields", false, false},
	} {
		catalogue, rules := revisedCatalogue, revisedRules
		if c.in == "catalogue" {
			catalogue = strings.Replace(catalogue, c.old, c.text, 1)
		} else {
			rules = strings.Replace(rules, c.old, c.text, 1)
		}
		is := load(catalogue, rules)
		if is.Hash == was.Hash {
			t.Fatalf("%s: nothing was edited", c.name)
		}
		for rule, want := range map[string]bool{"thanks": c.thanks, "sent": c.sent} {
			if got := is.Rule(rule).Revision != was.Rule(rule).Revision; got != want {
				t.Errorf("%s: the revision of %s is another: %t, want %t", c.name, rule, got, want)
			}
		}
	}
}

// What is hashed is on record with all that waits: it must stay as it is, to the byte.
func TestTheDigestOfARuleStaysAsItIs(t *testing.T) {
	d := diag.Parse("r.yaml", []byte("name: a\ntitle: not of it\nwhen: 'x == \"é\\n\"'\nlist: [1, \"\\u0007\", 北京]\nempty:\n"))
	kind := func(n *diag.Node) string { return fmt.Sprintf("(%d %q ", n.Kind, n.Text) }
	key := func(name string) string { return kind(d.Root.Key(name)) + ")" }
	want := kind(d.Root) + key("name") + kind(d.Root.Get("name")) + ")" + key("when") + kind(d.Root.Get("when")) + ")" + key("list") + kind(d.Root.Get("list"))
	for _, it := range d.Root.Get("list").Items {
		want += kind(it) + ")"
	}
	want += ")" + key("empty") + kind(d.Root.Fields[4].Value) + "))"
	if got := string(digestNode(nil, d.Root, besideRule)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(digestNode(nil, nil)); got != "-" {
		t.Errorf("nothing is %s", got)
	}
}
