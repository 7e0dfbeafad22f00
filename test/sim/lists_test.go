//go:build synctests

package sim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/sandbox"
	"github.com/notifier/notifier/internal/settings"
)

// listCatalogue has orders that name others.
var listCatalogue = strings.Replace(catalogue, "    user: user_id\n    fields:\n      product: product\n", "    fields:\n      product: product\n      friends: {path: friends, type: list}\n", 1)

const listRules = `
version: 1
defaults: {owner: sim}
rules:
  - name: friends
    event: order.paid
    mode: live
    class: service
    when: always
    push: {to: "${friends}", title: "News", body: "${product}"}
    limits: {quiet: none, expire: 6h}
`

// A push to a list is one push to each entry, at either vendor: a hundred at most, each user once, however often the event or the entry comes
// and whatever becomes of the process meanwhile; who is named in vain keeps nobody else from theirs.
func TestAPushToAListIsOneToEach(t *testing.T) {
	many := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprint("m", i))
		}
		return out
	}
	long := strings.Repeat("x", 300) // no id at either vendor
	for _, vendor := range []string{"rongcloud", "getui"} {
		t.Run(vendor, func(t *testing.T) {
			simulate(t, setup{quiet: true, rules: listRules}, func(t *testing.T, w *world) {
				w.rules[0].Data = []byte(listCatalogue)
				second := &peer{unknown: []string{"nobody"}}
				var s *settings.Settings
				if vendor == "getui" {
					defer w.getui(second)()
					s = w.second("")
				} else {
					s = w.one("")
				}
				d := w.start(s)
				time.Sleep(time.Minute)
				tell := func(id, product string, friends []string) {
					w.produce(orders, id, map[string]any{"order_id": id, "paid_at": now(), "product": product, "friends": friends})
				}
				want := map[string]map[string]int{} // fates by event
				got := map[string][]string{}        // texts by user
				sends := func(id, product string, friends []string, users []string, more ...string) {
					t.Helper()
					tell(id, product, friends)
					want[id] = map[string]int{"SENT": len(users)}
					if len(users) == 0 {
						delete(want[id], "SENT")
					}
					for _, word := range more {
						want[id][word]++
					}
					for _, u := range users {
						got[u] = append(got[u], product)
					}
				}
				sends("some", "tea", []string{"a", "b", "a", "", " ", "c"}, []string{"a", "b", "c"})
				sends("full", "cup", many(100), many(100))
				sends("over", "pot", many(101), nil, "DEAD(render-error)")
				sends("none", "jar", []string{}, nil, "DEAD(render-error)")
				sends("blank", "lid", []string{"", " "}, nil, "DEAD(render-error)")
				sends("mixed", "mug", []string{"a", long, "b"}, []string{"a", "b"}, "DEAD(bad-field)")
				if vendor == "getui" {
					sends("vain", "can", []string{"a", "nobody", "b"}, []string{"a", "b"}, "DEAD(rejected-by-vendor)")
				}
				time.Sleep(time.Minute)
				tell("some", "tea", []string{"b", "d"}) // its source tells it again, and one more
				want["some"]["SENT"]++
				want["some"]["SUPPRESSED(duplicate)"]++
				got["d"] = append(got["d"], "tea")
				time.Sleep(time.Minute)
				d.stop() // cleanly: a kill may leave calls of which nobody knows
				sends("down", "urn", many(100), many(100))
				d = w.start(s)
				time.Sleep(7 * time.Minute)
				d.kill() // idle
				d = w.start(s)
				time.Sleep(time.Hour)
				d.stop()

				words := map[string]map[string]int{}
				for id, word := range w.words() {
					words[id] = map[string]int{}
					for f := range strings.FieldsSeq(word) {
						words[id][f]++
					}
				}
				for _, id := range slices.Sorted(maps.Keys(want)) {
					if !maps.Equal(words[id], want[id]) {
						t.Errorf("event %s has the fates %v, want %v", id, words[id], want[id])
					}
				}
				texts := map[string][]string{}
				if vendor == "getui" {
					texts = second.delivered
					if second.conflicts != 0 {
						t.Errorf("%d request ids with another push", second.conflicts)
					}
				} else {
					for _, e := range w.executed("/push/user.json") {
						for _, u := range recipients(t, e) {
							texts[u] = append(texts[u], text(e))
						}
					}
				}
				for _, u := range slices.Sorted(maps.Keys(texts)) {
					if got[u] == nil {
						t.Errorf("%s got %v, nobody named them with success", u, texts[u])
					}
				}
				for _, u := range slices.Sorted(maps.Keys(got)) {
					a, b := slices.Sorted(slices.Values(texts[u])), slices.Sorted(slices.Values(got[u]))
					if !slices.Equal(a, b) {
						t.Errorf("%s got %v, want %v", u, a, b)
					}
				}
				if p := w.pending(); len(p) != 0 {
					t.Errorf("pending: %v", p)
				}
			})
		})
	}
}

// recipients are the users of a push to users.
func recipients(t *testing.T, e sandbox.Entry) []string {
	t.Helper()
	var body struct {
		UserIDs []string `json:"userIds"`
	}
	if err := json.Unmarshal(e.Body, &body); err != nil || len(body.UserIDs) == 0 {
		t.Fatalf("no users in %s: %v", e.Body, err)
	}
	return body.UserIDs
}
