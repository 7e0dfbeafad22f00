//go:build synctests

package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/rules"
)

// A thousand saves of the rule file while events flow, half of them no good: cut off, mistyped, emptied, or saved over before anybody
// could have read them. Every event is sent, once, with the text of one version of the rules, and its fate names the hash of just that
// version.
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
		orders := map[string]string{} // event -> user
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
			orders[w.order(user, "lamp")] = user
			if i%10 != 0 { // now and then the next save comes before this one was read
				time.Sleep(time.Duration(2500+137*(i%17)) * time.Millisecond)
			}
		}
		time.Sleep(time.Minute)
		d.stop()
		titles := map[string]string{} // user -> the text that was sent
		for _, e := range w.executed("/push/user.json") {
			for _, user := range orders {
				if strings.Contains(string(e.Body), `"`+user+`"`) {
					if titles[user] != "" {
						t.Errorf("%s was sent to twice", user)
					}
					_, rest, _ := strings.Cut(string(e.Body), `"title":"`)
					titles[user], _, _ = strings.Cut(rest, `"`)
				}
			}
		}
		fates := w.fates()
		seen := map[string]bool{}
		for event, user := range orders {
			fs := fates[event]
			if len(fs) != 1 || fs[0].Fate != "SENT" {
				t.Fatalf("%s ended as %v, want SENT", event, fs)
			}
			if want := hashes[titles[user]]; want == "" || fs[0].RuleSet != want {
				t.Errorf("%s was sent with text %q and the fate names rules %s, that text's rules are %s", event, titles[user], fs[0].RuleSet, want)
			}
			seen[titles[user]] = true
		}
		if len(seen) < saves/4 {
			t.Errorf("only %d versions decided anything: the saves were not taken", len(seen))
		}
		t.Logf("%d saves, %d events, %d versions took effect", saves, len(orders), len(seen))
		w.books(saves)
	})
}
