package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
)

// critic is a Vendor that remembers what it is asked and finds fault with given places.
type critic struct {
	got      []Delivery
	problems [][]string
	atKey    bool
}

func (a *critic) Check(account string, d Delivery) (out []Problem) {
	a.got = append(a.got, d)
	for _, p := range a.problems {
		out = append(out, Problem{Path: p, AtKey: a.atKey, Code: "N410", Message: diag.Text{EN: account + " " + strings.Join(p, ".")}})
	}
	return out
}

// What a vendor finds fault with stands at its place in the file: the value, the key, or the deepest node that is there.
func TestAVendorsFindingsHaveAPlace(t *testing.T) {
	head := "  - name: x-y\n    event: order.paid\n    mode: live\n    class: service\n    when: always\n    tests: [{name: n, event: {}, expect: no match}]\n"
	push := "    push:\n      title: t\n      body: b\n      message: {type: 'RC:TxtMsg', content: {content: x}}\n"
	for _, tc := range []struct {
		name, rule string
		path       []string
		atKey      bool
		want       string // line from `push:` on, and column
	}{
		{"value", push, []string{"message", "content", "content"}, false, "4:55"},
		{"key", push, []string{"message", "content", "content"}, true, "4:46"},
		{"what is not there", push, []string{"message", "content", "size"}, false, "4:45"},
		{"the block", push, nil, false, "1:5"},
		{"a mapping's key", push, []string{"message"}, false, "4:7"},
		{"the vendor's block in the push", push + "      rongcloud: {ios: {badge: 1}}\n", []string{"rongcloud", "ios", "badge"}, false, "5:32"},
		{"the vendor's block in the rule", push + "    rongcloud: {ios: {badge: 1}}\n", []string{"rongcloud", "ios", "badge"}, false, "5:30"},
	} {
		v := &critic{problems: [][]string{tc.path}, atKey: tc.atKey}
		opt := demoAccount()
		opt.Vendor = v
		_, list := load(t, head+tc.rule, opt)
		if len(list) != 1 || list[0].Code != "N410" || !strings.HasPrefix(list[0].Message.EN, "main ") {
			t.Errorf("%s: %s", tc.name, show(list))
			continue
		}
		if got := fmt.Sprintf("%d:%d", list[0].Line-2-strings.Count(head, "\n"), list[0].Column); got != tc.want {
			t.Errorf("%s: at %s, want %s\n%s", tc.name, got, tc.want, show(list))
		}
	}
}

// The vendor sees texts as the file writes them, and the text for a single trigger as well; a rule with a mistake is not shown to it.
func TestAVendorSeesTheRuleAsWritten(t *testing.T) {
	rule := "  - name: x-y\n    event: order.paid\n    mode: live\n    class: service\n    when: always\n    tests: [{name: n, event: {}, expect: no match}]\n"
	v := &critic{problems: [][]string{{"title"}}}
	opt := demoAccount()
	opt.Vendor = v
	_, list := load(t, rule+"    push: {to: 'u-1', title: 'n', body: '${count} $${x}'}\n    merge: {wait: 1s, one: {title: one, body: '${first.order_id}'}}\n    limits: {expire: 1h}\n", opt)
	if len(v.got) != 2 || len(list) != 2 {
		t.Fatalf("asked %d times, %s", len(v.got), show(list))
	}
	want := []Delivery{{Action: intent.Push, To: "u-1", Content: &intent.Content{Title: "n", Body: "${count} $${x}"}}, {Action: intent.Push, To: "u-1", Content: &intent.Content{Title: "one", Body: "${first.order_id}"}}}
	if d := cmp.Diff(want, v.got); d != "" {
		t.Error(d)
	}
	v.got = nil
	load(t, rule+"    push: {body: '${nothing}'}\n", opt)
	load(t, rule+"    push: {body: b, bdoy: b}\n", opt)
	load(t, rule+"    push: {title: t, body: }\n", opt)
	load(t, rule+"    push: {body: b, message: {type: x, content: {content: }}}\n", opt)
	catalogue := strings.Replace(string(readFile(t, "testdata/events.yaml")), "type: number", "type: 数字", 1)
	LoadFiles([]File{{"events.yaml", []byte(catalogue)}, {"r.yaml", []byte("version: 1\nrules:\n" + rule + "    push: {title: t, body: '${amount}'}\n")}}, opt)
	if len(v.got) != 0 {
		t.Errorf("asked of a rule with a mistake: %+v", v.got)
	}
}

func TestLiteral(t *testing.T) {
	for text, want := range map[string]string{"": " true", "a": "a true", "a${b}c": "ac false", "$${b}": "${b} true", "${a}": " false", "${": " false"} {
		s, whole := Literal(text)
		if got := fmt.Sprint(s, " ", whole); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
