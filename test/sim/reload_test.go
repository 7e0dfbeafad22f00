//go:build synctests

package sim

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/rules"
)

// A thousand saves of the rule file while events flow, half of them no good: cut off, mistyped, emptied, or saved over before anybody
// could have read them. Every event is sent, once, with the text of one version of the rules, and its fate names the hash of just that
// version. Now and then the events come in a batch of many as a save takes effect: what was polled at once has one hash.
func TestAThousandSavesWhileEventsFlow(t *testing.T) {
	const saves = 1000
	simulate(t, setup{quiet: true}, func(t *testing.T, w *world) {
		version := func(i int) string {
			return strings.Replace(ruleFile, `title: "Thanks"`, fmt.Sprintf(`title: "v%d"`, i), 1)
		}
		hashes := map[string]string{} // version -> hash
		good := func(i int) string {
			text := version(i)
			set, list := rules.LoadFiles([]rules.File{w.rules[0], {Name: w.rules[1].Name, Data: []byte(text)}}, app.AnyRuleOptions())
			if set == nil {
				t.Fatal(list)
			}
			hashes[fmt.Sprint("v", i)] = set.Hash
			return text
		}
		w.rules[1].Data = []byte(good(0))
		d := w.start(w.one(""))
		time.Sleep(time.Minute)
		users := map[string]string{} // event -> user
		var batches [][]string       // of events that came at once
		for i := 1; i <= saves; i++ {
			text := version(i)
			switch i % 8 {
			case 1:
				text = strings.Replace(text, "when: always", "wehn: always", 1)
			case 3:
				text = text[:len(text)/2]
			case 5:
				text = "version: 1\nrules: []\n"
			case 7:
				text = strings.Replace(text, `body: "${product}"`, `body: "${prodcut}"`, 1)
			default:
				text = good(i)
			}
			w.edit(text)
			user := fmt.Sprint("u", i)
			users[w.order(user, "lamp")] = user
			if i%100 == 4 { // and a save takes effect while batches come, as many as the brake lets pass
				for range 4 {
					var batch []string
					var rs []*kgo.Record
					for n := range 20 {
						event, user := w.id("order"), fmt.Sprintf("b%d-%d-%d", i, len(batches), n)
						users[event], batch = user, append(batch, event)
						rs = append(rs, &kgo.Record{Topic: orders, Key: []byte("all in one partition"), Value: fmt.Appendf(nil, `{"order_id":%q,"paid_at":%q,"user_id":%q,"product":"lamp"}`, event, now(), user)})
					}
					if err := w.cl.ProduceSync(t.Context(), rs...).FirstErr(); err != nil {
						t.Fatal(err)
					}
					batches = append(batches, batch)
					time.Sleep(time.Second)
				}
			}
			if i%10 != 0 { // now and then the next save comes before this one was read
				time.Sleep(time.Duration(2500+137*(i%17)) * time.Millisecond)
			}
		}
		time.Sleep(time.Minute)
		d.stop()
		titles := map[string]string{} // user -> the text that was sent
		for _, e := range w.executed("/push/user.json") {
			var call struct {
				UserIDs      []string `json:"userIds"`
				Notification struct{ Title string }
			}
			if err := json.Unmarshal(e.Body, &call); err != nil {
				t.Fatal(err)
			}
			for _, user := range call.UserIDs {
				if titles[user] != "" {
					t.Errorf("%s was sent to twice", user)
				}
				titles[user] = call.Notification.Title
			}
		}
		fates := w.fates()
		seen := map[string]bool{}
		for event, user := range users {
			fs := fates[event]
			if len(fs) != 1 || fs[0].Fate != "SENT" {
				t.Fatalf("%s ended as %v, want SENT", event, fs)
			}
			if want := hashes[titles[user]]; want == "" || fs[0].RuleSet != want {
				t.Errorf("%s was sent with text %q and the fate names rules %s, that text's rules are %s", event, titles[user], fs[0].RuleSet, want)
			}
			seen[titles[user]] = true
		}
		changed := 0
		for i, batch := range batches {
			for _, event := range batch {
				if fates[event][0].RuleSet != fates[batch[0]][0].RuleSet {
					t.Errorf("of one batch %s was decided by %s, %s by %s", batch[0], fates[batch[0]][0].RuleSet, event, fates[event][0].RuleSet)
				}
			}
			if i%4 > 0 && fates[batch[0]][0].RuleSet != fates[batches[i-1][0]][0].RuleSet {
				changed++
			}
		}
		if len(batches) != saves/100*4 || changed < saves/200 {
			t.Errorf("%d batches, between %d of which the rules were swapped while they came", len(batches), changed)
		}
		if len(seen) < saves/4 {
			t.Errorf("only %d versions decided anything: the saves were not taken", len(seen))
		}
		t.Logf("%d saves, %d events, %d versions took effect", saves, len(users), len(seen))
		w.books(len(users))
	})
}
