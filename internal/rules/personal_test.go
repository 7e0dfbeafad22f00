package rules

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// An intent says what of its texts is of a personal field, as the texts have it, so that stage 2 can take it out of what a vendor quotes:
// behind filters, of a list one by one, of all triggers of a merge, of the profile table, of a variant. Nothing else is named.
func TestAnIntentNamesWhatItsTextsHaveOfPersonalFields(t *testing.T) {
	t.Parallel()
	catalogue := strings.NewReplacer("    user: user\n    fields:\n      order_id", "    user: user\n    personal: [city, followers]\n    fields:\n      order_id",
		"    user: user\n    fields:\n      city: city\n      level", "    user: user\n    personal: [level]\n    fields:\n      city: city\n      level").Replace(string(readFile(t, "testdata/events.yaml")))
	s, l := LoadFiles([]File{{"events.yaml", []byte(catalogue)}, {"r.yaml", []byte("version: 1\nrules:\n" +
		rule("filtered", "order.paid", "    when: always\n    push: {body: \"${城市 | upper} ${order_id} ${level}\", link: \"app://x?c=${city | urlencode}\", data: {f: \"${followers | join(\\\"/\\\")}\"}}") +
		rule("merged", "order.paid", "    when: always\n    push: {body: \"${count} ${first.city} ${latest.level}\", title: \"${list.city | join}\"}\n    merge: {wait: 1m}\n    limits: {expire: 1h}") +
		rule("opened", "order.paid", "    when: always\n    push: {body: \"${city} ${user.level} ${user.score} ${now}\"}\n    limits: {expire: 1h}") +
		rule("varied", "order.paid", "    when: always\n    push: {body: b, variants: [{name: a, share: 50, body: \"${city}\"}, {name: b, share: 50, body: \"${city}\"}]}"))}}, demoAccount())
	if s == nil {
		t.Fatal(show(l))
	}
	got := map[string][]string{}
	for _, in := range s.Evaluate(happen(t, s, "orders", strings.Replace(paid, "北京", "aé", 1))) {
		c, err := in.Content, error(nil)
		switch in.Rule {
		case "merged":
			if diff := cmp.Diff([]string{"city"}, c.Personal); diff != "" {
				t.Errorf("a merge has names (-want +got):\n%s", diff)
			}
			other := map[string]any{"city": "上海", "level": "vip"}
			c, err = RenderMerged(c, in.Merge, []map[string]any{in.Merge.Vars, other}, 2)
		case "opened":
			c, err = s.Fill(c, row{"level": str("svip"), "score": intent.Value{Type: event.Number, Str: "5"}}.get, time.Unix(0, 0))
		}
		if err != nil {
			t.Fatal(err)
		}
		got[in.Rule] = c.Personal
	}
	want := map[string][]string{
		"filtered": {"AÉ", "a%C3%A9", "f1/f2/f1/", "f1", "f2"},
		"merged":   {"aé、上海", "aé", "上海"},
		"opened":   {"aé", "svip"},
		"varied":   {"aé"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
